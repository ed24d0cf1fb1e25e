"""Ansible behind its port: run a bundle's playbook on some guests, or attach to the run that is there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from atlas.ansible import detached
from atlas.errors import AnsibleError
from atlas.events import Emitter, EventType
from atlas.ports.guests import HostResult

_FAILURES = ("failed", "unreachable")


class Ansible:
    """Configures guests by ansible-runner in a detached process; implements `ports.Configurator`."""

    def versions(self) -> Mapping[str, str]:
        """Return the versions that are part of a plan's hash."""
        return {"ansible": version("ansible-core"), "ansible-runner": version("ansible-runner")}

    def configure(
        self, bundle: Path, keys: Sequence[str], run: Path, emit: Emitter, addresses: Mapping[str, str] | None = None
    ) -> Mapping[str, HostResult]:
        """Run `bundle/ansible/site.yml` on some guests, and wait for its end.

        Safe to call again with the same `run`: it attaches to a playbook that still runs, returns the result of one
        that has ended, and starts anew after one that was killed or cancelled. Interrupting the call leaves the
        playbook running.

        Args:
            bundle: The folder of the bundle.
            keys: The guests by key.
            run: A folder of this run's own.
            emit: Gets a `configure.task` event for each task on each guest, once over all processes.
            addresses: By key, of guests whose address only the running guest knows (DHCP).

        Raises:
            AnsibleError: The playbook could not run, or ended without a result.
        """
        request = {
            "bundle": str(bundle.resolve()),
            "keys": list(keys),
            "addresses": dict(addresses or {}),
            "forks": max(5, min(len(keys), 4 * (os.cpu_count() or 1))),
        }
        run = run.resolve()
        folder = detached.start(run, request)
        for event in _follow(run, folder):
            if "guest" in event:
                data = {name: event[name] for name in ("play", "task", "status", "message") if name in event}
                emit(EventType.CONFIGURE_TASK, event["guest"], **data)
        result = detached.read(run / detached.RESULT)
        if result is None:
            said = (run / detached.OUTPUT).read_text(errors="replace").strip()[-1000:]
            raise AnsibleError(
                f"Ansible ended before its playbook did{f': {said}' if said else ''}",
                "atlas resume runs the playbook again; what is done already stays as it is",
            )
        return _results(keys, _events(folder, 0), result)


def _follow(run: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield events that were not reported before, until the worker has ended."""
    seen = folder / detached.SEEN
    offset = int(seen.read_text()) if seen.exists() else 0
    ended = False
    while not ended:
        ended = not detached.alive(run)  # asked before the reading, so that nothing can come after the last one
        before = offset
        for event in _events(folder, offset):
            yield event
            offset = event["to"]
        if offset != before:
            seen.write_text(str(offset))
        elif not ended:
            time.sleep(0.1)  # reads on until the worker has ended, which the loop asks each time


def _events(folder: Path, offset: int) -> Iterator[dict[str, Any]]:
    """Yield the whole lines from `offset` on; a line without its end is still being written, or was cut off."""
    path = folder / detached.EVENTS
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            if not line.endswith(b"\n"):
                return
            yield {**json.loads(line), "to": offset}


def _results(keys: Sequence[str], events: Iterator[dict[str, Any]], result: Mapping[str, Any]) -> dict[str, HostResult]:
    """Return what became of each guest.

    Raises:
        AnsibleError: The playbook failed before it came to any guest.
    """
    done = {key: HostResult(key, 0, 0) for key in keys}
    whole = False
    for event in events:
        whole = whole or event["status"] == "end"
        if event.get("guest") in done:
            done[event["guest"]] = _count(done[event["guest"]], event)
    reason = str(result["reason"]) or f"{result['status']}, exit code {result['rc']}"
    if not any(host.ok or host.failed for host in done.values()):
        raise AnsibleError(f"the playbook came to no guest: {reason}", "atlas doctor shows what Ansible needs")
    for key, host in done.items():
        if not host.failed and not (whole and host.ok):
            done[key] = HostResult(key, host.ok, host.changed, f"the playbook broke off: {reason}")
    return done


def _count(host: HostResult, event: Mapping[str, Any]) -> HostResult:
    if event["status"] in _FAILURES:
        return HostResult(host.key, host.ok, host.changed, f"{event['task']}: {event['message']}")
    ok = host.ok + (event["status"] in ("ok", "changed", "ignored"))
    return HostResult(host.key, ok, host.changed + (event["status"] == "changed"), host.failed)
