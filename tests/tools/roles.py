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
from typing import Any

from tools.proving import IMAGE, NotProved, prove, say

from atlas.configs.catalogue import proofs, role_hash, software

ROLES = Path(__file__).parents[2] / "configs" / "roles"


def every_role() -> list[str]:
    """Return the roles, base first, then in the catalogue's order, then the helpers of these."""
    known = ["base", *(entry.role for entry in software().values())]
    return known + sorted(path.name for path in ROLES.iterdir() if path.is_dir() and path.name not in known)


def lacking() -> list[str]:
    """Return the roles whose files are not those that were proved."""
    known = proofs()
    return [role for role in every_role() if known.get(role, {}).get("hash") != role_hash(role)]


def unproved() -> dict[str, str]:
    """Return the roles that are recorded as unproved, with the reason; users are warned of them."""
    return {role: str(proof["unproved"]) for role, proof in proofs().items() if "unproved" in proof}


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


def check() -> int:
    """Compare the roles with their records."""
    missing = lacking()
    for role in missing:
        say(f"role {role}: what is there was not proved; run `make roles`")
    for role, reason in unproved().items():
        say(f"role {role}: unproved: {reason}")
    for entry in software().values():
        for source in entry.sources:
            if source.repository:
                say(f"{entry.name} from {source.name}: unproved, its repository is outside the distribution")
    if not missing:
        say(f"{len(every_role()) - len(unproved())} roles are proved on {IMAGE}")
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
    parser = argparse.ArgumentParser(prog="python tests/tools/roles.py", description=__doc__)
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
    roles = chosen.roles or (every_role() if chosen.all else [*lacking(), *unproved()])
    return prove_all(roles, verbose=chosen.verbose) if roles else check()


if __name__ == "__main__":
    sys.exit(main())
