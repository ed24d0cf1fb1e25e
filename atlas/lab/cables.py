"""The lab's side of the fabric: start it, find it again, and lay the cables of a machine's NICs."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from atlas.lab.backend import BackendError, Nic
from atlas.lab.netconfig import Address, addresses_by_mac, nameservers


def subnet_of(nic: Nic, addresses: Sequence[Address]) -> tuple[IPv4Network, str | None, list[str]]:
    """Return the subnet that a NIC's network needs a gateway for, the gateway's address and the NIC's own ones.

    A NIC without a static IPv4 address gets the network's default: 10.42.0.0/24, or 10.42.VLAN.0/24.
    """
    for address in addresses:
        if not address.dhcp and ":" not in address.ip and address.ip:
            network = IPv4Interface(f"{address.ip}/{address.prefix}").network
            if network.num_addresses >= 8:
                return network, address.gateway, [address.ip]
    high, low = divmod(nic.vlan or 0, 256)
    return IPv4Network(f"10.{42 + high}.{low}.0/24"), None, []


class Cables:
    """Talk to the fabric of one lab, starting it when it is not there.

    Args:
        run: the folder of sockets.
        log: where the fabric's complaints go.
    """

    def __init__(self, run: Path, log: Path) -> None:
        self._run = run
        self._log = log
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self.socks = ""

    async def open(self) -> None:
        """Find the fabric or start it."""
        if await self._ask({"do": "status"}) is None:
            await self._spawn()

    async def close(self) -> None:
        """End the fabric, if it runs."""
        await self._ask({"do": "end"})
        if self._process is not None:
            await self._process.wait()
        self.socks = ""

    async def lay(self, nics: Mapping[str, Nic], network_config: str) -> dict[str, Path]:
        """Return each NIC's switch socket by slot, with the gateways that their subnets need."""
        configured = addresses_by_mac(network_config)
        servers = nameservers(network_config)
        return {slot: await self.cable(nic, configured.get(nic.mac.lower(), []), servers) for slot, nic in nics.items()}

    async def cable(self, nic: Nic, addresses: Sequence[Address] = (), servers: Sequence[str] = ()) -> Path:
        """Return the socket of the switch that a NIC hangs on."""
        subnet, gateway, own = subnet_of(nic, addresses)
        asked = {
            "do": "network",
            "bridge": nic.bridge,
            "vlan": nic.vlan,
            "subnet": str(subnet),
            "gateway": gateway,
            "guests": own,
            "nameservers": list(servers),
        }
        answer = await self._ask(asked)
        if answer is None:
            await self._spawn()
            answer = await self._ask(asked)
        if answer is None or "error" in answer:
            raise BackendError(f"bridge {nic.bridge}: {(answer or {}).get('error', 'the network process ended')}")
        return Path(answer["socket"])

    def jump(self) -> dict[str, str] | None:
        """Tell the proxy's address and the ssh ProxyCommand that goes through it."""
        if not self.socks:
            return None
        return {
            "socks": self.socks,
            "proxy_command": f"{shlex.quote(sys.executable)} -m atlas.lab.connect {self.socks} %h %p",
        }

    async def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "atlas.lab.fabric", str(self._run), stdin=asyncio.subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        for _ in range(200):
            if await self._ask({"do": "status"}) is not None:
                return
            if process.returncode is not None:
                break
            await asyncio.sleep(0.05)
        raise BackendError(f"the lab's network process did not start; see {self._log}")

    async def _ask(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        async with self._lock:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._run / "fabric.sock"))
            except OSError:
                return None
            try:
                writer.write(json.dumps(asked).encode() + b"\n")
                answer = json.loads(await reader.readline() or b"{}")
            except (OSError, ValueError):
                return None
            finally:
                writer.close()
        self.socks = answer.get("socks", self.socks)
        return dict(answer)
