"""cluster/sdn: fabrics with their nodes, prefix lists and route maps."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.records import Table
from atlas.lab.sdn import check_token
from atlas.lab.section_calls import Section, serve
from atlas.lab.sections import check_digest, settings, table_digest
from atlas.lab.world import Lab

Data = dict[str, Any]
_SDN = "/cluster/sdn"


def _fabric_nodes(lab: Lab) -> Table[Entry]:
    return lab.section("sdn/fabric-nodes")


def _under_lock(call: Call, _: str, __: Data) -> None:
    check_token(call, "could not change SDN configuration: ")


def _leave_fabric(call: Call, name: str, _: Data) -> None:
    if any(key.startswith(f"{name}/") for key in _fabric_nodes(call.lab)):
        raise PVEError(500, f"cannot delete fabric '{name}': it still has nodes")


def _section(what: str, folder: str, place: str = "", **own: Any) -> Section:
    """Describe one kind of routing objects.

    Args:
        what: Its name in errors.
        folder: Its part of the paths, of the ACL and of the tables.
        place: What follows that in the path of the list.
        own: What is special about it.
    """
    return Section(
        *(f"{_SDN}/{folder}{place}", "id", f"sdn/{folder}"),
        exists=f"{what} '{{}}' already exists",
        missing=f"{what} '{{}}' does not exist",
        unknown=f"{what} '{{}}' does not exist",
        secrets=("lock-token",),
        row=lambda _, name, data: {"id": name, **data},
        one=lambda _, name, data: {"id": name, **data},
        visible=lambda call, name: call.may(f"/sdn/{folder}/{name}", "SDN.Audit", "SDN.Allocate", any=True),
        check=_under_lock,
        **own,
    )


FABRICS = _section("fabric", "fabrics", "/fabric", leave=_leave_fabric)
PREFIX_LISTS = _section("prefix list", "prefix-lists")
serve(FABRICS)
serve(PREFIX_LISTS)


def _parted(key: str, entry: Entry, *names: str) -> Data:
    return {**dict(zip(names, key.split("/"), strict=True)), **entry.data}


def _fabric(call: Call) -> str:
    name = str(call.params["fabric_id"])
    if name not in FABRICS.entries(call.lab):
        raise FABRICS.error(FABRICS.missing, name)
    return name


def _nodes(call: Call, fabric: str | None = None) -> list[Data]:
    return [
        _parted(key, entry, "fabric_id", "node_id")
        for key, entry in _fabric_nodes(call.lab).items()
        if fabric in (None, key.partition("/")[0])
        and call.may(f"/sdn/fabrics/{key.partition('/')[0]}", "SDN.Audit", "SDN.Allocate", any=True)
    ]


@api("GET", f"{_SDN}/fabrics/all")
def everything(call: Call) -> Data:
    """Return fabrics and their nodes together."""
    table = FABRICS.entries(call.lab)
    fabrics = [{"id": name, **entry.data} for name, entry in table.items() if FABRICS.visible(call, name)]
    return {"fabrics": fabrics, "nodes": _nodes(call)}


@api("GET", f"{_SDN}/fabrics/node")
def all_nodes(call: Call) -> list[Data]:
    """List the nodes of every fabric."""
    return _nodes(call)


@api("GET", f"{_SDN}/fabrics/node/{{fabric_id}}")
def nodes_of(call: Call) -> list[Data]:
    """List the nodes of a fabric."""
    return _nodes(call, _fabric(call))


@api("POST", f"{_SDN}/fabrics/node/{{fabric_id}}")
def add_node(call: Call) -> None:
    """Take a node into a fabric."""
    key = f"{_fabric(call)}/{call.params['node_id']}"
    _under_lock(call, key, {})
    if key in _fabric_nodes(call.lab):
        raise PVEError(500, f"node '{call.params['node_id']}' already exists in fabric '{call.params['fabric_id']}'")
    _fabric_nodes(call.lab)[key] = Entry(settings(call.params, "fabric_id", "node_id", "lock-token"))


def _of(table: Table[Entry], key: str, text: str) -> Entry:
    if key not in table:
        raise PVEError(500, text)
    return table[key]


def _node(call: Call) -> tuple[str, Entry]:
    key = f"{_fabric(call)}/{call.params['node_id']}"
    text = f"node '{call.params['node_id']}' does not exist in fabric '{call.params['fabric_id']}'"
    return key, _of(_fabric_nodes(call.lab), key, text)


@api("GET", f"{_SDN}/fabrics/node/{{fabric_id}}/{{node_id}}")
def read_node(call: Call) -> Data:
    """Return a node's part in a fabric."""
    key, entry = _node(call)
    return {**_parted(key, entry, "fabric_id", "node_id"), "digest": table_digest(_fabric_nodes(call.lab))}


def _change(call: Call, table: Table[Entry], entry: Entry, *places: str) -> None:
    _under_lock(call, "", {})
    check_digest(call.params, table_digest(table))
    gone = call.params.get("delete") or []
    kept = {key: value for key, value in entry.data.items() if key not in gone}
    entry.data = {**kept, **settings(call.params, *places, "lock-token")}


@api("PUT", f"{_SDN}/fabrics/node/{{fabric_id}}/{{node_id}}")
def update_node(call: Call) -> None:
    """Change a node's part in a fabric."""
    _, entry = _node(call)
    _change(call, _fabric_nodes(call.lab), entry, "fabric_id", "node_id")


@api("DELETE", f"{_SDN}/fabrics/node/{{fabric_id}}/{{node_id}}")
def remove_node(call: Call) -> None:
    """Take a node out of a fabric."""
    key, _ = _node(call)
    _under_lock(call, key, {})
    del _fabric_nodes(call.lab)[key]


_MAPS = f"{_SDN}/route-maps"
_ENTRY = f"{_MAPS}/entries/{{route-map-id}}/entry/{{order}}"


def _map_entries(lab: Lab) -> Table[Entry]:
    return lab.section("sdn/route-maps")


def _maps(call: Call, wanted: str | None = None) -> list[Data]:
    rows = []
    for key, entry in _map_entries(call.lab).items():
        name, _, order = key.partition("/")
        if wanted in (None, name) and call.may(f"/sdn/route-maps/{name}", "SDN.Audit", "SDN.Allocate", any=True):
            rows.append({"route-map-id": name, "order": int(order), **entry.data})
    return sorted(rows, key=lambda row: (row["route-map-id"], row["order"]))


@api("GET", _MAPS)
def maps(call: Call) -> list[Data]:
    """List the route maps."""
    return [{"id": name} for name in dict.fromkeys(row["route-map-id"] for row in _maps(call))]


@api("GET", f"{_MAPS}/entries")
def all_entries(call: Call) -> list[Data]:
    """List the entries of every route map."""
    return _maps(call)


@api("GET", f"{_MAPS}/entries/{{route-map-id}}")
def entries_of(call: Call) -> list[Data]:
    """List a route map's entries."""
    return _maps(call, call.params["route-map-id"])


@api("POST", f"{_MAPS}/entries")
def add_entry(call: Call) -> None:
    """Add an entry to a route map, which is there with its first one."""
    _under_lock(call, "", {})
    name, order = call.params["route-map-id"], call.params["order"]
    if f"{name}/{order}" in _map_entries(call.lab):
        raise PVEError(500, f"route map entry {order} already exists in '{name}'")
    _map_entries(call.lab)[f"{name}/{order}"] = Entry(settings(call.params, "route-map-id", "order", "lock-token"))


def _entry(call: Call) -> tuple[str, Entry]:
    name, order = call.params["route-map-id"], call.params["order"]
    key = f"{name}/{order}"
    return key, _of(_map_entries(call.lab), key, f"route map entry {order} does not exist in '{name}'")


@api("GET", _ENTRY)
def read_entry(call: Call) -> Data:
    """Return an entry of a route map."""
    _, entry = _entry(call)
    places = {"route-map-id": call.params["route-map-id"], "order": call.params["order"]}
    return {**places, **entry.data, "digest": table_digest(_map_entries(call.lab))}


@api("PUT", _ENTRY)
def update_entry(call: Call) -> None:
    """Change an entry of a route map."""
    _, entry = _entry(call)
    _change(call, _map_entries(call.lab), entry, "route-map-id", "order")


@api("DELETE", _ENTRY)
def remove_entry(call: Call) -> None:
    """Take an entry out of a route map."""
    key, _ = _entry(call)
    _under_lock(call, key, {})
    del _map_entries(call.lab)[key]
