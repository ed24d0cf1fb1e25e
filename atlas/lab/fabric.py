"""`python -m atlas.lab.fabric FOLDER`: the networks of a lab and the jump into them, as a process of its own.

It is not part of the lab's server because QEMU 7.2 does not plug a torn cable in again: guests that outlive a
restart of the server need switches that do, and so do the ssh connections through the jump. It listens on
`FOLDER/fabric.sock` for one JSON object a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import re
import socket
import sys
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from atlas.lab.backend import BackendError
from atlas.lab.commandline import gateway_command
from atlas.lab.monitor import Monitor
from atlas.lab.resolver import Resolver
from atlas.lab.socks import FAILED, GRANTED, NOT_ALLOWED, REFUSED, UNREACHABLE, SocksError, read_request, reply
from atlas.lab.switch import Port, Switch, handshake

_ANSWER_LIMIT = 8.0  # seconds that a guest has to answer a connection attempt


@dataclass
class Gateway:
    """One subnet's way out and in."""

    subnet: IPv4Network
    own: set[str]
    process: asyncio.subprocess.Process
    monitor: Monitor
    forwards: dict[tuple[str, int], int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Network:
    """One broadcast domain: a bridge and perhaps a VLAN, with a switch and a gateway for each subnet used on it."""

    socket: Path
    resolver: Resolver
    gateways: dict[IPv4Network, Gateway] = field(default_factory=dict)
    guests: set[str] = field(default_factory=set)
    attempts: dict[tuple[str, int, int], asyncio.Future[bool]] = field(default_factory=dict)

    def resolve(self, servers: list[str]) -> None:
        """Answer name queries at these addresses, as far as neither a gateway nor a guest has them."""
        taken = {address for gateway in self.gateways.values() for address in gateway.own} | self.guests
        self.resolver.addresses.update(IPv4Address(server).packed for server in servers if ":" not in server)
        self.resolver.addresses -= {IPv4Address(address).packed for address in taken}

    def watch(self, frame: bytes) -> bool:
        """Settle the connection attempt that a frame answers; keep what the resolver answers."""
        answer = handshake(frame)
        if answer is not None:
            attempt = self.attempts.get(answer[:3])
            if attempt is not None and not attempt.done():
                attempt.set_result(answer[3])
            return False
        return self.resolver.take(frame)


class Fabric:
    """All networks of one lab; asked by `handle`, reached through `jump`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._networks: dict[str, Network] = {}
        self._lock = asyncio.Lock()
        self.socks = ""
        self.ended = asyncio.Event()

    async def handle(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer one request: `network`, `status` or `end`."""
        if asked.get("do") == "network":
            async with self._lock:
                network = await self._network(str(asked["bridge"]), asked.get("vlan"))
                subnet = IPv4Network(str(asked["subnet"]), strict=False)
                network.guests.update(str(guest) for guest in asked.get("guests", []))
                if subnet not in network.gateways:
                    network.gateways[subnet] = await self._gateway(network, subnet, asked.get("gateway"))
                network.resolve([str(server) for server in asked.get("nameservers", [])])
            return {"socket": str(network.socket)}
        if asked.get("do") == "end":
            self.ended.set()
        return {"socks": self.socks, "pid": os.getpid(), "networks": sorted(self._networks)}

    async def jump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one SOCKS client."""
        try:
            try:
                async with asyncio.timeout(30):
                    address, port = await read_request(reader, writer)
                inner_reader, inner_writer = await self._reach(address, port)
            except SocksError as error:
                writer.write(reply(error.code))
                await writer.drain()
                return
            writer.write(reply(GRANTED))
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        except (OSError, EOFError, TimeoutError):
            pass  # a client that hangs up needs no answer
        finally:
            writer.close()

    async def end(self) -> None:
        """End the gateways."""
        for network in self._networks.values():
            for gateway in network.gateways.values():
                with contextlib.suppress(ProcessLookupError):
                    gateway.process.terminate()
                await gateway.process.wait()

    async def _network(self, bridge: str, vlan: int | None) -> Network:
        name = f"{bridge}.{vlan}" if vlan else bridge
        if name not in self._networks:
            path = self._folder / f"net-{re.sub(r'[^A-Za-z0-9.]', '-', name)}"
            path.unlink(missing_ok=True)
            switch = Switch()
            network = Network(path, Resolver(switch))
            switch.watch = network.watch
            await asyncio.get_running_loop().create_unix_server(lambda: Port(switch), str(path))
            self._networks[name] = network
        return self._networks[name]

    async def _gateway(self, network: Network, subnet: IPv4Network, wanted: str | None) -> Gateway:
        hosts = subnet.num_addresses
        first = IPv4Address(wanted) if wanted and IPv4Address(wanted) in subnet else subnet[1]
        taken = {str(first), *network.guests}
        own = next(subnet[n] for n in range(hosts - 2, 0, -1) if str(subnet[n]) not in taken)
        qmp = self._folder / f"gw-{network.socket.name}-{subnet.network_address}"
        await _quit_leftover(qmp)
        process = await asyncio.create_subprocess_exec(
            *gateway_command(subnet, first, own, network.socket, qmp),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(100):
            if qmp.exists() or process.returncode is not None:
                break
            await asyncio.sleep(0.05)
        return Gateway(subnet, {str(first), str(own)}, process, await Monitor.connect(qmp))

    async def _reach(self, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to a guest, and only say so once the guest itself accepted it.

        QEMU accepts on the forwarded port before it asks the guest, so the guest's answer is read off the switch.
        """
        found = [
            (network, gateway)
            for network in self._networks.values()
            for subnet, gateway in network.gateways.items()
            if ipaddress.IPv4Address(address) in subnet
        ]
        if not found:
            raise SocksError(NOT_ALLOWED, f"{address} is on no network of the lab")
        network, gateway = min(found, key=lambda pair: address not in pair[0].guests)
        loop = asyncio.get_running_loop()
        forward = await self._forward(gateway, address, port)
        link = socket.socket()
        link.setblocking(False)
        link.bind(("127.0.0.1", 0))
        key = (address, port, int(link.getsockname()[1]))
        attempt: asyncio.Future[bool] = loop.create_future()
        network.attempts[key] = attempt
        try:
            await loop.sock_connect(link, ("127.0.0.1", forward))
            async with asyncio.timeout(_ANSWER_LIMIT):
                accepted = await attempt
        except (OSError, TimeoutError) as error:
            link.close()
            raise SocksError(UNREACHABLE, f"{address} does not answer") from error
        finally:
            del network.attempts[key]
        if not accepted:
            link.close()
            raise SocksError(REFUSED, f"{address} refuses port {port}")
        return await asyncio.open_connection(sock=link)

    async def _forward(self, gateway: Gateway, address: str, port: int) -> int:
        async with gateway.lock:
            known = gateway.forwards.get((address, port))
            if known is not None:
                return known
            for _ in range(5):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    free = int(probe.getsockname()[1])
                try:
                    complaint = await gateway.monitor.human(f"hostfwd_add u0 tcp:127.0.0.1:{free}-{address}:{port}")
                except BackendError as error:
                    raise SocksError(FAILED, str(error)) from error
                if not complaint:
                    gateway.forwards[(address, port)] = free
                    return free
            raise SocksError(FAILED, complaint)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


async def _quit_leftover(qmp: Path) -> None:
    """End a gateway that an earlier fabric left behind."""
    if qmp.exists():
        with contextlib.suppress(BackendError):
            await (await Monitor.connect(qmp, limit=2)).run("quit")
        qmp.unlink(missing_ok=True)


async def serve(folder: Path) -> None:
    """Run until asked to end."""
    fabric = Fabric(folder)

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                answer = await fabric.handle(json.loads(line))
            except (BackendError, ValueError, KeyError, OSError) as error:
                answer = {"error": str(error)}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    path = folder / "fabric.sock"
    path.unlink(missing_ok=True)
    jump = await asyncio.start_server(fabric.jump, "127.0.0.1", 0)
    fabric.socks = f"127.0.0.1:{jump.sockets[0].getsockname()[1]}"
    await asyncio.start_unix_server(control, str(path))
    await fabric.ended.wait()
    path.unlink(missing_ok=True)
    await fabric.end()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
