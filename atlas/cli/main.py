"""The program `atlas`: its commands, and how errors become exit codes."""

from __future__ import annotations

import signal
import sys
from typing import Any, NoReturn

import typer
import typer.core

from atlas import __version__
from atlas.cli import chat, doctor, images, init, lab, lab_console, lab_fault, lab_image, run, show, spec, streams, twin
from atlas.errors import ExitCode

_ORDER = _TALK, _SPECS, _RUNS, _LOOK, _AROUND = "Talk", "Specs", "Runs", "Look", "Around"


class Sections(typer.core.TyperGroup):
    """Plain help with whole sentences: typer's own help by rich takes longer than all the rest of it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the heading of their section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            sections.setdefault(command.rich_help_panel or "Commands", []).append(
                (name, command.get_short_help_str(120))
            )
        for heading in sorted(sections, key=("Commands", *_ORDER).index):
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
app.add_typer(chat.sessions, name="sessions", rich_help_panel=_TALK, cls=Sections)
app.command(rich_help_panel=_SPECS)(spec.validate)
app.command(rich_help_panel=_SPECS)(spec.generate)
app.command(rich_help_panel=_SPECS)(spec.schema)
app.command(rich_help_panel=_RUNS)(run.plan)
app.command(rich_help_panel=_RUNS)(run.apply)
app.command(rich_help_panel=_RUNS)(run.destroy)
app.command(rich_help_panel=_RUNS)(run.verify)
app.add_typer(show.stacks, name="stacks", rich_help_panel=_LOOK, cls=Sections)
app.add_typer(show.guests, name="guests", rich_help_panel=_LOOK, cls=Sections)
app.add_typer(images.images, name="images", rich_help_panel=_LOOK, cls=Sections)
lab.lab.command()(twin.seed)
lab.lab.command()(twin.export)
lab.lab.command()(lab_console.console)
lab.lab.command("cloud-image")(lab_image.cloud_image)
lab.lab.add_typer(lab_fault.fault, name="fault", cls=Sections)
lab.lab.add_typer(lab_fault.history, name="history", cls=Sections)
app.add_typer(lab.lab, name="lab", rich_help_panel=_AROUND, cls=Sections)
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
    streams.guard()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # under nohup, SIGHUP stays ignored
            signal.signal(number, _interrupt)
    try:
        code = app(standalone_mode=False)
    except WRONG_USE as problem:
        problem.show()
        code = int(ExitCode.WRONG_USE)
    except (typer.Abort, KeyboardInterrupt):
        code = int(ExitCode.INTERRUPTED)
    code = code if isinstance(code, int) else int(ExitCode.DONE)
    if code == ExitCode.INTERRUPTED:  # typer turns Ctrl-C into this code by itself
        begin = "\n" if sys.stderr.isatty() else ""  # the terminal has just shown ^C
        sys.stderr.write(
            f"{begin}interrupted; `atlas resume`, or the same command again, goes on with what was begun\n"
        )
    sys.stdout.flush()
    unwritten = streams.lost()
    # A reader that has had enough, such as `head`, is no failure.
    if unwritten is not None and not isinstance(unwritten, BrokenPipeError):
        sys.stderr.write(f"cannot write to standard output: {unwritten.strerror}; what was done is kept\n")
        code = code or int(ExitCode.FAILED)
    sys.exit(code)


def _interrupt(number: int, frame: object) -> NoReturn:
    """End by a signal as by Ctrl-C: the terminal is put in order, and it is said how to go on."""
    del number, frame
    raise KeyboardInterrupt
