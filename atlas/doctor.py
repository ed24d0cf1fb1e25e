"""What a run needs (programs, provider, cluster, rights, templates), what is there, and how to mend the rest."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from atlas import proofs
from atlas.access import NEEDS, commands, image_commands, missing
from atlas.configs.catalogue import images
from atlas.errors import AtlasError, AuthFailed, TerraformError
from atlas.events import Emitter, EventType
from atlas.sources import find_archive, find_image
from atlas.terraform import program

if TYPE_CHECKING:
    from atlas.app import App
    from atlas.runs.site import Site
    from atlas.state import State

_ENGINE = "install Terraform and let `terraform init` have the provider (docs/engines.md), or use --engine api"
Finding = tuple[str, bool | None, str, str]
"""Subject, whether it is well (None: it may matter), detail, and how to mend it."""


def examine(app: App, emit: Emitter) -> bool:
    """Report every finding as an event; return whether a run can succeed."""
    well = True
    for subject, ok, detail, hint in _findings(app):
        emit(EventType.DOCTOR, subject=subject, ok=ok, detail=detail, hint=hint if ok is not True else "")
        well = well and ok is not False
    return well


def _findings(app: App) -> Iterator[Finding]:
    yield from _programs()
    yield _guarded(
        "store", lambda: ("store", True, f"{app.settings.home}, installation {app.store.installation()}", "")
    )
    try:
        profile = app.profile()
        site = app.site()
    except AtlasError as problem:
        yield "cluster", False, problem.message, problem.hint
        return
    wish = app.engine if app.engine != "auto" else profile.engine
    engine, reason = site.engine(wish)
    usable = True
    if wish == "terraform":  # whoever asks for it by name is told here, not by the first plan, that it cannot be had
        found, reason = site.engine("auto")
        usable = found.name == wish
    yield "engine", usable, f"{engine.name}: {reason}", _ENGINE
    try:
        state = site.cluster.look()
    except AuthFailed as problem:
        yield "token", False, problem.message, problem.hint
        return
    except AtlasError as problem:
        yield "cluster", False, problem.message, problem.hint
        return
    nodes = [n for n in state.nodes.values() if n.online]
    yield "cluster", bool(nodes), f"Proxmox VE {state.version}, {len(nodes)} of {len(state.nodes)} nodes online", ""
    yield _guarded("token", lambda: _token(app, site, engine.name, state.version))
    yield from _sources(site, state)
    yield from _network(site)


def _guarded(subject: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except AtlasError as problem:
        return subject, False, problem.message, problem.hint


def _programs() -> Iterator[Finding]:
    for name, package, must in (("ssh", "openssh-client", True), ("ansible-playbook", "ansible-core", True)):
        found = shutil.which(name) or _beside(name)
        yield name, bool(found) if must else None, found or "not found", f"apt-get install {package}"
    try:
        terraform = program.find()
    except TerraformError as problem:
        yield "terraform", None, f"{problem.message}; the api engine needs none", problem.hint
    else:
        yield "terraform", True, f"{terraform.name} {terraform.version} at {shlex.join(terraform.command)}", ""


def _beside(name: str) -> str | None:
    import sys
    from pathlib import Path

    path = Path(sys.executable).with_name(name)
    return str(path) if path.exists() else None


def _token(app: App, site: Site, engine: str, version: str) -> Finding:
    held = app.permissions(site.profile.name)
    lacks = missing(held, engine, version)
    if not lacks:
        return "token", True, f"has what the {engine} engine needs", ""
    text = "; ".join(f"{', '.join(privileges)} on {path}" for path, privileges in lacks.items())
    return "token", False, f"lacks {text}", "atlas doctor --role prints the commands that give it"


def _sources(site: Site, state: State) -> Iterator[Finding]:
    some, records = False, site.store.templates(site.profile.name)
    for image in images().values():
        template = find_image(state, image, site.profile.images)
        archive = find_archive(state, image)
        if archive is not None:
            yield f"archive {image.name}", True, archive, ""
        if template is None:
            continue
        some = True
        what = f"{template.name} ({template.vmid}) on {template.node}"
        lacks = []
        if not template.attributes.get("agent"):
            lacks.append("the guest agent is not enabled")
        if not any("cloudinit" in str(v) for v in template.config.values()):
            lacks.append("it has no cloud-init drive; ATLAS adds one to each guest")
        if str(template.config.get("ciupgrade", "1")) != "0":
            lacks.append("packages are upgraded at first boot (ciupgrade is not 0)")
        hint = f"qm set {template.vmid} --agent 1 --ciupgrade 0"
        proof = proofs.known(records, template)
        ours = any(r.vmid == template.vmid and r.uuid == template.uuid for r in records)
        if ours and not (proof and proof["agent"]):
            hint = f"`atlas images add {image.name}` proves it; a role of ATLAS installs the agent on each guest"
            lacks.append(proofs.words(proof))
        well = [] if lacks else [proofs.words(proof) if proof else "the agent is enabled, with a cloud-init drive"]
        yield (
            f"image {image.name}",
            None if lacks else True,
            ": ".join([what, *filter(None, ["; ".join(lacks + well)])]),
            hint,
        )
    if not some:
        hint = "`atlas images add debian-12` makes one from the vendor's cloud image, and proves it"
        yield "images", False, "no template on the cluster stands for an image of the catalogue", hint


def _network(site: Site) -> Iterator[Finding]:
    profile = site.profile
    pools = ", ".join(p.name for p in profile.pools)
    hint = f"add `pools` to the profile {profile.name}"
    yield "addresses", True if pools else None, pools or "no pool, so `address: auto` cannot be used", hint
    if profile.reach == "none":
        hint = "`reach: direct` or `reach: jump` in the profile changes that"
        yield "reach", None, "guests are made, but neither configured nor checked (reach: none)", hint
        return
    how = "straight" if profile.reach == "direct" else f"by {profile.ssh.proxy_command or profile.ssh.jump}"
    yield "reach", True, f"guests are reached {how}", ""


def roles() -> Iterator[str]:
    """Yield the commands that make the least role for each engine."""
    for engine in NEEDS:
        yield f"# for the {engine} engine, as root on a node:"
        yield from commands(engine)
        yield ""
    yield "# to make templates from cloud images by `atlas images add` as well:"
    yield from image_commands()
