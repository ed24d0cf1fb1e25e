"""What becomes of guests when the lab starts again, and when one ends by itself."""

from __future__ import annotations

from atlas.lab.qemu_machine import machine, rest
from atlas.lab.simulated import SimulatedBackend
from atlas.lab.world import Lab


def take_back(lab: Lab) -> None:
    """Match the guests that ran with the machines that still live, and hear of those that end from now on.

    Simulated machines live on with their records; a real one that ended meanwhile leaves its guest stopped.
    """
    for guest in lab.guests.values():
        if guest.kind != "qemu" or guest.status != "running" or lab.backend.alive(guest.vmid):
            continue
        if isinstance(lab.backend, SimulatedBackend):
            lab.backend.adopt(machine(lab, guest))
        else:
            rest(guest)

    def ended(vmid: int) -> None:
        guest = lab.guests.get(str(vmid))
        if guest is not None and guest.status == "running":
            rest(guest)
            lab.store.flush()

    lab.backend.on_exit = ended
