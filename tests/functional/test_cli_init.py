"""`atlas init`: by flags where nobody can be asked, and by questions in a terminal; nothing is written unasked."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.program import COMMAND, Api, Program

from atlas import certificate
from atlas.access import commands


@pytest.fixture
def token(atlas: Program, lab_api: Api) -> Path:
    path = atlas.folder / "token"
    path.touch(0o600)
    path.write_text(str(lab_api.status["token"]))
    return path


def flags(lab_api: Api, token: Path) -> list[Any]:
    at = lab_api.status["url"]
    return ["--name", "home", "--endpoint", at, "--token-file", token, "--ca-file", lab_api.status["ca_file"]]


def profile(atlas: Program, name: str = "home") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((atlas.config / "clusters" / f"{name}.yaml").read_text())
    return found


def test_flags_and_proposals_make_a_profile_that_was_checked(atlas: Program, lab_api: Api, token: Path) -> None:
    more = ["--addresses", "10.42.0.20-10.42.0.29/24", "--reach", "jump", "--jump", "ops@10.42.0.1:22"]
    done = atlas("init", *flags(lab_api, token), *more, "--engine", "api", "--json").ended(0)
    assert profile(atlas) == {
        "endpoint": lab_api.status["url"],
        "ca_file": lab_api.status["ca_file"],
        "token": {"file": str(token)},
        "engine": "api",
        "vmids": [10_000, 19_999],
        "pools": [
            {
                "bridge": "vmbr0",
                "network": "10.42.0.0/24",
                "first": "10.42.0.20",
                "last": "10.42.0.29",
                "gateway": "10.42.0.1",
                "dns": ["10.42.0.1"],
            }
        ],
        "defaults": {
            "disks": [{"storage": "shared-nfs"}],
            "networks": [{"bridge": "vmbr0", "address": "auto"}],
        },
        "reach": "jump",
        "ssh": {"jump": "ops@10.42.0.1:22"},
    }
    found = {row["subject"]: row["ok"] for row in done.all("doctor")}
    assert (found["cluster"], found["token"], found["addresses"]) == (True, True, True)
    assert done.one("result")["commands"] == commands("api", done.one("result")["pve"])
    assert str(lab_api.status["token"]).partition("=")[2] not in done.text
    again = atlas("init", *flags(lab_api, token)).ended(2).text
    assert "--overwrite" in again
    assert profile(atlas)["reach"] == "jump"
    atlas("init", *flags(lab_api, token), "--overwrite", "--reach", "none").ended(0)
    assert (profile(atlas)["reach"], profile(atlas)["pools"]) == ("none", [])


def test_a_certificate_is_trusted_only_when_somebody_says_so(atlas: Program, lab_api: Api, token: Path) -> None:
    words = flags(lab_api, token)[:-2]
    found = certificate.fingerprint(certificate.shown(lab_api.status["url"]))
    assert found in atlas("init", *words).ended(2).text
    wrong = found.replace(found[:2], "00" if found[:2] != "00" else "11", 1)
    assert found in atlas("init", *words, "--fingerprint", wrong).ended(2).text
    assert not (atlas.config / "clusters" / "home.yaml").exists()
    atlas("init", *words, "--fingerprint", found.lower(), "--reach", "none").ended(0)
    assert profile(atlas)["fingerprint"] == found


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--bridge", "vmbr9"], "vmbr9"),
        (["--storage", "gone"], "gone"),
        (["--vmids", "5-9"], "5-9"),
        (["--addresses", "10.42.0.9"], "10.42.0.9"),
        (["--reach", "telepathy"], "telepathy"),
        (["--reach", "jump"], "--jump"),
        (["--engine", "magic"], "magic"),
        (["--token-env", "T"], "one place"),
        (["--name", "../x"], "../x"),
    ],
)
def test_a_wrong_answer_is_told_and_nothing_written(
    atlas: Program, lab_api: Api, token: Path, words: list[str], says: str
) -> None:
    before = sorted((atlas.config / "clusters").iterdir())
    assert says in atlas("init", *flags(lab_api, token), *words).ended(2).text
    assert sorted((atlas.config / "clusters").iterdir()) == before


class Terminal:
    """The program in a terminal: waits for words, then types an answer."""

    def __init__(self, atlas: Program, *words: str) -> None:
        self.mine, theirs = pty.openpty()
        self.seen = ""
        self.process = subprocess.Popen(
            [*COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=atlas.env, start_new_session=True
        )
        os.close(theirs)

    def _read(self) -> bool:
        try:
            part = os.read(self.mine, 4096) if select.select([self.mine], [], [], 1)[0] else None
        except OSError:
            return False  # that is how a terminal ends
        self.seen += (part or b"").decode()
        return part != b""

    def says(self, question: str, answer: str | None) -> None:
        end = time.monotonic() + 120
        while question not in self.seen:
            assert self._read(), f"{question!r} was not asked: {self.seen}"
            assert time.monotonic() < end, f"{question!r} was not asked in time: {self.seen}"
        self.seen = self.seen.partition(question)[2]
        if answer is not None:
            os.write(self.mine, f"{answer}\n".encode())

    def ended(self) -> tuple[int, str]:
        while self._read():
            pass
        os.close(self.mine)
        return self.process.wait(), self.seen


def test_a_person_is_asked(atlas: Program, lab_api: Api) -> None:
    secret = str(lab_api.status["token"])
    at = Terminal(atlas, "init", "--no-color")
    at.says("a name for the cluster [home]:", "")
    at.says("address of a node", lab_api.status["url"])
    at.says("is it the same?", "yes")
    at.says("API token", "")
    at.says("pveum user token add", None)
    at.says("API token", f"{secret[:-4]}0000")
    at.says("does not accept the token", None)
    at.says("API token", secret)
    at.says("bridge (vmbr0) [vmbr0]:", "vmbr7")
    at.says("is not among them", None)
    at.says("bridge (vmbr0) [vmbr0]:", "")
    at.says("storage (shared-nfs, local-lvm) [shared-nfs]:", "local-lvm")
    at.says("[10000-19999]:", "3000-3999")
    at.says("[10.42.0.191-10.42.0.240/24]:", "")
    at.says("gateway [10.42.0.1]:", "none")
    at.says("name servers [10.42.0.1]:", "10.42.0.1, 10.42.0.2")
    at.says("direct, jump, none [direct]:", "none")
    at.says("write the profile 'home'? (yes/no)", "yes")
    code, rest = at.ended()
    assert code == 0, rest
    found = profile(atlas)
    assert found["fingerprint"] == certificate.fingerprint(certificate.shown(lab_api.status["url"]))
    assert (found["vmids"], found["reach"]) == ([3000, 3999], "none")
    pool = {"bridge": "vmbr0", "network": "10.42.0.0/24", "first": "10.42.0.191", "last": "10.42.0.240"}
    assert found["pools"] == [{**pool, "dns": ["10.42.0.1", "10.42.0.2"]}]
    kept = Path(found["token"]["file"])
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == (secret, 0o600)
    assert secret.partition("=")[2] not in json.dumps(found) + rest
    at = Terminal(atlas, "init", "--no-color", "--name", "home")
    at.says("there is a profile 'home' already", "no")
    assert at.ended()[0] == 2
