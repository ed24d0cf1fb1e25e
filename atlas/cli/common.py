"""What every command shares: the common options, the view that they choose, and the way to the application."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from atlas.errors import AtlasError, ExitCode, SpecError, unwritten

if TYPE_CHECKING:
    from atlas.app import App
    from atlas.events import Emitter
    from atlas.settings import EngineChoice
    from atlas.views.human import HumanView

Cluster = Annotated[str | None, typer.Option("--cluster", metavar="NAME", help="The cluster profile to use.")]
EngineName = Annotated[str, typer.Option("--engine", metavar="auto|terraform|api", help="What carries out changes.")]
Json = Annotated[bool, typer.Option("--json", help="Events as JSON lines on standard output, and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only results and faults.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also tasks, and each step of Ansible.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours.")]
Folder = Annotated[Path | None, typer.Option("--dir", help="Where the lab lies.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Approve the plan that is shown.")]


P = ParamSpec("P")


@dataclass(slots=True)
class Output:
    """Where a command's words go: an emitter with the view that the options chose.

    Args:
        emit: The emitter.
        json: Whether the view is JSON lines.
        quiet: Whether only results and faults are shown.
        view: The view for a person, if it is that.
    """

    emit: Emitter
    json: bool
    quiet: bool = False
    view: HumanView | None = None

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        return not self.json and sys.stdin.isatty() and sys.stdout.isatty()

    def result(self, data: dict[str, Any]) -> None:
        """Report the answer of a command that only shows something; people get it as a table of the command's own."""
        from atlas.events import EventType

        if self.json:
            self.emit(EventType.RESULT, **data)

    def print(self, *parts: Any) -> None:
        """Print for a person; nothing with `--json`."""
        if self.view is not None:
            self.view.console.print(*parts, highlight=False)


_COMMON = {"json": Json, "quiet": Quiet, "verbose": Verbose, "no_color": NoColor}


def with_output(run: Callable[Concatenate[Output, P], None]) -> Callable[..., None]:
    """Give a command the common options; before its own parameters it takes the output that they choose."""

    @functools.wraps(run)
    def command(*, json: bool, quiet: bool, verbose: bool, no_color: bool, **own: Any) -> None:
        with output(json=json, quiet=quiet, verbose=verbose, no_color=no_color) as out:
            run(out, **own)  # type: ignore[call-arg]  # typer gives what the signature below says

    own = list(inspect.signature(run, eval_str=True).parameters.values())[1:]
    common = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=t) for n, t in _COMMON.items()
    ]
    command.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]  # what typer reads
    command.__annotations__ = {}  # the signature has them; typer would evaluate them again and again
    return command


_PIPE = 1000
"""Columns of what is no terminal: more than any row has."""


@contextmanager
def output(*, json: bool, quiet: bool = False, verbose: bool = False, no_color: bool = False) -> Iterator[Output]:
    """Choose the view, and show every error that leaves the command through it."""
    from atlas.events import Emitter

    view: HumanView | None = None
    if json:
        from atlas.views.jsonlines import json_lines

        out = Output(Emitter((json_lines(),)), json=True)
    else:
        from rich.console import Console

        from atlas.views.human import HumanView

        # A terminal gets whole words; a pipe gets whole lines, those of tables too.
        piped = not sys.stdout.isatty()
        # Without emoji: `:CD:` in a fingerprint is no picture.
        width = _PIPE if piped else None
        console = Console(no_color=no_color or None, soft_wrap=piped, width=width, emoji=False)
        view = HumanView(console, quiet=quiet, verbose=verbose)
        out = Output(Emitter((view,)), json=False, quiet=quiet, view=view)
    try:
        yield out
    except AtlasError as problem:
        report(out.emit, problem)
        raise typer.Exit(int(problem.exit_code)) from problem
    except OSError as problem:
        report(out.emit, unwritten(problem))
        raise typer.Exit(int(ExitCode.FAILED)) from problem
    finally:
        if view is not None:
            view.close()


def report(emit: Emitter, problem: AtlasError) -> None:
    """Show an error: each of a spec's faults, or the one sentence with its hint."""
    from atlas.diagnostics import Diagnostic
    from atlas.errors import TerraformError
    from atlas.events import EventType

    found = problem.diagnostics if isinstance(problem, SpecError | TerraformError) else ()
    for diagnostic in found:
        emit(EventType.DIAGNOSTIC, **diagnostic.as_data())
    if not isinstance(problem, SpecError) or not found:
        emit(EventType.DIAGNOSTIC, **Diagnostic(problem.message, hint=problem.hint).as_data())


def application(out: Output, cluster: str | None, engine: str = "auto") -> App:
    """Return the application for the options of a command.

    Raises:
        UsageError: An unknown engine.
    """
    from atlas.app import App
    from atlas.errors import UsageError

    if engine not in ("auto", "terraform", "api"):
        raise UsageError(f"there is no engine {engine!r}", "engines: auto, terraform, api")
    chosen: EngineChoice = "auto" if engine == "auto" else "terraform" if engine == "terraform" else "api"
    app = App(out.emit, cluster, chosen)
    if chosen == "auto":
        app.engine = app.settings.engine
    return app


def ask(question: str) -> str:
    """Ask a person for a line; the end of the input counts as no."""
    try:
        return input(f"{question} ").strip()
    except EOFError:
        return ""
