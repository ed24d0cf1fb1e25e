"""The road of docs/first-real-guest.md, command by command, on a lab without templates; and how long it takes."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.origin import qcow2
from fakes.program import Done, Program
from live import machines

from atlas import certificate

PAGE = (Path(__file__).parents[2] / "docs" / "first-real-guest.md").read_text(encoding="utf-8")
QUARTER = 900.0  # seconds


def commands() -> list[list[str]]:
    """Return the page's commands that a test can run, in their order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


class Road:
    """The page's commands with the values of a lab in the place of the example's."""

    def __init__(self, folder: Path, status: dict[str, Any], image: tuple[str, ...], reach: str) -> None:
        self.program, self.status, self.image, self.reach = Program(folder), status, image, reach
        token = folder / "pve.token"
        token.touch(0o600)
        token.write_text(status["token"])
        (spec,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
        (folder / "first.yaml").write_text(spec)
        self.values = {
            "https://pve1.example.com:8006": status["url"],
            "AB:CD:EF": certificate.fingerprint(certificate.shown(status["url"])),
            "192.168.7.100-192.168.7.149/24": "10.42.0.100-10.42.0.149/24",
            "192.168.7.1": "10.42.0.1",
            "direct": "none",
        }

    def walk(self) -> dict[str, Done]:
        """Run every command; return what each left, by its first two words."""
        left = {}
        for atlas, *words in commands():
            assert atlas == "atlas"
            said = [self.values.get(word, word) for word in words]
            if words[:2] == ["images", "add"]:
                said += [*self.image, "--yes"]
            if words[0] == "apply":
                said += ["--yes", "--json"]
            done = self.program(*said, cwd=self.program.folder, seconds=QUARTER)
            left[" ".join(words[:2])] = done.ended(1 if words[0] == "init" else 0)
            if words[0] == "init":
                self._reached()
        return left

    def _reached(self) -> None:
        """Tell the profile the way to a lab's real guests, for which `init` has no flag."""
        if self.reach == "none":
            return
        path = self.program.config / "clusters" / "home.yaml"
        way = {"reach": "jump", "ssh": {"proxy_command": self.status["jump"]["proxy_command"]}}
        path.write_text(json.dumps({**yaml.safe_load(path.read_text()), **way}))


def start(folder: Path, *more: str) -> tuple[Program, dict[str, Any]]:
    folder.mkdir()
    keeper = Program(folder)
    keeper("lab", "start", "--bare", "--nodes", 1, *more, seconds=300).ended(0)
    return keeper, json.loads(keeper("lab", "status", "--json").ended(0).out)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[dict[str, Any]]:
    keeper, status = start(tmp_path / "keeper", "--latency", "fast")
    yield status
    keeper("lab", "stop").ended(0)


def test_every_command_of_the_page_does_what_it_says(lab: dict[str, Any], tmp_path: Path) -> None:
    image = qcow2(2 << 30)
    (tmp_path / "image.qcow2").write_bytes(image)
    given = ("--file", str(tmp_path / "image.qcow2"), "--sha512", hashlib.sha512(image).hexdigest())
    begun = time.monotonic()
    left = Road(tmp_path, lab, given, "none").walk()
    assert time.monotonic() - begun < QUARTER
    assert "agent and cloud-init proved on" in left["images add"].text
    assert left["apply first.yaml"].one("run.done")["result"] == "applied"
    assert "hello" in left["guests list"].text
    assert "AllocateTemplate" in left["doctor --role"].text


@pytest.mark.guest
@pytest.mark.alone
def test_the_page_leads_to_a_real_guest_within_a_quarter_of_an_hour(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    problem = machines.why_not()
    if problem:
        pytest.skip(f"no real guests here: {problem}")
    with machines.alone():
        keeper, status = start(tmp_path / "keeper", "--guests", "qemu")
        try:
            keeper("lab", "cloud-image", tmp_path / "debian-12.qcow2", seconds=QUARTER).ended(0)
            begun = time.monotonic()
            left = Road(tmp_path, status, ("--file", str(tmp_path / "debian-12.qcow2")), "jump").walk()
            took = time.monotonic() - begun
            record_property("seconds", round(took))
            assert left["apply first.yaml"].one("run.done")["result"] == "verified"
            assert "ssh lets probe in at 10.42.0.100" in left["images add"].text
            assert "agent and cloud-init proved on" in left["images add"].text
            found = keeper("lab", "console", 10_000).ended(0)
            assert "cloud-init" in found.out
            assert took < QUARTER
        finally:
            keeper("lab", "stop").ended(0)
