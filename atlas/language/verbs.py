"""Words that do something: name, rename, remove, add, check, place; each tells how many items it took."""

from __future__ import annotations

from copy import deepcopy

from atlas.language import meeting, naming, places, relative
from atlas.language.draft import Finding
from atlas.language.facts import Fact
from atlas.language.reading import Reading
from atlas.language.scope import label
from atlas.language.subjects import Subject, subject_at

_PARTS = frozenset({"SWV", "ROOT", "SNAPSHOT", "VLAN", "TAG", "GATEWAY"})


def special(r: Reading, i: int) -> int:
    """Deal with what is no fact and no subject at an item; return how many items it takes, 0 if it is neither."""
    handler = _HANDLERS.get(r.tag(i))
    return handler(r, i) if handler else 0


def _stop(r: Reading, i: int) -> int:
    r.comma = True
    r.count = None
    if r.tag(i) == "STOP":
        r.adding = r.removing = r.more = False
        r.apply.changing, r.apply.disks = False, None
        r.apply.growing = r.apply.shrinking = r.apply.disk_comes = False
        if r.weak:
            r.weak = False
    return 1


def _and(_r: Reading, _i: int) -> int:
    return 1


def _open_paren(r: Reading, _i: int) -> int:
    r.parens.append(list(r.scope) if r.subjects else [])
    if r.subjects and r.joinable:
        r.scope = list(r.latest)  # what stands in brackets is said of the last subject alone
    r.joinable = r.bracketed = False
    return 1


def _close_paren(r: Reading, _i: int) -> int:
    if r.parens:
        group = r.parens.pop()
        if group:
            r.scope, r.wider = r.wider or group, []
            r.joinable = r.bracketed = not r.family
            r.told = r.told if r.family else set()
    return 1


def _all(r: Reading, i: int) -> int:
    some = r.items[i - 2].value if r.tag(i - 1) == "OF" and r.tag(i - 2) == "NUM" else 0
    base = r.scope or r.everyone()
    if r.items[i].low == "them" and 0 < some < len(base):
        meeting.narrow(r, base[:some])  # `make two of them 8 GB`
        r.count = None
        return 1
    if (r.items[i].low == "them" and len(r.scope) > 1) or r.tag(i + 1) in {"NODEWORD", "PORT"}:
        return 1
    follows = subject_at(r.items, i + 1, bare=True)
    if follows and (found := r.find(follows) or _of_kind(r, follows)):
        r.scope, r.weak = found, True
        return 1 + follows.length
    r.scope, r.family, r.told = r.everyone(), [], set()
    r.weak = bool(r.scope)
    return 1


def _of_kind(r: Reading, subject: Subject) -> list[int]:
    """Return the guests that `all vms` or `all containers` means."""
    if not subject.kind or subject.names or subject.role or subject.image or subject.count is not None:
        return []
    return [g for g in r.everyone() if r.draft.guests[g].fields.get("kind", "vm") == subject.kind]


def _each(r: Reading, i: int) -> int:
    if r.tag(i - 1) in {"COMMA", "STOP", "AND"} and r.tag(i + 1) not in {"COMMA", "STOP", ""} and len(r.subjects) > 1:
        r.scope, r.family, r.told = r.everyone(), [], set()
    return 1


def _colon(_r: Reading, _i: int) -> int:
    return 1


def _add(r: Reading, i: int) -> int:
    r.adding, r.apply.changing = True, False
    amount = i + 1 + (r.tag(i + 1) == "MORE")
    counted = r.tag(amount) == "NUM" and r.tag(amount + 1) == "CORES"
    sized = r.tag(amount) == "SIZE" and "MEMORY" in {r.tag(amount + 1), r.tag(amount + 2)}
    r.apply.growing = bool(r.old) and (counted or sized)  # `add 4 GB of memory`
    r.apply.disk_comes = bool(r.old)
    at = i + 1 + (r.tag(i + 1) in {"A", "NUM"})
    at += r.tag(at) == "DATA"
    if r.tag(at) == "DISK" and not any(r.tag(k) in {"SIZE", "NUM"} for k in range(at, r.clause_end(at))):
        r.state(Fact("disk.data", (None, None, 1), "add"), r.ahead(at))
        return at + 1 - i
    return 1


def _more(r: Reading, i: int) -> int:
    at = i + 1 + (r.tag(i + 1) == "NUM")
    if (
        r.draft.guests
        and r.tag(at + (r.tag(at) == "FILL")) in {"", "COMMA", "STOP"}
        and r.tag(i - 1) in {"", "ADD", "NUM", "AND", "A", "COMMA"}
    ):
        found = r.scope or list(range(len(r.draft.guests)))
        meeting.clone(r, found, r.count or (r.items[i + 1].value if at > i + 1 else 1))  # `add another one`, `two more`
        r.count = None
        return at - i
    if (elsewhere := _elsewhere(r, i)) is not None:
        return elsewhere
    if r.tag(i + 1) == "MEMORY" or (
        r.tag(i + 1) in {"CORES", "DISK"} and r.tag(i - 1) != "NUM" and r.tag(i + 1) == "CORES"
    ):
        field = "memory" if r.tag(i + 1) == "MEMORY" else "cores"
        if not any(r.tag(k) in {"SIZE", "NUM"} for k in range(i + 2, min(i + 5, r.clause_end(i)))):
            r.ask(field, f"How much {field} should {_who(r)} have?", r.scope)
            r.edit_only = r.edit_only or not r.draft.guests
            return 2
    subject = subject_at(r.items, i, bare=False)
    if subject is None or r.tag(i + 1) in {"DISK", "DATA"}:
        return 0
    r.more = True
    return 1 if subject.more and r.tag(i) == "MORE" and not subject_at(r.items, i + 1, bare=False) else 0


def _elsewhere(r: Reading, i: int) -> int | None:
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


def _who(r: Reading) -> str:
    return label(r.draft.guests[r.scope[0]]) if r.scope else "it"


_GIVES = frozenset({"give", "dai", "dagli", "dale", "gib", "donne"})


def _ends(r: Reading, at: int) -> bool:
    return r.tag(at) in {"", "COMMA", "STOP", "AND"}


def _change(r: Reading, i: int) -> int:
    r.apply.changing, r.adding, r.apply.growing, r.apply.disk_comes = True, False, False, False
    if r.items[i].low in _GIVES and r.tag(i + 1) in {"IT", "ALL"} and r.tag(i + 2) == "NUM" and _ends(r, i + 3):
        r.state(Fact("memory", f"{r.items[i + 2].value}?"))  # `give it 256`
        return 3
    it = r.tag(i + 1) in {"IT", "ALL"} or (r.tag(i + 1) == "FILL" and r.items[i + 1].low in {"that", "them", "those"})
    after = i + 3 + (2 if r.tag(i + 3) == "OF" and r.tag(i + 4) in {"ALL", "IT"} else 0)
    if it and r.tag(i + 2) == "NUM" and r.tag(after) in {"", "COMMA", "STOP"} and r.scope:
        r.scope = meeting.scale(r, list(r.scope), r.items[i + 2].value)
        return after - i
    return 1


def _remove(r: Reading, i: int) -> int:
    at = i + 1
    while r.tag(at) in {"A", "FILL", "ALL"}:
        at += 1
    if r.tag(at) in {"DATA", "DISK"}:
        for g in r.ahead(at) or r.scope:
            disks = r.draft.guests[g].fields.get("disks", [])
            if len(disks) > 1:
                disks.pop()
                r.apply.notes.append("disk")
        return at - i + 1 + (r.tag(at + 1) == "DISK")
    if r.tag(at) == "NUM" and r.tag(at + 1) == "OF" and r.tag(at + 2) in {"ALL", "IT"}:
        for g in sorted((r.scope or r.everyone())[-r.items[at].value :], reverse=True):
            meeting.delete(r, g)  # `drop one of them`
        return at + 3 - i
    subject = subject_at(r.items, i + 1, bare=True)
    if r.tag(at) in _PARTS and not (subject and r.tag(i + 1) == "A" and r.find(subject)):
        return 0
    if subject is None:
        return 1
    going = _going(r, subject)
    if not going:
        r.ask("target", f"Which guest should go? There is no {subject.words or 'such guest'} in this draft.")
    for g in sorted(going, reverse=True):
        meeting.delete(r, g)
    return 1 + subject.length


def _going(r: Reading, subject: Subject) -> list[int]:
    """Return the guests that are to be removed."""
    found = r.scope if subject.it else r.find(subject)
    if subject.ordinal is not None:
        return r.picked(found or list(range(len(r.draft.guests))), subject)
    if subject.count is not None and subject.count < len(found):
        return found[-subject.count :]
    return found


def _same(r: Reading, i: int) -> int:
    """Take `same os` from the group before; `like the old one` is a question."""
    before = r.subjects[-2] if len(r.subjects) > 1 else []
    if r.tag(i) == "SAME" and before and r.tag(i + 1) in {"OSWORD", "ROOT", "OSV"}:
        image = r.draft.guests[before[0]].fields.get("image")
        if image:
            r.state(Fact("image", image))
        return 2
    if r.tag(i) == "SAME" and before and r.tag(i + 1) in {"", "COMMA", "STOP"}:
        for field in ("cpu", "memory", "disks", "image"):  # `a1 with 2 cores, a2 with the same`
            if field in (like := r.draft.guests[before[0]].fields):
                for g in r.scope:
                    r.draft.guests[g].fields.setdefault(field, deepcopy(like[field]))
        return 1
    ahead = [r.tag(k) for k in range(i, min(i + 5, r.clause_end(i)))]
    thing = {"TEMPLATE": "template", "STORAGE": "storage", "VLAN": "vlan", "NODEWORD": "node"}.get(r.tag(i + 1))
    if "OLD" in ahead and r.tag(i) == "SAME" and thing is not None:
        r.ask(thing, f"Which {thing} do you mean? I know only what you say here.", r.scope)
        return ahead.index("OLD") + 1
    if "OLD" in ahead or (r.tag(i) == "SAME" and "IT" in ahead):
        r.ask(
            "target", "Which guest do you mean? I know only what you say here, so name what it should be like.", r.scope
        )
        r.apply.notes.append("target")
        return len(ahead)
    return 0


def _old(r: Reading, i: int) -> int:
    if r.tag(i + 1) in {"DISK", "STORAGE", "TEMPLATE", "NETWORK", "WORD", "ROOT", "DATA"}:
        field = {"DISK": "disk", "STORAGE": "storage", "TEMPLATE": "template", "NETWORK": "ip"}.get(
            r.tag(i + 1), "target"
        )
        r.ask(field, f"What is {r.items[i].text} {r.items[i + 1].text}? I know only what you say here.", r.scope)
        return 2
    return _same(r, i)


def _unsure(r: Reading, i: int) -> int:
    end = r.clause_end(i)
    begin = max((k for k in range(i) if r.tag(k) in {"COMMA", "STOP"}), default=-1) + 1
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
    }
    for k in (*range(i + 1, end), *range(i - 1, begin - 1, -1)):
        if r.tag(k) in fields:
            field = fields[r.tag(k)]
            if r.tag(k) == "VERSION" and r.items[k].value is not None:
                continue
            r.ask(field, f"Which {field} do you want?", r.scope, firm=True)
            return 1
    return 1


def _or(r: Reading, i: int) -> int:
    left, right = r.tag(i - 1), r.tag(i + 1)
    if right == "NO" and r.tag(i + 2) in {"", "COMMA", "STOP"}:
        return _unsure(r, i)  # `with a gpu or maybe not`
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
    if field is None:
        return 1
    one, other = r.items[i - 1].text, r.items[i + 1].text
    r.ask(field, f"Which {field}: {one} or {other}?", r.scope, (one, other), firm=True)
    return 2


def _then(r: Reading, i: int) -> int:
    """Skip what something is compared with: `more than web`."""
    subject = subject_at(r.items, i + 1, bare=True)
    return 1 + (subject.length if subject else int(r.tag(i + 1) == "OLD"))


def _others(r: Reading, i: int) -> int:
    """Take `the others` as those of whom nothing was said yet."""
    if (used := _elsewhere(r, i)) is not None:
        return used
    base = r.family or list(range(len(r.draft.guests)))
    if not r.told and not r.subjects and r.old and 0 < len(r.draft.focus) < len(base):
        meeting.narrow(r, [g for g in base if g not in r.draft.focus])  # those that the message before was not about
        return 1
    rest = [g for g in base if g not in r.told and g not in r.scope] or [g for g in base if g not in r.told]
    if rest:
        meeting.narrow(r, rest)
    return 1


def _open(r: Reading, i: int) -> int:
    """Ask which ports are meant where none is said: `open some ports`."""
    end = r.clause_end(i)
    tags = [r.tag(k) for k in range(i + 1, end)]
    if "PORT" not in tags or {"NUM", "PORTPROTO"} & {*tags, r.tag(end + 1)} or r.tag(i - 1) in {"NO", "PORT"}:
        return 0
    r.ask("ports", f"Which ports should be open on {_who(r)}?", r.scope)
    return end - i


def _vlan(r: Reading, i: int) -> int:
    """Take `tagged prod` as a tag, and `tagged 20` as a VLAN."""
    named = r.items[i].low == "tagged" and r.tag(i + 1) not in {"NUM", "VLAN", "OPENP", "COLON", "ON"}
    return places.tags(r, i) if named else 0


def _bad_unit(r: Reading, i: int) -> int:
    item = r.items[i]
    text = f"{item.value!r} in {item.text!r} is no unit of size: MB, GB or TB"
    r.draft.findings.append(Finding(kind="error", code="unknown_unit", text=text, fields=["memory", "disk.size"]))
    at = i + 1
    while r.tag(at) in {"OF", "MEMORY", "DISK"}:
        at += 1
    return at - i


def _lots(r: Reading, i: int) -> int:
    at = i + 1 + (r.tag(i + 1) == "OF")
    field = {"MEMORY": "memory", "CORES": "cores", "DISK": "disk"}.get(r.tag(at))
    if field is None:
        return 1
    r.ask(field, f"How much {field} should {_who(r)} have?", r.scope)
    return at + 1 - i


def _key(r: Reading, i: int) -> int:
    if any(r.tag(k) == "KEY" for k in range(i, i + 4)):
        return 0
    if r.tag(i - 1) != "NO":
        r.ask("ssh_key", "Which ssh key? Paste the public key.", r.scope)
    return 1


def _gone(r: Reading, i: int) -> int:
    """Take `web3 can go` as its removal."""
    if not r.old or not (r.placed or r.subjects) or r.tag(i + 1) not in {"", "COMMA", "STOP", "AND", "FILL"}:
        return 1
    for g in sorted(r.latest or r.scope, reverse=True):
        meeting.delete(r, g)
    return 1


def _resize(r: Reading, i: int) -> int:
    r.edit_only = True
    by = next((k for k in range(i, r.clause_end(i) - 1) if r.tag(k) == "OF" and r.tag(k + 1) in {"NUM", "SIZE"}), None)
    if by is not None and r.items[by].low in {"di", "de"}:
        r.retag(by, "BY")  # `aumenta la ram di 4 GB`
    return _change(r, i)


def _shrink(r: Reading, i: int) -> int:
    r.apply.shrinking = True
    return _resize(r, i)


def _factor(r: Reading, i: int) -> int:
    """Take `double web2's memory`, and `double the web servers` as twice as many; the rest is a fact."""
    at = i + 1
    while r.tag(at) in {"NUMBER", "OF"} or (r.tag(at) == "A" and r.tag(at + 1) in {"NUMBER", "OF"}):
        at += 1
    subject = subject_at(r.items, at, bare=True)
    found = r.find(subject) if subject else []
    if not subject or not found:
        return 0
    after = at + subject.length
    if r.tag(after) in {"MEMORY", "CORES", "DISK", "DATA", "ROOT"}:
        meeting.refer(r, found, subject)
        tail = [r.items[i], *(r.items[k] for k in range(after, after + 1 + (r.tag(after + 1) == "DISK")))]
        for fact in relative.factor(tail):
            r.state(fact)
        return after - i + len(tail) - 1
    many = len(found) * r.items[i].value
    if many == int(many) and (len(found) > 1 or at > i + 1):
        r.scope = meeting.scale(r, found, int(many))
        return after - i
    return 0


def _fewer(r: Reading, i: int) -> int:
    """Take `two fewer` and `one web server less` for the group that is spoken of."""
    count = r.count or 1
    if r.tag(i + 1) in {"", "COMMA", "STOP"} and len(r.scope) > count:
        r.scope = meeting.scale(r, list(r.scope), len(r.scope) - count)
        r.count = None
    return 1


def _heading(r: Reading, i: int) -> int:
    """Skip `kubernetes cluster` and `k3s: 1 server`: what guests are for, and nothing to install by itself."""
    if r.items[i].value[1] is not None or r.tag(i - 1) in {"WITH", "INSTALL"}:
        return 0
    if r.tag(i + 1) == "HEADING":
        return 2
    counted = subject_at(r.items, i + 2, bare=False) if r.tag(i + 1) == "COLON" else None
    return 2 if counted and counted.count is not None else 0


_HANDLERS = {
    "SWV": _heading,
    "BADUNIT": _bad_unit,
    "LOTS": _lots,
    "KEYWORD": _key,
    "OTHERS": _others,
    "VLAN": _vlan,
    "GONE": _gone,
    "OPEN": _open,
    "RESIZE": _resize,
    "SHRINK": _shrink,
    "FACTOR": _factor,
    "FEWER": _fewer,
    "STOP": _stop,
    "COMMA": _stop,
    "DASH": _stop,
    "AND": _and,
    "OPENP": _open_paren,
    "CLOSEP": _close_paren,
    "COLON": _colon,
    "ALL": _all,
    "ADD": _add,
    "EACH": _each,
    "MORE": _more,
    "CHANGE": _change,
    "REMOVE": _remove,
    "RENAME": naming.rename,
    "NAMED": naming.named,
    "PREFIX": naming.prefix,
    "CHECK": places.check,
    "PORT": places.check,
    "HTTP": places.check,
    "HTTPS": places.check,
    "FOR": places.purpose,
    "ON": places.on,
    "TO": places.on,
    "STORAGE": places.storage,
    "STARTING": places.on,
    "QUOTED": places.command,
    "FAST": places.fast,
    "TAG": places.tags,
    "SAME": _same,
    "OLD": _old,
    "TBD": _unsure,
    "OR": _or,
    "THAN": _then,
}
