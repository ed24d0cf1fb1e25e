"""Layout to plain lines: tables, bullets and sizes that are written together become what a person would say."""

from __future__ import annotations

import re

_BULLET = re.compile(
    r"^[ \t]*(?:[*\u2022\u25aa\u25cf\u00b7\u25e6>]+|[-\u2013+](?=\s)|\(?\d{1,2}[.)](?=\s)|[a-h]\)(?=\s))[ \t]*",
    re.MULTILINE,
)
_STUCK = re.compile(r"(?<![\w.-])(\d+c)[-_]?(\d+[gm]b?)(?:[-_]?(\d+[gt]b?))?(?![\w-])", re.IGNORECASE)
_PIPE = re.compile(r"[ \t]+\|[ \t]+")
_RULE = re.compile(r"[\s|:+=-]*[-=]{2,}[\s|:+=-]*")
_WORDS = {
    "name": "name vm vms host hostname server guest nome nom nombre machine macchina maschine",
    "role": "role rol ruolo rolle rôle purpose service app",
    "count": "count qty quantity number anzahl quantità numero cantidad nombre #",
    "kind": "type kind tipo typ art",
    "{}": "os system image distro betriebssystem sistema software packages services notes",
    "{} cores": "cpu cpus core cores vcpu vcpus c kerne núcleos nuclei coeurs cpu(s)",
    "memory {}": "ram mem memory memoria arbeitsspeicher speicher mémoire",
    "disk {}": "disk disks hdd ssd root disco platte festplatte disque size",
    "storage {}": "storage datastore",
    "ip {}": "ip address ipv4 ip-address ip\u00a0address addr indirizzo adresse",
    "gateway {}": "gateway gw",
    "vlan {}": "vlan vlan\u00a0id vlan-id",
    "bridge {}": "bridge",
    "on node {}": "node nodo knoten pve",
    "tag {}": "tag tags",
}
"""How each column is said, by the words at its head; name, role, count and kind are said together, first."""
_SAYS = {head.replace("\u00a0", " "): form for form, heads in _WORDS.items() for head in heads.split(" ")}
_UNITED = re.compile(r"(.*?)\s*[(\[]\s*(?:in )?([gmt]i?b?)\s*[)\]]|(.*?)[_ -]([gmt]i?b)")


def plain(text: str) -> str:
    """Return a message as lines of plain words."""
    text = _PIPE.sub(", ", _BULLET.sub("", _told(text)))
    return _STUCK.sub(lambda m: " ".join(part for part in m.groups() if part), text)


def _told(text: str) -> str:
    """Return a text with its tables told row by row."""
    lines, out, at = text.split("\n"), list[str](), 0
    while at < len(lines):
        heads, end = _table(lines, at)
        if heads:
            rows = (_cells(line, _mark(lines[at])) for line in lines[at + 1 : end] if not _RULE.fullmatch(line))
            out += [_row([(_united(h), c.strip("`* ")) for h, c in zip(heads, row, strict=False)]) for row in rows]
            at = end
        else:
            out.append(lines[at])
            at += 1
    return "\n".join(out)


def _table(lines: list[str], at: int) -> tuple[list[str], int]:
    """Return the heads of the table that begins at a line, and where it ends; no heads if there is none."""
    mark = _mark(lines[at])
    heads = _cells(lines[at], mark) if mark else []
    known = sum(_united(head)[0] in _SAYS for head in heads)
    if len(heads) < 2 or known < 2 or known < len(heads) - 1:
        return [], at
    end = at + 1
    while end < len(lines) and (_RULE.fullmatch(lines[end]) or len(_cells(lines[end], mark)) >= max(2, known - 1)):
        end += 1
    return (heads, end) if end > at + 1 else ([], at)


def _mark(line: str) -> str:
    """Return what parts the cells of a line."""
    return next((mark for mark in (r"\|", r"\t", ";", ",", r"\s{2,}", r"\s") if len(_cells(line, mark)) > 1), "")


def _cells(line: str, mark: str) -> list[str]:
    line = line.strip().strip("|") if mark == r"\|" else line.strip()
    return [cell.strip() for cell in re.split(mark, line)] if line else []


def _united(head: str) -> tuple[str, str]:
    """Return a head in lower case without the unit that it gives, and that unit."""
    low = head.lower().strip("*_` ")
    match = _UNITED.fullmatch(low)
    return (low, "") if match is None else (match[1] or match[3], match[2] or match[4])


def _row(cells: list[tuple[tuple[str, str], str]]) -> str:
    """Return a row as a person would say it: first which guests it is about, then what they are like."""
    said = {_SAYS.get(name, ""): cell for (name, _), cell in cells if cell.strip("-")}
    count = f"{said['count']} " if said.get("count", "1").isdigit() and "count" in said else ""
    who = f"{count}{said.get('kind', 'vm')} {said['name']}" if "name" in said else ""
    who = who or f"{count or 'one '}{said.get('role', '')} {said.get('kind', 'vm')}"
    rest = (_said(*head, cell) for head, cell in cells if cell.strip("-"))
    return ", ".join([who, *filter(None, rest)])


def _said(name: str, unit: str, cell: str) -> str:
    """Return a cell as a person would say it."""
    form = _SAYS.get(name, "{}")
    if re.fullmatch(r"[\d.]+", cell):
        cell = f"{cell} {unit or ('GB' if form == 'disk {}' else '')}".rstrip()
    elif form == "{} cores":
        form = "{}"
    return form.format(cell).rstrip() if "{}" in form else ""
