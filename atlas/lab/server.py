"""Build a lab and serve it over https."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas.lab.clock import Clock
from atlas.lab.handlers import load_handlers
from atlas.lab.history import History
from atlas.lab.tls import server_context
from atlas.lab.world import Lab

if TYPE_CHECKING:
    from atlas.lab.admin import Admin
    from atlas.lab.backend import Backend
    from atlas.lab.faults import Faults
    from atlas.lab.gate import Gate
    from atlas.lab.http import Middleware

SECRETS_FILE = "secrets.json"
ADMIN_TOKEN_FILE = "admin.token"  # noqa: S105  a file's name


def make_backend(guests: str, directory: Path, clock: Clock, memory: int | None = None) -> Backend:
    """Return what carries the guests.

    Args:
        guests: `simulated` or `qemu`.
        directory: The lab's directory.
        clock: The lab's time.
        memory: MiB for all real guests together; None takes half of what is free.

    Raises:
        ValueError: for another word.
    """
    if guests == "simulated":
        from atlas.lab.simulated import SimulatedBackend

        return SimulatedBackend(clock.now, boot_seconds=20 * clock.scale)
    if guests == "qemu":
        from atlas.lab.machines import QemuBackend

        return QemuBackend(directory / "guests", memory)
    raise ValueError(f"unknown kind of guests {guests!r}: simulated or qemu")


@dataclass
class Server:
    """A lab that serves.

    Args:
        secrets: Tokens by their id, and root's password under `root@pam`; the last token is the one to work with.
    """

    lab: Lab
    directory: Path
    port: int
    guests: str
    secrets: dict[str, str]
    gate: Gate
    middlewares: list[Middleware]
    history: History
    faults: Faults
    admin: Admin

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority that signed the server's."""
        return self.directory / "ca.pem"

    def token(self, name: str | None = None) -> str:
        """Return a token as an Authorization header takes it: `user@realm!name=value`."""
        name = name or next(known for known in reversed(self.secrets) if "!" in known)
        return f"{name}={self.secrets[name]}"

    def status(self) -> dict[str, Any]:
        """Return what programs need to use the lab."""
        import os

        return {
            "url": self.url,
            "token": self.token(),
            "tokens": {name: self.token(name) for name in self.secrets if "!" in name},
            "ca_file": str(self.ca_file),
            "nodes": list(self.lab.nodes),
            "pid": os.getpid(),
            "guests": self.guests,
            "latency": self.lab.clock.profile,
            "jump": self.lab.backend.jump(),
            "admin": {"url": self.admin.url, "token_file": str(self.directory / ADMIN_TOKEN_FILE)},
        }

    async def restart(self, seconds: float, kill: bool = False) -> None:
        """Restart the API daemon: break every connection, and take none for a while.

        Args:
            seconds: How long of the lab's time.
            kill: End all workers too, as SIGKILL does.
        """
        self.gate.shut()
        self.gate.drop()
        if kill:
            self.lab.tasks.kill_all()
        await self.lab.clock.wait(seconds)
        self.gate.open(server_context(self.directory), self.port)

    async def close(self, *, stop: bool = True) -> None:
        """End the server.

        Args:
            stop: End the guests too; else real ones run on and are adopted by the next start.
        """
        await self.faults.close()
        await self.admin.close()
        await self.gate.close()
        from atlas.lab.restart import power_off

        await self.lab.tasks.close()
        await self.lab.backend.close(stop=stop)
        if stop:
            power_off(self.lab)
        self.lab.store.close()


async def _rebuilt(lab: Lab, inventory: Path) -> dict[str, str]:
    from atlas.lab.inventory import parse
    from atlas.lab.twin import rebuild

    return await rebuild(lab, parse(inventory.read_text(encoding="utf-8")))


async def serve(
    directory: Path,
    *,
    nodes: int = 3,
    guests: str = "simulated",
    latency: str = "realistic",
    port: int = 0,
    backend: Backend | None = None,
    memory: int | None = None,
    faults: Path | None = None,
    inventory: Path | None = None,
    bare: bool = False,
) -> Server:
    """Start a lab in this process and loop.

    Args:
        directory: Where its state, certificate and secrets lie; made (0700) where it is missing.
        nodes: How many nodes a new lab gets; an old one keeps its own.
        guests: `simulated` or `qemu`.
        latency: A name of clock.PROFILES.
        port: The port on 127.0.0.1; 0 takes a free one.
        backend: Another carrier of guests than the one of that name.
        memory: MiB for all real guests together; None takes half of what is free.
        faults: A file of faults that are active from the first call on.
        inventory: The inventory that a new lab is rebuilt from instead of its own world.
        bare: Whether a new lab has no templates.

    Raises:
        InventoryError: That file is none.
    """
    from atlas.lab.admin import Admin
    from atlas.lab.default_world import fill
    from atlas.lab.faults import Faults
    from atlas.lab.gate import Gate
    from atlas.lab.http import Door
    from atlas.lab.restart import settle

    wanted = []
    if faults is not None:
        from atlas.lab.fault import read_file

        wanted = read_file(faults)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    load_handlers()
    clock = Clock(latency)
    carrier = backend or make_backend(guests, directory, clock, memory)
    await carrier.open()
    lab = Lab(carrier, clock, directory)
    file = directory / SECRETS_FILE
    if not lab.nodes:
        made = await fill(lab, nodes, bare=bare) if inventory is None else await _rebuilt(lab, inventory)
        file.touch(mode=0o600)
        file.write_text(json.dumps(made), encoding="utf-8")
    settle(lab)
    lab.store.flush()
    middlewares: list[Middleware] = []
    history = History(clock.now)
    gate = Gate(Door(lab, middlewares, history))

    async def restart(seconds: float, kill: bool) -> None:
        await server.restart(seconds, kill)

    active = Faults(lab, history, restart)
    active.add(wanted)
    middlewares.append(active)
    gate.open(server_context(directory), port)
    admin = Admin(active, history, directory / ADMIN_TOKEN_FILE)
    await admin.open()
    made = json.loads(file.read_text(encoding="utf-8"))
    server = Server(lab, directory, gate.port, guests, made, gate, middlewares, history, active, admin)
    return server
