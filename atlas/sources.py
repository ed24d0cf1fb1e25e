"""What a guest is made from: a template VM or a container archive, found on the cluster by image name. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping

from atlas.configs.catalogue import Image
from atlas.state import Observed, State


def find_template(state: State, wanted: int | str) -> Observed | None:
    """Return the template VM of that VMID or name; of several with one name the lowest VMID."""
    if isinstance(wanted, int) or wanted.isdigit():
        found = state.guests.get(int(wanted))
        return found if found is not None and found.template and found.kind == "vm" else None
    return next((t for t in state.templates() if t.kind == "vm" and t.name == wanted), None)


def find_image(state: State, image: Image, chosen: Mapping[str, int | str]) -> Observed | None:
    """Return the template VM that stands for an image: the profile's own choice, else by the catalogue's names."""
    if image.name in chosen:
        return find_template(state, chosen[image.name])
    return next((t for name in (image.name, *image.templates) if (t := find_template(state, name))), None)


def find_archive(state: State, image: Image, node: str | None = None) -> str | None:
    """Return the volid of the newest container archive of an image, on a node if one is named."""
    fits = (a.volid for a in state.archives if (node is None or a.node == node) and _is(a.volid, image.archive))
    return max(fits, default=None)


def _is(volid: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(volid.rpartition("/")[2], pattern)


def template_disk(template: Observed) -> int:
    """Return the size of a template's boot disk in MiB; 0 where it does not say."""
    size = template.attributes.get("disks[0].size", 0)
    return size if isinstance(size, int) else 0


def known_templates(templates: Iterable[Observed]) -> str:
    """Return the templates for a hint, such as `debian-12 (9000)`."""
    return ", ".join(f"{t.name} ({t.vmid})" for t in templates) or "none"
