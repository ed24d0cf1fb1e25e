"""Stacks of one real guest, made once and shared by the suites: a boot under emulation takes a minute."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from fakes.polling import until
from fakes.program import Done, Program

from atlas.lab import control

STACKS: dict[str, dict[str, Any]] = {
    "api": {
        "name": "web",
        "networks": [{"bridge": "vmbr0", "address": "10.42.0.31/24", "gateway": "10.42.0.1"}],
        "dns": {"servers": ["10.42.0.1"]},
        "software": ["nginx"],
        "checks": [
            {"service": "nginx"},
            {"port": 80},
            {"http": {"path": "/", "status": 200}},
            {"command": "nginx -t"},
        ],
    },
    # With the base role alone: what stands on a guest is the same for both engines, and takes long under emulation.
    "terraform": {
        "name": "plain",
        "networks": [{"bridge": "vmbr0", "address": "10.42.0.32/24", "gateway": "10.42.0.1"}],
        "dns": {"servers": ["10.42.0.3"]},
        "checks": [{"service": "ssh"}, {"port": 22}, {"command": "test -s /etc/ansible/facts.d/atlas.fact"}],
    },
}
DEFAULTS = {
    "image": "debian-12",
    "cpu": {"cores": 1},
    "memory": "512MiB",
    "disks": [{"size": "4GiB"}, {"size": "1GiB"}],
    "user": {"name": "ops"},
}


class Real(Program):
    """`atlas` with a lab of real guests, and the stack that each engine made there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._made: dict[str, Done] = {}

    def apply(self, engine: str) -> Done:
        """Apply an engine's stack; Terraform's by the api engine where the provider cannot be had."""
        guest, chosen = STACKS[engine], {"terraform": "auto"}.get(engine, engine)
        spec = {"metadata": {"name": stack(engine)}, "defaults": DEFAULTS, "guests": [guest]}
        file = self.write(spec, f"{engine}.yaml")
        return self("apply", file, "--cluster", "lab", "--engine", chosen, "--json", "--yes", seconds=900)

    def made(self, engine: str) -> Done:
        """Return what the first apply of an engine's stack said."""
        if engine not in self._made:
            self._made[engine] = self.apply(engine)
        return self._made[engine].ended(0)

    def start_lab(self) -> None:
        """Start the lab; guests that still run are its own again."""
        self("lab", "start", "--guests", "qemu", "--latency", "fast").ended(0)

    def kill_lab(self) -> None:
        """Kill the lab's process; its guests go on."""
        status = control.running(self.folder / "lab")
        assert status is not None
        os.kill(int(status["pid"]), signal.SIGKILL)
        until(lambda: control.running(self.folder / "lab") is None, "the end of the lab")


def stack(engine: str) -> str:
    """Return the name of an engine's stack."""
    return f"real-{STACKS[engine]['name']}"


def address(engine: str) -> str:
    """Return the address of an engine's guest."""
    return str(STACKS[engine]["networks"][0]["address"]).partition("/")[0]
