"""Files that come to a storage from outside: their names, their checksums, and how they become volumes."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Any

from atlas.lab.call import Call, PVEError
from atlas.lab.entities import Storage, Volume
from atlas.lab.image_header import inner_size
from atlas.lab.tasks import Task
from atlas.lab.volume_ids import file_path
from atlas.lab.volumes import FILE_TYPES

_ENDINGS = {
    "iso": (re.compile(r".+\.(iso|img)", re.IGNORECASE), "wrong file extension"),
    "vztmpl": (re.compile(r".+\.tar(?:\.(gz|xz|zst|bz2))?", re.IGNORECASE), "wrong file extension"),
    "import": (re.compile(r"[\w.+=-]+\.(ova|qcow2|raw|vmdk)", re.ASCII), "invalid filename or wrong extension"),
}
ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


def normal_name(name: str) -> str:
    """Return a file name as PVE stores it: no folders, and only characters that are safe in one."""
    return re.sub(r"[^a-zA-Z0-9_.-]", "_", re.split(r"[/\\]", name.removesuffix("\n"))[-1])


def check_place(call: Call, refusal: str, *, late: bool = False) -> tuple[Storage, str, str]:
    """Refuse a file that its storage does not take.

    Args:
        call: the call.
        refusal: what is said where the kind of content is not configured, with `{storage}` and `{content}`.
        late: whether the name is looked at before the kind of content.

    Returns:
        The storage, the name as it is stored, and the format: `iso`, `tgz`, `qcow2` and so on.
    """
    params = call.params
    storage, kind = call.lab.storage(params["storage"], params["node"]), params["content"]
    if storage.type not in FILE_TYPES:
        more = "" if late else ", not a file based storage!"
        raise PVEError(500, f"can't upload to storage type '{storage.type}'{more}")
    unwanted = PVEError(500, refusal.format(storage=storage.id, content=kind))
    if kind not in storage.content and not late:
        raise unwanted
    name = normal_name(params["filename"])
    pattern, complaint = _ENDINGS[kind]
    found = pattern.fullmatch(name)
    if found is None:
        raise PVEError(400, errors={"filename": complaint})
    if kind not in storage.content:
        raise unwanted
    ending = (found[1] or "").lower()
    return storage, name, {"iso": "iso", "vztmpl": f"t{ending}" if ending else "tar"}.get(kind, ending)


async def checksums(path: str) -> dict[str, str]:
    """Return a file's checksums by algorithm, worked out beside the lab's other work."""

    def work() -> dict[str, str]:
        made = {name: hashlib.new(name, usedforsecurity=False) for name in ALGORITHMS}
        with Path(path).open("rb") as file:
            while chunk := file.read(1 << 20):
                for each in made.values():
                    each.update(chunk)
        return {name: each.hexdigest() for name, each in made.items()}

    return await asyncio.to_thread(work)


def verify(got: dict[str, str], params: dict[str, Any], task: Task) -> None:
    """Compare a file's checksums with the one that the call gave, if it gave one.

    Raises:
        PVEError: it is another file.
    """
    expected = params.get("checksum")
    if not expected:
        return
    found = got[params["checksum-algorithm"]]
    if found != expected.lower():
        task.log("calculating checksum...")
        raise PVEError(500, f"checksum mismatch: got '{found}' != expect '{expected}'")
    task.log("calculating checksum...OK, checksum verified")


def look_into(path: str, kind: str, form: str, shown: str) -> int | None:
    """Return the size of the disk that an image holds; archives are not looked into.

    Raises:
        PVEError: the file is not what its name says, or wants other files.
    """
    if kind == "vztmpl" or form == "ova":
        return None
    return inner_size(path, None if kind == "iso" else form, shown)


async def keep(
    call: Call, storage: Storage, name: str, form: str, path: str, inner: int | None, sums: dict[str, str]
) -> None:
    """Enter a file as a volume, in place of one of the same name.

    Args:
        call: the call that brought it.
        storage: where it goes.
        name: its name there.
        form: its format.
        path: where the file is now.
        inner: the size of the disk that it holds, in bytes, if it holds one.
        sums: its checksums: the file itself is not kept, only the disk in it.

    Raises:
        PVEError: the storage is full.
    """
    lab, node, kind = call.lab, call.params["node"], call.params["content"]
    volid = f"{storage.id}:{kind}/{name}"
    if storage.id in lab.full:
        raise PVEError(500, f"import failed: cp: error writing '{file_path(lab, volid)}': No space left on device")
    where = None if storage.shared else node
    target = "/".join([storage.id, *([where] if where else []), kind, name]) if inner is not None else None
    if target is not None:
        await lab.backend.put_file(target, path, form if form in ("qcow2", "vmdk") else "raw")
    size = Path(path).stat().st_size
    record = Volume(volid, storage.id, kind, form, size, where, size, None, None, lab.clock.now(), target)
    record.extra = {"checksums": sums, **({"virtual": inner} if kind == "import" and inner is not None else {})}
    lab.volumes[lab.volume_key(volid, node)] = record
