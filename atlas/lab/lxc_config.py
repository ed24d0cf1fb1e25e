"""What containers look like from outside, and changing their config."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import guest_config, lxc_pending, volume_ids
from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Guest
from atlas.lab.guest_config import add_delete, clean_pending, drop_delete, split_list, truth
from atlas.lab.guest_devices import MOUNTS, mount_type, mounts, parse_mount
from atlas.lab.guests import (
    assert_unmodified,
    check_lock,
    check_protection,
    digest,
    fault,
    flock,
    read_config,
    refuse,
    snapshot_of,
    this_guest,
)
from atlas.lab.lxc_bridges import check_bridges
from atlas.lab.lxc_options import Checker, check_content, kept
from atlas.lab.qemu_status import ha_status
from atlas.lab.table import load as load_table
from atlas.lab.volumes import parse_size
from atlas.lab.world import Lab

CT = "/nodes/{node}/lxc/{vmid}"
MIB = 1024**2
_NOT_OPTIONS = {"node", "vmid", "digest", "delete", "revert"}


def ct_status(lab: Lab, guest: Guest) -> dict[str, Any]:
    """Describe a container as lists and `status/current` do."""
    config = guest.config
    size = parse_mount(str(config.get("rootfs", ""))).get("size", "4G")
    shown: dict[str, Any] = {
        "vmid": guest.vmid,
        "type": "lxc",
        "status": guest.status,
        "name": str(config.get("hostname") or f"CT{guest.vmid}"),
        "cpus": config.get("cores") or config.get("cpulimit") or lab.nodes[guest.node].cores,
        "maxmem": int(config.get("memory") or 512) * MIB,
        "maxswap": int(config.get("swap") or 0) * MIB,
        "maxdisk": parse_size(size),
        **dict.fromkeys(("cpu", "disk", "mem", "swap", "netin", "netout", "diskread", "diskwrite", "uptime"), 0),
    }
    shown |= {key: config[key] for key in ("lock", "tags") if key in config}
    if truth(config.get("template")):
        shown["template"] = 1
    if guest.status == "running":
        shown |= {"pid": guest.pid, "uptime": int(lab.clock.now() - (guest.started_at or lab.clock.now()))}
        shown |= {"mem": shown["maxmem"] // 8, "cpu": 0.01, "disk": shown["maxdisk"] // 8}
        for what in ("cpu", "io", "memory"):
            shown |= {f"pressure{what}some": "0.00", f"pressure{what}full": "0.00"}
    return shown


@api("GET", "/nodes/{node}/lxc")
def list_containers(call: Call) -> object:
    """List the containers of a node that the caller may see."""
    mine = [g for g in call.lab.guests.values() if g.kind == "lxc" and g.node == call.params["node"]]
    return [ct_status(call.lab, g) for g in mine if call.may(f"/vms/{g.vmid}", "VM.Audit")]


@api("GET", CT)
def index(call: Call) -> object:
    """List what there is below a container."""
    this_guest(call)
    names = "config pending status vncproxy termproxy vncwebsocket spiceproxy migrate clone rrd rrddata firewall"
    return [{"subdir": name} for name in f"{names} snapshot resize interfaces".split()]


@api("GET", f"{CT}/status")
def status_index(call: Call) -> object:
    """List the commands below `status`."""
    this_guest(call)
    return [{"subdir": n} for n in ("current", "start", "stop", "shutdown", "reboot", "migrate")]


@api("GET", f"{CT}/status/current")
def current(call: Call) -> object:
    """Tell how a container is now."""
    guest = this_guest(call)
    return {**ct_status(call.lab, guest), "ha": ha_status(call.lab, f"ct:{guest.vmid}")}


@api("GET", f"{CT}/config")
def config(call: Call) -> object:
    """Give a container's config with what is pending, as it is now, or as a snapshot has it."""
    guest, shown = read_config(call)
    return {**{key: value for key, value in shown.items() if value != ""}, "digest": digest(guest)}


@api("GET", f"{CT}/pending")
def pending(call: Call) -> object:
    """List a container's options with current and pending values."""
    guest = this_guest(call)
    return guest_config.pending_list({**guest.config, "digest": digest(guest)}, guest.pending)


@api("GET", f"{CT}/feature")
def feature(call: Call) -> object:
    """Tell whether a container can be snapshotted, cloned or copied."""
    guest = this_guest(call)
    section, snapshot = guest.config, call.params.get("snapname")
    if snapshot:
        section = snapshot_of(guest, snapshot)
    name = str(call.params["feature"])
    volids = [m["volume"] for _, m in mounts(section) if mount_type(m.get("volume", "")) == "volume"]
    able = all(volume_ids.able(call.lab, name, v, snapshot=bool(snapshot), container=True) for v in volids)
    return {"hasFeature": int(able)}


def _check_names(known: set[str], options: dict[str, Any], delete: list[str], revert: list[str]) -> None:
    for key in revert:
        if not _known(key, known):
            raise fault(revert=f"unknown option '{key}'")
        if key in options:
            raise fault(revert=f"you can't use '-{key}' and '-revert {key}' at the same time")
    for key in delete:
        if not _known(key, known):
            raise fault(delete=f"unknown option '{key}'")
        if key in options:
            raise fault(delete=f"you can't use '-{key}' and -delete {key}' at the same time")
        if key in revert:
            raise fault(delete=f"you can't use '-delete {key}' and '-revert {key}' at the same time")


def _known(key: str, table: set[str]) -> bool:
    return key in table or key in {"parent", "snaptime", "template"} or re.sub(r"\d+$", "[n]", key) in table


def _enter(call: Call, guest: Guest, options: dict[str, Any], delete: list[str], revert: list[str]) -> set[str]:
    """Enter a change as pending and return the options that it is about."""
    modified: set[str] = set()
    for key in revert:
        guest.pending.pop(key, None)
        drop_delete(guest.pending, key)
    for key in delete:
        if key not in guest.config and key not in guest.pending:
            continue
        modified.add(key)
        if key in {"memory", "rootfs", "ostype"}:
            raise refuse(f"unable to delete required option '{key}'")
        if re.fullmatch(r"(unused|mp)\d+", key):
            check_protection(guest, f"can't remove CT {guest.vmid} drive '{key}'")
        if key == "unprivileged":
            raise refuse(f"unable to delete read-only option: '{key}'")
        add_delete(guest.pending, key)
    for key in sorted(options):
        modified.add(key)
        if key in MOUNTS:
            check_protection(guest, f"can't update CT {guest.vmid} drive '{key}'")
            check_content(call, parse_mount(str(options[key])))
        if key == "unprivileged":
            raise refuse(f"unable to modify read-only option: '{key}'")
        guest.pending[key] = str(options[key]) if key in MOUNTS else kept(call.lab, key, options[key])
        drop_delete(guest.pending, key)
    clean_pending(guest.config, guest.pending)
    return modified


@api("PUT", f"{CT}/config")
async def update(call: Call) -> object:
    """Change a container's config."""
    params = call.params
    options = {key: value for key, value in params.items() if key not in _NOT_OPTIONS}
    delete, revert = split_list(params.get("delete")), split_list(params.get("revert"))
    if not options and not params.get("delete") and not params.get("revert"):
        raise refuse("no options specified")
    if "cpuunits" in options:
        options["cpuunits"] = min(max(int(options["cpuunits"]), 1), 10000)
    method = load_table().method("PUT", f"{CT}/config")
    known = {key for key in method.parameters if key not in _NOT_OPTIONS} if method else set()
    vmid = int(params["vmid"])
    async with flock(call.lab, vmid, "lxc"):
        guest = this_guest(call)
        check_lock(guest)
        assert_unmodified(guest, params.get("digest"))
        checker = Checker(call, vmid, None, guest.config, unprivileged=truth(guest.config.get("unprivileged")))
        checker.check({}, [*delete, *revert])
        _check_names(known, options, delete, revert)
        checker.check(options)
        before = dict(guest.config), dict(guest.pending)
        try:
            await _apply(call, guest, _enter(call, guest, options, delete, revert))
        except PVEError:
            guest.config, guest.pending = before
            raise
        check_bridges(call.lab, guest)
    return None


async def _apply(call: Call, guest: Guest, modified: set[str]) -> None:
    if guest.status == "running":
        errors = await lxc_pending.apply_running(call.lab, guest, modified)
    else:
        errors = await lxc_pending.apply_stopped(call.lab, guest)
    if errors:
        raise PVEError(400, errors=errors)
