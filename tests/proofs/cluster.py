"""Proofs of the cluster's calls: sections, notifications, ACME, backups as jobs, options, mappings, HA."""

from __future__ import annotations

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes.proof import Proof, holds, proof

VM = "/nodes/pve1/qemu"


async def a_vm(p: Proof, vmid: int = 101, **more: object) -> None:
    await p.do(f"POST {VM}", vmid=vmid, name=f"vm{vmid}", scsi0="local-lvm:1", **more)


@proof
async def sections(p: Proof) -> None:
    await p.crud(
        "/cluster/metrics/server",
        "id",
        "graf",
        {"type": "graphite", "server": "10.0.0.9", "port": 2003},
        {"port": 2004, "server": "10.0.0.9"},
        at_item=True,
    )
    await p.sets(
        "POST /cluster/acme/plugins",
        {"id": "cf", "type": "dns", "api": "cf"},
        "GET /cluster/acme/plugins",
        {"plugin": "cf"},
    )
    await p.sets("PUT /cluster/acme/plugins/cf", {"data": "YT1i"}, "GET /cluster/acme/plugins/cf", {"data": "a=b"})
    await p.unsets("DELETE /cluster/acme/plugins/cf", {}, "GET /cluster/acme/plugins", {"plugin": "cf"})
    models = "/cluster/qemu/custom-cpu-models"
    await p.crud(
        models,
        "cputype",
        "mine",
        {"reported-model": "kvm64"},
        {"flags": "+aes", "reported-model": "kvm64"},
        listed="custom-mine",
    )
    await p.do("POST /access/domains", realm="ad1", type="ad", server1="10.0.0.8", domain="lab.example")
    jobs = "/cluster/jobs/realm-sync"
    await p.crud(
        jobs,
        "id",
        "nightly",
        {"realm": "ad1", "scope": "both", "schedule": "02:00"},
        {"comment": "x", "schedule": "03:00"},
        at_item=True,
    )


@proof
async def notifications(p: Proof) -> None:
    base = "/cluster/notifications"
    made: dict[str, dict[str, Any]] = {
        "gotify": {"server": "http://10.0.0.9", "token": "t"},
        "sendmail": {"mailto-user": ["root@pam"]},
        "smtp": {"server": "10.0.0.9", "from-address": "a@lab.example", "mailto": ["b@lab.example"]},
        "webhook": {"url": "http://10.0.0.9", "method": "post"},
    }
    for kind, params in made.items():
        await p.crud(f"{base}/endpoints/{kind}", "name", f"my-{kind}", params, {"comment": "changed"})
    await p.sets(
        f"POST {base}/endpoints/gotify", {"name": "gg", **made["gotify"]}, f"GET {base}/targets", {"name": "gg"}
    )
    await p.crud(f"{base}/matchers", "name", "all", {"target": ["gg"]}, {"mode": "any"})
    await p.do("POST /cluster/backup", id="job-a", all=1, schedule="02:30")
    await p.sets(
        "POST /cluster/backup",
        {"id": "job-b", "all": 1, "schedule": "02:30"},
        f"GET {base}/matcher-field-values",
        {"value": "job-b"},
    )


@proof
async def acme(p: Proof) -> None:
    base = "/cluster/acme/account"
    await p.sets(f"POST {base}", {"name": "acc", "contact": "a@lab.example"}, f"GET {base}", {"name": "acc"})
    await p.sets(
        f"PUT {base}/acc",
        {"contact": "b@lab.example"},
        f"GET {base}/acc",
        {"account": {"contact": ["mailto:b@lab.example"]}},
    )
    node = "/nodes/pve1"
    await p.sets(
        f"PUT {node}/config",
        {"acme": "account=acc,domains=one.lab.example"},
        f"GET {node}/config",
        {"acme": "account=acc"},
    )
    info = f"GET {node}/certificates/info"
    await p.sets(f"POST {node}/certificates/acme/certificate", {}, info, {"san": ["one.lab.example"]})
    await p.do(f"PUT {node}/config", acme="account=acc,domains=two.lab.example")
    await p.sets(f"PUT {node}/certificates/acme/certificate", {"force": 1}, info, {"san": ["two.lab.example"]})
    await p.unsets(f"DELETE {node}/certificates/acme/certificate", {}, info, {"filename": "pveproxy-ssl.pem"})
    pem, key = own_certificate()
    await p.sets(
        f"POST {node}/certificates/custom", {"certificates": pem, "key": key}, info, {"filename": "pveproxy-ssl.pem"}
    )
    await p.unsets(f"DELETE {node}/certificates/custom", {}, info, {"filename": "pveproxy-ssl.pem"})
    await p.unsets(f"DELETE {base}/acc", {}, f"GET {base}/acc", {"account": {"status": "valid"}})


def own_certificate() -> tuple[str, str]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own.lab.example")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.sign(key, hashes.SHA256()).public_bytes(pem).decode(), private.decode()


@proof
async def backup_jobs(p: Proof) -> None:
    base = "/cluster/backup"
    await p.crud(base, "id", "nightly", {"all": 1, "schedule": "02:30"}, {"comment": "x"})
    given = {
        "id": "tuned",
        "all": 1,
        "schedule": "daily",
        "fleecing": "1,storage=local-lvm",
        "performance": "max-workers=4",
    }
    shown = {"fleecing": {"enabled": 1, "storage": "local-lvm"}, "performance": {"max-workers": "4"}}
    await p.sets(f"POST {base}", given, f"GET {base}/tuned", shown)
    await p.do(f"DELETE {base}/tuned")
    evening = {"id": "evening", "all": 1, "starttime": "19:05", "dow": "mon,fri"}
    await p.sets(f"POST {base}", evening, f"GET {base}", {"id": "evening", "schedule": "mon,fri 19:05"})
    # what the list says of the next run is the first of the times that the schedule has
    due = next(job["next-run"] for job in await p.do(f"GET {base}") if job["id"] == "evening")
    analyze = "GET /cluster/jobs/schedule-analyze"
    times = [row["timestamp"] for row in await p.do(analyze, schedule="mon,fri 19:05", iterations=3)]
    assert times[0] == due
    assert len(set(times)) == 3
    p.proved.add(("GET", "/cluster/jobs/schedule-analyze"))
    await p.do(f"DELETE {base}/evening")
    await a_vm(p)
    await p.unsets(
        f"POST {base}",
        {"id": "one", "schedule": "daily", "vmid": "101"},
        "GET /cluster/backup-info/not-backed-up",
        {"vmid": 101},
    )
    await p.unsets(f"PUT {base}/one", {"vmid": "9000"}, f"GET {base}/one/included_volumes", {"children": {"id": 101}})


@proof
async def options(p: Proof) -> None:
    await p.sets("PUT /cluster/options", {"description": "a note"}, "GET /cluster/options", {"description": "a note"})
    await a_vm(p, 100)
    await p.sets(f"POST {VM}", {"vmid": 101}, "GET /cluster/nextid", "102")
    await p.sets(f"POST {VM}", {"vmid": 105}, "GET /cluster/resources", {"id": "qemu/105"})
    await p.sets(f"POST {VM}", {"vmid": 106}, "GET /cluster/tasks", {"id": "106", "type": "qmcreate"})
    await p.sets(f"POST {VM}", {"vmid": 107}, "GET /cluster/log", {"msg": ":qmcreate:107:"})
    await p.sets(
        "POST /nodes/pve2/status", {"command": "shutdown"}, "GET /cluster/status", {"name": "pve2", "online": 0}
    )


@proof
async def mappings(p: Proof) -> None:
    for kind, mapped in (
        ("dir", "node=pve1,path=/srv/a"),
        ("pci", "node=pve1,path=0000:01:00.0,id=8086:1234"),
        ("usb", "node=pve1,id=1234:5678"),
    ):
        change = {"map": [mapped], "description": "x"}
        await p.crud(f"/cluster/mapping/{kind}", "id", "m1", {"map": [mapped]}, change, shown={"description": "x"})


@proof
async def replication(p: Proof) -> None:
    await p.do("POST /storage", storage="tank", type="zfspool", pool="tank", content="images")
    await a_vm(p)
    refused = await p.read("POST /cluster/replication", id="101-0", target="pve2", type="local")
    assert "missing replicate feature on volume 'local-lvm:vm-101-disk-0'" in refused
    await p.do(f"PUT {VM}/101/config", scsi0="local-lvm:vm-101-disk-0,replicate=0", scsi1="tank:1")
    await p.crud("/cluster/replication", "id", "101-0", {"target": "pve2", "type": "local"}, {"comment": "x"})
    node = "/nodes/pve1/replication"
    job = {"id": "101-0", "target": "pve2", "type": "local"}
    await p.sets("POST /cluster/replication", job, f"GET {node}", {"id": "101-0"})
    await p.sets(f"POST {node}/101-0/schedule_now", {}, f"GET {node}/101-0/log", {"t": "101-0: start replication job"})
    await p.sets("PUT /cluster/replication/101-0", {"comment": "seen"}, f"GET {node}/101-0/status", {"comment": "seen"})


@proof
async def high_availability(p: Proof) -> None:
    base = "/cluster/ha"
    for vmid in (101, 102, 103):
        await p.do(f"POST {VM}", vmid=vmid)
    await p.crud(f"{base}/resources", "sid", "vm:101", {}, {"comment": "x"})
    await p.sets(f"POST {base}/resources", {"sid": "vm:101"}, f"GET {base}/status/current", {"sid": "vm:101"})
    await p.do(f"POST {base}/resources", sid="vm:102")
    rule = {"type": "resource-affinity", "affinity": "negative", "resources": "vm:101,vm:102"}
    change = {"type": "resource-affinity", "comment": "x"}
    await p.crud(f"{base}/rules", "rule", "apart", rule, change, shown={"comment": "x"})
    where = f"GET {base}/status/manager_status"
    here = {"manager_status": {"service_status": {"vm:103": {"node": "pve1"}}}}
    await p.sets(f"POST {base}/resources", {"sid": "vm:103"}, where, here)
    disarmed = {"manager_status": {"disarm": {"mode": "freeze"}}}
    await p.sets(f"POST {base}/status/disarm-ha", {"resource-mode": "freeze"}, where, disarmed)
    await p.unsets(f"POST {base}/status/arm-ha", {}, where, disarmed)


@proof
async def moved_by_ha(p: Proof) -> None:
    base = "/cluster/ha/resources"
    for vmid, how in ((101, "migrate"), (102, "relocate")):
        await p.do(f"POST {VM}", vmid=vmid)
        await p.do(f"POST {base}", sid=f"vm:{vmid}")
        row, read = {"id": f"qemu/{vmid}", "node": "pve2"}, "GET /cluster/resources"
        assert not await seen(p, read, row)
        await p.do(f"POST {base}/vm:{vmid}/{how}", node="pve2")
        assert await seen(p, read, row)
        p.proved |= {("POST", f"{base}/{{sid}}/{how}"), ("GET", "/cluster/resources")}


async def seen(p: Proof, read: str, has: object) -> bool:
    return holds(await p.read(read), has)
