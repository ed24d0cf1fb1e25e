"""Prove each role on a real guest: applied twice, the second time without a change. `--check` compares the records."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas.ansible.configurator import Ansible
from atlas.configs.catalogue import defaults, proofs, role_hash, software
from atlas.events import Emitter, Event
from atlas.generators import ansible
from atlas.instances import instances
from atlas.ports import HostResult, Work
from atlas.settings import Ssh
from atlas.spec import Stack
from atlas.state import Lease, State

if TYPE_CHECKING:
    from live.machines import Guest

ROLES = Path(__file__).parents[2] / "configs" / "roles"
IMAGE = "debian-12"
GUEST = "guest"


class NotProved(AssertionError):
    """A role failed, changed something the second time, or its service does not run."""


def every_role() -> list[str]:
    """Return the roles, base first, then in the catalogue's order, then the helpers of these."""
    known = ["base", *(entry.role for entry in software().values())]
    return known + sorted(path.name for path in ROLES.iterdir() if path.is_dir() and path.name not in known)


def lacking() -> list[str]:
    """Return the roles whose files are not those that were proved."""
    known = proofs()
    return [role for role in every_role() if known.get(role, {}).get("hash") != role_hash(role)]


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


def record(role: str, proof: Mapping[str, Any]) -> None:
    """Put a proof into the records, at once: a later role may fail."""
    path = ROLES / "proofs.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[role] = proof
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say what is done and how long it took."""
    begun = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - begun:.0f} s")


def say(text: str) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def check() -> int:
    """Compare the roles with their records."""
    missing = lacking()
    for role in missing:
        say(f"role {role}: what is there was not proved; run `make roles`")
    for entry in software().values():
        for source in entry.sources:
            if source.repository:
                say(f"{entry.name} from {source.name}: unproved, its repository is outside the distribution")
    if not missing:
        say(f"{len(every_role())} roles are proved on {IMAGE}")
    return 1 if missing else 0


def prove_all(roles: Sequence[str], *, verbose: bool) -> int:
    """Prove roles one after the other, each from the same saved state of a guest that has base."""
    from live import machines
    from tools import package_repository

    problem = machines.why_not()
    if problem:
        say(problem)
        return 1
    names = {entry.role: entry.name for entry in software().values()}
    failed = 0
    with tempfile.TemporaryDirectory(prefix="atlas-roles-") as folder:
        with timed("boot"):
            machine = machines.machine_for_tests(memory=1024)
            guest = machine.__enter__()
        try:
            for role in ["base", *(role for role in roles if role != "base")]:
                if role != "base":
                    guest.load("base")
                try:
                    with timed(role):
                        own = Path(folder) / role
                        if role == "repository":
                            proof = package_repository.prove(guest, own, verbose=verbose)
                        else:
                            proof = prove(names.get(role), guest, own, verbose=verbose)
                except NotProved as problem:
                    say(f"role {role}: NOT PROVED: {problem}")
                    failed += 1
                else:
                    record(role, proof)
                    say(f"role {role}: proved, changed {proof['changed']}")
                if role == "base":
                    guest.save("base")
        finally:
            machine.__exit__(None, None, None)
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.roles", description=__doc__)
    parser.add_argument("roles", nargs="*", help="only these roles; left out: those without a proof")
    parser.add_argument("--all", action="store_true", help="prove again what is proved already")
    parser.add_argument("--check", action="store_true", help="only compare the roles with the records")
    parser.add_argument("-v", "--verbose", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.check:
        return check()
    unknown = set(chosen.roles) - set(every_role())
    if unknown:
        parser.error(f"no such role: {', '.join(sorted(unknown))}")
    roles = chosen.roles or (every_role() if chosen.all else lacking())
    return prove_all(roles, verbose=chosen.verbose) if roles else check()


if __name__ == "__main__":
    sys.exit(main())
