"""The real program `atlas` in a process of its own, for tests; and a look at a lab's own API."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from atlas.events import Emitter, EventType
from atlas.lab import admin_client
from atlas.proxmox import tasks
from atlas.proxmox.client import Client

COMMAND = (sys.executable, "-m", "atlas")
FIELDS = {"v", "ts", "seq", "session", "run", "type", "guest", "data"}


@dataclass(frozen=True)
class Done:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines, each checked: standard output holds nothing else."""
        lines = [json.loads(line) for line in self.out.splitlines()]
        for line in lines:
            assert set(line) == FIELDS, line
            assert line["v"] == 1
            EventType(line["type"])
        return lines

    def all(self, type_: str) -> list[dict[str, Any]]:
        """Return the data of all events of a type."""
        return [e["data"] for e in self.events if e["type"] == type_]

    def one(self, type_: str) -> dict[str, Any]:
        """Return the data of the only event of a type."""
        found = self.all(type_)
        assert len(found) == 1, (type_, self.text[-2000:])
        return found[0]

    @property
    def text(self) -> str:
        """All that was written; no traceback is among it."""
        both = self.out + self.err
        assert "Traceback" not in both, both[-4000:]
        return both

    def ended(self, code: int) -> Done:
        """Assert the exit code; return itself."""
        assert self.code == code, f"{self.code}: {self.text[-2000:]}"
        assert self.text is not None  # which also looks for tracebacks
        return self


class Program:
    """`atlas` with a home of its own.

    Args:
        folder: A new folder; `home` and the configuration are made in it.
        profiles: A configuration folder to copy, with the profile of a lab.
    """

    def __init__(self, folder: Path, profiles: Path | None = None) -> None:
        self.folder, self.home, self.config = folder, folder / "home", folder / "config"
        if profiles is not None:
            shutil.copytree(profiles, self.config)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ATLAS_")}
        self.env = {
            **kept,
            "ATLAS_HOME": str(self.home),
            "ATLAS_CONFIG": str(self.config),
            "ATLAS_LAB_DIR": str(folder / "lab"),
            "COLUMNS": "100",
        }

    def __call__(
        self, *words: object, stdin: str = "", env: Mapping[str, str] | None = None, seconds: float = 180, **more: Any
    ) -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            [*COMMAND, *map(str, words)],
            input=stdin, capture_output=True, text=True, timeout=seconds, env={**self.env, **(env or {})}, check=False,
            **more,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *words: object, out: IO[Any] | int = subprocess.PIPE, **more: Any) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [*COMMAND, *map(str, words)], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True,
            env=self.env, preexec_fn=_interruptible,  # noqa: PLW1509  no thread runs yet
            **more,
        )  # fmt: skip

    def write(self, spec: Mapping[str, Any] | str, name: str = "spec.yaml") -> Path:
        """Write a spec file (JSON is YAML, too)."""
        path = self.folder / name
        if not isinstance(spec, str):
            spec = json.dumps({"apiVersion": "atlas/v1", "kind": "Stack", **spec})
        path.write_text(spec)
        return path


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs are started with it ignored


class Api:
    """A lab's API, read and written by no part of ATLAS that a run uses but its client."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        self.status = dict(status)
        self.client = Client(status["url"], status["token"], ca_file=Path(status["ca_file"]))

    def wait(self, upid: str) -> None:
        """Wait until a task has ended well."""
        tasks.wait(self.client, upid, Emitter())

    def fault(self, effect: str, match: Mapping[str, Any], **options: Any) -> None:
        """Let a fault strike from the next call on, as `atlas lab fault add` does."""
        self._admin("POST", {"effect": effect, "match": match, "options": options})

    def mend(self) -> None:
        """Let no fault strike any more, as `atlas lab fault clear` does."""
        self._admin("DELETE")

    def _admin(self, method: str, data: object = None) -> None:
        admin_client.ask(Path(self.status["admin"]["token_file"]).parent, method, "faults", data=data)

    def rows(self) -> dict[int, dict[str, Any]]:
        """Return every guest's row by VMID, templates included."""
        return {int(r["vmid"]): r for r in self.client.get("cluster", "resources", type="vm")}

    def named(self, name: str) -> dict[str, Any]:
        """Return the row of the only guest of a name."""
        found = [r for r in self.rows().values() if r["name"] == name]
        assert len(found) == 1, (name, found)
        return found[0]

    def config(self, name: str) -> dict[str, Any]:
        """Return a guest's running configuration."""
        row = self.named(name)
        answer: dict[str, Any] = self.client.get("nodes", row["node"], row["type"], row["vmid"], "config", current=1)
        return answer

    def pending(self, name: str) -> list[str]:
        """Return what waits for a reboot."""
        row = self.named(name)
        rows = self.client.get("nodes", row["node"], row["type"], row["vmid"], "pending")
        return [r["key"] for r in rows if "pending" in r or "delete" in r]

    def world(self) -> dict[str, Any]:
        """Return what must be as before when a stack has gone: guests, volumes, pools."""
        guests = {v: (r["name"], r["type"], r["node"], r["status"]) for v, r in self.rows().items()}
        volumes: set[str] = set()
        for node in self.client.get("nodes"):
            for storage in self.client.get("nodes", node["node"], "storage"):
                content = self.client.get("nodes", node["node"], "storage", storage["storage"], "content")
                volumes |= {f"{node['node']}/{v['volid']}" for v in content}
        return {"guests": guests, "volumes": volumes, "pools": sorted(p["poolid"] for p in self.client.get("pools"))}
