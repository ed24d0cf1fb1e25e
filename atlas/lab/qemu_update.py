"""One change of a VM's config, carried out option by option: what is set, deleted and reverted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from atlas.lab import qemu_pending, volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import Call, PVEError
from atlas.lab.entities import Guest
from atlas.lab.guest_config import add_delete, clean_pending, drop_delete
from atlas.lab.guest_devices import DRIVES, boot_order, is_cdrom, parse_drive, parse_net, print_boot
from atlas.lab.guest_tags import check_tags, normal_tags
from atlas.lab.guests import check_digest, check_lock, check_protection, flock, load, need_vm, refuse
from atlas.lab.qemu_drives import Creation
from atlas.lab.qemu_options import (
    check_balloon,
    check_boot,
    check_device,
    check_machine,
    check_vga,
    hashed,
    kept,
    pinned_machine,
)
from atlas.lab.qemu_rules import drive_privileges
from atlas.lab.tasks import Task
from atlas.lab.volume_access import check_bridge


@dataclass
class Update:
    """One change of a VM's config.

    Args:
        call: the call, whose rights count.
        options: what is set, in normal form.
        delete: keys that go.
        revert: keys whose pending change goes.
        digest: of the config that the caller knows.
        force: free the volumes of deleted drives.
        skiplock: do not mind a lock of the config.
    """

    call: Call
    options: dict[str, Any]
    delete: list[str] = field(default_factory=list)
    revert: list[str] = field(default_factory=list)
    digest: object = None
    force: bool = False
    skiplock: bool = False
    modified: set[str] = field(default_factory=set)
    order: list[str] = field(default_factory=list)

    @property
    def vmid(self) -> int:
        """The VM."""
        return int(self.call.params["vmid"])

    def summary(self) -> str:
        """Write the change as the task's log shows it."""
        shown = {**self.options, **{k: self.call.params[k] for k in ("delete", "revert") if self.call.params.get(k)}}
        pairs = (f"-{key} {'<hidden>' if key == 'cipassword' else shown[key]}" for key in sorted(shown))
        return f"update VM {self.vmid}: " + " ".join(pairs)

    def guest(self) -> Guest:
        """Find the VM and refuse what its state rules out."""
        guest = load(self.call.lab, str(self.call.params["node"]), self.vmid, "qemu")
        check_digest(guest, self.digest)
        if not self.skiplock:
            check_lock(guest, "suspended" if "vmstate" in self.delete else None)
        check_balloon(self.options, guest.config, guest.pending)
        return guest

    async def run(self, task: Task | None = None) -> None:
        """Carry the change out, option by option: what fails does not undo what went before."""
        async with flock(self.call.lab, self.vmid, "qemu"):
            guest = self.guest()
            if task is not None:
                task.log(self.summary())
            for key in self.revert:
                self._revert(guest, key)
            self.order = boot_order(guest.config)
            for key in self.delete:
                await self._delete(guest, key)
            for key in sorted(self.options):
                await self._set(guest, key, self.options[key])
            clean_pending(guest.config, guest.pending)
            if not guest.pending:
                return
            if guest.status == "running":
                errors = await qemu_pending.apply_running(self.call.lab, guest, self.modified)
            else:
                errors = await qemu_pending.apply_stopped(self.call.lab, guest)
            if errors:
                raise PVEError(400, errors=errors)

    def _revert(self, guest: Guest, key: str) -> None:
        guest.pending.pop(key, None)
        if key in guest.config:
            drop_delete(guest.pending, key)

    async def _delete(self, guest: Guest, key: str) -> None:
        waiting = key in guest.pending
        value = guest.config.get(key, guest.pending.get(key))
        if value is None:
            return
        self.modified.add(key)
        text = str(value)
        if re.fullmatch(r"unused\d+|vmstate", key):
            await self._free(guest, key, text)
            return
        if key in DRIVES:
            check_protection(guest, f"can't remove drive '{key}'")
            self._need_drive(text)
            if waiting:
                await qemu_pending.put_aside(self.call.lab, guest, text)
        elif key == "tags":
            check_tags(self.call, self.vmid, text, "")
        elif re.fullmatch(r"net\d+", key):
            check_bridge(self.call, parse_net(text))
        check_device(self.call, self.vmid, None, key, text, "delete")
        if key in self.order:
            self.order = [slot for slot in self.order if slot != key]
            guest.pending["boot"] = print_boot(self.order) or " "
            self.modified.add("boot")
        add_delete(guest.pending, key, force=self.force)

    async def _free(self, guest: Guest, key: str, text: str) -> None:
        """Free a volume that nothing is attached to."""
        volid = parse_drive(text).get("file", text)
        what = f"vmstate '{volid}'" if key == "vmstate" else f"unused disk '{volid}'"
        check_protection(guest, f"can't remove {what}")
        need_vm(self.call, self.vmid, None, "VM.Config.Disk")
        lab = self.call.lab
        if volume_ids.owner(lab, volid) == guest.vmid:
            self.call.need(f"/storage/{volid.partition(':')[0]}", "Datastore.AllocateSpace")
            if qemu_pending.in_use(guest, key, volid):
                raise refuse(f"unable to delete '{volid}' - volume is still in use (snapshot?)")
            await store.free(lab, guest.node, volid)
        guest.config.pop(key, None)

    def _need_drive(self, text: str) -> None:
        need_vm(self.call, self.vmid, None, *drive_privileges(text))

    async def _set(self, guest: Guest, key: str, value: Any) -> None:
        self.modified.add(key)
        if key == "cipassword":
            guest.config[key] = hashed(str(value))
            drop_delete(guest.pending, key)
            return
        if key in DRIVES:
            await self._set_drive(guest, key, str(value))
        else:
            self._check_value(guest, key, str(value))
            guest.pending[key] = normal_tags(self.call.lab, value) or " " if key == "tags" else kept(key, value)
            if key == "ostype" and "machine" not in self.options:
                machine = pinned_machine({**guest.config, "ostype": value})
                if machine:
                    guest.pending["machine"] = machine
                    self.modified.add("machine")
        drop_delete(guest.pending, key)

    def _check_value(self, guest: Guest, key: str, text: str) -> None:
        old = guest.config.get(key)
        if re.fullmatch(r"(serial|usb|hostpci|virtiofs|rng)\d+", key):
            if old is not None:
                check_device(self.call, self.vmid, None, key, str(old), "modify")
            check_device(self.call, self.vmid, None, key, text, "modify" if key.startswith("serial") else "set")
        elif key == "tags":
            check_tags(self.call, self.vmid, old, text)
        elif re.fullmatch(r"net\d+", key) and old is not None:
            check_bridge(self.call, parse_net(str(old)))
        elif key == "vga":
            check_vga(text)
        elif key == "machine":
            check_machine(text)
        elif key == "boot":
            order = boot_order({"boot": text})
            check_boot(self.call, order, [*guest.config, *guest.pending, *self.options], self.delete)
            if order and "bootdisk" in guest.config:
                add_delete(guest.pending, "bootdisk")

    async def _set_drive(self, guest: Guest, key: str, text: str) -> None:
        if key in guest.config:
            self._need_drive(str(guest.config[key]))
        self._need_drive(text)
        lab = self.call.lab
        waiting = guest.pending.get(key)
        if waiting is not None:
            await qemu_pending.put_aside(lab, guest, str(waiting))
        config = {**guest.config, **{k: v for k, v in guest.pending.items() if k != "delete"}}
        made = await Creation(lab, self.call, guest.node, guest.vmid, config).run({key: text})
        guest.pending.update(made)
        drive = parse_drive(made[key])
        if self.order and is_cdrom(drive, cloudinit_counts=False) and key not in self.order:
            self.order.append(key)
            guest.pending["boot"] = print_boot(self.order)
            self.modified.add("boot")
