"""Laws that hold in the lab whatever guests, disks, snapshots and templates go through."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

from fakes.labapi import Api
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from atlas.lab.call import PVEError
from atlas.lab.storage_view import usage

NODES = ("pve1", "pve2")
STORAGES = ("local-lvm", "shared-nfs")
VMIDS = st.integers(100, 105)
SOURCES = st.one_of(VMIDS, st.sampled_from((9000, 9002)))
VOLUME = re.compile(r"((?:local|local-lvm|shared-nfs):[^,\s]+)")
ARCHIVE = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"


class World(RuleBasedStateMachine):
    """Guests are made, cloned, changed and removed in any order; refusals are fine, broken laws are not."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.api = self.loop.run_until_complete(Api.fresh())
        self.lab = self.api.lab

    def teardown(self) -> None:
        self.loop.run_until_complete(self.lab.tasks.close())
        self.loop.close()

    def do(self, method: str, path: str, **params: Any) -> None:
        async def work() -> None:
            with contextlib.suppress(PVEError):
                await self.api.call(method, path, **params)
            for upid in list(self.lab.tasks.records):
                await self.lab.tasks.wait(upid)

        self.loop.run_until_complete(work())

    def at(self, vmid: int) -> str:
        guest = self.lab.guests.get(str(vmid))
        return f"/nodes/{guest.node if guest else 'pve1'}/{guest.kind if guest else 'qemu'}/{vmid}"

    @rule(vmid=VMIDS, node=st.sampled_from(NODES), storage=st.sampled_from(STORAGES), size=st.sampled_from((1, 4, 900)))
    def create_vm(self, vmid: int, node: str, storage: str, size: int) -> None:
        self.do("POST", f"/nodes/{node}/qemu", vmid=vmid, scsi0=f"{storage}:{size}", ide2=f"{storage}:cloudinit")

    @rule(vmid=VMIDS, node=st.sampled_from(NODES), storage=st.sampled_from(STORAGES))
    def create_container(self, vmid: int, node: str, storage: str) -> None:
        disks = {"rootfs": f"{storage}:2", "mp0": f"{storage}:1,mp=/d"}
        self.do("POST", f"/nodes/{node}/lxc", vmid=vmid, ostemplate=ARCHIVE, **disks)

    @rule(source=SOURCES, newid=VMIDS, full=st.booleans(), onto=st.sampled_from(NODES))
    def clone(self, source: int, newid: int, full: bool, onto: str) -> None:
        self.do("POST", f"{self.at(source)}/clone", newid=newid, full=int(full), target=onto)

    @rule(vmid=VMIDS, slot=st.sampled_from(("scsi1", "virtio0", "mp1")), storage=st.sampled_from(STORAGES))
    def add_disk(self, vmid: int, slot: str, storage: str) -> None:
        self.do("PUT", f"{self.at(vmid)}/config", **{slot: f"{storage}:1" + (",mp=/e" if slot == "mp1" else "")})

    @rule(vmid=VMIDS, slot=st.sampled_from(("scsi0", "scsi1", "virtio0", "mp0", "mp1", "unused0", "unused1", "ide2")))
    def drop_disk(self, vmid: int, slot: str) -> None:
        self.do("PUT", f"{self.at(vmid)}/config", delete=slot)

    @rule(vmid=VMIDS, storage=st.sampled_from(STORAGES), delete=st.booleans())
    def move_disk(self, vmid: int, storage: str, delete: bool) -> None:
        path = self.at(vmid)
        if "/lxc/" in path:
            self.do("POST", f"{path}/move_volume", volume="rootfs", storage=storage, delete=int(delete))
        else:
            self.do("POST", f"{path}/move_disk", disk="scsi0", storage=storage, delete=int(delete))

    @rule(vmid=VMIDS, other=VMIDS)
    def give_disk(self, vmid: int, other: int) -> None:
        path = self.at(vmid)
        if "/qemu/" in path:
            self.do("POST", f"{path}/move_disk", **{"disk": "scsi0", "target-vmid": other, "target-disk": "scsi3"})

    @rule(vmid=VMIDS, size=st.sampled_from(("+1G", "900G")))
    def resize(self, vmid: int, size: str) -> None:
        disk = "rootfs" if "/lxc/" in self.at(vmid) else "scsi0"
        self.do("PUT", f"{self.at(vmid)}/resize", disk=disk, size=size)

    @rule(vmid=VMIDS, name=st.sampled_from(("one", "two")), what=st.sampled_from(("take", "back", "drop")))
    def snapshot(self, vmid: int, name: str, what: str) -> None:
        path = f"{self.at(vmid)}/snapshot"
        if what == "take":
            self.do("POST", path, snapname=name)
        elif what == "back":
            self.do("POST", f"{path}/{name}/rollback")
        else:
            self.do("DELETE", f"{path}/{name}")

    @rule(vmid=VMIDS)
    def make_template(self, vmid: int) -> None:
        self.do("POST", f"{self.at(vmid)}/template")

    @rule(vmid=VMIDS, what=st.sampled_from(("start", "stop")))
    def power(self, vmid: int, what: str) -> None:
        self.do("POST", f"{self.at(vmid)}/status/{what}")

    @rule(vmid=VMIDS, onto=st.sampled_from(NODES))
    def migrate(self, vmid: int, onto: str) -> None:
        path = self.at(vmid)
        self.do("POST", f"{path}/migrate", target=onto, **({"with-local-disks": 1} if "/qemu/" in path else {}))

    @rule(vmid=st.one_of(VMIDS, st.just(9000)))
    def destroy(self, vmid: int) -> None:
        self.do("DELETE", self.at(vmid))

    def _used(self) -> dict[str, set[tuple[int, str]]]:
        found: dict[str, set[tuple[int, str]]] = {}
        for guest in self.lab.guests.values():
            for section in (guest.config, guest.pending, *guest.snapshots.values()):
                for value in section.values():
                    for volid in VOLUME.findall(str(value)):
                        if not volid.startswith("local:"):
                            found.setdefault(volid, set()).add((guest.vmid, guest.node))
        return found

    @invariant()
    def every_volume_belongs_to_a_guest_that_is_there(self) -> None:
        for volume in self.lab.volumes.values():
            if volume.content in ("images", "rootdir"):
                assert volume.vmid is not None
                assert str(volume.vmid) in self.lab.guests, volume.volid

    @invariant()
    def every_disk_of_a_guest_is_there_and_its_own(self) -> None:
        for volid, users in self._used().items():
            for vmid, node in users:
                volume = self.lab.volume(volid, node)
                assert volume is not None, (vmid, volid)
                assert volume.vmid == vmid, (vmid, volid)

    @invariant()
    def every_volume_is_used(self) -> None:
        used = self._used()
        for volume in self.lab.volumes.values():
            if volume.content in ("images", "rootdir"):
                assert volume.volid in used, volume.volid

    @invariant()
    def a_clones_base_is_there(self) -> None:
        for volume in self.lab.volumes.values():
            if volume.parent:
                assert self.lab.volume(volume.parent, volume.node or "pve1") is not None, (volume.volid, volume.parent)

    @invariant()
    def space_adds_up(self) -> None:
        for storage in self.lab.storages.values():
            for node in NODES:
                total, used = usage(self.lab, storage, node)
                there = [v for v in self.lab.volumes.values() if v.storage == storage.id and v.node in (None, node)]
                assert used == sum(volume.used for volume in there)
                assert 0 <= used <= total

    @invariant()
    def no_lock_outlives_its_task(self) -> None:
        assert [guest.vmid for guest in self.lab.guests.values() if "lock" in guest.config] == []

    @invariant()
    def no_worker_failed_by_a_fault_of_its_own(self) -> None:
        assert [r.exitstatus for r in self.lab.tasks.records.values() if str(r.exitstatus).startswith("internal")] == []


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
