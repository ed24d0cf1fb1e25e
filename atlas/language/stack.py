"""The draft as a spec: groups of like guests, sizes with units, and by name what a spec cannot say yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from atlas.diagnostics import Diagnostic, error, has_errors
from atlas.language.addresses import counted
from atlas.language.draft import Draft, DraftGuest
from atlas.language.known import Known
from atlas.language.nouns import role_word
from atlas.spec import API_VERSION, Stack
from atlas.units import format_size

PREFIX, PREFIX6 = 24, 64
"""The prefix length of an IPv4 and of an IPv6 address that was said without one."""

_PLAIN = (
    *("kind", "node", "spread", "keep_apart", "clone", "template", "pool", "tags", "user", "start", "ha"),
    *("protection", "unprivileged", "machine", "features", "vmid", "dns"),
)
_UNSAID = {"numa": "NUMA", "snapshot": "snapshots", "gpu": "a passed-through GPU by its model"}


def draft_to_stack(draft: Draft, name: str, known: Known) -> Stack | list[Diagnostic]:
    """Return the spec that a draft stands for, or what keeps it from being one.

    Args:
        draft: The draft.
        name: The stack's name where the draft has none.
        known: Software and images to choose from; empty lists are not held against a draft.
    """
    from pydantic import ValidationError

    faults: list[Diagnostic] = []
    guests: list[dict[str, Any]] = []
    for base, group in _groups(draft.guests):
        entry = _entry(group[0], known, faults, f"guests[{len(guests)}]")
        entry = {"name": base, **({"count": len(group)} if len(group) > 1 else {}), **entry}
        guests.append(entry)
    if has_errors(faults):
        return faults
    data = {"apiVersion": API_VERSION, "kind": "Stack", "metadata": {"name": draft.stack or name}, "guests": guests}
    try:
        return Stack.model_validate(data)
    except ValidationError as problem:
        wrong = ((_path(fault["loc"]), fault["msg"]) for fault in problem.errors(include_url=False))
        return [*faults, *(error(path, f"{path}: {message}") for path, message in wrong)]


def stack_name(draft: Draft) -> str:
    """Return a name for the stack from the person's own words."""
    return draft.stack or next((base for base, _ in _groups(draft.guests)), "stack")


def called(draft: Draft) -> dict[str, int]:
    """Return the names that the guests have or will have, such as `web-2`, with their positions in the draft."""
    position = {id(guest): n for n, guest in enumerate(draft.guests)}
    names: dict[str, int] = {}
    for base, group in _groups(draft.guests):
        for n, guest in enumerate(group, 1):
            names[f"{base}-{n}" if len(group) > 1 else base] = position[id(guest)]
    return names


def _path(loc: Iterable[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def _groups(guests: Sequence[DraftGuest]) -> list[tuple[str, list[DraftGuest]]]:
    """Return the guests as entries of a spec: like ones that were never named apart share an entry with a count."""
    together: dict[str, list[DraftGuest]] = {}
    for number, guest in enumerate(guests):
        key = f"\0{number}" if guest.name else _slug(guest.prefix or role_word(guest.role)) or _kind(guest)
        together.setdefault(key, []).append(guest)
    out: list[tuple[str, list[DraftGuest]]] = []
    for key, group in together.items():
        if group[0].name:
            out.append((_slug(group[0].name), group))
        elif _alike(group):
            out.append((key, group))
        else:
            out += [(f"{key}-{n}", [guest]) for n, guest in enumerate(group, 1)]
    return out


def _alike(group: Sequence[DraftGuest]) -> bool:
    """Tell whether guests differ in nothing but consecutive addresses and VMIDs."""
    first = group[0].fields
    for n, guest in enumerate(group):
        mine = {**guest.fields, "networks": [dict(x) for x in guest.fields.get("networks", [])]}
        wanted = {**first, "networks": [dict(x) for x in first.get("networks", [])]}
        if "vmid" in first:
            wanted["vmid"] = first["vmid"] + n
        for network in wanted["networks"]:
            if str(network.get("address", ""))[:1].isdigit():
                network["address"] = counted(network["address"], n + 1)[n]
        if mine != wanted:
            return False
    return True


def _kind(guest: DraftGuest) -> str:
    return "ct" if guest.fields.get("kind") == "container" else "vm"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")


def _entry(guest: DraftGuest, known: Known, faults: list[Diagnostic], at: str) -> dict[str, Any]:
    fields = guest.fields
    out: dict[str, Any] = {name: fields[name] for name in _PLAIN if name in fields}
    for name, words in _UNSAID.items():
        if fields.get(name):
            faults.append(error(f"{at}.{name}", f"a spec cannot ask for {words} yet", hint=f"say it without {words}"))
    if image := fields.get("image"):
        out["image"] = _image(image, known, faults, at)
    if cpu := fields.get("cpu"):
        out["cpu"] = {k: int(v) if k != "type" else v for k, v in cpu.items()}
    for name in ("memory", "swap", "balloon"):
        if name in fields:
            out[name] = _size(fields[name], f"{at}.{name}", faults)
    if disks := fields.get("disks"):
        out["disks"] = [
            {k: format_size(round(v)) if k == "size" else v for k, v in disk.items() if v is not None} for disk in disks
        ]
    if networks := fields.get("networks"):
        out["networks"] = [_network(network) for network in networks]
    if software := fields.get("software"):
        out["software"] = [_software(item, known, faults, at) for item in software]
    if checks := fields.get("checks"):
        out["checks"] = [_check(check) for check in checks]
    if fields.get("efi") or fields.get("secure_boot"):
        out["efi"] = {"secure_boot": True} if fields.get("secure_boot") else {}
    _access(fields, out, faults, at)
    return out


def _size(value: float, at: str, faults: list[Diagnostic]) -> str:
    if value < 1:
        faults.append(error(at, f"a spec cannot set {at.rpartition('.')[2]} to nothing yet", hint="leave it out"))
    return format_size(round(value))


def _access(fields: dict[str, Any], out: dict[str, Any], faults: list[Diagnostic], at: str) -> None:
    if fields.get("tpm"):
        out["tpm"] = {}
    backup = fields.get("backup")
    if isinstance(backup, dict):
        text = f"when backups are made ({backup.get('schedule', '')}) is the cluster's backup job, not a guest's"
        faults.append(error(f"{at}.backup", text, hint="say `with backup`, and set the job on the cluster"))
    elif backup is not None:
        out["backup"] = bool(backup)
    for port in fields.get("open_ports", []):
        if isinstance(port, int):
            out.setdefault("open_ports", []).append(port)
        else:
            text = f"a spec cannot open {port} yet: only TCP ports, from everywhere"
            faults.append(error(f"{at}.open_ports", text, hint="leave it out, or open the TCP port"))
    for mount in fields.get("mounts", []):
        if mount.get("source"):
            text = f"a spec cannot mount {mount['source']} of the node yet"
            faults.append(error(f"{at}.mounts", text, hint="give a size for a volume of its own"))
        elif not mount.get("size"):
            faults.append(error(f"{at}.mounts", f"the volume at {mount['path']} has no size", hint="say how large"))
        else:
            storage = {"storage": mount["storage"]} if mount.get("storage") else {}
            size = format_size(round(mount["size"]))
            out.setdefault("mounts", []).append({"path": mount["path"], "size": size, **storage})


def _image(image: str, known: Known, faults: list[Diagnostic], at: str) -> str:
    if not known.images or image in known.images:
        return image
    versions = [name for name in known.images if name.startswith((f"{image}-", f"{image}."))]
    if versions:
        return versions[0]
    near = _near(image, known.images)
    hint = f"did you mean {near}?" if near else f"there are: {', '.join(known.images)}"
    faults.append(error(f"{at}.image", f"there is no image {image!r} in the catalogue", hint=hint))
    return image


def _software(item: str, known: Known, faults: list[Diagnostic], at: str) -> str:
    name, at_sign, version = item.partition("@")
    if not known.software or name in known.software:
        return item
    same = [k for k in known.software if k.endswith(f"-{name}") or k.startswith(f"{name}-")]
    if len(same) == 1:
        return f"{same[0]}{at_sign}{version}"
    near = _near(name, known.software)
    hint = f"did you mean {near}?" if near else f"there are: {', '.join(known.software)}"
    faults.append(error(f"{at}.software", f"there is no software {name!r} in the catalogue", hint=hint))
    return item


def _near(word: str, names: Sequence[str]) -> str | None:
    from rapidfuzz import process

    best = process.extractOne(word, names, score_cutoff=75)
    return best[0] if best else None


def _network(network: dict[str, Any]) -> dict[str, Any]:
    out = {k: v for k, v in network.items() if v is not None}
    address = str(out.get("address", ""))
    if address[:1].isdigit() and "/" not in address:
        out["address"] = f"{address}/{PREFIX if ':' not in address else PREFIX6}"
    if str(out.get("gateway", "")).startswith("."):
        out["gateway"] = f"{address.partition('/')[0].rpartition('.')[0]}{out['gateway']}"
    return out


def _check(check: dict[str, Any]) -> dict[str, Any]:
    http = check.get("http")
    if http and http.get("scheme") == "https" and "port" not in http:
        return {"http": {**http, "port": 443}}
    return check
