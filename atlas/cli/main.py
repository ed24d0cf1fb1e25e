"""The program `atlas`: its commands, and how errors become exit codes."""

from __future__ import annotations

import sys
from typing import Any

import typer
import typer.core

from atlas import __version__
from atlas.cli import chat, doctor, images, init, lab, lab_console, lab_fault, lab_image, run, show, spec, twin
from atlas.errors import ExitCode

_ORDER = _TALK, _SPECS, _RUNS, _LOOK, _AROUND = "Talk", "Specs", "Runs", "Look", "Around"


class Sections(typer.core.TyperGroup):
    """Plain help with the commands by section: typer's own help by rich takes longer than all the rest of it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the heading of their section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            sections.setdefault(command.rich_help_panel, []).append((name, command.get_short_help_str(120)))
        for heading in sorted(sections, key=_ORDER.index):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


app = typer.Typer(
    name="atlas",
    cls=Sections,
    rich_markup_mode=None,
    help="Say it or write it as YAML: running, configured and verified guests on Proxmox VE.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# typer brings a click of its own, whose UsageError it exports only by its subclass.
WRONG_USE: type[typer.BadParameter] = typer.BadParameter.__mro__[1]


app.command(rich_help_panel=_TALK)(chat.chat)
app.command(rich_help_panel=_TALK)(chat.resume)
app.add_typer(chat.sessions, name="sessions", rich_help_panel=_TALK)
app.command(rich_help_panel=_SPECS)(spec.validate)
app.command(rich_help_panel=_SPECS)(spec.generate)
app.command(rich_help_panel=_SPECS)(spec.schema)
app.command(rich_help_panel=_RUNS)(run.plan)
app.command(rich_help_panel=_RUNS)(run.apply)
app.command(rich_help_panel=_RUNS)(run.destroy)
app.command(rich_help_panel=_RUNS)(run.verify)
app.add_typer(show.stacks, name="stacks", rich_help_panel=_LOOK)
app.add_typer(show.guests, name="guests", rich_help_panel=_LOOK)
app.add_typer(images.images, name="images", rich_help_panel=_LOOK)
lab.lab.command()(twin.seed)
lab.lab.command()(twin.export)
lab.lab.command()(lab_console.console)
lab.lab.command("cloud-image")(lab_image.cloud_image)
lab.lab.add_typer(lab_fault.fault, name="fault")
lab.lab.add_typer(lab_fault.history, name="history")
app.add_typer(lab.lab, name="lab", rich_help_panel=_AROUND)
app.command(rich_help_panel=_AROUND)(init.init)
app.command(rich_help_panel=_AROUND)(doctor.doctor)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"atlas {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    del version


def main() -> None:
    """Run the program; bad input never gives a traceback."""
    try:
        code = app(standalone_mode=False)
    except WRONG_USE as problem:
        problem.show()
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        code = int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; there is nobody to tell
        sys.exit(1)
    if code == ExitCode.INTERRUPTED:  # typer turns Ctrl-C into this code by itself
        sys.stderr.write("interrupted; `atlas resume`, or the same command again, goes on with what was begun\n")
    sys.exit(code if isinstance(code, int) else 0)
