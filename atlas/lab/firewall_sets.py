"""Firewall aliases, IP sets and what rules may refer to, of the cluster and of guests."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.firewall_scope import CLUSTER, GUESTS, check_digest, ip_version, part
from atlas.lab.sections import digest


def _shown_alias(name: str, alias: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, **alias, "ipversion": ip_version(alias["cidr"]) or 4}


def _aliases(call: Call) -> list[dict[str, Any]]:
    found = part(call, "aliases")
    sum_ = digest(found)
    return [{**_shown_alias(name, alias), "digest": sum_} for name, alias in found.items()]


def _create_alias(call: Call) -> None:
    found, name = part(call, "aliases"), call.params["name"]
    if name in found:
        raise PVEError(400, errors={"name": f"alias '{name}' already exists"})
    found[name] = {key: call.params[key] for key in ("cidr", "comment") if key in call.params}


def _alias(call: Call) -> dict[str, Any]:
    found = part(call, "aliases")
    if call.params["name"] not in found:
        raise PVEError(400, errors={"name": "no such alias"})
    return found


def _read_alias(call: Call) -> dict[str, Any]:
    name = call.params["name"]
    return _shown_alias(name, _alias(call)[name])


def _update_alias(call: Call) -> None:
    found, params = _alias(call), call.params
    check_digest(call, found)
    name, new = params["name"], params.get("rename", params["name"])
    if new != name and new in found:
        raise PVEError(400, errors={"name": f"alias '{new}' already exists"})
    del found[name]
    found[new] = {key: params[key] for key in ("cidr", "comment") if key in params}


def _delete_alias(call: Call) -> None:
    check_digest(call, part(call, "aliases"))
    part(call, "aliases").pop(call.params["name"], None)


def _sets(call: Call) -> list[dict[str, Any]]:
    found = part(call, "ipset")
    sum_ = digest(found)
    return [
        {"name": name, "digest": sum_, **({"comment": one["comment"]} if one.get("comment") else {})}
        for name, one in found.items()
    ]


def _create_set(call: Call) -> None:
    found, name, old = part(call, "ipset"), call.params["name"], call.params.get("rename")
    one: dict[str, Any]
    if name in found and old != name:
        raise PVEError(400, errors={"name": f"IPSet '{name}' already exists"})
    if old is not None:
        if old not in found:
            raise PVEError(400, errors={"rename": f"IPSet '{old}' does not exist"})
        one = dict(found.pop(old))
    else:
        one = {"entries": {}}
    if "comment" in call.params:
        one["comment"] = call.params["comment"]
    found[name] = one


def _entries(call: Call) -> dict[str, Any]:
    found, name = part(call, "ipset"), call.params["name"]
    if name not in found:
        raise PVEError(500, f"no such IPSet '{name}'")
    entries: dict[str, Any] = found[name]["entries"]
    return entries


def _read_set(call: Call) -> list[dict[str, Any]]:
    entries = _entries(call)
    sum_ = digest(entries)
    return [{"cidr": cidr, **entry, "digest": sum_} for cidr, entry in entries.items()]


def _properties(call: Call, before: dict[str, Any]) -> dict[str, Any]:
    found = dict(before)
    found.update({key: call.params[key] for key in ("comment", "nomatch") if key in call.params})
    return {key: value for key, value in found.items() if value}


def _add_entry(call: Call) -> None:
    entries, cidr = _entries(call), call.params["cidr"]
    if cidr in entries:
        raise PVEError(400, errors={"cidr": f"address '{cidr}' already exists"})
    entries[cidr] = _properties(call, {})


def _entry(call: Call) -> dict[str, Any]:
    entries, cidr = _entries(call), call.params["cidr"]
    if cidr not in entries:
        raise PVEError(400, errors={"cidr": "no such IP/Network"})
    found: dict[str, Any] = entries[cidr]
    return found


def _read_entry(call: Call) -> dict[str, Any]:
    return {"cidr": call.params["cidr"], **_entry(call), "digest": digest(_entries(call))}


def _update_entry(call: Call) -> None:
    entry = _entry(call)
    check_digest(call, _entries(call))
    _entries(call)[call.params["cidr"]] = _properties(call, entry)


def _delete_entry(call: Call) -> None:
    check_digest(call, _entries(call))
    _entries(call).pop(call.params["cidr"], None)


def _delete_set(call: Call) -> None:
    if _entries(call) and not call.params.get("force"):
        raise PVEError(500, f"IPSet '{call.params['name']}' is not empty")
    del part(call, "ipset")[call.params["name"]]


def _refs(call: Call) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    scopes = [("dc", "cluster")] if "vmid" not in call.params else [("dc", "cluster"), ("guest", None)]
    for scope, where in scopes:
        for kind, name, sign in (("alias", "aliases", ""), ("ipset", "ipset", "+")):
            if call.params.get("type") not in (None, kind):
                continue
            for item, value in part(call, name, scope=where).items():
                row: dict[str, Any] = {"type": kind, "name": item, "ref": f"{sign}{item}", "scope": scope}
                rows.append(row | ({"comment": value["comment"]} if value.get("comment") else {}))
    return rows


for _scope in (CLUSTER, *GUESTS):
    api("GET", f"{_scope}/aliases")(_aliases)
    api("POST", f"{_scope}/aliases")(_create_alias)
    api("GET", f"{_scope}/aliases/{{name}}")(_read_alias)
    api("PUT", f"{_scope}/aliases/{{name}}")(_update_alias)
    api("DELETE", f"{_scope}/aliases/{{name}}")(_delete_alias)
    api("GET", f"{_scope}/ipset")(_sets)
    api("POST", f"{_scope}/ipset")(_create_set)
    api("GET", f"{_scope}/ipset/{{name}}")(_read_set)
    api("POST", f"{_scope}/ipset/{{name}}")(_add_entry)
    api("DELETE", f"{_scope}/ipset/{{name}}")(_delete_set)
    api("GET", f"{_scope}/ipset/{{name}}/{{cidr}}")(_read_entry)
    api("PUT", f"{_scope}/ipset/{{name}}/{{cidr}}")(_update_entry)
    api("DELETE", f"{_scope}/ipset/{{name}}/{{cidr}}")(_delete_entry)
    api("GET", f"{_scope}/refs")(_refs)
