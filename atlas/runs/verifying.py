"""Verify: the running values against the spec, nothing pending, and every check of every guest."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from atlas.compare import subjects
from atlas.configs.catalogue import find_software
from atlas.errors import AtlasError
from atlas.events import Emitter, EventType, Stage
from atlas.instances import Instance
from atlas.ports import CheckResult, Work
from atlas.runs.site import Site
from atlas.runs.targets import known_hosts, target
from atlas.spec import Check

_AT_ONCE = 8


def checks_of(instance: Instance) -> tuple[Check, ...]:
    """Return a guest's checks: its own, else those that the catalogue has for its software."""
    if instance.guest.checks:
        return instance.guest.checks
    entries = (find_software(reference.partition("@")[0]) for reference in instance.guest.software)
    return tuple(dict.fromkeys(check for entry in entries if entry for check in entry.checks))


def verify(site: Site, work: Work, emit: Emitter) -> list[str]:
    """Check every guest of a stack and return what is wrong, a sentence each; empty when all is as wanted."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = list(pool.map(lambda i: list(_guest(site, work, i, emit)), work.instances))
    return [sentence for found in results for sentence in found]


def _guest(site: Site, work: Work, instance: Instance, emit: Emitter) -> Iterator[str]:
    key = instance.key
    emit(EventType.GUEST_STAGE, key, stage=Stage.CHECKING)
    wrong: list[str] = []
    for result in (*_values(work, key), *_checks(site, work, instance)):
        emit(EventType.CHECK_DONE, key, check=result.check, ok=result.ok, evidence=result.evidence)
        if not result.ok:
            wrong.append(f"{key}: {result.check}: {result.evidence}")
    emit(EventType.GUEST_STAGE, key, stage=Stage.FAILED if wrong else Stage.DONE, reason="; ".join(wrong))
    yield from wrong


def _values(work: Work, key: str) -> Iterator[CheckResult]:
    """Yield whether the cluster runs the guest with the wanted values; what waits for a reboot is never verified."""
    subject = next(s for s in subjects(work) if s.key == key)
    if subject.observed is None:
        yield CheckResult("exists", ok=False, evidence=f"there is no guest {subject.lease.vmid} on the cluster")
        return
    from atlas.compare import differences

    pending = {path for path in subject.observed.pending if path in subject.wanted}
    changes = differences(subject.wanted, subject.applied, subject.observed)
    wrong = [f"{c.path} is {c.before}, wanted {c.after}" for c in changes if c.path not in pending]
    wrong += [f"{path} waits for a reboot" for path in sorted(pending)]
    seen = f"{len(subject.wanted)} values as wanted" if not wrong else "; ".join(wrong)
    yield CheckResult("values", ok=not wrong, evidence=seen)


def _checks(site: Site, work: Work, instance: Instance) -> Iterator[CheckResult]:
    checks = checks_of(instance)
    if not checks or site.reach.how == "none":
        return
    try:
        found = target(site, work, instance, 60)
    except AtlasError as problem:
        yield CheckResult("address", ok=False, evidence=problem.message)
        return
    for check in checks:
        yield site.reach.check(found, known_hosts(work), check)
