"""cluster/sdn/prefix-lists/{id}/entries: the entries of a prefix list, by their sequence numbers."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.formats import parse_properties
from atlas.lab.sdn import check_token
from atlas.lab.sdn_routing import PREFIX_LISTS
from atlas.lab.sections import settings

_BASE = f"{PREFIX_LISTS.base}/{{id}}/entries"
_FIELDS = ("action", "prefix", "ge", "le", "seq")


def _list(call: Call) -> Entry:
    name = str(call.params["id"])
    table = PREFIX_LISTS.entries(call.lab)
    if name not in table:
        raise PREFIX_LISTS.error(PREFIX_LISTS.missing, name)
    return table[name]


def _rows(entry: Entry) -> list[dict[str, Any]]:
    """Return the entries with their numbers; those without one count on in fives."""
    rows: list[dict[str, Any]] = []
    form = {name: {"type": "string", "optional": 1} for name in _FIELDS}
    for text in entry.data.get("entries", ()):
        row: dict[str, Any] = dict(parse_properties(form, text)[0])
        row["seq"] = int(row.get("seq") or max((r["seq"] for r in rows), default=0) + 5)
        rows.append(row)
    return sorted(rows, key=lambda row: int(row["seq"]))


def _store(entry: Entry, rows: list[dict[str, Any]]) -> None:
    entry.data["entries"] = [",".join(f"{k}={row[k]}" for k in _FIELDS if row.get(k) is not None) for row in rows]


def _found(call: Call) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    check_token(call, "could not change SDN configuration: ")
    rows = _rows(_list(call))
    wanted = call.params["url_seq"]
    for row in rows:
        if str(row["seq"]) == wanted:
            return rows, row
    raise PVEError(500, f"entry with sequence number {wanted} does not exist in prefix list '{call.params['id']}'")


@api("GET", _BASE)
def entries(call: Call) -> list[dict[str, Any]]:
    """List the entries."""
    return _rows(_list(call))


@api("POST", _BASE)
def add(call: Call) -> None:
    """Add an entry."""
    check_token(call, "could not change SDN configuration: ")
    entry = _list(call)
    rows, row = _rows(entry), settings(call.params, "id", "lock-token")
    row.setdefault("seq", max((r["seq"] for r in rows), default=0) + 5)
    if any(r["seq"] == row["seq"] for r in rows):
        raise PVEError(500, f"entry with sequence number {row['seq']} already exists")
    _store(entry, [*rows, row])


@api("GET", f"{_BASE}/{{url_seq}}")
def read(call: Call) -> dict[str, Any]:
    """Return one entry."""
    return _found(call)[1]


@api("PUT", f"{_BASE}/{{url_seq}}")
def update(call: Call) -> None:
    """Change an entry."""
    rows, row = _found(call)
    for name in call.params.get("delete") or ():
        row.pop(name, None)
    row |= settings(call.params, "id", "lock-token", "url_seq")
    _store(_list(call), rows)


@api("DELETE", f"{_BASE}/{{url_seq}}")
def remove(call: Call) -> None:
    """Take an entry out."""
    rows, row = _found(call)
    _store(_list(call), [r for r in rows if r is not row])
