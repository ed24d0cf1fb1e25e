"""Proofs of the calls on VMs and containers: configuration, power, disks, snapshots, clones, migration, the agent."""

from __future__ import annotations

from fakes.proof import Proof, proof

NODE = "/nodes/pve1"
ARCHIVE = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"


@proof
async def vm_configuration(p: Proof) -> None:
    await p.sets(f"POST {NODE}/qemu", {"vmid": 101, "scsi0": "local-lvm:1"}, f"GET {NODE}/qemu", {"vmid": 101})
    vm = f"{NODE}/qemu/101"
    config = f"GET {vm}/config"
    await p.sets(f"PUT {vm}/config", {"cores": 3}, config, {"cores": 3})
    await p.sets(f"POST {vm}/config", {"memory": 1024}, config, {"memory": "1024"})
    await p.do(f"PUT {vm}/config", ide2="local-lvm:cloudinit", ciuser="ops")
    dump = {"type": "user"}
    await p.sets(f"PUT {vm}/config", {"ciuser": "other"}, f"GET {vm}/cloudinit/dump", "user: other", dump)
    await p.sets(f"PUT {vm}/resize", {"disk": "scsi0", "size": "3G"}, config, {"scsi0": "size=3G"})
    await p.sets(
        f"POST {vm}/move_disk",
        {"disk": "scsi0", "storage": "shared-nfs", "delete": 1},
        config,
        {"scsi0": "shared-nfs:"},
    )
    await p.do(f"PUT {vm}/config", scsi1="local-lvm:1")
    await p.sets(f"PUT {vm}/unlink", {"idlist": "scsi1"}, config, {"unused0": "local-lvm:"})
    await p.do(f"POST {vm}/status/start")
    await p.sets(f"PUT {vm}/config", {"cores": 4}, f"GET {vm}/pending", {"key": "cores", "pending": 4})
    await p.do(f"POST {vm}/status/stop")
    third = {"key": "ciuser", "value": "third"}
    await p.sets(f"PUT {vm}/config", {"ciuser": "third"}, f"GET {vm}/cloudinit", third)
    await p.do(f"PUT {vm}/config", delete="ide2")
    await p.sets(f"POST {vm}/template", {}, config, {"template": 1})
    clone = {"newid": 102, "name": "copy", "full": 1}
    await p.sets(f"POST {vm}/clone", clone, f"GET {NODE}/qemu/102/config", {"name": "copy"})
    await p.unsets(f"DELETE {NODE}/qemu/102", {}, f"GET {NODE}/qemu", {"vmid": 102})


@proof
async def vm_power(p: Proof) -> None:
    await p.do(f"POST {NODE}/qemu", vmid=101, scsi0="local-lvm:1")
    vm = f"{NODE}/qemu/101"
    status, runs, paused = f"GET {vm}/status/current", {"status": "running"}, {"qmpstatus": "paused"}
    await p.sets(f"POST {vm}/status/start", {}, status, runs)
    await p.sets(f"POST {vm}/status/suspend", {}, status, paused)
    await p.unsets(f"POST {vm}/status/resume", {}, status, paused)
    await p.unsets(f"POST {vm}/status/shutdown", {}, status, runs)
    await p.do(f"POST {vm}/status/start")
    await p.unsets(f"POST {vm}/status/stop", {}, status, runs)
    await p.do(f"POST {vm}/status/start")
    await p.sets(f"POST {vm}/status/reset", {}, f"GET {NODE}/tasks", {"type": "qmreset"})
    await p.do(f"PUT {vm}/config", memory=2048)
    config = f"GET {vm}/config"
    process = (await p.read(status))["pid"]
    await p.sets(f"POST {vm}/status/reboot", {}, config, {"memory": "2048"}, {"current": 1})
    assert (await p.read(status))["pid"] != process, "only a new process has what was pending"
    await p.do(f"POST {vm}/status/stop")


@proof
async def vm_snapshots(p: Proof) -> None:
    await p.do(f"POST {NODE}/qemu", vmid=101, scsi0="local-lvm:1")
    await snapshots(p, f"{NODE}/qemu/101")


@proof
async def container_snapshots(p: Proof) -> None:
    await p.do(f"POST {NODE}/lxc", vmid=201, ostemplate=ARCHIVE, rootfs="local-lvm:1")
    await snapshots(p, f"{NODE}/lxc/201")


async def snapshots(p: Proof, guest: str) -> None:
    base = f"{guest}/snapshot"
    await p.sets(f"POST {base}", {"snapname": "one"}, f"GET {base}", {"name": "one"})
    item = f"{base}/one/config"
    await p.sets(f"PUT {item}", {"description": "x"}, f"GET {item}", {"description": "x"})
    await p.do(f"PUT {guest}/config", description="after")
    await p.do(f"PUT {guest}/config", cores=3)
    await p.unsets(f"POST {base}/one/rollback", {}, f"GET {guest}/config", {"cores": 3})
    await p.unsets(f"DELETE {base}/one", {}, f"GET {base}", {"name": "one"})


@proof
async def containers(p: Proof) -> None:
    base = f"{NODE}/lxc"
    made = {
        "vmid": 201,
        "ostemplate": ARCHIVE,
        "rootfs": "local-lvm:1",
        "net0": "name=eth0,bridge=vmbr0,ip=10.0.0.5/24",
    }
    await p.sets(f"POST {base}", made, f"GET {base}", {"vmid": 201})
    ct = f"{base}/201"
    config, status, runs = f"GET {ct}/config", f"GET {ct}/status/current", {"status": "running"}
    await p.sets(f"PUT {ct}/config", {"hostname": "web"}, config, {"hostname": "web"})
    await p.sets(f"PUT {ct}/resize", {"disk": "rootfs", "size": "2G"}, config, {"rootfs": "size=2G"})
    await p.do(f"PUT {ct}/config", mp0="local-lvm:1,mp=/data")
    await p.sets(f"POST {ct}/status/start", {}, status, runs)
    await p.unsets(f"POST {ct}/status/shutdown", {}, status, runs)
    await p.sets(f"POST {ct}/status/start", {}, f"GET {ct}/interfaces", {"name": "eth0", "inet": "10.0.0.5/24"})
    await p.unsets(f"POST {ct}/status/stop", {}, status, runs)
    await p.do(f"POST {ct}/status/start")
    await p.sets(f"POST {ct}/status/reboot", {}, f"GET {NODE}/tasks", {"type": "vzreboot"})
    await p.do(f"POST {ct}/status/stop")
    await p.sets(
        f"POST {ct}/clone",
        {"newid": 202, "full": 1, "hostname": "copy"},
        f"GET {base}/202/config",
        {"hostname": "copy"},
    )
    await p.sets(f"POST {base}/202/template", {}, f"GET {base}/202/config", {"template": 1})
    await p.unsets(f"DELETE {base}/202", {}, f"GET {base}", {"vmid": 202})


@proof
async def migration(p: Proof) -> None:
    await p.do(f"POST {NODE}/qemu", vmid=101)
    archive = {"ostemplate": ARCHIVE, "rootfs": "local-lvm:1"}
    await p.do(f"POST {NODE}/lxc", vmid=201, **archive)
    away = {"target": "pve2"}
    await p.do(f"PUT {NODE}/qemu/101/config", scsi0="local-lvm:1")
    disk = {"local_disks": {"volid": "local-lvm:vm-101-disk-1"}}
    await p.sets(f"PUT {NODE}/qemu/101/config", {"scsi1": "local-lvm:1"}, f"GET {NODE}/qemu/101/migrate", disk)
    await p.sets(f"POST {NODE}/lxc/201/status/start", {}, f"GET {NODE}/lxc/201/migrate", {"running": 1})
    await p.do(f"POST {NODE}/lxc/201/status/stop")
    await p.sets(f"POST {NODE}/qemu/101/migrate", away, "GET /nodes/pve2/qemu", {"vmid": 101})
    await p.sets(f"POST {NODE}/lxc/201/migrate", away, "GET /nodes/pve2/lxc", {"vmid": 201})


@proof
async def agent(p: Proof) -> None:
    await p.do(f"POST {NODE}/qemu/9000/clone", newid=101, name="web", full=1)
    vm = f"{NODE}/qemu/101"
    await p.do(f"PUT {vm}/config", agent="1", cores=2, net0="virtio=BC:24:11:00:00:07,bridge=vmbr0")
    base = f"{vm}/agent"
    card = {"result": {"hardware-address": "bc:24:11:00:00:07"}}
    await p.sets(f"POST {vm}/status/start", {}, f"GET {base}/network-get-interfaces", card)
    assert await p.read(f"GET {base}/get-host-name") == {"result": {"host-name": "web"}}
    await p.sets(f"POST {base}/fsfreeze-freeze", {}, f"POST {base}/fsfreeze-status", {"result": "frozen"})
    await p.unsets(f"POST {base}/fsfreeze-thaw", {}, f"POST {base}/fsfreeze-status", {"result": "frozen"})
    await p.unsets(f"POST {base}/shutdown", {}, f"POST {base}/ping", {"result": {}})
    await p.do(f"POST {vm}/status/stop")
    await p.sets(f"POST {vm}/status/start", {}, f"GET {base}/get-host-name", {"result": {"host-name": "web"}})
    await p.do(f"POST {vm}/status/stop")
    cores = {"result": {"logical-id": 1}}
    await p.sets(f"POST {vm}/status/start", {}, f"GET {base}/get-vcpus", cores)
    await p.do(f"PUT {vm}/config", memory=4096)
    await p.do(f"PUT {vm}/resize", disk="scsi0", size="9G")
    await p.do(f"POST {vm}/status/stop")
    blocks, size = f"GET {base}/get-memory-blocks", f"GET {base}/get-fsinfo"
    await p.sets(f"POST {vm}/status/start", {}, blocks, lambda answer: len(answer["result"]) == 32)
    await p.do(f"POST {vm}/status/stop")
    await p.sets(f"POST {vm}/status/start", {}, size, {"result": {"total-bytes": 9 * 1024**3}})
    written = {"file": "/tmp/a", "content": "some text"}
    await p.sets(
        f"POST {base}/file-write", written, f"GET {base}/file-read", {"content": "some text"}, {"file": "/tmp/a"}
    )
    pid = (await p.do(f"POST {base}/exec", command=["cat", "/tmp/a"]))["pid"]
    ended = {"exited": 1, "exitcode": 0, "out-data": "some text"}
    assert await p.read(f"GET {base}/exec-status", pid=pid) == ended
    agent_calls = "/nodes/{node}/qemu/{vmid}/agent"
    p.proved |= {("POST", f"{agent_calls}/exec"), ("GET", f"{agent_calls}/exec-status")}
    await p.unsets(f"POST {base}", {"command": "shutdown"}, f"POST {base}/ping", {"result": {}})


@proof
async def what_follows_from_power(p: Proof) -> None:
    await p.do(f"POST {NODE}/qemu", vmid=101, memory=4096, scsi0="local-lvm:1")
    vm = f"{NODE}/qemu/101"
    before = (await p.read(f"GET {NODE}/status"))["memory"]["used"]
    await p.sets(f"POST {vm}/status/start", {}, f"GET {NODE}/status", lambda answer: answer["memory"]["used"] > before)
    await p.do(f"POST {vm}/status/stop")
    drawn, hour = f"GET {vm}/rrddata", {"timeframe": "hour"}
    p.api.lab.clock.advance(600)
    await p.do(f"POST {vm}/status/start")
    p.api.lab.clock.advance(600)
    shown = [row for row in await p.read(drawn, **hour) if "maxmem" in row]
    assert 9 <= len(shown) <= 11
    assert shown[-1]["maxmem"] == 4096 * 1024**2
    p.proved |= {("GET", "/nodes/{node}/qemu/{vmid}/rrddata")}
    await p.do(f"POST {vm}/status/stop")
    able, wanting = {"hasFeature": 1}, {"feature": "clone"}
    await p.sets(f"POST {vm}/template", {}, f"GET {vm}/feature", able, wanting)


@proof
async def containers_further(p: Proof) -> None:
    volumes = {"rootfs": "local-lvm:1", "mp0": "local-lvm:1,mp=/data"}
    await p.do(f"POST {NODE}/lxc", vmid=201, ostemplate=ARCHIVE, **volumes)
    ct = f"{NODE}/lxc/201"
    moved = {"volume": "mp0", "storage": "shared-nfs", "delete": 1}
    await p.do("PUT /storage/shared-nfs", content="images,iso,rootdir,vztmpl,backup")
    await p.sets(f"POST {ct}/move_volume", moved, f"GET {ct}/config", {"mp0": "shared-nfs:"})
    await p.do(f"POST {ct}/status/start")
    await p.sets(f"PUT {ct}/config", {"tty": 4}, f"GET {ct}/pending", {"key": "tty", "pending": 4})
    await p.do(f"POST {NODE}/lxc", vmid=202, ostemplate=ARCHIVE, rootfs="local-lvm:1")
    other, able, wanting = f"{NODE}/lxc/202", {"hasFeature": 1}, {"feature": "clone"}
    await p.sets(f"POST {other}/template", {}, f"GET {other}/feature", able, wanting)
