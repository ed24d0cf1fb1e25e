"""What guests are made from: templates and archives found on the cluster, and what was proved of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from atlas.configs.catalogue import find_image
from atlas.diagnostics import Diagnostic, error, warning
from atlas.instances import Instance
from atlas.leasing import Origin
from atlas.proofs import known
from atlas.runs.site import Site
from atlas.sources import find_archive, find_template, known_templates, template_disk
from atlas.sources import find_image as find_image_template
from atlas.state import Observed, State
from atlas.units import format_size


def origins_of(
    wanted: Sequence[Instance], state: State, chosen: Mapping[str, int | str]
) -> tuple[dict[str, Origin], list[Diagnostic]]:
    """Find what every guest is made from; like guests are looked up once."""
    origins: dict[str, Origin] = {}
    found: list[Diagnostic] = []
    by_path: dict[str, Origin | None] = {}
    for instance in wanted:
        if instance.path not in by_path:
            origin, faults = _origin(instance, state, chosen)
            by_path[instance.path] = origin
            found += faults
        known = by_path[instance.path]
        if known is not None:
            origins[instance.key] = known
    return origins, found


def _origin(
    instance: Instance, state: State, chosen: Mapping[str, int | str]
) -> tuple[Origin | None, list[Diagnostic]]:
    guest, path = instance.guest, instance.path
    image = find_image(guest.image) if guest.image else None
    if guest.kind == "container":
        if image is None:
            return None, [error(f"{path}.image", "a container needs an image", hint="such as `image: debian-12`")]
        archive = find_archive(state, image, None if guest.node == "auto" else guest.node)
        if archive is None:
            hint = f"download one that fits {image.archive}: `pveam update; pveam download local NAME`"
            return None, [error(f"{path}.image", f"there is no container archive of {image.name}", hint=hint)]
        node = next(a.node for a in state.archives if a.volid == archive)
        return Origin(archive, node), []
    template, faults = _template(instance, state, chosen)
    if template is None:
        return None, faults
    found: list[Diagnostic] = []
    least = template_disk(template)
    if guest.disks[0].size < least:
        text = f"the boot disk is {format_size(guest.disks[0].size)}, the template's own is {format_size(least)}"
        where = f"{path}.disks[0].size"
        found.append(error(where, text, detail="a disk cannot shrink", hint=f"ask for {format_size(least)} or more"))
    if not template.attributes.get("agent"):
        for i, network in enumerate(guest.networks):
            if network.address == "dhcp":
                text = f"the template {template.name} has no guest agent, so a dhcp address cannot be learnt"
                hint = "use a static address or `auto`, or enable the agent in the template"
                found.append(error(f"{path}.networks[{i}].address", text, hint=hint))
    if template.config and "ciupgrade" in template.config and str(template.config["ciupgrade"]) == "1":
        found.append(warning(path, f"the template {template.name} upgrades packages at first boot (ciupgrade)"))
    return Origin(str(template.vmid), template.node), found


def _template(
    instance: Instance, state: State, chosen: Mapping[str, int | str]
) -> tuple[Observed | None, list[Diagnostic]]:
    guest, path = instance.guest, instance.path
    hint = f"templates: {known_templates(state.templates())}"
    if guest.template is not None:
        template = find_template(state, guest.template)
        return template, [] if template else [
            error(f"{path}.template", f"there is no template {guest.template!r}", hint=hint)
        ]
    if guest.image is None:
        return None, [error(f"{path}.image", "a guest needs an `image` or a `template`")]
    image = find_image(guest.image)
    if image is None:
        return None, []  # said already: it is not in the catalogue
    template = find_image_template(state, image, chosen)
    hint = f"`atlas images add {image.name}` makes one; or name one under `images` in the profile; {hint}"
    text = f"no template on the cluster stands for {image.name}"
    return template, [] if template else [error(f"{path}.image", text, hint=hint)]


def proofs_of(site: Site, state: State, origins: Iterable[Origin]) -> dict[int, dict[str, Any]]:
    """Return what was proved of the templates that guests are made from, by VMID."""
    records = site.store.templates(site.profile.name)
    templates = [state.guests[vmid] for vmid in sorted({int(o.source) for o in origins if o.source.isdigit()})]
    return {t.vmid: proof for t in templates if (proof := known(records, t)) is not None}


def unproved(
    wanted: Sequence[Instance], origins: Mapping[str, Origin], proved: Mapping[int, Mapping[str, Any]]
) -> list[Diagnostic]:
    """Refuse dhcp where a probe found that no agent answers: nobody would learn the address."""
    dumb = {str(vmid) for vmid, proof in proved.items() if not proof["agent"]}
    places = {
        f"{i.path}.networks[{n}].address"
        for i in wanted
        if i.key in origins and origins[i.key].source in dumb
        for n, network in enumerate(i.guest.networks)
        if network.address == "dhcp"
    }
    text = "no agent answered in the probe of this guest's template, so a dhcp address cannot be learnt"
    hint = "use a static address or `auto`: the base role then installs the agent"
    return [error(place_, text, hint=hint) for place_ in sorted(places)]
