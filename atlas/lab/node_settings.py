"""nodes/{node}: config, dns, hosts, time, subscription."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import NODE_DNS
from atlas.lab.formats import split_list, taken_apart, verify
from atlas.lab.sections import check_digest, digest


def _kept(call: Call, name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = call.lab.node(call.params["node"]).settings.setdefault(name, default or {})
    return found


@api("GET", "/nodes/{node}/config")
def config(call: Call) -> dict[str, Any]:
    """Return the node's settings."""
    data = _kept(call, "config")
    shown = {"description": "", **data, "digest": digest(data)} if data else {}
    wanted = call.params.get("property")
    return {key: value for key, value in shown.items() if wanted in (None, key)}


@api("PUT", "/nodes/{node}/config")
def update_config(call: Call) -> None:
    """Change the node's settings."""
    data = _kept(call, "config")
    check_digest(call.params, digest(data))
    gone = split_list(call.params.get("delete", ""))
    given = {k: str(v) for k, v in call.params.items() if k not in ("node", "delete", "digest")}
    changed = {key: value for key, value in data.items() if key not in gone} | given
    _check_domains(call, changed)
    data.clear()
    data.update(changed)


def _check_domains(call: Call, config: dict[str, Any]) -> None:
    """Refuse a domain of the node's certificate that is named twice, or whose plugin there is not."""
    named: dict[str, str] = {}
    for domain in filter(None, taken_apart({}, config.get("acme", "")).get("domains", "").lower().split(";")):
        if domain in named:
            raise PVEError(500, f"duplicate domain '{domain}' in ACME config properties")
        named[domain] = "acme"
    for key in sorted(key for key in config if key.startswith("acmedomain")):
        parts = taken_apart({"domain": {"default_key": 1}}, config[key])
        domain, plugin = parts["domain"].lower(), parts.get("plugin", "standalone")
        if domain in named:
            where = f"'{key}' and '{named[domain]}'"
            raise PVEError(500, f"duplicate domain '{domain}' in ACME config properties {where}")
        if plugin != "standalone" and plugin not in call.lab.section("acme-plugins"):
            raise PVEError(500, f"plugin '{plugin}' for domain '{domain}' not found!")
        named[domain] = key


@api("GET", "/nodes/{node}/dns")
def dns(call: Call) -> dict[str, Any]:
    """Return the node's resolver."""
    return {**NODE_DNS, **_kept(call, "dns")}


@api("PUT", "/nodes/{node}/dns")
def update_dns(call: Call) -> None:
    """Change the node's resolver."""
    data = _kept(call, "dns")
    data.clear()
    data.update({key: call.params[key] for key in ("search", "dns1", "dns2", "dns3") if key in call.params})


@api("GET", "/nodes/{node}/hosts")
def hosts(call: Call) -> dict[str, str]:
    """Return the node's hosts file."""
    name = call.params["node"]
    address = call.lab.node(name).network.get("vmbr0", {}).get("address", "127.0.1.1")
    text = "127.0.0.1 localhost.localdomain localhost\n" + f"{address} {name}.lab.example {name}\n"
    data = _kept(call, "hosts")
    return {"data": data.get("data", text), "digest": digest(data)}


@api("POST", "/nodes/{node}/hosts")
def update_hosts(call: Call) -> None:
    """Replace the node's hosts file."""
    data = _kept(call, "hosts")
    check_digest(call.params, digest(data))
    data["data"] = call.params["data"]


@api("GET", "/nodes/{node}/time")
def time(call: Call) -> dict[str, Any]:
    """Return the node's time and zone."""
    now = int(call.lab.clock.now())
    return {"time": now, "localtime": now, "timezone": _kept(call, "time").get("timezone", "UTC")}


@api("PUT", "/nodes/{node}/time")
def update_time(call: Call) -> None:
    """Change the node's zone."""
    if verify("pve-ct-timezone", call.params["timezone"]) or call.params["timezone"] == "host":
        raise PVEError(400, errors={"timezone": "No such timezone"})
    _kept(call, "time")["timezone"] = call.params["timezone"]


@api("GET", "/nodes/{node}/subscription")
def subscription(call: Call) -> dict[str, Any]:
    """Return the node's subscription; who may not audit sees its state alone."""
    kept = _kept(call, "subscription")
    if not kept:
        return {
            "status": "notfound",
            "serverid": None,
            "message": "There is no subscription key",
            "url": "https://www.proxmox.com/en/proxmox-virtual-environment/pricing",
        }
    if not call.may(f"/nodes/{call.params['node']}", "Sys.Audit"):
        return {"status": kept["status"]}
    return {**kept, "url": "https://www.proxmox.com/en/proxmox-virtual-environment/pricing"}


@api("PUT", "/nodes/{node}/subscription")
def set_subscription(call: Call) -> None:
    """Keep a subscription key; nobody is asked whether it is good."""
    match = re.fullmatch(r"pve([1248])([cbsp])-[0-9a-f]{10}", call.params["key"].strip())
    if match is None:
        raise PVEError(400, errors={"key": "value does not match the regex pattern"})
    kept = _kept(call, "subscription")
    kept.clear()
    kept.update({"key": match[0], "level": match[2], "sockets": int(match[1]), "status": "new"})
    kept["serverid"] = hashlib.md5(call.params["node"].encode(), usedforsecurity=False).hexdigest().upper()


@api("POST", "/nodes/{node}/subscription")
def check_subscription(call: Call) -> None:
    """Note that the key was looked at: the lab asks no shop."""
    kept = _kept(call, "subscription")
    if kept:
        kept.update({"checktime": int(call.lab.clock.now()), "message": "the lab asks no server about subscriptions"})


@api("DELETE", "/nodes/{node}/subscription")
def delete_subscription(call: Call) -> None:
    """Forget the key."""
    _kept(call, "subscription").clear()


@api("POST", "/nodes/{node}/wakeonlan")
def wake(call: Call) -> str:
    """Wake another node."""
    name = call.params["node"]
    if name == call.lab.local_node:
        raise PVEError(500, f"'{name}' is local node, cannot wake my self!")
    raise PVEError(500, f"No wake on LAN MAC address defined for '{name}'!")
