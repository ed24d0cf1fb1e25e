"""Files that come to a storage: uploads, downloads from a URL, and what a URL offers."""

from __future__ import annotations

import hashlib
import re
import ssl
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.tasks import Task
from atlas.lab.volume_store import file_path
from atlas.lab.world import Storage, Volume

if TYPE_CHECKING:
    from aiohttp import ClientSession

_ENDINGS = {
    "iso": re.compile(r"\.(?:iso|img)$", re.IGNORECASE),
    "vztmpl": re.compile(r"\.tar\.(?:gz|xz|zst|bz2)$", re.IGNORECASE),
    "import": re.compile(r"\.(?:ova|qcow2|raw|vmdk|img)$", re.IGNORECASE),
}
_TIMEOUT = 600.0  # seconds for a whole download


def normal_name(name: str) -> str:
    """Return a file name as PVE stores it: no folders, and only characters that are safe in one."""
    return re.sub(r"[^a-zA-Z0-9_.-]", "_", re.split(r"[/\\]", name)[-1].lstrip("."))


def _format(kind: str, name: str) -> str:
    if kind == "vztmpl":
        return {"gz": "tgz", "xz": "txz", "zst": "tzst", "bz2": "tbz2"}[name.rpartition(".")[2].lower()]
    return "iso" if kind == "iso" else name.rpartition(".")[2].lower()


def _check(call: Call, name: str) -> None:
    if not _ENDINGS[call.params["content"]].search(name):
        raise PVEError(400, errors={"filename": "wrong file extension"})


def virtual_size(path: str) -> int | None:
    """Return the size in bytes that a qcow2 file holds, or None for another file."""
    with Path(path).open("rb") as file:
        head = file.read(32)
    return struct.unpack(">Q", head[24:32])[0] if len(head) == 32 and head[:4] == b"QFI\xfb" else None


async def _keep(call: Call, storage: Storage, name: str, path: str) -> None:
    """Enter a file as a volume, in place of one of the same name."""
    lab, node, kind = call.lab, call.params["node"], call.params["content"]
    volid = f"{storage.id}:{kind}/{name}"
    if storage.id in lab.full:
        raise PVEError(500, f"import failed: cp: error writing '{file_path(lab, volid)}': No space left on device")
    folder = storage.id if storage.shared else f"{storage.id}/{node}"
    size = Path(path).stat().st_size
    form = _format(kind, name)
    inner = virtual_size(path)
    target = f"{folder}/{kind}/{name}"
    if kind != "vztmpl":
        await lab.backend.put_file(target, path, form if form in ("qcow2", "vmdk") else "raw")
    lab.volumes[lab.volume_key(volid, node)] = Volume(
        volid,
        storage.id,
        kind,
        form,
        size,
        node=None if storage.shared else node,
        used=size,
        ctime=lab.clock.now(),
        path=target if kind != "vztmpl" else None,
        extra={"virtual": inner or size} if kind == "import" else {},
    )


def _verify(path: str, params: dict[str, Any], task: Task) -> None:
    expected = params.get("checksum")
    if not expected:
        return
    with Path(path).open("rb") as file:
        got = hashlib.file_digest(file, params["checksum-algorithm"]).hexdigest()
    if got.lower() != expected.lower():
        raise PVEError(500, f"checksum mismatch: got '{got}' != expect '{expected}'")
    task.log("OK, checksum verified")


@api("POST", "/nodes/{node}/storage/{storage}/upload")
def upload(call: Call) -> str:
    """Store an uploaded file; one of the same name is overwritten."""
    params = call.params
    storage = call.lab.storage(params["storage"], params["node"])
    kind = params["content"]
    if kind not in storage.content:
        raise PVEError(500, f"storage '{storage.id}' does not support '{kind}' content")
    if call.upload is None:
        raise PVEError(400, errors={"filename": "property is missing and it is not optional"})
    name = normal_name(call.upload.name)
    _check(call, name)
    incoming = Path(call.upload.path)
    kept = incoming.with_name(f"{incoming.name}.task")  # the request's own copy goes when the call is answered
    incoming.rename(kept)

    async def work(task: Task) -> None:
        try:
            task.log(f"starting file import from: {kept}")
            await task.spend(0.5)
            _verify(str(kept), params, task)
            await _keep(call, storage, name, str(kept))
            task.log("finished file import successfully")
        finally:
            kept.unlink(missing_ok=True)

    return call.task("imgcopy", "", work)


@api("POST", "/nodes/{node}/storage/{storage}/download-url")
def download(call: Call) -> str:
    """Fetch a file from a URL."""
    params = call.params
    storage = call.lab.storage(params["storage"], params["node"])
    name = normal_name(params["filename"])
    _check(call, name)
    if params["content"] not in storage.content:
        raise PVEError(500, f"storage '{storage.id}' is not configured for content-type '{params['content']}'")
    volid = f"{storage.id}:{params['content']}/{name}"

    async def work(task: Task) -> None:
        there = call.lab.volume(volid, params["node"])
        target = file_path(call.lab, volid)
        task.log(f"downloading {params['url']} to {target}")
        if there is not None:
            raise PVEError(500, f"refusing to override existing file '{target}'")
        with tempfile.NamedTemporaryFile(prefix="atlas-lab-download-") as file:
            await _fetch(params, file.name)
            await task.spend(0.5)
            _verify(file.name, params, task)
            await _keep(call, storage, name, file.name)
        task.log(f"download of '{params['url']}' to '{target}' finished")

    return call.task("download", name, work)


def _tls(params: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not params.get("verify-certificates", 1):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _session() -> ClientSession:
    from aiohttp import ClientSession, ClientTimeout

    return ClientSession(timeout=ClientTimeout(total=_TIMEOUT))


async def _fetch(params: dict[str, Any], path: str) -> None:
    from aiohttp import ClientError

    try:
        async with _session() as session, session.get(params["url"], ssl=_tls(params)) as answer:
            if answer.status != 200:
                raise PVEError(500, f"download failed: {answer.status} {answer.reason}")
            with Path(path).open("wb") as file:
                async for chunk in answer.content.iter_chunked(1 << 20):
                    file.write(chunk)
    except (ClientError, TimeoutError, OSError) as error:
        raise PVEError(500, f"download failed: {error}") from error


@api("GET", "/nodes/{node}/query-url-metadata")
async def url_metadata(call: Call) -> dict[str, Any]:
    """Return what a URL offers: name, size and type."""
    from aiohttp import ClientError

    url = call.params["url"]
    try:
        async with _session() as session, session.head(url, ssl=_tls(call.params), allow_redirects=True) as answer:
            if answer.status != 200:
                raise PVEError(500, f"invalid server response: '{answer.status} {answer.reason}'")
            length = answer.headers.get("Content-Length")
            named = answer.content_disposition.filename if answer.content_disposition else None
            name = named or answer.url.name
            found: dict[str, Any] = {"filename": normal_name(name)} if name else {}
            if length and length.isdigit():
                found["size"] = int(length)
            if "Content-Type" in answer.headers:
                found["mimetype"] = answer.content_type
            return found
    except (ClientError, TimeoutError, OSError) as error:
        raise PVEError(500, f"invalid server response: '500 {error}'") from error
