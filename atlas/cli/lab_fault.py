"""The commands `lab fault` and `lab history`: let faults strike a lab's calls, and see what happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from atlas.cli.common import Folder, Output, with_output

fault = typer.Typer(help="Faults: errors, delays and breakdowns that strike the lab's calls.", no_args_is_help=True)
history = typer.Typer(help="What happened in the lab: calls and faults.", no_args_is_help=True)

T = TypeVar("T")


@fault.command()
@with_output
def add(
    out: Output,
    effect: Annotated[
        str | None, typer.Argument(metavar="EFFECT", help="What happens; `lab fault effects` lists them.")
    ] = None,
    options: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of it.")] = None,
    method: Annotated[str | None, typer.Option("--method", help="Only calls of this method.")] = None,
    path: Annotated[str | None, typer.Option("--path", help="Only these paths: * is one part, ** any.")] = None,
    guest: Annotated[str | None, typer.Option("--guest", help="Only this VMID, or this pattern of names.")] = None,
    node: Annotated[str | None, typer.Option("--node", help="Only this node.")] = None,
    nth: Annotated[int | None, typer.Option("--nth", help="Only the n-th of these calls.")] = None,
    every: Annotated[int | None, typer.Option("--every", help="Every n-th of them.")] = None,
    probability: Annotated[float | None, typer.Option("--probability", help="So many of them, by the seed.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="What chooses them.")] = None,
    times: Annotated[int | None, typer.Option("--times", help="So many times at most.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="What the fault is called.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Faults as YAML instead.")] = None,
    folder: Folder = None,
) -> None:
    """Add a fault, or those of a file; they strike from the next call on."""
    match: dict[str, Any] = {"method": method, "path": path, "node": node, "nth": nth, "every": every}
    match |= {"probability": probability, "seed": seed, "times": times}
    match["guest"] = int(guest) if guest is not None and guest.isdigit() else guest
    given = {key: value for key, value in match.items() if value is not None}
    added = _ask(folder, "POST", "faults", data=_wanted(effect, options or [], given, name, file))
    names = json.loads(added)["names"]
    out.result({"names": names})
    out.print(f"added: {', '.join(names) or 'nothing'}")


def _wanted(effect: str | None, options: list[str], match: dict[str, Any], name: str | None, file: Path | None) -> Any:
    from atlas.errors import UsageError

    if (effect is None) == (file is None):
        raise UsageError("an effect or --file is needed, not both", "`atlas lab fault effects` lists the effects")
    if file is not None:
        if options or match or name:
            raise UsageError("a file says all of its faults by itself", "leave out --file, or the other options")
        from atlas.lab.fault import load_file

        return problems(lambda: load_file(file))
    made: dict[str, Any] = {"effect": effect, "match": match, "options": dict(_option(text) for text in options)}
    return {**made, "name": name} if name else made


def _option(text: str) -> tuple[str, Any]:
    from atlas.errors import UsageError

    key, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--set {text} is not KEY=VALUE", "such as --set seconds=3")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


@fault.command("list")
@with_output
def list_faults(out: Output, folder: Folder = None) -> None:
    """List the faults with how often each struck."""
    from atlas.cli.tables import table

    found = json.loads(_ask(folder, "GET", "faults"))["faults"]
    out.result({"faults": found})
    rows = [
        (f["name"], f["effect"], _words(f["options"]), _words(f["match"]), f"{f['struck']} of {f['calls']}")
        for f in found
    ]
    out.print(table(("fault", "effect", "options", "match", "struck"), rows) if rows else "no faults")


def _words(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


@fault.command()
@with_output
def clear(
    out: Output,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAMES", help="Which; all where none is named.")] = None,
    folder: Folder = None,
) -> None:
    """End faults: what they hold is let go, what they took down comes back."""
    cleared: list[str] = []
    for path in [["faults", name] for name in names] if names else [["faults"]]:
        cleared += json.loads(_ask(folder, "DELETE", *path))["names"]
    out.result({"names": cleared})
    out.print(f"cleared: {', '.join(cleared) or 'nothing'}")


@fault.command()
@with_output
def effects(out: Output) -> None:
    """List the effects with their options."""
    from atlas.cli.tables import table
    from atlas.lab.effects import EFFECTS

    rows = [(name, " ".join(e.options.model_fields), e.summary) for name, e in sorted(EFFECTS.items())]
    out.result({"effects": [dict(zip(("effect", "options", "summary"), row, strict=True)) for row in rows]})
    out.print(table(("effect", "options", "what it does"), rows))


@history.command()
@with_output
def export(
    out: Output,
    file: Annotated[Path | None, typer.Option("--output", "-o", help="Where to; else standard output.")] = None,
    clear_it: Annotated[bool, typer.Option("--clear", help="Begin a new history then.")] = False,
    folder: Folder = None,
) -> None:
    """Write the calls and faults as JSON lines, in their order."""
    lines = _ask(folder, "GET", "history")
    if file is None:
        typer.echo(lines, nl=False)
    else:
        file.write_text(lines, encoding="utf-8")
        out.print(f"{len(lines.splitlines())} lines written to {file}")
    if clear_it:
        _ask(folder, "DELETE", "history")


def problems(read: Callable[[], T]) -> T:
    """Read faults; what is wrong with them becomes diagnostics, all at once."""
    from atlas.lab.faults import BadFaults

    try:
        return read()
    except BadFaults as bad:
        raise _spec_error(bad.problems) from bad


def _spec_error(found: list[str]) -> Exception:
    from atlas.diagnostics import error
    from atlas.errors import SpecError

    return SpecError([error(*problem.split(": ", 1)) if ": " in problem else error("", problem) for problem in found])


def _ask(folder: Path | None, method: str, *path: str, data: Any = None) -> str:
    from atlas.errors import AtlasError, UsageError
    from atlas.lab import admin_client, control

    try:
        return admin_client.ask(folder or control.default_directory(), method, *path, data=data)
    except admin_client.Refused as refused:
        if refused.status == 400:
            raise _spec_error(refused.problems) from refused
        raise UsageError(str(refused), "`atlas lab fault list` shows what there is") from refused
    except control.LabError as problem:
        raise AtlasError(str(problem), "`atlas lab start` starts a lab") from problem
