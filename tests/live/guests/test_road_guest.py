"""A real guest end to end for each engine: made, booted, configured over ssh, checked; then broken, and seen to be."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.program import Program
from live.machines import why_not

from atlas.ansible.configurator import Ansible
from atlas.configs.catalogue import proofs, role_hash
from atlas.events import Emitter

pytestmark = [pytest.mark.guest, pytest.mark.slow]

SPEC = {
    "metadata": {"name": "real"},
    "guests": [
        {
            "name": "web",
            "image": "debian-12",
            "cpu": {"cores": 1},
            "memory": "512MiB",
            "disks": [{"size": "4GiB"}],
            "networks": [{"bridge": "vmbr0", "address": "10.42.0.31/24", "gateway": "10.42.0.1"}],
            "user": {"name": "ops"},
            "software": ["nginx"],
            "checks": [
                {"service": "nginx"},
                {"port": 80},
                {"http": {"path": "/", "status": 200}},
                {"command": "nginx -t"},
            ],
        }
    ],
}


@pytest.fixture
def atlas(tmp_path: Path, engine: str) -> Iterator[Program]:
    if (problem := why_not()) is not None:
        pytest.skip(f"no real guest can be had here: {problem}")
    made = Program(tmp_path)
    made("lab", "start", "--guests", "qemu", "--latency", "fast").ended(0)
    yield made
    made("lab", "stop").ended(0)


def ssh(atlas: Program, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the guest by the way that the profile names."""
    import yaml

    profile = yaml.safe_load((atlas.config / "clusters" / "lab.yaml").read_text())
    words = ["ssh", "-F", "none", "-i", str(atlas.home / "ssh" / "id_ed25519"), "-o", "BatchMode=yes"]
    words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    words += ["-o", f"ProxyCommand={profile['ssh']['proxy_command']}", "ops@10.42.0.31", command]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)


def second_run(atlas: Program) -> None:
    """Run the same playbook once more: its roles are those that were proved, and they change nothing."""
    bundle = atlas.home / "stacks" / "lab" / "real" / "bundle"
    assert {p.name for p in (bundle / "ansible" / "roles").iterdir()} == {"base", "nginx"}
    assert all(proofs()[role]["hash"] == role_hash(role) for role in ("base", "nginx"))
    again = Ansible().configure(bundle, ["web"], atlas.folder / "again", Emitter())["web"]
    assert (again.failed, again.changed) == (None, 0)
    assert again.ok > 8


def hardened(atlas: Program) -> None:
    """Look at what the base role set on the guest."""
    sshd = ssh(atlas, "sudo sshd -T && date +%Z && cat /etc/ansible/facts.d/atlas.fact")
    assert {"passwordauthentication no", "kbdinteractiveauthentication no", "UTC"} <= set(sshd.stdout.splitlines())
    assert json.loads(sshd.stdout.partition("UTC\n")[2])["software"] == {"nginx": "1.22"}


def broken(atlas: Program) -> None:
    """Stop what the spec wants to run: the checks see it."""
    stopped = ssh(atlas, f"sudo {shlex.join(['systemctl', 'stop', 'nginx'])}")
    assert stopped.returncode == 0, stopped.stderr
    seen = atlas("verify", "real", "--json", seconds=300).ended(1)
    found = [d for d in seen.all("check.done") if not d["ok"]]
    assert {"inactive"} <= {d["evidence"] for d in found}, found
    assert len(found) == 3  # the configuration is still well
    assert seen.one("run.done")["result"] == "failed"


def test_a_real_guest_is_made_configured_and_verified(atlas: Program, engine: str) -> None:
    spec = atlas.write(SPEC)
    words = ("--cluster", "lab", "--engine", engine, "--json")
    done = atlas("apply", spec, *words, "--yes", seconds=900).ended(0)
    assert done.one("run.done")["result"] == "verified", done.out[-2000:]
    checks = {d["check"]: d for d in done.all("check.done")}
    assert all(d["ok"] and d["evidence"] for d in checks.values()), checks
    assert len(checks) == 5  # the values, and the four of the spec
    assert "HTTP 200" in json.dumps(checks)

    again = atlas("apply", spec, *words, "--yes", seconds=300).ended(0)
    assert again.one("run.done")["result"] == "nothing"
    if engine == "api":  # the rest is the same for both, and takes long under emulation
        second_run(atlas)
        hardened(atlas)
        broken(atlas)
    atlas("destroy", "real", "--yes", "--json", seconds=120).ended(0)
