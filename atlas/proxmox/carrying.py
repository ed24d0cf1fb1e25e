"""Making a guest what it shall be: look, write what differs, look again; safe to be called again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from atlas import attributes, pveconfig
from atlas.compare import differences
from atlas.errors import ApiRefused, EngineError, StalePlan, TaskFailed
from atlas.events import Stage
from atlas.plan import AttributeChange, Effect
from atlas.ports.cluster import Entry
from atlas.proxmox import guests, rebooting, words
from atlas.proxmox.devices import Writes
from atlas.proxmox.facts import PveCluster
from atlas.proxmox.guests import At
from atlas.proxmox.hands import Hands, Watch
from atlas.proxmox.making import record, root_storage, stale
from atlas.proxmox.refusals import changed_meanwhile, said
from atlas.proxmox.writes import writes
from atlas.state import Attributes, Observed, State

ROUNDS = 8
LOCK_SECONDS = 60.0

Approved = frozenset[tuple[str, object]]
"""Path and value of every change that a person approved for the guest."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """What makes one guest that is there what it shall be.

    Args:
        approved: None where everything is, as with a guest that this run made.
    """

    hands: Hands
    cluster: PveCluster
    vmid: int
    wanted: Attributes
    applied: Attributes
    state: State
    approved: Approved | None
    lock_seconds: float = LOCK_SECONDS

    def carry(self, seen: Observed | None = None) -> Observed:
        """Write what differs until nothing does, reboot where that was approved, start; return the guest.

        Args:
            seen: The guest where it was read just now.

        Raises:
            StalePlan: It differs in what nobody approved.
            Stuck: A lock stays on it.
            EngineError: It does not become what was wanted.
            ProxmoxError: PVE refused, or a task failed.
        """
        changes: tuple[AttributeChange, ...] = ()
        for _ in range(ROUNDS):
            observed, seen = seen or self._unlocked(), None
            changes = differences(self.wanted, self._applied(observed), observed)
            self._check(changes)
            due = self._due()
            if not changes and not due:
                removed = [p for p in self.applied if p not in self.wanted and attributes.known(p)]
                anew = self.approved is None
                values = self.wanted if anew else attributes.updated(self.wanted, self.applied, observed.kind)
                self.hands.journal.applied(self.hands.key, values, removed)
                return observed
            try:
                self._step(observed, changes, reboot_due=bool(due))
            except ApiRefused as refused:
                if not changed_meanwhile(refused):
                    raise
        left = ", ".join(f"{c.path} is {c.before}, not {c.after}" for c in changes)
        raise EngineError(
            f"{self.hands.key} ({self.vmid}) does not become what was planned: {left}",
            "look at its pending changes on the cluster, then plan again",
        )

    def _applied(self, observed: Observed) -> Attributes:
        """Return what counts as set by us: of a guest that this run makes, the tags of its template, too."""
        if self.approved is not None:
            return self.applied
        return {**self.applied, "tags": observed.attributes.get("tags")}

    def _check(self, changes: Iterable[AttributeChange]) -> None:
        if self.approved is None:
            return
        approved = set(self.approved)
        if self.hands.entries("reboot-due", "shutdown"):
            approved.add(("running", True))  # it is down because this run took it down
        outside = [c for c in changes if (c.path, c.after) not in approved]
        if outside:
            words_ = ", ".join(f"{c.path} is {c.before} now" for c in outside)
            raise StalePlan(f"{self.hands.key} ({self.vmid}) changed since the plan was made: {words_}", "plan again")

    def _unlocked(self) -> Observed:
        """Return the guest once nothing holds it: a backup or a migration of others is waited for a while."""
        deadline, pause = time.monotonic() + self.lock_seconds, 0.1
        while True:
            observed = self.cluster.guest(self.vmid)
            if observed is None:
                raise EngineError(f"{self.hands.key} ({self.vmid}) is gone", "plan again: it would be made anew")
            if observed.lock is None:
                return observed
            half_made = self.approved is None and observed.lock in ("clone", "create")  # our tasks were waited for
            if half_made or time.monotonic() > deadline:
                raise stale(observed)
            self.hands.stage(Stage.WAITING, waits_for=f"its lock ({observed.lock})")
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def _step(self, observed: Observed, changes: tuple[AttributeChange, ...], *, reboot_due: bool) -> None:
        at = At(observed.node, observed.kind, observed.vmid)
        by_path = {c.path: c for c in changes}
        if "pool" in by_path:
            self._pool(by_path["pool"])
        if "node" in by_path:
            self._migrate(at, str(by_path["node"].after), running=observed.running)
            return  # everything else is read again where it is now
        mine = [c for c in changes if c.path not in ("pool", "node", "running")]
        reboot = observed.running and (reboot_due or any(c.effect is Effect.REBOOT for c in mine))
        if reboot and not reboot_due:
            # Written down first: once the values are set, nothing on the cluster tells that a reboot is due.
            self.hands.journal.intend(self.hands.key, "reboot-due")
        protection = [c for c in mine if c.path == "protection"]
        rest = [c for c in mine if c.path != "protection"]
        # It comes off before everything else and goes on after it: PVE refuses changes of drives under it.
        parts = [protection, rest] if observed.attributes.get("protection") else [rest, protection]
        for number, part in enumerate([p for p in parts if p]):
            observed = self._write(at, observed if number == 0 else self._unlocked(), part)
        if reboot and observed.running:
            self._reboot(at)
        elif reboot or "running" in by_path:
            self._start(at)

    def _write(self, at: At, observed: Observed, mine: list[AttributeChange]) -> Observed:
        """Write changes; return the guest as it is then, as far as it matters for its power."""
        volumes = [c for c in mine if c.path.endswith((".size", ".storage")) and None not in (c.before, c.after)]
        rest = [c for c in mine if c not in volumes]
        if not observed.running:
            self._options(at, observed, rest)
            self._volumes(at, observed, volumes)
            return observed
        # Volumes first: options that wait for a reboot are kept with the volume's name and size of that moment.
        self._volumes(at, observed, volumes)
        observed = self._unlocked() if volumes else observed
        self._options(at, observed, rest)
        return observed

    def _options(self, at: At, observed: Observed, mine: list[AttributeChange]) -> None:
        storage = self._default_storage(observed)
        what = writes(observed.kind, observed.config, mine, self.wanted, storage)
        if observed.kind == "vm":
            _cloudinit(what, observed, mine, storage)
        if self.approved is None:
            what.delete += _extra_cards(observed, self.wanted)
        if what.put or what.delete:
            self._configure(at, what, observed.digest)
        self._remember(mine)

    def _volumes(self, at: At, observed: Observed, mine: list[AttributeChange]) -> None:
        what = writes(observed.kind, observed.config, mine, self.wanted, "")
        if observed.kind == "container" and what.move and observed.running:
            self._power(at, "shutdown")  # they move only while it is stopped; the next round starts it again
        for slot, target in what.move:
            self._run("move", at, partial(guests.move, self.hands.client, at, slot, target), slot=slot)
            self._identity(at)
        for slot, size in what.resize:
            self._run("resize", at, partial(guests.resize, self.hands.client, at, slot, size), slot=slot)
        self._remember(mine)

    def _configure(self, at: At, what: Writes, digest: str | None) -> None:
        call = partial(guests.configure, self.hands.client, at, what.put, what.delete, digest)
        names = sorted({*what.put, *what.delete})
        self.hands.task("configure", Watch.of(at, "config"), call, keys=names)

    def _remember(self, changes: Iterable[AttributeChange]) -> None:
        done = [c for c in changes if c.path in self.wanted]
        if done:
            values = {c.path: self.wanted[c.path] for c in done}
            self.hands.journal.applied(self.hands.key, values)

    def _identity(self, at: At) -> None:
        """Record a container's identity anew: it is its root volume, which has just moved."""
        if at.kind == "container" and (now := self.cluster.guest(at.vmid)) is not None:
            record(self.hands, now)

    def _default_storage(self, observed: Observed) -> str:
        config = observed.config
        boot = "rootfs" if observed.kind == "container" else pveconfig.disk_slots(config).get(0, "")
        return words.storage(config.get(boot, "")) or root_storage(self.state, observed.node)

    def _pool(self, change: AttributeChange) -> None:
        client, vmid = self.hands.client, self.vmid
        if change.after is not None:
            pool = str(change.after)
            self.hands.write("pool", lambda: guests.join_pool(client, pool, vmid), pool=pool)
        elif change.before is not None:
            pool = str(change.before)
            self.hands.write("pool", lambda: guests.leave_pool(client, pool, vmid), pool=pool)

    def _migrate(self, at: At, target: str, *, running: bool) -> None:
        self.hands.stage(Stage.UPDATING, waits_for=f"migration to {target}")
        self._run("migrate", at, lambda: guests.migrate(self.hands.client, at, target, running=running), target=target)
        self._identity(At(target, at.kind, at.vmid))

    def _reboot(self, at: At) -> None:
        self.hands.stage(Stage.REBOOTING)
        try:
            self._power(at, "reboot")
        except TaskFailed as failed:
            if "powerdown failed" not in failed.exitstatus:
                raise
            raise EngineError(
                f"{self.hands.key} ({at.vmid}) does not shut down when it is asked to, so it cannot be rebooted",
                "shut it down yourself, then resume: it is started with its new settings",
            ) from failed
        rebooting.until_running(self.hands.client, at)
        self._settle_reboot()

    def _start(self, at: At) -> None:
        self.hands.stage(Stage.STARTING)
        self._power(at, "start")
        self._settle_reboot()

    def _due(self) -> list[Entry]:
        return [e for e in self.hands.entries("reboot-due") if e.outcome is None]

    def _settle_reboot(self) -> None:
        """Write down that the guest has taken what waited: by a reboot, or because it was off and was started."""
        for entry in self._due():
            self.hands.journal.settle(entry.id, done=True)

    def _power(self, at: At, action: str) -> None:
        try:
            self._run(action, at, lambda: guests.power(self.hands.client, at, action))
        except (ApiRefused, TaskFailed) as problem:
            if not said(problem).rstrip().endswith(("already running", "not running")):
                raise  # else somebody was quicker: it is what was wanted

    def _run(self, step: str, at: At, call: Callable[[], str | None], **intent: object) -> None:
        self.hands.task(step, Watch.of(at, step), call, **intent)


def _extra_cards(observed: Observed, wanted: Attributes) -> list[str]:
    """Return the options of network interfaces that came with the template and that the spec does not have."""
    mine = attributes.items(wanted, "networks")
    extra = [i for i, _ in words.numbered(observed.config, "net") if i not in mine]
    return [k for i in extra for k in (f"net{i}", f"ipconfig{i}") if k in observed.config]


def _cloudinit(what: Writes, observed: Observed, mine: list[AttributeChange], storage: str) -> None:
    """Add the cloud-init drive that the data needs, and keep the guest from upgrading itself at its first boot."""
    paths = {attributes.pattern(c.path) for c in mine}
    data = {"networks[].address", "networks[].gateway", "dns.servers", "dns.search", "user.name", "user.ssh_keys"}
    if not paths & data:
        return
    if words.flag(observed.config.get("ciupgrade", 1)):
        what.put["ciupgrade"] = 0
    if words.cloudinit_slot(observed.config) is None:
        free = next((s for s in ("ide2", "ide0", "ide1", "ide3") if s not in observed.config), "sata5")
        what.put[free] = f"{storage}:cloudinit"
