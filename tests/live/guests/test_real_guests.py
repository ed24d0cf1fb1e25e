"""A real guest end to end for each engine: made, booted, configured over ssh, checked; then broken, and seen to be."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from live.guests.made import STACKS, Real, address, stack

from atlas.ansible.configurator import Ansible
from atlas.configs.catalogue import proofs, role_hash
from atlas.events import Emitter

pytestmark = [pytest.mark.guest, pytest.mark.slow]


def ssh(atlas: Real, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the guest by the way that the profile names."""
    import yaml

    profile = yaml.safe_load((atlas.config / "clusters" / "lab.yaml").read_text())
    words = ["ssh", "-F", "none", "-i", str(atlas.home / "ssh" / "id_ed25519"), "-o", "BatchMode=yes"]
    words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    words += ["-o", f"ProxyCommand={profile['ssh']['proxy_command']}", f"ops@{address('api')}", command]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)


def second_run(atlas: Real) -> None:
    """Run the same playbook once more: its roles are those that were proved, and they change nothing."""
    bundle = atlas.home / "stacks" / "lab" / stack("api") / "bundle"
    assert {p.name for p in (bundle / "ansible" / "roles").iterdir()} == {"base", "nginx"}
    assert all(proofs()[role]["hash"] == role_hash(role) for role in ("base", "nginx"))
    again = Ansible().configure(bundle, ["web"], atlas.folder / "again", Emitter())["web"]
    assert (again.failed, again.changed) == (None, 0)
    assert again.ok > 8


def hardened(atlas: Real) -> None:
    """Look at what the base role set on the guest."""
    sshd = ssh(atlas, "sudo sshd -T && date +%Z && cat /etc/ansible/facts.d/atlas.fact")
    assert {"passwordauthentication no", "kbdinteractiveauthentication no", "UTC"} <= set(sshd.stdout.splitlines())
    assert json.loads(sshd.stdout.partition("UTC\n")[2])["software"] == {"nginx": "1.22"}


def broken(atlas: Real) -> None:
    """Stop what the spec wants to run: the checks see it."""
    stopped = ssh(atlas, f"sudo {shlex.join(['systemctl', 'stop', 'nginx'])}")
    assert stopped.returncode == 0, stopped.stderr
    seen = atlas("verify", stack("api"), "--json", seconds=300).ended(1)
    found = [d for d in seen.all("check.done") if not d["ok"]]
    assert {"inactive"} <= {d["evidence"] for d in found}, found
    assert len(found) == 3  # the configuration is still well
    assert seen.one("run.done")["result"] == "failed"


def test_a_real_guest_is_made_configured_and_verified(real: Real, engine: str) -> None:
    done = real.made(engine)
    assert done.one("engine.chosen")["engine"] == engine
    assert done.one("run.done")["result"] == "verified", done.out[-2000:]
    checks = {d["check"]: d for d in done.all("check.done")}
    assert all(d["ok"] and d["evidence"] for d in checks.values()), checks
    assert len(checks) == 1 + len(STACKS[engine]["checks"])  # the values, and those of the spec
    assert real.apply(engine).ended(0).one("run.done")["result"] == "nothing"


def test_its_services_answer_and_its_roles_change_nothing_more(real: Real) -> None:
    assert "HTTP 200" in json.dumps(real.made("api").all("check.done"))
    second_run(real)
    hardened(real)


def test_what_stops_is_seen(real: Real) -> None:
    real.made("api")
    broken(real)
