"""A lab in process that serves over https, with faults, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from atlas.lab.fault import read
from atlas.lab.server import Server, serve


@dataclass(frozen=True)
class Answer:
    """What a call got; status 0: nothing, the connection broke."""

    status: int
    reason: str
    content: Any

    @property
    def data(self) -> Any:
        assert self.status == 200, (self.status, self.reason)
        return self.content["data"]


class Site:
    """A client of a lab, by root's token.

    Args:
        server: The lab.
    """

    def __init__(self, server: Server) -> None:
        self.server, self.lab = server, server.lab
        self._headers = {"Authorization": f"PVEAPIToken={server.token('root@pam!lab')}"}

    async def close(self) -> None:
        await self.server.close()

    def add(self, effect: str, /, match: dict[str, Any] | None = None, **options: Any) -> str:
        """Make a fault active; return its name."""
        fault = {"effect": effect, "match": match or {}, "options": options}
        return self.server.faults.add(read(fault, frozenset(self.server.faults.active)))[0]

    async def call(
        self, method: str, path: str, /, files: dict[str, tuple[str, bytes]] | None = None, **params: Any
    ) -> Answer:
        how: dict[str, Any] = {"params": params} if method in ("GET", "DELETE") else {"data": params, "files": files}
        url = f"{self.server.url}/api2/json{path}"

        def send() -> Answer:  # by a client that repeats nothing by itself
            try:
                answer = requests.request(
                    method, url, headers=self._headers, verify=str(self.server.ca_file), timeout=30, **how
                )
            except requests.RequestException as error:
                return Answer(0, type(error).__name__, None)
            return Answer(answer.status_code, answer.reason, answer.json() if answer.content else None)

        return await asyncio.to_thread(send)

    async def ended(self, upid: str) -> str:
        """Wait for a task's end; return its exit status."""
        async with asyncio.timeout(20):
            return str((await self.lab.tasks.wait(upid)).exitstatus)

    async def run(self, method: str, path: str, /, **params: Any) -> str:
        """Make a call that starts a task; return the task's exit status."""
        return await self.ended((await self.call(method, path, **params)).data)

    async def clone(self, newid: int, **params: Any) -> str:
        return await self.run("POST", "/nodes/pve1/qemu/9000/clone", newid=str(newid), **params)

    async def running(self, vmid: int) -> None:
        """Make a VM that runs, with an address."""
        assert await self.clone(vmid, name=f"web-{vmid}") == "OK"
        config: dict[str, Any] = {"ipconfig0": "ip=10.42.0.50/24,gw=10.42.0.1", "agent": "1"}
        assert (await self.call("PUT", f"/nodes/pve1/qemu/{vmid}/config", **config)).status == 200
        assert await self.run("POST", f"/nodes/pve1/qemu/{vmid}/status/start") == "OK"


async def until(true: Callable[[], object]) -> None:
    """Wait for something to come true."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def site(folder: Path, *, latency: str = "instant", nodes: int = 3) -> AsyncIterator[Site]:
    """Serve a lab in this loop."""
    made = Site(await serve(folder, nodes=nodes, latency=latency))
    try:
        yield made
    finally:
        await made.close()
