"""What cannot be in a draft: values out of range, two guests with one address, things that a kind of guest lacks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from atlas.language.draft import Draft, DraftGuest, Finding, label
from atlas.units import GIB

_VM_ONLY = {
    "efi": "UEFI",
    "tpm": "a TPM",
    "secure_boot": "secure boot",
    "machine": "a machine type",
    "balloon": "ballooning",
    "gpu": "a passed-through GPU",
    "numa": "NUMA",
    "agent": "a guest agent",
}
_CONTAINER_ONLY = {
    "mounts": "mount points",
    "unprivileged": "privileges of its own",
    "swap": "swap of its own",
    "features": "container features",
}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def findings(draft: Draft) -> list[Finding]:
    """Return everything in the draft that cannot be, each with what to do."""
    found = [Finding(kind="error", code=code, text=text) for code, text in _all(draft)]
    return list({(f.code, f.text): f for f in found}.values())


def _all(draft: Draft) -> Iterator[tuple[str, str]]:
    for guest in draft.guests:
        yield from _sizes(guest)
        yield from _networks(guest)
        yield from _kind(guest)
    yield from _unique(draft)
    yield from _placement(draft)


def _sizes(guest: DraftGuest) -> Iterator[tuple[str, str]]:
    fields, who = guest.fields, label(guest)
    for name in (guest.name, guest.prefix):
        if name is not None and not _NAME.fullmatch(name):
            yield "invalid_name", f"{name!r} is no name for a guest: letters, digits and hyphens, at most 63"
    cpu = fields.get("cpu", {})
    for part in ("cores", "sockets"):
        value = cpu.get(part)
        top = 128 if part == "cores" else 4
        if value is not None and (value != int(value) or not 1 <= value <= top):
            yield "invalid_cores", f"{who} cannot have {value:g} {part}: 1 to {top}, whole ones"
    memory = fields.get("memory")
    if memory is not None and not 16 <= memory <= 4 * GIB * GIB:
        yield "invalid_memory", f"{who} cannot have {memory:g} MiB of memory: 16 MiB to 4 TiB"
    for disk in fields.get("disks", []):
        size = disk.get("size")
        if size is not None and not 0 < size <= 128 * GIB * GIB:
            yield "invalid_disk", f"{who} cannot have a disk of {size / GIB:g} GiB: above 0, at most 128 TiB"
    vmid = fields.get("vmid")
    if vmid is not None and vmid < 100:
        yield "invalid_vmid", f"VMID {vmid} is reserved: they begin at 100"
    for port in fields.get("open_ports", []):
        number = int(re.match(r"-?\d+", str(port)).group())  # type: ignore[union-attr]  # ports are made of numbers
        if not 1 <= number <= 65535:
            yield "invalid_port", f"port {number} does not exist: 1 to 65535"
    for check in fields.get("checks", []):
        number = check.get("port", check.get("http", {}).get("port", 80)) if isinstance(check, dict) else 80
        if not 1 <= number <= 65535:
            yield "invalid_port", f"port {number} does not exist: 1 to 65535"


def _networks(guest: DraftGuest) -> Iterator[tuple[str, str]]:
    who = label(guest)
    if wrong := guest.fields.get("invalid_ip"):
        yield "invalid_ip", f"{wrong} is no address"
    for network in guest.fields.get("networks", []):
        vlan = network.get("vlan")
        if vlan is not None and not 1 <= vlan <= 4094:
            yield "invalid_vlan", f"VLAN {vlan} does not exist: 1 to 4094"
        address, gateway = str(network.get("address", "auto")), network.get("gateway")
        if address in {"auto", "dhcp"}:
            continue
        try:
            inside = ip_interface(address)
        except ValueError:
            yield "invalid_ip", f"{address} is no address for {who}"
            continue
        net = inside.network
        if (
            "/" in address
            and net.prefixlen < net.max_prefixlen - 1
            and inside.ip in {net.network_address, net.broadcast_address}
        ):
            yield "invalid_ip", f"{inside.ip} is not a host's address in {net}"
        subnet = guest.fields.get("subnet")
        if subnet and inside.ip not in ip_network(subnet, strict=False):
            yield "ip_outside_subnet", f"{inside.ip} of {who} is not in {subnet}"
        yield from _gateway(gateway, address, subnet)


def _gateway(gateway: Any, address: str, subnet: str | None) -> Iterator[tuple[str, str]]:
    if not gateway:
        return
    text = str(gateway)
    if text.startswith("."):
        text = address.partition("/")[0].rpartition(".")[0] + text
    try:
        ip = ip_address(text)
    except ValueError:
        yield "invalid_ip", f"{gateway} is no address for a gateway"
        return
    own = ip_interface(address)
    if ip == own.ip:
        yield "duplicate_ip", f"{ip} is said for a guest and for a gateway"
    elif ip not in ip_network(subnet, strict=False) if subnet else "/" in address and ip not in own.network:
        yield "gateway_outside_subnet", f"the gateway {ip} is not in {subnet or own.network}"


def _kind(guest: DraftGuest) -> Iterator[tuple[str, str]]:
    who, fields = label(guest), guest.fields
    container = fields.get("kind") == "container"
    for field, words in (_VM_ONLY if container else {}).items():
        if fields.get(field):
            yield "unsupported_feature", f"{who} is a container, and a container cannot have {words}"
    if container and str(fields.get("image", "")).startswith(("windows", "freebsd")):
        yield "unsupported_feature", f"{who} is a container, and a container cannot run {fields['image']}"
    if container and (fields.get("cpu", {}).get("type") or fields.get("cpu", {}).get("sockets")):
        yield "unsupported_feature", f"{who} is a container, and a container has no CPU type and no sockets"
    for field, words in ({} if container else _CONTAINER_ONLY).items():
        if fields.get(field) is not None and fields[field] != []:
            yield "unsupported_feature", f"{who} is a VM, and only containers have {words}"


def _unique(draft: Draft) -> Iterator[tuple[str, str]]:
    addresses = [
        str(n.get("address", "")).partition("/")[0] for g in draft.guests for n in g.fields.get("networks", [])
    ]
    gateways = {str(n["gateway"]) for g in draft.guests for n in g.fields.get("networks", []) if n.get("gateway")}
    for address, count in Counter(a for a in addresses if a not in {"", "auto", "dhcp"}).items():
        if count > 1:
            yield "duplicate_ip", f"{address} is said for {count} guests; each needs its own"
        if address in gateways:
            yield "duplicate_ip", f"{address} is said for a guest and for a gateway"
    for name, count in Counter(g.name.lower() for g in draft.guests if g.name).items():
        if count > 1:
            yield "duplicate_name", f"{count} guests are called {name}; names tell guests apart"
    for vmid, count in Counter(g.fields["vmid"] for g in draft.guests if "vmid" in g.fields).items():
        if count > 1:
            yield "duplicate_vmid", f"VMID {vmid} is said for {count} guests"


def _placement(draft: Draft) -> Iterator[tuple[str, str]]:
    apart = [g for g in draft.guests if g.fields.get("keep_apart") and g.fields.get("node")]
    for node, count in Counter(g.fields["node"] for g in apart).items():
        if count > 1:
            yield "placement_conflict", f"{count} guests that must not share a node are all put on {node}"
    for guest in draft.guests:
        if guest.fields.get("spread") and guest.fields.get("node") and len(draft.guests) > 1:
            node = guest.fields["node"]
            same = [g for g in draft.guests if g.fields.get("spread") and g.fields.get("node") == node]
            if len(same) > 1:
                yield "placement_conflict", f"guests that are to be spread are all put on {node}"
