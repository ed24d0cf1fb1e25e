"""Joining what only has a meaning together: numbers with units, systems and software with versions."""

from __future__ import annotations

import re
from dataclasses import replace

from atlas.language.counting import spelt
from atlas.language.items import MIB, Item, numbered_names
from atlas.language.words import Words, split

_COUNTED = frozenset(
    {"CORES", "SOCKETS", "KIND", "NOUN", "NODEWORD", "DISK", "NIC", "ROLE", "SW", "OS", "TIMES", "DATA"}
)
_BAD_UNIT = re.compile(r"[a-z]i?b|bits?|bytes?|[kpez][a-z]*bytes?|[a-z]bit|quintals?|pages?|blocks?")
_SINGULAR = frozenset({"vm", "lxc", "ct", "container", "server", "host", "box", "machine", "instance", "guest"})


def joined(items: list[Item], table: Words) -> list[Item]:
    """Join what only has a meaning together: numbers with units, systems and software with versions."""
    items, out = spelt(_measured(items)), list[Item]()
    i = 0
    while i < len(items):
        item, rest = items[i], items[i + 1 : i + 4]
        tags = [r.tag for r in rest] + ["", "", ""]
        if (listed := _range_of_names(item, rest)) is not None:
            out.append(Item("NAMES", listed, item.text, item.start))
            i += 3
            continue
        if (size := _size_at(item, rest, tags, table)) is not None:
            out.append(size[0])
            i += size[1]
            continue
        item = _as_meant(item, rest, out)
        if item.tag in {"OS", "SW"} and (skip := _version_at(item, rest, tags, counted=_is_counted(out))):
            version = str(rest[skip - 1].value)
            if item.tag == "OS":
                out.append(Item("OSV", f"{item.value}-{version}", item.text, item.start))
            else:
                out.append(Item("SWV", (item.value, version), item.text, item.start))
            i += skip + 1
            continue
        if item.tag == "OS":
            item = Item("OSV", item.value, item.text, item.start, item.guessed)
        elif item.tag == "SW":
            item = Item("SWV", (item.value, None), item.text, item.start, item.guessed)
        elif item.tag == "UNIT":
            item = Item("FILL", None, item.text, item.start)
        out.append(item)
        i += 1
    return _releases(out)


def _measured(items: list[Item]) -> list[Item]:
    """Put a unit behind its number: `8 more gigs` is `8 gigs more`."""
    out = list(items)
    for k in range(len(out) - 2):
        if [x.tag for x in out[k : k + 3]] == ["NUM", "MORE", "UNIT"]:
            out[k + 1], out[k + 2] = out[k + 2], out[k + 1]
    return out


def _is_counted(out: list[Item]) -> bool:
    """Tell whether a number stands in front, and words for what is counted: `two standby postgres 16 servers`."""
    at = len(out) - 1
    while at >= 0 and out[at].tag in {"ROLE", "BIG", "OSV"}:
        at -= 1
    return at >= 0 and out[at].tag == "NUM"


def _releases(items: list[Item]) -> list[Item]:
    """Join a system with its release: `debian bookworm`, `ubuntu 24.04 noble`, `an ubuntu server? 24.04, …`."""
    out: list[Item] = []
    for k, item in enumerate(items):
        alone = {items[j].tag if 0 <= j < len(items) else "STOP" for j in (k - 1, k + 1)} <= {"STOP", "COMMA"}
        if item.tag == "VERSION" and alone:
            bare = next((j for j, x in enumerate(out) if x.tag == "OSV" and "-" not in str(x.value)), None)
            if bare is not None:
                out[bare] = replace(out[bare], value=f"{out[bare].value}-{item.value}")
                continue
        if item.tag == "OSV" and out and out[-1].tag == "OSV":
            short, long = sorted((str(out[-1].value), str(item.value)), key=len)
            if long == short or long.startswith(f"{short}-"):
                out[-1] = replace(out[-1], value=long)
                continue
        out.append(item)
    return out


def _as_meant(item: Item, rest: list[Item], out: list[Item]) -> Item:
    """Return a word of several meanings as the one that its neighbours give it."""
    follows = rest[0] if rest else Item("", None, "", 0)
    if item.tag == "IMAGE":
        return _image(item, follows.tag, out)
    if item.tag == "SHARE" and any(x.tag == "PATH" for x in rest):
        return replace(item, tag="MOUNT")  # `share the node's /srv to /srv`
    name = follows.tag == "NAME" or (follows.tag == "WORD" and re.search(r"[\d-]", follows.text))
    if item.low == "like" and name and out and out[-1].tag in {"COMMA", "NAME", "WORD", "KIND"}:
        return replace(item, tag="SAME")  # `add web3, like web2`
    out_at = next((k for k, x in enumerate(rest) if x.low in {"out", "away", "down"}), 0)
    if item.low == "take" and out_at and (out_at + 1 == len(rest) or rest[out_at + 1].tag != "OF"):
        return replace(item, tag="REMOVE")  # `take web2 out`
    if item.low == "bind" and follows.tag in {"PATH", "MOUNT"}:
        return replace(item, tag="MOUNT")  # not the name server
    if item.low == "router" and follows.tag == "ADDR" and "/" not in follows.text and out and _behind_address(out):
        return replace(item, tag="GATEWAY")
    odd = item.tag == "ONLY" or (item.tag == "NUM" and item.text.isalpha())
    if odd and out and out[-1].low in _SINGULAR and follows.tag in {"WITH", "COMMA", "OS", "ON", "STOP"}:
        return replace(item, tag="WORD", value=item.text)  # `vm solo with …`
    loose = not rest or follows.tag not in _COUNTED | {"UNIT", "KIND", "NOUN", "ROLE", "MEMORY", "BADUNIT"}
    if item.tag == "NUM" and item.text.isdigit() and item.value >= 100 and out and out[-1].low in _SINGULAR and loose:
        return replace(item, tag="VMIDNUM")  # `vm 321 called scratch`
    if item.low in {"via", "über"} and follows.tag == "ADDR":
        return replace(item, tag="GATEWAY")
    if item.low == "node" and _version_of_nodejs(follows) and (not out or out[-1].tag not in {"ON", "A", "NUM", "TO"}):
        return replace(item, tag="SW", value="nodejs")  # `node 20 and redis`
    return item


def _behind_address(out: list[Item]) -> bool:
    """Tell whether a new clause begins here, or one that goes on with an address: `10.0.0.5/24 and router …`."""
    return out[-1].tag == "COMMA" or (out[-1].tag == "AND" and len(out) > 1 and out[-2].tag in {"ADDR", "PREFIXLEN"})


def _version_of_nodejs(item: Item) -> bool:
    match = re.match(r"v?(\d+)", item.text)
    return match is not None and item.tag in {"NUM", "VERSION"} and 10 <= int(match[1]) <= 30


def _image(item: Item, following: str, out: list[Item]) -> Item:
    """Return the word `image` as what it is: filler beside a system, part of a name, or what a name follows."""
    if following == "OS" or (out and out[-1].tag == "OSV"):
        if len(out) > 1 and out[-2].tag == "A":
            del out[-2]  # `a debian image` says no more than `debian`
        return replace(item, tag="FILL")
    return item if following in {"WORD", "NAME", "QUOTED", "COLON"} else replace(item, tag="WORD")  # `an image server`


def _size_at(item: Item, rest: list[Item], tags: list[str], table: Words) -> tuple[Item, int] | None:
    """Return the size that a number or a fraction begins, or what is no unit behind it, and how many items it takes."""
    fraction = table.fractions.get(tuple(split(item.low)))
    if fraction is not None:
        skip = 1 if tags[0] in {"A", "NUM"} and tags[1] == "UNIT" else 0
        if tags[skip] == "UNIT":
            text = " ".join(x.text for x in (item, *rest[: skip + 1]))
            return Item("SIZE", fraction * MIB[rest[skip].value], text, item.start), skip + 2
    if item.tag != "NUM" or not rest:
        return None
    if rest[0].low in {"bit", "bits"} and tags[1] in {"PREFIX", "NETMASK", "NETWORK"}:
        return Item("PREFIXLEN", f"/{item.value}", item.text, item.start), 3  # `a 24 bit prefix`
    text = f"{item.text} {rest[0].text}"
    if _is_bad_unit(rest, tags):
        return Item("BADUNIT", rest[0].text, text, item.start), 2
    if tags[0] == "UNIT":
        return Item("SIZE", float(item.value) * MIB[rest[0].value], text, item.start), 2
    return None


def _is_bad_unit(rest: list[Item], tags: list[str]) -> bool:
    """Tell whether a number's next word is no unit although it stands where one does: `16 quibbles of ram`."""
    of = tags[1] == "OF" and tags[2] in {"MEMORY", "DISK", "STORAGE"}
    sized = tags[0] == "WORD" and (tags[1] == "MEMORY" or of)
    return sized or (tags[0] in {"WORD", "FILL"} and bool(_BAD_UNIT.fullmatch(rest[0].low)))


def _range_of_names(item: Item, rest: list[Item]) -> list[str] | None:
    """Return the names of `web1 to web4`; None where two words are no ends of a numbered row."""
    if len(rest) < 2 or rest[0].tag not in {"TO", "DASH", "A"} or (rest[0].tag == "A" and rest[0].low != "a"):
        return None
    first, last = (re.fullmatch(r"([a-z][\w-]*?)(\d+)", x.low) for x in (item, rest[1]))
    letters = [re.fullmatch(r"([a-z][\w-]*-)([a-z])", x.low) for x in (item, rest[1])]
    if letters[0] and letters[1] and letters[0][1] == letters[1][1] and letters[0][2] < letters[1][2]:
        return [f"{letters[0][1]}{chr(c)}" for c in range(ord(letters[0][2]), ord(letters[1][2]) + 1)]
    if not first or not last or first[1] != last[1] or int(first[2]) >= int(last[2]):
        return None
    return numbered_names(f"{first[1]}{first[2]}..{last[2]}")


def _version_at(item: Item, rest: list[Item], tags: list[str], *, counted: bool) -> int:
    """Return how far behind a system or software its version stands; 0 if there is none."""
    if item.tag == "OS" and "-" in str(item.value):
        return 0
    at = 1 if tags[0] == "VERSION" and rest[0].text.lower() not in {"version", "release", "v"} else 0
    for skip in (0, 1):
        if skip and (not rest or rest[0].low not in {"version", "versione", "versión", "release", "v"}):
            break
        if tags[skip] == "VERSION" and isinstance(rest[skip].value, str):
            return skip + 1
        if tags[skip] == "NUM" and rest[skip].text.isdigit():
            if item.tag == "SW" and rest[skip].value > 2100:
                return 0  # `redis 6379` is its port
            if item.tag == "OS":
                one = tags[skip + 1] == "DISK" and tags[skip + 2] in {"SIZE", "NUM", "COLON"}  # `debian 12 disk 50G`
                return skip + 1 if one or tags[skip + 1] not in {"CORES", "SOCKETS", "DISK", "UNIT"} else 0
            noun = rest[skip + 1].low.split()[-1] if tags[skip + 1] in {"KIND", "NOUN", "ROLE"} else ""
            one = noun in _SINGULAR or (
                counted and tags[skip + 1] in {"KIND", "NOUN"}
            )  # `redis 7 vm`, `nodejs 20 app server`
            return skip + 1 if one or tags[skip + 1] not in _COUNTED else 0
    return at
