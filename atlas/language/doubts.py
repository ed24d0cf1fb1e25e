"""Words that leave something open, and the question that each one raises."""

from __future__ import annotations

from atlas.language.draft import Finding, label
from atlas.language.reading import Reading
from atlas.language.subjects import subject_at


def elsewhere(r: Reading, i: int) -> int | None:
    """Ask which one `another vlan` or `the other storage` is, where it is not said."""
    fields = {
        "VLAN": "vlan",
        "BRIDGE": "bridge",
        "NODEWORD": "node",
        "STORAGE": "storage",
        "IP": "ip",
        "NETWORK": "vlan",
    }
    other = fields.get(r.tag(i + 1))
    if other is None or r.tag(i + 2) in {"NUM", "ADDR", "WORD"}:
        return None
    r.ask(other, f"Which {other} do you mean?", r.scope)
    return 2


def who(r: Reading) -> str:
    """Return what a person calls the guest that is spoken of."""
    return label(r.draft.guests[r.scope[0]]) if r.scope else "it"


def unsure(r: Reading, i: int) -> int:
    """Ask for what somebody is not sure of."""
    end = r.clause_end(i)
    begin = max((k for k in range(i) if r.tag(k) in {"COMMA", "STOP"}), default=-1) + 1
    if r.firm and any(
        item.low in {"which", "yet", "quale", "welche", "welches", "cuál", "lequel"} for item in r.items[i:end]
    ):
        return end - i  # `debian or ubuntu, not sure which`
    fields = {
        "VERSION": "version",
        "OSV": "os",
        "OSWORD": "os",
        "SIZE": "memory",
        "MEMORY": "memory",
        "CORES": "cores",
        "DISK": "disk",
        "VLAN": "vlan",
        "IP": "ip",
        "NODEWORD": "node",
        "SWV": "software",
        "STORAGE": "storage",
        "BRIDGE": "bridge",
        "GPU": "gpu",
        "PORT": "ports",
        "TEMPLATE": "template",
        "GATEWAY": "gateway",
        "USER": "user",
        "SPECS": "size",
    }
    for k in (*range(i + 1, end), *range(i - 1, begin - 1, -1)):
        tag = "OSWORD" if r.items[k].low == "os" else r.tag(k)
        if tag in fields:
            field = fields[tag]
            if r.tag(k) == "VERSION" and r.items[k].value is not None:
                continue
            r.ask(field, f"Which {field} do you want?", r.scope, firm=True)
            return 1
    return 1


def either(r: Reading, i: int) -> int:
    """Ask which of two values it is: `debian or ubuntu`."""
    left, right = r.tag(i - 1), r.tag(i + 1)
    if right == "NO" and r.tag(i + 2) in {"", "COMMA", "STOP"}:
        return unsure(r, i)  # `with a gpu or maybe not`
    pairs = {
        ("OSV", "OSV"): "os",
        ("OSV", "NUM"): "os",
        ("OSV", "VERSION"): "os",
        ("SWV", "NUM"): "version",
        ("SWV", "VERSION"): "version",
        ("SWV", "SWV"): "software",
        ("SIZE", "SIZE"): "memory",
        ("NUM", "NUM"): "count",
        ("KIND", "KIND"): "kind",
        ("WORD", "WORD"): "node",
        ("MEMORY", "SIZE"): "memory",
        ("NUM", "SIZE"): "memory",
        ("CORES", "NUM"): "cores",
        ("DISK", "SIZE"): "disk",
    }
    field = pairs.get((left, right))
    before = {"VERSION": "version", "VLAN": "vlan", "DISK": "disk", "MEMORY": "memory", "CORES": "cores"}
    if left == "NUM" and right == "NUM":
        field = "cores" if r.tag(i + 2) == "CORES" else before.get(r.tag(i - 2), field)
    begin = i - 2
    while r.tag(begin) in {"FILL", "TBD"}:
        begin -= 1  # `postgres, either 15 or 16`
    before_it = [r.tag(begin - 1), r.tag(begin)]
    if field == "count" and before_it in (["SWV", "COMMA"], ["OSV", "COMMA"]):
        field = {"SWV": "version", "OSV": "os"}[before_it[0]]  # `postgres, 15 or 16`
    if field is None:
        return 0
    one, other = r.items[i - 1].text, r.items[i + 1].text
    r.ask(field, f"Which {field}: {one} or {other}?", r.scope, (one, other), firm=True)
    return 2


def which_ports(r: Reading, i: int) -> int:
    """Ask which ports are meant where none is said: `open some ports`."""
    end = r.clause_end(i)
    tags = [r.tag(k) for k in range(i + 1, end)]
    if "PORT" not in tags or {"NUM", "PORTPROTO"} & {*tags, r.tag(end + 1)} or r.tag(i - 1) in {"NO", "PORT"}:
        return 0
    r.ask("ports", f"Which ports should be open on {who(r)}?", r.scope)
    return end - i


def bad_unit(r: Reading, i: int) -> int:
    """Say that a unit is none."""
    item = r.items[i]
    text = f"{item.value!r} in {item.text!r} is no unit of size: MB, GB or TB"
    r.draft.findings.append(Finding(kind="error", code="unknown_unit", text=text, fields=["memory", "disk.size"]))
    at = i + 1
    while r.tag(at) in {"OF", "MEMORY", "DISK"}:
        at += 1
    return at - i


def how_large(r: Reading, i: int) -> int:
    """Ask how large `something beefy`, `decent specs`, `a large disk` or `make it bigger` is."""
    part = {"DISK": "disk", "MEMORY": "memory", "CORES": "cores"}.get(r.tag(i + 1))
    end = next((k for k in range(i, r.clause_end(i)) if r.tag(k) == "AND"), r.clause_end(i))
    if part and r.tag(i - 1) not in {"SIZE", "NUM"} and not any(r.tag(k) in {"SIZE", "NUM"} for k in range(i, end)):
        r.ask(part, f"How much {part} is {r.items[i].text}? Give a number for {who(r)}.", r.scope)
        return 2
    behind = {"DISK": "disk", "MEMORY": "memory", "CORES": "cores"}.get(r.tag(i - 1))
    if behind and r.old and r.tag(i + 1) in {"", "STOP", "COMMA", "AND", "FILL"}:
        r.ask(behind, f"How much {behind} should {who(r)} have?", r.scope)  # `make the disk bigger`
        return 1
    vague = i > 0 and r.items[i - 1].low in {"something", "qualcosa", "etwas", "algo"}
    grown = r.tag(i - 1) in {"IT", "ALL"} and r.tag(i - 2) == "CHANGE" and r.tag(i + 1) in {"", "STOP", "COMMA"}
    if not (vague or r.tag(i + 1) == "SPECS" or (grown and r.draft.guests)):
        return 0
    r.ask("size", f"How large is {r.items[i].text}: cores, memory and disk for {who(r)}?", r.scope)
    return 1 + (r.tag(i + 1) == "SPECS")


def lots(r: Reading, i: int) -> int:
    """Ask how much `plenty of memory` is."""
    at = i + 1 + (r.tag(i + 1) == "OF")
    field = {"MEMORY": "memory", "CORES": "cores", "DISK": "disk"}.get(r.tag(at))
    if field is None:
        return 1
    r.ask(field, f"How much {field} should {who(r)} have?", r.scope)
    return at + 1 - i


def which_key(r: Reading, i: int) -> int:
    """Ask for the ssh key where none is pasted."""
    if any(r.tag(k) == "KEY" for k in range(i, i + 4)):
        return 0
    if r.tag(i - 1) != "NO":
        r.ask("ssh_key", "Which ssh key? Paste the public key.", r.scope)
    return 1


def which_template(r: Reading, i: int) -> int:
    """Ask which template `our golden image` is, where neither a name nor a number follows."""
    at = i + 1
    while r.tag(at) in {"VMID", "COLON", "NAMED"}:
        at += 1
    before = i - 1
    while r.tag(before) in {"A", "FILL", "OLD", "SAME", "OF"}:
        before -= 1
    cloned = r.tag(before) in {"CLONE", "STARTING", "FULL", "LINKED", "CHANGE"}
    if not cloned or r.tag(at) not in {"", "COMMA", "STOP", "TO", "ON", "WITH", "AS", "FOR", "AND"}:
        return 0
    r.ask("template", "Which template is meant? Give its name or its VMID.", r.scope)
    return at - i


def cloned(r: Reading, i: int) -> int:
    """Ask which guest is meant where one is to be cloned that is not there: `clone our production web server`."""
    at = i + 1
    while r.tag(at) in {"OF", "FILL"}:
        at += 1
    subject = subject_at(r.items, at, bare=True)
    ours = at > i + 1 and r.items[at - 1].low in {"our", "my", "your", "their"}
    if subject is None or subject.it or not (ours or subject.definite) or not (subject.role or subject.names):
        return 0
    if r.tag(at + subject.length) in {"TEMPLATE", "NUM"} or r.find(subject):
        return 0
    r.ask("target", f"Which guest is {subject.words!r}? I know only what you say here.")
    return at - i


def several(r: Reading, i: int) -> int:
    """Ask how many `many cores` are; `many vms` are guests."""
    return lots(r, i) if r.tag(i + 1) in {"CORES", "MEMORY", "DISK"} else 0


def different(r: Reading, i: int) -> int:
    """Ask which one `a different storage` is; `different nodes` is a wish of its own."""
    return elsewhere(r, i) or 0 if r.tag(i + 1) in {"STORAGE", "VLAN", "BRIDGE", "IP", "NETWORK"} else 0


UNSAID = {
    "VLAN": "vlan",
    "IP": "ip",
    "OSWORD": "os",
    "BRIDGE": "bridge",
    "NODEWORD": "node",
    "STORAGE": "storage",
    "GATEWAY": "gateway",
    "MEMORY": "memory",
    "CORES": "cores",
    "TEMPLATE": "template",
    "USER": "user",
    "NAMED": "names",
}


def unsaid(r: Reading, i: int) -> int:
    """Ask for the value in `change the vlan`, where none is given."""
    at = i + 1
    while r.tag(at) in {"A", "FILL"}:
        at += 1
    field = "os" if at < len(r.items) and r.items[at].low == "os" else UNSAID.get(r.tag(at))
    if field is None or r.tag(at + 1) not in {"", "COMMA", "STOP"} or not r.old:
        return 0
    r.ask(field, f"Which {field} do you want for {who(r)}?", r.scope)
    return at + 1 - i
