"""cluster/sdn: zones, virtual networks, controllers, IPAMs and DNS, as configured and as applied."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.formats import split_list
from atlas.lab.guest_devices import random_mac
from atlas.lab.records import Table
from atlas.lab.sdn_rules import OPTIONS, check_controller, check_kept, check_known, check_unused, check_vnet, check_zone
from atlas.lab.sections import check_digest, settings, table_digest, take_away
from atlas.lab.tasks import Task
from atlas.lab.world import Lab

# kind -> the name of its key
_KINDS = {"zones": "zone", "vnets": "vnet", "controllers": "controller", "ipams": "ipam", "dns": "dns"}
Data = dict[str, Any]
APPLIED = (
    *("zones", "vnets", "subnets", "controllers"),
    *("fabrics", "fabric-nodes", "prefix-lists", "route-maps"),
)
IPAM_PVE = {"type": "pve"}
LOCK = "sdn-lock"


def configured(lab: Lab, kind: str) -> Table[Entry]:
    """Return what is configured."""
    table = lab.section(f"sdn/{kind}")
    if kind == "ipams" and "pve" not in table:
        table["pve"] = Entry(dict(IPAM_PVE))
    return table


def running(lab: Lab, kind: str) -> Table[Entry]:
    """Return what was last applied."""
    return lab.section(f"sdn/running/{kind}")


def view(lab: Lab, kind: str, key: str, params: dict[str, Any], *, drop: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """List objects as configured, as applied (`running`), or as the difference of both (`pending`)."""
    now, applied = configured(lab, kind), running(lab, kind)
    if params.get("running"):
        return [{key: name, **entry.data} for name, entry in applied.items()]
    if not params.get("pending"):
        sum_ = table_digest(now)
        return [{key: name, **entry.data, "digest": sum_} for name, entry in now.items()]
    rows = []
    for name in dict.fromkeys([*now, *applied]):
        if name not in now:
            rows.append({key: name, **applied[name].data, "state": "deleted"})
            continue
        data = now[name].data
        if name not in applied:
            pending = {k: v for k, v in data.items() if k not in ("type", *drop)}
            row = {key: name, "type": data.get("type"), "state": "new", "pending": pending, "digest": None}
        else:
            before = applied[name].data
            pending = {k: data.get(k, "deleted") for k in {**before, **data} if data.get(k) != before.get(k)}
            row = {key: name, **before, "digest": None}
            row |= {"state": "changed", "pending": pending} if pending else {}
        rows.append(row)
    return rows


def one(call: Call, kind: str, key: str) -> dict[str, Any]:
    """Return an object as configured, as applied or as the difference of both.

    Raises:
        PVEError: There is none there.
    """
    name = call.params[key]
    for row in view(call.lab, kind, key, call.params):
        if row[key] == name:
            return row
    raise PVEError(500, missing(kind, name))


def check_token(call: Call, doing: str) -> None:
    """Refuse a change of the configuration while somebody else holds its lock.

    Raises:
        PVEError: 500 after `doing`.
    """
    held = call.lab.options(LOCK).get("token")
    if held and call.params.get("lock-token") != held:
        raise PVEError(500, f"{doing}invalid lock token provided! at /usr/share/perl5/PVE/Network/SDN.pm line 291.")


def release_token(call: Call) -> None:
    """Give the lock back after a change that was made under it, unless the caller keeps it."""
    if call.params.get("lock-token") and call.params.get("release-lock", 1):
        call.lab.options(LOCK).clear()


def _tables(lab: Lab) -> dict[str, Table[Entry]]:
    return {kind: configured(lab, kind) for kind in (*_KINDS, "subnets")}


def missing(kind: str, name: str) -> str:
    """Return PVE's words for an object that there is not."""
    return f"sdn {'vnet ' if kind == 'vnets' else 'subnet ' if kind == 'subnets' else ''}'{name}' does not exist"


def changed(call: Call, kind: str, key: str, entry: Entry, doing: str) -> Data:
    """Return an object as a call changes it, and put that in its place when it is found good."""
    check_digest(call.params, table_digest(configured(call.lab, kind)), doing)
    given = settings(call.params, key, "lock-token", *(("vnet",) if kind == "subnets" else ()), doing=doing)
    data = dict(entry.data)
    check_known(kind, data, given, doing, new=False)
    needed, more = OPTIONS[kind][data["type"]]
    names = split_list(str(call.params.get("delete", "")))
    take_away(data, names, given, known=(*needed, *more), needed=needed, doing=doing)
    for name in (name for name, value in call.params.items() if value == ""):
        data.pop(name, None)
    return data | given


def _check(call: Call, kind: str, name: str, data: Data, given: Data, doing: str) -> None:
    """Refuse an object that does not fit the others."""
    tables = _tables(call.lab)
    if kind == "zones":
        check_zone(tables, name, data, given, doing)
        if data["type"] == "evpn":
            data.setdefault("mac", random_mac())
    elif kind == "controllers":
        check_controller(tables[kind], name, data, doing)
    elif kind == "vnets":
        check_vnet(tables, name, data, doing)


def _register(kind: str) -> None:
    key = word = _KINDS[kind]
    base, item = f"/cluster/sdn/{kind}", f"/cluster/sdn/{kind}/{{{key}}}"

    def found(call: Call, doing: str) -> Entry:
        name, table = call.params[key], configured(call.lab, kind)
        if name not in table:
            raise PVEError(500, f"{'' if kind == 'vnets' else doing}{missing(kind, name)}")
        return table[name]

    @api("GET", base)
    def index(call: Call) -> list[Data]:
        kind_wanted = call.params.get("type")
        rows = [row for row in view(call.lab, kind, key, call.params) if kind_wanted in (None, row.get("type"))]
        return [row for row in rows if _sees(call, kind, row[key])]

    @api("POST", base)
    def create(call: Call) -> None:
        doing = f"create sdn {word} object failed: "
        check_token(call, doing)
        name, table = call.params[key], configured(call.lab, kind)
        data = settings(call.params, key, "lock-token", doing=doing if kind == "vnets" else "")
        if kind == "vnets":
            data["type"] = "vnet"
        check_known(kind, data, data, "", new=True)
        if name in table:
            raise PVEError(500, f"{doing}sdn {word} object ID '{name}' already defined")
        _check(call, kind, name, data, data, doing)
        table[name] = Entry(data)

    @api("GET", item)
    def read(call: Call) -> Data:
        return one(call, kind, key)

    @api("PUT", item)
    def update(call: Call) -> None:
        doing = f"update sdn {word} object failed: "
        check_token(call, doing)
        entry = found(call, doing)
        data = changed(call, kind, key, entry, doing)
        given = settings(call.params, key, "lock-token")
        check_kept(configured(call.lab, "subnets"), kind, call.params[key], entry.data, data, doing)
        _check(call, kind, call.params[key], data, given, doing)
        entry.data = data

    @api("DELETE", item)
    def delete(call: Call) -> None:
        doing = f"delete sdn {'zone' if kind == 'ipams' else word} object failed: "
        check_token(call, doing)
        found(call, doing)
        check_unused(_tables(call.lab), kind, call.params[key], doing)
        del configured(call.lab, kind)[call.params[key]]

    del index, create, read, update, delete  # they are known by their registration


def _sees(call: Call, kind: str, name: str) -> bool:
    if kind == "vnets":
        entry = configured(call.lab, "vnets").get(name)
        path = f"/sdn/zones/{entry.data['zone'] if entry else ''}/{name}"
    else:
        path = f"/sdn/{kind}/{name}"
    return call.may(path, "SDN.Audit", "SDN.Allocate", any=True)


for _kind in _KINDS:
    _register(_kind)


@api("PUT", "/cluster/sdn")
def apply(call: Call) -> str:
    """Apply the configuration on every node."""
    lab = call.lab
    check_token(call, "could not commit SDN config: ")
    release_token(call)

    async def work(task: Task) -> None:
        for kind in APPLIED:
            applied, now = running(lab, kind), configured(lab, kind)
            for name in set(applied) - set(now):
                del applied[name]
            for name, entry in now.items():
                applied[name] = Entry(dict(entry.data))
        for node in lab.nodes:
            await task.spend(0.5, f"{node}: reloading network config")

    return call.task("reloadnetworkall", "", work)


@api("GET", "/nodes/{node}/sdn/zones")
def zones_status(call: Call) -> list[dict[str, str]]:
    """List the applied zones with their state on the node."""
    names = ["localnetwork", *running(call.lab, "zones")]
    return [
        {"zone": name, "status": "available"}
        for name in names
        if call.may(f"/sdn/zones/{name}", "SDN.Audit", "SDN.Allocate", any=True)
    ]
