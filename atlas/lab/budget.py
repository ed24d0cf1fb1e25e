"""Keep the lab's guests within the memory that this computer can spare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from atlas.lab.backend import BackendError, Machine

OVERHEAD = 224  # MiB that an emulated guest's process needs beside the guest's own memory


def admit(machine: Machine, others: Sequence[Machine], budget: int) -> Machine:
    """Return the machine if it fits.

    Args:
        machine: the one to be started.
        others: those that run or start.
        budget: MiB for all of them together.

    Raises:
        BackendError: it does not fit; the text says what to do.
    """
    wanted = machine.memory + OVERHEAD
    used = sum(other.memory + OVERHEAD for other in others)
    if used + wanted > budget:
        raise BackendError(
            f"no memory for VM {machine.vmid}: it needs {wanted} MiB, and {used} of the lab's {budget} MiB are in use;"
            " stop a guest, give it less memory, or start the lab with a larger --memory"
        )
    return machine


def free_memory() -> int:
    """Return the MiB that programs could still take on this computer."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 2048
