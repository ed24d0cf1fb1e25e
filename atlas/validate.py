"""What a spec says against itself: duplicates, contradictions, and what cannot be acted on yet. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address

from atlas.diagnostics import Diagnostic, error, warning
from atlas.instances import Instance, instances
from atlas.spec import Guest, GuestDefaults, Stack, interface
from atlas.units import GIB, format_size
from atlas.versions import installs

_LATER = {
    "ha": "high availability",
    "gpu": "GPU passthrough",
    "open_ports": "firewall rules",
}
_VM_ONLY = ("balloon", "efi", "tpm", "machine", "clone", "template")
_CONTAINER_ONLY = ("swap", "mounts", "features", "unprivileged")


def validate(stack: Stack, site: GuestDefaults | None = None) -> list[Diagnostic]:
    """Return everything that is wrong with a spec by itself, without looking at a cluster."""
    wanted = instances(stack, site)
    found: list[Diagnostic] = []
    for number, guest in enumerate(stack.guests):
        path = f"guests[{number}]"
        first = next(i for i in wanted if i.path == path)
        for check in (_unsupported, _kind, _sizes, _network, _sense):
            found.extend(check(path, guest, first.guest))
        found.extend(installs(first)[1])
    found.extend(_twice(wanted))
    found.extend(_renames(stack, wanted))
    return found


def _unsupported(path: str, said: Guest, guest: Guest) -> Iterator[Diagnostic]:
    for field, what in _LATER.items():
        if getattr(guest, field):
            yield error(
                f"{path}.{field}",
                f"`{field}` cannot be acted on yet",
                detail=f"there is no support for {what} yet",
                hint=f"leave out `{field}`",
            )
    for i, network in enumerate(guest.networks):
        if network.firewall:
            where = f"{path}.networks[{i}].firewall"
            yield error(
                where,
                "`firewall` cannot be acted on yet",
                detail="there is no support for firewall rules yet",
                hint="leave out `firewall`",
            )
    for feature in ("keyctl", "fuse"):
        if getattr(guest.features, feature) and said is not None:
            where = f"{path}.features.{feature}"
            yield error(
                where,
                f"`{feature}` cannot be set with a token",
                detail="only root@pam with a password may set it",
                hint="set it by hand after the container is made",
            )


def _kind(path: str, said: Guest, guest: Guest) -> Iterator[Diagnostic]:
    vm = guest.kind == "vm"
    for field in _CONTAINER_ONLY if vm else _VM_ONLY:
        if field in said.model_fields_set:
            other = "containers" if vm else "VMs"
            yield error(
                f"{path}.{field}",
                f"`{field}` is for {other}",
                hint=f"leave it out, or set `kind: {'container' if vm else 'vm'}`",
            )
    if vm:
        return
    if "backup" in said.model_fields_set and not said.backup:
        yield error(
            f"{path}.backup",
            "`backup: false` is for VMs",
            detail="a container's own disk is in all its backups",
            hint="leave it out; `mounts` have a `backup` of their own",
        )
    for part, fields in (("cpu", {"sockets", "type"}), ("user", {"name"})):
        for field in sorted(fields & getattr(said, part).model_fields_set if part in said.model_fields_set else ()):
            detail = "containers are entered as root" if part == "user" else "containers share the node's processors"
            yield error(f"{path}.{part}.{field}", f"`{part}.{field}` is for VMs", detail=detail, hint="leave it out")
    if len(guest.disks) > 1:
        yield error(
            f"{path}.disks[1]",
            "a container has one disk",
            hint="write further volumes under `mounts`, each with its path",
        )
    for field in sorted(
        {"bus", "ssd", "discard", "iothread"} & guest.disks[0].model_fields_set
        if "disks" in said.model_fields_set
        else ()
    ):
        yield error(f"{path}.disks[0].{field}", f"`{field}` is for disks of VMs", hint="leave it out")


def _sizes(path: str, said: Guest, guest: Guest) -> Iterator[Diagnostic]:
    del said
    parts = [(f"{path}.disks[{i}].size", d.size) for i, d in enumerate(guest.disks)]
    parts += [(f"{path}.mounts[{i}].size", m.size) for i, m in enumerate(guest.mounts)]
    for where, size in parts:
        if size % GIB:
            up = format_size((size // GIB + 1) * GIB)
            yield error(
                where,
                f"a disk of {format_size(size)} is no whole number of GiB",
                detail="some storages round up",
                hint=f"did you mean {up}?",
            )
    if guest.balloon is not None and guest.balloon > guest.memory:
        yield error(
            f"{path}.balloon",
            f"`balloon` ({format_size(guest.balloon)}) is more than `memory` ({format_size(guest.memory)})",
            hint="it is the least memory that the guest keeps",
        )
    if guest.memory < 64:
        yield error(
            f"{path}.memory",
            f"{format_size(guest.memory)} is too little memory",
            hint=f"did you mean {guest.memory}GiB?",
        )
    for i, disk in enumerate(guest.disks):
        if disk.iothread and disk.bus == "sata":
            yield error(
                f"{path}.disks[{i}].iothread", "a SATA disk has no I/O thread", hint="use `bus: scsi` or `bus: virtio`"
            )


def _network(path: str, said: Guest, guest: Guest) -> Iterator[Diagnostic]:
    for i, network in enumerate(guest.networks):
        where = f"{path}.networks[{i}]"
        if network.mac and (said.count or 1) > 1:
            yield error(
                f"{where}.mac", "one MAC cannot serve several guests", hint="leave it out: ATLAS leases one for each"
            )
        first = interface(network.address)
        if first is None:
            if network.gateway and network.address == "dhcp":
                yield error(f"{where}.gateway", "a gateway has no meaning with dhcp", hint="leave it out")
            continue
        net, last = first.network, first.ip + (said.count or 1) - 1
        usual = net.num_addresses > 2
        for address in dict.fromkeys((first.ip, last)):
            if address not in net:
                yield error(f"{where}.address", f"{said.count} addresses from {first.ip} leave the network {net}")
            elif usual and address in (net.network_address, net.broadcast_address):
                kind = "network" if address == net.network_address else "broadcast"
                yield error(
                    f"{where}.address",
                    f"{address} is the {kind} address of {net}",
                    hint=f"use {net.network_address + 1} to {net.broadcast_address - 1}",
                )
        if network.gateway:
            gateway = ip_address(network.gateway)
            if gateway not in net:
                yield error(f"{where}.gateway", f"the gateway {gateway} is not in {net}")
            elif int(first.ip) <= int(gateway) <= int(last):
                yield error(f"{where}.gateway", f"the gateway {gateway} is also a guest's address")


def _sense(path: str, said: Guest, guest: Guest) -> Iterator[Diagnostic]:
    if {"image", "template"} <= said.model_fields_set:
        yield error(
            f"{path}.template", "a guest is made from an `image` or a `template`, not both", hint="leave out one"
        )
    if guest.keep_together and guest.keep_together == guest.keep_apart:
        yield error(f"{path}.keep_apart", f"the group {guest.keep_apart!r} cannot be kept both together and apart")
    if guest.spread and guest.node != "auto":
        yield warning(
            f"{path}.spread", f"`spread` has no effect with `node: {guest.node}`", hint="leave out one of them"
        )
    if guest.software and not guest.networks:
        yield error(
            f"{path}.software",
            "software needs a network",
            detail="Ansible reaches guests by ssh",
            hint="give the guest a network",
        )
    mounts = [m.path for m in guest.mounts]
    for i, mount in enumerate(mounts):
        if mount in mounts[:i] or mount == "/":
            yield error(f"{path}.mounts[{i}].path", f"{mount} is mounted already")


def _twice(wanted: Sequence[Instance]) -> Iterator[Diagnostic]:
    """Yield what two guests of the stack both claim."""
    yield from _unique(wanted, "name", "name", lambda i: [i.key])
    yield from _unique(wanted, "vmid", "VMID", lambda i: [str(i.guest.vmid)] if i.guest.vmid else [])
    yield from _unique(wanted, "networks", "address", _addresses)
    yield from _unique(wanted, "networks", "MAC", lambda i: [n.mac.upper() for n in i.guest.networks if n.mac])


def _addresses(instance: Instance) -> list[str]:
    return [str(a.ip) for n in instance.guest.networks if (a := interface(n.address)) is not None]


def _unique(
    wanted: Sequence[Instance], field: str, what: str, claims: Callable[[Instance], list[str]]
) -> Iterator[Diagnostic]:
    owner: dict[str, Instance] = {}
    said: set[tuple[str, str]] = set()
    for instance in wanted:
        for claim in claims(instance):
            first = owner.setdefault(claim, instance)
            if first is instance or (instance.path, claim) in said:
                continue
            said.add((instance.path, claim))
            hint = (
                "give one of them another, or use `count` for like guests"
                if field == "name"
                else "give one of them another"
            )
            yield error(
                f"{instance.path}.{field}",
                f"the {what} {claim} is given to two guests",
                detail=f"{first.key} has it already",
                hint=hint,
            )


def _renames(stack: Stack, wanted: Sequence[Instance]) -> Iterator[Diagnostic]:
    present = {i.group for i in wanted}
    sources: set[str] = set()
    for number, guest in enumerate(stack.guests):
        before = guest.renamed_from
        where = f"guests[{number}].renamed_from"
        if before is None:
            continue
        if before in present:
            yield error(
                where,
                f"`{before}` is still in the spec, so nothing was renamed from it",
                hint="leave out `renamed_from`",
            )
        if before in sources:
            yield error(where, f"two guests were renamed from `{before}`")
        sources.add(before)
