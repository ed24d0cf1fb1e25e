"""Rebuild a cluster in an empty lab from its inventory: what a client read there, it reads here."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from atlas.lab.auth import hash_secret, hash_token
from atlas.lab.entities import Acl, Entry, Group, Guest, Node, Pool, Role, Storage, User, Volume
from atlas.lab.guest_config import add_delete
from atlas.lab.guest_devices import boot_order, drives, is_cdrom
from atlas.lab.qemu_machine import agent_enabled, wake
from atlas.lab.rights import ROOT, builtin_roles, known_path
from atlas.lab.snapshots import disks
from atlas.lab.volumes import parse_volname

if TYPE_CHECKING:
    from atlas.lab.world import Lab

IMAGE = "debian-12"
"""What stands for the content of a disk, which no inventory holds, where the guest's agent is to answer."""
_ADMIN = "root@pam!lab"
_TWIN_ROLE = "Twin"


async def rebuild(lab: Lab, data: Mapping[str, Any]) -> dict[str, str]:
    """Fill an empty lab.

    Args:
        lab: The lab.
        data: A checked inventory.

    Returns:
        The secrets made for it, by name: root's password, root's token, and last the token that the inventory was
        read with, which has the rights here that it has there.
    """
    cluster = data.get("cluster", {})
    if cluster.get("name"):
        lab.options("cluster")["name"] = str(cluster["name"])
    lab.options("datacenter").update({name: _text(value) for name, value in cluster.get("options", {}).items()})
    for number, row in enumerate(data["nodes"], 1):
        lab.nodes[row["name"]] = _node(lab, row, number)
    for row in data.get("storages", []):
        lab.storages[row["storage"]] = Storage(row["storage"], row["type"], dict(row.get("options", {})))
    for row in data.get("guests", []):
        lab.guests[str(row["vmid"])] = _guest(lab, row)
    for row in data.get("volumes", []):
        await _volume(lab, row)
    for row in data.get("storages", []):
        _space(lab, lab.storages[row["storage"]], row.get("space", {}))
    for guest in lab.guests.values():
        _mark_snapshots(lab, guest)
    for row in data.get("pools", []):
        members = dict.fromkeys(map(str, row.get("guests", [])), 1), dict.fromkeys(map(str, row.get("storages", [])), 1)
        lab.pools[row["poolid"]] = Pool(row["poolid"], row.get("comment"), *members)
    for name, rows in data.get("sections", {}).items():
        for key, fields in rows.items():
            lab.section(name)[key] = Entry(dict(fields))
    _access(lab, data)
    return _secrets(lab, data)


def _text(value: Any) -> str:
    """Write a datacenter option as it is given: the API shows some taken apart."""
    if isinstance(value, dict):
        return ",".join(f"{key}={_text(part)}" for key, part in value.items())
    return ";".join(map(str, value)) if isinstance(value, list) else str(value)


def _node(lab: Lab, row: Mapping[str, Any], number: int) -> Node:
    sizes = {key: int(row[key]) for key in ("cores", "memory", "disk") if row.get(key)}
    network = {str(each["iface"]): {k: v for k, v in each.items() if k != "iface"} for each in row.get("network", [])}
    settings: dict[str, Any] = {key: dict(row[key]) for key in ("config", "dns") if row.get(key)}
    if row.get("timezone"):
        settings["time"] = {"timezone": row["timezone"]}
    if row.get("hosts"):
        settings["hosts"] = {"data": row["hosts"]}
    return Node(
        row["name"],
        int(row.get("number") or number),
        address=str(row.get("address") or ""),
        online=bool(int(row.get("online", 1))),
        booted_at=lab.clock.now() - 86400,
        network=network,
        settings=settings,
        **sizes,
    )


def _guest(lab: Lab, row: Mapping[str, Any]) -> Guest:
    pending: dict[str, Any] = {}
    for change in row.get("pending") or []:
        if "pending" in change:
            pending[str(change["key"])] = change["pending"]
    for change in row.get("pending") or []:
        if change.get("delete"):
            add_delete(pending, str(change["key"]), force=int(change["delete"]) == 2)
    guest = Guest(
        int(row["vmid"]), row["type"], row["node"], dict(row["config"]), pending, dict(row.get("snapshots") or {})
    )
    if row.get("image"):
        guest.extra["image"] = row["image"]
    if row.get("status") == "running":
        wake(lab, guest)
        guest.started_at = lab.clock.now() - int(row.get("uptime") or 0)
        if int(row.get("paused") or 0):
            guest.extra["paused"] = True
    return guest


async def _volume(lab: Lab, row: Mapping[str, Any]) -> None:
    """Enter a volume; behind a guest's disk there is an empty one, or the lab's own image where it boots."""
    volid, size, content = str(row["volid"]), int(row["size"]), str(row["content"])
    storage = lab.storages[volid.partition(":")[0]]
    node = None if storage.shared else str(row.get("node") or lab.local_node)
    vmid = int(row["vmid"]) if row.get("vmid") else None
    used = int(row.get("used") or (size if storage.type == "lvm" else 0))
    volume = Volume(volid, storage.id, content, row["format"], size, node, used, vmid, ctime=float(row.get("ctime", 0)))
    volume.parent = row.get("parent")
    volume.notes, volume.protected = row.get("notes"), bool(int(row.get("protected") or 0))
    if row.get("subtype"):
        volume.extra["subtype"] = row["subtype"]
    if content in ("images", "rootdir"):
        guest = lab.guests.get(str(vmid))
        image = _image(guest, volid) if guest is not None else None
        if image is not None:
            volume.extra["image"] = image
        volume.path = f"{storage.id}/{'' if node is None else node + '/'}images/{vmid or 0}/{_file(storage, volid)}"
        await lab.backend.create_disk(volume.path, size, image)
    lab.volumes[lab.volume_key(volid, node or "")] = volume


def _file(storage: Storage, volid: str) -> str:
    """Return a name for the lab's own file of a volume."""
    volname = volid.partition(":")[2]
    try:
        name = parse_volname(storage.type, volname).name
    except ValueError:
        name = volname
    return re.sub(r"[^A-Za-z0-9._+-]", "_", name)


def _image(guest: Guest, volid: str) -> str | None:
    """Return the image that stands for a disk: only for the boot disk of a VM, and only where an agent is enabled."""
    if guest.kind != "qemu" or not agent_enabled(guest.config):
        return None
    found = {slot: drive.get("file") for slot, drive in drives(guest.config) if not is_cdrom(drive)}
    order = [slot for slot in (*boot_order(guest.config), *found) if slot in found]
    return str(guest.extra.get("image", IMAGE)) if order and found[order[0]] == volid else None


def _space(lab: Lab, storage: Storage, space: Mapping[str, Any]) -> None:
    """Give a storage its sizes; what is taken there by no volume that was listed is taken here as well."""
    for node, (total, used) in space.items():
        own = sum(volume.used for volume in lab.local_volumes(storage.id, node))
        storage.space[node] = (int(total), max(int(used) - own, 0))
        storage.bytes = int(total)


def _mark_snapshots(lab: Lab, guest: Guest) -> None:
    for name, section in guest.snapshots.items():
        for volid in disks(guest.kind, section):
            volume = lab.volume(volid, guest.node)
            if volume is not None:
                volume.snapshots[name] = {"size": volume.size, "ctime": float(section.get("snaptime") or 0)}


def _access(lab: Lab, data: Mapping[str, Any]) -> None:
    """Enter users, groups, roles and ACLs. Tokens are there, but nobody knows their secrets."""
    for row in data.get("groups", []):
        lab.groups[row["groupid"]] = Group(row["groupid"], row.get("comment"))
    for row in data.get("users", []):
        fields = {k: row[k] for k in ("comment", "email", "firstname", "lastname") if row.get(k)}
        user = User(row["userid"], int(row.get("enable", 1)), int(row.get("expire") or 0), fields)
        user.groups = dict.fromkeys(map(str, row.get("groups", [])), 1)
        for token in row.get("tokens", []):
            info = {"value": hash_token(str(uuid.uuid4())), "expire": int(token.get("expire") or 0)}
            info["privsep"] = int(token.get("privsep", 1))
            user.tokens[str(token["tokenid"])] = info | ({"comment": token["comment"]} if token.get("comment") else {})
        lab.users[user.userid] = user
    for row in data.get("roles", []):
        if row["roleid"] not in builtin_roles():
            lab.roles[row["roleid"]] = Role(row["roleid"], dict.fromkeys(map(str, row.get("privs", [])), 1))
    for row in data.get("acl", []):
        _allow(lab, row["path"], f"{row['type']}s", str(row["ugid"]), row["roleid"], int(row.get("propagate", 1)))


def _allow(lab: Lab, path: str, kind: str, name: str, role: str, propagate: int) -> None:
    if not known_path(path):
        return
    if path not in lab.acl:
        lab.acl[path] = Acl(path)
    getattr(lab.acl[path], kind).setdefault(name, {})[role] = propagate


def _secrets(lab: Lab, data: Mapping[str, Any]) -> dict[str, str]:
    made = {ROOT: secrets.token_urlsafe(16)}
    if ROOT not in lab.users:
        lab.users[ROOT] = User(ROOT)
    lab.users[ROOT].password = hash_secret(made[ROOT])
    reader = str(data.get("read", {}).get("token") or _ADMIN)
    for token in dict.fromkeys((_ADMIN, reader)):
        userid, _, name = token.partition("!")
        if userid not in lab.users:
            lab.users[userid] = User(userid)
        made[token] = str(uuid.uuid4())
        tokens = lab.users[userid].tokens
        tokens[name] = {"privsep": 0, "expire": 0, **tokens.get(name, {}), "value": hash_token(made[token])}
    lab.users[ROOT].tokens[_ADMIN.partition("!")[2]]["privsep"] = 0
    _rights_of(lab, reader, data.get("permissions", {}))
    return made


def _rights_of(lab: Lab, token: str, permissions: Mapping[str, Mapping[str, int]]) -> None:
    """Give the reader's token what it may do there, where it could not read the ACLs that say so."""
    user = token.partition("!")[0]
    names = {user, token, *(lab.users[user].groups)}
    if user == ROOT or any(names & {*acl.users, *acl.groups, *acl.tokens} for acl in lab.acl.values()):
        return
    for number, (path, held) in enumerate(permissions.items(), 1):
        role = f"{_TWIN_ROLE}{number}"
        lab.roles[role] = Role(role, dict.fromkeys(held, 1))
        for kind, name in (("users", user), ("tokens", token)):
            _allow(lab, path, kind, name, role, int(any(held.values())))
