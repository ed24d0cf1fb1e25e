"""The shipped data: it loads, names are unambiguous, the roles' defaults and the gallery fit the catalogue."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import yaml

from atlas.configs import catalogue
from atlas.instances import instances
from atlas.spec import Stack
from atlas.versions import installs


def test_every_name_and_alias_is_unambiguous() -> None:
    for entries in (catalogue.images().values(), catalogue.software().values()):
        names = Counter(alias for entry in entries for alias in {entry.name, *entry.aliases})
        assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(
    ("said", "name"),
    [("bookworm", "debian-12"), ("Jammy", "ubuntu-22.04"), ("debian", "debian-12"), ("ubuntu", "ubuntu-24.04")],
)
def test_an_image_is_found_by_what_people_call_it(said: str, name: str) -> None:
    found = catalogue.find_image(said)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("said", "name"),
    [("pg", "postgresql"), ("Postgres", "postgresql"), ("docker-ce", "docker"), ("node-exporter",) * 2],
)
def test_software_is_found_by_what_people_call_it(said: str, name: str) -> None:
    found = catalogue.find_software(said)
    assert found is not None
    assert name in (found.name, *found.aliases)


def test_each_distribution_has_at_most_one_default_image() -> None:
    defaults = Counter(image.distribution for image in catalogue.images().values() if image.default)
    assert max(defaults.values()) == 1


def test_images_named_by_sources_exist() -> None:
    for entry in catalogue.software().values():
        for source in entry.sources:
            assert set(source.versions) <= set(catalogue.images())


def test_a_repository_has_a_whole_fingerprint() -> None:
    found = [s.repository for e in catalogue.software().values() for s in e.sources if s.repository]
    assert found
    assert all(re.fullmatch("[0-9A-F]{40}", repository.fingerprint) for repository in found)
    assert all(r.url.startswith("https://") and r.key.startswith("https://") for r in found)


def test_a_role_installs_what_the_distribution_source_says() -> None:
    for entry in catalogue.software().values():
        defaults = yaml.safe_load(catalogue.role_files(entry.role)["defaults/main.yml"])
        distribution = next(source for source in entry.sources if source.repository is None)
        assert defaults[f"{entry.role}_packages"] == list(distribution.packages)


def test_a_role_hash_changes_with_any_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalogue.role_hash("nginx")
    files = dict(catalogue.role_files("nginx"))
    files["tasks/main.yml"] += " "
    monkeypatch.setattr(catalogue, "role_files", lambda _role: files)
    assert catalogue.role_hash("nginx") != before


def test_the_gallery_holds_valid_specs_whose_software_resolves() -> None:
    assert {"web-farm", "database", "containers", "mixed"} <= set(catalogue.gallery())
    for name, item in catalogue.gallery().items():
        stack = Stack.model_validate(yaml.safe_load(item.read_text(encoding="utf-8")))
        assert stack.metadata.name == name
        for instance in instances(stack, catalogue.defaults()):
            assert instance.guest.image == "debian-12"
            assert [f for f in installs(instance)[1] if f.severity == "error"] == []


def test_site_defaults_answer_what_a_spec_left_out() -> None:
    stack = Stack.model_validate({"metadata": {"name": "x"}, "guests": [{"name": "a"}]})
    guest = instances(stack, catalogue.defaults())[0].guest
    assert (guest.kind, guest.image, guest.cpu.cores, guest.memory) == ("vm", "debian-12", 2, 2048)
    assert (guest.disks[0].size, guest.networks[0].bridge, guest.networks[0].address) == (10240, "vmbr0", "auto")


def test_a_proof_is_for_exactly_these_files(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue.proved.cache_clear()
    monkeypatch.setattr(catalogue, "role_hash", lambda _role: "another")
    assert not catalogue.proved("nginx", "debian-12")
    catalogue.proved.cache_clear()
