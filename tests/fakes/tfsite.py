"""The site of tests with the terraform engine in the place of the api engine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakes.site import Site
from fakes.where import CLUSTER

from atlas.events import Emitter
from atlas.generators.terraform import generate
from atlas.generators.writer import write_bundle
from atlas.plan import Plan, bundle_hashes
from atlas.ports import Run, Work
from atlas.proxmox import rebooting
from atlas.proxmox.engine import ApiEngine
from atlas.state import Kind
from atlas.terraform.engine import TerraformEngine


class TerraformSite(Site):
    """What tests need to plan and apply with Terraform."""

    def __init__(self, home: Path, status: Mapping[str, Any], vmids: tuple[int, int] = (10_000, 10_999)) -> None:
        super().__init__(home, status, vmids)
        self.terraform = TerraformEngine(self.profile, self.cluster, home, self.reboot, patience=30)
        self.api: ApiEngine = self.engine
        self.use("terraform")

    def use(self, name: str) -> None:
        """Take one of the two engines from here on."""
        self.engine = self.terraform if name == "terraform" else self.api  # type: ignore[assignment]  # both are ports.Engine

    def plan(self, spec: Mapping[str, Any] | None, stack: str = "") -> tuple[Work, Plan]:
        """Plan a spec, or the end of a stack, and store the plan."""
        work = self.work(spec, stack)
        files = dict(generate(work)) if self.engine.name == "terraform" else {}
        write_bundle(work.folder / "bundle", files)
        changes = self.engine.plan(work, Emitter())
        leases, versions = tuple(work.leases.values()), self.engine.versions()
        plan = Plan(
            work.stack, CLUSTER, work.state.identity, self.engine.name, changes, leases, bundle_hashes(files), versions,
            work.destroy, {**(spec or {}), "at": time.time_ns()},
        )  # fmt: skip
        self.store.save_plan(plan)
        return work, plan

    def carry_out(self, work: Work, plan: Plan, run: Run | None = None, wrap: Any = None) -> Run:
        """Carry out a plan, or go on with a run."""
        run = run or self.store.new_run(plan, None)
        journal = self.store.journal(run)
        leases = {x.key: x for x in self.store.leases(CLUSTER, work.stack)}
        now = dataclasses.replace(work, leases=leases, applied=self.store.applied(CLUSTER, work.stack))
        emit = Emitter((self.events.append,))
        folder = work.folder / "runs" / run.id
        self.engine.apply(now, plan, folder, wrap(journal) if wrap else journal, emit, self.ready.append)
        self.store.update_run(run.id, result="applied")
        return run

    def reboot(self, kind: Kind, vmid: int) -> None:
        """Reboot a guest through PVE."""
        rebooting.reboot(self.client, kind, vmid, Emitter())
