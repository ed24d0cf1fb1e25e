"""Speak to a running QEMU: QMP over its monitor socket, and the guest agent over the virtio-serial socket."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atlas.lab.backend import AgentRefused, AgentSilent, BackendError

_ANSWER_LIMIT = 64 * 1024 * 1024  # bytes of one line: a file read through the agent comes in one


class Monitor:
    """One QMP connection; use `await Monitor.connect(path)`. Commands are run one at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = asyncio.Lock()
        self._number = 0

    @classmethod
    async def connect(cls, path: Path, limit: float = 10.0) -> Monitor:
        """Connect and leave negotiation mode.

        Raises:
            BackendError: nobody answers there within `limit` seconds.
        """
        try:
            async with asyncio.timeout(limit):
                reader, writer = await asyncio.open_unix_connection(str(path), limit=_ANSWER_LIMIT)
                await reader.readline()
                monitor = cls(reader, writer)
                await monitor.run("qmp_capabilities")
                return monitor
        except (OSError, TimeoutError) as error:
            raise BackendError(f"the monitor {path.name} does not answer") from error

    async def run(self, command: str, given: Mapping[str, Any] | None = None, **arguments: Any) -> Any:
        """Run one command and return its answer.

        Args:
            command: its name.
            given: arguments to be passed as they are; QEMU has names with `_` and with `-`.
            arguments: more of them, whose `_` stands for `-`.

        Raises:
            BackendError: QEMU's own words, or that it ended.
        """
        async with self._lock:
            self._number += 1
            asked = {"execute": command, "id": self._number}
            if given or arguments:
                named = {name.replace("_", "-"): value for name, value in arguments.items()}
                asked["arguments"] = {**(given or {}), **named}
            try:
                self._writer.write(json.dumps(asked).encode() + b"\n")
                await self._writer.drain()
                while line := await self._reader.readline():
                    answer = json.loads(line)
                    if answer.get("id") == self._number:
                        break
                else:
                    raise BackendError(f"QEMU ended during {command}")
            except (OSError, ValueError) as error:
                raise BackendError(f"QEMU ended during {command}") from error
        if "error" in answer:
            raise BackendError(str(answer["error"].get("desc", answer["error"])))
        return answer.get("return")

    async def human(self, line: str) -> str:
        """Run one command of the human monitor and return what it printed."""
        return str(await self.run("human-monitor-command", command_line=line)).strip()

    async def job(self, command: str, limit: float = 600.0, **arguments: Any) -> None:
        """Start a job and wait for its end.

        Raises:
            BackendError: the job failed, or took longer than `limit` seconds.
        """
        name = f"lab{secrets.token_hex(4)}"
        await self.run(command, job_id=name, **arguments)
        for _ in range(int(limit / 0.05)):
            found = [job for job in await self.run("query-jobs") if job["id"] == name]
            if not found:  # block jobs dismiss themselves
                return
            if found[0]["status"] == "concluded":
                await self.run("job-dismiss", id=name)
                if found[0].get("error"):
                    raise BackendError(str(found[0]["error"]))
                return
            await asyncio.sleep(0.05)
        raise BackendError(f"{command} took longer than {limit:.0f} s")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def ask_agent(path: Path, command: str, arguments: Mapping[str, Any] | None, limit: float) -> Any:
    """Ask the guest agent behind a socket.

    Each call is a connection of its own that begins with `guest-sync-delimited`, so that the rest of an answer
    that nobody waited for is never taken for this one's.

    Source: https://www.qemu.org/docs/master/interop/qemu-ga-ref.html

    Raises:
        AgentSilent: nothing came within `limit` seconds.
        AgentRefused: the agent's own error.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=_ANSWER_LIMIT)
            token = secrets.randbits(31)
            sync = {"execute": "guest-sync-delimited", "arguments": {"id": token}}
            writer.write(b"\xff" + json.dumps(sync).encode() + b"\n")
            while True:
                await reader.readuntil(b"\xff")
                answer = _parsed(await reader.readline())
                if answer.get("return") == token:
                    break
            asked = {"execute": command, **({"arguments": dict(arguments)} if arguments else {})}
            writer.write(json.dumps(asked).encode() + b"\n")
            if command in ("guest-shutdown", "guest-suspend-disk", "guest-suspend-ram"):
                await writer.drain()
                return None  # these answer only when they fail
            answer = _parsed(await reader.readline())
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
        raise AgentSilent("QEMU guest agent is not running") from error
    finally:
        if writer is not None:
            writer.close()
    if "error" in answer:
        raise AgentRefused(str(answer["error"].get("desc", answer["error"])))
    return answer.get("return")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
