"""Prove one role on a booted guest: apply it twice by the bundle that a run would have, and look at its services."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas.ansible.configurator import Ansible
from atlas.configs.catalogue import defaults, role_hash, software
from atlas.events import Emitter, Event
from atlas.generators import ansible
from atlas.instances import instances
from atlas.ports.cluster import Work
from atlas.ports.guests import HostResult
from atlas.settings import Ssh
from atlas.spec import Stack
from atlas.state import Lease, State

if TYPE_CHECKING:
    from live.machines import Guest

IMAGE = "debian-12"
GUEST = "guest"


class NotProved(AssertionError):
    """A role failed, changed something the second time, or its service does not run."""


def work(names: Sequence[str], address: str, folder: Path) -> Work:
    """Return a stack of one guest with this software, as a run would have it."""
    guest = {"name": GUEST, "image": IMAGE, "software": list(names)}
    stack = Stack.model_validate({"metadata": {"name": "proof"}, "guests": [guest]})
    lease = Lease("proof", GUEST, 0, "vm", 101, "pve1", "9000", "pve1", addresses=(f"{address}/24",))
    state = State("proof", "9.2", {}, (), {})
    return Work("proof", "proof", "", instances(stack, defaults()), {GUEST: lease}, {}, state, folder)


def bundle(names: Sequence[str], guest: Guest, folder: Path) -> Path:
    """Write the Ansible bundle for a booted guest with this software."""
    proxy = (guest.backend.jump() or {}).get("proxy_command")
    made = ansible.generate(work(names, guest.address, folder), Ssh(proxy_command=proxy), guest.key_file)
    for path, text in made.items():
        target = folder / "bundle" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder / "bundle"


def apply(where: Path, run: Path, verbose: bool = False) -> HostResult:
    """Run the playbook and return what became of the guest."""

    def show(event: Event) -> None:
        if event.data["status"] != "ok":
            say(f"    {event.data['status']}: {event.data['task']} {event.data.get('message', '')}")

    return Ansible().configure(where, [GUEST], run, Emitter((show,) if verbose else ()))[GUEST]


def prove(name: str | None, guest: Guest, folder: Path, *, verbose: bool = False) -> dict[str, Any]:
    """Apply base and one software twice, and look whether its services run.

    Args:
        name: The software; None proves base alone.
        guest: A booted guest.
        folder: For the bundle and the runs.
        verbose: Show tasks that changed something or failed.

    Returns:
        The record for `proofs.json`.

    Raises:
        NotProved: With the reason.
    """
    where = bundle([name] if name else [], guest, folder)
    results = [apply(where, folder / f"run-{number}", verbose) for number in (1, 2)]
    for result in results:
        if result.failed:
            raise NotProved(result.failed)
    first, second = results
    if second.changed:
        raise NotProved(f"the second run changed {second.changed} tasks")
    for service in software()[name].services if name else ("qemu-guest-agent", "systemd-timesyncd"):
        state = guest.ssh(f"systemctl is-active {service}").stdout.strip()
        if state != "active":
            raise NotProved(f"{service} is {state}")
    role = software()[name].role if name else "base"
    return {"hash": role_hash(role), "image": IMAGE, "ok": second.ok, "changed": [first.changed, second.changed]}


def say(text: str) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
