"""The checks of a guest: a port that accepts, an HTTP answer, a service that runs, a command that succeeds."""

from __future__ import annotations

import http.client
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from atlas.ports.guests import CheckResult
from atlas.reach.streams import stream
from atlas.settings import Ssh
from atlas.spec import Check, HttpCheck

Ask = Callable[[str], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True)
class Way:
    """The way to one port of a guest."""

    ssh: Ssh
    direct: bool
    address: str
    port: int

    @contextmanager
    def open(self, seconds: float = 10.0) -> Iterator[socket.socket]:
        """Open a stream to the port."""
        with stream(self.ssh, self.direct, self.address, self.port, seconds) as found:
            yield found


def run(check: Check, *, connect: Callable[[int], Way], ask: Ask, root: bool, patience: float) -> CheckResult:
    """Carry out a check, again until it holds or the patience has ended."""
    end = time.monotonic() + patience
    while True:
        ok, evidence = _once(check, connect, ask, root)
        if ok or time.monotonic() + 1 > end:
            return CheckResult(check.label, ok, evidence)
        time.sleep(1)  # tried again until the deadline


def _once(check: Check, connect: Callable[[int], Way], ask: Ask, root: bool) -> tuple[bool, str]:
    if check.http is not None:
        return _http(check.http, connect(check.http.port))
    if check.port is not None:
        return _port(connect(check.port), ask)
    if check.service is not None:
        done = ask(f"systemctl is-active -- {shlex.quote(check.service)}")
        return done.returncode == 0, done.stdout.strip() or done.stderr.strip() or f"exit {done.returncode}"
    words = str(check.command) if root else f"sudo -n sh -c {shlex.quote(str(check.command))}"
    done = ask(words)
    said = (done.stdout.strip() or done.stderr.strip())[:200]
    return done.returncode == 0, f"exit {done.returncode}{f': {said}' if said else ''}"


def _port(way: Way, ask: Ask) -> tuple[bool, str]:
    """Tell whether something accepts on the port from outside; a proxy hides refusals, so ask the guest as well."""
    try:
        with way.open() as found:
            if way.direct:
                return True, f"{way.address}:{way.port} accepts"
            found.settimeout(2)
            try:
                if found.recv(1) == b"":
                    return False, f"{way.address}:{way.port} closes at once"
            except TimeoutError:
                pass  # open and silent, as most servers are until they are spoken to
    except OSError as problem:
        return False, f"{way.address}:{way.port}: {problem}"
    done = ask(f"ss -Hltn 'sport = :{way.port}'")
    listens = done.stdout.strip()
    if done.returncode == 0 and not listens:
        return False, f"nothing listens on {way.port}"
    return True, f"{way.address}:{way.port} accepts"


def _http(wanted: HttpCheck, way: Way) -> tuple[bool, str]:
    try:
        with way.open() as found:
            if wanted.scheme == "https":
                import ssl

                # Guests carry certificates of their own making; the check is about the answer.
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                found = context.wrap_socket(found, server_hostname=way.address)  # noqa: PLW2901  the same stream
            connection = http.client.HTTPConnection(way.address, way.port)
            connection.sock = found
            connection.request("GET", wanted.path, headers={"Host": way.address, "Connection": "close"})
            answer = connection.getresponse()
            body = answer.read(1 << 20).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as problem:
        return False, f"http://{way.address}:{way.port}{wanted.path}: {str(problem) or type(problem).__name__}"
    seen = f"HTTP {answer.status} from {wanted.scheme}://{way.address}:{way.port}{wanted.path}"
    if answer.status != wanted.status:
        return False, f"{seen}, wanted {wanted.status}"
    if wanted.contains is not None and wanted.contains not in body:
        return False, f"{seen}, without {wanted.contains!r}"
    return True, seen
