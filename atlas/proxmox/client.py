"""The one way to the Proxmox VE API: pinned certificates, time-outs, retries for reads, every error ours."""

from __future__ import annotations

import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from atlas.errors import ApiRefused, AuthFailed, ProxmoxError, SettingsError, Unreachable

if TYPE_CHECKING:
    from proxmoxer import ProxmoxResource

CONNECT_SECONDS = 5.0
READ_SECONDS = 35.0  # PVE itself gives up a proxied call after 30 s and answers 596
UPLOAD_SECONDS = (60.0, 1800.0)  # for a piece to be taken, and for the answer once all is sent
IDLE_SECONDS = 4.0  # pveproxy closes a connection that was idle for 5 s
READ_TRIES = 4
_TRUST = (
    "put the authority's file into `ca_file` of the cluster's profile, or into `fingerprint` what the node itself "
    "says: openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem"
)


@dataclass(slots=True)
class _Line:
    """One session with its one connection; `used` is when a call last ended on it."""

    session: Any
    base: str
    root: ProxmoxResource
    used: float


class Client:
    """A Proxmox VE API with one token; may be called from several threads at once.

    A call takes a connection that no other call uses, and makes one where there is none: few are ever made, since a
    TLS handshake takes longer than most calls.

    Args:
        endpoint: `https://host:port`.
        token: `user@realm!name=secret`.
        ca_file: The authority to trust instead of the system's.
        fingerprint: SHA-256 of the server's own certificate, the only one that is then accepted.
    """

    def __init__(
        self, endpoint: str, token: str, *, ca_file: Path | None = None, fingerprint: str | None = None
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._user, mark, rest = token.partition("!")
        self._token_name, equals, self._secret = rest.partition("=")
        self.token_id = f"{self._user}!{self._token_name}"
        if not (mark and equals and self._token_name and self._secret):
            raise SettingsError("the API token is not of the form user@realm!name=secret")
        if ca_file is not None:
            _check_authority(ca_file)
        self._ca_file, self._fingerprint = ca_file, fingerprint
        self._idle: deque[_Line] = deque()

    def get(self, *path: object, **params: Any) -> Any:
        """Read; repeated when there is no answer."""
        for attempt in range(1, READ_TRIES):
            try:
                return self._ask("get", path, params)
            except Unreachable as lost:
                if isinstance(lost, _Untrusted):
                    raise
                time.sleep(random.uniform(0.1, 0.4) * 2**attempt)  # noqa: S311  jitter is no secret
        return self._ask("get", path, params)

    def post(self, *path: object, **params: Any) -> Any:
        """Make or do something; sent once. Unreachable means that nobody knows whether it was done."""
        return self._ask("post", path, params)

    def put(self, *path: object, **params: Any) -> Any:
        """Change something; sent once. Unreachable means that nobody knows whether it was done."""
        return self._ask("put", path, params)

    def delete(self, *path: object, **params: Any) -> Any:
        """Delete something; sent once. Unreachable means that nobody knows whether it was done."""
        return self._ask("delete", path, params)

    def _ask(self, method: str, path: tuple[object, ...], params: dict[str, Any]) -> Any:
        words = _words(method, path)
        with self._line() as line:
            call: Callable[..., Any] = getattr(line.root(_quoted(path)), method)
            return self._guarded(words, lambda: call(**params))

    def upload(self, *path: object, file: Path, name: str, **fields: Any) -> Any:
        """Send a file with other fields, a piece at a time; sent once.

        Args:
            path: Where to.
            file: The file.
            name: What it is called there.
            fields: The other parameters, which come before it.
        """
        from requests import Session

        from atlas.proxmox.multipart import Multipart

        words = _words("post", path)

        def send(line: _Line) -> Any:
            url = f"{line.base}/{_quoted(path)}"
            with file.open("rb") as content:
                body = Multipart(content, name, {key: str(value) for key, value in fields.items()})
                # Not by proxmoxer's own session, which would read all of the file first.
                how: dict[str, Any] = {"timeout": UPLOAD_SECONDS, "verify": line.session.auth.verify_ssl}
                answer = Session.request(
                    line.session, "POST", url, data=body, headers={"Content-Type": body.type}, **how
                )
            if answer.status_code >= 400:
                errors = answer.json().get("errors") if answer.content else None
                raise translate(words, answer.status_code, str(answer.reason), errors, self.endpoint)
            return answer.json()["data"]

        with self._line() as line:
            return self._guarded(words, lambda: send(line))

    def _guarded(self, words: str, call: Callable[[], Any]) -> Any:
        import requests
        from proxmoxer import ResourceException

        try:
            return call()
        except ResourceException as refused:
            raise translate(
                words, refused.status_code, str(refused.content), refused.errors, self.endpoint
            ) from refused
        except requests.exceptions.SSLError as problem:
            text = _innermost(problem)
            if "certificate" not in text and "ingerprint" not in text:
                raise _Untrusted(
                    f"{self.endpoint} does not speak https as Proxmox VE does: {text}",
                    "see `endpoint` in the cluster's profile: is that the port of Proxmox VE's API, usually 8006?",
                ) from problem
            raise _Untrusted(f"the certificate of {self.endpoint} is not the one to trust: {text}", _TRUST) from problem
        except (requests.exceptions.RequestException, OSError) as problem:
            raise Unreachable(
                f"{self.endpoint} did not answer {words}: {_innermost(problem)}",
                "see `endpoint` in the cluster's profile; does the server run, and does a firewall let you through?",
            ) from problem
        except (KeyError, TypeError, ValueError) as problem:
            raise ApiRefused(
                f"{self.endpoint} answered {words} with something that is not Proxmox VE's",
                "is the endpoint of the profile a Proxmox VE API?",
                status=200,
                reason="not an API answer",
            ) from problem

    @contextmanager
    def _line(self) -> Iterator[_Line]:
        """Lend a connection to one call; one that the server may have closed by now is opened anew."""
        try:
            line = self._idle.pop()
        except IndexError:
            line = self._connect()
        if time.monotonic() - line.used > IDLE_SECONDS:
            line.session.close()
        try:
            yield line
        finally:
            line.used = time.monotonic()
            self._idle.append(line)

    def _connect(self) -> _Line:
        from proxmoxer import ProxmoxResource
        from proxmoxer.backends.https import Backend
        from requests.adapters import HTTPAdapter

        # With a fingerprint alone the chain proves nothing more; with both, both have to hold.
        verify: bool | str = str(self._ca_file) if self._ca_file else self._fingerprint is None
        where = urlsplit(self.endpoint)
        backend = Backend(
            host=where.hostname or "",
            port=where.port or 8006,
            user=self._user,
            token_name=self._token_name,
            token_value=self._secret,
            verify_ssl=verify,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
        )
        session = backend.get_session()
        session.trust_env = False  # neither ~/.netrc nor a proxy has a say in where the token goes
        fingerprint = self._fingerprint

        class Pinned(HTTPAdapter):
            def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
                if fingerprint is not None:
                    kwargs["assert_fingerprint"] = fingerprint
                super().init_poolmanager(*args, **kwargs)

        session.mount("https://", Pinned())
        base = backend.get_base_url()
        root = ProxmoxResource(base_url=base, session=session, serializer=backend.get_serializer())
        return _Line(session, base, root, time.monotonic())


def _quoted(path: tuple[object, ...]) -> str:
    return "/".join(quote(str(part), safe="") for part in path)


def _words(method: str, path: tuple[object, ...]) -> str:
    """Return a call in words.

    Raises:
        ApiRefused: Its path would lead to another place of the API.
    """
    words = f"{method.upper()} /{'/'.join(str(p) for p in path)}"
    if any(str(part) in ("", ".", "..") for part in path):
        raise ApiRefused(f"{words} is no path of the API", status=400, reason="not a path")
    return words


class _Untrusted(Unreachable):
    """The server's certificate is wrong: asking again changes nothing."""


def translate(words: str, status: int, reason: str, errors: Any, endpoint: str) -> ProxmoxError:
    """Return our error for an answer of PVE with an error status.

    Args:
        words: The call, for the message.
        status: The HTTP status.
        reason: The reason phrase, in which PVE gives the first line of its error.
        errors: Faulty parameters by name, or whatever else the body held.
        endpoint: For the message.

    Source: pve-http-server AnyEvent.pm; 595 to 599 are PVE's own for a node that did not answer.
    """
    reason = reason.strip() or f"status {status}"
    faults = {str(k): str(v).strip() for k, v in errors.items()} if isinstance(errors, dict) and status == 400 else {}
    detail = "; ".join(f"{name}: {text}" for name, text in sorted(faults.items()))
    if status == 401:
        return AuthFailed(
            f"{endpoint} does not accept the token: {reason}",
            "is it spelled right, and has it expired? `atlas doctor --role` prints how to make one",
        )
    if 595 <= status <= 599:
        return Unreachable(f"{endpoint} got no answer from the node for {words}: {reason}", "is that node online?")
    hint = ""
    if status == 403:
        hint = "`atlas doctor --role` prints the role that the token needs"
    text = f"{words}: {reason}{f' ({detail})' if detail else ''}"
    return ApiRefused(text, hint, status=status, reason=reason, errors=faults)


def _innermost(problem: BaseException) -> str:
    """Return the words of the error that the layers of libraries were wrapped around."""
    inner: BaseException = problem
    while True:
        reason = getattr(inner, "reason", None)
        following = reason if isinstance(reason, BaseException) else None
        following = following or next((a for a in inner.args if isinstance(a, BaseException)), None)
        if following is None:
            return _NOISE.sub("", str(inner)).strip() or type(inner).__name__
        inner = following


# What the layers put around a sentence: where they are, and numbers of their own.
_NOISE = re.compile(
    r"^HTTPSConnection(?:Pool)?\([^)]*\): |Failed to establish a new connection: |\[(?:Errno |SSL: |X509: )[^]]*\] "
    r"| \(_ssl\.c:\d+\)"
)


def _check_authority(file: Path) -> None:
    """Refuse a CA file that cannot be one, before a certificate is blamed for it."""
    hint = "see `ca_file` in the cluster's profile"
    try:
        content = file.read_bytes()
    except OSError as problem:
        raise SettingsError(f"cannot read the CA file {file}: {problem.strerror}", hint) from problem
    if b"-----BEGIN " not in content:
        raise SettingsError(f"the CA file {file} holds no certificate (PEM)", hint)
