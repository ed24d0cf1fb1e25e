"""The data that ships with ATLAS as typed values, read once and lazily: images, software, roles, defaults, gallery."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Literal

from atlas.spec import Check, GuestDefaults
from atlas.units import parse_size


@dataclass(frozen=True, slots=True)
class Cloud:
    """A vendor's cloud image, and the vendor's own file of checksums."""

    url: str
    sums: str
    algorithm: Literal["sha256", "sha512"]


@dataclass(frozen=True, slots=True)
class Image:
    """What guests are made from, by the name that specs use.

    Args:
        family: Which package manager it has; the roles are written for `debian`.
        templates: Names of template VMs that stand for it where a cluster's profile names none.
        user: The account that the cloud image makes when nothing else is said.
        disk: The least root disk, in MiB.
        archive: Pattern (fnmatch) of the container archive's file name.
        default: Whether the bare name of the distribution means this image.
    """

    name: str
    distribution: str
    version: str
    codename: str
    family: str
    aliases: tuple[str, ...]
    templates: tuple[str, ...]
    user: str
    disk: int
    cloud: Cloud
    archive: str
    default: bool = False


@dataclass(frozen=True, slots=True)
class Repository:
    """A package repository beside the distribution's own; `{distribution}` and `{codename}` are the image's."""

    url: str
    suite: str
    component: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where software comes from: packages, and the versions that are there for each image, the best last."""

    name: str
    packages: tuple[str, ...]
    versions: Mapping[str, tuple[str, ...]]
    repository: Repository | None

    @property
    def pins(self) -> bool:
        """Whether its packages are pinned to the version that is asked for."""
        return any("=" in package for package in self.packages)


@dataclass(frozen=True, slots=True)
class Listen:
    """A TCP port that the software listens on; a `local` one is loopback only."""

    port: int
    scope: Literal["any", "local"] = "any"


@dataclass(frozen=True, slots=True)
class Software:
    """One entry of the software catalogue; `checks` are for guests whose spec names none."""

    name: str
    summary: str
    role: str
    aliases: tuple[str, ...]
    services: tuple[str, ...]
    ports: tuple[Listen, ...]
    checks: tuple[Check, ...]
    sources: tuple[Source, ...]


def _read(name: str) -> dict[str, Any]:
    import yaml

    data: dict[str, Any] = yaml.safe_load((files("atlas.configs") / name).read_text(encoding="utf-8"))
    return data


@cache
def images() -> Mapping[str, Image]:
    """Return the image catalogue by name."""
    return MappingProxyType({name: _image(name, entry) for name, entry in _read("images.yaml").items()})


def _image(name: str, entry: Mapping[str, Any]) -> Image:
    lists = {field: tuple(entry[field]) for field in ("aliases", "templates")}
    return Image(
        **{**entry, **lists, "name": name, "disk": parse_size(entry["disk"]), "cloud": Cloud(**entry["cloud"])}
    )


@cache
def software() -> Mapping[str, Software]:
    """Return the software catalogue by name, in the order in which roles are applied."""
    return MappingProxyType({name: _software(name, entry) for name, entry in _read("software.yaml").items()})


def _software(name: str, entry: Mapping[str, Any]) -> Software:
    return Software(
        name=name,
        summary=entry["summary"],
        role=entry["role"],
        aliases=tuple(entry["aliases"]),
        services=tuple(entry["services"]),
        ports=tuple(Listen(**port) for port in entry.get("ports", ())),
        checks=tuple(Check.model_validate(check) for check in entry["checks"]),
        sources=tuple(_source(source) for source in entry["sources"]),
    )


def _source(entry: Mapping[str, Any]) -> Source:
    versions = {image: (v,) if isinstance(v, str) else tuple(v) for image, v in entry["versions"].items()}
    return Source(
        name=entry["name"],
        packages=tuple(entry["packages"]),
        versions=MappingProxyType(versions),
        repository=Repository(**entry["repository"]) if "repository" in entry else None,
    )


@cache
def defaults() -> GuestDefaults:
    """Return the site defaults, which are below those of a cluster's profile."""
    return GuestDefaults.model_validate(_read("defaults.yaml"))


@cache
def _image_names() -> Mapping[str, str]:
    names = {alias: image.name for image in images().values() for alias in (image.name, *image.aliases)}
    return names | {image.distribution: image.name for image in images().values() if image.default}


@cache
def _software_names() -> Mapping[str, str]:
    return {alias: entry.name for entry in software().values() for alias in (entry.name, *entry.aliases)}


def find_image(name: str) -> Image | None:
    """Return the image of a name or alias, whatever its case; None if there is none."""
    found = _image_names().get(name.strip().lower())
    return images()[found] if found else None


def find_software(name: str) -> Software | None:
    """Return the software of a name or alias (without a version), whatever its case; None if there is none."""
    found = _software_names().get(name.strip().lower())
    return software()[found] if found else None


def gallery() -> Mapping[str, Traversable]:
    """Return the specs of the gallery by name."""
    specs = (item for item in (files("atlas.configs") / "gallery").iterdir() if item.name.endswith(".yaml"))
    return {item.name.removesuffix(".yaml"): item for item in sorted(specs, key=lambda item: item.name)}


@cache
def role_files(role: str) -> Mapping[str, str]:
    """Return the files of an Ansible role, `{path: text}`, by path."""
    found: dict[str, str] = {}
    _collect(files("atlas.configs") / "roles" / role, "", found)
    return MappingProxyType(dict(sorted(found.items())))


def _collect(folder: Traversable, prefix: str, found: dict[str, str]) -> None:
    for item in folder.iterdir():
        if item.is_dir():
            _collect(item, f"{prefix}{item.name}/", found)
        else:
            found[prefix + item.name] = item.read_text(encoding="utf-8")


def role_hash(role: str) -> str:
    """Return the SHA-256 over a role's files, to which its proof belongs."""
    text = json.dumps(dict(role_files(role)), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def proofs() -> Mapping[str, Mapping[str, Any]]:
    """Return what `make roles` recorded: for each role its hash then, the image, and the changes of both runs."""
    recorded: dict[str, Any] = json.loads((files("atlas.configs") / "roles" / "proofs.json").read_text())
    return MappingProxyType(recorded)


@cache
def proved(role: str, image: str) -> bool:
    """Tell whether a role as it is now was proved on an image, with the distribution's packages."""
    proof = proofs().get(role)
    return proof is not None and proof.get("image") == image and proof["hash"] == role_hash(role)
