"""The agent and the monitor are asked over their sockets; the SOCKS words are read and written."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from atlas.lab.backend import AgentRefused, AgentSilent, BackendError
from atlas.lab.monitor import Monitor, ask_agent
from atlas.lab.socks import BAD_COMMAND, FAILED, UNREACHABLE, SocksError, read_request, request

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def agent(stale: bytes = b"") -> Serve:
    """Speak as the guest agent does; `stale` is what an earlier, abandoned call left in the pipe."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(stale)
        while line := await reader.readline():
            asked = json.loads(line.lstrip(b"\xff"))
            if asked["execute"] == "guest-sync-delimited":
                writer.write(b"\xff" + json.dumps({"return": asked["arguments"]["id"]}).encode() + b"\n")
            elif asked["execute"] == "guest-bad":
                writer.write(b'{"error": {"class": "CommandNotFound", "desc": "no such command"}}\n')
            elif asked["execute"] != "guest-mute":
                writer.write(json.dumps({"return": asked.get("arguments", {})}).encode() + b"\n")
        writer.close()

    return serve


async def test_agent_answer_is_its_own_whatever_was_left_before(tmp_path: Path) -> None:
    left = b'{"return": "old"}\n\xff{"return": 7}\n'
    async with await asyncio.start_unix_server(agent(left), str(tmp_path / "a")):
        assert await ask_agent(tmp_path / "a", "guest-echo", {"x": 1}, 2) == {"x": 1}
        with pytest.raises(AgentRefused, match="no such command"):
            await ask_agent(tmp_path / "a", "guest-bad", None, 2)
        with pytest.raises(AgentSilent):
            await ask_agent(tmp_path / "a", "guest-mute", None, 0.1)
        assert await ask_agent(tmp_path / "a", "guest-shutdown", None, 2) is None


async def test_no_agent_is_silence(tmp_path: Path) -> None:
    with pytest.raises(AgentSilent):
        await ask_agent(tmp_path / "none", "guest-ping", None, 0.1)


async def test_monitor_skips_events_and_passes_on_qemu_s_words(tmp_path: Path) -> None:
    async def qemu(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"QMP": {}}\n')
        while line := await reader.readline():
            asked: dict[str, Any] = json.loads(line)
            writer.write(b'{"event": "RESUME"}\n')
            told = {"error": {"desc": "no such device"}} if asked["execute"] == "device_del" else {"return": asked}
            writer.write(json.dumps({"id": asked["id"], **told}).encode() + b"\n")
            if asked["execute"] == "quit":
                break
        writer.close()

    async with await asyncio.start_unix_server(qemu, str(tmp_path / "q")):
        monitor = await Monitor.connect(tmp_path / "q")
        assert (await monitor.run("block_resize", node_name="d"))["arguments"] == {"node-name": "d"}
        added = await monitor.run("device_add", {"device_id": "x", "scsi-id": 1})
        assert added["arguments"] == {"device_id": "x", "scsi-id": 1}
        with pytest.raises(BackendError, match="no such device"):
            await monitor.run("device_del", id="x")
        await monitor.run("quit")
        with pytest.raises(BackendError, match="QEMU ended"):
            await monitor.run("stop")
        monitor.close()


class Sent:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


async def asked(data: bytes) -> tuple[str, int]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_request(reader, Sent())  # type: ignore[arg-type] # only `write` is used


async def test_socks_requests_are_read_as_they_are_written() -> None:
    assert await asked(b"\x05\x01\x00" + request("10.42.0.11", 22)) == ("10.42.0.11", 22)
    named = b"\x05\x01\x00\x05\x01\x00\x03\x0a10.42.0.11\x00\x16"
    assert await asked(named) == ("10.42.0.11", 22)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x04\x01\x00\x16", FAILED),
        (b"\x05\x01\x02", FAILED),
        (b"\x05\x01\x00\x05\x02\x00\x01\x0a\x2a\x00\x0b\x00\x16", BAD_COMMAND),
        (b"\x05\x01\x00" + request("example.org", 80), UNREACHABLE),
    ],
)
async def test_other_socks_requests_are_refused(data: bytes, code: int) -> None:
    with pytest.raises(SocksError) as refused:
        await asked(data)
    assert refused.value.code == code


def test_connect_says_in_one_line_what_failed() -> None:
    command = [sys.executable, "-m", "atlas.lab.connect"]
    used = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (used.returncode, used.stderr.splitlines()[0][:6]) == (2, "usage:")
    failed = subprocess.run([*command, "127.0.0.1:1", "10.42.0.11", "22"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert len(failed.stderr.splitlines()) == 1
    assert "10.42.0.11:22 through 127.0.0.1:1" in failed.stderr
