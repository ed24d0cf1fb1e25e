"""Files from outside: their names, checksums and insides, as uploads and downloads meet them."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from fakes.labapi import Api
from fakes.origin import origin, qcow2, vmdk
from hypothesis import given
from hypothesis import strategies as st

from atlas.lab.call import PVEError
from atlas.lab.image_header import inner_size
from atlas.lab.storage_files import normal_name

MIB = 1024**2
UPLOAD = "/nodes/pve1/storage/local/upload"
DOWNLOAD = "/nodes/pve1/storage/local/download-url"


@given(st.text())
def test_a_stored_name_never_leaves_its_folder(name: str) -> None:
    stored = normal_name(name)
    assert re.fullmatch(r"[a-zA-Z0-9_.-]*", stored)


@pytest.mark.parametrize(
    ("content", "form", "size"),
    [
        (qcow2(3 * MIB), "qcow2", 3 * MIB),
        (qcow2(3 * MIB), None, 3 * MIB),
        (vmdk(2048), "vmdk", MIB),
        (b"x" * 513, "raw", 1024),
        (qcow2(3 * MIB), "raw", 512),
        (b"\0" * 600, None, 1024),
    ],
)
def test_the_size_that_an_image_holds(tmp_path: Path, content: bytes, form: str | None, size: int) -> None:
    file = tmp_path / "image"
    file.write_bytes(content)
    assert inner_size(str(file), form, "/x") == size


@pytest.mark.parametrize(
    ("content", "form", "words"),
    [
        (b"no image", "qcow2", "failed to query file information with qemu-img"),
        (vmdk(8), "qcow2", "failed to query file information with qemu-img"),
        (qcow2(MIB)[:20], "qcow2", "failed to query file information with qemu-img"),
        (qcow2(MIB, backing=104), "qcow2", "backing file not allowed for untrusted image '/x'!"),
        (qcow2(MIB, backing=104), None, "backing file not allowed for untrusted image '/x'!"),
        (qcow2(MIB, features=4), "qcow2", "/x: 'data-file' references are not allowed!"),
    ],
)
def test_an_image_that_is_none_or_wants_other_files_is_refused(
    tmp_path: Path, content: bytes, form: str | None, words: str
) -> None:
    file = tmp_path / "image"
    file.write_bytes(content)
    with pytest.raises(PVEError) as caught:
        inner_size(str(file), form, "/x")
    assert caught.value.message == words


@pytest.mark.parametrize(
    ("storage", "content", "name", "refusal"),
    [
        ("local", "iso", "a.txt", "wrong file extension"),
        ("local", "iso", ".iso", "wrong file extension"),
        ("local", "vztmpl", "a.tgz", "wrong file extension"),
        ("local", "import", "noble.img", "invalid filename or wrong extension"),
        ("local", "import", "a.QCOW2", "invalid filename or wrong extension"),
        ("local-lvm", "iso", "a.iso", "can't upload to storage type 'lvmthin'"),
        ("only", "import", "a.qcow2", "storage 'only' does not support 'import' content"),
        ("only", "import", "a.txt", "invalid filename or wrong extension"),
    ],
)
async def test_what_a_storage_does_not_take(storage: str, content: str, name: str, refusal: str) -> None:
    api = await Api.fresh(user="root@pam")
    await api.call("POST", "/storage", storage="only", type="dir", path="/srv/only", content="iso")
    with pytest.raises(PVEError) as caught:
        await api.call("POST", f"/nodes/pve1/storage/{storage}/upload", content=content, filename=(name, b"x"))
    assert refusal in (caught.value.message, (caught.value.errors or {}).get("filename"))


async def test_an_upload_overwrites_and_keeps_nothing_behind_when_it_fails() -> None:
    api = await Api.fresh(user="root@pam")
    archive = "local:vztmpl/small.tar"
    for content in (b"first", b"second and longer"):
        assert await api.run("POST", UPLOAD, content="vztmpl", filename=("small.tar", content)) == "OK"
    volume = api.lab.volume(archive, "pve1")
    assert volume is not None
    assert (volume.format, volume.size, volume.path) == ("tar", 17, None)
    ended = await api.run("POST", UPLOAD, content="import", filename=("a.qcow2", b"none"))
    assert ended == "failed to query file information with qemu-img"
    assert api.lab.volume("local:import/a.qcow2", "pve1") is None


async def test_a_file_that_is_there_already_is_fetched_again_only_where_it_is_another() -> None:
    api = await Api.fresh(user="root@pam")
    image = qcow2(MIB)
    right, wrong = hashlib.md5(image, usedforsecurity=False).hexdigest(), "0" * 32
    async with origin({"a.qcow2": image}) as url:
        given = {"content": "import", "filename": "a.qcow2", "url": f"{url}a.qcow2"}

        async def ended(**more: str) -> str:
            return await api.run("POST", DOWNLOAD, **given, **more)

        assert (await ended(checksum=wrong, **{"checksum-algorithm": "md5"})).startswith("checksum mismatch")
        assert api.lab.volume("local:import/a.qcow2", "pve1") is None
        assert await ended() == "OK"
        assert await ended() == "refusing to override existing file '/var/lib/vz/import/a.qcow2'"
        assert await ended(checksum=right, **{"checksum-algorithm": "md5"}) == "OK"
        assert (await ended(checksum=wrong, **{"checksum-algorithm": "md5"})).endswith(", aborting")


async def test_what_cannot_be_fetched_says_why() -> None:
    api = await Api.fresh(user="root@pam")
    iso = {"content": "iso", "filename": "a.iso"}
    async with origin({"a.iso.gz": gzip.compress(b"x" * 2048), "bad.qcow2": qcow2(MIB, backing=9)}) as url:
        assert (await api.run("POST", DOWNLOAD, url=f"{url}no", **iso)).endswith("ERROR 404: Not Found.")
        bad = {"content": "import", "filename": "bad.qcow2", "url": f"{url}bad.qcow2"}
        assert (await api.run("POST", DOWNLOAD, **bad)).startswith("failed to verify file: backing file not allowed")
        assert await api.run("POST", DOWNLOAD, compression="gz", **bad) == "decompression not supported for import"
        assert await api.run("POST", DOWNLOAD, url=f"{url}a.iso.gz", compression="gz", **iso) == "OK"
        volume = api.lab.volume("local:iso/a.iso", "pve1")
        assert volume is not None
        assert volume.size == 2048
        await api.call("PUT", "/storage/local", content="iso")
        with pytest.raises(PVEError, match="is not configured for content-type 'import'"):
            await api.call("POST", DOWNLOAD, **bad)
    gone = await api.run("POST", DOWNLOAD, url=f"{url}a.iso", content="iso", filename="b.iso")
    assert re.fullmatch(r"download failed: Connecting to 127\.0\.0\.1:\d+\.\.\. failed: Connection refused", gone)


async def test_a_url_names_its_file_as_the_header_or_the_address_says() -> None:
    api = await Api.fresh(user="root@pam")
    async with origin({"a.iso": b"x"}, {"Content-Disposition": 'attachment; filename="b c.iso"'}) as url:
        found = await api.call("GET", "/nodes/pve1/query-url-metadata", url=f"{url}a.iso")
    assert found == {"filename": "b c.iso", "size": 1, "mimetype": "application/x-qemu-disk"}
    with pytest.raises(
        PVEError, match=r"invalid server response: '500 Can't connect to 127\.0\.0\.1:\d+ \(Connection refused\)'"
    ):
        await api.call("GET", "/nodes/pve1/query-url-metadata", url=f"{url}a.iso")


async def test_an_imported_disk_is_rounded_as_its_storage_does() -> None:
    api = await Api.fresh(user="root@pam")
    await api.run("POST", UPLOAD, content="import", filename=("odd.raw", b"x" * (MIB + 1)))
    made = await api.run("POST", "/nodes/pve1/qemu", vmid=101, scsi0="local-lvm:0,import-from=local:import/odd.raw")
    assert made == "OK"
    assert api.config(101)["scsi0"] == "local-lvm:vm-101-disk-0,size=4M"
    for slot, lacks in (("efidisk0", "efitype"), ("tpmstate0", "version")):
        disk = {slot: "local-lvm:0,import-from=local:import/odd.raw"}
        with pytest.raises(PVEError) as caught:
            await api.call("PUT", "/nodes/pve1/qemu/101/config", **disk)
        assert caught.value.errors == {slot: f"need to specify '{lacks}' when using 'import-from'"}
