"""access/domains: authentication realms; only pam and pve let anybody in here."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.formats import taken_apart
from atlas.lab.records import Table
from atlas.lab.sections import change, check_digest, settings, table_digest
from atlas.lab.tasks import Task
from atlas.lab.world import Lab

BUILTIN: dict[str, dict[str, Any]] = {
    "pam": {"type": "pam", "comment": "Linux PAM standard authentication"},
    "pve": {"type": "pve", "comment": "Proxmox VE authentication server"},
}
REQUIRED = {
    "ldap": ("server1", "base_dn", "user_attr"),
    "ad": ("server1", "domain"),
    "openid": ("issuer-url", "client-id"),
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
        row: dict[str, Any] = {
            "realm": name,
            **{key: entry.data[key] for key in ("type", "comment", "tfa") if key in entry.data},
        }
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
    table, params = _realms(call.lab), call.params
    if params["realm"] in table:
        raise PVEError(500, f"add auth server failed: domain '{params['realm']}' already exists")
    for key in REQUIRED.get(params["type"], ()):
        if key not in params:
            raise PVEError(500, f"add auth server failed: missing value for required option '{key}'")
    table[params["realm"]] = Entry(settings(params, "realm", "password", "check-connection"))


@api("PUT", "/access/domains/{realm}")
def update_domain(call: Call) -> None:
    """Change a realm."""
    table, params = _realms(call.lab), call.params
    doing = "update auth server failed: "
    if params["realm"] not in table:
        raise PVEError(500, f"{doing}cannot lookup undefined type! at /usr/share/perl5/PVE/SectionConfig.pm line 200.")
    check_digest(params, table_digest(table), doing)
    change(table[params["realm"]].data, params, "realm", "password", "check-connection")


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
    if name in BUILTIN:
        raise PVEError(500, f"{doing}removing built-in auth domain '{name}' is not allowed")
    del table[name]
