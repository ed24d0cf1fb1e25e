"""From a spec to the work on it: what guests are made from, where they go, and what is leased for them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from atlas.configs.catalogue import defaults, find_image, images
from atlas.diagnostics import Diagnostic, error, has_errors
from atlas.errors import SpecError
from atlas.events import Emitter, EventType
from atlas.instances import Instance, instances, key_of
from atlas.leasing import Terms, choose
from atlas.ownership import stolen
from atlas.placement import place
from atlas.plan import Plan
from atlas.ports.cluster import Work
from atlas.proofs import words
from atlas.runs.origins import origins_of, proofs_of, unproved
from atlas.runs.site import Site
from atlas.settings import Profile
from atlas.spec import GuestDefaults, Model, Stack
from atlas.state import Lease, State
from atlas.validate import validate


def layered(profile: Profile | None) -> GuestDefaults:
    """Return the defaults below a stack's own: those that ship with ATLAS under those of the cluster's profile."""
    base = defaults()
    if profile is None:
        return base
    said = {field: getattr(profile.defaults, field) for field in profile.defaults.model_fields_set}
    for field, value in said.items():
        before = getattr(base, field)
        if isinstance(value, Model) and isinstance(before, type(value)):
            said[field] = before.model_copy(update={f: getattr(value, f) for f in value.model_fields_set})
    return base.model_copy(update=said)


def check(stack: Stack, base: GuestDefaults) -> list[Diagnostic]:
    """Return what is wrong with a spec as far as it can be told without a cluster."""
    found = validate(stack, base)
    seen: set[str] = set()
    for instance in instances(stack, base):
        if instance.path in seen:
            continue
        seen.add(instance.path)
        image = instance.guest.image
        if image is not None and instance.guest.template is None and find_image(image) is None:
            hint = f"known: {', '.join(images())}; or name a `template`"
            found.append(error(f"{instance.path}.image", f"there is no image {image!r} in the catalogue", hint=hint))
    return found


def prepare(site: Site, stack: Stack, emit: Emitter, *, free: bool = True) -> Work:
    """Look at the cluster, place the guests and take their leases.

    Args:
        site: The adapters.
        stack: The spec.
        emit: Takes warnings and leases.
        free: Whether VMIDs are checked with the cluster, guests of others that the token does not see included.

    Raises:
        SpecError: The spec has faults, by itself or on this cluster; all of them are in it.
    """
    found = check(stack, layered(site.profile))
    wanted = wanted_of(site, stack)
    name = stack.metadata.name
    before = site.store.leases(site.profile.name, name)
    state = site.cluster.look([x.vmid for x in before], neighbours=_needs_addresses(wanted, before))
    origins, faults = origins_of(wanted, state, site.profile.images)
    found += faults
    proved = proofs_of(site, state, origins.values())
    found += unproved(wanted, origins, proved)
    old = {(x.group, x.index): x for x in before}
    # A spec may go on saying `renamed_from` long after; only a guest that still has its former name is renamed.
    renames = {key: place_ for key, place_ in _renames(stack, wanted).items() if place_ in old}
    made = {x.key: x for place_, x in old.items() if x.made and place_ not in renames.values()}
    # A guest that was made stays on its node; HA or a person may have moved it since.
    placed = {
        i.key: state.guests[x.vmid].node if x.vmid in state.guests else x.node
        for i in wanted
        if (x := old.get(renames.get(i.key, (i.group, i.index))) or made.get(i.key)) is not None and x.made
    }
    nodes, faults = place(wanted, state, placed=placed, near={k: o.node for k, o in origins.items()})
    found += faults
    for diagnostic in found:
        if diagnostic.severity == "warning":
            emit(EventType.DIAGNOSTIC, **diagnostic.as_data())
    if has_errors(found):
        raise SpecError(found)
    for vmid, proof in proved.items():
        emit(EventType.NOTE, text=f"template {state.guests[vmid].name} ({vmid}): {words(proof)}")
    unused = site.cluster.vmid_free if free else lambda _: True
    terms = Terms(
        stack=name,
        vmids=site.profile.vmids,
        pools=site.profile.pools,
        nodes=nodes,
        origins=origins,
        free=unused,
        renames=renames,
        chance=random.SystemRandom(),
        stolen=stolen(before, state, site.store.installation(), unused, _begun(site, name)),
    )
    for vmid in sorted(terms.stolen):
        text = f"VMID {vmid} was reserved, and somebody took it before a guest of {name} was made: another one is used"
        emit(EventType.NOTE, text=text)
    chosen: list[Lease] = []

    def decide(existing: Sequence[Lease]) -> Sequence[Lease]:
        chosen[:] = choose(wanted, existing, state, terms)
        # A renamed guest keeps its lease under the old name until the plan is carried out.
        return [x for x in chosen if x.key not in renames]

    stored = site.store.take_leases(site.profile.name, name, decide)
    gone = set(renames.values())
    leases = {x.key: x for x in stored if (x.group, x.index) not in gone} | {x.key: x for x in chosen}
    for lease in chosen:
        emit(EventType.LEASE_TAKEN, lease.key, vmid=lease.vmid, node=lease.node, addresses=list(lease.addresses))
    applied = dict(site.store.applied(site.profile.name, name))
    former = {key: key_of(*place_) for key, place_ in renames.items()}
    applied = {next((new for new, was in former.items() if was == key), key): value for key, value in applied.items()}
    return Work(
        stack=name,
        installation=site.store.installation(),
        ssh_key=site.ssh_key,
        instances=wanted,
        leases=leases,
        applied=applied,
        state=state,
        folder=site.folder(name),
        renames=former,
    )


def _begun(site: Site, stack: str) -> set[int]:
    """Return the VMIDs under which a run may have made a guest, whatever became of it."""
    runs = [run for run in site.store.runs(stack) if run.cluster == site.profile.name]
    entries = (entry for run in runs for entry in site.store.journal(run).entries())
    return {
        int(entry.intent["vmid"])
        for entry in entries
        if entry.step == "create" and "vmid" in entry.intent and "refused" not in (entry.outcome or {})
    }


def _needs_addresses(wanted: Sequence[Instance], leases: Sequence[Lease]) -> bool:
    """Tell whether a guest wants an address that it does not have yet: then it matters which ones others have."""
    has = {address for x in leases if x.made for address in x.addresses}
    made = {x.key for x in leases if x.made}
    asked = {(i.key, n.address) for i in wanted for n in i.guest.networks if n.address not in {*has, "dhcp"}}
    return any(address != "auto" or key not in made for key, address in asked)


def wanted_of(site: Site, stack: Stack) -> tuple[Instance, ...]:
    """Return the stack's guests with the profile's defaults; resolvers come from the address pool unless said."""
    dns = {(p.bridge, p.vlan): p.dns for p in site.profile.pools if p.dns}
    wanted = instances(stack, layered(site.profile))
    return tuple(
        _resolving(i, dns.get((n[0].bridge, n[0].vlan), ()) if (n := i.guest.networks) else ()) for i in wanted
    )


def _resolving(instance: Instance, servers: Sequence[str]) -> Instance:
    guest = instance.guest
    if guest.dns.servers or not servers or guest.networks[0].address == "dhcp":
        return instance
    dns = guest.dns.model_copy(update={"servers": tuple(servers)})
    return replace(instance, guest=guest.model_copy(update={"dns": dns}))


def work_of(site: Site, plan: Plan) -> Work:
    """Return the work of a plan that was made before, with the cluster as it is now."""
    if plan.destroy:
        return prepare_destroy(site, plan.stack)
    stack = Stack.model_validate(plan.spec)
    wanted = wanted_of(site, stack)
    leases = {x.key: x for x in plan.leases}
    stored = {x.vmid: x for x in site.store.leases(site.profile.name, plan.stack)}
    # What was made since the plan is in the store; what the plan says of places and addresses stands.
    leases = {k: replace(x, made=y.made, uuid=y.uuid) if (y := stored.get(x.vmid)) else x for k, x in leases.items()}
    former = {c.key: c.renamed_from for c in plan.changes if c.renamed_from is not None}
    return Work(
        stack=plan.stack,
        installation=site.store.installation(),
        ssh_key=site.ssh_key,
        instances=wanted,
        leases=leases,
        applied=site.store.applied(site.profile.name, plan.stack),
        state=site.cluster.look((x.vmid for x in plan.leases), offers=False),
        folder=site.folder(plan.stack),
        renames=former,
    )


def prepare_destroy(site: Site, name: str) -> Work:
    """Return the work of removing a whole stack."""
    leases = site.store.leases(site.profile.name, name)
    state = site.cluster.look((x.vmid for x in leases), offers=False)
    return Work(
        stack=name,
        installation=site.store.installation(),
        ssh_key=site.ssh_key,
        instances=(),
        leases={x.key: replace(x, node=_node(state, x)) for x in leases},
        applied=site.store.applied(site.profile.name, name),
        state=state,
        folder=site.folder(name),
        destroy=True,
    )


def _node(state: State, lease: Lease) -> str:
    found = state.guests.get(lease.vmid)
    return found.node if found is not None else lease.node


def _renames(stack: Stack, wanted: Sequence[Instance]) -> dict[str, tuple[str, int]]:
    former = {g.name: g.renamed_from for g in stack.guests if g.renamed_from is not None}
    return {i.key: (str(former[i.group]), i.index) for i in wanted if i.group in former}
