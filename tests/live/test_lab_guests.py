"""Guests of the lab through proxmoxer, in a process of its own."""

from __future__ import annotations

import base64
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from proxmoxer import ProxmoxAPI, ResourceException

from atlas.lab import control

ARCHIVE = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


def connect(status: dict[str, Any], caller: str = "root@pam!lab") -> Any:
    """Log in with a token, the certificate checked."""
    name, value = status["tokens"][caller].split("=")
    user, _, token_name = name.partition("!")
    host = status["url"].removeprefix("https://")
    return ProxmoxAPI(
        host, user=user, token_name=token_name, token_value=value, verify_ssl=status["ca_file"], timeout=30
    )


def wait(api: Any, upid: str, seconds: float = 30) -> str:
    """Wait for a task and return its exit status."""
    node = upid.split(":")[1]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = api.nodes(node).tasks(upid).status.get()
        if status["status"] == "stopped":
            return str(status["exitstatus"])
        time.sleep(0.02)
    raise AssertionError(f"{upid} still runs")


def until(true: Callable[[], object], seconds: float = 20) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


@pytest.fixture
def status(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Run a lab of three nodes with fast tasks."""
    directory = tmp_path / "lab"
    yield control.start(directory, nodes=3, latency="fast")
    control.stop(directory)


def test_a_vm_from_template_to_destruction_with_the_least_rights(status: dict[str, Any]) -> None:
    api = connect(status, "atlas@pve!atlas")
    node = api.nodes("pve1")
    assert wait(api, node.qemu(9000).clone.post(newid=101, name="web", full=1, storage="local-lvm")) == "OK"
    vm = node.qemu(101)
    vm.config.put(delete="ide2")
    vm.config.put(
        ide2="file=shared-nfs:cloudinit",
        ipconfig0="ip=10.42.0.11/24,gw=10.42.0.1",
        ciuser="ops",
        memory=1024,
        net0="virtio=BC:24:11:00:01:01,bridge=vmbr0",
        tags="web;atlas",
    )
    assert wait(api, vm.resize.put(disk="scsi0", size=str(8 * 1024**3))) == "OK"
    assert wait(api, vm.status.start.post()) == "OK"
    until(lambda: _addresses(vm))
    assert _addresses(vm) == ["10.42.0.11"]
    config = vm.config.get()
    assert config["scsi0"] == "local-lvm:vm-101-disk-0,size=8G"
    assert config["tags"] == "atlas;web"
    assert "instance-id: " in vm.cloudinit.dump.get(type="meta")
    assert wait(api, vm.status.shutdown.post()) == "OK"
    assert wait(api, vm.delete(purge=1, **{"destroy-unreferenced-disks": 1})) == "OK"
    with pytest.raises(ResourceException, match=r"nodes/pve1/qemu-server/101\.conf' does not exist"):
        vm.status.current.get()
    assert not [v for v in node.storage("local-lvm").content.get() if v.get("vmid") == 101]


def _addresses(vm: Any) -> list[str]:
    try:
        found = vm.agent("network-get-interfaces").get()["result"]
    except ResourceException as error:
        if "QEMU guest agent is not running" not in str(error):
            raise
        return []
    return [a["ip-address"] for card in found if card["name"] != "lo" for a in card["ip-addresses"]]


def test_a_container_from_an_archive_to_destruction(status: dict[str, Any]) -> None:
    api = connect(status)
    node = api.nodes("pve2")
    made = node.lxc.post(
        vmid=201,
        ostemplate=ARCHIVE,
        rootfs="local-lvm:4",
        hostname="ct",
        net0="name=eth0,bridge=vmbr0,ip=dhcp",
        start=1,
    )
    assert wait(api, made) == "OK"
    ct = node.lxc(201)
    assert ct.status.current.get()["status"] == "running"
    cards = {card["name"]: card for card in ct.interfaces.get()}
    assert cards["eth0"]["inet"].startswith("10.42.0.")
    ct.config.put(memory=1024, mp0="local-lvm:1,mp=/srv")
    assert ct.config.get(current=1)["memory"] == 1024
    assert wait(api, ct.resize.put(disk="rootfs", size="+1G")) == "OK"
    assert wait(api, ct.migrate.post(target="pve3", restart=1)) == "OK"
    moved = api.nodes("pve3").lxc(201)
    assert moved.status.current.get()["status"] == "running"
    assert wait(api, moved.status.shutdown.post()) == "OK"
    assert wait(api, moved.delete(purge=1)) == "OK"


def test_snapshots_disks_and_migration_of_a_vm(status: dict[str, Any]) -> None:
    api = connect(status)
    node = api.nodes("pve2")
    assert wait(api, node.qemu(9002).clone.post(newid=101)) == "OK"
    vm = node.qemu(101)
    assert wait(api, vm.snapshot.post(snapname="before", description="clean")) == "OK"
    vm.config.put(cores=4, scsi1="local-lvm:1")
    assert wait(api, vm.snapshot("before").rollback.post()) == "OK"
    config = vm.config.get()
    assert config["cores"] == 2
    assert config["unused0"] == "local-lvm:vm-101-disk-1"
    assert wait(api, vm.snapshot("before").delete()) == "OK"
    assert wait(api, vm.move_disk.post(disk="scsi0", storage="shared-nfs", delete=1)) == "OK"
    assert wait(api, vm.migrate.post(target="pve3")) == "OK"
    config = api.nodes("pve3").qemu(101).config.get()
    assert config["scsi0"].startswith("shared-nfs:101/vm-101-disk-0")
    assert config["unused0"] == "local-lvm:vm-101-disk-1"


def test_many_parallel_clones_all_succeed(status: dict[str, Any]) -> None:
    def one(number: int) -> str:
        api = connect(status)
        return wait(api, api.nodes("pve1").qemu(9000).clone.post(newid=number, name=f"c{number}"))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(101, 141))) == {"OK"}
    assert len(connect(status).cluster.resources.get(type="vm")) == 43


def test_a_lab_killed_in_the_middle_of_a_clone_leaves_what_a_node_would(tmp_path: Path) -> None:
    directory = tmp_path / "lab"
    status = control.start(directory, nodes=1, latency="realistic")
    try:
        api = connect(status)
        assert wait(api, api.nodes("pve1").qemu(9000).clone.post(newid=100, name="lives")) == "OK"
        assert wait(api, api.nodes("pve1").qemu(100).status.start.post()) == "OK"
        upid = api.nodes("pve1").qemu(9000).clone.post(newid=101, name="halfway", full=1)
        volumes = api.nodes("pve1").storage("shared-nfs").content
        until(lambda: [v for v in volumes.get(vmid=101) if "disk" in v["volid"]])
        os.kill(status["pid"], signal.SIGKILL)
        until(lambda: control.running(directory) is None)
        status = control.start(directory, latency="fast")
        api = connect(status)
        vm = api.nodes("pve1").qemu(101)
        assert vm.config.get()["lock"] == "clone"
        assert "scsi0" not in vm.config.get()
        assert api.nodes("pve1").tasks(upid).status.get()["exitstatus"] == "unexpected status"
        with pytest.raises(ResourceException, match=r"VM is locked \(clone\)"):
            vm.config.put(cores=1)
        loose = [v["volid"] for v in api.nodes("pve1").storage("shared-nfs").content.get(vmid=101)]
        assert "shared-nfs:101/vm-101-disk-0.qcow2" in loose
        assert api.nodes("pve1").qemu(100).agent.ping.post() == {"result": {}}
    finally:
        control.stop(directory)


def test_an_image_that_was_uploaded_becomes_a_disk(status: dict[str, Any], tmp_path: Path) -> None:
    image = tmp_path / "tiny.qcow2"
    # A header of 64 MiB: what tells its size is all that is looked at.
    image.write_bytes(base64.b64decode("UUZJ+wAAAAIAAAAAAAAAAAAAAAAAAAAQAAAAAAQAAAA=") + bytes(480))
    api = connect(status)
    node = api.nodes("pve1")
    with image.open("rb") as file:
        assert wait(api, node.storage("local").upload.post(content="import", filename=file)) == "OK"
    made = node.qemu.post(vmid=101, scsi0="local-lvm:0,import-from=local:import/tiny.qcow2", agent="1")
    assert wait(api, made) == "OK"
    assert node.qemu(101).config.get()["scsi0"] == "local-lvm:vm-101-disk-0,size=64M"
