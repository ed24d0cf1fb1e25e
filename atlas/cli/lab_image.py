"""The command `lab cloud-image`: the lab's own Debian as a cloud image, for machines that reach no vendor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.common import Output, with_output


@with_output
def cloud_image(
    out: Output,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, such as debian-12.qcow2.")],
) -> None:
    """Write the lab's own Debian 12 as a cloud image with cloud-init and the agent: a minute or two."""
    from atlas.errors import AtlasError, UsageError
    from atlas.lab.backend import BackendError
    from atlas.lab.cloudimage import cloud_image as make

    if file.exists():
        raise UsageError(f"{file} is there already", "give another name, or remove it")
    try:
        make("debian-12", file)
    except BackendError as problem:
        raise AtlasError(str(problem), "docs/lab.md says what real guests need") from problem
    except OSError as problem:
        raise AtlasError(f"cannot write {file}: {problem.strerror}", "name a file in a folder of yours") from problem
    out.result({"file": str(file)})
    out.print(f"{file} written")
