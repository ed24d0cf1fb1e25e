"""Verbs that change, enlarge or add to what there is."""

from __future__ import annotations

from atlas.language import groups, relative
from atlas.language.doubts import elsewhere, unsaid, who
from atlas.language.facts import Fact
from atlas.language.nouns import Subject
from atlas.language.reading import Reading
from atlas.language.subjects import subject_at


def add(r: Reading, i: int) -> int:
    """Begin to add; sizes and disks behind the verb come to those there are."""
    r.adding, r.apply.changing = True, False
    amount = i + 1 + (r.tag(i + 1) == "MORE")
    counted = r.tag(amount) == "NUM" and r.tag(amount + 1) == "CORES"
    sized = r.tag(amount) == "SIZE" and "MEMORY" in {r.tag(amount + 1), r.tag(amount + 2)}
    r.apply.growing = bool(r.old) and (counted or sized)  # `add 4 GB of memory`
    r.apply.disk_comes = bool(r.old)
    at = i + 1 + (r.tag(i + 1) in {"A", "NUM"})
    at += r.tag(at) == "DATA"
    room = r.tag(at) == "STORAGE" and r.tag(at + 1) in {"", "TO", "FOR", "STOP", "COMMA"}  # `add storage to a1`
    if (r.tag(at) == "DISK" or room) and not any(r.tag(k) in {"SIZE", "NUM"} for k in range(at, r.clause_end(at))):
        r.edit_only = r.edit_only or not (r.old or r.subjects)
        r.state(Fact("disk.data", (None, None, 1), "add"), r.ahead(at))
        return at + 1 - i
    return 1


def more(r: Reading, i: int) -> int:
    """Take `two more`, `another vlan` and `more memory`: like guests, another value, or one to ask for."""
    at = i + 1 + (r.tag(i + 1) == "NUM")
    at += 2 * (r.tag(at) == "OF" and r.tag(at + 1) in {"ALL", "IT"})  # `two more of them`
    behind = at + (r.tag(at) == "FILL")
    alike = behind + (r.tag(behind) == "ALIKE")
    if (
        r.draft.guests
        and (r.tag(alike) in {"", "COMMA", "STOP"} or (r.adding and (alike > behind or r.tag(alike) == "NAMED")))
        and r.tag(i - 1) in {"", "ADD", "NUM", "AND", "A", "COMMA"}
    ):
        found = r.scope or list(range(len(r.draft.guests)))
        groups.clone(r, found, r.count or (r.items[i + 1].value if at > i + 1 else 1))  # `add another one`, `two more`
        r.count = None
        return max(at, alike) - i
    if r.tag(i + 1) == "NAMED" and r.draft.guests and not r.old:
        groups.create(r, Subject(count=1, kind=r.draft.guests[-1].fields.get("kind")))  # `…, another called web2`
        return 1
    if (other := elsewhere(r, i)) is not None:
        return other
    one = r.tag(i + 1) in {"FILL", "NUM"} and r.items[i + 1].low == "one"
    plain = r.tag(i + 1) == "FOR" and not r.old and r.tag(i - 1) in {"COMMA", "STOP", "AND"}  # `another for printing`
    if ((one and r.tag(i + 2) in {"FOR", "WITH"}) or plain) and r.draft.guests:
        like = r.draft.guests[-1].fields.get("kind")
        if r.old:
            groups.clone(r, r.scope or [len(r.draft.guests) - 1], 1)
        else:
            groups.create(r, Subject(count=1, kind=like))  # `…, another one for grafana`
        return 1 if plain else 2
    if r.tag(i + 1) == "CORES" and r.items[i].low in {"one more", "another"} and r.old:
        r.state(Fact("cpu.cores", 1, "grow"), r.ahead(i + 2))
        return 2
    if r.tag(i + 1) == "MEMORY" or (
        r.tag(i + 1) in {"CORES", "DISK"} and r.tag(i - 1) != "NUM" and r.tag(i + 1) == "CORES"
    ):
        field = "memory" if r.tag(i + 1) == "MEMORY" else "cores"
        if not any(r.tag(k) in {"SIZE", "NUM"} for k in range(i + 2, min(i + 5, r.clause_end(i)))):
            r.ask(field, f"How much {field} should {who(r)} have?", r.scope)
            r.edit_only = r.edit_only or not r.draft.guests
            than = i + 2 + (r.tag(i + 2) in {"OF", "THAN", "STARTING"})
            return than + 1 - i if r.tag(than) == "OLD" else 2  # `more memory than usual`
    subject = subject_at(r.items, i, bare=False)
    if subject is None or r.tag(i + 1) in {"DISK", "DATA"}:
        return 0
    r.more = True
    return 1 if subject.more and r.tag(i) == "MORE" and not subject_at(r.items, i + 1, bare=False) else 0


_ALTERS = frozenset({"change", "switch", "adjust", "modify", "cambia", "modifica", "ändere", "modifier", "modificar"})
_GIVES = frozenset({"give", "dai", "dagli", "dale", "gib", "donne"})


def _ends(r: Reading, at: int) -> bool:
    return r.tag(at) in {"", "COMMA", "STOP", "AND"}


def change(r: Reading, i: int) -> int:
    """Begin to change what there is; take `give it 256` and `make that 3`."""
    if r.old and r.pending and not r.subjects and r.tag(i - 1) in {"AND", "STOP"}:
        for fact in r.pending:  # `back to pve1, and make a second one on pve3`
            r.apply.apply(fact, r.draft.focus or list(range(r.old)))
        r.pending = []
    r.apply.changing, r.adding, r.apply.growing, r.apply.disk_comes = True, False, False, False
    if r.items[i].low in _ALTERS and (used := unsaid(r, i)):
        return used
    if r.items[i].low in _GIVES and r.tag(i + 1) in {"IT", "ALL"} and r.tag(i + 2) == "NUM" and _ends(r, i + 3):
        r.state(Fact("memory", f"{r.items[i + 2].value}?"))  # `give it 256`
        return 3
    group = r.joinable and len(r.latest) > 1 and r.tag(i + 1) == "NUM" and r.old
    if group and r.tag(i + 2) in {"", "COMMA", "STOP"}:
        r.scope = groups.scale(r, list(r.latest), r.items[i + 1].value)  # `app servers should be 4, not 3`
        return 2
    it = r.tag(i + 1) in {"IT", "ALL"} or (r.tag(i + 1) == "FILL" and r.items[i + 1].low in {"that", "them", "those"})
    after = i + 3 + (2 if r.tag(i + 3) == "OF" and r.tag(i + 4) in {"ALL", "IT"} else 0)
    if it and r.tag(i + 2) == "NUM" and r.tag(after) in {"", "COMMA", "STOP"} and r.scope:
        r.scope = groups.scale(r, list(r.scope), r.items[i + 2].value)
        return after - i
    return 1


def resize(r: Reading, i: int) -> int:
    """Begin to change the size of what is there."""
    r.edit_only = True
    end = r.clause_end(i)
    tags = {r.tag(k) for k in range(i, end)}
    wanted = next((t for t in ("DISK", "MEMORY", "CORES") if t in tags), None)
    if wanted and not tags & {"NUM", "SIZE", "FACTOR", "CORESHORT", "MORE", "BIG"}:
        r.ask(wanted.lower(), f"How much {wanted.lower()} should {who(r)} have?", r.scope)  # `resize its disk`
    by = next((k for k in range(i, r.clause_end(i) - 1) if r.tag(k) == "OF" and r.tag(k + 1) in {"NUM", "SIZE"}), None)
    if by is not None and r.items[by].low in {"di", "de"}:
        r.retag(by, "BY")  # `aumenta la ram di 4 GB`
    return change(r, i)


def shrink(r: Reading, i: int) -> int:
    """Begin to make what is there smaller."""
    r.apply.shrinking = True
    return resize(r, i)


def factor(r: Reading, i: int) -> int:
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
        groups.refer(r, found, subject)
        tail = [r.items[i], *(r.items[k] for k in range(after, after + 1 + (r.tag(after + 1) == "DISK")))]
        for fact in relative.factor(tail):
            r.state(fact)
        return after - i + len(tail) - 1
    many = len(found) * r.items[i].value
    if many == int(many) and (len(found) > 1 or at > i + 1):
        r.scope = groups.scale(r, found, int(many))
        return after - i
    return 0


def fewer(r: Reading, i: int) -> int:
    """Take `two fewer` and `one web server less` for the group that is spoken of."""
    count = r.count or 1
    if r.tag(i + 1) in {"", "COMMA", "STOP"} and len(r.scope) > count:
        r.scope = groups.scale(r, list(r.scope), len(r.scope) - count)
        r.count = None
    return 1
