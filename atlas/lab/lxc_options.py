"""Options of containers: who may set them, and the form in which they are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from atlas.lab.call import Call, Forbidden
from atlas.lab.formats import split_list
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import MOUNTS, mount_type, parse_mount, print_lxc_net, split
from atlas.lab.guest_tags import check_tags, mac_prefix, normal_tags
from atlas.lab.guests import fault, need_vm, refuse
from atlas.lab.qemu_options import FRACTIONS
from atlas.lab.volume_access import check_access, check_bridge
from atlas.lab.volumes import NEW_DISK
from atlas.lab.world import Lab

_PRIVILEGES = {
    **dict.fromkeys(("cores", "cpuunits", "cpulimit"), "VM.Config.CPU"),
    **dict.fromkeys(("memory", "swap"), "VM.Config.Memory"),
    **dict.fromkeys(("nameserver", "searchdomain", "hostname"), "VM.Config.Network"),
}
_OS_TYPES = re.compile(
    r"debian|devuan|ubuntu|centos|fedora|opensuse|archlinux|alpine|gentoo|nixos|rockylinux|almalinux", re.IGNORECASE
)
_FAMILIES = {"rockylinux": "centos", "almalinux": "centos"}

FAST = frozenset({"description", "onboot", "startup", "protection", "hostname", "hookscript", "cores", "tags", "lock"})
"""Options that a running container takes at once without more ado."""


def os_type(archive: str) -> str:
    """Guess the system from the name of a template archive."""
    found = _OS_TYPES.search(archive.rpartition("/")[2])
    name = found[0].lower() if found else "unmanaged"
    return _FAMILIES.get(name, name)


def kept(lab: Lab, key: str, value: Any) -> str | int:
    """Give a value the form in which the config file gives it back; a description ends with a line feed."""
    if key not in FRACTIONS and isinstance(value, bool | int):
        return int(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if key == "description":
        return text.rstrip("\n") + "\n" if text.strip("\n") else ""
    if key in ("nameserver", "searchdomain"):
        return " ".join(split_list(text))
    if key == "tags":
        return normal_tags(lab, text)
    if re.fullmatch(r"net\d+", key):
        return print_lxc_net(split(text), mac_prefix(lab))
    return text


def features(text: object) -> dict[str, str]:
    """Read the features option."""
    return split(str(text or ""))


class Checker:
    """The caller's right to set or delete options of a container.

    Args:
        call: the call.
        vmid: the container.
        pool: the pool that a new one goes to.
        old: the config that it has.
        unprivileged: whether it is unprivileged.
    """

    def __init__(self, call: Call, vmid: int, pool: str | None, old: Mapping[str, Any], *, unprivileged: bool) -> None:
        self.call, self.vmid, self.pool, self.old, self.unprivileged = call, vmid, pool, old, unprivileged

    def check(self, new: Mapping[str, Any], delete: Iterable[str] = ()) -> None:
        """Refuse what the caller may not do.

        Raises:
            PVEError: 403 with the privilege or a sentence.
        """
        if self.call.is_root:
            return
        for key in new:
            self._one(key, str(new[key]))
        for key in delete:
            self._one(key, None)

    def _need(self, *privileges: str) -> None:
        need_vm(self.call, self.vmid, self.pool, *privileges)

    def _one(self, key: str, text: str | None) -> None:
        if key in MOUNTS:
            self._need("VM.Config.Disk")
            if text is not None:
                self._mount(parse_mount(text))
        elif re.fullmatch(r"net\d+", key):
            self._need("VM.Config.Network")
            for value in (self.old.get(key), text):
                if value:
                    check_bridge(self.call, split(str(value)))
        elif re.fullmatch(r"dev\d+", key):
            raise Forbidden("configuring device passthrough is only allowed for root@pam")
        elif key == "hookscript":
            raise Forbidden("changing the hookscript is only allowed for root@pam")
        elif key == "features":
            self._features(text)
        elif key == "tags":
            check_tags(self.call, self.vmid, self.old.get("tags"), text)
        else:
            self._need(_PRIVILEGES.get(key, "VM.Config.Options"))

    def _mount(self, mount: Mapping[str, str]) -> None:
        volume = mount.get("volume", "")
        kind = mount_type(volume)
        if kind != "volume":
            raise Forbidden(f"mount point type {kind} is only allowed for root@pam")
        fresh = NEW_DISK.fullmatch(volume)
        if not fresh:
            check_access(self.call, self.vmid, volume, "rootdir")
        elif fresh[1]:
            self.call.need(f"/storage/{fresh[1]}", "Datastore.AllocateSpace")

    def _features(self, text: str | None) -> None:
        if not self.unprivileged:
            raise Forbidden("changing feature flags for privileged container is only allowed for root@pam")
        old, new = features(self.old.get("features")), features(text)
        changed = {
            key
            for key in {*old, *new}
            if truth(old.get(key)) != truth(new.get(key)) or old.get(key, "0") != new.get(key, "0")
        }
        if changed - {"nesting"}:
            raise Forbidden("changing feature flags (except nesting) is only allowed for root@pam")
        if changed:
            self._need("VM.Allocate")


def check_storage(call: Call, storage_id: str, node: str) -> None:
    """Refuse a storage that does not hold containers, or that the caller may not use."""
    if "rootdir" not in call.lab.storage(storage_id, node).content:
        raise fault(storage=f"storage '{storage_id}' does not support container directories")
    call.need(f"/storage/{storage_id}", "Datastore.AllocateSpace")


def check_content(call: Call, mount: Mapping[str, str]) -> None:
    """Refuse a mount point on a storage that does not hold containers."""
    volume = mount.get("volume", "")
    if mount_type(volume) != "volume":
        return
    storage_id = volume.partition(":")[0]
    if "rootdir" not in call.lab.storage(storage_id).content:
        raise refuse(f"storage '{storage_id}' does not allow content type 'rootdir' (Container)")
