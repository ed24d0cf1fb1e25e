"""Configure while creating: a queue of ready guests, taken in batches, each a detached and journalled Ansible run."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from atlas.errors import AtlasError
from atlas.events import Emitter, EventType, Stage
from atlas.instances import Instance
from atlas.plan import Action, Change, Plan, by_key
from atlas.ports.cluster import Entry, Journal, Work
from atlas.ports.guests import Target
from atlas.runs.planning import CONFIGURED, configured
from atlas.runs.site import Site
from atlas.runs.targets import known_hosts, target
from atlas.state import Attributes

PATIENCE = 900.0
"""Seconds that a guest may take until ssh lets us in: an emulated guest on a busy machine needs two minutes."""

_STEP = "configure"
_ALL = "*"


_CLOUD_INIT = ("name", "user.", "dns.", "networks[")


def renews_identity(change: Change) -> bool:
    """Tell whether a change gives the guest a new ssh host key.

    A guest that is made has one, and so has a VM whose cloud-init data changes: it is a new instance to cloud-init,
    which then makes new host keys. Source: qemu-server's Cloudinit.pm (the instance id is a hash of the data).
    """
    if change.action in (Action.CREATE, Action.REPLACE):
        return True
    paths = (a.path for a in change.attributes)
    return change.kind == "vm" and any(path.startswith(_CLOUD_INIT) for path in paths)


class Configuring:
    """Takes guests as they become ready, waits until they answer, and configures them by Ansible.

    Guests with a lower `start.order` are configured before the others; batches that were begun before a crash are
    attached to.
    """

    def __init__(self, site: Site, plan: Plan, work: Work, folder: Path, journal: Journal, emit: Emitter) -> None:
        self._site, self._work, self._folder, self._journal, self._emit = site, work, folder, journal, emit
        self._changes = by_key(plan.changes)
        self._wanted = {i.key: i for i in work.instances if i.guest.networks and self._due(i)}
        self._turn = threading.Condition()
        self._waiting: dict[str, threading.Thread] = {}
        self._ready: dict[str, Target] = {}
        self._failed: dict[str, str] = {}
        self._done: set[str] = set()
        self._worker: threading.Thread | None = None
        self._closed = False

    def _due(self, instance: Instance) -> bool:
        if self._site.reach.how == "none":
            return False
        if self._work.applied.get(instance.key, {}).get(CONFIGURED) != configured(instance):
            return True
        change = self._changes.get(instance.key)
        anew = change is not None and change.action in (Action.CREATE, Action.REPLACE)
        return anew and not any(
            instance.key in entry.intent["guests"]
            for entry in self._journal.entries(_ALL)
            if entry.step == _STEP and entry.outcome and "seconds" in entry.outcome  # done, before this run was resumed
        )

    def __enter__(self) -> Configuring:
        """Begin with what an interrupted run left, and take guests from now on."""
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop taking guests when the engine broke off; else the queue is emptied by `finish`."""
        if error is not None:
            self._closed = True
            with self._turn:
                self._turn.notify_all()

    def ready(self, key: str) -> None:
        """Take a guest whose change is carried out; called by engines, also for guests that need nothing."""
        instance = self._wanted.get(key)
        with self._turn:
            if instance is None or key in self._waiting or key in self._done:
                return
            thread = threading.Thread(target=self._reach, args=(instance,), name=f"reach-{key}", daemon=True)
            self._waiting[key] = thread
        thread.start()

    def finish(self, *, handed_over: bool = False) -> list[str]:
        """Configure all that is left and return what failed, a sentence for each guest.

        Args:
            handed_over: Only the guests that the engine handed over; it failed with others, and nobody waits for these.
        """
        self._start()
        if handed_over:
            with self._turn:
                self._wanted = {key: one for key, one in self._wanted.items() if key in self._waiting}
        for key in self._wanted:
            self.ready(key)
        with self._turn:
            while len(self._done) + len(self._failed) < len(self._wanted):
                self._turn.wait(1.0)
            self._closed = True
            self._turn.notify_all()
        return [f"{key}: {reason}" for key, reason in sorted(self._failed.items())]

    def _start(self) -> None:
        if self._worker is None and self._wanted:
            self._worker = threading.Thread(target=self._run, name="configure", daemon=True)
            self._worker.start()

    def _reach(self, instance: Instance) -> None:
        """Wait until a guest has an address and lets us in."""
        key = instance.key
        change = self._changes.get(key)
        try:
            self._emit(EventType.GUEST_STAGE, key, stage=Stage.BOOTING, waits_for="ssh")
            found = target(self._site, self._work, instance, PATIENCE)
            if change is not None and renews_identity(change):
                self._new_host_key(key, found)
            self._site.reach.wait(found, known_hosts(self._work), PATIENCE)
        except AtlasError as problem:
            self._end(key, problem.message)
            return
        with self._turn:
            self._ready[key] = found
            self._turn.notify_all()
        self._emit(EventType.GUEST_STAGE, key, stage=Stage.READY, waits_for="Ansible")

    def _new_host_key(self, key: str, found: Target) -> None:
        """Forget the host key that was learnt, once in a run: the guest has made a new one, as ATLAS has ordered."""
        if not self._journal.entries(key) or not any(e.step == "host-key" for e in self._journal.entries(key)):
            self._site.reach.forget(found, known_hosts(self._work))
            self._journal.note(key, "host-key")

    def _run(self) -> None:
        for entry in self._journal.entries(_ALL):
            if entry.step == _STEP and entry.outcome is None:
                self._attach(entry)
        while True:
            with self._turn:
                batch = self._batch()
                while not batch and not self._closed:
                    self._turn.wait(1.0)
                    batch = self._batch()
                if not batch:
                    return
                for found in batch:
                    del self._ready[found.key]
            number = len(self._journal.entries(_ALL)) + 1
            folder = self._folder / f"configure-{number}"
            addresses = {t.key: t.address for t in batch}
            entry_id = self._journal.intend(_ALL, _STEP, folder=folder.name, guests=addresses)
            self._configure(entry_id, folder, batch)

    def _attach(self, entry: Entry) -> None:
        targets = []
        for key, address in entry.intent["guests"].items():
            instance = self._wanted.get(key)
            if instance is not None:
                with self._turn:
                    self._waiting[key] = threading.current_thread()
                targets.append(target(self._site, self._work, instance, 0, address=str(address)))
        if targets:
            self._configure(entry.id, self._folder / str(entry.intent["folder"]), targets)
        else:
            self._journal.settle(entry.id, skipped=True)

    def _batch(self) -> list[Target]:
        """Return all ready guests of the lowest order that is not finished yet."""

        def order(key: str) -> int:
            said = self._wanted[key].guest.start.order
            return 10_000 if said is None else said

        left = [k for k in self._wanted if k not in self._done and k not in self._failed]
        if not left or not self._ready:
            return []
        first = min(order(k) for k in left)
        return [found for key, found in self._ready.items() if order(key) == first]

    def _configure(self, entry: int, folder: Path, batch: Sequence[Target]) -> None:
        started = time.monotonic()
        for found in batch:
            self._emit(EventType.GUEST_STAGE, found.key, stage=Stage.CONFIGURING, waits_for="Ansible")
        bundle = self._work.folder / "bundle"
        try:
            addresses = {found.key: found.address for found in batch}
            results = self._site.configurator.configure(bundle, list(addresses), folder, self._emit, addresses)
        except AtlasError as problem:
            self._journal.settle(entry, error=problem.message)
            for found in batch:
                self._end(found.key, problem.message)
            return
        self._journal.settle(entry, seconds=round(time.monotonic() - started, 1))
        for found in batch:
            result = results.get(found.key)
            if result is None or result.failed:
                self._end(found.key, result.failed or "failed" if result else "Ansible did not report on it")
                continue
            instance = self._wanted[found.key]
            done: Attributes = {CONFIGURED: configured(instance), "software": tuple(instance.guest.software)}
            self._journal.applied(found.key, done)
            self._end(found.key, None)

    def _end(self, key: str, reason: str | None) -> None:
        if reason is not None:
            self._emit(EventType.GUEST_STAGE, key, stage=Stage.FAILED, reason=reason)
        with self._turn:
            if reason is None:
                self._done.add(key)
            else:
                self._failed[key] = reason
            self._turn.notify_all()
