"""Checks of a guest after a run: how long those that fail are tried again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from atlas.ports.guests import CheckResult
from atlas.runs import verifying
from atlas.spec import Check


def test_the_checks_of_a_guest_share_one_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else three services that are down take three times as long to be told as one."""
    now, patiences = [100.0], []

    def check(target: object, known_hosts: Path, check: Check, patience: float) -> CheckResult:
        del target, known_hosts
        patiences.append(patience)
        now[0] += max(patience, 1.0)
        return CheckResult(check.label, ok=False, evidence="inactive")

    reach = SimpleNamespace(how="direct", wait=lambda *_: None, check=check)
    monkeypatch.setattr(verifying, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(verifying, "target", lambda *_: None)
    monkeypatch.setattr(verifying, "known_hosts", lambda _: Path("hosts"))
    monkeypatch.setattr(
        verifying, "checks_of", lambda _: [Check.model_validate({"service": n}) for n in ("a", "b", "c")]
    )
    site, anything = cast("Any", SimpleNamespace(reach=reach)), cast("Any", None)
    found = list(verifying._checks(site, anything, anything))
    assert [(r.check, r.ok) for r in found] == [("service a", False), ("service b", False), ("service c", False)]
    assert patiences == [verifying.SETTLE_SECONDS, 0.0, 0.0]
