"""The lab's own command line: python -m atlas.lab start|stop|status|reset|serve|fault|history."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from atlas.lab import control
from atlas.lab.clock import PROFILES
from atlas.lab.faults import BadFaults
from atlas.lab.inventory import InventoryError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m atlas.lab", description="A Proxmox VE API server to run anywhere.")
    parser.add_argument("command", choices=["start", "stop", "status", "reset", "serve"])
    parser.add_argument("--nodes", type=int, default=3, choices=range(1, 33), metavar="N", help="nodes of a new lab")
    parser.add_argument("--guests", choices=["simulated", "qemu"], default="simulated")
    parser.add_argument("--latency", choices=list(PROFILES), default="realistic", help="how long tasks take")
    parser.add_argument("--memory", type=int, metavar="MIB", help="of all real guests (default: half of what is free)")
    parser.add_argument("--inventory", type=Path, metavar="FILE", help="rebuild a new lab from a cluster's inventory")
    parser.add_argument("--bare", action="store_true", help="a new lab without templates")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--faults", type=Path, default=None, metavar="FILE", help="faults from the start, as YAML")
    parser.add_argument("--dir", type=Path, default=None, help="the lab's directory")
    parser.add_argument("--json", action="store_true", help="print the status as JSON")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in ("fault", "history"):
        from atlas.lab.fault_commands import main as faults

        return faults(words)
    given = _parser().parse_args(words)
    directory: Path = given.dir or control.default_directory()
    names = ("nodes", "guests", "latency", "port", "memory", "faults", "inventory", "bare")
    options = {name: getattr(given, name) for name in names}
    try:
        if given.command == "serve":
            asyncio.run(control.serve_until_stopped(directory, **options))
            return 0
        if given.command == "start":
            return _show(control.start(directory, **options), as_json=given.json)
        if given.command == "status":
            return _show(control.running(directory), as_json=given.json)
        if given.command == "stop":
            return _say("stopped" if control.stop(directory) else "no lab was running")
        control.reset(directory)
        return _say("reset: the next start makes a new world")
    except BadFaults as error:
        sys.stderr.write("".join(f"atlas.lab: {problem}\n" for problem in error.problems))
        return 2
    except (control.LabError, InventoryError, OSError) as error:
        sys.stderr.write(f"atlas.lab: {error}\n")
        return 1


def _say(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 0


def _show(status: dict[str, Any] | None, *, as_json: bool) -> int:
    if as_json:
        return _say(json.dumps(status)) if status else (_say("null") or 1)
    if status is None:
        sys.stdout.write("no lab runs here; start one with: python -m atlas.lab start\n")
        return 1
    shown = {
        "url": status["url"],
        "nodes": ", ".join(status["nodes"]),
        "guests": status["guests"],
        "pid": status["pid"],
    }
    return _say("\n".join(f"{key:8} {value}" for key, value in {**shown, "CA": status["ca_file"]}.items()))


if __name__ == "__main__":
    sys.exit(main())
