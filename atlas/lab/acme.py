"""cluster/acme: accounts, and what clients read of authorities; no authority is ever asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.formats import split_list
from atlas.lab.tasks import Task
from atlas.lab.world import Lab

Data = dict[str, Any]
_BASE = "/cluster/acme"
_DIRECTORIES = {
    "Let's Encrypt V2": "https://acme-v02.api.letsencrypt.org/directory",
    "Let's Encrypt V2 Staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
_TERMS = "https://letsencrypt.org/documents/LE-SA-v1.5-February-24-2025.pdf"


def account_of(lab: Lab, settings: str) -> str:
    """Return the account that a node's `acme` setting names.

    Raises:
        PVEError: there is no such account.
    """
    parts = dict(part.split("=", 1) for part in settings.split(",") if "=" in part)
    name = parts.get("account", "default")
    if name not in lab.section("acme-accounts"):
        raise PVEError(500, f"ACME account config file '{name}' does not exist.")
    return name


def _existing(call: Call) -> tuple[str, Entry]:
    name = call.params.get("name", "default")
    table = call.lab.section("acme-accounts")
    if name not in table:
        raise PVEError(400, errors={"name": f"ACME account config file '{name}' does not exist."})
    return name, table[name]


def _contacts(call: Call) -> list[str]:
    return [f"mailto:{address}" for address in split_list(call.params["contact"])]


@api("GET", f"{_BASE}/account")
def accounts(call: Call) -> list[Data]:
    """List the accounts."""
    return [{"name": name} for name in call.lab.section("acme-accounts")]


@api("POST", f"{_BASE}/account")
def register(call: Call) -> str:
    """Register an account; the lab writes it down and asks nobody."""
    name, table = call.params.get("name", "default"), call.lab.section("acme-accounts")
    if name in table:
        raise PVEError(400, errors={"name": f"ACME account config file '{name}' already exists."})
    directory = call.params.get("directory", _DIRECTORIES["Let's Encrypt V2"])
    data = {"directory": directory, "tos": call.params.get("tos_url"), "contact": _contacts(call)}

    async def work(task: Task) -> None:
        task.log("Generating ACME account key..")
        await task.spend(1, "Registering ACME account..")
        number = 1 + len(table)
        location = f"{directory.rpartition('/')[0]}/acme/acct/{number}"
        table[name] = Entry({**data, "location": location, "created": int(call.lab.clock.now())})
        task.log(f"Registration successful, account URL: '{location}'")

    return call.task("acmeregister", "", work)


@api("GET", f"{_BASE}/account/{{name}}")
def read(call: Call) -> Data:
    """Return an account."""
    _, entry = _existing(call)
    made = datetime.fromtimestamp(entry.data["created"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    account = {"status": "valid", "contact": list(entry.data["contact"]), "createdAt": made}
    shown = {"account": account, "directory": entry.data["directory"], "location": entry.data["location"]}
    return {**shown, **({"tos": entry.data["tos"]} if entry.data.get("tos") else {})}


@api("PUT", f"{_BASE}/account/{{name}}")
def update(call: Call) -> str:
    """Change an account's contacts."""
    _, entry = _existing(call)

    async def work(task: Task) -> None:
        await task.spend(0.5)
        if "contact" in call.params:
            entry.data["contact"] = _contacts(call)

    return call.task("acmeupdate", "", work)


@api("DELETE", f"{_BASE}/account/{{name}}")
def deactivate(call: Call) -> str:
    """Deactivate an account; its file is kept under another name."""
    name, entry = _existing(call)

    async def work(task: Task) -> None:
        await task.spend(0.5)
        table = call.lab.section("acme-accounts")
        other = next(free for n in range(101) if (free := f"_deactivated_{name}_{n}") not in table)
        task.log(f"Renaming account file from '/etc/pve/priv/acme/{name}' to '/etc/pve/priv/acme/{other}'")
        table.pop(name, None)
        table[other] = Entry(dict(entry.data))

    return call.task("acmedeactivate", "", work)


@api("GET", f"{_BASE}/directories")
def directories(_: Call) -> list[Data]:
    """List the authorities that are known by name."""
    return [{"name": name, "url": url} for name, url in _DIRECTORIES.items()]


@api("GET", f"{_BASE}/tos")
def terms(_: Call) -> str:
    """Return where an authority's terms are."""
    return _TERMS


@api("GET", f"{_BASE}/meta")
def meta(_: Call) -> Data:
    """Return what an authority says of itself."""
    return {"termsOfService": _TERMS, "website": "https://letsencrypt.org", "caaIdentities": ["letsencrypt.org"]}


@api("GET", f"{_BASE}/challenge-schema")
def challenges(_: Call) -> list[Data]:
    """List what plugins take: the lab knows the one that takes anything."""
    return [{"id": "standalone", "name": "standalone", "type": "standalone", "schema": {}}]
