"""What the agent of a simulated guest finds inside it: a few files, and a few programs that need no system."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from atlas.lab.backend import AgentRefused, Machine


@dataclass
class System:
    """The inside of one simulated guest; files outlive its runs, handles and processes do not."""

    files: dict[str, bytes] = field(default_factory=dict)
    handles: dict[int, list[Any]] = field(default_factory=dict)  # handle -> [path, position]
    ended: dict[int, dict[str, Any]] = field(default_factory=dict)  # pid -> what exec-status says, once
    passwords: dict[str, str] = field(default_factory=dict)
    last: int = 1000

    def number(self) -> int:
        """Return the next handle or process id."""
        self.last += 1
        return self.last


def _files(system: System, machine: Machine) -> dict[str, bytes]:
    """Return the guest's files, with those that every system has."""
    release = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
    return {"/etc/hostname": f"{machine.name}\n".encode(), "/etc/os-release": release, **system.files}


def _open(system: System, machine: Machine, given: Mapping[str, Any]) -> int:
    path, mode = str(given["path"]), str(given.get("mode", "r"))
    if mode.startswith("r") and path not in _files(system, machine):
        raise AgentRefused(f"failed to open file '{path}' (mode: '{mode}'): No such file or directory")
    if mode.startswith("w"):
        system.files[path] = b""
    handle = system.number()
    system.handles[handle] = [path, 0]
    return handle


def _handle(system: System, given: Mapping[str, Any]) -> list[Any]:
    found = system.handles.get(int(given["handle"]))
    if found is None:
        raise AgentRefused(f"handle '{given['handle']}' has not been found")
    return found


def _read(system: System, machine: Machine, given: Mapping[str, Any]) -> dict[str, Any]:
    handle = _handle(system, given)
    content = _files(system, machine).get(handle[0], b"")
    part = content[handle[1] : handle[1] + int(given.get("count", 4096))]
    handle[1] += len(part)
    return {"count": len(part), "buf-b64": base64.b64encode(part).decode(), "eof": handle[1] >= len(content)}


def _seek(system: System, _: Machine, given: Mapping[str, Any]) -> dict[str, Any]:
    handle = _handle(system, given)
    handle[1] = int(given["offset"])
    return {"position": handle[1], "eof": False}


def _write(system: System, _: Machine, given: Mapping[str, Any]) -> dict[str, Any]:
    handle = _handle(system, given)
    data = base64.b64decode(str(given["buf-b64"]))
    system.files[handle[0]] = system.files.get(handle[0], b"")[: handle[1]] + data
    handle[1] += len(data)
    return {"count": len(data), "eof": False}


def _close(system: System, _: Machine, given: Mapping[str, Any]) -> dict[str, Any]:
    _handle(system, given)
    del system.handles[int(given["handle"])]
    return {}


def _cat(system: System, machine: Machine, words: Sequence[str], stdin: bytes) -> tuple[int, bytes, bytes]:
    known = _files(system, machine)
    missing = [word for word in words if word not in known]
    if missing:
        return 1, b"", "".join(f"cat: {word}: No such file or directory\n" for word in missing).encode()
    return 0, b"".join(known[word] for word in words) if words else stdin, b""


_Program = Callable[[System, Machine, Sequence[str], bytes], tuple[int, bytes, bytes]]
_PROGRAMS: dict[str, _Program] = {
    "cat": _cat,
    "echo": lambda _, __, words, ___: (0, " ".join(words).encode() + b"\n", b""),
    "false": lambda *_: (1, b"", b""),
    "hostname": lambda _, machine, __, ___: (0, f"{machine.name}\n".encode(), b""),
    "true": lambda *_: (0, b"", b""),
    "uname": lambda *_: (0, b"Linux\n", b""),
}


def _exec(system: System, machine: Machine, given: Mapping[str, Any]) -> dict[str, int]:
    path = str(given.get("path", ""))
    folder, _, name = path.rpartition("/")
    program = _PROGRAMS.get(name) if folder in ("", "/bin", "/usr/bin") else None
    if program is None:
        raise AgentRefused(
            f"Guest agent command failed, error was 'Failed to execute child process “{path}” "
            f"(No such file or directory)': the guest is simulated and has only {', '.join(sorted(_PROGRAMS))}"
        )
    stdin = base64.b64decode(str(given.get("input-data", "")))
    code, out, err = program(system, machine, [str(word) for word in given.get("arg", ())], stdin)
    pid = system.number()
    said = {"out-data": out, "err-data": err} if given.get("capture-output") else {}
    texts = {key: base64.b64encode(value).decode() for key, value in said.items() if value}
    system.ended[pid] = {"exited": True, "exitcode": code, **texts}
    return {"pid": pid}


def _exec_status(system: System, _: Machine, given: Mapping[str, Any]) -> dict[str, Any]:
    found = system.ended.pop(int(given["pid"]), None)
    if found is None:
        raise AgentRefused(f"PID {given['pid']} does not exist")
    return found


def _set_password(system: System, _: Machine, given: Mapping[str, Any]) -> dict[str, Any]:
    system.passwords[str(given["username"])] = str(given["password"])
    return {}


_COMMANDS: dict[str, Callable[[System, Machine, Mapping[str, Any]], Any]] = {
    "guest-exec": _exec,
    "guest-exec-status": _exec_status,
    "guest-file-close": _close,
    "guest-file-open": _open,
    "guest-file-read": _read,
    "guest-file-seek": _seek,
    "guest-file-write": _write,
    "guest-set-user-password": _set_password,
}


def knows(command: str) -> bool:
    """Say whether a command of the agent is about the inside of the guest."""
    return command in _COMMANDS


def run(system: System, machine: Machine, command: str, arguments: Mapping[str, Any] | None) -> Any:
    """Run a command of the agent in a simulated guest.

    Raises:
        AgentRefused: the agent's own error.
    """
    return _COMMANDS[command](system, machine, arguments or {})
