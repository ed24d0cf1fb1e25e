"""access/domains: authentication realms; only pam and pve let anybody in here."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.formats import split_list, taken_apart
from atlas.lab.records import Table
from atlas.lab.sections import check_digest, settings, table_digest
from atlas.lab.tasks import Task
from atlas.lab.world import Lab

BUILTIN: dict[str, dict[str, Any]] = {
    "pam": {"type": "pam", "comment": "Linux PAM standard authentication"},
    "pve": {"type": "pve", "comment": "Proxmox VE authentication server"},
}
_ANY = ("default", "comment")
_DIRECTORY = (
    *(*_ANY, "server2", "bind_dn", "password", "port", "secure", "sslversion", "tfa", "verify", "capath", "cert"),
    *("certkey", "filter", "sync_attributes", "user_classes", "group_dn", "group_name_attr", "group_filter"),
    *("group_classes", "sync-defaults-options", "mode", "case-sensitive"),
)
# type -> what a realm cannot be without, and what it may have besides
_OPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pam": ((), (*_ANY, "tfa")),
    "pve": ((), (*_ANY, "tfa")),
    "ldap": (("server1", "base_dn", "user_attr"), _DIRECTORY),
    "ad": (("server1", "domain"), (*_DIRECTORY, "base_dn", "user_attr")),
    "openid": (
        ("issuer-url", "client-id"),
        (
            *(*_ANY, "client-key", "autocreate", "username-claim", "groups-claim", "groups-autocreate"),
            *("groups-overwrite", "prompt", "scopes", "acr-values", "audiences", "query-userinfo"),
        ),
    ),
}


def _realms(lab: Lab) -> Table[Entry]:
    table = lab.section("domains")
    for name, data in BUILTIN.items():
        if name not in table:
            table[name] = Entry(data)
    return table


@api("GET", "/access/domains")
def domains(call: Call) -> list[dict[str, Any]]:
    """List the realms; anybody may, to log in."""
    rows = []
    for name, entry in _realms(call.lab).items():
        row: dict[str, Any] = {"realm": name, "type": entry.data["type"]}
        row |= {"comment": entry.data["comment"]} if entry.data.get("comment") else {}
        if entry.data.get("tfa"):
            row["tfa"] = taken_apart({}, entry.data["tfa"])["type"]
        if entry.data.get("default"):
            row["default"] = 1
        rows.append(row)
    return rows


@api("GET", "/access/domains/{realm}")
def read_domain(call: Call) -> dict[str, Any]:
    """Return a realm's settings."""
    table, name = _realms(call.lab), call.params["realm"]
    if name not in table:
        raise PVEError(500, f"domain '{name}' does not exist")
    return {**table[name].data, "digest": table_digest(table)}


@api("POST", "/access/domains")
def create_domain(call: Call) -> None:
    """Make a realm."""
    table, params, doing = _realms(call.lab), call.params, "add auth server failed: "
    if params["realm"] in table:
        raise PVEError(500, f"{doing}domain '{params['realm']}' already exists")
    if params["type"] in BUILTIN:
        raise PVEError(500, f"{doing}unable to create builtin type '{params['type']}'")
    data = _given(call, params["type"], doing)
    for key in _OPTIONS[params["type"]][0]:
        if key not in data:
            raise PVEError(500, f"{doing}missing value for required option '{key}'")
    _only_default(table, data)
    table[params["realm"]] = Entry(data)


def _given(call: Call, kind: str, doing: str) -> dict[str, Any]:
    """Return what a call sets of a realm of a type."""
    data = settings(call.params, "realm", "password", "check-connection", doing=doing)
    if "check-connection" in call.params and kind not in ("ldap", "ad"):
        text = "'check-connection' parameter can only be set for realms of type 'ldap' or 'ad'"
        raise PVEError(500, f"{doing}{text}")
    needed, more = _OPTIONS[kind]
    for key in data:
        if key not in ("type", *needed, *more):
            raise PVEError(500, f"{doing}unexpected property '{key}'")
    if "sync-defaults-options" in data:  # kept in the order of its names
        parts = taken_apart({}, data["sync-defaults-options"])
        data["sync-defaults-options"] = ",".join(f"{key}={parts[key]}" for key in sorted(parts))
    return data


def _only_default(table: Table[Entry], data: dict[str, Any]) -> None:
    for entry in table.values() if data.get("default") else ():
        entry.data.pop("default", None)


@api("PUT", "/access/domains/{realm}")
def update_domain(call: Call) -> None:
    """Change a realm."""
    table, params = _realms(call.lab), call.params
    doing = "update auth server failed: "
    if params["realm"] not in table:
        raise PVEError(500, f"{doing}cannot lookup undefined type! at /usr/share/perl5/PVE/SectionConfig.pm line 200.")
    check_digest(params, table_digest(table), doing)
    entry = table[params["realm"]]
    kind = entry.data["type"]
    gone = split_list(params.get("delete", ""))
    given = _given(call, kind, doing)
    if not gone and not set(params) - {"realm", "digest", "check-connection"}:
        raise PVEError(500, f"{doing}no options specified")
    gone += [key for key, value in params.items() if value == ""]
    data = {key: value for key, value in entry.data.items() if key not in gone} | given
    for key in _OPTIONS[kind][0]:
        if key not in data:
            text = f"section '{params['realm']}' - missing value for required option '{key}'"
            raise PVEError(500, f"{doing}{text}")
    _only_default(table, given)
    entry.data = data


@api("POST", "/access/domains/{realm}/sync")
def sync(call: Call) -> str:
    """Read users and groups of a directory server: none can be reached from the lab."""
    table, realm = _realms(call.lab), call.params["realm"]
    if realm not in table:
        raise PVEError(400, errors={"realm": "Realm does not exist."})
    kind = table[realm].data["type"]
    if kind not in ("ldap", "ad"):
        raise PVEError(500, f"Cannot sync realm type '{kind}'! Only LDAP/AD realms can be synced.")
    defaults = taken_apart({}, str(table[realm].data.get("sync-defaults-options", "")))
    if "scope" not in {**defaults, **call.params}:
        raise PVEError(400, errors={"scope": "Not passed as parameter and not defined in realm default sync options."})

    async def work(task: Task) -> None:
        task.log(f"{'(dry test run) ' if call.params.get('dry-run') else ''}starting sync for realm {realm}")
        await task.spend(10)
        raise PVEError(500, "IO::Socket::INET: connect: Connection timed out")

    return call.task("auth-realm-sync-test" if call.params.get("dry-run") else "auth-realm-sync", realm, work)


@api("DELETE", "/access/domains/{realm}")
def delete_domain(call: Call) -> None:
    """Remove a realm."""
    table, name = _realms(call.lab), call.params["realm"]
    doing = "delete auth server failed: "
    if name not in table:
        raise PVEError(500, f"{doing}authentication domain '{name}' does not exist")
    del table[name]  # a built-in one is there again with its defaults
