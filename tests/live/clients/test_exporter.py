"""`prometheus-pve-exporter`, unmodified: what it measures at a lab is what the lab's API says."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.polling import until

from atlas.events import Emitter
from atlas.proxmox import tasks
from atlas.proxmox.client import Client

LINE = re.compile(r"(\w+)\{(.*)\} (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Unix(http.client.HTTPConnection):
    """HTTP over a socket in a folder, where no other program's port is in the way."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


@pytest.fixture(scope="module")
def guests(reader: Client) -> None:
    """Make a running, a stopped and a backed-up guest and a container."""
    made = [
        reader.post("nodes", "pve1", "qemu", 9000, "clone", newid=900, name="runs", full=1),
        reader.post("nodes", "pve2", "qemu", vmid=901, name="stands", memory=512, tags="a;b"),
    ]
    for upid in made:
        tasks.wait(reader, upid, Emitter())
    tasks.wait(reader, reader.post("nodes", "pve1", "qemu", 900, "status", "start"), Emitter())
    reader.put("nodes", "pve1", "qemu", 900, "config", onboot=1)
    reader.post("cluster", "backup", id="all", schedule="daily", storage="local", vmid="900")
    reader.post("cluster", "ha", "resources", sid="vm:900", state="started")


@pytest.fixture(scope="module")
def scrape(lab: dict[str, Any], guests: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a function that asks the exporter."""
    folder = tmp_path_factory.mktemp("exporter")
    config, at = folder / "pve.yml", folder / "socket"
    config.touch(0o600)
    token = {"user": "root@pam", "token_name": "lab", "token_value": lab["token_value"], "verify_ssl": lab["ca_file"]}
    config.write_text(json.dumps({"default": token}))
    command = [sys.executable, "-m", "pve_exporter", "--config.file", str(config)]
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--web.listen-address", f"unix:{at}"], stdout=out, stderr=out)

    def asked() -> dict[tuple[str, str], dict[str, Any]]:
        connection = Unix(at)
        connection.request("GET", f"/pve?target={lab['host']}:{lab['port']}&cluster=1&node=1")
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status == 200, (text, log.read_text())
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for line in text.splitlines():
            match = LINE.fullmatch(line)
            if match:
                labels = dict(LABEL.findall(match[2]))
                key, value = (match[1], labels.get("id", "")), float(match[3])
                if value or key not in found:  # of several states the one that holds
                    found[key] = {**labels, "value": value}
        return found

    try:
        until(lambda: process.poll() is not None or at.exists())
        assert process.poll() is None, log.read_text()
        yield asked
    finally:
        process.terminate()
        process.wait(10)


def test_guests_nodes_and_storages_are_measured_as_the_api_tells(scrape: Any, reader: Client) -> None:
    measured, told = scrape(), reader.get("cluster", "resources")
    for row in told:
        name = row["id"]
        if row["type"] not in ("qemu", "lxc", "node", "storage"):
            continue
        up = row["status"] in ("running", "online", "available")
        assert measured["pve_up", name]["value"] == up, name
        if row["type"] == "storage":
            assert measured["pve_disk_size_bytes", name]["value"] == row["maxdisk"]
            assert measured["pve_storage_shared", name]["value"] == row["shared"]
        else:
            assert measured["pve_memory_size_bytes", name]["value"] == row["maxmem"]
            assert measured["pve_cpu_usage_limit", name]["value"] == row["maxcpu"]
    info = measured["pve_guest_info", "qemu/901"]
    assert (info["name"], info["node"], info["type"], info["template"]) == ("stands", "pve2", "qemu", "0")
    assert {name for kind, name in measured if kind == "pve_guest_info"} == {
        row["id"] for row in told if row["type"] in ("qemu", "lxc")
    }


def test_cluster_version_backups_and_high_availability_are_measured(scrape: Any, reader: Client) -> None:
    measured = scrape()
    version = reader.get("version")
    assert measured["pve_version_info", ""]["version"] == version["version"]
    names = {row["name"] for row in reader.get("nodes", "pve1", "qemu")} | {"pve1", "pve2", "pve3"}
    assert {v["name"] for (kind, _), v in measured.items() if kind == "pve_node_info"} < names
    cluster = next(v for (kind, _), v in measured.items() if kind == "pve_cluster_info")
    assert (cluster["nodes"], cluster["quorate"]) == ("3", "1")
    bare = {f"{row['type']}/{row['vmid']}" for row in reader.get("cluster", "backup-info", "not-backed-up")}
    assert {name for kind, name in measured if kind == "pve_not_backed_up_info"} == bare
    assert "qemu/900" not in bare
    assert measured["pve_onboot_status", "qemu/900"]["value"] == 1
    assert measured["pve_ha_state", "qemu/900"]["state"] == "started"
