"""`make bench`: how quick ATLAS is, as ratios to a baseline in the same run, since machines differ and are noisy."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
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


def seconds(command: list[str], times: int) -> float:
    """Return the median duration of a command."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
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
        subprocess.run([*atlas, "start", "--latency", latency], env=environment, check=True, capture_output=True)
        try:
            yield environment
        finally:
            subprocess.run([*atlas, "stop"], env=environment, check=True, capture_output=True)


def applies() -> Iterator[dict[str, Any]]:
    """Yield what both engines need for ten guests, beside Terraform by hand and the lab's own task durations."""
    with lab("realistic") as environment:
        # In turns, several times: the provider asks once a second whether a task has ended, so either way ends now
        # and then a second sooner, by chance.
        pairs = [(apply(environment, "terraform"), terraform_by_hand(environment)) for _ in range(5)]
        own, by_hand = (statistics.median(times) for times in zip(*pairs, strict=True))
        yield {
            "name": "terraform engine, 10 guests",
            "seconds": own,
            "ratio": own / by_hand,
            "to": "by hand",
            "aim": 1.05,
        }
    with lab("realistic") as environment:
        api = apply(environment, "api")
        path = critical_path(Path(environment["ATLAS_LAB_DIR"]))
        yield {"name": "api engine, 10 guests", "seconds": api, "ratio": api / path, "to": "critical path", "aim": 1.1}
        yield {"name": "api engine, 10 guests", "seconds": api, "ratio": api / own, "to": "terraform engine", "aim": 1}


def apply(environment: dict[str, str], engine: str) -> float:
    """Apply ten guests and return how long the run itself took, from the approval to its end."""
    spec = Path(environment["ATLAS_HOME"]).parent / "bench.yaml"
    spec.write_text(SPEC.format(count=GUESTS, software=""))
    command = [str(BIN / "atlas"), "apply", str(spec), "--cluster", "lab", "--engine", engine, "--yes", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    times = {e["type"]: e["ts"] for e in map(json.loads, done.stdout.splitlines())}
    return float(times["run.done"] - times["run.started"])


def terraform_by_hand(environment: dict[str, str]) -> float:
    """Destroy what ATLAS made, then apply the same bundle as a person would, and return how long that took."""
    status = json.loads((Path(environment["ATLAS_LAB_DIR"]) / "status.json").read_text())
    own = {
        "PROXMOX_VE_ENDPOINT": status["url"],
        "PROXMOX_VE_API_TOKEN": status["token"],
        "SSL_CERT_FILE": status["ca_file"],
    }
    stack = next(Path(environment["ATLAS_HOME"]).glob("stacks/lab/bench"))
    folder = Path(tempfile.mkdtemp(prefix="by-hand-", dir=environment["ATLAS_HOME"]))
    for file in (stack / "bundle").glob("*.tf"):
        shutil.copy(file, folder)
    whole = {**environment, **own, "TF_IN_AUTOMATION": "1"}

    def terraform(words: list[str]) -> None:
        subprocess.run(["terraform", *words, "-input=false"], check=True, capture_output=True, cwd=folder, env=whole)

    subprocess.run(
        [str(BIN / "atlas"), "destroy", "bench", "--yes", "--quiet"], env=environment, check=True, capture_output=True
    )
    terraform(["init", "-backend-config=path=by-hand.tfstate"])
    begun = time.perf_counter()
    terraform(["apply", "-auto-approve"])
    took = time.perf_counter() - begun
    terraform(["destroy", "-auto-approve"])
    return took


def critical_path(folder: Path) -> float:
    """Return the longest chain of task durations of one guest, by the lab's own clock."""
    chains: dict[str, float] = {}
    with sqlite3.connect(folder / "state.sqlite") as state:
        rows = [json.loads(data) for (data,) in state.execute("SELECT data FROM records WHERE kind = 'tasks'")]
    for task in rows:
        made = re.search(r"with ID (\d+)", " ".join(task["log"]))
        vmid = made[1] if made else task["id"]
        chains[vmid] = chains.get(vmid, 0) + task["seconds"]
    return max(chains.values())


def main() -> None:
    """Run the benchmarks and print a line for each."""
    print(f"{'what':32} {'time':>10}  {'ratio':>6}")
    for row in (help_start(), thousand(), *applies()):
        aim = f", aim {row['aim']:.2f}" if row["aim"] else ""
        print(f"{row['name']:32} {row['seconds'] * 1000:7.0f} ms  {row['ratio']:5.2f} x {row['to']}{aim}")


if __name__ == "__main__":
    main()
