"""Firewall aliases, IP sets and what rules may refer to, of the cluster and of guests."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from atlas.lab import firewall_named
from atlas.lab.call import Call, PVEError, api
from atlas.lab.firewall_formats import ALIAS
from atlas.lab.firewall_scope import CLUSTER, GUESTS, check_digest, ip_version, part, resolve
from atlas.lab.sections import digest


def _shown_alias(alias: dict[str, Any]) -> dict[str, Any]:
    return {**alias, "ipversion": ip_version(alias["cidr"]) or 4}


def _alias_of(call: Call, name: str) -> dict[str, Any]:
    """Return what the call says an alias stands for; a network of one address is that address."""
    cidr = re.sub(r"/128$" if ":" in call.params["cidr"] else r"/32$", "", call.params["cidr"])
    return {"name": name, "cidr": cidr} | ({"comment": call.params["comment"]} if call.params.get("comment") else {})


def _aliases(call: Call) -> list[dict[str, Any]]:
    found = part(call, "aliases")
    sum_ = digest(found)
    return [{**_shown_alias(alias), "digest": sum_} for _, alias in sorted(found.items())]


def _create_alias(call: Call) -> None:
    found, name = part(call, "aliases"), call.params["name"]
    if name.lower() in found:
        raise PVEError(400, errors={"name": f"alias '{name}' already exists"})
    found[name.lower()] = _alias_of(call, name)


def _alias(call: Call) -> dict[str, Any]:
    found = part(call, "aliases")
    if call.params["name"].lower() not in found:
        raise PVEError(400, errors={"name": "no such alias"})
    return found


def _read_alias(call: Call) -> dict[str, Any]:
    return _shown_alias(_alias(call)[call.params["name"].lower()])


def _update_alias(call: Call) -> None:
    check_digest(call, part(call, "aliases"))
    found, name = _alias(call), call.params["name"]
    new = call.params.get("rename") or name
    if new.lower() != name.lower() and new.lower() in found:
        raise PVEError(400, errors={"name": f"alias '{new}' already exists"})
    del found[name.lower()]
    found[new.lower()] = _alias_of(call, new if new.lower() != name.lower() else name)


def _delete_alias(call: Call) -> None:
    check_digest(call, part(call, "aliases"))
    part(call, "aliases").pop(call.params["name"].lower(), None)


def _sets(call: Call) -> list[dict[str, Any]]:
    return firewall_named.rows(part(call, "ipset"), "name")


def _create_set(call: Call) -> None:
    firewall_named.make(call, "ipset", "name", "IPSet", {"entries": {}})


def _entries(call: Call) -> dict[str, Any]:
    found, name = part(call, "ipset"), call.params["name"]
    if name not in found:
        raise PVEError(500, f"no such IPSet '{name}'")
    entries: dict[str, Any] = found[name]["entries"]
    return entries


def _read_set(call: Call) -> list[dict[str, Any]]:
    entries = _entries(call)
    sum_ = digest(entries)
    return [_shown_entry(call, cidr, entry, sum_) for cidr, entry in sorted(entries.items())]


def _shown_entry(call: Call, cidr: str, entry: dict[str, Any], sum_: str) -> dict[str, Any]:
    gone = ALIAS.fullmatch(cidr) and resolve(call, cidr) is None
    errors = {"errors": {"cidr": f"no such alias '{cidr.rpartition('/')[2]}'"}} if gone else {}
    return {"cidr": cidr, **entry, **errors, "digest": sum_}


def _properties(call: Call) -> dict[str, Any]:
    return {key: call.params[key] for key in ("comment", "nomatch") if call.params.get(key)}


def _network(text: str) -> str:
    """Return a network without the bits of a host, and as an address if it has just one."""
    if "/" not in text:
        return text
    found = ipaddress.ip_network(text, strict=False)
    return str(found) if found.prefixlen < found.max_prefixlen else str(found.network_address)


def _add_entry(call: Call) -> None:
    entries, cidr = _entries(call), call.params["cidr"]
    if ALIAS.fullmatch(cidr):
        if resolve(call, cidr) is None:
            raise PVEError(500, f"no such alias '{cidr.rpartition('/')[2]}'")
    else:
        cidr = _network(cidr)
    if cidr in entries:
        raise PVEError(400, errors={"cidr": f"address '{cidr}' already exists"})
    if re.search(r"/0+$", cidr):
        raise PVEError(400, errors={"cidr": "a zero prefix is not allowed in ipset entries"})
    entries[cidr] = _properties(call)


def _entry(call: Call) -> dict[str, Any]:
    entries, cidr = _entries(call), call.params["cidr"]
    if cidr not in entries:
        raise PVEError(400, errors={"cidr": "no such IP/Network"})
    found: dict[str, Any] = entries[cidr]
    return found


def _read_entry(call: Call) -> dict[str, Any]:
    return _shown_entry(call, call.params["cidr"], _entry(call), digest(_entries(call)))


def _update_entry(call: Call) -> None:
    check_digest(call, _entries(call))
    _entry(call)
    _entries(call)[call.params["cidr"]] = _properties(call)


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
            for key, value in part(call, name, scope=where).items():
                item = value.get("name", key)
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
