"""The guest agent's calls, passed on to the backend."""

from __future__ import annotations

import base64
from typing import Any

from atlas.lab.backend import AgentRefused, AgentSilent
from atlas.lab.call import Call, Handler, api
from atlas.lab.entities import Guest
from atlas.lab.guests import fault, refuse, this_guest

AGENT = "/nodes/{node}/qemu/{vmid}/agent"
SILENT_SECONDS = 3.0
MOST_BYTES = 16 * 1024**2
_READS = (
    *("get-fsinfo", "get-host-name", "get-memory-block-info", "get-memory-blocks", "get-osinfo", "get-time"),
    *("get-timezone", "get-users", "get-vcpus", "info", "network-get-interfaces"),
)
_WRITES = (
    *("fsfreeze-freeze", "fsfreeze-status", "fsfreeze-thaw", "fstrim", "ping", "shutdown"),
    *("suspend-disk", "suspend-hybrid", "suspend-ram"),
)


async def available(call: Call) -> Guest:
    """Find the VM and make sure that its agent answers.

    Raises:
        PVEError: no agent is configured, the VM does not run, or the agent says nothing for three seconds.
    """
    guest = this_guest(call)
    if "agent" not in guest.config:
        raise refuse("No QEMU guest agent configured")
    if guest.status != "running":
        raise refuse(f"VM {guest.vmid} is not running")
    try:
        if guest.vmid in call.lab.silent:
            raise AgentSilent(f"VM {guest.vmid}: its agent is silent")
        await call.lab.backend.agent(guest.vmid, "guest-ping", timeout=SILENT_SECONDS)
    except AgentSilent as error:
        await call.lab.clock.sleep(SILENT_SECONDS)
        raise refuse("QEMU guest agent is not running") from error
    return guest


async def ask(call: Call, command: str, arguments: dict[str, Any] | None = None) -> Any:
    """Run one of the agent's commands.

    Args:
        call: the call.
        command: without its `guest-`.
        arguments: as the agent's protocol has them.

    Raises:
        PVEError: the agent is not there, or answers with an error.
    """
    guest = await available(call)
    try:
        return await call.lab.backend.agent(guest.vmid, f"guest-{command}", arguments)
    except AgentRefused as error:
        raise refuse(f"Agent error: {error}") from error
    except AgentSilent as error:
        raise refuse("QEMU guest agent is not running") from error


async def _plain(call: Call, command: str) -> object:
    """Run a command without arguments; the agent's own error is an answer here."""
    guest = await available(call)
    try:
        result = await call.lab.backend.agent(guest.vmid, f"guest-{command}")
    except AgentRefused as error:
        return {"result": {"error": {"class": "CommandNotFound", "desc": str(error)}}}
    except AgentSilent as error:
        if command in {"shutdown", "suspend-disk", "suspend-ram", "suspend-hybrid"}:
            return {"result": None}
        raise refuse("QEMU guest agent is not running") from error
    return {"result": result}


def _handler(command: str) -> Handler:
    async def handler(call: Call) -> object:
        return await _plain(call, command)

    return handler


for _command in _READS:
    api("GET", f"{AGENT}/{_command}")(_handler(_command))
for _command in _WRITES:
    api("POST", f"{AGENT}/{_command}")(_handler(_command))


@api("GET", AGENT)
def index(call: Call) -> object:
    """List the agent's commands."""
    this_guest(call)
    more = ("exec", "exec-status", "file-read", "file-write", "set-user-password")
    return [{"name": name} for name in sorted((*_READS, *_WRITES, *more))]


@api("POST", AGENT)
async def command(call: Call) -> object:
    """Run a command by its name, as old clients do."""
    return await _plain(call, str(call.params["command"]))


@api("POST", f"{AGENT}/set-user-password")
async def set_user_password(call: Call) -> object:
    """Set the password of a user in the guest."""
    params = call.params
    secret = base64.b64encode(str(params["password"]).encode()).decode()
    arguments = {"username": params["username"], "password": secret, "crypted": bool(params.get("crypted"))}
    return {"result": await ask(call, "set-user-password", arguments)}


@api("POST", f"{AGENT}/exec")
async def execute(call: Call) -> object:
    """Start a program in the guest."""
    given = call.params.get("command")
    words = [str(word) for word in given] if isinstance(given, list | tuple) else [str(given)] if given else []
    arguments: dict[str, Any] = {"capture-output": True}
    if words:
        arguments |= {"path": words[0], "arg": words[1:]}
    if call.params.get("input-data") is not None:
        arguments["input-data"] = base64.b64encode(str(call.params["input-data"]).encode()).decode()
    if len(arguments) == 1:
        this_guest(call)
        raise refuse("command or input-data (or both) required")
    return await ask(call, "exec", arguments)


@api("GET", f"{AGENT}/exec-status")
async def exec_status(call: Call) -> object:
    """Tell whether a program in the guest has ended, and what it wrote."""
    answer = dict(await ask(call, "exec-status", {"pid": int(call.params["pid"])}))
    for key in ("out-data", "err-data"):
        if answer.get(key):
            answer[key] = _decoded(str(answer[key]))
    return {key: int(value) if isinstance(value, bool) else value for key, value in answer.items()}


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except ValueError:  # also for texts beyond ASCII
        return text


@api("GET", f"{AGENT}/file-read")
async def file_read(call: Call) -> object:
    """Read a file in the guest."""
    most = int(call.params.get("count", MOST_BYTES))
    handle = await ask(call, "file-open", {"path": call.params["file"]})
    if call.params.get("offset"):
        await ask(call, "file-seek", {"handle": handle, "offset": int(call.params["offset"]), "whence": "set"})
    data, ended = b"", False
    while len(data) < most and not ended:
        chunk = await ask(call, "file-read", {"handle": handle, "count": min(1024**2, most - len(data))})
        data += base64.b64decode(chunk.get("buf-b64", ""))
        ended = bool(chunk.get("eof"))
    await ask(call, "file-close", {"handle": handle})
    plain = call.params.get("decode", 1)
    content = data.decode("utf-8", "replace") if plain else base64.b64encode(data).decode()
    shown: dict[str, Any] = {"content": content, "bytes-read": len(data)}
    return shown if ended else {**shown, "truncated": 1}


@api("POST", f"{AGENT}/file-write")
async def file_write(call: Call) -> object:
    """Write a file in the guest."""
    content = str(call.params["content"])
    if call.params.get("encode", 1):
        content = base64.b64encode(content.encode()).decode()
    elif not _is_base64(content):
        raise fault(content="value is not base64 encoded")
    handle = await ask(call, "file-open", {"path": call.params["file"], "mode": "wb"})
    await ask(call, "file-write", {"handle": handle, "buf-b64": content})
    await ask(call, "file-close", {"handle": handle})
    return None


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:  # also for texts beyond ASCII
        return False
    return True
