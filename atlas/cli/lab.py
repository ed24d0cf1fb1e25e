"""The command `lab`: start, stop and look at a lab, and write the cluster profile that leads to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from atlas.cli import lab_fault
from atlas.cli.common import Folder, Output, with_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

P = ParamSpec("P")
T = TypeVar("T")

lab = typer.Typer(help="A Proxmox VE to try things on: simulated, or with real guests.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", help="The name of the cluster profile that is written.")]
Guests = Annotated[str, typer.Option("--guests", metavar="simulated|qemu", help="What a guest is.")]
Latency = Annotated[
    str, typer.Option("--latency", metavar="instant|fast|brisk|realistic|slow", help="How long tasks take.")
]


@lab.command()
@with_output
def start(
    out: Output,
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=16, help="How many nodes.")] = 3,
    guests: Guests = "simulated",
    latency: Latency = "realistic",
    faults: Annotated[Path | None, typer.Option("--faults", help="A file of faults, active from the start.")] = None,
    bare: Annotated[bool, typer.Option("--bare", help="A new lab without templates.")] = False,
    name: Name = "lab",
    folder: Folder = None,
) -> None:
    """Start a lab in a process of its own and write its cluster profile."""
    from atlas.events import EventType
    from atlas.lab import control

    check(guests, latency)
    where = folder or control.default_directory()
    status = lab_fault.problems(
        lambda: translated(control.start, where, nodes=nodes, guests=guests, latency=latency, faults=faults, bare=bare)
    )
    if (len(status["nodes"]), status["guests"]) != (nodes, guests):
        text = f"the lab that lies here has {len(status['nodes'])} nodes and {status['guests']} guests"
        out.emit(EventType.NOTE, text=f"{text}; for another: atlas lab reset, then start it")
    path = write_profile(name, status)
    _report(out, status)
    out.print(f"cluster profile {name!r} written to {path}")


@lab.command()
@with_output
def stop(out: Output, folder: Folder = None) -> None:
    """Stop the lab and its guests; its state stays."""
    from atlas.lab import control

    stopped = translated(control.stop, folder or control.default_directory())
    out.result({"stopped": stopped})
    out.print("the lab has stopped" if stopped else "no lab runs here")


@lab.command()
@with_output
def reset(out: Output, folder: Folder = None) -> None:
    """Stop the lab and forget its state."""
    from atlas.lab import control

    translated(control.reset, folder or control.default_directory())
    out.result({"reset": True})
    out.print("the lab is as new")


@lab.command()
@with_output
def status(out: Output, folder: Folder = None) -> None:
    """Show where the lab is; with --json also its token, for programs."""
    from atlas.lab import control

    found = control.running(folder or control.default_directory())
    if out.json:  # one object, for programs that look for a lab; its token is worth nothing elsewhere
        typer.echo(json.dumps(found))
        raise typer.Exit(0 if found else 1)
    if found is None:
        out.print("no lab runs here; `atlas lab start` starts one")
        raise typer.Exit(1)
    _report(out, found)


def check(guests: str, latency: str) -> None:
    """Refuse kinds of guests and latencies that there are not."""
    from atlas.errors import UsageError
    from atlas.lab.clock import PROFILES

    if guests not in ("simulated", "qemu"):
        raise UsageError(f"there are no guests of the kind {guests!r}", "use simulated or qemu")
    if latency not in PROFILES:
        raise UsageError(f"there is no latency {latency!r}", f"use one of {', '.join(PROFILES)}")


def translated(call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Call the lab; its errors become ATLAS's."""
    from atlas.errors import AtlasError
    from atlas.lab.control import LabError

    try:
        return call(*args, **options)
    except LabError as problem:
        raise AtlasError(str(problem), "`atlas lab status` shows what runs") from problem


def _report(out: Output, status: dict[str, Any]) -> None:
    out.result(shown(status))
    say_where(out, status)


def shown(status: dict[str, Any]) -> dict[str, Any]:
    """Return a lab's status without its tokens."""
    return {k: v for k, v in status.items() if k not in ("token", "tokens")}


def say_where(out: Output, status: dict[str, Any]) -> None:
    """Tell a person where a lab answers."""
    nodes = status["nodes"]
    out.print(
        f"the lab answers at [bold]{status['url']}[/], nodes {', '.join(nodes) if isinstance(nodes, list) else nodes}"
    )


def write_profile(name: str, status: dict[str, Any], more: Mapping[str, Any] | None = None) -> Path:
    """Write the profile; the token lies in a file of its own that only its owner may read.

    Args:
        name: The profile.
        status: Of the lab.
        more: Fields of the profile of a lab that is another cluster's twin.
    """
    from atlas import privatefile
    from atlas.settings import config_dir, save_profile

    token = config_dir() / "clusters" / f"{name}.token"
    privatefile.write(token, str(status["token"]))
    jump = status.get("jump")
    values: dict[str, Any] = {
        "endpoint": str(status["url"]).rstrip("/"),
        "token": {"file": str(token)},
        "ca_file": str(status["ca_file"]),
        "reach": "jump" if jump else "none",
        "pools": [
            {
                "bridge": "vmbr0",
                "network": "10.42.0.0/24",
                "first": "10.42.0.10",
                "last": "10.42.0.250",
                "gateway": "10.42.0.1",
                "dns": ["10.42.0.1"],
            }
        ],
        "defaults": {"disks": [{"storage": "shared-nfs"}]},
        **(more or {}),
    }
    if jump:
        values["ssh"] = {"proxy_command": str(jump["proxy_command"])}
    return save_profile(name, values)
