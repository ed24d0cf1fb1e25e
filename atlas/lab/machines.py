"""The qemu backend: real guests, without root, that go on when the lab's own process ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from atlas.lab import machine_snapshots
from atlas.lab.accelerator import accelerator
from atlas.lab.backend import AgentSilent, BackendError, Disk, Machine, Nic
from atlas.lab.budget import admit, free_memory
from atlas.lab.cables import Cables
from atlas.lab.commandline import Places, machine_command
from atlas.lab.console import log_file, tail
from atlas.lab.disks import Disks
from atlas.lab.hotplug import plug_disk, plug_nic, unplug
from atlas.lab.leftovers import live_pid, run_folder
from atlas.lab.monitor import Monitor, ask_agent
from atlas.lab.process import Process, launch, read_record, write_record
from atlas.lab.recipe import KERNEL_ARGUMENTS
from atlas.lab.seed import write_seed


class QemuBackend:
    """Carry guests as QEMU processes.

    Args:
        folder: the lab's folder; disks, consoles and sockets are kept below it.
        memory: MiB that all running guests may take together; half of what is free when the lab opens if None.
    """

    def __init__(self, folder: Path, memory: int | None = None) -> None:
        self.on_exit: Callable[[int], None] | None = None
        self.folder = folder.absolute()
        self._memory = memory
        self._disks = Disks(self.folder / "disks")
        self._machines = self.folder / "machines"
        self._running: dict[int, Process] = {}
        self._starting: dict[int, Machine] = {}
        self._agents: dict[int, asyncio.Lock] = {}
        self._run = self.folder
        self._cables = Cables(self.folder, self.folder)

    async def open(self) -> None:
        """Start the networks and adopt the machines that still run."""
        self._run = run_folder(self.folder)
        for folder in (self.folder, self._disks.folder, self._machines, self._run):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._run.stat().st_uid != os.getuid() or self._run.stat().st_mode & 0o077:
            raise BackendError(f"{self._run} is not ours alone; set XDG_RUNTIME_DIR to a folder of your own")
        if self._memory is None:
            self._memory = free_memory() // 2
        self._cables = Cables(self._run, self.folder / "network.log")
        await self._cables.open()
        for pid_file in self._run.glob("*.pid"):
            record = self._machines / pid_file.stem / "machine.json"
            if pid_file.stem.isdigit() and record.exists() and live_pid(pid_file):
                with contextlib.suppress(BackendError):
                    await self._watch(read_record(record))

    async def close(self, *, stop: bool) -> None:
        """End everything, or leave it running and let go."""
        processes = list(self._running.values())
        if stop:
            await asyncio.gather(*(process.end() for process in processes))
        for process in processes:
            process.release()
        self._running.clear()
        if stop:
            await self._cables.close()

    async def start(self, machine: Machine, snapshot: str | None = None) -> None:
        """Power on, within the memory budget."""
        vmid = machine.vmid
        if vmid in self._running or vmid in self._starting:
            raise BackendError(f"VM {vmid} already running")
        running = [process.machine for process in self._running.values()]
        self._starting[vmid] = admit(machine, [*running, *self._starting.values()], self._memory or 0)
        try:
            home = self._machines / str(vmid)
            home.mkdir(exist_ok=True, mode=0o700)
            _forget_others(home, machine)
            for disk in machine.disks:
                await self._disks.present(disk.path)
            booted = await self._disks.image_of(machine)
            places = Places(self._disks.folder, self._run, log_file(self.folder, vmid))
            if booted is not None:
                places = replace(places, kernel=(booted.kernel, booted.initrd, KERNEL_ARGUMENTS))
            texts = machine.cloudinit
            if texts is not None:
                places = replace(places, seed=home / "seed.iso")
                await write_seed(home / "seed.iso", texts)
            nics = {nic.slot: nic for nic in machine.nics}
            sockets = await self._cables.lay(nics, (texts or {}).get("network-config", ""))
            write_record(home / "machine.json", machine)
            paused = ["-S"] if snapshot else []
            await launch([*machine_command(machine, places, await accelerator(booted), sockets), *paused])
            process = await self._watch(machine)
            for nic in machine.nics:
                if not nic.link:
                    await process.monitor.run("set_link", name=nic.slot, up=False)
            if snapshot:
                try:
                    await machine_snapshots.load(process, self._disks, snapshot)
                except BackendError:
                    await process.end()
                    raise
        finally:
            del self._starting[vmid]

    async def stop(self, vmid: int) -> None:
        """Power off at once."""
        if vmid in self._running:
            await self._running[vmid].end()

    async def shutdown(self, vmid: int, timeout: float) -> bool:
        """Ask by the agent, else by the power button, and wait."""
        process = self._running.get(vmid)
        if process is None:
            return True
        process.wanted = False
        try:
            if not process.machine.agent:
                raise AgentSilent("not configured")
            await self.agent(vmid, "guest-ping", timeout=3)
            await self.agent(vmid, "guest-shutdown", {"mode": "powerdown"}, timeout=3)
        except AgentSilent:
            await process.monitor.run("system_powerdown")
        try:
            async with asyncio.timeout(timeout):
                await process.gone.wait()
        except TimeoutError:
            process.wanted = True
            return False
        return True

    async def reset(self, vmid: int) -> None:
        """Press the reset button."""
        await self._process(vmid).monitor.run("system_reset")

    async def suspend(self, vmid: int) -> None:
        """Pause the processors."""
        await self._process(vmid).monitor.run("stop")

    async def resume(self, vmid: int) -> None:
        """Let the processors go on."""
        await self._process(vmid).monitor.run("cont")

    def adopt(self, machine: Machine) -> bool:
        """Tell whether its QEMU runs: open() has taken up all that do."""
        return self.alive(machine.vmid)

    def alive(self, vmid: int) -> bool:
        """Tell whether its QEMU runs."""
        return vmid in self._running

    async def agent(
        self, vmid: int, command: str, arguments: Mapping[str, Any] | None = None, timeout: float = 5.0
    ) -> Any:
        """Ask the guest's own agent."""
        if vmid not in self._running:
            raise AgentSilent(f"VM {vmid} is not running")
        async with self._agents.setdefault(vmid, asyncio.Lock()):
            return await ask_agent(self._run / f"{vmid}.agent", command, arguments, timeout)

    async def create_disk(self, path: str, size: int, image: str | None = None) -> None:
        """Make an empty disk, or note that one of an image is wanted."""
        await self._disks.create(path, size, image)

    async def put_file(self, path: str, file: str, form: str) -> None:
        """Convert a file, unless it would draw in another one as its backing file."""
        await self._disks.put(path, Path(file), form)

    async def clone_disk(self, source: str, target: str, *, linked: bool = False, snapshot: str | None = None) -> None:
        """Copy with qemu-img, or out of the running QEMU; a linked clone is a layer over its base."""
        holder = self._holder(source)
        if holder is None or linked or snapshot is not None:
            await self._disks.clone(source, target, linked=linked, snapshot=snapshot)
        else:
            await holder.copy_out(source, self._disks.file(target))
        self._disks.inherit(source, target)

    async def resize_disk(self, path: str, size: int) -> None:
        """Grow, inside the running QEMU if there is one."""
        holder = self._holder(path)
        if holder is not None:
            await holder.monitor.run("block_resize", node_name=f"drive-{holder.slot_of(path)}", size=size)
        else:
            await self._disks.resize(path, size)

    async def delete_disk(self, path: str) -> None:
        """Delete the file and its note."""
        self._disks.delete(path)

    async def snapshot(self, vmid: int, name: str, paths: Sequence[str], *, memory: bool = False) -> None:
        """Snapshot inside the qcow2 files, all at one moment where the machine runs."""
        process = self._running.get(vmid)
        if process is not None:
            await machine_snapshots.take(process, name, paths, memory=memory)
            return
        for path in paths:
            await self._disks.snapshot(path, name)

    async def rollback(self, vmid: int, name: str, paths: Sequence[str]) -> None:
        """Return the files of a stopped machine."""
        if vmid in self._running:
            raise BackendError(f"VM {vmid} is running; stop it before its disks are rolled back")
        for path in paths:
            await self._disks.rollback(path, name)

    async def load(self, vmid: int, name: str) -> None:
        """Take a running machine back to a snapshot with memory, in under a second."""
        await machine_snapshots.load(self._process(vmid), self._disks, name)

    async def delete_snapshot(self, vmid: int, name: str, paths: Sequence[str]) -> None:
        """Drop it from the files."""
        process = self._running.get(vmid)
        if process is not None:
            await machine_snapshots.delete(process, name, paths)
            return
        for path in paths:
            await self._disks.delete_snapshot(path, name)

    async def plug(self, vmid: int, device: Disk | Nic) -> None:
        """Add a device to the running machine."""
        process = self._process(vmid)
        if isinstance(device, Disk):
            await self._disks.present(device.path)
            await plug_disk(process, device, self._disks.folder)
        else:
            await plug_nic(process, device, await self._cables.cable(device))

    async def unplug(self, vmid: int, slot: str) -> None:
        """Take a device out, once the guest let go of it."""
        await unplug(self._process(vmid), slot)

    def console(self, vmid: int) -> str:
        """Return the end of the serial log."""
        return tail(log_file(self.folder, vmid))

    def jump(self) -> dict[str, str] | None:
        """Tell the way to the guests."""
        return self._cables.jump()

    def machine(self, vmid: int) -> Machine:
        """Return what a running machine was started with (without its cloud-init texts once adopted)."""
        return self._process(vmid).machine

    def _process(self, vmid: int) -> Process:
        if vmid not in self._running:
            raise BackendError(f"VM {vmid} not running")
        return self._running[vmid]

    async def _watch(self, machine: Machine) -> Process:
        pid = live_pid(self._run / f"{machine.vmid}.pid")
        if pid is None:
            raise BackendError(f"VM {machine.vmid} ended right after its start; see its console")
        monitor = await Monitor.connect(self._run / f"{machine.vmid}.qmp")
        process = Process(machine, pid, monitor, self._gone)
        self._running[machine.vmid] = process
        return process

    def _gone(self, process: Process) -> None:
        vmid = process.machine.vmid
        if self._running.get(vmid) is process:
            del self._running[vmid]
        if process.wanted and self.on_exit is not None:
            self.on_exit(vmid)

    def _holder(self, path: str) -> Process | None:
        return next((each for each in self._running.values() if each.slot_of(path)), None)


def _forget_others(home: Path, machine: Machine) -> None:
    """Remove the console of an earlier guest that had this number."""
    record = home / "machine.json"
    if record.exists() and read_record(record).uuid != machine.uuid:
        (home / "console.log").unlink(missing_ok=True)
