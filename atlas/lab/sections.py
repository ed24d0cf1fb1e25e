"""Helpers for parts of the configuration that are plain sections: digests, deleting keys, required keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from atlas.lab.call import PVEError
from atlas.lab.entities import Entry
from atlas.lab.formats import split_list
from atlas.lab.records import Table

CHANGED = "detected modified configuration - file changed by other user? Try again."


def digest(value: Mapping[str, Any]) -> str:
    """Return the digest of a configuration."""
    return hashlib.sha1(json.dumps(value, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def table_digest(table: Table[Entry]) -> str:
    """Return the digest of a whole section."""
    return digest({key: entry.data for key, entry in table.items()})


def check_digest(params: Mapping[str, Any], current: str, doing: str = "") -> None:
    """Refuse a change that was made from an older state.

    Raises:
        PVEError: 500 with PVE's text, after `doing`.
    """
    given = params.get("digest")
    if given and given != current:
        raise PVEError(500, f"{doing}{CHANGED}")


def settings(params: Mapping[str, Any], *without: str, doing: str = "") -> dict[str, Any]:
    """Return the parameters that are an object's own properties; PVE writes no line for an empty one.

    Raises:
        PVEError: 500 after `doing` for one that is not of a line.
    """
    hidden = ("delete", "digest", *without)
    found = {key: value for key, value in params.items() if key not in hidden and value != ""}
    if any("\n" in value or "\r" in value for value in found.values() if isinstance(value, str)):
        raise PVEError(500, f"{doing}property contains a line feed")
    return found


def take_away(
    data: dict[str, Any],
    names: Iterable[str],
    given: Mapping[str, Any],
    *,
    known: Collection[str],
    needed: Collection[str] = (),
    fixed: Collection[str] = (),
    doing: str = "",
) -> None:
    """Delete properties of an object.

    Args:
        data: The object.
        names: What is to go.
        given: What the same call sets.
        known: What such an object may have.
        needed: What of that it cannot be without.
        fixed: What of that is never changed.
        doing: How an error begins.

    Raises:
        PVEError: 500 where something cannot go.
    """
    for name in names:
        if name not in known:
            raise PVEError(500, f"{doing}no such option '{name}'")
        if name in needed:
            raise PVEError(500, f"{doing}unable to delete required option '{name}'")
        if name in fixed:
            raise PVEError(500, f"{doing}unable to delete fixed option '{name}'")
        if name in given:
            raise PVEError(500, f"{doing}cannot set and delete property '{name}' at the same time!")
        data.pop(name, None)


def change(data: dict[str, Any], params: Mapping[str, Any], *without: str) -> None:
    """Delete and set an object's properties as `delete` and the other parameters say; one set to nothing goes too."""
    for key in (*split_list(str(params.get("delete", ""))), *(key for key, value in params.items() if value == "")):
        data.pop(key, None)
    data.update(settings(params, *without))
