"""`make acceptance PROGRAM=...`: run a provider's compiled acceptance tests against a lab, and write down what passed.

A program holds the compiled tests of a package that read `TF_ACC` and `PROXMOX_VE_*` from the environment;
a folder stands for all programs in it. Each test runs on its own, in the order of the program. The lab is one for all,
as a cluster would be; it is made anew after a test that had to be killed. What the tests download comes from a server
of this tool's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from fakes.image_server import serving
from proxmoxer import ProxmoxAPI
from proxmoxer.tools import Tasks

from atlas.lab import control
from atlas.terraform.program import environment

HERE = Path(__file__).parents[1] / "acceptance"
PAGE = Path(__file__).parents[2] / "docs" / "lab-acceptance.md"
ROOT = "root@pam"
OUTCOME = re.compile(r"^ *--- (PASS|FAIL|SKIP): (\S+)", re.MULTILINE)
WORDS = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}
ROW = re.compile(r"^\| (\S+) \| `(\w+)` \| ([^|]+) \|", re.MULTILINE)
Outcomes = dict[tuple[str, str], str]
"""By program and test."""

HEAD = """# The provider's own acceptance tests

Which of the acceptance tests of {of} pass against the lab. This page is written by `make acceptance PROGRAM=...`, where
PROGRAM is a compiled test program, or a folder of such programs; `OPTIONS=--anew` forgets earlier runs. The lab has the
nodes, storages and bridges of `tests/acceptance/inventory.yaml`, and reasons come from `tests/acceptance/reasons.yaml`.

Of {total} tests {passed} pass; {api} need only an API, and {api_passed} of these pass.

| program | test | | why |
| --- | --- | --- | --- |
"""


class Site:
    """A lab of the shape that the tests ask for, and the environment by which they find it."""

    def __init__(self, folder: Path, images: str) -> None:
        self.folder = folder
        self.images = images
        self.status: dict[str, Any] = {}

    def renew(self) -> None:
        """Start the lab, in place of the one that is there."""
        control.stop(self.folder)
        if self.folder.exists():
            control.reset(self.folder)
        self.status = control.start(self.folder, inventory=HERE / "inventory.yaml", latency="fast")
        host = self.status["url"].removeprefix("https://").rstrip("/")
        api = ProxmoxAPI(host, user=ROOT, password=self.password(), verify_ssl=self.status["ca_file"])
        made = api.cluster.acme.account.post(name="acceptance", contact="nobody@lab.example")
        Tasks.blocking_status(api, made)

    def password(self) -> str:
        """Return root's password."""
        found: str = json.loads((self.folder / "secrets.json").read_text())[ROOT]
        return found

    def environment(self) -> dict[str, str]:
        """Return what the tests read, beside this process's own environment."""
        return {
            **environment(),
            "TF_ACC": "1",
            "PROXMOX_VE_ENDPOINT": self.status["url"],
            "PROXMOX_VE_INSECURE": "true",
            "PROXMOX_VE_API_TOKEN": self.status["tokens"][f"{ROOT}!lab"],
            "PROXMOX_VE_USERNAME": ROOT,
            "PROXMOX_VE_PASSWORD": self.password(),
            "PROXMOX_VE_ACC_NODE_NAME": "pve",
            "PROXMOX_VE_ACC_NODE_2_NAME": "pve2",
            "PROXMOX_VE_ACC_ZFS_DATASTORE_ID": "tank",
            "PROXMOX_VE_ACC_ZFS_DISK": "/dev/sdb",
            "PROXMOX_VE_ACC_NFS_DATASTORE_ID": "nfs",
            "PROXMOX_VE_ACC_NFS_SERVER": "10.42.0.2",
            "PROXMOX_VE_ACC_NFS_EXPORT": "/export/more",
            "PROXMOX_VE_ACC_VM_MIGRATE_HOSTPCI_ID": "0000:02:00.0",
            "PROXMOX_VE_ACC_ACME_ACCOUNT_NAME": "acceptance",
            "PROXMOX_VE_ACC_ACME_DOMAIN": "pve.lab.example",
            "PROXMOX_VE_ACC_IFACE_NAME": "eno1",
            "PROXMOX_VE_ACC_BOND_SLAVE1": "eno2",
            "PROXMOX_VE_ACC_BOND_SLAVE2": "eno3",
            "PROXMOX_VE_ACC_CLOUD_IMAGES_SERVER": self.images,
            "PROXMOX_VE_ACC_CONTAINER_IMAGES_SERVER": self.images,
            "PROXMOX_VE_ACC_TEST_FILE_SERVER_IP": "127.0.0.1",
        }


@contextmanager
def site() -> Iterator[Site]:
    """Yield a lab that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="atlas-acceptance-") as folder, serving() as images:
        made = Site(Path(folder) / "lab", images)
        made.renew()
        try:
            yield made
        finally:
            control.stop(made.folder)


def programs(named: Sequence[Path]) -> list[Path]:
    """Return the programs that are meant, as absolute paths."""
    found: list[Path] = []
    for path in named:
        found += sorted(p for p in path.iterdir() if p.is_file() and p.suffix == ".test") if path.is_dir() else [path]
    return [path.resolve() for path in found]


def tests_of(program: Path, known: Mapping[str, Any]) -> list[str]:
    """Return the names of a program's acceptance tests; beside them there may be others, which need no lab."""
    listed = subprocess.run([str(program), "-test.list", "."], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.split() if line.startswith("TestAcc") or line in known["named_otherwise"]]


def run(program: Path, test: str, variables: Mapping[str, str], limit: float, log: Path) -> str:
    """Run one test and return its outcome; what it says goes into a file.

    Returns:
        `passed`, `failed` with how many of its parts passed, `skipped`, or `killed` where it took longer than the
        limit, in seconds.
    """
    command = [str(program), "-test.v", "-test.count=1", "-test.parallel=2", f"-test.run=^{test}$"]
    with tempfile.TemporaryDirectory(prefix="atlas-acceptance-") as folder, log.open("w") as out:
        # A session of its own, so that the Terraform processes end with the test.
        process = subprocess.Popen(
            command, cwd=folder, env=dict(variables), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            return "killed"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return outcome(test, log.read_text(errors="replace"))


def outcome(test: str, said: str) -> str:
    """Read the outcome of a test in what it said."""
    words = {name: WORDS[word] for word, name in OUTCOME.findall(said)}
    parts = [word for name, word in words.items() if name.startswith(f"{test}/")]
    found = words.get(test, "failed")
    # After a panic, parts are missing.
    whole = parts and "\npanic: " not in said
    return f"failed, {parts.count('passed')} of {len(parts)} parts passed" if found == "failed" and whole else found


def reasons() -> dict[str, Any]:
    """Return whose tests these are, and by test what it needs that a lab does not have (`needs`)."""
    data = yaml.safe_load((HERE / "reasons.yaml").read_text())
    return {**data, "needs": {test: row["why"] for row in data["needs"] for test in row["tests"]}}


def rows(text: str) -> Outcomes:
    """Read the outcomes that a page tells of."""
    return {(program, test): word for program, test, word in ROW.findall(text)}


def page(outcomes: Outcomes, known: Mapping[str, Any]) -> str:
    """Write the page: each test with its outcome, and why it does not pass."""
    passed = {name for name, word in outcomes.items() if word == "passed"}
    api = {name for name in outcomes if name[1] not in known["needs"]} | passed
    text = HEAD.format(
        of=known["of"], total=len(outcomes), passed=len(passed), api=len(api), api_passed=len(api & passed)
    )
    for name, word in sorted(outcomes.items()):
        program, test = name
        why = "" if word == "passed" else known["needs"].get(test, "")
        text += f"| {program} | `{test}` | {word} | {why} |\n"
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests that are asked for, and write the page; without `--anew`, rows of tests that were not run stay."""
    parser = argparse.ArgumentParser(prog="python tests/tools/acceptance.py", description=__doc__)
    parser.add_argument("programs", nargs="+", type=Path, metavar="PROGRAM", help="a test program, or a folder of them")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only tests whose names this finds")
    parser.add_argument("--failed", action="store_true", help="only tests that the page does not say pass")
    parser.add_argument("--anew", action="store_true", help="forget what the page says: it is of this run alone")
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS", help="for each test (300)")
    parser.add_argument("--logs", type=Path, help="the folder for what the tests say (default: a temporary one)")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that is written")
    given = parser.parse_args(arguments)
    logs: Path = given.logs or Path(tempfile.mkdtemp(prefix="atlas-acceptance-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    outcomes = rows(given.page.read_text()) if given.page.exists() and not given.anew else {}
    known, unexpected = reasons(), 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the lab ends, too
    with site() as lab:
        for program in programs(given.programs):
            for test in tests_of(program, known):
                row = program.stem, test
                if not re.search(given.only, test) or (given.failed and outcomes.get(row) == "passed"):
                    continue
                begun = time.monotonic()
                found = run(program, test, lab.environment(), given.limit, logs / f"{test}.log")
                outcomes[row] = "failed" if found == "killed" else found
                unexpected += found != "passed" and test not in known["needs"]
                sys.stdout.write(f"{found:8} {time.monotonic() - begun:6.1f} s  {test}\n")
                sys.stdout.flush()
                given.page.write_text(page(outcomes, known), encoding="utf-8")
                if found == "killed":
                    lab.renew()
    sys.stdout.write(f"{unexpected} did not pass without a known reason; what they said is in {logs}\n")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
