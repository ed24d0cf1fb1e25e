"""A stack's Terraform folder: the approved files, init, plans, imports, and what a killed run left there."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas.compare import Subject
from atlas.errors import ApprovalRefused, TerraformError
from atlas.generators.hcl import hcl
from atlas.generators.terraform import ADDRESSES, IMPORTS, PROVIDER
from atlas.ownership import Owner
from atlas.pveconfig import disk_slots
from atlas.state import Kind, Observed
from atlas.terraform import detached, program, statefile
from atlas.terraform.program import Program

_REQUIRED = f"""  required_providers {{
    proxmox = {{
      source  = "bpg/proxmox"
      version = "{PROVIDER}"
    }}
  }}
"""

_GUESTS = """resource "{type}" "guests" {{
  for_each  = {guests}
  node_name = each.value
}}
"""


_READ = (".tf", ".tf.json", ".tofu", ".tofu.json", ".tfvars", ".tfvars.json")
"""Endings of the files that Terraform and OpenTofu read in a folder by themselves."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder in which Terraform works for one stack; the bundle itself is never worked in.

    Args:
        program: The program.
        folder: Holds copies of the bundle's `.tf` files, the state, its backups, the provider.
        locks: Where locks lie that are shared with other stacks.
        secrets: Of the environment: endpoint, token, CA.
    """

    program: Program
    folder: Path
    locks: Path
    secrets: Mapping[str, str]

    def lay(self, bundle: Path, approved: Mapping[str, str] | None = None) -> None:
        """Copy the bundle's files here and initialise.

        Its imports are left out: `reconcile` brings in what is there, while a file that was approved would still ask
        for a guest that its run has removed to make it anew.

        Args:
            bundle: The bundle's folder.
            approved: SHA-256 by path; None while planning.

        Raises:
            ApprovalRefused: A file is not the approved one.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        texts = {f.name: f.read_bytes() for f in sorted(bundle.glob("*.tf"))}
        if not texts:
            raise TerraformError(f"{bundle} holds no Terraform files", "plan again: that writes them")
        if approved is not None:
            found = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
            if found != {name: value for name, value in approved.items() if name.endswith(".tf") and "/" not in name}:
                raise ApprovalRefused("the bundle is not the approved one", "plan again, and approve that plan")
        for stale in self.folder.glob("plan-*.tfplan"):
            stale.unlink()  # that of an ATLAS that was killed while it planned
        texts.pop(IMPORTS, None)
        for old in self.folder.iterdir():
            if old.name.endswith(_READ) and old.name not in texts:
                old.unlink()  # nobody has approved what it says
        for name, text in texts.items():
            (self.folder / name).write_bytes(text)
        program.init(self.program, self.folder, self.locks)

    def env(self) -> dict[str, str]:
        """Return the environment of a Terraform that speaks to the cluster."""
        return program.environment(self.secrets)

    def plan(self, out: Path, replace: Iterable[str] = ()) -> list[dict[str, Any]]:
        """Plan, save the plan, and return Terraform's events.

        Args:
            out: Where the plan is saved, mode 0600; whoever asked deletes it.
            replace: Addresses of guests that are to be made anew.
        """
        options = [f"-replace={address}" for address in replace]
        events = self._run("plan", "-json", "-input=false", f"-out={out}", *options)
        out.chmod(0o600)
        return events

    def show(self, saved: Path) -> dict[str, Any]:
        """Return a saved plan as data, with every value."""
        return program.show(self.program, self.folder, saved)

    def reconcile(self, subjects: Iterable[Subject]) -> None:
        """Make the state fit the cluster: guests of ours that it lacks or distrusts, and those that are not ours."""
        state = {k.vmid: k for k in statefile.known(self.folder)}
        wrong: dict[str, list[statefile.Mend]] = {}
        for s in subjects:
            held, key = state.get(s.lease.vmid), s.renamed_from or s.key
            if held is not None:
                wrong[held.key] = list(_mends(held, s))
            elif s.observed is not None and _here(s):
                self._import(s.observed.kind, key, f"{s.observed.node}/{s.lease.vmid}")
                wrong[key] = [statefile.imported(s.observed.attributes)]
        statefile.mend(self.folder, wrong)

    def _import(self, kind: Kind, key: str, id_: str) -> None:
        """Take a guest into the state under its key, whether or not the bundle (still) speaks of it."""
        folder = self.folder / "import"
        folder.mkdir(exist_ok=True, mode=0o700)
        (folder / "versions.tf").write_text(versions("../terraform.tfstate"))
        guests = hcl({key: id_.partition("/")[0]}, 2)
        (folder / "main.tf").write_text(_GUESTS.format(type=ADDRESSES[kind].partition(".")[0], guests=guests))
        program.init(self.program, folder, self.locks)
        self._run("import", "-input=false", "-no-color", address(kind, key), id_, work=folder)

    def _run(self, *arguments: str, work: Path | None = None) -> list[dict[str, Any]]:
        """Run Terraform to its end and return its events.

        Raises:
            TerraformError: It failed; with its diagnostics.
        """
        box = Path(tempfile.mkdtemp(prefix=".run-", dir=self.folder))
        try:
            process = detached.start(box / "p", (*self.program.command, *arguments), work or self.folder, self.env())
            events = list(process.events())
            fate = process.wait()
            if fate != 0:
                found = [program.diagnostic(e["diagnostic"]) for e in events if e["type"] == "diagnostic"]
                words = process.errors()
                raise program.failure(
                    f"`{self.program.name} {arguments[0]}` failed"
                    + (f": {program.first_error(words)}" if words else ""),
                    found,
                )
            return events
        finally:
            shutil.rmtree(box, ignore_errors=True)

    def apply(self, run: Path, saved: Path) -> detached.Detached:
        """Start to carry out a saved plan, detached, its files in `run`; the state is backed up before."""
        statefile.back_up(self.folder)
        command: Sequence[str] = (*self.program.command, "apply", "-json", "-input=false", "-auto-approve", str(saved))
        return detached.start(run, command, self.folder, self.env())

    def clean(self) -> None:
        """Remove what a killed Terraform left; only for one whose owner is known to be dead."""
        (self.folder / f".{statefile.NAME}.lock.info").unlink(missing_ok=True)
        for box in self.folder.glob(".run-*"):
            process = detached.attach(box / "p")
            if process is None or process.fate() != "running":
                shutil.rmtree(box, ignore_errors=True)


def _here(subject: Subject) -> bool:
    return subject.observed is not None and subject.owner in (Owner.OURS, Owner.UNRECORDED)


def _mends(held: statefile.Known, s: Subject) -> Iterator[statefile.Mend]:
    """Yield what makes the state fit one guest that it holds."""
    observed, key = s.observed, s.renamed_from or s.key
    if s.owner is Owner.OTHER:
        yield statefile.forget
    if _here(s) and held.tainted:
        yield statefile.untaint
    if _here(s) and held.key not in (s.key, key):
        yield statefile.renamed(key)
    if observed and held.kind == "container" and held.node != observed.node:
        yield statefile.moved(observed.node)
    if observed and (gone := [p for p in held.parts if not observed.attributes.get(statefile.PARTS[p])]):
        yield statefile.without(gone)
    if held.cloned or (observed and held.disks != _interfaces(observed)):
        yield statefile.whole


def _interfaces(observed: Observed) -> frozenset[str]:
    return frozenset(disk_slots(observed.config).values() if observed.kind == "vm" else ())


def address(kind: Kind, key: str) -> str:
    """Return the address of a guest in the bundle."""
    return f'{ADDRESSES[kind]}["{key}"]'


def versions(state: str | None) -> str:
    """Return a file that asks for the provider alone, with a state or without one."""
    backend = f'  backend "local" {{\n    path = {hcl(state)}\n  }}\n' if state else ""
    return f"terraform {{\n{_REQUIRED}{backend}}}\n"
