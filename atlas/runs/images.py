"""Make a template from a cloud image, and prove it by a probe; after kill -9 both go on when asked for again."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from atlas import proofs
from atlas.configs import catalogue
from atlas.errors import AtlasError, EngineError, PartlyDone, UsageError
from atlas.events import Emitter, EventType
from atlas.ownership import removal
from atlas.ports.templates import TemplateRecord, Templates
from atlas.runs.prepare import layered
from atlas.runs.probing import probe
from atlas.runs.site import Site
from atlas.sources import find_image as find_template
from atlas.state import Observed
from atlas.templates import Order, Source, place, standing

_MARKER = "atlas-marker:"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """What is there of an image's template of ours.

    Args:
        record: What is stored of it.
        observed: The VM, None where there is none of ours.
    """

    record: TemplateRecord
    observed: Observed | None

    @property
    def made(self) -> bool:
        """Whether it is a template."""
        return self.observed is not None and self.observed.template

    @property
    def proof(self) -> dict[str, Any] | None:
        """What a probe proved of this very template."""
        return dict(self.record.proof) if self.made and self.record.proof else None


def stands(site: Site, image: str) -> Standing | None:
    """Return what is there of an image's template of ours; only looks."""
    record = next((r for r in site.store.templates(site.profile.name) if r.image == image), None)
    if record is None:
        return None
    observed = site.cluster.look([record.vmid]).guests.get(record.vmid)
    return Standing(record, observed if observed and _ours(site, record, observed) else None)


def _ours(site: Site, record: TemplateRecord, observed: Observed) -> bool:
    """Tell by stamp and marker, and by the identity once it is recorded; copies carry the first two as well."""
    if record.uuid is not None and observed.uuid != record.uuid:
        return False
    stamped = standing(observed, site.store.installation(), record.image)
    return stamped and f"{_MARKER}{record.marker}" in observed.description


def overview(site: Site) -> list[tuple[str, Observed | None, Mapping[str, Any] | None]]:
    """List the catalogue's images, and others of ours, each with its template on the cluster and what was proved."""
    state, records, known = site.cluster.look(), site.store.templates(site.profile.name), catalogue.images()
    found = [(image.name, find_template(state, image, site.profile.images)) for image in known.values()]
    ours = [(r.image, state.guests.get(r.vmid)) for r in records if r.image not in known]
    found += [(image, template) for image, template in ours if template is not None and template.template]
    return [(image, template, proofs.known(records, template) if template else None) for image, template in found]


def new_order(site: Site, image: str, source: Source, node: str | None, storage: str | None, vmid: int | None) -> Order:
    """Choose what the person left open of a template that is to be made; only looks.

    Args:
        site: The adapters.
        image: The image's name.
        source: Where the cloud image comes from.
        node: The node that makes it.
        storage: Where its disk goes.
        vmid: Its VMID.

    Raises:
        UsageError: Another template stands for the image already, or there is no room for one.
    """
    state, known = site.cluster.look(), catalogue.find_image(image)
    other = find_template(state, known, site.profile.images) if known else None
    other = other or next((t for t in state.templates() if t.name == image), None)
    if other is not None:
        raise UsageError(
            f"the template {other.name} ({other.vmid}) on {other.node} stands for {image} already, and ATLAS did not "
            "make it",
            "specs can use it as it is; to have one of ATLAS's, give another name, or rename that one",
        )
    leased = {x.vmid for x in site.store.leases(site.profile.name)}
    free = site.cluster.vmid_free
    number, where, disks, library = place(
        state, site.profile, node=node, storage=storage, vmid=vmid, leased=leased, free=free
    )
    network = layered(site.profile).networks[0]
    return Order(image, source, number, where, disks, library, network.bridge, network.vlan)


def make(site: Site, templates: Templates, image: str, order: Order | None, emit: Emitter, by: str) -> Standing:
    """Make an approved template, or finish what an earlier call began.

    Args:
        site: The adapters.
        templates: What makes templates.
        image: The image's name.
        order: What was approved; None where an earlier call made the VM already.
        emit: Takes the events.
        by: Who approved it.

    Raises:
        PartlyDone: What a killed task left can only be cleared by an administrator.
        AtlasError: It failed; nothing half made is left, or the next call takes it up.
    """
    with site.store.hold("image", f"{site.profile.name}-{image}"):
        before = left(site, templates, image, emit)
        if before is None or before.observed is None:
            before = _create(site, templates, order, emit, by) if order else before
        if before is None or before.observed is None:
            raise EngineError(f"the VM that becomes the template {image} is not there", f"`atlas images add {image}`")
        record, observed = before.record, before.observed
        if record.uuid is None:
            record = replace(record, uuid=observed.uuid)
            site.store.save_template(record)
        if not observed.template:
            templates.convert(observed.node, record.vmid, emit)
        why = templates.discard(record.node, f"{record.library}:import/{record.file}", emit)
        if why is not None:
            emit(EventType.NOTE, text=f"the image stays on {record.library} as {record.file}: {why}")
        found = stands(site, image)
        if found is None or not found.made:
            raise EngineError(f"the template {image} ({record.vmid}) is not there", f"`atlas images add {image}` again")
        return found


def left(site: Site, templates: Templates, image: str, emit: Emitter) -> Standing | None:
    """Return what an earlier call left, once its tasks have ended; changes nothing.

    Raises:
        PartlyDone: A VM that it was making is locked, and no task holds the lock.
    """
    before = stands(site, image)
    if before is None or before.made:
        return before
    known = templates.settle(before.record, emit)
    found = stands(site, image)
    if found is None or found.observed is not None:
        return found
    record = found.record
    there = site.cluster.look([record.vmid]).guests.get(record.vmid)
    # Until its disk is imported a VM has nothing but a lock: ours only if a task of ours was making it.
    if known and there is not None and there.lock == "create" and not there.description:
        raise PartlyDone(
            f"VM {record.vmid} on {there.node} was left half made: it is locked, and no task of ours holds the lock",
            f"no API token can clear a lock: run `{removal('vm', record.vmid)}` on "
            f"{there.node} as root, then `atlas images add {image}` again",
        )
    return found


def _create(site: Site, templates: Templates, order: Order, emit: Emitter, by: str) -> Standing:
    templates.fetch(order, emit)
    first = order.vmid
    for vmid in (first, *_others(site, first)):
        order = replace(order, vmid=vmid)
        record = TemplateRecord(
            cluster=site.profile.name,
            image=order.image,
            vmid=vmid,
            node=order.node,
            storage=order.storage,
            library=order.library,
            marker=uuid.uuid4().hex[:16],
            source=order.source.words,
            file=order.file,
            checksum=f"{order.source.algorithm}:{order.source.checksum}",
            by=by,
            ts=time.time(),
        )
        site.store.save_template(record)
        notes = f"{order.stamp(site.store.installation())}\n{_MARKER}{record.marker}\nfrom {order.source.words}"
        if templates.create(order, notes, emit):
            found = stands(site, order.image)
            if found is None:
                raise EngineError(f"what was stored of the template {order.image} is gone", "`atlas images add` again")
            return found
        emit(EventType.NOTE, text=f"VMID {vmid} was taken meanwhile; another one is used")
    site.store.forget_template(site.profile.name, order.image)
    raise EngineError(f"somebody else takes every VMID that is tried, {first} first", "name a free one with --vmid")


def _others(site: Site, taken: int) -> list[int]:
    """Return further VMIDs to try, from the end of the range that is ATLAS's."""
    first, last = site.profile.vmids
    used = {x.vmid for x in site.store.leases(site.profile.name)} | set(site.cluster.look().guests) | {taken}
    free = (v for v in range(last, first - 1, -1) if v not in used and site.cluster.vmid_free(v))
    return [vmid for vmid, _ in zip(free, range(_TRIES), strict=False)]


def prove(site: Site, templates: Templates, found: Standing, emit: Emitter, by: str) -> dict[str, Any]:
    """Prove a template by a probe clone, which is deleted whatever comes of it, and remember what was proved.

    Raises:
        AtlasError: The probe could not be made, or nothing in it answered.
    """
    record = found.record
    with site.store.hold("image", f"{site.profile.name}-{record.image}"):
        proof = probe(site, templates, record, emit, by)
        site.store.save_template(replace(record, proof=proof))
    if not proof["cloud_init"]:
        raise AtlasError(
            f"the template {record.image} ({record.vmid}) is made, but its probe did not answer: "
            f"{'; '.join(proof['evidence'])}",
            "does the image have cloud-init, and the guest agent or a way to it (`reach` in the profile)? "
            f"`atlas images add {record.image}` probes it again",
        )
    return proof
