"""Rebooting a guest whose lock PVE's own cleaning up holds."""

from __future__ import annotations

from typing import Any

import pytest

from atlas.errors import TaskFailed
from atlas.events import Emitter
from atlas.proxmox import rebooting

LOCK = "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout"


class Api:
    """A guest whose reboots end as told."""

    def __init__(self, *ends: str) -> None:
        self.ends, self.reboots = list(ends), 0

    def get(self, *path: Any, **_params: Any) -> Any:
        if path == ("cluster", "resources"):
            return [{"vmid": 101, "type": "qemu", "node": "n1"}]
        if path[-1] == "status":
            return {"status": "stopped", "exitstatus": self.ends[self.reboots - 1]}
        return [] if path[-1] == "log" else {"status": "running"}

    def post(self, *_path: Any, **_params: Any) -> str:
        self.reboots += 1
        return f"UPID:n1:0000000{self.reboots}:00000001:00000001:qmreboot:101:a@b!c:"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def reboot(api: Api) -> None:
    rebooting.reboot(api, "vm", 101, Emitter())  # type: ignore[arg-type]  # only `get` and `post` are used


def test_it_is_asked_again_while_the_lock_is_held() -> None:
    api = Api(LOCK, LOCK, "OK")
    reboot(api)
    assert api.reboots == 3


def test_another_failure_and_a_lock_that_stays_are_told() -> None:
    api = Api("VM quit/powerdown failed - got timeout")
    with pytest.raises(TaskFailed, match="powerdown failed"):
        reboot(api)
    api = Api(*[LOCK] * rebooting.LOCK_TRIES)
    with pytest.raises(TaskFailed, match="can't lock file"):
        reboot(api)
    assert api.reboots == rebooting.LOCK_TRIES
