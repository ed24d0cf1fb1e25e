"""One API call: what a handler gets, what it may raise, and the registry of handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atlas.lab.tasks import AtStep, Task
    from atlas.lab.world import Lab

PARAMETERS_FAILED = "Parameter verification failed."


class PVEError(Exception):
    """An answer that is not a success, with the status and texts that clients match on.

    Args:
        status: The HTTP status.
        message: The text; its first line becomes the reason phrase.
        errors: The faulty parameters by name, for status 400.
    """

    def __init__(self, status: int, message: str = "", errors: dict[str, str] | None = None) -> None:
        self.status, self.errors = status, errors
        self.message = message or (PARAMETERS_FAILED if errors else "")
        # Perl's exception class carries its code as text, plain `die` gives a number: extjs answers show it.
        self.typed = status in (400, 403) or errors is not None
        super().__init__(self.message)


class NotAuthenticated(PVEError):
    """401 at the front door, before any method is looked at: its answer has no body."""

    def __init__(self, message: str) -> None:
        super().__init__(401, message)


class Forbidden(PVEError):
    """403 for a privilege that the caller lacks."""

    def __init__(self, what: str = "") -> None:
        super().__init__(403, f"Permission check failed ({what})" if what else "Permission check failed")


class NoSuchMethod(PVEError):
    """501 for a path or method that there is none of."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(501, f"Method '{method} {path}' not implemented")


class Unreadable(PVEError):
    """A request that PVE's front door refuses in plain text."""


class Severed(Exception):
    """The connection breaks instead of an answer.

    Args:
        answer: What would have been sent; the client gets half of it. None: not a byte.
    """

    def __init__(self, answer: dict[str, Any] | None = None) -> None:
        super().__init__("the connection was severed")
        self.answer = answer


@dataclass
class Upload:
    """A file that came in a multipart body, kept in a temporary place until a handler moves it."""

    name: str
    path: str
    size: int


@dataclass
class Call:
    """One API call after authentication, permission and parameter checks.

    Args:
        lab: The world.
        method: GET, POST, PUT or DELETE.
        path: The template of the API table.
        params: Path and body parameters, typed by the table (booleans are 0 or 1).
        user: `root@pam`, or `user@realm!token` for a token.
        raw: The parameters as they came, for the few answers that echo them.
        extra: What goes beside `data` in the answer (such as `total`).
        number: Its place in the history.
        at_step: What a fault does to the worker that it starts.
    """

    lab: Lab
    method: str
    path: str
    params: dict[str, Any]
    user: str
    raw: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    upload: Upload | None = None
    peer: str = "127.0.0.1"
    number: int = 0
    at_step: AtStep | None = None

    def may(self, path: str, *privileges: str, any: bool = False) -> bool:  # noqa: A002  PVE's own word for it
        """Say whether the caller holds the privileges (all of them, or with `any` one) on an ACL path."""
        return self.lab.rights.holds(self.user, path, privileges, any=any)

    def need(self, path: str, *privileges: str, any: bool = False) -> None:  # noqa: A002  PVE's own word for it
        """Refuse the call with 403 unless the caller holds the privileges on an ACL path.

        Raises:
            PVEError: 403, naming the path and the first privilege that is missing.
        """
        self.lab.rights.need(self.user, path, privileges, any=any)

    @property
    def is_root(self) -> bool:
        """True for root@pam with a password; a token of root@pam is not root@pam."""
        return self.user == "root@pam"

    def task(
        self,
        kind: str,
        id: str | int,  # noqa: A002  PVE's own word for it
        work: Callable[[Task], Awaitable[None]],
        node: str | None = None,
    ) -> str:
        """Start a worker and return its UPID.

        Args:
            kind: The worker's type, such as `qmclone`.
            id: What it works on (a VMID, a storage); empty where there is nothing.
            work: The coroutine function that does it.
            node: Where it runs; the call's own node if left out.
        """
        where = node or self.params.get("node") or self.lab.local_node
        return self.lab.tasks.start(str(where), kind, str(id), self.user, work, self.at_step)


Handler = Callable[[Call], object]
HANDLERS: dict[tuple[str, str], Handler] = {}
SHAPED: set[tuple[str, str]] = set()
REFUSED: dict[tuple[str, str], str] = {}


def api(method: str, template: str) -> Callable[[Handler], Handler]:
    """Register a handler for a method of the API table; its return value becomes `data`.

    Args:
        method: GET, POST, PUT or DELETE.
        template: The path as the table writes it, such as `/nodes/{node}/qemu/{vmid}/clone`.

    Raises:
        ValueError: another handler is registered for it.
    """

    def register(handler: Handler) -> Handler:
        if (method, template) in HANDLERS:
            raise ValueError(f"{method} {template} is registered twice")
        HANDLERS[method, template] = handler
        return handler

    return register


def shaped(method: str, template: str) -> Callable[[Handler], Handler]:
    """Register a handler whose answer has the right shape, but does not follow from the world's state.

    Args:
        method: GET, POST, PUT or DELETE.
        template: The path as the table writes it.
    """
    SHAPED.add((method, template))
    return api(method, template)


def refuse(method: str, template: str, why: str, status: int = 501) -> None:
    """Register the refusal of a method that the lab does not model.

    Args:
        method: GET, POST, PUT or DELETE.
        template: The path as the table writes it.
        why: The sentence that the caller reads.
        status: Another status than 501, where PVE itself refuses in the state that the lab is in.
    """
    REFUSED[method, template] = why

    @api(method, template)
    def handler(_: Call) -> object:
        raise PVEError(status, why)
