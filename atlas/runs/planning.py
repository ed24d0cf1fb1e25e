"""Plan: leases, bundle on disk, changes by the stack's engine, and the one hash that an approval binds to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import atlas
from atlas.compare import drift
from atlas.configs.catalogue import role_hash
from atlas.errors import ApprovalRefused, Held, NotFound
from atlas.events import Emitter, EventType
from atlas.generators.ansible import generate as playbook
from atlas.generators.terraform import generate as terraform_files
from atlas.generators.writer import write_bundle
from atlas.instances import Instance
from atlas.plan import Action, AttributeChange, Change, Plan, Value, bundle_hashes, by_key, digest
from atlas.ports.cluster import Engine, Work
from atlas.runs.prepare import prepare, prepare_destroy
from atlas.runs.site import Site
from atlas.settings import EngineChoice
from atlas.spec import Stack
from atlas.versions import installs

CONFIGURED = "configured"
"""Applied attribute: the hash of what Ansible last did to a guest; beside it stands `software`."""


def plan(site: Site, stack: Stack, emit: Emitter, engine: EngineChoice = "auto") -> Plan:
    """Make a plan and store it.

    Raises:
        SpecError: The spec has faults.
        Held: Another process works on the stack.
        AtlasError: The cluster or the engine could not be asked.
    """
    with held(site, stack.metadata.name):
        chosen = choose_engine(site, stack.metadata.name, engine, emit)
        work = prepare(site, stack, emit)
        return _plan(site, work, chosen, emit, stack.model_dump(mode="json", exclude_unset=True))


def generate(site: Site, stack: Stack, emit: Emitter, engine: EngineChoice = "auto") -> tuple[Path, Mapping[str, str]]:
    """Write a spec's bundle and return its folder and files; nothing is planned."""
    with held(site, stack.metadata.name):
        work = prepare(site, stack, emit)
        chosen = choose_engine(site, stack.metadata.name, engine, emit)
        return _bundle(site, work, chosen, emit)


def plan_destroy(site: Site, name: str, emit: Emitter, engine: EngineChoice = "auto") -> Plan:
    """Make a plan that removes a stack, and store it.

    Raises:
        NotFound: There is no such stack on this cluster.
        Held: Another process works on the stack.
    """
    if not site.store.leases(site.profile.name, name):
        known = sorted(str(s["stack"]) for s in site.store.stacks(site.profile.name))
        raise NotFound(
            f"there is no stack {name!r} on cluster {site.profile.name!r}", f"stacks: {', '.join(known) or 'none'}"
        )
    with held(site, name):
        chosen = choose_engine(site, name, engine, emit)
        stacks = site.store.stacks(site.profile.name)
        spec: Mapping[str, Any] = next((s["spec"] for s in stacks if s["stack"] == name), {})
        made = _plan(site, prepare_destroy(site, name), chosen, emit, spec)
        if not made.changes:  # it was only ever planned: nobody has to approve that its leases are let go
            site.store.release(site.profile.name, name)
        return made


def held(site: Site, stack: str) -> AbstractContextManager[None]:
    """Hold the stack while its bundle is written: a run of it may be reading the one that was approved."""
    return site.store.hold("stack", f"{site.profile.name}-{stack}")


def choose_engine(site: Site, stack: str, said: EngineChoice, emit: Emitter) -> Engine:
    """Return the stack's engine: the one it has, else what was said, else the profile's, else automatic."""
    bound = site.store.stack_engine(site.profile.name, stack)
    wish = said if said != "auto" else site.profile.engine
    if bound is not None and wish in ("auto", bound):
        engine, _ = site.engine("terraform" if bound == "terraform" else "api")
        reason = "the engine that first applied this stack"
    else:
        engine, reason = site.engine(wish)
    if bound is not None and engine.name != bound:
        reason += f"; switching this stack from {bound}"
    emit(EventType.ENGINE_CHOSEN, engine=engine.name, reason=reason)
    return engine


def _plan(site: Site, work: Work, engine: Engine, emit: Emitter, spec: Mapping[str, Any]) -> Plan:
    if not work.destroy:
        report_drift(work, emit)
    _, files = _bundle(site, work, engine, emit)
    changes = engine.plan(work, emit)
    made = Plan(
        stack=work.stack,
        cluster=site.profile.name,
        identity=work.state.identity,
        engine=engine.name,
        changes=changes if work.destroy else _with_configuring(changes, work, reached=site.reach.how != "none"),
        leases=tuple(sorted(work.leases.values(), key=lambda x: (x.group, x.index))),
        bundle=bundle_hashes(files),
        versions=versions(site, engine),
        destroy=work.destroy,
        spec=spec,
    )
    if made.engine != (site.store.stack_engine(made.cluster, made.stack) or made.engine):
        _refuse_switch(made)
    site.store.save_plan(made)
    emit(EventType.PLAN_READY, **summary(made))
    return made


def report_drift(work: Work, emit: Emitter) -> None:
    """Report what others changed on the stack's guests since ATLAS last set it; what they added is left alone."""
    for found in drift(work):
        emit(EventType.DRIFT, found.key, path=found.path, expected=found.expected, observed=found.observed)


def _bundle(site: Site, work: Work, engine: Engine, emit: Emitter) -> tuple[Path, Mapping[str, str]]:
    if run := engine.still(work.folder):  # its bundle is the approved one, which `resume` looks for
        raise Held(
            f"the {engine.name} engine still carries out {run} of {work.stack}", "`atlas resume` goes on with it"
        )
    # The api engine's stacks get their HCL too, so that anyone can go on with Terraform alone.
    files = terraform_files(work)
    if not work.destroy:
        files |= playbook(work, site.profile.ssh, site.identity)
    folder = work.folder / "bundle"
    write_bundle(folder, files)
    emit(EventType.BUNDLE_WRITTEN, folder=str(folder), files=len(files))
    return folder, files


def summary(plan: Plan) -> dict[str, Any]:
    """Return what the `plan.ready` event says."""
    counts = {a.value: plan.count(a) for a in Action}
    data = plan.as_data()
    return {"stack": plan.stack, "engine": plan.engine, "hash": plan.hash, **counts, "changes": data["changes"]}


def versions(site: Site, engine: Engine) -> dict[str, str]:
    """Return the versions that an approval binds to."""
    return {"atlas": atlas.__version__, **engine.versions(), **site.configurator.versions()}


def configured(instance: Instance) -> str:
    """Return a hash of all that Ansible does to a guest: what is installed from where, and the roles' own files."""
    found, _ = installs(instance)
    roles = {role: role_hash(role) for role in ("base", *(i.role for i in found))}
    # Whether it was proved is no part of what is done.
    return digest([[asdict(replace(i, proved=False)) for i in found], roles])[:16]


def _with_configuring(changes: tuple[Change, ...], work: Work, *, reached: bool) -> tuple[Change, ...]:
    """Add what Ansible will do to the engine's changes: new software is a change though no guest is touched."""
    known = by_key(changes)
    for instance in work.instances:
        key = instance.key
        before, lease = work.applied.get(key, {}), work.leases[key]
        if not reached or not instance.guest.networks or before.get(CONFIGURED) == configured(instance):
            continue
        was, will = before.get("software"), tuple(instance.guest.software)
        path = "software" if was != will else "configuration"
        shown = (was, will) if was != will else ("earlier roles", "current roles")
        attribute = AttributeChange(path, *shown)
        change = known.get(key) or Change(Action.UPDATE, key, lease.vmid, lease.kind, lease.node)
        notes = change.notes if change.action in (Action.CREATE, Action.REPLACE) else (*change.notes, *_kept(was, will))
        known[key] = replace(change, attributes=(*change.attributes, attribute), notes=notes)
    return tuple(known[key] for key in sorted(known))


def _kept(was: Value, will: Sequence[str]) -> tuple[str, ...]:
    """Return a note on software that the spec names no more: no role takes anything away."""
    names = {str(reference).partition("@")[0] for reference in (was if isinstance(was, tuple) else ())}
    gone = sorted(names - {reference.partition("@")[0] for reference in will})
    return (f"stays installed, to be removed by hand: {', '.join(gone)}",) if gone else ()


def _refuse_switch(plan: Plan) -> None:
    """A switch of engines must find everything as it is."""
    heavy = [c.key for c in plan.changes if c.action is not Action.UPDATE]
    if heavy:
        text = f"switching the stack {plan.stack} to the {plan.engine} engine would create, replace or delete: "
        raise ApprovalRefused(text + ", ".join(heavy), "apply the spec as it is with its own engine first")
