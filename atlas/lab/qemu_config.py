"""The calls that change a VM's config: `PUT config` within the call, `POST config` as a task, and `unlink`."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import volume_ids
from atlas.lab.call import Call, api
from atlas.lab.guest_config import split_list
from atlas.lab.guest_devices import parse_net, print_net
from atlas.lab.guest_tags import mac_prefix
from atlas.lab.guests import fault, refuse, root_only
from atlas.lab.qemu_drives import check_rights, check_syntax
from atlas.lab.qemu_options import check_bridges, check_options, check_ssh_keys, known_option
from atlas.lab.qemu_update import Update
from atlas.lab.table import load as load_table

VM = "/nodes/{node}/qemu/{vmid}"
_NOT_OPTIONS = {
    *("node", "vmid", "digest", "background_delay", "skip_cloud_init", "import-working-storage", "skiplock"),
    *("delete", "revert", "force"),
}


def _names(call: Call, what: str) -> list[str]:
    return ["ide2" if name == "cdrom" else name for name in split_list(call.params.get(what))]


def _prepare(call: Call) -> Update:
    """Check a change as far as its parameters tell, before the VM is looked at."""
    root_only(call, "skiplock")
    params = call.params
    options = {key: value for key, value in params.items() if key not in _NOT_OPTIONS}
    if params.get("sshkeys") is not None:
        check_ssh_keys(params["sshkeys"])
    if "cpuunits" in options:
        options["cpuunits"] = min(max(int(options["cpuunits"]), 1), 10000)
    delete, revert = _names(call, "delete"), _names(call, "revert")
    if not delete and not revert and not options:
        raise refuse("no options specified")
    if "cdrom" in options:
        options["ide2"] = f"{options.pop('cdrom')},media=cdrom"
    known = set(_table_options())
    for key in revert:
        if not known_option(key, known):
            raise fault(revert=f"unknown option '{key}'")
        if key in options:
            raise fault(delete=f"you can't use '-{key}' and -revert {key}' at the same time")
    for key in delete:
        if key in options:
            raise fault(delete=f"you can't use '-{key}' and -delete {key}' at the same time")
        if key in revert:
            raise fault(revert=f"you can't use '-delete {key}' and -revert {key}' at the same time")
        if not known_option(key, known):
            raise fault(delete=f"unknown option '{key}'")
    check_syntax(call, options)
    for key in [key for key in options if re.fullmatch(r"net\d+", key)]:
        options[key] = print_net(parse_net(str(options[key])), mac_prefix(call.lab))
    _check_hookscript(call, options)
    vmid = int(params["vmid"])
    check_options(call, vmid, None, [*delete, *options])
    check_rights(call, vmid, options)
    check_bridges(call, options)
    skiplock, force = bool(params.get("skiplock")), bool(params.get("force"))
    return Update(call, options, delete, revert, params.get("digest"), force, skiplock)


def _table_options() -> list[str]:
    method = load_table().method("PUT", f"{VM}/config")
    return [key for key in method.parameters if key not in _NOT_OPTIONS] if method else []


def _check_hookscript(call: Call, options: dict[str, Any]) -> None:
    volid = options.get("hookscript")
    if volid is None:
        return
    if volume_ids.parse(call.lab, str(volid))[1].vtype != "snippets":
        raise fault(hookscript=f"'{volid}' is not in the snippets directory\n")
    if call.lab.volume(str(volid), str(call.params["node"])) is None:
        raise fault(hookscript=f"script '{volid}' does not exist\n")


@api("PUT", f"{VM}/config")
async def update(call: Call) -> object:
    """Change a VM's config within the call."""
    change = _prepare(call)
    change.guest()
    await change.run()
    return None


@api("POST", f"{VM}/config")
async def update_in_task(call: Call) -> object:
    """Change a VM's config in a task; with `background_delay`, wait so long for its end first."""
    change = _prepare(call)
    change.guest()
    upid = call.task("qmconfig", change.vmid, change.run)
    if call.params.get("background_delay"):
        ended = await call.lab.tasks.wait(upid)
        if ended.exitstatus and ended.exitstatus != "OK" and not ended.exitstatus.startswith("WARNINGS"):
            raise refuse(f"failed to update VM {change.vmid}: {ended.exitstatus}")
        return None
    return upid


@api("PUT", f"{VM}/unlink")
async def unlink(call: Call) -> object:
    """Detach drives, or free those that are detached already."""
    call.params["delete"] = call.params.pop("idlist")
    change = _prepare(call)
    change.guest()
    await change.run()
    return None
