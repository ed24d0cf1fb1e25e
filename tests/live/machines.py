"""Real guests for tests, without the lab's API: boot once, save, go back to the saved state in under a second.

    with machine_for_tests() as guest:            # about half a minute under emulation
        guest.ssh("sudo apt-get update", check=True)
        guest.save("clean")                       # with memory
        ...                                       # anything: install, break, fill
        guest.load("clean")                       # as it was; ssh answers at once
        guest.ssh_args                            # ["ssh", "-i", ..., "ops@10.42.0.11"]: append the command

`why_not()` tells in one line why no guest can be had here, or None. Guests have passwordless sudo for `ops`, their
own fresh disk, a way out to the package mirror, and end with the `with`. Take `flock` on a shared machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from atlas.lab import image
from atlas.lab.backend import AgentSilent, BackendError, Disk, Machine, Nic
from atlas.lab.machines import QemuBackend

T = TypeVar("T")
DISK = "test/vm-{}-disk-0.qcow2"


def why_not() -> str | None:
    """Say why no guest can be booted here; builds the image if it is not there yet."""
    problem = image.lacking()
    if problem is None:
        try:
            image.build("debian-12")
        except BackendError as error:
            problem = str(error)
    return problem


def seed_texts(name: str, address: str, mac: str, key: str, nameserver: str = "10.42.0.1") -> dict[str, str]:
    """Word a seed as Proxmox VE does for user `ops`, one static address and one nameserver."""
    user = f"#cloud-config\nhostname: {name}\nmanage_etc_hosts: true\nuser: ops\nssh_authorized_keys:\n  - {key}\n"
    network = (
        "version: 1\nconfig:\n    - type: physical\n      name: eth0\n"
        f"      mac_address: '{mac}'\n      subnets:\n      - type: static\n        address: '{address}'\n"
        "        netmask: '255.255.255.0'\n        gateway: '10.42.0.1'\n"
        f"    - type: nameserver\n      address:\n      - '{nameserver}'\n      search:\n      - 'lab.internal'\n"
    )
    return {"user-data": user, "network-config": network, "meta-data": f"instance-id: {uuid.uuid4()}\n"}


class Loop:
    """An event loop in a thread of its own, so that plain tests can drive the backend."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], limit: float = 900) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@dataclass
class Guest:
    """One booted guest."""

    vmid: int
    address: str
    key_file: Path
    backend: QemuBackend
    loop: Loop

    @property
    def ssh_args(self) -> list[str]:
        proxy = (self.backend.jump() or {})["proxy_command"]
        known = self.key_file.with_name("known_hosts")
        return [
            *("ssh", "-i", str(self.key_file), "-o", f"ProxyCommand={proxy}", "-o", f"UserKnownHostsFile={known}"),
            *("-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
            *("-o", "ConnectTimeout=20", "-o", "LogLevel=ERROR", f"ops@{self.address}"),
        ]

    @property
    def _shared(self) -> list[str]:
        """What lets one connection serve every command: a login takes two seconds under emulation."""
        path = Path(tempfile.gettempdir()) / f"guest-{os.getpid()}-{self.vmid}"  # a socket's path is short
        return ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={path}"]

    def _hang_up(self) -> None:
        """End the shared connection, which a guest that goes back in time knows nothing of."""
        words = [*self.ssh_args[:-1], *self._shared, "-O", "exit", self.ssh_args[-1]]
        subprocess.run(words, check=False, capture_output=True, stdin=subprocess.DEVNULL)

    def disk(self, slot: str) -> str:
        """Return the path of a disk below the backend's folder."""
        return next(d.path for d in self.backend.machine(self.vmid).disks if d.slot == slot)

    def ssh(self, command: str, *, check: bool = False, limit: float = 300) -> subprocess.CompletedProcess[str]:
        words = [*self.ssh_args[:-1], *self._shared, self.ssh_args[-1], command]
        return subprocess.run(
            words, check=check, capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL
        )

    def wait_for_ssh(self, limit: float = 240) -> float:
        begun = time.monotonic()
        while self.ssh("true").returncode != 0:
            if time.monotonic() - begun > limit:
                raise AssertionError(f"no ssh after {limit} s; console:\n{self.backend.console(self.vmid)[-3000:]}")
            time.sleep(0.5)  # between attempts; the condition is the loop's
        return time.monotonic() - begun

    def agent(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        return self.loop.run(self.backend.agent(self.vmid, command, arguments))

    def save(self, name: str) -> None:
        """Keep memory and disk under a name; needs no pause longer than a second."""
        self._hang_up()
        self.loop.run(self.backend.snapshot(self.vmid, name, [self.disk("scsi0")], memory=True))

    def load(self, name: str) -> None:
        """Go back, and set the guest's clock, which would else stand where it was saved."""
        self._hang_up()
        self.loop.run(self.backend.load(self.vmid, name))
        with contextlib.suppress(AgentSilent):
            self.agent("guest-set-time", {"time": time.time_ns()})


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep other runs from booting guests at the same time, where `ATLAS_GUEST_LOCK` names a lock file."""
    path = os.environ.get("ATLAS_GUEST_LOCK")
    if not path:
        yield
        return
    with Path(path).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def adopted(folder: Path, key: Path, addresses: Mapping[int, str]) -> Iterator[list[Guest]]:
    """Give running guests of a lab whose process has ended, by VMID and address; they go on after the `with`."""
    loop, backend = Loop(), QemuBackend(folder, memory=4096)
    with tempfile.TemporaryDirectory(prefix="lab-test-") as own:
        key_file = Path(shutil.copy(key, own))
        try:
            loop.run(backend.open())
            yield [Guest(vmid, address, key_file, backend, loop) for vmid, address in addresses.items()]
        finally:
            loop.run(backend.close(stop=False))
            loop.close()


@contextlib.contextmanager
def backend_for_tests(memory: int = 4096) -> Iterator[tuple[QemuBackend, Loop, Path]]:
    """Give a backend in a folder of its own, with its loop; all that it started ends with the `with`."""
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="lab-test-") as folder:
        backend = QemuBackend(Path(folder) / "lab", memory=memory)
        try:
            loop.run(backend.open())
            yield backend, loop, Path(folder)
        finally:
            loop.run(backend.close(stop=True))
            loop.close()


def boot(
    backend: QemuBackend,
    loop: Loop,
    folder: Path,
    vmid: int,
    address: str,
    nameserver: str = "10.42.0.1",
    **changes: Any,
) -> Guest:
    """Make a disk of the image and start a guest on it."""
    key = folder / "key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    path = DISK.format(vmid)
    mac = f"bc:24:11:00:00:{int(address.rpartition('.')[2]):02x}"
    given: dict[str, Any] = {
        "cores": 2,
        "memory": 512,
        "disks": (Disk("scsi0", path),),
        "nics": (Nic("net0", mac, "vmbr0"),),
        "cloudinit": seed_texts(f"vm{vmid}", address, mac, key.with_suffix(".pub").read_text().strip(), nameserver),
        **changes,
    }
    loop.run(backend.create_disk(path, 3 << 30, image="debian-12"))
    loop.run(backend.start(Machine(vmid, f"vm{vmid}", str(uuid.uuid4()), **given)))
    return Guest(vmid, address, key, backend, loop)


@contextlib.contextmanager
def machine_for_tests(address: str = "10.42.0.11", **changes: Any) -> Iterator[Guest]:
    """Boot one guest whose cloud-init has finished; `changes` go to its Machine (`memory=1024`)."""
    with backend_for_tests() as (backend, loop, folder):
        guest = boot(backend, loop, folder, 101, address, **changes)
        guest.wait_for_ssh()
        guest.ssh("cloud-init status --wait", check=True)
        yield guest
