"""What is to be checked once guests run: ports, services, web pages and commands."""

from __future__ import annotations

import re
from typing import Any

from atlas.language.facts import Fact
from atlas.language.items import Item
from atlas.language.reading import Reading
from atlas.language.subjects import subject_at

_URL = re.compile(r"(?:(https?)://)?[^/:]*(?::(\d+))?(/.*)?")


def command(r: Reading, i: int) -> int:
    """Take a command in backticks as a check, where the sentence speaks of checking or running."""
    item = r.items[i]
    begin = max((k for k in range(i) if r.tag(k) == "STOP"), default=-1) + 1
    end = next((k for k in range(i, len(r.items)) if r.tag(k) == "STOP"), len(r.items))
    asks = any(
        x.tag in {"CHECK", "RUNNING"} or x.low in {"run", "execute", "succeed", "succeeds", "works"}
        for x in r.items[begin:end]
    )
    if not item.text.startswith("`") or not asks or not (r.subjects or r.pending or r.old):
        return 0
    r.state(Fact("checks", {"command": str(item.value)}, "add"), r.ahead(i + 1))
    return 1


def check(r: Reading, i: int) -> int:
    """Read what is to be checked: everything up to the end of the sentence, or the next thing to do."""
    if r.tag(i) in {"PORT", "HTTP", "HTTPS"} and r.tag(i + 1) == "CHECK":
        found = _checks([*r.items[i : i + 1], *r.items[i + 2 : r.clause_end(i + 1)]])
        for check in found:
            r.state(Fact("checks", check, "add"), r.ahead(i + 2))
        return r.clause_end(i + 1) - i if found else 0  # `http check on port 8080`
    end = i + 1
    while end < len(r.items) and r.tag(end) not in {"STOP", "OPEN", "INSTALL", "CLOSEP", "ADD"}:
        if r.tag(end) == "COMMA" and end > i + 2:
            break
        end += 1
    if r.tag(i) in {"PORT", "HTTP", "HTTPS"}:
        stop = next((k for k in range(i, end) if r.tag(k) == "ANSWER"), None)
        if stop is None or any(r.tag(k) in {"COMMA", "AND"} for k in range(i, stop)):
            return 0
        end = max(end, stop + 1)
    answer = next((k for k in range(i, end) if r.tag(k) == "ANSWER"), None)
    if answer is not None and r.tag(answer + 1) in {"ON", "FOR"} and subject_at(r.items, answer + 2, bare=False):
        end = answer + 1
    windows: list[list[Item]] = [[]]
    for item in r.items[i:end]:
        if item.tag == "AND":
            windows.append([])
        else:
            windows[-1].append(item)
    checks = [check for window in windows for check in _checks(window)] or _open_ports(r, i, end)
    if not checks:
        return 0
    there = any(item.low in {"there", "lì", "dort", "allí", "là"} for item in r.items[i:end])
    scope = None if there else r.ahead(i)
    for check in checks:
        r.state(Fact("checks", check, "add"), scope)
    return end - i


def _open_ports(r: Reading, i: int, end: int) -> list[dict[str, Any]]:
    """Return checks of all ports that were opened: `verify both ports answer`."""
    tags = {r.tag(k) for k in range(i, end)}
    if not tags & {"ALL", "IT"} or not tags & {"ANSWER", "REACH", "OPEN", "REACHABLE"} or "NUM" in tags:
        return []
    ports = [p for g in r.scope[:1] for p in r.draft.guests[g].fields.get("open_ports", [])]
    return [{"port": int(str(p).partition("@")[0])} for p in ports if str(p).partition("@")[0].isdigit()]


def answers(r: Reading, i: int) -> int:
    """Take `each must answer on 9200` as a check of a port."""
    at = i + 1
    while r.tag(at) in {"ON", "PORT", "FILL", "A"}:
        at += 1
    if at == i + 1 or r.tag(at) != "NUM" or r.tag(i + 1) != "ON":
        return 0
    r.state(Fact("checks", {"port": r.items[at].value}, "add"), r.ahead(at + 1))
    return at + 1 - i


def _checks(window: list[Item]) -> list[dict[str, Any]]:
    """Return what a run of words wants to be checked."""
    tags = {item.tag for item in window}
    checks: list[dict[str, Any]] = []
    quoted = next((item for item in window if item.tag == "QUOTED"), None)
    ports = [
        item.value
        for k, item in enumerate(window)
        if item.tag == "NUM" and (k == 0 or window[k - 1].tag in {"PORT", "ON", "COLON", "AND", "HTTP", "HTTPS"})
    ]
    url = next((item.text for item in window if item.tag == "URL"), None)
    path = next((item.text for item in window if item.tag == "PATH"), None)
    if quoted is not None and not tags & {"HTTP", "HTTPS"}:
        checks.append({"command": str(quoted.value)})
    elif url is not None:
        match = _URL.fullmatch(url)
        checks.append(
            {
                "http": {
                    "scheme": match[1] or "http",
                    **({"port": int(match[2])} if match[2] else {}),
                    **({"path": match[3]} if match[3] else {}),
                }
            }
            if match
            else {}
        )
    elif tags & {"HTTP", "HTTPS"} or path is not None:
        scheme = "https" if "HTTPS" in tags else "http"
        checks.append(
            {"http": {"scheme": scheme, **({"port": ports[0]} if ports else {}), **({"path": path} if path else {})}}
        )
    elif "SERVICE" in tags or ("RUNNING" in tags and tags & {"SWV", "WORD"}):
        at = next((item for item in window if item.tag in {"SWV", "WORD", "NAME", "QUOTED"}), None)
        if at is not None:
            checks.append({"service": at.text.lower()})
    elif ports and tags & {"PORT", "ANSWER", "REACH"}:
        checks += [{"port": port} for port in ports]
    elif "SWV" in tags:
        checks += [{"service": item.text.lower()} for item in window if item.tag == "SWV"]
    return checks
