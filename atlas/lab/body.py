"""A request's parameters: from its query and its form, JSON or multipart body."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from atlas.lab.call import PVEError, Upload

if TYPE_CHECKING:
    from aiohttp import web

LIMIT = 512 * 1024
FORM = "application/x-www-form-urlencoded"
_HERE = " at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 1230."


class Unreadable(PVEError):
    """A body that PVE's front door refuses in plain text."""


def from_query(text: str) -> dict[str, Any]:
    """Return the parameters of a query or form, as PVE takes them apart.

    One that comes twice becomes a list, a name without a sign has no value (None), and what follows a second sign
    that is not encoded is lost.
    """
    found: dict[str, Any] = {}
    for part in re.split("[&;]", text) if text else ():
        name, *values = (unquote_plus(piece, errors="replace") for piece in part.split("=")[:2])
        value, before = values[0] if values else None, found.get(name)
        if value is None or before is None:
            found[name] = value
        else:
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
    return found


def from_json(text: str) -> dict[str, Any]:
    """Return the parameters of a JSON body, scalars as the texts that a form would hold.

    Raises:
        PVEError: 500, where it is no JSON object.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :]
        # Perl's parser tells an end that comes too early from a character that does not belong.
        if not rest.strip() or error.msg.startswith("Unterminated string"):
            what, at, near = (
                "unexpected end of string while parsing JSON string",
                len(text.rstrip("\n")),
                "(end of string)",
            )
            at = at - 1 if error.msg.startswith("Unterminated string") and text.endswith('"') else at
        else:
            what, at, near = (
                "malformed JSON string, neither tag, array, object, number, string or atom",
                error.pos,
                rest,
            )
        raise Unreadable(500, f'{what}, at character offset {at} (before "{near[:20]}"){_HERE}') from error
    if not isinstance(values, dict):
        raise Unreadable(500, f"Not a HASH reference{_HERE}")
    return {name: _scalar(value) for name, value in values.items() if value is not None}


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return [_scalar(item) for item in value]
    return value if isinstance(value, dict) else str(value)


async def read(request: web.Request) -> tuple[dict[str, Any], Upload | None]:
    """Read the parameters of a request.

    Raises:
        PVEError: for a body that PVE refuses: 501 too large or with a method that has none, 506 of another type.
    """
    params = from_query(request.query_string)
    kind = request.content_type if "Content-Type" in request.headers else ""
    if request.method == "GET" or not request.can_read_body:
        return params, None
    if kind == "multipart/form-data":
        values, upload = await _multipart(request)
        return values | params, upload
    if request.method == "DELETE" and (request.content_length or 0) > 0:
        raise Unreadable(501, "Unexpected content for method 'DELETE'")
    if "chunked" in request.headers.get("Transfer-Encoding", ""):
        raise Unreadable(501, "chunked transfer encoding not supported")
    if (request.content_length or 0) > LIMIT:
        raise Unreadable(501, "for data too large")
    if kind not in ("", FORM, "application/json"):
        raise Unreadable(506, f"upload 'Content-Type '{kind}' not implemented")
    text = (await request.read()).decode("utf-8", "replace")
    return (from_json(text) if kind == "application/json" else from_query(text)) | params, None


async def _multipart(request: web.Request) -> tuple[dict[str, Any], Upload | None]:
    from aiohttp import BodyPartReader

    params: dict[str, Any] = {}
    upload: Upload | None = None
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            continue
        if part.filename is None:
            params[part.name] = (await part.read(decode=True)).decode("utf-8", "replace")
            continue
        handle, path = tempfile.mkstemp(prefix="atlas-lab-upload-")
        size = 0
        with os.fdopen(handle, "wb") as file:
            while chunk := await part.read_chunk(1 << 20):
                file.write(chunk)
                size += len(chunk)
        upload = Upload(Path(part.filename).name, path, size)
        params.setdefault("filename", upload.name)
    return params, upload
