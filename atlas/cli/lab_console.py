"""The command `lab console`: what a real guest of the lab wrote to its serial console."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from atlas.cli import streams
from atlas.cli.common import Folder, Output, with_output


@with_output
def console(
    out: Output,
    vmid: Annotated[int, typer.Argument(metavar="VMID", help="The guest's number.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C or the lab's end.")] = False,
    folder: Folder = None,
) -> None:
    """Show what a real guest wrote to its serial console (the last 256 KiB)."""
    from atlas.errors import AtlasError, UsageError
    from atlas.lab import console as consoles
    from atlas.lab import control

    if out.json and follow:
        raise UsageError("--follow and --json do not go together", "leave one of them out")
    where = folder or control.default_directory()
    file, running = consoles.log_file(where / "guests", vmid), control.running(where)
    if not file.exists() and not (follow and running and running["guests"] == "qemu"):
        raise AtlasError(*_why_not(vmid, running))
    if out.json:
        out.result({"vmid": vmid, "console": consoles.plain(consoles.tail(file))})
    elif not follow:
        typer.echo(consoles.plain(consoles.tail(file)), nl=False)
    else:
        for text in consoles.follow(file, lambda: control.running(where) is not None and streams.lost() is None):
            typer.echo(consoles.plain(text), nl=False)


def _why_not(vmid: int, running: dict[str, Any] | None) -> tuple[str, str]:
    """Say why a guest has no console, and what to do."""
    if running is None:
        return f"no lab runs here, and no guest {vmid} of it wrote to a console", "`atlas lab start --guests qemu`"
    if running["guests"] != "qemu":
        text = f"guest {vmid} has no console: the guests of this lab are simulated"
        return text, "`atlas lab reset`, then `atlas lab start --guests qemu`, makes a lab whose VMs are real"
    text = f"guest {vmid} has no console: only a VM that was started here has one"
    return text, "containers are simulated in every lab; `atlas lab status` says where its API shows the guests"
