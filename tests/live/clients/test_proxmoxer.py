"""`proxmoxer`, unmodified, over each family of the API; by a token, and by a user's password."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.polling import until
from proxmoxer import AuthenticationError, ProxmoxAPI, ResourceException
from proxmoxer.tools import Files, Tasks

ARCHIVE = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"


@pytest.fixture(scope="module", params=["token", "password"])
def pve(lab: dict[str, Any], request: pytest.FixtureRequest) -> Any:
    who = {"token_name": "lab", "token_value": lab["token_value"]}
    given = who if request.param == "token" else {"password": lab["password"]}
    return ProxmoxAPI(lab["host"], port=lab["port"], user="root@pam", verify_ssl=lab["ca_file"], **given)


@pytest.fixture
def vmid(pve: Any) -> Iterator[int]:
    number = int(pve.cluster.nextid.get())
    yield number
    for row in pve.cluster.resources.get(type="vm"):
        if row["vmid"] == number:
            guest = getattr(pve.nodes(row["node"]), row["type"])(number)
            if row["status"] == "running":
                done(pve, guest.status.stop.post())
            done(pve, guest.delete(purge=1))


def done(pve: Any, upid: str) -> str:
    """Wait for a task as proxmoxer does."""
    ended = Tasks.blocking_status(pve, upid, timeout=30, polling_interval=0.05)
    assert ended is not None
    assert ended["exitstatus"] == "OK", Tasks.decode_log(pve.nodes(ended["node"]).tasks(upid).log.get())
    assert Tasks.decode_upid(upid)["id"] == ended["id"]
    return str(ended["type"])


def test_access(pve: Any, lab: dict[str, Any]) -> None:
    pve.access.groups.post(groupid="g1", comment="a group")
    pve.access.users.post(userid="joe@pve", password="not-a-secret-1", groups="g1", email="joe@example.org")
    pve.access.roles.post(roleid="Sees", privs="VM.Audit,Sys.Audit")
    pve.access.acl.put(path="/", roles="Sees", groups="g1")
    where: dict[str, Any] = {"port": lab["port"], "verify_ssl": lab["ca_file"]}
    joe = ProxmoxAPI(lab["host"], user="joe@pve", password="not-a-secret-1", **where)
    assert joe.access.permissions.get(path="/vms")["/vms"] == {"VM.Audit": 1, "Sys.Audit": 1}
    assert {row["vmid"] for row in joe.cluster.resources.get(type="vm")} >= {9000}
    with pytest.raises(ResourceException) as refused:
        joe.nodes("pve1").qemu.post(vmid=100)
    assert refused.value.status_code == 403
    secret = pve.access.users("joe@pve").token("t1").post(privsep=1)["value"]
    apart = ProxmoxAPI(lab["host"], user="joe@pve", token_name="t1", token_value=secret, **where)
    assert apart.cluster.resources.get(type="vm") == []  # separated, and nothing is given to it
    joe.access.password.put(userid="joe@pve", password="not-a-secret-2", **{"confirmation-password": "not-a-secret-1"})
    with pytest.raises(AuthenticationError):
        ProxmoxAPI(lab["host"], user="joe@pve", password="not-a-secret-1", **where)
    pve.access.users("joe@pve").delete()
    pve.access.groups("g1").delete()
    pve.access.roles("Sees").delete()
    assert "joe@pve" not in [row["userid"] for row in pve.access.users.get()]
    assert {row["realm"] for row in pve.access.domains.get()} == {"pam", "pve"}


def test_cluster(pve: Any) -> None:
    assert {row["type"] for row in pve.cluster.resources.get()} >= {"node", "storage", "qemu"}
    assert [row["name"] for row in pve.cluster.status.get() if row["type"] == "node"] == ["pve1", "pve2", "pve3"]
    pve.cluster.options.put(description="a lab", keyboard="de")
    assert pve.cluster.options.get()["keyboard"] == "de"
    pve.cluster.firewall.aliases.post(name="home", cidr="10.42.0.0/24")
    pve.cluster.firewall.groups.post(group="web")
    pve.cluster.firewall.groups("web").post(type="in", action="ACCEPT", dport="443", proto="tcp", enable=1)
    assert pve.cluster.firewall.groups("web").get()[0]["dport"] == "443"
    pve.cluster.firewall.groups("web")(0).delete()
    pve.cluster.firewall.groups("web").delete()
    pve.cluster.firewall.aliases("home").delete()
    pve.cluster.backup.post(id="j1", schedule="sat 02:00", storage="local", all=1)
    assert pve.cluster.backup("j1").get()["schedule"] == "sat 02:00"
    pve.cluster.backup("j1").delete()
    pve.cluster.sdn.zones.post(zone="z1", type="simple")
    pve.cluster.sdn.vnets.post(vnet="v1", zone="z1")
    done(pve, pve.cluster.sdn.put())
    assert [row["zone"] for row in pve.nodes("pve1").sdn.zones.get() if row["zone"] == "z1"] == ["z1"]
    pve.cluster.sdn.vnets("v1").delete()
    pve.cluster.sdn.zones("z1").delete()
    done(pve, pve.cluster.sdn.put())
    assert isinstance(pve.cluster.log.get(max=5), list)


def test_nodes(pve: Any) -> None:
    node = pve.nodes("pve2")
    assert node.status.get()["memory"]["total"] > 0
    node.network.post(iface="vmbr7", type="bridge", autostart=1, cidr="10.7.0.1/24")
    done(pve, node.network.put())
    assert node.network("vmbr7").get()["cidr"] == "10.7.0.1/24"
    node.network("vmbr7").delete()
    done(pve, node.network.put())
    node.dns.put(search="example.org", dns1="10.42.0.1")
    assert node.dns.get()["search"] == "example.org"
    node.hosts.post(data="127.0.0.1 localhost\n", digest=node.hosts.get()["digest"])
    assert node.hosts.get()["data"] == "127.0.0.1 localhost\n"
    assert node.time.get()["timezone"]
    assert {row["service"] for row in node.services.get()} >= {"pvedaemon", "pveproxy"}
    assert [row["upid"] for row in node.tasks.get(typefilter="srvreload", limit=1)]
    assert node.version.get()["version"] == pve.version.get()["version"]


def test_qemu(pve: Any, vmid: int) -> None:
    node = pve.nodes("pve1")
    assert done(pve, node.qemu.post(vmid=vmid, name="made", memory=512, scsi0="local-lvm:2")) == "qmcreate"
    vm = node.qemu(vmid)
    vm.config.put(cores=2, description="ä & ü = 1%")
    assert vm.config.get()["description"] == "ä & ü = 1%"
    digest = vm.config.get()["digest"]
    vm.config.put(cores=3, digest=digest)
    with pytest.raises(ResourceException, match="checksum mismatch"):
        vm.config.put(cores=4, digest=digest)
    assert done(pve, vm.config.post(memory=768)) == "qmconfig"
    assert done(pve, vm.resize.put(disk="scsi0", size="+1G")) == "resize"
    assert done(pve, vm.move_disk.post(disk="scsi0", storage="shared-nfs", format="qcow2", delete=1)) == "qmmove"
    assert done(pve, vm.snapshot.post(snapname="s1")) == "qmsnapshot"
    vm.config.put(name="changed")
    assert done(pve, vm.snapshot("s1").rollback.post()) == "qmrollback"
    assert vm.config.get()["name"] == "made"
    assert done(pve, vm.snapshot("s1").delete()) == "qmdelsnapshot"
    assert done(pve, vm.status.start.post()) == "qmstart"
    vm.config.put(memory=1024)
    assert {"key": "memory", "value": "768", "pending": "1024"}.items() <= next(
        {k: str(v) for k, v in row.items()}.items() for row in vm.pending.get() if row["key"] == "memory"
    )
    assert done(pve, vm.status.stop.post()) == "qmstop"
    assert done(pve, vm.migrate.post(target="pve2")) == "qmigrate"
    assert pve.nodes("pve2").qemu(vmid).config.get()["name"] == "made"
    assert (
        done(pve, pve.nodes("pve2").vzdump.post(vmid=vmid, storage="local", mode="stop", compress="zstd")) == "vzdump"
    )
    kept = pve.nodes("pve2").storage("local").content.get(content="backup", vmid=vmid)
    assert [row["vmid"] for row in kept] == [vmid]
    done(pve, pve.nodes("pve2").storage("local").content(kept[0]["volid"]).delete())
    with pytest.raises(ResourceException) as refused:
        vm.config.put(cores="many", unknown=1)
    assert (refused.value.status_code, set(refused.value.errors)) == (400, {"cores", "unknown"})


def test_an_agent(pve: Any, vmid: int) -> None:
    node = pve.nodes("pve1")
    done(pve, node.qemu(9000).clone.post(newid=vmid, name="agent", full=0))
    agent = node.qemu(vmid).agent
    node.qemu(vmid).config.put(ipconfig0="ip=10.42.0.60/24,gw=10.42.0.1")
    done(pve, node.qemu(vmid).status.start.post())
    until(lambda: _answers(agent))
    assert agent("get-osinfo").get()["result"]["id"] == "debian"
    found = agent("network-get-interfaces").get()["result"]
    assert "10.42.0.60" in [a["ip-address"] for nic in found for a in nic.get("ip-addresses", [])]
    agent("file-write").post(file="/tmp/note", content="said\n")
    assert agent("file-read").get(file="/tmp/note")["content"] == "said\n"
    pid = agent("exec").post(command=["echo", "hello"])["pid"]
    told: dict[str, Any] = {}  # of how a program ended the agent tells once, then forgets it

    def exited() -> bool:
        told.update(agent("exec-status").get(pid=pid))
        return bool(told["exited"])

    until(exited)
    assert told["exitcode"] == 0
    done(pve, node.qemu(vmid).status.shutdown.post(timeout=30))


def _answers(agent: Any) -> bool:
    try:
        agent.ping.post()
    except ResourceException:
        return False
    return True


def test_lxc(pve: Any, vmid: int) -> None:
    node = pve.nodes("pve1")
    made = {"vmid": vmid, "ostemplate": ARCHIVE, "hostname": "ct", "memory": 256, "rootfs": "local-lvm:1"}
    net0 = "name=eth0,bridge=vmbr0,ip=10.42.0.61/24,gw=10.42.0.1"
    assert done(pve, node.lxc.post(**made, net0=net0, password="not-a-secret", features="nesting=1")) == "vzcreate"
    ct = node.lxc(vmid)
    ct.config.put(mp0="local-lvm:1,mp=/data", cores=2)
    assert "mp=/data" in ct.config.get()["mp0"]
    assert done(pve, ct.resize.put(disk="rootfs", size="2G")) == "resize"
    assert done(pve, ct.status.start.post()) == "vzstart"
    assert "10.42.0.61/24" in [nic.get("inet") for nic in ct.interfaces.get()]
    assert done(pve, ct.snapshot.post(snapname="s1")) == "vzsnapshot"
    assert done(pve, ct.status.stop.post()) == "vzstop"
    other = int(pve.cluster.nextid.get())
    assert done(pve, ct.clone.post(newid=other, full=1, hostname="copy", snapname="s1")) == "vzclone"
    assert done(pve, node.lxc(other).template.post() or node.lxc(other).delete()) == "vzdestroy"
    with pytest.raises(ResourceException, match=f"CT {vmid} not running"):
        ct.status.stop.post()


def test_storage_with_uploads(pve: Any, tmp_path: Path) -> None:
    pve.storage.post(storage="more", type="dir", path="/srv/more", content="iso,vztmpl,snippets,import")
    pve.storage("more").put(nodes="pve1,pve2")
    assert pve.storage("more").get()["nodes"] == "pve1,pve2"
    store = pve.nodes("pve1").storage("more")
    image = tmp_path / "a disk.iso"
    image.write_bytes(bytes(range(256)) * 40)
    with image.open("rb") as file:
        assert done(pve, store.upload.post(content="iso", filename=file)) == "imgcopy"
    named = io.BytesIO(b"#cloud-config\n")
    named.name = "user.iso"
    done(pve, store.upload.post(content="iso", filename=named))
    with image.open("rb") as file:
        done(pve, store.upload.post(content="iso", filename=file))  # an upload replaces
    found = {row["volid"]: row["size"] for row in store.content.get(content="iso")}
    assert found == {"more:iso/a_disk.iso": 256 * 40, "more:iso/user.iso": 14}
    files = Files(pve, "pve1", "more")
    small = tmp_path / "small.iso"
    small.write_bytes(b"iso")
    assert files.upload_local_file_to_storage(str(small), do_checksum_check=True, blocking_status=True)
    assert {row["volid"] for row in store.content.get()} == {*found, "more:iso/small.iso"}
    for row in store.content.get():
        done(pve, store.content(row["volid"]).delete())
    assert store.content.get() == []
    pve.storage("more").delete()
    with pytest.raises(ResourceException, match="storage 'more' does not exist"):
        pve.storage("more").get()


def test_pools(pve: Any) -> None:
    pve.pools.post(poolid="p1", comment="first")
    pve.pools.post(poolid="p1/inner")
    pve.pools("p1").put(vms="9000", storage="local")
    found = pve.pools.get(poolid="p1")[0]
    assert {row["id"] for row in found["members"]} == {"qemu/9000", "storage/pve1/local"}
    assert next(row for row in pve.cluster.resources.get(type="vm") if row["vmid"] == 9000)["pool"] == "p1"
    with pytest.raises(ResourceException, match="is not empty"):
        pve.pools("p1").delete()
    pve.pools("p1").put(vms="9000", storage="local", delete=1)
    pve.pools.delete(poolid="p1/inner")
    pve.pools.delete(poolid="p1")
    assert pve.pools.get() == []
