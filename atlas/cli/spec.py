"""Commands on spec files: validate, generate, schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.cli.common import Cluster, EngineName, Output, application, with_output

if TYPE_CHECKING:
    from atlas.diagnostics import Diagnostic
    from atlas.settings import Profile
    from atlas.spec import Stack
    from atlas.specfile import Source

File = Annotated[Path, typer.Argument(metavar="FILE", help="A spec, YAML or JSON.", show_default=False)]


def read(file: Path, profile: Callable[[str | None], Profile] | None = None) -> tuple[Stack, Source, list[Diagnostic]]:
    """Read and check a spec file.

    Args:
        file: The spec.
        profile: Gives the profile of the cluster that the spec names, if it names one.

    Returns:
        The spec, where its values stand, and its warnings.

    Raises:
        SpecError: Everything that is wrong with it, each fault with its place.
        SettingsError: The spec is well, but there is no such profile.
    """
    from atlas.diagnostics import has_errors
    from atlas.errors import SettingsError, SpecError
    from atlas.runs.prepare import check, layered
    from atlas.specfile import read_file

    draft = read_file(file)
    found = list(draft.diagnostics)
    site: Profile | None = None
    lost: SettingsError | None = None
    if draft.stack is not None:
        try:
            site = profile(draft.stack.cluster) if profile is not None else None
        except SettingsError as problem:
            lost = problem  # the spec's own faults are told first, and all of them
        found += draft.source.locate(check(draft.stack, layered(site)))
    if has_errors(found) or draft.stack is None:
        raise SpecError(draft.source.locate(found))
    if lost is not None:
        raise lost
    return draft.stack, draft.source, found


@with_output
def validate(out: Output, file: File, cluster: Cluster = None) -> None:
    """Check a spec: every fault at once, each with its place and what was probably meant."""
    from atlas.events import EventType

    app = application(out, cluster)
    stack, _, warnings = read(file, app.wanted if cluster else None)
    for warning in warnings:
        out.emit(EventType.DIAGNOSTIC, **warning.as_data())
    groups = sum(g.count or 1 for g in stack.guests)
    out.result({"valid": True, "stack": stack.metadata.name, "guests": groups})
    if not out.quiet:
        out.print(f"{file} is valid: stack {stack.metadata.name}, {groups} guest{'s' if groups != 1 else ''}")


@with_output
def generate(
    out: Output,
    file: File,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the bundle to this new folder.")] = None,
    cluster: Cluster = None,
    engine: EngineName = "auto",
) -> None:
    """Write the Terraform and the Ansible of a spec; nothing is planned or changed."""
    from atlas.errors import UsageError
    from atlas.runs.planning import generate as bundle

    app = application(out, cluster, engine)
    stack, source, _ = read(file, app.wanted)
    with located(source):
        folder, files = bundle(app.site(app.wanted(stack.cluster).name), stack, out.emit, app.engine)
    if to is not None:
        from atlas.generators.writer import write_bundle

        if to.exists():
            raise UsageError(f"{to} exists already", "name a folder that does not")
        write_bundle(to, files)
        folder = to
    out.result({"folder": str(folder), "files": sorted(files)})
    for path in sorted(p for p in files if "/roles/" not in p):
        out.print(str(folder / path))


@with_output
def schema(out: Output) -> None:
    """Print the JSON Schema of specs, from which editors complete."""
    import json

    from atlas.specfile import schema as made

    if out.json:
        out.result({"schema": made()})
    else:
        typer.echo(json.dumps(made(), indent=2))


@contextmanager
def located(source: Source) -> Iterator[None]:
    """Add file, line and column to the faults that are found only on the cluster."""
    from atlas.errors import SpecError

    try:
        yield
    except SpecError as problem:
        raise SpecError(source.locate(problem.diagnostics)) from problem
