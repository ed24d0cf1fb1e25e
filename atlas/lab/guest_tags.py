"""Tags of guests: their normal form, and who may set which, as the datacenter's options say."""

from __future__ import annotations

import re
from collections import Counter

from atlas.lab.call import Call, Forbidden
from atlas.lab.guest_config import split_list, truth
from atlas.lab.guest_devices import split
from atlas.lab.guests import need_vm
from atlas.lab.world import Lab

MAC_PREFIX = "BC:24:11"


def mac_prefix(lab: Lab) -> str:
    """Give the beginning of the MAC addresses that are made up."""
    return str(lab.options("datacenter").get("mac_prefix") or MAC_PREFIX)


def normal_tags(lab: Lab, text: object) -> str:
    """Put tags in their normal form: each once, lower case and sorted unless the tag style says otherwise."""
    style = split(str(lab.options("datacenter").get("tag-style") or ""))
    tags = split_list(text)
    if style.get("ordering") != "config":
        tags.sort(key=str if truth(style.get("case-sensitive")) else str.lower)
    if not truth(style.get("case-sensitive")):
        tags = [tag.lower() for tag in tags]
    return ";".join(dict.fromkeys(tags))


def allowed_tags(call: Call, *, privileged: bool) -> tuple[set[str], set[str], bool]:
    """Tell which tags the caller may set, which are for the privileged, and whether any other will do.

    Args:
        call: The call.
        privileged: Whether the caller may modify the datacenter.
    """
    options = call.lab.options("datacenter")
    registered = set(split_list(options.get("registered-tags")))
    access = split(str(options.get("user-tag-access") or ""))
    mode = access.get("user-allow", "free")
    allowed = (
        set() if mode == "none" and not privileged else set(re.split(r";", access.get("user-allow-list", ""))) - {""}
    )
    if mode in {"free", "existing"} or privileged:
        for guest in call.lab.guests.values():
            if privileged or call.may(f"/vms/{guest.vmid}", "VM.Audit"):
                allowed |= set(split_list(guest.config.get("tags")))
    return allowed | registered if privileged else allowed - registered, registered, mode == "free"


def check_tags(call: Call, vmid: int, old: object, new: object) -> None:
    """Refuse a change of tags that the caller may not make.

    Args:
        call: the call.
        vmid: the guest.
        old: its tags so far.
        new: its tags from then on.

    Raises:
        PVEError: 403 with the tag's name.
    """
    if call.is_root:
        return
    need_vm(call, vmid, None, "VM.Config.Options")
    if call.may("/", "Sys.Modify"):
        return
    before, after = Counter(split_list(old)), Counter(split_list(new))
    allowed, privileged, free = allowed_tags(call, privileged=False)
    for tag in sorted(before | after):
        if before[tag] != after[tag] and (tag in privileged or not (free or tag in allowed)):
            raise Forbidden(f"/, Sys.Modify for modifying tag '{tag}'")
