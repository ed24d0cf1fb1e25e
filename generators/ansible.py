"""The Ansible half of a bundle: inventory, playbook, variables and roles from a stack's guests and leases; pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from atlas import sshoptions
from atlas.configs.catalogue import role_files, software
from atlas.diagnostics import Severity
from atlas.errors import GenerateError
from atlas.generators.yamltext import dump
from atlas.instances import Instance
from atlas.ports.cluster import Work
from atlas.settings import Ssh
from atlas.state import Lease
from atlas.versions import Install, image_of, installs

_HEADER = "Made by ATLAS from the spec; what is changed here is refused by the approval."
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_RESERVED = frozenset({"all", "ungrouped"})


@dataclass(frozen=True, slots=True)
class _Guest:
    instance: Instance
    lease: Lease
    installs: tuple[Install, ...]

    @property
    def key(self) -> str:
        return self.instance.key

    @property
    def address(self) -> str | None:
        """The first static address without its prefix; None where only DHCP knows."""
        static = (a for a in self.lease.addresses if a != "dhcp")
        return next((str(ip_interface(a).ip) for a in static), None)

    @property
    def order(self) -> int | None:
        return self.instance.guest.start.order


def alias(vmid: int) -> str:
    """Return the name under which a guest's host key is known; addresses are used again, VMIDs tell guests apart."""
    return f"atlas-{vmid}"


def user(instance: Instance) -> str:
    """Return the account that ssh uses: containers have no cloud-init, so they have only root."""
    return "root" if instance.guest.kind == "container" else instance.guest.user.name


def generate(work: Work, ssh: Ssh, identity: Path) -> dict[str, str]:
    """Make the files of `bundle/ansible`.

    Args:
        work: The stack; its known hosts are in `work.folder / "known_hosts"`.
        ssh: How the profile gets to guests.
        identity: ATLAS's private key.

    Returns:
        `{path: text}`, by path. The same input gives the same bytes.

    Raises:
        GenerateError: Software that cannot be resolved, or a name that Ansible would misread; validation comes first.
    """
    guests = tuple(_guest(work, instance) for instance in work.instances)
    texts = {
        "ansible.cfg": (files("atlas.generators") / "templates/ansible/ansible.cfg").read_text(encoding="utf-8"),
        "inventory.yaml": dump(_inventory(work, guests), _HEADER),
        "group_vars/all.yaml": dump(_common(ssh, identity, work.folder / "known_hosts"), _HEADER),
        "site.yml": dump(_plays(guests), _HEADER, read_by_people=True),
    }
    for role in _roles(guests):
        texts.update({f"roles/{role}/{path}": text for path, text in role_files(role).items()})
    return {f"ansible/{path}": texts[path] for path in sorted(texts)}


def _guest(work: Work, instance: Instance) -> _Guest:
    if not _HOST.fullmatch(instance.key) or instance.key in _RESERVED:
        raise GenerateError(f"Ansible would misread the guest's name {instance.key!r}", "give the guest another name")
    found, faults = installs(instance)
    wrong = [fault.summary for fault in faults if fault.severity is Severity.ERROR]
    if wrong:
        raise GenerateError(f"{instance.key}: {'; '.join(wrong)}", "atlas validate shows every fault with its place")
    return _Guest(instance, work.leases[instance.key], found)


def _roles(guests: Iterable[_Guest]) -> list[str]:
    found = [install for guest in guests for install in guest.installs]
    shared = {"repository"} if any(install.repository for install in found) else set()
    return sorted({"base"} | shared | {install.role for install in found})


def _common(ssh: Ssh, identity: Path, known_hosts: Path) -> dict[str, Any]:
    """Return what holds for every guest."""
    options = sshoptions.common(ssh, identity, known_hosts)
    return {
        "ansible_connection": "ssh",
        "ansible_port": ssh.port,
        "ansible_ssh_common_args": shlex.join(word for option in options for word in ("-o", option)),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_become": True,
    }


def _inventory(work: Work, guests: Sequence[_Guest]) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {}
    for guest in guests:
        names = [_order_group(guest.order), *(f"software_{install.role}" for install in guest.installs)]
        for name in names:
            groups.setdefault(name, {"hosts": {}})["hosts"][guest.key] = None
    hosts = {guest.key: _host(work, guest, guests) for guest in guests}
    return {"all": {"hosts": hosts, "children": dict(sorted(groups.items()))}}


def _host(work: Work, guest: _Guest, guests: Sequence[_Guest]) -> dict[str, Any]:
    """Return a guest's variables: how it is reached, and what its roles need to know."""
    account = user(guest.instance)
    values: dict[str, Any] = {
        "ansible_user": account,
        "ansible_ssh_extra_args": f"-o HostKeyAlias={alias(guest.lease.vmid)}",
        "base_kind": guest.instance.guest.kind,
        "base_facts": _facts(work, guest),
    }
    if guest.address:
        values["ansible_host"] = guest.address
    if account == "root":
        values["ansible_become"] = False
    mine = {install.software: install for install in guest.installs}
    if "chrony" in mine:
        values["base_has_chrony"] = True
    if "ufw" in mine:
        values["ufw_ports"] = _open_ports(guest)
    if "haproxy" in mine:
        values["haproxy_port"] = 8080 if "nginx" in mine else 80
        values["haproxy_servers"] = [
            {"name": other.key, "address": other.address, "port": 80}
            for other in guests
            if other is not guest and other.address and any(i.software == "nginx" for i in other.installs)
        ]
    for install in guest.installs:
        if install.repository:
            values[f"{install.role}_packages"] = list(install.packages)
            values[f"{install.role}_repository"] = dict(install.repository)
    return values


def _facts(work: Work, guest: _Guest) -> dict[str, Any]:
    image = image_of(guest.instance)
    return {
        "stack": work.stack,
        "guest": guest.key,
        "vmid": guest.lease.vmid,
        "image": image.name if image else None,
        "tags": sorted(guest.instance.guest.tags),
        "software": {install.software: install.version or None for install in guest.installs},
    }


def _open_ports(guest: _Guest) -> list[int]:
    offered = {port.port for i in guest.installs for port in software()[i.software].ports if port.scope == "any"}
    return sorted(offered)


def _order_group(order: int | None) -> str:
    return "order_none" if order is None else f"order_{order}"


def _plays(guests: Sequence[_Guest]) -> list[dict[str, Any]]:
    """Return the plays: each `start.order` is finished before the next begins; guests without one come last."""
    orders = sorted({guest.order for guest in guests}, key=lambda order: (order is None, order or 0))
    plays: list[dict[str, Any]] = []
    for order in orders:
        group = _order_group(order)
        wanted = {install.role for guest in guests if guest.order == order for install in guest.installs}
        plays.append(_play("Prepare the guests", group, "base"))
        plays += [
            _play(f"Set up {entry.name}", f"{group}:&software_{entry.role}", entry.role)
            for entry in software().values()
            if entry.role in wanted
        ]
    return plays


def _play(name: str, hosts: str, role: str) -> dict[str, Any]:
    return {"name": name, "hosts": hosts, "gather_facts": False, "roles": [{"role": role}]}
