"""cluster/mapping: names for directories and devices of the nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.sections import change, check_digest, settings, table_digest

# What stands at the root of a node's file system.
_ROOT = {"bin", "boot", "dev", "etc", "home", "lib", "media", "mnt", "opt", "root", "run", "srv", "tmp", "usr", "var"}


def _check_directories(call: Call, doing: str) -> None:
    """Refuse directories that the node does not have, and two of one node."""
    entries = [dict(part.split("=", 1) for part in text.split(",") if "=" in part) for text in call.params["map"]]
    for entry in entries:
        if entry["node"] == call.lab.local_node and entry["path"].split("/")[1] not in _ROOT:
            raise PVEError(500, f"{doing}Path {entry['path']} does not exist")
    for node, times in Counter(entry["node"] for entry in entries).items():
        if times > 1:
            raise PVEError(500, f"{doing}Node '{node}' is specified {times} times.")


def _take_all(_: Call, __: str) -> None:
    """Take any device: a lab's node has those that are named."""


def _mapping(kind: str, word: str) -> None:
    """Register the calls of one kind of mapping."""
    check = _check_directories if kind == "dir" else _take_all
    base, item = f"/cluster/mapping/{kind}", f"/cluster/mapping/{kind}/{{id}}"

    def found(call: Call) -> Entry:
        table, name = call.lab.section(f"mapping/{kind}"), call.params["id"]
        if name not in table:
            raise PVEError(500, f"mapping '{name}' not found")
        return table[name]

    @api("GET", base)
    def index(call: Call) -> list[dict[str, Any]]:
        table = call.lab.section(f"mapping/{kind}")
        sum_ = table_digest(table)
        rows = []
        for name, entry in table.items():
            if call.may(f"/mapping/{kind}/{name}", "Mapping.Audit", "Mapping.Use", "Mapping.Modify", any=True):
                checks: dict[str, Any] = {"checks": []} if "check-node" in call.params else {}
                rows.append({"id": name, "type": kind, "digest": sum_, **checks, **entry.data})
        return rows

    @api("GET", item)
    def read(call: Call) -> dict[str, Any]:
        return {
            **found(call).data,
            "digest": table_digest(call.lab.section(f"mapping/{kind}")),
            **({"type": kind} if kind == "dir" else {}),
        }

    @api("POST", base)
    def create(call: Call) -> None:
        table, name = call.lab.section(f"mapping/{kind}"), call.params["id"]
        if name in table:
            raise PVEError(500, f"create {word} mapping failed: {kind} ID '{name}' already defined")
        check(call, f"create {word} mapping failed: ")
        table[name] = Entry(settings(call.params, "id"))

    @api("PUT", item)
    def update(call: Call) -> None:
        doing, table, name = f"update {word} mapping failed: ", call.lab.section(f"mapping/{kind}"), call.params["id"]
        check_digest(call.params, table_digest(table), doing)
        if name not in table:
            raise PVEError(500, f"{doing}{kind} ID '{name}' does not exist")
        if "map" not in call.params:
            raise PVEError(500, f"{doing}missing value for required option 'map'")
        check(call, doing)
        change(table[name].data, call.params, "id")

    @api("DELETE", item)
    def delete(call: Call) -> None:
        call.lab.section(f"mapping/{kind}").pop(call.params["id"], None)

    _: list[Callable[..., object]] = [index, read, create, update, delete]


for _kind, _word in (("dir", "directory"), ("pci", "hardware"), ("usb", "hardware")):
    _mapping(_kind, _word)
