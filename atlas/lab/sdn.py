"""cluster/sdn: zones, virtual networks, controllers, IPAMs and DNS, as configured and as applied."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.records import Table
from atlas.lab.sections import change, check_digest, settings, table_digest
from atlas.lab.tasks import Task
from atlas.lab.world import Lab

# kind -> the name of its key, and what one of a type cannot be without
_KINDS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "zones": (
        "zone",
        {"vlan": ("bridge",), "qinq": ("bridge", "tag"), "vxlan": ("peers",), "evpn": ("controller", "vrf-vxlan")},
    ),
    "vnets": ("vnet", {}),
    "controllers": ("controller", {"evpn": ("asn",), "bgp": ("asn",), "isis": ("isis-domain",)}),
    "ipams": ("ipam", {"netbox": ("url", "token"), "phpipam": ("url", "token", "section")}),
    "dns": ("dns", {"powerdns": ("url", "key")}),
}
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
    raise PVEError(500, f"sdn '{name}' does not exist")


def inner(doing: str, name: str, text: str) -> PVEError:
    """A parameter error that was raised under a lock reaches the client as 500 with its text."""
    return PVEError(500, f"{doing}400 Parameter verification failed.\n{name}: {text}\n")


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


def _register(kind: str) -> None:  # noqa: C901  one small function for each method of a kind
    key, required = _KINDS[kind]
    word = {"zones": "zone", "vnets": "vnet", "controllers": "controller", "ipams": "ipam", "dns": "dns"}[kind]
    base, item = f"/cluster/sdn/{kind}", f"/cluster/sdn/{kind}/{{{key}}}"

    def found(call: Call) -> Entry:
        name, table = call.params[key], configured(call.lab, kind)
        if name not in table:
            raise PVEError(500, f"sdn '{name}' does not exist")
        return table[name]

    @api("GET", base)
    def index(call: Call) -> list[dict[str, Any]]:
        kind_wanted = call.params.get("type")
        rows = [row for row in view(call.lab, kind, key, call.params) if kind_wanted in (None, row.get("type"))]
        return [row for row in rows if _sees(call, kind, row[key])]

    @api("POST", base)
    def create(call: Call) -> None:
        doing = f"create sdn {word} object failed: "
        check_token(call, doing)
        name, table = call.params[key], configured(call.lab, kind)
        data = settings(call.params, key, "lock-token")
        if kind == "vnets":
            data["type"] = "vnet"
        for option in required.get(data["type"], ()):
            if option not in data:
                raise PVEError(500, f"missing value for required option '{option}'")
        if name in table:
            raise PVEError(500, f"{doing}sdn {word} object ID '{name}' already defined")
        if kind == "vnets":
            _check_vnet(call.lab, name, data, doing)
        table[name] = Entry(data)

    @api("GET", item)
    def read(call: Call) -> dict[str, Any]:
        return one(call, kind, key)

    @api("PUT", item)
    def update(call: Call) -> None:
        doing = f"update sdn {word} object failed: "
        check_token(call, doing)
        entry = found(call)
        check_digest(call.params, table_digest(configured(call.lab, kind)), doing)
        data = dict(entry.data)
        change(data, call.params, key, "lock-token")
        if kind == "vnets":
            _check_vnet(call.lab, call.params[key], data, doing)
        entry.data = data

    @api("DELETE", item)
    def delete(call: Call) -> None:
        doing = f"delete sdn {word} object failed: "
        check_token(call, doing)
        name, table = call.params[key], configured(call.lab, kind)
        if name not in table:
            raise PVEError(
                500, f"sdn vnet '{name}' does not exist" if kind == "vnets" else f"{doing}sdn '{name}' does not exist"
            )
        _check_unused(call.lab, kind, name, doing)
        del table[name]

    del index, create, read, update, delete  # they are known by their registration


def _sees(call: Call, kind: str, name: str) -> bool:
    if kind == "vnets":
        entry = configured(call.lab, "vnets").get(name)
        path = f"/sdn/zones/{entry.data['zone'] if entry else ''}/{name}"
    else:
        path = f"/sdn/{kind}/{name}"
    return call.may(path, "SDN.Audit", "SDN.Allocate", any=True)


def _check_vnet(lab: Lab, name: str, data: dict[str, Any], doing: str) -> None:
    zone = configured(lab, "zones").get(data["zone"])
    if zone is None:
        raise PVEError(500, f"{doing}zone {data['zone']} doesn't exist")
    if zone.data["type"] in ("vlan", "qinq", "vxlan", "evpn") and not data.get("tag"):
        raise inner(doing, "tag", "missing vlan tag" if zone.data["type"] in ("vlan", "qinq") else "missing vxlan tag")
    if not data.get("tag"):
        return
    for other, entry in configured(lab, "vnets").items():
        if other != name and entry.data["zone"] == data["zone"] and entry.data.get("tag") == data["tag"]:
            raise inner(doing, "tag", f"tag {data['tag']} already exist in vnet {other}")


def _check_unused(lab: Lab, kind: str, name: str, doing: str) -> None:
    if kind == "zones":
        for vnet, entry in configured(lab, "vnets").items():
            if entry.data["zone"] == name:
                where = " at /usr/share/perl5/PVE/Network/SDN/Zones/Plugin.pm line 200."
                raise PVEError(500, f"{doing}zone {name} is used by vnet {vnet}{where}")
    if kind == "vnets" and any(entry.data["vnet"] == name for entry in configured(lab, "subnets").values()):
        raise inner(doing, "vnet", "Can't delete vnet if subnets exists")


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
