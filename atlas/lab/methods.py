"""What the lab does with each method of the API: the table for the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

from atlas.lab.call import REFUSED, SHAPED
from atlas.lab.handlers import load_handlers
from atlas.lab.table import load

Method = tuple[str, str]
LEVELS = ("modelled", "shaped", "refused")
_HEAD = """# The methods of the lab

What the lab does with each method of the Proxmox VE 9.2 API. This page is made from the code and its proofs by
`PYTHONPATH=tests python tests/tools/methods.py`; a test fails when it is stale.

- **modelled**: a proof in `tests/proofs` made a call, and a read that did not show the effect before showed it after;
  both calls of such a pair count.
- **shaped**: the answer is true to the method's schema, but no proof ties it to the state of the world.
- **refused**: the call ends with 501 and a sentence; Ceph's calls with 500 and PVE's own, as on nodes without Ceph.
"""


def level(method: Method, proved: Set[Method]) -> str:
    """Return one of LEVELS for a method.

    Args:
        method: The verb and the path as the table writes it.
        proved: The methods that proofs have shown to be modelled.
    """
    if method in REFUSED:
        return "refused"
    return "modelled" if method in proved and method not in SHAPED else "shaped"


def methods() -> list[Method]:
    """List the methods of the table by their paths; its root is an index that has no name in it."""
    load_handlers()
    order = {"GET": 0, "POST": 1, "PUT": 2, "DELETE": 3}
    known = [(verb, path) for path, verbs in load().description.items() for verb in verbs if path != "/"]
    return sorted(known, key=lambda method: (method[1], order[method[0]]))


def counts(proved: Set[Method]) -> dict[str, int]:
    """Count the methods of each level."""
    found = Counter(level(method, proved) for method in methods())
    return {name: found[name] for name in LEVELS}


def document(proved: Set[Method]) -> str:
    """Return the page with the table."""
    found = counts(proved)
    total = ", ".join(f"{found[name]} {name}" for name in LEVELS)
    lines = [_HEAD, f"Of {sum(found.values())} methods: {total}.\n"]
    family = ""
    for verb, path in methods():
        if path.split("/")[1] != family:
            family = path.split("/")[1]
            lines += [f"\n## {family}\n", "| method | path | | |", "| --- | --- | --- | --- |"]
        note = REFUSED.get((verb, path), "")
        lines.append(f"| {verb} | `{path}` | {level((verb, path), proved)} | {note} |")
    return "\n".join(lines) + "\n"
