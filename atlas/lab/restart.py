"""What a lab does with its guests when it starts and ends: take up what runs, and notice what stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas.lab.qemu_machine import machine, rest

if TYPE_CHECKING:
    from atlas.lab.world import Lab


def settle(lab: Lab) -> None:
    """Bring the guests' noted state in line with the machines that are there, and go on hearing of their ends."""
    for guest in lab.guests.values():
        if guest.status != "running" or guest.kind != "qemu":
            continue
        if not lab.backend.alive(guest.vmid) and not lab.backend.adopt(machine(lab, guest)):
            rest(guest)

    def ended(vmid: int) -> None:
        guest = lab.guests.get(str(vmid))
        if guest is not None and guest.status == "running":
            rest(guest)
            lab.store.flush()

    lab.backend.on_exit = ended


def power_off(lab: Lab) -> None:
    """Note that no guest runs any more, as after the nodes' power-off."""
    for guest in lab.guests.values():
        if guest.status == "running":
            rest(guest)
