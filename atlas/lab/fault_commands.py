"""`python -m atlas.lab fault` and `history`: let faults strike the calls of a lab that runs, and see what happened."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from atlas.lab import admin_client, control
from atlas.lab.faults import BadFaults

_MATCH = ("method", "path", "guest", "node", "nth", "every", "probability", "seed", "times")
_NUMBERS = {"nth": int, "every": int, "probability": float, "seed": int, "times": int}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m atlas.lab")
    parser.add_argument("topic", choices=["fault", "history"])
    parser.add_argument("command", choices=["add", "list", "clear", "effects", "export"])
    parser.add_argument("names", nargs="*", help="add: the effect; clear: which faults (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the effect")
    for name in _MATCH:
        parser.add_argument(f"--{name}", type=_NUMBERS.get(name, str), help=argparse.SUPPRESS)
    parser.add_argument("--name", help="what the fault is called")
    parser.add_argument("--file", type=Path, help="faults as YAML")
    parser.add_argument("--dir", type=Path, default=None, help="the lab's directory")
    return parser


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    given = _parser().parse_args(arguments)
    folder: Path = given.dir or control.default_directory()
    try:
        sys.stdout.write(_run(given, folder))
    except (BadFaults, admin_client.Refused) as error:
        sys.stderr.write("".join(f"atlas.lab: {problem}\n" for problem in error.problems))
        return 2
    except (control.LabError, OSError) as error:
        sys.stderr.write(f"atlas.lab: {error}\n")
        return 1
    return 0


def _run(given: argparse.Namespace, folder: Path) -> str:
    if given.command == "effects":
        from atlas.lab.effects import EFFECTS

        rows = [f"{name:14} {' '.join(e.options.model_fields):28} {e.summary}" for name, e in sorted(EFFECTS.items())]
        return "\n".join(rows) + "\n"
    if given.command == "export":
        return admin_client.ask(folder, "GET", "history")
    if given.command == "list":
        found = json.loads(admin_client.ask(folder, "GET", "faults"))["faults"]
        return "".join(json.dumps(fault) + "\n" for fault in found) or "no faults\n"
    if given.command == "clear":
        paths = [["faults", name] for name in given.names] or [["faults"]]
        cleared = [name for path in paths for name in json.loads(admin_client.ask(folder, "DELETE", *path))["names"]]
        return f"cleared: {', '.join(cleared) or 'nothing'}\n"
    names = json.loads(admin_client.ask(folder, "POST", "faults", data=_wanted(given)))["names"]
    return f"added: {', '.join(names) or 'nothing'}\n"


def _wanted(given: argparse.Namespace) -> Any:
    if (given.file is None) == (len(given.names) != 1):
        raise BadFaults(["either one effect or --file is needed; `fault effects` lists the effects"])
    if given.file is not None:
        from atlas.lab.fault import load_file

        return load_file(given.file)
    match = {name: value for name in _MATCH if (value := getattr(given, name)) is not None}
    if str(match.get("guest", "")).isdigit():
        match["guest"] = int(match["guest"])
    made: dict[str, Any] = {"effect": given.names[0], "match": match, "options": dict(map(_option, given.set))}
    return {**made, "name": given.name} if given.name else made


def _option(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign:
        raise BadFaults([f"--set {text} is not KEY=VALUE"])
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
