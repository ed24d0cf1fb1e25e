"""The table of words that do something, and the marks between clauses; each tells how many items it took."""

from __future__ import annotations

from atlas.language import (
    changing,
    denying,
    doubts,
    likeness,
    live,
    naming,
    opening,
    places,
    pointing,
    removing,
    renaming,
    tagging,
    verifying,
    vmids,
)
from atlas.language.reading import Reading
from atlas.language.subjects import subject_at


def special(r: Reading, i: int) -> int:
    """Deal with what is no fact and no subject at an item; return how many items it takes, 0 if it is neither."""
    handler = _HANDLERS.get(r.tag(i))
    return handler(r, i) if handler else 0


def _stop(r: Reading, i: int) -> int:
    r.comma = True
    r.uncounted()
    if r.tag(i) == "STOP":
        r.adding = r.removing = r.more = False
        r.apply.changing, r.apply.disks = False, None
        r.apply.growing = r.apply.shrinking = r.apply.disk_comes = False
        if r.weak:
            r.weak = False
    return 1


def _and(_r: Reading, _i: int) -> int:
    return 1


def _colon(_r: Reading, _i: int) -> int:
    return 1


def _vlan(r: Reading, i: int) -> int:
    """Take `tagged prod` as a tag, and `tagged 20` as a VLAN."""
    named = r.items[i].low == "tagged" and r.tag(i + 1) not in {"NUM", "VLAN", "OPENP", "COLON", "ON"}
    return tagging.tags(r, i) if named else 0


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
    "BADUNIT": doubts.bad_unit,
    "BIG": doubts.how_large,
    "LOTS": doubts.lots,
    "SOME": doubts.several,
    "DIFFERENT": doubts.different,
    "KEYWORD": doubts.which_key,
    "OTHERS": pointing.others,
    "VLAN": _vlan,
    "GONE": removing.gone,
    "ONLY": removing.only,
    "OPEN": opening.opened,
    "KIND": vmids.numbered,
    "VMIDNUM": vmids.given,
    "EXCEPT": pointing.excepted,
    "NO": denying.denied,
    "LIVE": live.live,
    "REMAKE": live.remake,
    "CLONE": doubts.cloned,
    "RESIZE": changing.resize,
    "SHRINK": changing.shrink,
    "FACTOR": changing.factor,
    "FEWER": changing.fewer,
    "STOP": _stop,
    "COMMA": _stop,
    "DASH": _stop,
    "AND": _and,
    "OPENP": pointing.open_paren,
    "CLOSEP": pointing.close_paren,
    "COLON": _colon,
    "ALL": pointing.everyone,
    "ADD": changing.add,
    "EACH": pointing.each,
    "MORE": changing.more,
    "CHANGE": changing.change,
    "REMOVE": removing.remove,
    "RENAME": renaming.rename,
    "NAMED": naming.named,
    "PREFIX": naming.prefix,
    "CHECK": verifying.check,
    "PORT": verifying.check,
    "ANSWER": verifying.answers,
    "HTTP": verifying.check,
    "HTTPS": verifying.check,
    "FOR": places.purpose,
    "ON": places.on,
    "TO": places.on,
    "STORAGE": places.storage,
    "STARTING": places.on,
    "QUOTED": verifying.command,
    "FAST": places.fast,
    "WORD": places.swapped,
    "TAG": tagging.tags,
    "SAME": likeness.same,
    "OLD": likeness.which_old,
    "TBD": doubts.unsure,
    "OR": doubts.either,
    "TEMPLATE": doubts.which_template,
    "THAN": pointing.compared,
}
