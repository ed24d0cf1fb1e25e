"""Every error that ATLAS raises for work that failed; diagnostics are for the user's faults.

AtlasError                       1  failed, unless a subclass says otherwise
├── SpecError                    2  the spec has faults; carries the diagnostics
├── UsageError                   2  wrong use of a command
├── SettingsError                2  a setting or a cluster profile is wrong or missing
├── ConversationError            1
│   ├── LimitReached                turns, tokens or cost ran out
│   └── ModelError                  a model did not answer, or answered nonsense
├── ApprovalRefused              3  no approval, or not for exactly this plan
├── GenerateError                1  the generators could not make a bundle
├── ProxmoxError                 1
│   ├── Unreachable                 no connection, wrong certificate; the outcome of a write is unknown
│   ├── AuthFailed                  401: the token is not accepted
│   ├── ApiRefused                  the API answered with an error; carries status, reason, errors
│   ├── TaskFailed                  a task ended with an error; carries its words
│   └── TaskTimeout                 a task still ran when the patience for it ended
├── EngineError                  1
│   ├── TerraformError              the program failed; carries its diagnostics
│   └── ProviderMissing             `init` cannot have the provider
├── AnsibleError                 1  a play failed or a guest was unreachable
├── PartlyDone                   4  some of the work is done, the rest is resumable
└── StateError                   1
    ├── StalePlan                   the cluster differs from what the plan was made for
    ├── Held                        another process works on this session or stack
    ├── NotFound                 2  no session, stack, plan or guest of that name
    └── SessionCorrupt              what is stored cannot be read
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

from atlas.diagnostics import Diagnostic


class ExitCode(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    NOT_APPROVED = 3
    PARTLY = 4
    INTERRUPTED = 130


class AtlasError(Exception):
    """Work that failed: what happened, and what to do next.

    Args:
        message: What happened and why, one sentence, fit for a person.
        hint: What to do next; a command where there is one.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SpecError(AtlasError):
    """The spec has faults; all of them are in `diagnostics`."""

    exit_code = ExitCode.WRONG_USE

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        count = sum(1 for d in diagnostics if d.severity == "error")
        super().__init__(f"the spec has {count} fault{'' if count == 1 else 's'}")
        self.diagnostics = tuple(diagnostics)


class UsageError(AtlasError):
    """A command was used wrongly."""

    exit_code = ExitCode.WRONG_USE


class SettingsError(AtlasError):
    """A setting or a cluster profile is wrong or missing."""

    exit_code = ExitCode.WRONG_USE


class ConversationError(AtlasError):
    """The conversation cannot go on."""


class LimitReached(ConversationError):
    """Turns, tokens or cost ran out."""


class ModelError(ConversationError):
    """A model did not answer, or answered something unusable."""


class ApprovalRefused(AtlasError):
    """There is no approval, or it is not for exactly this plan."""

    exit_code = ExitCode.NOT_APPROVED


class GenerateError(AtlasError):
    """The generators could not make a bundle."""


class ProxmoxError(AtlasError):
    """The cluster did not do what was asked."""


class Unreachable(ProxmoxError):
    """No connection or no answer; whether a write was carried out is unknown."""


class AuthFailed(ProxmoxError):
    """The API does not accept the token."""


class ApiRefused(ProxmoxError):
    """The API answered with an error.

    Args:
        message: The sentence for the user.
        status: The HTTP status.
        reason: PVE's own words.
        errors: Faulty parameters by name.
    """

    def __init__(
        self, message: str, hint: str = "", *, status: int, reason: str, errors: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.reason = reason
        self.errors = dict(errors or {})


class TaskFailed(ProxmoxError):
    """A task ended with an error; `exitstatus` holds its own words."""

    def __init__(self, message: str, hint: str = "", *, upid: str, exitstatus: str, log: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.upid = upid
        self.exitstatus = exitstatus
        self.log = tuple(log)


class TaskTimeout(ProxmoxError):
    """A task still ran when the patience for it ended."""

    def __init__(self, message: str, hint: str = "", *, upid: str) -> None:
        super().__init__(message, hint)
        self.upid = upid


class EngineError(AtlasError):
    """An engine failed."""


class TerraformError(EngineError):
    """Terraform failed; `diagnostics` are its own."""

    def __init__(self, message: str, hint: str = "", *, diagnostics: Sequence[Diagnostic] = ()) -> None:
        super().__init__(message, hint)
        self.diagnostics = tuple(diagnostics)


class ProviderMissing(EngineError):
    """`terraform init` cannot have the provider here."""


class AnsibleError(AtlasError):
    """A play failed, or a guest could not be reached."""


class PartlyDone(AtlasError):
    """Some of the work is done; the rest can be resumed."""

    exit_code = ExitCode.PARTLY


class StateError(AtlasError):
    """What is stored or observed does not fit."""


def unwritten(problem: OSError, place: object = None) -> StateError:
    """Say in plain words what the disk refused."""
    where = place or problem.filename or "ATLAS's home"
    return StateError(
        f"cannot write to {where}: {problem.strerror or problem}",
        "make room, mend its rights, or name another folder (ATLAS_HOME names ATLAS's own); `atlas resume` goes on",
    )


class StalePlan(StateError):
    """The cluster differs from what the plan was made for."""


class Held(StateError):
    """Another process works on this session or stack."""


class NotFound(StateError):
    """There is no session, stack, plan or guest of that name."""

    exit_code = ExitCode.WRONG_USE


class SessionCorrupt(StateError):
    """What is stored cannot be read."""
