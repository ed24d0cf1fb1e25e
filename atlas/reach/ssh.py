"""ssh to guests: the options that ATLAS uses everywhere, waiting for a guest, and running a command on it."""

from __future__ import annotations

import fcntl
import subprocess
import time
from pathlib import Path

from atlas import sshoptions
from atlas.errors import AnsibleError
from atlas.ports.guests import CheckResult, Target
from atlas.reach import checks
from atlas.settings import Profile, Ssh
from atlas.spec import Check


class SshReach:
    """Implements `ports.Reach` for a cluster profile.

    Args:
        profile: How its guests are reached.
        identity: ATLAS's private key.
    """

    def __init__(self, profile: Profile, identity: Path) -> None:
        self.how: str = profile.reach
        self._ssh, self._identity = profile.ssh, identity

    def wait(self, target: Target, known_hosts: Path, seconds: float) -> None:
        """Wait until ssh lets us in, that long at most.

        Raises:
            AnsibleError: It never did; with ssh's last words. A changed host key is not waited for.
        """
        end = time.monotonic() + seconds
        pause = 0.5
        while True:
            done = self.run(target, known_hosts, "true", 20)
            if done.returncode == 0:
                return
            last = done.stderr.strip().splitlines()[-1:] or ["no answer"]
            if "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr or "Host key verification failed" in last[0]:
                raise AnsibleError(
                    f"the host key of {target.key} ({target.address}) is not the one that was learnt",
                    f"if that is right, remove its line {target.alias} from {known_hosts}",
                )
            if time.monotonic() + pause > end:
                text = f"{target.key} ({target.address}) did not let us in by ssh for {seconds:.0f} s: {last[0]}"
                raise AnsibleError(text, "look at its console and at the way to it (`reach` in the profile)")
            time.sleep(pause)  # asked again until the deadline
            pause = min(pause * 1.3, 3.0)

    def run(self, target: Target, known_hosts: Path, words: str, seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a shell command line on a guest; a time-out shows as return code 255."""
        line = [
            *options(self._ssh, self._identity, known_hosts, target),
            f"{target.user}@{target.address}",
            "--",
            words,
        ]
        try:
            return subprocess.run(
                line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(line, 255, "", f"no answer within {seconds:.0f} s")

    def check(self, target: Target, known_hosts: Path, check: Check, patience: float) -> CheckResult:
        """Carry out one check of the spec on a guest, again for so many seconds until it holds."""
        return checks.run(
            check,
            connect=lambda port: checks.Way(self._ssh, self.how == "direct", target.address, port),
            ask=lambda words: self.run(target, known_hosts, words, 60),
            root=target.user == "root",
            patience=patience,
        )

    def forget(self, target: Target, known_hosts: Path) -> None:
        """Remove a guest's host key from the stack's file."""
        with known_hosts.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lines = known_hosts.read_text().splitlines(keepends=True) if known_hosts.exists() else []
            kept = [line for line in lines if line.split(" ", 1)[0] != target.alias]
            if kept != lines:
                draft = known_hosts.with_suffix(".new")
                draft.write_text("".join(kept))
                draft.replace(known_hosts)


def options(how: Ssh, identity: Path, known_hosts: Path, target: Target) -> list[str]:
    """Return ssh with all its options for a guest."""
    made = [
        *sshoptions.common(how, identity, known_hosts),
        f"HostKeyAlias={target.alias}",
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "LogLevel=ERROR",
    ]
    words = [word for option in made for word in ("-o", option)]
    return ["ssh", "-F", "none", "-p", str(how.port), *words]
