"""Files that a node fetches from a URL, for real, and what a URL says about itself."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas.lab import volume_ids
from atlas.lab.call import Call, PVEError, api
from atlas.lab.storage_files import check_place, checksums, keep, look_into, verify
from atlas.lab.tasks import Task

if TYPE_CHECKING:
    from aiohttp import ClientSession

_TIMEOUT = 3600.0  # seconds for a whole download
_QUIET = 60.0  # seconds without a byte
_UNPACKERS = {"gz": ["zcat"], "lzo": ["lzop", "-d", "-c"], "zst": ["zstd", "-q", "-d", "-c"], "bz2": ["bzcat", "-q"]}


@api("POST", "/nodes/{node}/storage/{storage}/download-url")
def download(call: Call) -> str:
    """Fetch a file from a URL; a file of that name with the right checksum is left as it is."""
    params, lab = call.params, call.lab
    storage, name, form = check_place(call, "storage '{storage}' is not configured for content-type '{content}'")
    volid, kind = f"{storage.id}:{params['content']}/{name}", params["content"]
    target = volume_ids.file_path(lab, volid)

    async def work(task: Task) -> None:
        if params.get("compression") and kind != "iso":
            raise PVEError(500, f"decompression not supported for {kind}")
        if params.get("compression") and params["compression"] not in _UNPACKERS:
            raise PVEError(500, "no decompression method found")
        task.log(f"downloading {params['url']} to {target}")
        if lab.volume(volid, params["node"]) is not None:
            await _is_there(call, volid, task, target)
            return
        with tempfile.NamedTemporaryFile(prefix="atlas-lab-download-") as file:
            await _fetch(call, file.name)
            await task.spend(0.5)
            verify(await checksums(file.name), params, task)
            if kind == "iso" and params.get("compression"):
                await _unpack(file.name, params["compression"], task)
            try:
                inner = look_into(file.name, kind, form, f"{target}.tmp_dwnl.{task.record.pid}")
            except PVEError as error:
                raise PVEError(500, f"failed to verify file: {error.message}") from error
            await keep(call, storage, name, form, file.name, inner, await checksums(file.name))
        task.log(f"download of '{params['url']}' to '{target}' finished")

    return call.task("download", name, work)


async def _is_there(call: Call, volid: str, task: Task, target: str) -> None:
    """Take a file that is there already for the one wanted where its checksum says so, else refuse."""
    expected = call.params.get("checksum")
    if not expected:
        raise PVEError(500, f"refusing to override existing file '{target}'")
    volume = volume_ids.find(call.lab, call.params["node"], volid)
    got = volume.extra.get("checksums", {}).get(call.params["checksum-algorithm"], "")
    if got.lower() == expected.lower():
        task.log("calculating checksum of existing file...OK, got correct file already, no need to download")
        return
    task.log("calculating checksum of existing file...")
    raise PVEError(500, f"checksum mismatch: got '{got}' != expect '{expected}', aborting")


async def _unpack(path: str, compression: str, task: Task) -> None:
    """Replace a file by what it holds."""
    command = _UNPACKERS[compression]
    plain = f"{path}.plain"
    task.log(f"decompressing {path} to {plain}")
    try:
        with Path(plain).open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *command, path, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=asyncio.subprocess.PIPE
            )
            _, complaint = await process.communicate()
        if process.returncode != 0:
            said = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise PVEError(500, f"command '{' '.join([*command, path])}' failed: {said or process.returncode}")
        Path(plain).replace(path)
    except FileNotFoundError as error:
        raise PVEError(500, f"unable to exec '{command[0]}': it is not installed on the lab's machine") from error
    finally:
        Path(plain).unlink(missing_ok=True)


def _asked(call: Call) -> dict[str, Any]:
    """Say how a URL is asked: through the cluster's proxy, and with which certificates."""
    context = ssl.create_default_context()
    if not call.params.get("verify-certificates", 1):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context, "proxy": call.lab.options("datacenter").get("http_proxy") or None}


def _session() -> ClientSession:
    from aiohttp import ClientSession, ClientTimeout

    # Bytes are taken as they come: a server's Content-Encoding would change the file behind its checksum.
    return ClientSession(
        timeout=ClientTimeout(total=_TIMEOUT, sock_read=_QUIET, sock_connect=_QUIET), auto_decompress=False
    )


def _failure(error: Exception) -> tuple[str, str]:
    """Return the host and port that could not be connected to (empty for other failures), and why."""
    from aiohttp import ClientConnectorError

    if isinstance(error, ClientConnectorError):
        number = error.os_error.errno or 0
        words = os.strerror(number) if number > 0 else error.os_error.strerror  # asyncio puts words of its own there
        return f"{error.host}:{error.port}", words or str(error.os_error)
    return "", str(error) or type(error).__name__


async def _fetch(call: Call, path: str) -> None:
    from aiohttp import ClientError

    url = call.params["url"]
    try:
        async with _session() as session, session.get(url, **_asked(call)) as answer:
            if answer.status != 200:
                when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(call.lab.clock.now()))
                raise PVEError(500, f"download failed: {when} ERROR {answer.status}: {answer.reason}.")
            with Path(path).open("wb") as file:
                async for chunk in answer.content.iter_chunked(1 << 20):
                    file.write(chunk)
    except (ClientError, TimeoutError, OSError, ValueError) as error:
        where, why = _failure(error)
        raise PVEError(500, f"download failed: {f'Connecting to {where}... failed: ' if where else ''}{why}") from error


@api("GET", "/nodes/{node}/query-url-metadata")
async def url_metadata(call: Call) -> dict[str, Any]:
    """Return what a URL offers: name, size and type."""
    from aiohttp import ClientError

    url = call.params["url"]
    try:
        async with _session() as session, session.head(url, allow_redirects=True, **_asked(call)) as answer:
            status, headers = f"{answer.status} {answer.reason}", answer.headers
    except (ClientError, TimeoutError, OSError, ValueError) as error:
        where, why = _failure(error)
        said = f"Can't connect to {where} ({why})" if where else why
        raise PVEError(500, f"invalid server response: '500 {said}'") from error
    if not status.startswith("200 "):
        raise PVEError(500, f"invalid server response: '{status}'")
    named = re.search(r'filename="([^"]*)"|filename=([^;]*)', headers.get("Content-Disposition", ""))
    asked = re.fullmatch(r"[^?]+/([^?/]*)(?:\?.*)?", url)
    name = (named[1] or named[2]) if named else asked[1] if asked else ""
    size, kind = headers.get("Content-Length", ""), headers.get("Content-Type", "").partition(";")[0]
    found = {"filename": name, "size": int(size) if size.isdigit() else 0, "mimetype": kind}
    return {key: value for key, value in found.items() if value}
