"""The command `doctor`: what a run needs, what is there, and how to mend what is not."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas.cli.common import Cluster, EngineName, Output, application, with_output


@with_output
def doctor(
    out: Output,
    role: Annotated[
        bool, typer.Option("--role", help="Print the least role for each engine, and how to make it.")
    ] = False,
    cluster: Cluster = None,
    engine: EngineName = "auto",
) -> None:
    """Check programs, provider, cluster, token and templates, and say how to mend each."""
    from atlas.doctor import examine, roles

    app = application(out, cluster, engine)
    if role:
        lines = list(roles())
        out.result({"commands": lines})
        for line in lines:
            out.print(line)
        return
    if not examine(app, out.emit):
        raise typer.Exit(1)
