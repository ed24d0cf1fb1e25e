"""The inventory of a cluster: what a lab is rebuilt from, as a versioned JSON or YAML document without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

FORMAT, VERSION = "atlas-inventory", 1
SECTIONS = (
    "domains", "backup", "replication", "ha/resources", "ha/rules", "mapping/dir", "mapping/pci", "mapping/usb",
    *(f"sdn/{when}{kind}" for when in ("", "running/") for kind in ("zones", "vnets", "subnets", "controllers")),
)  # fmt: skip
"""Parts of a cluster that are objects by name and need no more description than what the API says of them."""
SECRETS = frozenset(
    {
        *("password", "cipassword", "bind_password", "secret", "keys", "env"),
        *("client-key", "private-key", "encryption-key", "master-pubkey", "keyring"),
    }
)
"""What an inventory never holds, however the cluster shows it (masked, or in clear)."""

_NODE = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_STORAGE = r"[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]"
_NAME = r"[A-Za-z0-9._-]+"
_POOL = rf"{_NAME}(/{_NAME}){{0,2}}"
_USER = r"[^\s:/]+@[A-Za-z][A-Za-z0-9._-]+"
_VMID = r"[1-9][0-9]{2,8}"
_VOLUME = rf"{_STORAGE}:(?!(.*/)?\.\.?(/|$))[^/\0\n][^\0\n]*"
PARTS: dict[str, dict[str, type | str]] = {
    "left_out": {"*call": str, "*reason": str},
    "nodes": {
        "*name": _NODE,
        "number": int,
        "online": int,
        "cores": int,
        "memory": int,
        "disk": int,
        "address": str,
        "network": list,
        "config": dict,
        "dns": dict,
        "timezone": str,
        "hosts": str,
    },
    "storages": {"*storage": _STORAGE, "*type": r"[a-z]+", "options": dict, "space": dict},
    "volumes": {
        "*volid": _VOLUME,
        "node": _NODE,
        "*content": r"[a-z]+",
        "*format": r"[A-Za-z0-9.+]+",
        "*size": int,
        "used": int,
        "vmid": _VMID,
        "parent": _VOLUME,
        "ctime": int,
        "notes": str,
        "protected": int,
        "subtype": r"[a-z]+",
    },
    "guests": {
        "*vmid": _VMID,
        "*type": r"qemu|lxc",
        "*node": _NODE,
        "status": r"[a-z-]+",
        "paused": int,
        "uptime": int,
        "*config": dict,
        "pending": list,
        "snapshots": dict,
        "image": _NAME,
    },
    "pools": {"*poolid": _POOL, "comment": str, "guests": list, "storages": list},
    "users": {
        "*userid": _USER,
        "enable": int,
        "expire": int,
        "comment": str,
        "email": str,
        "firstname": str,
        "lastname": str,
        "groups": list,
        "tokens": list,
    },
    "groups": {"*groupid": _NAME, "comment": str},
    "roles": {"*roleid": _NAME, "privs": list},
    "acl": {"*path": r"/[^\s]*", "*type": r"user|group|token", "*ugid": str, "*roleid": _NAME, "propagate": int},
}
"""What the rows of each list hold: a type, or a text's or number's form (a regular expression); * marks a must."""

# Lists inside of rows, with what each of their own rows is known by.
_INNER = {("nodes", "network"): "iface", ("guests", "pending"): "key", ("users", "tokens"): "tokenid"}
_PLAIN: dict[str, type] = {"read": dict, "cluster": dict, "permissions": dict, "sections": dict}


class InventoryError(ValueError):
    """A document is no inventory; the text names every fault."""


def parse(text: str) -> dict[str, Any]:
    """Read an inventory from JSON or YAML.

    Raises:
        InventoryError: It is neither, or no inventory of this version.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = json.loads(text) if text.lstrip().startswith("{") else YAML(typ="safe").load(text)
    except (ValueError, YAMLError) as problem:
        raise InventoryError(f"the inventory is neither JSON nor YAML: {problem}") from problem
    return check(data)


def check(data: Any) -> dict[str, Any]:
    """Return an inventory whose every part has the right shape, without what is secret.

    Raises:
        InventoryError: With all faults.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InventoryError(f"this is no inventory: `format: {FORMAT}` is missing")
    if data.get("version") != VERSION:
        raise InventoryError(f"the inventory has version {data.get('version')}; this lab reads version {VERSION}")
    faults = [*_faults(data)] or [*_dangling(data)]
    if faults:
        more = f"; and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise InventoryError(f"the inventory is faulty: {'; '.join(faults[:20])}{more}")
    found: dict[str, Any] = public(data)
    return found


def public(value: Any) -> Any:
    """Return a value without its secrets, however deep.

    Rows that are about a secret (`{key: cipassword, …}`) go whole, and names and passwords out of URLs (`http_proxy`).
    """
    if isinstance(value, dict):
        return {key: public(item) for key, item in value.items() if key not in SECRETS}
    if isinstance(value, list):
        return [public(item) for item in value if not (isinstance(item, dict) and item.get("key") in SECRETS)]
    return re.sub(r"(?<=://)[^/@\s]*@", "", value) if isinstance(value, str) else value


def _faults(data: dict[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        if key in PARTS:
            yield from _rows(key, value)
        elif key in _PLAIN:
            if not isinstance(value, _PLAIN[key]):
                yield f"{key} is no {_word(_PLAIN[key])}"
        elif key not in ("format", "version"):
            yield f"{key} is no part of an inventory"
    for key in ("permissions", "sections"):
        for name, value in data[key].items() if isinstance(data.get(key), dict) else ():
            if not isinstance(value, dict):
                yield f"{key}.{name} is no object"
    sections = data.get("sections")
    for name, rows in sections.items() if isinstance(sections, dict) else ():
        if name not in SECTIONS:
            yield f"sections.{name} is not known: {', '.join(SECTIONS)}"
        elif isinstance(rows, dict) and not all(isinstance(row, dict) for row in rows.values()):
            yield f"sections.{name} does not hold objects by name"


def _rows(key: str, rows: Any) -> Iterator[str]:
    if not isinstance(rows, list):
        yield f"{key} is no list"
        return
    shape = {name.removeprefix("*"): form for name, form in PARTS[key].items()}
    needed = [name[1:] for name in PARTS[key] if name.startswith("*")]
    for number, row in enumerate(rows):
        where = f"{key}[{number}]"
        if not isinstance(row, dict):
            yield f"{where} is no object"
            continue
        yield from (f"{where}.{name} is missing" for name in needed if row.get(name) is None)
        for name, value in row.items():
            if name in SECRETS or value is None:
                continue
            if name not in shape:
                yield f"{where}.{name} is no field of it"
            elif not _fits(value, shape[name]):
                yield f"{where}.{name} cannot be {str(value)[:60]!r}"
            else:
                yield from _inner(f"{where}.{name}", (key, name), value)


def _inner(where: str, key: tuple[str, str], value: Any) -> Iterator[str]:
    known_by = _INNER.get(key)
    if known_by is not None and not all(isinstance(row, dict) and row.get(known_by) for row in value):
        yield f"{where} does not hold objects with {known_by}"
    if key == ("guests", "snapshots") and not all(isinstance(section, dict) for section in value.values()):
        yield f"{where} does not hold a config for each name"
    if key == ("storages", "space") and not all(_is_space(pair) for pair in value.values()):
        yield f"{where} does not hold [size, used] for each node"


def _is_space(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(number, int) for number in pair)


def _fits(value: Any, form: type | str) -> bool:
    if form is int and not isinstance(value, bool):  # the API gives some numbers as texts
        form = r"-?\d+"
    if isinstance(form, str):
        return isinstance(value, str | int) and re.fullmatch(form, str(value)) is not None
    return isinstance(value, form)


def _word(kind: type) -> str:
    return "list" if kind is list else "object"


def _dangling(data: dict[str, Any]) -> Iterator[str]:
    """Find what names something that is not there; the parts themselves are sound by now."""
    nodes = {row["name"] for row in data.get("nodes", [])}
    storages = {row["storage"] for row in data.get("storages", [])}
    if not nodes:
        yield "nodes: there is none"
    for key in ("guests", "volumes"):
        for number, row in enumerate(data.get(key, [])):
            if row.get("node") is not None and row["node"] not in nodes:
                yield f"{key}[{number}].node: there is no node {row['node']!r}"
            if key == "volumes" and row["volid"].partition(":")[0] not in storages:
                yield f"{key}[{number}].volid: there is no storage {row['volid'].partition(':')[0]!r}"
    vmids = [str(row["vmid"]) for row in data.get("guests", [])]
    yield from (f"guests: the VMID {vmid} is there twice" for vmid in sorted({v for v in vmids if vmids.count(v) > 1}))
