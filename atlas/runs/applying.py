"""Apply: the approval checked once more, then the engine, and Ansible while guests are still being made."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from atlas.errors import ApprovalRefused, AtlasError, PartlyDone, StalePlan, StateError, unwritten
from atlas.events import Emitter, EventType
from atlas.plan import Plan, bundle_hashes
from atlas.plantext import count
from atlas.ports.cluster import Engine, Work
from atlas.ports.store import Run
from atlas.runs.configuring import Configuring
from atlas.runs.planning import versions
from atlas.runs.prepare import work_of
from atlas.runs.site import Site

APPLYING, CONFIGURING, VERIFYING = "applying", "configuring", "verifying"
"""The stages of a run after `approved`."""

_ASK = "`atlas resume` asks for the approval, `--yes` gives it; or plan again"


def apply(site: Site, hash_: str, emit: Emitter, session: str | None = None) -> Run:
    """Carry out an approved plan, or go on with the run of it that was interrupted.

    Args:
        site: The adapters.
        hash_: The plan's hash.
        emit: Takes the events.
        session: The session that the run belongs to.

    Returns:
        The run: ended, or at the stage `verifying`, from where `verifying.finish` goes on.

    Raises:
        ApprovalRefused: Nobody approved exactly this plan, or a byte of it changed since.
        StalePlan: The cluster changed since the plan was made; nothing was written.
        Held: Another process works on the stack.
        PartlyDone: Some guests are finished and others are not, or ATLAS could write no more; the run can be resumed.
    """
    plan = site.store.plan(hash_)
    with site.store.hold("stack", f"{plan.cluster}-{plan.stack}"):
        engine = check_approval(site, plan, emit)
        run = site.store.new_run(plan, session)
        emit = emit.within(session=session, run=run.id)
        emit(EventType.RUN_STARTED, stack=plan.stack, engine=plan.engine, hash=hash_, resumed=run.stage != "approved")
        try:
            _carry_out(site, plan, run, engine, emit)
        except StalePlan as problem:
            _end(site, run, emit, "failed", problem.message)
            raise
        except (StateError, OSError) as problem:
            # What could not be written down has stopped work that was begun; the run stays open.
            stopped = unwritten(problem) if isinstance(problem, OSError) else problem
            emit(EventType.RUN_DONE, result="failed", reason=stopped.message)
            raise PartlyDone(stopped.message, stopped.hint) from problem
        except AtlasError as problem:
            # The run stays open: `atlas resume` goes on where it stopped.
            with suppress(StateError):  # the reason may be just that nothing can be written
                site.store.update_run(run.id, reason=problem.message)
            emit(EventType.RUN_DONE, result="failed", reason=problem.message)
            raise
        return site.store.run(run.id)


def check_approval(site: Site, plan: Plan, emit: Emitter) -> Engine:
    """Return the plan's engine if exactly this plan was approved and nothing that it covers has changed.

    Raises:
        ApprovalRefused: Otherwise; the refusal is an event too.
        StalePlan: The bundle is that of another plan of ATLAS's own.
    """
    try:
        approval = site.store.approval(plan.hash)
        if approval is None or not approval.granted:
            what = "nobody has approved" if approval is None else "the approval was refused for"
            raise ApprovalRefused(f"{what} this plan of {plan.stack} ({plan.hash[:12]})", _ASK)
        again = "plan again, look at it, and approve the new plan"
        found = _bundle_on_disk(site.folder(plan.stack) / "bundle")
        if found != dict(plan.bundle):
            if any(found == dict(other.bundle) for other in site.store.plans(plan.cluster, plan.stack)):
                text = f"another plan of {plan.stack} was made after this one ({plan.hash[:12]}) was approved"
                raise StalePlan(text, "`atlas resume` plans again, and asks for the new plan's approval")
            paths = sorted(p for p in {*found, *plan.bundle} if found.get(p) != plan.bundle.get(p))
            raise ApprovalRefused(f"the bundle was changed after the approval: {', '.join(paths[:5])}", again)
        engine, _ = site.engine("terraform" if plan.engine == "terraform" else "api")
        now = versions(site, engine)
        if now != dict(plan.versions):
            before = plan.versions
            changed = [
                f"{k} {before.get(k)} → {now.get(k)}" for k in sorted({*now, *before}) if before.get(k) != now.get(k)
            ]
            raise ApprovalRefused(f"programs changed after the approval: {', '.join(changed)}", again)
    except ApprovalRefused as problem:
        emit(EventType.APPROVAL_REFUSED, reason=problem.message, hash=plan.hash)
        raise
    return engine


def _bundle_on_disk(folder: Path) -> dict[str, str]:
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or (path.is_file() and path.stat().st_size > 16_000_000):
            files[str(path.relative_to(folder))] = "\0"  # no bundle of ours holds such a thing
        elif path.is_file():
            files[str(path.relative_to(folder))] = path.read_bytes().decode("utf-8", "surrogateescape")
    return bundle_hashes(files)


def _carry_out(site: Site, plan: Plan, run: Run, engine: Engine, emit: Emitter) -> None:
    work = work_of(site, plan)
    if work.state.identity != plan.identity:
        text = f"the profile {plan.cluster!r} leads to another cluster than the one that the plan was made for"
        raise StalePlan(text, "plan again")
    folder = work.folder / "runs" / run.id
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    journal = site.store.journal(run)
    configuring = Configuring(site, plan, work, folder, journal, emit)
    failed: list[str] = []
    if run.stage in ("approved", APPLYING):
        site.store.update_run(run.id, stage=APPLYING)
        if not plan.destroy:
            site.store.rename(plan.cluster, plan.stack, _renames(work))
        with configuring:
            try:
                engine.apply(work, plan, folder, journal, emit, configuring.ready)
            except PartlyDone as problem:
                failed.append(problem.message)
        if not failed:  # else going on begins with the engine: its guests that failed are not there yet
            site.store.update_run(run.id, stage=CONFIGURING)
    if plan.destroy and not failed:
        _end(site, run, emit, "applied", f"{count(len(plan.changes), 'guest')} deleted")
        return
    if site.reach.how != "none" and not plan.destroy:
        failed += configuring.finish(handed_over=bool(failed))
    if failed:
        raise PartlyDone("; ".join(failed), "mend what is said and run `atlas resume`")
    site.store.update_run(run.id, stage=VERIFYING)


def _end(site: Site, run: Run, emit: Emitter, result: str, reason: str) -> None:
    site.store.update_run(run.id, result=result, reason=reason)
    emit(EventType.RUN_DONE, result=result, reason=reason, seconds=round(time.time() - run.started, 1))


def _renames(work: Work) -> dict[str, tuple[str, int]]:
    by_key = {i.key: i for i in work.instances}
    return {former: (by_key[new].group, by_key[new].index) for new, former in work.renames.items()}
