"""storage: the definitions of storages."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import SHARED_TYPES, Storage
from atlas.lab.formats import split_list
from atlas.lab.sections import change, check_digest, digest, settings

_COMMON = {"nodes", "disable", "content", "bwlimit"}
_FILES = {
    "format", "mkdir", "create-base-path", "create-subdirs", "preallocation", "prune-backups", "max-protected-backups",
    "content-dirs", "maxfiles", "snapshot-as-volume-chain",
}  # fmt: skip
# What each type takes beside _COMMON; a leading ! marks what it cannot be without. Source: the plugins of pve-storage.
_TYPES: dict[str, set[str]] = {
    "dir": {"!path", "shared", "is_mountpoint", *_FILES},
    "btrfs": {"!path", "shared", "is_mountpoint", "nocow", *_FILES},
    "nfs": {"!server", "!export", "path", "options", *_FILES},
    "cifs": {"!server", "!share", "path", "subdir", "username", "password", "domain", "smbversion", "options", *_FILES},
    "cephfs": {"path", "monhost", "subdir", "username", "fuse", "options", "fs-name", "keyring", *_FILES},
    "lvm": {
        "!vgname", "base", "shared", "saferemove", "saferemove-stepsize", "saferemove_throughput", "tagged_only",
        "snapshot-as-volume-chain",
    },
    "lvmthin": {"!vgname", "!thinpool"},
    "zfspool": {"!pool", "blocksize", "sparse", "mountpoint"},
    "zfs": {
        "!portal", "!target", "!pool", "!blocksize", "!iscsiprovider", "nowritecache", "sparse", "comstar_hg",
        "comstar_tg", "lio_tpg", "zfs-base-path",
    },
    "rbd": {"monhost", "pool", "data-pool", "namespace", "username", "krbd", "keyring", "authsupported"},
    "pbs": {
        "!server", "!datastore", "namespace", "port", "username", "password", "encryption-key", "master-pubkey",
        "prune-backups", "max-protected-backups", "fingerprint", "skip-cert-verification",
    },
    "iscsi": {"!portal", "!target"},
    "iscsidirect": {"!portal", "!target"},
    "esxi": {"!server", "!username", "!password", "skip-cert-verification"},
}  # fmt: skip
_ANY = "backup,images,import,iso,none,rootdir,snippets,vztmpl"
_NO_IMAGES = "backup,import,iso,snippets,vztmpl"
# What each type may hold, and what it holds where nobody says.
_CONTENT = {
    "dir": (_ANY, "images,rootdir"),
    "btrfs": (_ANY, "images,rootdir"),
    "nfs": (_ANY.replace("none,", ""), "images"),
    "cifs": (_ANY.replace("none,", ""), "images"),
    "cephfs": (_NO_IMAGES, "backup"),
    "lvm": ("images,rootdir", "images"),
    "lvmthin": ("images,rootdir", "images,rootdir"),
    "zfspool": ("images,rootdir", "images,rootdir"),
    "zfs": ("images", "images"),
    "rbd": ("images,rootdir", "images"),
    "pbs": ("backup,none", "backup"),
    "iscsi": ("images,none", "images"),
    "iscsidirect": ("images,none", "images"),
    "esxi": ("import", "import"),
}
_FIXED = {
    "nfs": {"server"},
    "cifs": {"server", "share"},
    "pbs": {"server", "datastore"},
    "zfspool": {"pool"},
    "zfs": {"pool", "blocksize"},
}
_SAYS_SHARED = SHARED_TYPES - {"esxi"}
_SECRETS = {"password", "encryption-key", "keyring", "master-pubkey"}


def _required(kind: str) -> set[str]:
    return {name[1:] for name in _TYPES[kind] if name.startswith("!")}


def _known(kind: str) -> set[str]:
    return {name.removeprefix("!") for name in _TYPES[kind]} | _COMMON


def _normal(kind: str, options: dict[str, Any], doing: str = "") -> dict[str, Any]:
    if "content" in options:
        valid = set(_CONTENT[kind][0].split(","))
        found = valid & set(split_list(options["content"]))  # what it cannot hold is left out without a word
        if "none" in found and len(found) > 1:
            raise PVEError(500, f"{doing}unable to combine 'none' with other content types")
        if not found and "none" not in valid:
            raise PVEError(500, f"{doing}storage does not support content type 'none'")
        options["content"] = ",".join(sorted(found)) or "none"
    if not options.get("disable"):
        options.pop("disable", None)
    return options


def _shown(storage: Storage) -> dict[str, Any]:
    shown = {"storage": storage.id, "type": storage.type, **storage.options}
    if "content-dirs" in shown:
        shown["content-dirs"] = dict(part.split("=", 1) for part in split_list(shown["content-dirs"]))
    return shown


def _told(storage: Storage) -> dict[str, Any]:
    """Return what a call that makes or changes a storage answers."""
    told = {"storage": storage.id, "type": storage.type}
    return {**told, "config": {}} if storage.type == "pbs" else told


def _digest(call: Call) -> str:
    return digest({name: _shown(storage) for name, storage in call.lab.storages.items()})


def _sees(call: Call, name: str) -> bool:
    return call.may(f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace", any=True)


@api("GET", "/storage")
def storages(call: Call) -> list[dict[str, Any]]:
    """List the storages that the caller may see."""
    kind, sum_ = call.params.get("type"), _digest(call)
    return [
        {**_shown(storage), "digest": sum_}
        for name, storage in call.lab.storages.items()
        if kind in (None, storage.type) and _sees(call, name)
    ]


@api("GET", "/storage/{storage}")
def read_storage(call: Call) -> dict[str, Any]:
    """Return a storage's definition."""
    return {**_shown(call.lab.storage(call.params["storage"])), "digest": _digest(call)}


@api("POST", "/storage")
def create_storage(call: Call) -> dict[str, Any]:
    """Define a storage; what lay on one of that name is there again."""
    name, kind = call.params["storage"], call.params["type"]
    options = settings(call.params, "storage", "type")
    for key in sorted(_required(kind)):
        if key not in options:
            raise PVEError(500, f"missing value for required option '{key}'")
    for key in options:
        if key not in _known(kind):
            raise PVEError(500, f"unexpected property '{key}'")
    if name in call.lab.storages:
        raise PVEError(500, f"create storage failed: storage ID '{name}' already defined")
    options.setdefault("content", _CONTENT[kind][1])
    if kind == "zfs":
        options.setdefault("zfs-base-path", "/dev/zvol/rdsk" if options["iscsiprovider"] == "comstar" else "/dev/zvol")
    if kind in ("nfs", "cifs", "cephfs"):
        options.setdefault("path", f"/mnt/pve/{name}")
    if kind in _SAYS_SHARED:
        options["shared"] = 1
    kept = _normal(kind, {k: v for k, v in options.items() if k not in _SECRETS})
    storage = call.lab.storages[name] = Storage(name, kind, kept)
    return _told(storage)


@api("PUT", "/storage/{storage}")
def update_storage(call: Call) -> dict[str, Any]:
    """Change a storage's definition."""
    doing, params = "update storage failed: ", call.params
    name = params["storage"]
    if name not in call.lab.storages:
        raise PVEError(500, f"{doing}storage '{name}' does not exist")
    storage = call.lab.storages[name]
    check_digest(params, _digest(call), doing)
    for key in split_list(params.get("delete", "")):
        if key in _required(storage.type):
            raise PVEError(500, f"{doing}unable to delete required option '{key}'")
        if key not in _known(storage.type):
            raise PVEError(500, f"{doing}no such option '{key}'")
        if key in params:
            raise PVEError(500, f"{doing}cannot set and delete property '{key}' at the same time!")
    for key in settings(params, "storage", doing=doing):
        if key not in _known(storage.type):
            raise PVEError(500, f"{doing}unexpected property '{key}'")
        if key in _FIXED.get(storage.type, ()) and str(params[key]) != str(storage.options.get(key)):
            raise PVEError(500, f"{doing}can't change value of fixed parameter '{key}'")
    options = dict(storage.options)
    change(options, {k: v for k, v in params.items() if k not in _SECRETS}, "storage")
    storage.options = _normal(storage.type, options, doing)
    return _told(storage)


@api("DELETE", "/storage/{storage}")
def delete_storage(call: Call) -> None:
    """Forget a storage's definition; what lies on it stays."""
    name = call.params["storage"]
    if name not in call.lab.storages:
        raise PVEError(500, f"delete storage failed: storage '{name}' does not exist")
    if any(str(other.options.get("base", "")).startswith(f"{name}:") for other in call.lab.storages.values()):
        raise PVEError(
            500, f"delete storage failed: can't remove storage - storage '{name}' is used as base of another storage"
        )
    del call.lab.storages[name]
