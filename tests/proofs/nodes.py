"""Proofs of the calls on nodes: settings, network, services, packages, disks, tasks, guests as a whole."""

from __future__ import annotations

from fakes.proof import Proof, proof

NODE = "/nodes/pve1"


@proof
async def settings(p: Proof) -> None:
    await p.sets(f"PUT {NODE}/config", {"description": "x"}, f"GET {NODE}/config", {"description": "x"})
    dns = {"search": "a.example", "dns1": "10.0.0.2"}
    await p.sets(f"PUT {NODE}/dns", dns, f"GET {NODE}/dns", dns)
    await p.sets(f"POST {NODE}/hosts", {"data": "10.0.0.3 other\n"}, f"GET {NODE}/hosts", {"data": "10.0.0.3 other"})
    await p.sets(f"PUT {NODE}/time", {"timezone": "Europe/Berlin"}, f"GET {NODE}/time", {"timezone": "Europe/Berlin"})
    read, key = f"GET {NODE}/subscription", "pve2c-0123456789"
    await p.sets(f"PUT {NODE}/subscription", {"key": key}, read, {"key": key})
    await p.sets(f"POST {NODE}/subscription", {}, read, {"message": "the lab asks no server about subscriptions"})
    await p.unsets(f"DELETE {NODE}/subscription", {}, read, {"key": key})


@proof
async def network(p: Proof) -> None:
    base, row = f"{NODE}/network", {"iface": "vmbr9"}
    await p.sets(f"POST {base}", {"iface": "vmbr9", "type": "bridge"}, f"GET {base}", row)
    await p.unsets(f"DELETE {base}", {}, f"GET {base}", row)
    await p.do(f"POST {base}", iface="vmbr9", type="bridge")
    change = {"type": "bridge", "comments": "x"}
    await p.sets(f"PUT {base}/vmbr9", change, f"GET {base}/vmbr9", {"comments": "x\n"})
    addressed = {"type": "bridge", "cidr": "10.9.0.2/24", "cidr6": "fd00::2/64"}
    await p.sets(f"PUT {base}/vmbr9", addressed, f"GET {base}/vmbr9", {"address6": "fd00::2", "netmask": "24"})
    bare = {"type": "bridge", "delete": "cidr,cidr6"}
    await p.sets(f"PUT {base}/vmbr9", bare, f"GET {base}/vmbr9", lambda data: "address6" not in data)
    await p.sets(f"PUT {base}", {}, f"GET {base}", {"iface": "vmbr9", "active": 1})
    await p.unsets(f"DELETE {base}/vmbr9", {}, f"GET {base}", row)


@proof
async def services(p: Proof) -> None:
    base, dead = f"{NODE}/services", {"service": "cron", "state": "dead"}
    await p.sets(f"POST {base}/cron/stop", {}, f"GET {base}", dead)
    await p.unsets(f"POST {base}/cron/start", {}, f"GET {base}/cron/state", {"state": "dead"})
    await p.do(f"POST {base}/cron/stop")
    await p.unsets(f"POST {base}/cron/restart", {}, f"GET {base}", dead)
    await p.sets(f"POST {base}/cron/reload", {}, f"GET {NODE}/tasks", {"type": "srvreload", "id": "cron"})
    await p.sets(
        "POST /nodes/pve2/status", {"command": "shutdown"}, "GET /nodes", {"node": "pve2", "status": "offline"}
    )


@proof
async def packages(p: Proof) -> None:
    base = f"{NODE}/apt"
    read = f"GET {base}/repositories"
    await p.sets(
        f"PUT {base}/repositories",
        {"handle": "enterprise"},
        read,
        {"standard-repos": {"handle": "enterprise", "status": 1}},
    )
    off = {"path": "/etc/apt/sources.list.d/pve-enterprise.sources", "index": 0, "enabled": 0}
    await p.sets(f"POST {base}/repositories", off, read, {"standard-repos": {"handle": "enterprise", "status": 0}})
    debian = {"path": "/etc/apt/sources.list.d/debian.sources", "index": 0, "enabled": 0}
    row = {
        "files": {
            "path": debian["path"],
            "repositories": {"Enabled": 0, "Components": ["main", "contrib", "non-free-firmware"]},
        }
    }
    await p.sets(f"POST {base}/repositories", debian, f"GET {base}/repositories", row)
    await p.sets(f"POST {base}/update", {}, f"GET {NODE}/tasks", {"type": "aptupdate"})
    template = (await p.read(f"GET {NODE}/aplinfo"))[0]["template"]
    content = f"GET {NODE}/storage/local/content"
    await p.sets(
        f"POST {NODE}/aplinfo",
        {"storage": "local", "template": template},
        content,
        {"volid": f"local:vztmpl/{template}"},
    )


@proof
async def disks(p: Proof) -> None:
    base = f"{NODE}/disks"
    await p.sets(f"POST {base}/initgpt", {"disk": "/dev/sdb"}, f"GET {base}/list", {"devpath": "/dev/sdb", "gpt": 1})
    await p.unsets(f"PUT {base}/wipedisk", {"disk": "/dev/sdb"}, f"GET {base}/list", {"devpath": "/dev/sdb", "gpt": 1})
    rows = {
        "directory": {"path": "/mnt/pve/made"},
        "lvm": {"children": {"name": "made"}},
        "lvmthin": {"lv": "made"},
        "zfs": {"name": "made"},
    }
    scans = {"lvm": ({"vg": "made"}, {}), "lvmthin": ({"lv": "made"}, {"vg": "made"}), "zfs": ({"pool": "made"}, {})}
    for kind, row in rows.items():
        made = {"devices": "/dev/sdb,/dev/sdc", "raidlevel": "mirror"} if kind == "zfs" else {"device": "/dev/sdb"}
        gone = {"cleanup-disks": 1, **({"volume-group": "made"} if kind == "lvmthin" else {})}
        await p.sets(f"POST {base}/{kind}", {"name": "made", **made}, f"GET {base}/{kind}", row)
        await p.unsets(f"DELETE {base}/{kind}/made", gone, f"GET {base}/{kind}", row)
        if kind in scans:
            has, wanting = scans[kind]
            await p.sets(f"POST {base}/{kind}", {"name": "made", **made}, f"GET {NODE}/scan/{kind}", has, wanting)
            await p.do(f"DELETE {base}/{kind}/made", **gone)
    zfs = {"name": "tank", "devices": "/dev/sdb,/dev/sdc", "raidlevel": "mirror", "add_storage": 1}
    await p.sets(f"POST {base}/zfs", zfs, f"GET {base}/zfs/tank", {"state": "ONLINE"})
    await p.unsets(f"DELETE {base}/zfs/tank", {"cleanup-config": 1}, "GET /storage", {"storage": "tank"})


@proof
async def guests_as_a_whole(p: Proof) -> None:
    for vmid in (101, 102):
        await p.do(f"POST {NODE}/qemu", vmid=vmid)
    listed, runs = f"GET {NODE}/qemu", {"vmid": 101, "status": "running"}
    vms = {"vms": "101,102"}
    await p.sets(f"POST {NODE}/startall", {**vms, "force": 1}, listed, runs)
    status = f"GET {NODE}/qemu/101/status/current"
    await p.sets(f"POST {NODE}/suspendall", vms, status, {"qmpstatus": "paused"})
    await p.do(f"POST {NODE}/qemu/101/status/resume")
    await p.do(f"POST {NODE}/qemu/102/status/resume")
    await p.unsets(f"POST {NODE}/stopall", vms, listed, runs)
    await p.unsets(f"POST {NODE}/migrateall", {"target": "pve2", "vms": "101,102"}, listed, {"vmid": 101})
    bulk, there = "/cluster/bulk-action/guest", "GET /nodes/pve2/qemu/101/status/current"
    many = {"vms": ["101", "102"]}
    await p.sets(f"POST {bulk}/start", many, there, {"status": "running"})
    await p.sets(f"POST {bulk}/suspend", many, there, {"qmpstatus": "paused"})
    await p.do("POST /nodes/pve2/qemu/101/status/resume")
    await p.do("POST /nodes/pve2/qemu/102/status/resume")
    await p.unsets(f"POST {bulk}/shutdown", many, there, {"status": "running"})
    await p.sets(f"POST {bulk}/migrate", {**many, "target": "pve1"}, listed, {"vmid": 102})


@proof
async def tasks(p: Proof) -> None:
    upid = await p.do(f"POST {NODE}/qemu", vmid=101)
    await p.sets(f"POST {NODE}/qemu", {"vmid": 102}, f"GET {NODE}/tasks", {"type": "qmcreate", "id": "102"})
    assert (await p.read(f"GET {NODE}/tasks/{upid}/status"))["exitstatus"] == "OK"
    await p.sets(f"POST {NODE}/qemu", {"vmid": 103}, f"GET {NODE}/syslog", {"t": ":qmcreate:103:"})
    await p.sets(f"POST {NODE}/qemu", {"vmid": 104}, f"GET {NODE}/journal", ":qmcreate:104:")
    p.api.lab.clock.profile = "realistic"
    running = await p.api.call("POST", f"{NODE}/qemu/9000/clone", newid=105, full=1)
    assert (await p.read(f"GET {NODE}/tasks/{running}/status"))["status"] == "running"
    await p.do(f"DELETE {NODE}/tasks/{running}")
    assert (await p.read(f"GET {NODE}/tasks/{running}/status"))["status"] == "stopped"
    assert any("TASK ERROR" in line["t"] for line in await p.read(f"GET {NODE}/tasks/{running}/log"))
    task = "/nodes/{node}/tasks/{upid}"
    p.proved |= {("DELETE", task), ("GET", f"{task}/status"), ("GET", f"{task}/log")}
