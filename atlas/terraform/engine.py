"""The terraform engine: plans and applies a stack's bundle with the real Terraform, and goes on after any crash."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from atlas import certificate
from atlas.compare import Subject, compare, subjects
from atlas.errors import Held, PartlyDone, SpecError, StalePlan, Unreachable
from atlas.events import Emitter, EventType
from atlas.generators.terraform import PROVIDER
from atlas.plan import Action, Change, Plan, by_key
from atlas.ports.cluster import Cluster, GuestReady, Journal, Work
from atlas.settings import Profile
from atlas.terraform import detached, planning, program, workspace
from atlas.terraform.following import Follower, Reboot
from atlas.terraform.settling import settled
from atlas.terraform.workspace import Workspace

ATTEMPTS = 3
"""Times that a Terraform which somebody killed is followed by another within one call."""


@dataclass(frozen=True, slots=True)
class TerraformEngine:
    """Implements `ports.Engine` with Terraform and the bpg/proxmox provider.

    Args:
        profile: The cluster's profile: endpoint, token, CA file or fingerprint.
        cluster: Reads the cluster.
        home: ATLAS's folder, for locks and for what was found out about this machine.
        reboot: Reboots a guest through PVE (kind, VMID) and waits for it; for what the provider leaves pending.
        patience: Seconds to wait for tasks of a killed run that still work on a guest.
    """

    profile: Profile
    cluster: Cluster
    home: Path
    reboot: Reboot | None = None
    patience: float = 1800
    name: str = "terraform"

    def available(self, limit: int = 60) -> None:
        """Find out by one `init` whether program and provider can be had here; a success is remembered.

        Raises:
            TerraformError: There is no usable program.
            ProviderMissing: The provider cannot be had.
        """
        folder = self.home / "terraform" / "probe"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "versions.tf").write_text(workspace.versions(None))
        program.init(program.find(), folder, self.home / "terraform", limit)

    def versions(self) -> Mapping[str, str]:
        """Return the program's version and the provider's."""
        found = program.find()
        return {found.name: found.version, "bpg/proxmox": PROVIDER}

    def still(self, folder: Path) -> str | None:
        """Return the run whose Terraform outlives a killed ATLAS; see `ports.Engine`."""
        return _at_work(folder)

    def plan(self, work: Work, emit: Emitter) -> tuple[Change, ...]:
        """Return what Terraform would change; see `ports.Engine`."""
        del emit  # planning takes seconds and has nothing to show on the way
        space = self._space(work)
        expected, everyone = compare(work), subjects(work)
        space.lay(work.folder / "bundle")
        space.reconcile(everyone)
        saved = space.folder / f"plan-{os.getpid()}.tfplan"
        try:
            space.plan(saved, _remade(expected, everyone))
            data = space.show(saved)
        finally:
            saved.unlink(missing_ok=True)
        return planning.changes(planning.planned(data, everyone, work), expected, everyone)

    def apply(self, work: Work, plan: Plan, run: Path, journal: Journal, emit: Emitter, ready: GuestReady) -> None:
        """Carry out a plan or go on with it; see `ports.Engine`."""
        if other := _at_work(work.folder, run):
            raise Held(f"Terraform still carries out {other} of {work.stack}", "`atlas resume` goes on with it")
        space, folder = self._space(work), run / "terraform"
        follower = self._follower(work, plan, journal, emit, ready)
        attempts = sorted(folder.glob("apply-*"), key=lambda p: int(p.name.rpartition("-")[2]))
        process = detached.attach(attempts[-1]) if attempts else None
        began, number = bool(attempts), len(attempts)
        fate: detached.Fate = follower.follow(process) if process else "gone"
        saved = folder / "approved.tfplan"
        saved.unlink(missing_ok=True)  # that of a run whose ATLAS was killed
        for _ in range(ATTEMPTS):
            if fate == 0:
                break
            now = settled(work, self.cluster, self.patience, emit) if began else work
            follower.subjects = {s.key: s for s in subjects(now)}
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                if not self._prepare(space, now, plan, saved, resumed=began):
                    fate = 0
                    break
                began, number = True, number + 1
                fate = follower.follow(space.apply(folder / f"apply-{number}", saved))
            finally:
                saved.unlink(missing_ok=True)
            if fate != "gone":
                break
            emit(EventType.NOTE, text="Terraform was ended from outside; what it did is looked at, then it goes on")
        self._conclude(fate, follower, plan, space)

    def _prepare(self, space: Workspace, work: Work, plan: Plan, saved: Path, *, resumed: bool) -> bool:
        """Plan again right before the first write; tell whether Terraform has anything to do.

        Raises:
            StalePlan: More would change than was approved.
        """
        everyone = subjects(work)
        try:
            expected = compare(work)
        except SpecError as refused:
            said = "; ".join(d.summary for d in refused.diagnostics)
            raise StalePlan(f"the cluster has changed since the plan was made: {said}", "plan again") from refused
        space.clean()
        space.lay(work.folder / "bundle", plan.bundle)
        space.reconcile(everyone)
        events = space.plan(saved, _remade(expected, everyone))
        if not resumed and planning.as_approved(events, expected, plan.changes):
            return True
        told = planning.planned(space.show(saved), everyone, work)
        free = frozenset(c.key for c in plan.changes) if resumed else frozenset[str]()
        new = planning.changes(told, expected, everyone, free)
        if beyond := planning.outside(new, plan.changes, resumed=resumed):
            raise StalePlan(
                f"the cluster has changed since the plan was made: {'; '.join(beyond[:5])}",
                "plan again and approve that",
            )
        return bool(told)

    def _conclude(self, fate: detached.Fate, follower: Follower, plan: Plan, space: Workspace) -> None:
        if fate == 0:
            follower.failed.clear()
            for change in plan.changes:
                if change.action is Action.DELETE and change.key not in follower.done:
                    follower.gone(change.key)
                elif change.action is not Action.DELETE:
                    follower.record(change.key)
            if not follower.failed:
                return
        failed = follower.failed
        if fate == "gone":
            raise PartlyDone(
                "Terraform was ended from outside again and again", "look who ends it; then `atlas resume`"
            )
        if failed:
            names = ", ".join(sorted(failed))
            first = next(iter(failed.values()))
            raise PartlyDone(f"{len(failed)} of {len(plan.changes)} guests failed ({names}): {first}", "`atlas resume`")
        raise program.failure(f"{space.program.name} apply failed ({fate})", follower.errors)

    def _follower(self, work: Work, plan: Plan, journal: Journal, emit: Emitter, ready: GuestReady) -> Follower:
        everyone = {s.key: s for s in subjects(work)}
        return Follower(by_key(plan.changes), everyone, self.cluster, journal, emit, ready, self.reboot)

    def _space(self, work: Work) -> Workspace:
        folder = work.folder / "terraform"
        secrets = {
            "PROXMOX_VE_ENDPOINT": self.profile.endpoint,
            "PROXMOX_VE_API_TOKEN": self.profile.read_token().get_secret_value(),
            **_trust(self.profile, folder),
        }
        return Workspace(program.find(), folder, self.home / "terraform", secrets)


def _at_work(folder: Path, run: Path | None = None) -> str | None:
    """Return the run, other than this one, whose Terraform still works on the stack in this folder."""
    for attempt in (folder / "runs").glob("*/terraform/apply-*"):
        other = attempt.parent.parent
        if other == run or (attempt / "code").exists():
            continue
        process = detached.attach(attempt)
        if process is not None and process.fate() == "running":
            return other.name
    return None


def _remade(expected: Iterable[Change], everyone: Iterable[Subject]) -> list[str]:
    """Return the addresses of guests that are made anew for what Terraform does not see, such as another image."""
    kinds = {s.key: s for s in everyone}
    return [
        workspace.address(c.kind, c.key)
        for c in expected
        if c.action is Action.REPLACE and kinds[c.key].observed is not None
    ]


def _trust(profile: Profile, folder: Path) -> dict[str, str]:
    """Return what makes Terraform's provider trust the cluster's certificate.

    Raises:
        Unreachable: The certificate is not the one whose fingerprint the profile names.
    """
    if profile.ca_file is not None:
        return {"SSL_CERT_FILE": str(profile.ca_file.expanduser().resolve())}
    if profile.fingerprint is None:
        return {}
    # The provider knows no fingerprints, so the certificate that has it becomes the only one that is trusted.
    pem = certificate.shown(profile.endpoint)
    if certificate.fingerprint(pem) != profile.fingerprint.upper():
        raise Unreachable(
            f"the certificate of {profile.endpoint} is not the one of the profile",
            "compare its SHA-256 fingerprint with the one that the node's own web page shows",
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "cluster.pem"
    path.write_text(pem)
    return {"SSL_CERT_FILE": str(path)}
