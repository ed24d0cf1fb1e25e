"""`make conformance CLUSTER=name`: run the engine suite on a real Proxmox VE and on a lab, and tell them apart.

It works in a VMID range of its own (`VMIDS=first-last`, all of which must be free) and a pool of its own; in the end it
removes the guests of that range and the pool, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from fakes.where import VARIABLE
from ruamel.yaml import YAML

from atlas.errors import ApiRefused, AtlasError
from atlas.proxmox.client import Client
from atlas.settings import load

POOL = "atlas-conformance"
VMIDS = "99000-99099"
Outcomes = dict[str, tuple[str, str]]  # by test: passed, failed or skipped, and the first line of why


def suite(folder: Path, name: str, profile: Path | None) -> Outcomes:
    """Run the suite, against a lab of its own where no profile is given, and return what became of each test."""
    report = folder / f"{name}.xml"
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    if profile is not None:
        environment[VARIABLE] = str(profile)
    tests = os.environ.get("TESTS", "tests/live/engines").split()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", f"--junitxml={report}", *tests]
    subprocess.run(command, env=environment, check=False)
    found: Outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  written by the line above
        ended, why = "passed", ""
        for child in case:
            if child.tag in ("failure", "error", "skipped"):
                ended, why = ("skipped" if child.tag == "skipped" else "failed"), child.get("message", "")
        found[f"{case.get('classname')}.{case.get('name')}"] = ended, (why.splitlines() or [""])[0]
    return found


def must_be_free(client: Client, first: int, last: int) -> None:
    """Refuse a range in which anybody has a guest; a token with few rights does not see those of others."""
    for vmid in range(first, last + 1):
        try:
            client.get("cluster", "nextid", vmid=vmid)
        except ApiRefused as refused:
            raise AtlasError(f"VMID {vmid} is taken", "name a free range: VMIDS=first-last") from refused


def wait(client: Client, node: str, upid: str) -> None:
    """Wait until a task has ended, two minutes at most."""
    end = time.monotonic() + 120
    while client.get("nodes", node, "tasks", upid, "status")["status"] != "stopped" and time.monotonic() < end:
        time.sleep(0.5)  # a task's status is polled, up to the deadline above


def sweep(client: Client, first: int, last: int) -> list[str]:
    """Remove the guests of the range and the pool; return what could not be."""
    left = []
    for row in client.get("cluster", "resources", type="vm"):
        if first <= int(row["vmid"]) <= last:
            guest = ("nodes", row["node"], row["type"], row["vmid"])
            with contextlib.suppress(ApiRefused):  # it stood still; the removal tells what else is wrong
                wait(client, row["node"], client.post(*guest, "status", "stop"))
            try:
                wait(client, row["node"], client.delete(*guest, purge=1))
            except ApiRefused as refused:
                left.append(f"{row['id']}: {refused}")
    try:
        client.delete("pools", poolid=POOL)
    except ApiRefused as refused:
        left.append(f"pool {POOL}: {refused}")
    return left


def page(cluster: str, version: str, real: Outcomes, lab: Outcomes, left: list[str]) -> str:
    """Return the report: where cluster and lab part, then what neither passed, then what is left."""
    both = sorted(real.keys() | lab.keys())
    none = ("not run", "")
    rows = [(test, real.get(test, none), lab.get(test, none)) for test in both]
    lines = [f"# {cluster} (Proxmox VE {version}) and the lab", ""]
    lines.append(f"{sum(r[0] == 'passed' for _, r, _ in rows)} of {len(rows)} tests passed on the cluster, ")
    lines[-1] += f"{sum(x[0] == 'passed' for _, _, x in rows)} on the lab."
    lines += ["", "| test | cluster | lab | why |", "|---|---|---|---|"]
    lines += [
        f"| {test} | {there[0]} | {here[0]} | {(there[1] or here[1]).replace('|', '/')[:160]} |"
        for test, there, here in rows
        if there[0] != here[0] or there[0] == "failed"
    ]
    return "\n".join([*lines, "", *(f"Left behind: {item}" for item in left)]) + "\n"


def main() -> int:
    """Run it; 0 where cluster and lab agree on every test that both ran."""
    name = os.environ.get("CLUSTER") or ""
    if not name:
        sys.stderr.write("name a cluster profile: make conformance CLUSTER=name [VMIDS=first-last] [TESTS=...]\n")
        return 2
    settings = load()
    first, last = (int(part) for part in os.environ.get("VMIDS", VMIDS).split("-"))
    try:
        name, written = settings.written(name)
        profile = settings.profile(name)
        token = profile.read_token().get_secret_value()
        client = Client(profile.endpoint, token, ca_file=profile.ca_file, fingerprint=profile.fingerprint)
        must_be_free(client, first, last)
        client.post("pools", poolid=POOL, comment="made by make conformance, and removed by it")
    except AtlasError as problem:
        sys.stderr.write(f"{problem}\n{problem.hint or ''}\n")
        return 1
    left: list[str] = []
    with tempfile.TemporaryDirectory(prefix="atlas-conformance-") as made:
        folder, own = Path(made), Path(made) / "profile.yaml"
        defaults: dict[str, Any] = {**written.get("defaults", {}), "pool": POOL}
        YAML().dump({**written, "vmids": [first, last], "defaults": defaults}, own)
        try:
            real = suite(folder, "cluster", own)
        finally:
            left = sweep(client, first, last)
        lab = suite(folder, "lab", None)
    report = Path(f"conformance-{name}.md")
    report.write_text(page(name, str(client.get("version")["version"]), real, lab, left), encoding="utf-8")
    sys.stdout.write(report.read_text(encoding="utf-8"))
    ran = [test for test in real.keys() & lab.keys() if "skipped" not in (real[test][0], lab[test][0])]
    return int(bool(left) or any(real[test][0] != lab[test][0] for test in ran))


if __name__ == "__main__":
    sys.exit(main())
