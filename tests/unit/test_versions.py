"""Software name@version to the source it comes from."""

from __future__ import annotations

import pytest

from atlas.configs.catalogue import find_image
from atlas.diagnostics import Diagnostic
from atlas.instances import instances
from atlas.spec import Stack
from atlas.versions import Install, installs, resolve


@pytest.mark.parametrize(
    ("reference", "image", "source", "version", "packages"),
    [
        ("nginx", "debian-12", "distribution", "1.22", ("nginx",)),
        ("nginx@1.22", "debian-12", "distribution", "1.22", ("nginx",)),
        ("nginx@1", "debian-12", "distribution", "1.22", ("nginx",)),
        ("pg", "debian-12", "distribution", "15", ("postgresql",)),
        ("postgresql@15", "debian-12", "distribution", "15", ("postgresql",)),
        ("postgresql@16", "debian-12", "pgdg", "16", ("postgresql-16",)),
        ("docker", "debian-12", "distribution", "20.10", ("docker.io",)),
        ("docker", "ubuntu-22.04", "docker", "28", ("docker-ce=5:28*",)),
        ("docker@27", "debian-12", "docker", "27", ("docker-ce=5:27*",)),
        ("docker@27.3.1", "debian-12", "docker", "27.3.1", ("docker-ce=5:27.3.1*",)),
    ],
)
def test_the_first_source_that_offers_the_version_wins(
    reference: str, image: str, source: str, version: str, packages: tuple[str, ...]
) -> None:
    found = resolve(reference, find_image(image))
    assert isinstance(found, Install)
    assert (found.source, found.version) == (source, version)
    assert found.packages[: len(packages)] == packages


def test_a_repository_gets_the_images_words() -> None:
    found = resolve("docker@27", find_image("noble"))
    assert isinstance(found, Install)
    assert found.repository["url"] == "https://download.docker.com/linux/ubuntu"
    assert found.repository["suite"] == "noble"
    assert not found.proved


@pytest.mark.parametrize(
    ("reference", "image", "says", "hint"),
    [
        ("ngnix", "debian-12", "unknown software", "nginx"),
        ("zzz", "debian-12", "unknown software", "known: chrony"),
        ("nginx@9", "debian-12", "no source offers nginx 9", "there is 1.22"),
        ("nginx@1.22.1", "debian-12", "no source offers", "1.22"),
        ("postgresql@1", "debian-12", "no source offers", "14, 15, 16"),
        ("nginx", "rocky-9", "cannot be installed on rocky-9", "debian-12"),
        ("nginx", "debian-11", "no source offers nginx for debian-11", "newer image"),
        ("nginx@1.22", "", "cannot tell", "image"),
    ],
)
def test_what_cannot_be_had_is_said_with_what_can(reference: str, image: str, says: str, hint: str) -> None:
    found = resolve(reference, find_image(image), "guests[0].software[0]")
    assert isinstance(found, Diagnostic)
    assert says in found.summary
    assert hint in found.hint
    assert found.where.path == "guests[0].software[0]"


def test_a_template_outside_the_catalogue_gets_the_distributions_own() -> None:
    found = resolve("postgres", None)
    assert isinstance(found, Install)
    assert (found.packages, found.repository, found.proved) == (("postgresql",), {}, False)


def test_a_guests_software_is_in_the_catalogues_order_with_all_its_faults() -> None:
    guest = {"name": "a", "image": "debian-12", "software": ["nginx", "chrony", "ntp", "foo", "docker@27"]}
    stack = Stack.model_validate({"metadata": {"name": "x"}, "guests": [guest]})
    found, faults = installs(instances(stack)[0])
    assert [install.software for install in found] == ["chrony", "docker", "nginx"]
    summaries = {(fault.severity.value, fault.where.path, fault.summary) for fault in faults}
    assert ("error", "guests[0].software[2]", "chrony is named twice") in summaries
    assert ("error", "guests[0].software[3]", "unknown software 'foo'") in summaries
    assert ("warning", "guests[0].software[4]", "installing docker from docker on debian-12 is not proved") in summaries
