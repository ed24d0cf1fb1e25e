"""The commands `lab seed` and `lab export`: a lab as the twin of a cluster, and the inventory that leads there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from atlas.cli.common import Folder, Output, application, with_output
from atlas.cli.lab import Guests, Latency, Name, check, say_where, shown, translated, write_profile


@with_output
def seed(
    out: Output,
    source: Annotated[str | None, typer.Option("--from", metavar="CLUSTER", help="The cluster to read.")] = None,
    file: Annotated[Path | None, typer.Option("--from-file", metavar="FILE", help="An exported inventory.")] = None,
    guests: Guests = "simulated",
    latency: Latency = "realistic",
    name: Name = "twin",
    folder: Folder = None,
) -> None:
    """Start a new lab as the twin of a cluster, which is only read, or of an exported inventory."""
    from atlas.errors import UsageError
    from atlas.lab import control

    check(guests, latency)
    if source is not None and source == name:
        raise UsageError(f"the profile {name!r} leads to the cluster itself", "give the twin another --name")
    if source is not None and file is None:
        inventory = _read(source, out)
    elif file is not None and source is None:
        inventory = _load(file)
    else:
        raise UsageError("a twin has one source", "name a cluster with --from, or an inventory with --from-file")
    where = folder or control.default_directory()
    status = translated(control.seed, where, inventory, guests=guests, latency=latency)
    path = write_profile(name, status, _taken_over(source))
    left = inventory.get("left_out", [])
    out.result({**shown(status), "left_out": left})
    say_where(out, status)
    _tell(out, inventory)
    out.print(f"cluster profile {name!r} written to {path}")


@with_output
def export(
    out: Output,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to; .json or .yaml.", show_default=False)
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="CLUSTER", help="The cluster to read; else the lab that runs here.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Write the inventory of a lab, or of a cluster, without secrets."""
    from atlas.errors import AtlasError

    inventory = _read(source, out) if source else _read_lab(folder)
    text = _text(inventory, yaml=file is not None and file.suffix in (".yaml", ".yml"))
    if file is None:
        typer.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise AtlasError(f"cannot write {file}: {problem.strerror}", "name another file") from problem
    out.result({"file": str(file)})
    _tell(out, inventory)
    out.print(f"written to {file}")


def _read(cluster: str, out: Output) -> dict[str, Any]:
    from atlas.twin import read

    app = application(out, cluster)
    token = app.profile().read_token().get_secret_value().partition("=")[0]
    return read(app.client(cluster).get, token)


def _read_lab(folder: Path | None) -> dict[str, Any]:
    """Read the lab that runs here as its root, who sees all of it."""
    from atlas.errors import AtlasError
    from atlas.lab import control
    from atlas.proxmox.client import Client
    from atlas.twin import read

    found = control.running(folder or control.default_directory())
    if found is None:
        raise AtlasError("no lab runs here", "`atlas lab start` starts one; --from names a cluster instead")
    client = Client(found["url"], found["tokens"]["root@pam!lab"], ca_file=Path(found["ca_file"]))
    return read(client.get, str(found["token"]).partition("=")[0])


def _load(file: Path) -> dict[str, Any]:
    from atlas.errors import AtlasError
    from atlas.lab.inventory import InventoryError, parse

    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise AtlasError(f"cannot read the inventory {file}: {problem}", "`atlas lab export` writes one") from problem
    except InventoryError as problem:
        raise AtlasError(f"{file}: {problem}", "docs/lab.md describes the format") from problem


def _text(inventory: dict[str, Any], *, yaml: bool) -> str:
    if not yaml:
        return json.dumps(inventory, indent=1) + "\n"
    import io

    from ruamel.yaml import YAML

    text, writer = io.StringIO(), YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.dump(inventory, text)
    return text.getvalue()


def _taken_over(cluster: str | None) -> dict[str, Any]:
    """Return what the twin's profile has in common with that of its original."""
    from atlas.settings import load

    values = load().written(cluster)[1] if cluster else {}
    kept = ("engine", "vmids", "pools", "images", "defaults")
    return {"pools": [], "defaults": {}} | {key: value for key, value in values.items() if key in kept}


def _tell(out: Output, inventory: dict[str, Any]) -> None:
    out.print(f"{len(inventory.get('guests', []))} guests, {len(inventory.get('volumes', []))} volumes")
    for row in inventory.get("left_out", []):
        out.print(f"left out: {row['call']}: {row['reason']}")
