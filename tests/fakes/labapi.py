"""The lab's handlers on a world in memory, called as the server calls them."""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import Any

from atlas.lab import permissions
from atlas.lab.call import HANDLERS, Call, Upload
from atlas.lab.check import check_call
from atlas.lab.clock import Clock
from atlas.lab.default_world import fill
from atlas.lab.handlers import load_handlers
from atlas.lab.simulated import SimulatedBackend
from atlas.lab.table import load
from atlas.lab.world import Lab


class Api:
    """Calls on a world in memory, checked like those that come over https."""

    def __init__(self, lab: Lab, user: str = "root@pam!lab") -> None:
        self.lab, self.user = lab, user

    @classmethod
    async def fresh(cls, latency: str = "instant", user: str = "root@pam!lab") -> Api:
        load_handlers()
        clock = Clock(latency)
        lab = Lab(SimulatedBackend(clock.now, boot_seconds=0), clock)
        await fill(lab, 2)
        return cls(lab, user)

    async def call(self, method: str, path: str, /, **params: Any) -> Any:
        """Make a call; a `filename` that is (name, bytes) is an upload."""
        upload = None
        if isinstance(params.get("filename"), tuple):
            params["filename"], content = params["filename"]
            handle, kept = tempfile.mkstemp(prefix="atlas-lab-upload-")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            upload = Upload(params["filename"], kept, len(content))
        given = {name.replace("_", "-") if name.startswith("destroy") else name: v for name, v in params.items()}
        given = {k: v if isinstance(v, list) else str(v) for k, v in given.items()}
        return await self.send(method, path, given, upload)

    async def send(self, method: str, path: str, given: dict[str, Any], upload: Upload | None = None) -> Any:
        """Make a call with parameters as a body holds them: texts, lists and objects."""
        route = load().route(path)
        assert route is not None, path
        entry = load().method(method, route[0])
        assert entry is not None, path
        raw = {**given, **route[1]}
        permissions.check(entry.permissions, self.lab, self.user, raw)
        typed = check_call(entry, raw, route[1])
        call = Call(self.lab, method, route[0], typed, self.user, raw=raw, upload=upload)
        result = HANDLERS[method, route[0]](call)
        return await result if asyncio.iscoroutine(result) else result

    async def run(self, method: str, path: str, /, **params: Any) -> str:
        """Wait for the task that a call starts; return its exit status."""
        upid = await self.call(method, path, **params)
        ended = await self.lab.tasks.wait(upid)
        assert ended.exitstatus is not None
        return ended.exitstatus

    def config(self, vmid: int) -> dict[str, Any]:
        return self.lab.guest(vmid).config
