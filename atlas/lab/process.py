"""One running QEMU: started on its own, found again by its pid file, watched until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atlas.lab.backend import BackendError, Disk, Machine, Nic
from atlas.lab.monitor import Monitor


class Process:
    """A machine's QEMU and its monitor."""

    def __init__(self, machine: Machine, pid: int, monitor: Monitor, ended: Callable[[Process], None]) -> None:
        self.machine = machine
        self.monitor = monitor
        self.gone = asyncio.Event()
        self.disks = {disk.slot: disk for disk in machine.disks}
        self.wanted = True  # until the lab itself stops it
        self._pidfd = os.pidfd_open(pid)
        self._ended = ended
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_end)

    def slot_of(self, path: str) -> str | None:
        """Return the slot in which a disk is plugged."""
        return next((slot for slot, disk in self.disks.items() if disk.path == path), None)

    async def copy_out(self, path: str, target: Path) -> None:
        """Copy a plugged disk into a new file, as it is at this moment."""
        target.parent.mkdir(parents=True, exist_ok=True)
        backup: dict[str, Any] = {"target": str(target), "sync": "full", "format": "qcow2", "auto-dismiss": False}
        await self.monitor.job("drive-backup", device=f"drive-{self.slot_of(path)}", **backup)

    async def end(self) -> None:
        """Power off at once."""
        self.wanted = False
        with contextlib.suppress(BackendError):
            await self.monitor.run("quit")
        try:
            async with asyncio.timeout(10):
                await self.gone.wait()
        except TimeoutError:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            await self.gone.wait()

    def release(self) -> None:
        """Let go of it without ending it."""
        if not self.gone.is_set():
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self.monitor.close()

    def _on_end(self) -> None:
        self.release()
        self.gone.set()
        self._ended(self)


async def launch(command: list[str]) -> None:
    """Run a QEMU that detaches itself once it is up.

    Raises:
        BackendError: with QEMU's own words.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise BackendError("QEMU is missing: sudo apt-get install qemu-system-x86") from error
    _, complaint = await process.communicate()
    if process.returncode != 0:
        words = [line for line in complaint.decode(errors="replace").splitlines() if "warning:" not in line]
        raise BackendError(f"start failed: {' '.join(words)[:500] or process.returncode}")


def write_record(path: Path, machine: Machine) -> None:
    """Keep what a machine was started with, for a lab that finds it running."""
    record = asdict(machine)
    record["cloudinit"] = None  # may hold secrets, and is in the seed already
    path.write_text(json.dumps(record))


def read_record(path: Path) -> Machine:
    """Read a machine's record."""
    record: dict[str, Any] = json.loads(path.read_text())
    record["disks"] = [Disk(**disk) for disk in record["disks"]]
    record["nics"] = [Nic(**nic) for nic in record["nics"]]
    return Machine(**record)
