"""Proofs of storages: definitions, volumes, uploads, backups with their restores and pruning."""

from __future__ import annotations

import hashlib

from fakes.origin import origin, qcow2
from fakes.proof import Proof, proof

NODE = "/nodes/pve1"
ARCHIVE = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"


@proof
async def definitions(p: Proof) -> None:
    made = {"type": "dir", "path": "/srv/a", "content": "images,backup"}
    await p.crud("/storage", "storage", "sa", made, {"content": "iso"})
    await p.sets("POST /storage", {"storage": "sb", **made}, f"GET {NODE}/storage", {"storage": "sb"})
    await p.sets("PUT /storage/sb", {"disable": 1}, f"GET {NODE}/storage/sb/status", {"active": 0})


@proof
async def volumes(p: Proof) -> None:
    content = f"{NODE}/storage/local-lvm/content"
    given = {"vmid": 101, "filename": "vm-101-disk-5", "size": "1G"}
    await p.sets(f"POST {content}", given, f"GET {content}", {"volid": "local-lvm:vm-101-disk-5"})
    item = f"{content}/local-lvm:vm-101-disk-5"
    copied = {"target": "local-lvm:vm-101-disk-6"}
    await p.sets(f"POST {item}", copied, f"GET {content}", {"volid": "local-lvm:vm-101-disk-6"})
    await p.unsets(f"DELETE {item}", {}, f"GET {item}", {"size": 1024**3})


@proof
async def backups_of_vms(p: Proof) -> None:
    await p.do("POST /storage", storage="bak", type="dir", path="/srv/bak", content="backup,images")
    await p.do(f"POST {NODE}/qemu", vmid=101, name="web", cores=3, scsi0="local-lvm:2", ide2="local-lvm:cloudinit")
    content, row = f"{NODE}/storage/bak/content", {"content": "backup", "vmid": 101}
    await p.sets(f"POST {NODE}/vzdump", {"vmid": "101", "storage": "bak", "compress": "zstd"}, f"GET {content}", row)
    volid = (await p.read(f"GET {content}"))[0]["volid"]
    assert volid.endswith(".vma.zst")
    item = f"{content}/{volid}"
    await p.sets(f"PUT {item}", {"notes": "keep me"}, f"GET {item}", {"notes": "keep me"})
    await p.do(f"PUT {NODE}/qemu/101/config", cores=1)
    await p.do(f"DELETE {NODE}/qemu/101")
    restored = {"vmid": 105, "archive": volid, "storage": "bak"}
    config = {"cores": 3, "name": "web", "scsi0": "bak:105/vm-105-disk-0.raw", "ide2": "media=cdrom"}
    await p.sets(f"POST {NODE}/qemu", restored, f"GET {NODE}/qemu/105/config", config)
    assert "already exists" in await p.read(f"POST {NODE}/qemu", **restored)
    await p.do(f"PUT {NODE}/qemu/105/config", cores=1)
    await p.sets(f"POST {NODE}/qemu", {**restored, "force": 1}, f"GET {NODE}/qemu/105/config", {"cores": 3})
    extracted = f"GET {NODE}/vzdump/extractconfig"
    assert "cores: 3" in await p.read(extracted, volume=volid)
    await p.do(f"POST {NODE}/vzdump", vmid="105", storage="bak")
    await p.unsets(f"DELETE {item}", {}, extracted, "cores: 3", {"volume": volid})


@proof
async def pruning(p: Proof) -> None:
    await p.do("POST /storage", storage="bak", type="dir", path="/srv/bak", content="backup")
    await p.do(f"POST {NODE}/qemu", vmid=101)
    for _ in range(3):
        await p.do(f"POST {NODE}/vzdump", vmid="101", storage="bak")
    base, rule = f"{NODE}/storage/bak/prunebackups", {"prune-backups": "keep-last=1"}
    marks = [row["mark"] for row in await p.read(f"GET {base}", **rule)]
    assert sorted(marks) == ["keep", "remove", "remove"]
    await p.unsets(f"DELETE {base}", rule, f"GET {base}", {"mark": "remove"}, rule)
    kept = {"prune-backups": {"keep-last": "7"}}
    await p.sets(
        "PUT /storage/bak", {"prune-backups": "keep-last=7"}, f"GET {NODE}/vzdump/defaults", kept, {"storage": "bak"}
    )


@proof
async def backups_of_containers(p: Proof) -> None:
    await p.do("POST /storage", storage="bak", type="dir", path="/srv/bak", content="backup")
    await p.do(f"POST {NODE}/lxc", vmid=201, ostemplate=ARCHIVE, rootfs="local-lvm:1", hostname="web")
    await p.do(f"POST {NODE}/vzdump", vmid="201", storage="bak", compress="zstd")
    volid = (await p.read(f"GET {NODE}/storage/bak/content"))[0]["volid"]
    given = {"vmid": 205, "ostemplate": volid, "restore": 1, "storage": "local-lvm"}
    config = {"hostname": "web", "rootfs": "local-lvm:vm-205-disk-0"}
    await p.sets(f"POST {NODE}/lxc", given, f"GET {NODE}/lxc/205/config", config)
    forced = {**given, "force": 1}
    await p.do(f"PUT {NODE}/lxc/205/config", hostname="other")
    await p.sets(f"POST {NODE}/lxc", forced, f"GET {NODE}/lxc/205/config", {"hostname": "web"})


@proof
async def uploads(p: Proof) -> None:
    image, content = qcow2(64 * 1024**2), f"{NODE}/storage/local/content"
    given = {
        "content": "import",
        "filename": ("tiny.qcow2", image),
        "checksum": hashlib.sha256(image).hexdigest().upper(),
        "checksum-algorithm": "sha256",
    }
    row = {"volid": "local:import/tiny.qcow2", "format": "qcow2", "size": 512}
    await p.sets(f"POST {NODE}/storage/local/upload", given, f"GET {content}", row)
    given["checksum"] = "0" * 64
    refused = await p.do_badly(f"POST {NODE}/storage/local/upload", **given)
    assert refused.startswith("checksum mismatch: got '")
    from_file = "local-lvm:0,import-from=local:import/tiny.qcow2"
    made = {"vmid": 101, "scsi0": from_file, "agent": "1"}
    disk = {"scsi0": "local-lvm:vm-101-disk-0,size=64M"}
    await p.sets(f"POST {NODE}/qemu", made, f"GET {NODE}/qemu/101/config", disk)
    await p.do(f"PUT {NODE}/qemu/101/config", virtio1=from_file)
    more = {"virtio1": "local-lvm:vm-101-disk-1,size=64M", "scsi2": "local-lvm:vm-101-disk-2,size=64M"}
    await p.sets(f"POST {NODE}/qemu/101/config", {"scsi2": from_file}, f"GET {NODE}/qemu/101/config", more)


@proof
async def downloads(p: Proof) -> None:
    image, content = qcow2(64 * 1024**2), f"{NODE}/storage/local/content"
    files: dict[str, bytes] = {}
    async with origin(files) as url:
        about = {"filename": "tiny.qcow2", "size": 512, "mimetype": "application/x-qemu-disk"}
        offered = f"GET {NODE}/query-url-metadata"
        assert "404 Not Found" in await p.read(offered, url=f"{url}a/tiny.qcow2?x=1")
        files["a/tiny.qcow2"] = image
        assert await p.read(offered, url=f"{url}a/tiny.qcow2?x=1") == about
        p.proved.add(("GET", "/nodes/{node}/query-url-metadata"))
        given = {
            "content": "import",
            "filename": "other name.qcow2",
            "url": f"{url}a/tiny.qcow2",
            "checksum": hashlib.sha512(image).hexdigest(),
            "checksum-algorithm": "sha512",
        }
        row = {"volid": "local:import/other_name.qcow2", "format": "qcow2", "size": 512}
        await p.sets(f"POST {NODE}/storage/local/download-url", given, f"GET {content}", row)
        await p.do(f"POST {NODE}/storage/local/download-url", **given)  # it is there: nothing to do
