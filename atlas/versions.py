"""Software name@version on an image: the source it is installed from, or a diagnostic that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches

from atlas.configs.catalogue import Image, Software, Source, defaults, find_image, find_software, proved, software
from atlas.diagnostics import Diagnostic, error, warning
from atlas.instances import Instance


@dataclass(frozen=True, slots=True)
class Install:
    """How one software gets onto one guest.

    Args:
        software: The catalogue's name of it.
        role: The Ansible role.
        source: The name of the source.
        version: What will be there, as precisely as the catalogue knows; empty for an unknown image.
        packages: What the role installs.
        repository: The repository with the image's words filled in; empty for the distribution's own.
        proved: Whether this source was proved on this image.
    """

    software: str
    role: str
    source: str
    version: str
    packages: tuple[str, ...]
    repository: Mapping[str, str]
    proved: bool


def image_of(instance: Instance) -> Image | None:
    """Return the catalogue's image of a guest; None where its template is not in the catalogue."""
    named = instance.guest.image or instance.guest.template or defaults().image
    return find_image(named) if isinstance(named, str) else None


def resolve(reference: str, image: Image | None, path: str = "") -> Install | Diagnostic:
    """Find where software comes from.

    Args:
        reference: `name` or `name@version`, in any spelling that the catalogue knows.
        image: The guest's image; None if it is not in the catalogue.
        path: Where the reference stands in the spec.
    """
    name, _, version = reference.partition("@")
    entry = find_software(name)
    if entry is None:
        return _unknown(name, path)
    if image is None:
        if version:
            summary = f"cannot tell whether {entry.name} {version} is there for this guest's template"
            return error(path, summary, hint="name an `image` of the catalogue, or leave the version out")
        return _install(entry, entry.sources[0], "", None)
    if image.family != "debian":
        return error(
            path,
            f"{entry.name} cannot be installed on {image.name} yet",
            detail="the roles are written for Debian and Ubuntu",
            hint="use an image such as debian-12, or leave the software out",
        )
    for source in entry.sources:
        found = _offered(source, image.name, version)
        if found is not None:
            return _install(entry, source, found, image)
    return _no_version(entry, version, image, path)


def _offered(source: Source, image: str, wanted: str) -> str | None:
    """Return the version that a source gives; without a wanted one, its best."""
    for offered in reversed(source.versions.get(image, ())):
        if not wanted or offered == wanted or offered.startswith(f"{wanted}."):
            return offered
        if source.pins and wanted.startswith(f"{offered}."):
            return wanted
    return None


def _install(entry: Software, source: Source, version: str, image: Image | None) -> Install:
    repository = {}
    if source.repository is not None and image is not None:
        words = {"distribution": image.distribution, "codename": image.codename}
        repository = {"name": source.name, **{k: v.format(**words) for k, v in asdict(source.repository).items()}}
    packages = tuple(package.format(version=version) for package in source.packages)
    known = image is not None and source.repository is None and proved(entry.role, image.name)
    return Install(entry.name, entry.role, source.name, version, packages, repository, known)


def _unknown(name: str, path: str) -> Diagnostic:
    every = [alias for entry in software().values() for alias in (entry.name, *entry.aliases)]
    close = get_close_matches(name, every, n=1)
    known = f"known: {', '.join(sorted(software()))}"
    return error(path, f"unknown software {name!r}", hint=f"did you mean {close[0]}?" if close else known)


def _no_version(entry: Software, version: str, image: Image, path: str) -> Diagnostic:
    offers = sorted(
        {v for source in entry.sources for v in source.versions.get(image.name, ())},
        key=lambda v: [int(part) for part in v.split(".")],
    )
    if not offers:
        return error(path, f"no source offers {entry.name} for {image.name}", hint="use a newer image")
    wanted = f"{entry.name} {version}" if version else entry.name
    return error(path, f"no source offers {wanted} for {image.name}", hint=f"there is {', '.join(offers)}")


def installs(instance: Instance) -> tuple[tuple[Install, ...], tuple[Diagnostic, ...]]:
    """Resolve all software of a guest.

    Returns:
        The installs in the catalogue's order, and the diagnostics: errors, and a warning for each that is unproved.
    """
    image = image_of(instance)
    found: dict[str, Install] = {}
    faults: list[Diagnostic] = []
    for number, reference in enumerate(instance.guest.software):
        path = f"{instance.path}.software[{number}]"
        one = resolve(reference, image, path)
        if isinstance(one, Diagnostic):
            faults.append(one)
            continue
        if one.software in found:
            faults.append(error(path, f"{one.software} is named twice", hint="keep one of them"))
            continue
        found[one.software] = one
        if not one.proved:
            place = image.name if image else "this template"
            summary = f"installing {one.software} from {one.source} on {place} is not proved"
            faults.append(warning(path, summary, detail="its role was never applied there by ATLAS's own tests"))
    order = list(software())
    return tuple(sorted(found.values(), key=lambda install: order.index(install.software))), tuple(faults)
