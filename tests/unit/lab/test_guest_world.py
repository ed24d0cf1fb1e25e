"""Locks, clones, pending changes and volumes of guests, through the API's handlers on a world in memory."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

import pytest
from fakes.labapi import Api
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from atlas.lab.call import PVEError

TEMPLATE = "/nodes/pve1/qemu/9000"


async def test_a_clone_is_locked_and_nameless_until_its_drives_are_there() -> None:
    api = await Api.fresh("realistic")
    upid = await api.call("POST", f"{TEMPLATE}/clone", newid=101, name="web", full=1)
    await asyncio.sleep(0.01)
    assert api.config(101) == {"lock": "clone", "description": " qmclone temporary file"}
    with pytest.raises(PVEError, match=r"VM is locked \(clone\)"):
        await api.call("PUT", "/nodes/pve1/qemu/101/config", cores=2)
    api.lab.clock.advance(0.1)
    await _until(lambda: "name" in api.config(101))
    assert (api.config(101)["name"], api.config(101)["lock"]) == ("web", "clone")
    assert "ide2" in api.config(101)
    assert "scsi0" not in api.config(101)
    while api.lab.tasks.running(upid):
        api.lab.clock.advance(5)
        await asyncio.sleep(0.001)
    assert "lock" not in api.config(101)
    assert api.config(101)["scsi0"] == "shared-nfs:101/vm-101-disk-0.qcow2,size=3G"


async def _until(true: Any) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)


async def test_a_stopped_clone_task_leaves_nothing_behind() -> None:
    api = await Api.fresh("realistic")
    before = set(api.lab.volumes)
    upid = await api.call("POST", f"{TEMPLATE}/clone", newid=101, full=1)
    await _until(lambda: set(api.lab.volumes) > before)
    api.lab.tasks.stop(upid)
    ended = await api.lab.tasks.wait(upid)
    assert ended.exitstatus == "clone failed: interrupted by signal"
    assert "101" not in api.lab.guests
    assert set(api.lab.volumes) == before


async def test_a_killed_clone_leaves_its_lock_and_a_volume_that_no_config_names() -> None:
    api = await Api.fresh("realistic")
    before = set(api.lab.volumes)
    await api.call("POST", f"{TEMPLATE}/clone", newid=101, full=1)
    await _until(lambda: any("disk-0" in v for v in set(api.lab.volumes) - before))
    await api.lab.tasks.close()
    assert api.config(101)["lock"] == "clone"
    loose = [v for v in set(api.lab.volumes) - before if v not in str(dict(api.config(101)))]
    assert loose == ["shared-nfs:101/vm-101-disk-0.qcow2"]


async def test_parallel_clones_of_a_stopped_template_all_succeed() -> None:
    api = await Api.fresh("fast")
    upids = [await api.call("POST", f"{TEMPLATE}/clone", newid=n) for n in range(101, 121)]
    ended = [await api.lab.tasks.wait(upid) for upid in upids]
    assert {record.exitstatus for record in ended} == {"OK"}
    macs = {re.search(r"virtio=([^,]+)", api.config(n)["net0"])[1] for n in range(101, 121)}  # type: ignore[index] # it has one
    assert len(macs) == 20


async def test_of_two_clones_to_one_id_the_second_fails_in_its_task() -> None:
    api = await Api.fresh("fast")
    first = await api.call("POST", f"{TEMPLATE}/clone", newid=101, full=1)
    second = await api.call("POST", "/nodes/pve1/qemu/9001/clone", newid=101, full=1)
    states = [(await api.lab.tasks.wait(upid)).exitstatus or "" for upid in (first, second)]
    assert states[0] == "OK"
    assert "got timeout" in states[1] or "config file already exists" in states[1]
    assert api.config(101)["name"] == "Copy-of-VM-debian-12"


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        ("/nodes/pve2/qemu/9002", {"target": "pve1"}, "can't clone VM to node 'pve1' (VM uses local storage)"),
        (TEMPLATE, {"storage": "shared-nfs"}, "parameter 'storage' not allowed for linked clones"),
        (
            TEMPLATE,
            {"full": 1, "storage": "local-lvm", "target": "pve2"},
            "can't clone to non-shared storage 'local-lvm'",
        ),
        (TEMPLATE, {"snapname": "none"}, "snapshot 'none' does not exist"),
        (TEMPLATE, {"newid": 9001}, "unable to create VM 9001: config file already exists"),
    ],
)
async def test_clones_that_are_refused(path: str, params: dict[str, Any], text: str) -> None:
    api = await Api.fresh()
    with pytest.raises(PVEError) as caught:
        await api.call("POST", f"{path}/clone", **{"newid": 101, **params})
    assert caught.value.message == text


async def test_a_linked_clone_keeps_its_base_alive() -> None:
    api = await Api.fresh()
    assert await api.run("POST", f"{TEMPLATE}/clone", newid=101) == "OK"
    volume = "shared-nfs:9000/base-9000-disk-0.qcow2"
    assert api.config(101)["scsi0"] == f"{volume}/101/vm-101-disk-0.qcow2,size=3G"
    status = await api.run("DELETE", TEMPLATE)
    assert status == f"base volume '{volume}' is still in use by linked cloned"
    assert await api.run("DELETE", "/nodes/pve1/qemu/101") == "OK"
    assert await api.run("DELETE", TEMPLATE) == "OK"


async def test_a_disk_that_a_snapshot_needs_is_not_deleted_with_its_volume() -> None:
    api = await Api.fresh()
    vm = "/nodes/pve1/qemu/101"
    assert await api.run("POST", f"{TEMPLATE}/clone", newid=101) == "OK"
    assert await api.run("POST", f"{vm}/snapshot", snapname="before") == "OK"
    with contextlib.suppress(PVEError):
        await api.call("PUT", f"{vm}/config", delete="scsi0", force=1)
    volume = str(api.lab.guests["101"].snapshots["before"]["scsi0"]).partition(",")[0]
    assert api.lab.volume(volume, "pve1") is not None
    assert {r["key"]: r.get("delete") for r in await api.call("GET", f"{vm}/pending")}["scsi0"] == 2


async def test_memory_waits_for_a_reboot_through_the_api_and_a_name_does_not() -> None:
    api = await Api.fresh()
    await api.run("POST", f"{TEMPLATE}/clone", newid=101)
    vm = "/nodes/pve1/qemu/101"
    assert await api.run("POST", f"{vm}/status/start") == "OK"
    await api.call("PUT", f"{vm}/config", memory=4096, name="new", scsi1="local-lvm:1")
    rows = {row["key"]: row for row in await api.call("GET", f"{vm}/pending")}
    assert rows["memory"] == {"key": "memory", "value": "2048", "pending": "4096"}
    assert rows["name"] == {"key": "name", "value": "new"}
    assert rows["scsi1"] == {"key": "scsi1", "value": "local-lvm:vm-101-disk-0,size=1G"}
    assert (await api.call("GET", f"{vm}/config"))["memory"] == "4096"
    assert (await api.call("GET", f"{vm}/config", current=1))["memory"] == "2048"
    assert await api.run("POST", f"{vm}/status/reboot") == "OK"
    await _until(lambda: api.lab.guest(101).status == "running")
    assert api.config(101)["memory"] == "4096"


async def test_a_stale_digest_changes_nothing() -> None:
    api = await Api.fresh()
    await api.run("POST", f"{TEMPLATE}/clone", newid=101)
    vm = "/nodes/pve1/qemu/101"
    digest = (await api.call("GET", f"{vm}/config"))["digest"]
    await api.call("PUT", f"{vm}/config", cores=3, digest=digest)
    with pytest.raises(PVEError, match="checksum mismatch"):
        await api.call("PUT", f"{vm}/config", cores=4, digest=digest)
    assert api.config(101)["cores"] == 3


async def test_a_container_clone_locks_both_and_a_kill_leaves_both_locked() -> None:
    api = await Api.fresh()
    archive = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
    made = await api.run("POST", "/nodes/pve1/lxc", vmid=201, ostemplate=archive, rootfs="local-lvm:4")
    assert made == "OK"
    api.lab.clock.profile = "realistic"
    await api.call("POST", "/nodes/pve1/lxc/201/clone", newid=202, full=1, hostname="copy")
    assert (api.config(201)["lock"], api.config(202)["lock"], api.config(202)["hostname"]) == ("disk", "create", "copy")
    with pytest.raises(PVEError, match=r"CT is locked \(disk\)"):
        await api.call("POST", "/nodes/pve1/lxc/201/clone", newid=203, full=1)
    await asyncio.sleep(0.01)
    await api.lab.tasks.close()
    assert (api.config(201)["lock"], api.config(202)["lock"]) == ("disk", "create")


async def test_rights_by_a_pool_reach_a_clone_only_when_it_is_in_it() -> None:
    from atlas.lab.entities import Acl, Pool, User

    api = await Api.fresh("realistic")
    api.lab.pools["mine"] = Pool("mine")
    api.lab.users["u@pve"] = User("u@pve")
    api.lab.acl["/pool/mine"] = Acl("/pool/mine", users={"u@pve": {"PVEVMAdmin": 1}})
    other = Api(api.lab, "u@pve")
    upid = await api.call("POST", f"{TEMPLATE}/clone", newid=101, pool="mine")
    await asyncio.sleep(0.01)
    with pytest.raises(PVEError, match="Permission check failed"):
        await other.call("GET", "/nodes/pve1/qemu/101/config")
    while api.lab.tasks.running(upid):
        api.lab.clock.advance(5)
        await asyncio.sleep(0.001)
    assert (await other.call("GET", "/nodes/pve1/qemu/101/config"))["name"] == "Copy-of-VM-debian-12"


IDS = st.sampled_from([101, 102, 103])
SLOTS = st.sampled_from(["scsi0", "scsi1", "virtio0", "ide2"])
STORES = st.sampled_from(["local-lvm", "shared-nfs"])


async def test_a_linked_clone_on_lvm_thin_outlives_its_template() -> None:
    api = await Api.fresh()
    assert await api.run("POST", "/nodes/pve1/qemu", vmid=101, scsi0="local-lvm:1") == "OK"
    assert await api.run("POST", "/nodes/pve1/qemu/101/template") == "OK"
    assert await api.run("POST", "/nodes/pve1/qemu/101/clone", newid=102, full=0) == "OK"
    assert await api.run("DELETE", "/nodes/pve1/qemu/101") == "OK"
    disk = api.lab.volume("local-lvm:vm-102-disk-0", "pve1")
    assert disk is not None
    assert disk.parent is None
    assert await api.run("POST", "/nodes/pve1/qemu", vmid=101, scsi0="local-lvm:1") == "OK"
    new = api.lab.volume("local-lvm:vm-101-disk-0", "pve1")
    assert new is not None
    assert new.path != disk.extra["shares"]  # what the clone stands on is not written over
    assert await api.run("DELETE", "/nodes/pve1/qemu/102") == "OK"
    assert not [v for v in api.lab.volumes.values() if v.extra.get("shares")]


class Guests(RuleBasedStateMachine):
    """Random calls on a few VMs; whatever they answer, the world stays true."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.api = self.loop.run_until_complete(Api.fresh())

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()

    def do(self, method: str, path: str, **params: Any) -> None:
        refused: list[PVEError] = []

        async def call() -> None:
            try:
                upid = await self.api.call(method, path, **params)
            except PVEError as error:
                refused.append(error)
                return
            if isinstance(upid, str) and upid.startswith("UPID"):
                ended = await self.api.lab.tasks.wait(upid)
                assert not (ended.exitstatus or "").startswith("internal"), ended.exitstatus
            while any(record.endtime is None for record in self.api.lab.tasks.records.values()):
                await asyncio.sleep(0)

        self.loop.run_until_complete(call())
        assert all(error.status in {400, 500} for error in refused), refused

    @rule(vmid=IDS, storage=STORES, size=st.integers(1, 3))
    def create(self, vmid: int, storage: str, size: int) -> None:
        self.do("POST", "/nodes/pve1/qemu", vmid=vmid, scsi0=f"{storage}:{size}", net0="virtio,bridge=vmbr0")

    @rule(source=st.sampled_from([9000, 101, 102]), vmid=IDS, full=st.sampled_from([0, 1]))
    def clone(self, source: int, vmid: int, full: int) -> None:
        self.do("POST", f"/nodes/pve1/qemu/{source}/clone", newid=vmid, full=full)

    @rule(vmid=IDS, slot=SLOTS, storage=STORES)
    def add(self, vmid: int, slot: str, storage: str) -> None:
        value = f"{storage}:cloudinit" if slot == "ide2" else f"{storage}:1"
        self.do("PUT", f"/nodes/pve1/qemu/{vmid}/config", **{slot: value})

    @rule(
        vmid=IDS,
        what=st.sampled_from(["scsi0", "scsi1", "ide2", "unused0", "net0", "memory"]),
        force=st.sampled_from([0, 1]),
    )
    def delete(self, vmid: int, what: str, force: int) -> None:
        self.do("PUT", f"/nodes/pve1/qemu/{vmid}/config", delete=what, force=force)

    @rule(vmid=IDS, slot=SLOTS, storage=STORES, keep=st.sampled_from([0, 1]))
    def move(self, vmid: int, slot: str, storage: str, keep: int) -> None:
        self.do("POST", f"/nodes/pve1/qemu/{vmid}/move_disk", disk=slot, storage=storage, delete=keep)

    @rule(vmid=IDS, size=st.sampled_from(["+1G", "2G", "1G"]))
    def resize(self, vmid: int, size: str) -> None:
        self.do("PUT", f"/nodes/pve1/qemu/{vmid}/resize", disk="scsi0", size=size)

    @rule(vmid=IDS, what=st.sampled_from(["start", "stop", "shutdown", "reboot", "suspend", "resume"]))
    def power(self, vmid: int, what: str) -> None:
        self.do("POST", f"/nodes/pve1/qemu/{vmid}/status/{what}")

    @rule(vmid=IDS, memory=st.sampled_from([512, 1024]))
    def change(self, vmid: int, memory: int) -> None:
        self.do("PUT", f"/nodes/pve1/qemu/{vmid}/config", memory=memory, description=f"m {memory}")

    @rule(vmid=IDS, name=st.sampled_from(["aa", "bb"]), what=st.sampled_from(["take", "drop", "back"]))
    def snapshot(self, vmid: int, name: str, what: str) -> None:
        base = f"/nodes/pve1/qemu/{vmid}/snapshot"
        if what == "take":
            self.do("POST", base, snapname=name, vmstate=1)
        elif what == "drop":
            self.do("DELETE", f"{base}/{name}")
        else:
            self.do("POST", f"{base}/{name}/rollback")

    @rule(vmid=IDS)
    def template(self, vmid: int) -> None:
        self.do("POST", f"/nodes/pve1/qemu/{vmid}/template")

    @rule(vmid=IDS, loose=st.sampled_from([0, 1]))
    def destroy(self, vmid: int, loose: int) -> None:
        self.do("DELETE", f"/nodes/pve1/qemu/{vmid}", destroy_unreferenced_disks=loose)

    @invariant()
    def no_lock_outlives_its_task(self) -> None:
        if hasattr(self, "api"):
            assert not [g.vmid for g in self.api.lab.guests.values() if g.config.get("lock")]

    @invariant()
    def every_volume_that_a_guest_names_is_there(self) -> None:
        if not hasattr(self, "api"):
            return
        lab = self.api.lab
        for guest in lab.guests.values():
            for section in (guest.config, guest.pending, *guest.snapshots.values()):
                for value in section.values():
                    name = str(value).partition(",")[0]
                    # PVE frees a cloud-init drive that another one takes the place of, a snapshot's too.
                    kept = "cloudinit" in name and section is not guest.config
                    if re.match(r"(local-lvm|shared-nfs):", name) and not kept:
                        assert lab.volume(name, guest.node) is not None, (guest.vmid, section)

    @invariant()
    def every_volume_belongs_to_a_guest_and_every_base_is_there(self) -> None:
        if not hasattr(self, "api"):
            return
        lab = self.api.lab
        for volume in lab.volumes.values():
            if volume.vmid is not None:
                assert str(volume.vmid) in lab.guests, volume.volid
            if volume.parent is not None:
                assert lab.volume(volume.parent, volume.node or "pve1") is not None

    @invariant()
    def what_runs_is_what_the_backend_carries(self) -> None:
        if hasattr(self, "api"):
            for guest in self.api.lab.guests.values():
                assert (guest.status == "running") == self.api.lab.backend.alive(guest.vmid)


TestGuests = Guests.TestCase
TestGuests.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
