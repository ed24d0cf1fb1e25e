"""`make bench`: how quick ATLAS is, as ratios to a baseline in the same run, since machines differ and are noisy."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
GUESTS = 10

SPEC = """apiVersion: atlas/v1
kind: Stack
metadata: {{name: bench}}
guests:
  - name: box
    count: {count}
    image: debian-12
    cpu: {{cores: 1}}
    memory: 512MiB
    disks: [{{size: 4GiB}}]
    networks: [{{bridge: vmbr0, address: auto}}]
    software: [{software}]
"""


def seconds(command: list[str], times: int, **options: Any) -> float:
    """Return the median duration of a command."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, **options)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def help_start() -> dict[str, Any]:
    """Compare the start of the program with that of `ansible --version`."""
    own, baseline = seconds([str(BIN / "atlas"), "--help"], 7), seconds([str(BIN / "ansible"), "--version"], 5)
    return {"name": "atlas --help", "seconds": own, "ratio": own / baseline, "to": "ansible --version", "aim": 1 / 3}


def thousand() -> dict[str, Any]:
    """Validate and generate a thousand guests that are written out one by one, against parsing that file alone."""
    from fakes import stacks

    from atlas.generators.ansible import generate as playbook
    from atlas.generators.terraform import generate
    from atlas.runs.prepare import check, layered
    from atlas.settings import Ssh
    from atlas.specfile import read_text
    from atlas.yamlnodes import read_yaml

    head, _, entry = SPEC.format(count=1, software="nginx").replace("    count: 1\n", "").partition("  - name: box")
    text = head + "".join(f"  - name: box-{i}{entry}" for i in range(1000))
    begun = time.perf_counter()
    read_yaml(text)
    parsed = time.perf_counter() - begun
    begun = time.perf_counter()
    stack = read_text(text, "bench.yaml").stack
    assert stack is not None
    assert not [d for d in check(stack, layered(None)) if d.severity == "error"]
    checked = time.perf_counter() - begun
    work = stacks.work(*(g.model_dump(mode="json", exclude_unset=True) for g in stack.guests))
    begun = time.perf_counter()
    generate(work)
    playbook(work, Ssh(), Path("/id"))
    own = checked + time.perf_counter() - begun
    return {"name": "validate, generate 1,000 guests", "seconds": own, "ratio": own / parsed, "to": "parsing", "aim": 0}


@contextmanager
def lab(latency: str) -> Iterator[dict[str, str]]:
    """Start a lab with simulated guests and yield the environment in which `atlas` finds it."""
    with tempfile.TemporaryDirectory(prefix="atlas-bench-") as folder:
        names = {"ATLAS_HOME": "home", "ATLAS_CONFIG": "config", "ATLAS_LAB_DIR": "lab"}
        environment = {**os.environ, **{k: f"{folder}/{v}" for k, v in names.items()}}
        atlas = [str(BIN / "atlas"), "lab"]
        subprocess.run([*atlas, "start", "--latency", latency, "--quiet"], env=environment, check=True)
        try:
            yield environment
        finally:
            subprocess.run([*atlas, "stop"], env=environment, check=True, capture_output=True)


def apply(environment: dict[str, str], engine: str) -> tuple[float, list[dict[str, Any]]]:
    """Apply ten guests and return the duration of the run itself, and its events."""
    spec = Path(environment["ATLAS_HOME"]).parent / f"bench-{engine}.yaml"
    spec.write_text(SPEC.format(count=GUESTS, software=""))
    command = [str(BIN / "atlas"), "apply", str(spec), "--cluster", "lab", "--engine", engine, "--yes", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    started = next(e["ts"] for e in events if e["type"] == "run.started")
    return next(e["ts"] for e in events if e["type"] == "run.done") - started, events


def critical_path(environment: dict[str, str]) -> float:
    """Return the longest chain of task durations of one guest, as the lab itself reports them."""
    import requests

    status = json.loads(
        subprocess.run(
            [str(BIN / "atlas"), "lab", "status", "--json"], env=environment, capture_output=True, check=True
        ).stdout
    )
    answer = requests.get(
        f"{status['url']}/api2/json/cluster/tasks",
        headers={"Authorization": f"PVEAPIToken={status['token']}"},
        verify=status["ca_file"],
        timeout=30,
    )
    tasks = [t for t in answer.json()["data"] if t.get("endtime")]
    begun, ended = min(t["starttime"] for t in tasks), max(t["endtime"] for t in tasks)
    return float(ended - begun)


def main() -> None:
    """Run the benchmarks and print a line for each."""
    rows = [help_start(), thousand()]
    for row in rows:
        ratio, aim = row["ratio"], row["aim"]
        print(f"{row['name']:36} {row['seconds'] * 1000:7.0f} ms  {ratio:5.2f} x {row['to']}, aim {aim:.2f}")


if __name__ == "__main__":
    main()
