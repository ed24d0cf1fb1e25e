"""A request's parameters: from its query and its form, JSON or multipart body."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from aiohttp.http_exceptions import HttpProcessingError

from atlas.lab.call import Severed, Unreadable, Upload
from atlas.lab.json_body import from_json, where
from atlas.lab.wire import MOST_BODY

if TYPE_CHECKING:
    from aiohttp import web

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def from_query(text: str) -> dict[str, Any]:
    """Return the parameters of a query or form, as PVE takes them apart.

    One that comes twice becomes a list, a name without a sign has no value (None), and what follows a second sign
    that is not encoded is lost. Values are UTF-8, names are not.

    Args:
        text: One character for each byte.
    """
    found: dict[str, Any] = {}
    for part in re.split("[&;]", text.rstrip("&;")) if text.rstrip("&;") else ():
        name, *values = (unquote_to_bytes(piece.replace("+", " ").encode("latin-1")) for piece in part.split("=")[:2])
        value, known = values[0].decode("utf-8", "replace") if values else None, name.decode("latin-1")
        before = found.get(known)
        if value is None or before is None:
            found[known] = value
        else:
            found[known] = [*before, value] if isinstance(before, list) else [before, value]
    return found


async def read(request: web.BaseRequest, is_upload: bool) -> tuple[dict[str, Any], Upload | None]:
    """Read the parameters of a request.

    Args:
        request: The request.
        is_upload: Whether it goes to the one method that takes files.

    Raises:
        Unreadable: for a body that PVE refuses: 501 too large or with a method that has none, 506 of another type.
        Severed: PVE says nothing to an upload of another type.
    """
    params = from_query(request.rel_url.raw_query_string)
    length, writes = request.content_length or 0, request.method in ("POST", "PUT")
    if length and not writes:
        raise Unreadable(501, f"Unexpected content for method '{request.method}'")
    given = request.headers.get("Content-Type", "")
    kind, boundary = _kind(given)
    if is_upload and length:
        if kind != "multipart/form-data" or not boundary:
            raise Severed
        values, upload = await _multipart(request)
        return values | params, upload
    if length > MOST_BODY:
        raise Unreadable(501, "for data too large")
    if length and kind not in ("", FORM, JSON):
        raise Unreadable(506, f"upload 'Content-Type '{given}' not implemented")
    data = await request.read()
    if not writes:
        return params, None
    return (from_json(data) if kind == JSON else from_query(data.decode("latin-1"))) | params, None


def _kind(given: str) -> tuple[str, str]:
    """Return the type of a body, and what its parts are divided by."""
    kind, *rest = re.split(r"\s*[;,]\s*", given)
    found = (re.fullmatch(r"\s*boundary\s*=\s*(\S+?)\s*", part) for part in rest)
    return kind, next((match[1] for match in found if match), "")


async def _multipart(request: web.BaseRequest) -> tuple[dict[str, Any], Upload | None]:
    params: dict[str, Any] = {}
    files: list[Upload] = []
    try:
        await _parts(request, params, files)
    except (ValueError, HttpProcessingError) as error:
        _remove(files)
        raise Unreadable(500, "upload failed" + where(1370)) from error
    except BaseException:
        _remove(files)
        raise
    _remove(files[:-1])
    if not files:
        raise Unreadable(500, "upload failed" + where(1370))
    params.setdefault("filename", files[-1].name)
    return params, files[-1]


def _remove(files: list[Upload]) -> None:
    for file in files:
        Path(file.path).unlink(missing_ok=True)


async def _parts(request: web.BaseRequest, params: dict[str, Any], files: list[Upload]) -> None:
    from aiohttp import BodyPartReader

    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            continue
        if part.filename is None:
            params[part.name] = (await part.read(decode=True)).decode("utf-8", "replace")
            continue
        handle, path = tempfile.mkstemp(prefix="atlas-lab-upload-")
        files.append(Upload(Path(part.filename).name, path, 0))
        with os.fdopen(handle, "wb") as file:
            while chunk := await part.read_chunk(1 << 20):
                file.write(chunk)
                files[-1].size += len(chunk)
