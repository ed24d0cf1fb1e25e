"""The command `images`: what stands for the catalogue's images on a cluster, and making templates from cloud images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas.cli.common import Cluster, Output, Yes, application, ask, with_output

if TYPE_CHECKING:
    from atlas.app import App
    from atlas.runs.images import Standing
    from atlas.templates import Order, Source

images = typer.Typer(help="Images: templates that guests are made from, and making them.", no_args_is_help=True)

Sha256 = Annotated[str | None, typer.Option("--sha256", metavar="HEX", help="The image's checksum.")]
Sha512 = Annotated[str | None, typer.Option("--sha512", metavar="HEX", help="The image's checksum.")]
Storage = Annotated[str | None, typer.Option("--storage", help="Where the template's disk goes.")]


@images.command("list")
@with_output
def list_images(out: Output, cluster: Cluster = None) -> None:
    """List the catalogue's images and the templates that stand for them on the cluster."""
    from atlas.cli.tables import table
    from atlas.proofs import words
    from atlas.runs.images import overview

    rows = overview(application(out, cluster).site(cluster))
    shown = [
        {"image": name, "vmid": t.vmid if t else None, "node": t.node if t else None, "proof": proof}
        for name, t, proof in rows
    ]
    out.result({"images": shown})
    lines = [
        (name, f"{t.name} ({t.vmid}) on {t.node}" if t else "", words(proof) if t else "") for name, t, proof in rows
    ]
    out.print(table(("image", "template", "proof"), lines))


@images.command()
@with_output
def add(
    out: Output,
    name: Annotated[
        str, typer.Argument(metavar="IMAGE", help="The image's name, such as debian-12; `images list` shows them.")
    ],
    url: Annotated[str | None, typer.Option("--url", help="Where the node fetches the cloud image from.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A cloud image on this machine, to upload.")] = None,
    sha256: Sha256 = None,
    sha512: Sha512 = None,
    node: Annotated[str | None, typer.Option("--node", help="The node that makes the template.")] = None,
    storage: Storage = None,
    vmid: Annotated[int | None, typer.Option("--vmid", min=100, max=999_999_999, help="The template's VMID.")] = None,
    yes: Yes = False,
    cluster: Cluster = None,
) -> None:
    """Make a template from a cloud image by the API alone, and prove its agent and cloud-init by a probe."""
    from atlas.configs.catalogue import find_image
    from atlas.errors import UsageError
    from atlas.runs.images import left, new_order
    from atlas.templates import checked_name

    if (url and file) or (sha256 and sha512):
        raise UsageError("an image comes from one place, with one checksum", "--url or --file, --sha256 or --sha512")
    app = application(out, cluster)
    known = find_image(name)
    image = known.name if known else checked_name(name)
    label = app.profile(cluster).name
    found = left(app.site(label), app.templates(label), image, out.emit)
    if found is not None and found.proof and found.proof["cloud_init"]:
        _report(out, app, found)
        return
    wanted = None
    if found is None or found.observed is None:
        source = _source(app, image, url, file, {"sha256": sha256, "sha512": sha512})
        wanted = new_order(app.site(label), image, source, node, storage, vmid)
    _carry_out(out, app, image, found, wanted, yes=yes)


def _source(app: App, image: str, url: str | None, file: Path | None, sums: dict[str, str | None]) -> Source:
    """Return where the image comes from, with its checksum: the one that was given, else the vendor's."""
    from atlas.configs.catalogue import images as catalogue
    from atlas.errors import UsageError
    from atlas.templates import Source, checked_sum, checked_url

    given = next(((a, checked_sum(a, text)) for a, text in sums.items() if text), None)
    if file is not None:
        return _file(file, given)
    known = catalogue().get(image)
    if url is not None:
        if given is None:
            raise UsageError("a URL needs the image's checksum", "--sha256 or --sha512, as its vendor publishes it")
        return Source(given[0], given[1], "given", url=checked_url(url))
    if known is None:
        raise UsageError(f"{image!r} is not in the catalogue", "say where the cloud image is: --url or --file")
    if given is not None:
        return Source(given[0], given[1], "given", url=known.cloud.url)
    checksum = app.published(known.cloud)
    return Source(known.cloud.algorithm, checksum, f"from {known.cloud.sums}", url=known.cloud.url)


def _file(file: Path, given: tuple[str, str] | None) -> Source:
    import hashlib

    from atlas.errors import UsageError
    from atlas.templates import Source

    try:
        with file.open("rb") as content:
            algorithm = given[0] if given else "sha256"
            checksum = hashlib.file_digest(content, algorithm).hexdigest()
    except OSError as problem:
        raise UsageError(f"cannot read {file}: {problem.strerror}", "is it the cloud image?") from problem
    if given and checksum != given[1]:
        raise UsageError(f"{file} has the {algorithm} checksum {checksum}, not {given[1]}", "fetch the image again")
    return Source(algorithm, checksum, "given" if given else "of this file: nobody vouched for it", path=file)


def _carry_out(out: Output, app: App, image: str, found: Standing | None, order: Order | None, *, yes: bool) -> None:
    """Show what is done, let a person approve it, and do it."""
    from atlas.errors import ApprovalRefused
    from atlas.events import EventType
    from atlas.plan import digest
    from atlas.runs.images import make, prove, stands

    text, hash_ = _shown(app, image, found, order), order.hash if order else digest(["prove", image])
    out.emit(EventType.MESSAGE, source="atlas", text=text)
    granted = yes or (out.interactive and ask("make it? [yes/no]").lower() in ("y", "yes"))
    out.emit(EventType.APPROVAL, hash=hash_, by=app.user, granted=granted)
    if not granted:
        raise ApprovalRefused(f"nobody has approved the template {image}", "`--yes` approves what is shown")
    site = app.site()
    templates = app.templates(site.profile.name)
    made = make(site, templates, image, order, out.emit, app.user)
    prove(site, templates, made, out.emit, app.user)
    proved = stands(site, image)
    if proved is not None:
        _report(out, app, proved)


def _shown(app: App, image: str, found: Standing | None, order: Order | None) -> str:
    from atlas.templates import describe, probing

    if order is not None:
        return describe(order, app.profile().name)
    record = found.record if found else None
    lines = [f"template {image} ({record.vmid if record else ''}) on {app.profile().name} is there:", ""]
    if found is not None and not found.made:
        lines += ["  ~ convert it to a template, and delete the imported file"]
    return "\n".join([*lines, *probing(image)])


def _report(out: Output, app: App, found: Standing) -> None:
    from atlas.proofs import words

    record, proof = found.record, found.proof
    data: dict[str, Any] = {"image": record.image, "vmid": record.vmid, "node": record.node, "proof": proof}
    out.result(data)
    out.print(f"{record.image} is template {record.vmid} on {app.profile().name}: {words(proof)}")
