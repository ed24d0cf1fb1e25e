"""A probe: a clone of a template that boots, tells whether its agent and cloud-init work, and is deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import Any

from atlas.configs.catalogue import find_image
from atlas.errors import ApiRefused, AtlasError
from atlas.events import Emitter, EventType
from atlas.plan import Plan
from atlas.ports.guests import CheckResult
from atlas.ports.templates import TemplateRecord, Templates
from atlas.runs.applying import apply
from atlas.runs.planning import plan as make_plan
from atlas.runs.planning import plan_destroy
from atlas.runs.prepare import layered, work_of
from atlas.runs.site import Site
from atlas.runs.targets import known_hosts, target
from atlas.runs.verifying import finish
from atlas.sources import template_disk
from atlas.spec import Stack
from atlas.templates import probe_name
from atlas.units import format_size

USER = "probe"
BOOT_SECONDS = 600.0
"""Seconds until a probe must have answered: an emulated guest on a busy machine needs minutes."""
AGENT_SECONDS = 60.0
"""Seconds that the agent may take where ssh was waited for already."""


def probe(site: Site, templates: Templates, record: TemplateRecord, emit: Emitter, by: str) -> dict[str, Any]:
    """Make a probe of a template, look into it, and delete it whatever came of it.

    Args:
        site: The adapters.
        templates: Asks the agent.
        record: The template.
        emit: Takes the events.
        by: Who approved the template and its probe.

    Returns:
        `{agent, cloud_init, evidence, ts}`.

    Raises:
        AtlasError: The probe could not be made or deleted.
    """
    bare, name = _unreached(site), probe_name(record.image)
    _remove(bare, name, emit, by)  # what a killed call left
    try:
        plan = make_plan(bare, _stack(site, record, name), emit, "api")
        _carry_out(bare, plan, emit, by)
        found = list(_looks(site, templates, plan, emit))
    finally:
        _remove(bare, name, emit, by)
    by_check = {result.check: result.ok for result in found}
    return {
        "agent": by_check["agent"],
        "cloud_init": by_check["agent"] or by_check.get("ssh", False),
        "evidence": [result.evidence for result in found],
        "ts": time.time(),
    }


def _unreached(site: Site) -> Site:
    """Return the site without a way to its guests: the base role would install the agent that is to be proved."""
    reach = copy(site.reach)
    reach.how = "none"
    return replace(site, reach=reach)


def _stack(site: Site, record: TemplateRecord, name: str) -> Stack:
    """Return the probe as a stack of one guest, on the network and the storage that guests have."""
    defaults = layered(site.profile)
    template = site.cluster.look([record.vmid]).guests[record.vmid]
    image = find_image(record.image)
    size = max(template_disk(template), image.disk if image else 0)
    first = defaults.networks[0]
    pooled = any((p.bridge, p.vlan) == (first.bridge, first.vlan) for p in site.profile.pools)
    network = {"bridge": first.bridge, "address": "auto" if pooled else "dhcp"}
    guest = {
        "name": name,
        "template": record.vmid,
        "cpu": {"cores": 2},
        "memory": "1GiB",
        "disks": [{"size": format_size(size), "storage": record.storage}],
        "networks": [network | ({"vlan": first.vlan} if first.vlan else {})],
        "user": {"name": USER},
        "start": {"on_boot": False},
    }
    return Stack.model_validate({"metadata": {"name": name}, "guests": [guest]})


def _carry_out(site: Site, plan: Plan, emit: Emitter, by: str) -> None:
    """Carry out a plan that is a part of what was approved: template, probe and its end are shown together."""
    site.store.approve(plan.hash, by, granted=True)
    emit(EventType.APPROVAL, hash=plan.hash, by=by, granted=True)
    run = apply(site, plan.hash, emit)
    if not plan.destroy:
        finish(site, run.id, emit)


def _looks(site: Site, templates: Templates, plan: Plan, emit: Emitter) -> Iterator[CheckResult]:
    """Yield what the probe answers by ssh, where there is a way to it, and by its agent."""
    work = work_of(site, plan)
    (instance,) = work.instances
    lease, patience = work.leases[instance.key], BOOT_SECONDS
    if site.reach.how != "none":
        try:
            found = target(site, work, instance, BOOT_SECONDS)
            site.reach.forget(found, known_hosts(work))
            site.reach.wait(found, known_hosts(work), BOOT_SECONDS)
            # cloud-init has made the user and its key, or nobody would be let in.
            result = CheckResult("ssh", ok=True, evidence=f"ssh lets {USER} in at {found.address}")
        except AtlasError as problem:
            result = CheckResult("ssh", ok=False, evidence=problem.message)
        yield _told(result, instance.key, emit)
        patience = AGENT_SECONDS
    yield _told(_agent(templates, lease.vmid, instance.key, patience), instance.key, emit)


def _agent(templates: Templates, vmid: int, name: str, patience: float) -> CheckResult:
    """Ask the agent what the guest calls itself, until that is the name that cloud-init was to give it."""
    end, said = time.monotonic() + patience, None
    while True:
        try:
            said = templates.host_name(vmid) or said
        except ApiRefused as refused:
            return CheckResult("agent", ok=False, evidence=f"the agent cannot be asked: {refused.reason}")
        if said is not None and said.partition(".")[0] == name:
            return CheckResult("agent", ok=True, evidence=f"the agent answers, and cloud-init named the guest {said}")
        if time.monotonic() > end:
            break
        time.sleep(1.0)  # asked again until the deadline
    if said is None:
        return CheckResult("agent", ok=False, evidence=f"no agent answered for {patience:.0f} s")
    return CheckResult("agent", ok=False, evidence=f"the guest calls itself {said}: cloud-init did not name it")


def _told(result: CheckResult, key: str, emit: Emitter) -> CheckResult:
    emit(EventType.CHECK_DONE, key, check=result.check, ok=result.ok, evidence=result.evidence)
    return result


def _remove(site: Site, name: str, emit: Emitter, by: str) -> None:
    """Delete a probe, also one that a killed call left half made; never anything but a guest of ours.

    Raises:
        AtlasError: It could not be deleted.
    """
    cluster = site.profile.name
    if not site.store.leases(cluster, name):
        return
    for run in site.store.runs(name):
        if run.cluster == cluster and run.result is None:
            with suppress(AtlasError):  # its tasks have to end first; what they left is judged then
                apply(site, run.plan, emit)
            site.store.update_run(run.id, result="failed", reason="given up: the probe is deleted")
    plan = plan_destroy(site, name, emit, "api")
    if plan.changes:
        _carry_out(site, plan, emit, by)
    site.store.take_leases(cluster, name, lambda _: [])
