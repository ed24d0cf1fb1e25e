"""The draft in words: what will be made, and the one thing that is asked or stands in the way."""

from __future__ import annotations

from collections.abc import Sequence

from atlas.diagnostics import Diagnostic
from atlas.language.draft import Draft, DraftGuest, label
from atlas.language.stack import PREFIX, PREFIX6
from atlas.units import format_size


def describe(draft: Draft) -> str:
    """Return the guests of a draft in one sentence."""
    groups: list[tuple[str, list[DraftGuest]]] = []
    for guest in draft.guests:
        text = _guest(guest)
        if (groups and groups[-1][0] == text and not guest.name and not groups[-1][1][0].name) or (
            groups and groups[-1][0] == text and guest.name and groups[-1][1][0].name
        ):
            groups[-1][1].append(guest)
        else:
            groups.append((text, [guest]))
    parts = []
    for text, group in groups:
        names = ", ".join(g.name for g in group if g.name)
        count = f"{len(group)} x {label(group[0])}" if len(group) > 1 else label(group[0])
        parts.append(f"{names or count} ({text})")
    return "; ".join(parts)


def _guest(guest: DraftGuest) -> str:
    fields = guest.fields
    cpu = fields.get("cpu", {})
    words = [
        "container" if fields.get("kind") == "container" else "VM",
        str(fields.get("image", "")),
        f"{cpu['cores']} core{'s' if cpu['cores'] != 1 else ''}" if "cores" in cpu else "",
        f"{format_size(round(fields['memory']))} memory" if "memory" in fields else "",
        *(f"disk {format_size(round(d['size']))}" for d in fields.get("disks", []) if d.get("size")),
        *fields.get("software", []),
        *(_address(str(n["address"])) for n in fields.get("networks", []) if n.get("address") not in {None, "auto"}),
        *(f"vlan {n['vlan']}" for n in fields.get("networks", []) if n.get("vlan")),
        f"on {fields['node']}" if fields.get("node") else "",
    ]
    return ", ".join(word for word in words if word)


def _address(address: str) -> str:
    if address == "dhcp" or "/" in address:
        return address
    return f"{address}, taken as /{PREFIX if ':' not in address else PREFIX6}"


def obstacles(draft: Draft, faults: Sequence[Diagnostic] = ()) -> str:
    """Return what stands in the way, or the one question that is asked; empty if nothing does."""
    lines = [f.text for f in draft.findings if f.kind in {"refuse", "confirm"}]
    lines += [f.text for f in draft.of_kind("error")]
    lines += [f"{d.summary}{f' ({d.hint})' if d.hint else ''}" for d in faults]
    if lines:
        return "\n".join(f"- {line}" for line in dict.fromkeys(lines))
    return draft.questions[0].text if draft.questions else ""
