"""Verify: the running values against the spec, nothing pending, and every check of every guest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from atlas.compare import Subject, differences, subjects
from atlas.configs.catalogue import find_software
from atlas.errors import AtlasError, NotFound
from atlas.events import Emitter, EventType, Stage
from atlas.instances import Instance
from atlas.plantext import count, show
from atlas.ports.cluster import Work
from atlas.ports.guests import CheckResult
from atlas.ports.store import Run
from atlas.runs.planning import CONFIGURED, held, report_drift
from atlas.runs.prepare import work_of
from atlas.runs.site import Site
from atlas.runs.targets import known_hosts, target
from atlas.spec import Check

_AT_ONCE = 8
BOOT_SECONDS = 180.0
SETTLE_SECONDS = 30.0
"""How long a guest's checks are tried again, all together: a service may need a moment after it was started."""


def checks_of(instance: Instance) -> tuple[Check, ...]:
    """Return a guest's checks: its own, else those that the catalogue has for its software."""
    if instance.guest.checks:
        return instance.guest.checks
    entries = (find_software(reference.partition("@")[0]) for reference in instance.guest.software)
    return tuple(dict.fromkeys(check for entry in entries if entry for check in entry.checks))


def finish(site: Site, run_id: str, emit: Emitter) -> Run:
    """Verify what a run has applied and end the run; a failed check sends its guest to Ansible again next time.

    Returns:
        The run with its result: `verified`, `applied` where guests cannot be reached, `failed`.
    """
    run = site.store.run(run_id)
    if run.result is not None:
        return run
    emit = emit.within(run=run.id)
    plan = site.store.plan(run.plan)
    wrong = verify(site, work_of(site, plan), emit)
    if wrong:
        journal = site.store.journal(run)
        for key in wrong:
            journal.applied(key, {}, removed=[CONFIGURED])
        sentences = [sentence for found in wrong.values() for sentence in found]
        result, reason = "failed", f"{count(len(sentences), 'check')} failed: {'; '.join(sentences[:3])}"
    else:
        result, reason = _well(site)
    ended = site.store.update_run(run.id, result=result, reason=reason)
    emit(EventType.RUN_DONE, result=result, reason=reason, seconds=round(time.time() - run.started, 1))
    return ended


def again(site: Site, stack: str, emit: Emitter) -> bool:
    """Verify a stack as it was last applied; return whether all is as wanted.

    Raises:
        NotFound: It was never applied on this cluster.
        Held: Another process works on the stack.
    """
    ran = (r for r in site.store.runs(stack) if r.cluster == site.profile.name and r.result != "failed")
    run = next(ran, None)
    if run is None or site.store.plan(run.plan).destroy:
        raise NotFound(
            f"there is no stack {stack!r} on {site.profile.name!r}", "`atlas stacks list` shows what there is"
        )
    started = time.time()
    # What a run is just making is not wrong, but not finished.
    with held(site, stack):
        work = work_of(site, site.store.plan(run.plan))
        report_drift(work, emit)
        wrong = verify(site, work, emit)
    failures = sum(len(found) for found in wrong.values())
    result, reason = ("failed", f"{count(failures, 'check')} failed") if wrong else _well(site)
    emit(EventType.RUN_DONE, result=result, reason=reason, seconds=round(time.time() - started, 1))
    return not wrong


def _well(site: Site) -> tuple[str, str]:
    """Return result and reason where nothing was found wrong; guests that cannot be reached are never verified."""
    if site.reach.how == "none":
        return "applied", "unverified: the guests of this cluster cannot be reached (reach: none)"
    return "verified", "every check passed"


def verify(site: Site, work: Work, emit: Emitter) -> dict[str, list[str]]:
    """Check every guest of a stack and return what is wrong, sentences by guest; empty when all is as wanted."""
    wanted = {s.key: s for s in subjects(work)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = pool.map(lambda i: list(_guest(site, work, i, wanted[i.key], emit)), work.instances)
        return {i.key: wrong for i, wrong in zip(work.instances, results, strict=True) if wrong}


def _guest(site: Site, work: Work, instance: Instance, subject: Subject, emit: Emitter) -> Iterator[str]:
    key = instance.key
    emit(EventType.GUEST_STAGE, key, stage=Stage.CHECKING)
    wrong: list[str] = []
    for result in (*_values(subject), *_checks(site, work, instance)):
        emit(EventType.CHECK_DONE, key, check=result.check, ok=result.ok, evidence=result.evidence)
        if not result.ok:
            wrong.append(f"{key}: {result.check}: {result.evidence}")
    emit(EventType.GUEST_STAGE, key, stage=Stage.FAILED if wrong else Stage.DONE, reason="; ".join(wrong))
    yield from wrong


def _values(subject: Subject) -> Iterator[CheckResult]:
    """Yield whether the cluster runs the guest with the wanted values; what waits for a reboot is never verified."""
    if subject.observed is None:
        yield CheckResult("exists", ok=False, evidence=f"there is no guest {subject.lease.vmid} on the cluster")
        return
    pending = {path for path in subject.observed.pending if path in subject.wanted}
    changes = (c for c in differences(subject.wanted, subject.applied, subject.observed) if c.path not in pending)
    wrong = [f"{c.path} is {show(c.path, c.before)}, wanted {show(c.path, c.after)}" for c in changes]
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
    # A change may have just rebooted it, with nothing for Ansible to do that would have waited; if it never
    # answers, the checks tell.
    with suppress(AtlasError):
        site.reach.wait(found, known_hosts(work), BOOT_SECONDS)
    end = time.monotonic() + SETTLE_SECONDS
    for check in checks:
        yield site.reach.check(found, known_hosts(work), check, max(0.0, end - time.monotonic()))
