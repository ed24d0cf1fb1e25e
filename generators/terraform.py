"""The Terraform half of a bundle: readable HCL for a stack's guests; pure.

Source: bpg/proxmox 0.111.1, `proxmox_virtual_environment_vm` and `proxmox_virtual_environment_container`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from atlas.compare import Subject, subjects
from atlas.generators import hcl
from atlas.generators.provider import container, exists, vm
from atlas.ports.cluster import Work
from atlas.state import Observed

if TYPE_CHECKING:
    from jinja2 import Environment

PROVIDER = "0.111.1"
"""The version of bpg/proxmox that the templates are written for."""

IMPORTS = "imports.tf"
"""Names the guests that are there, for a Terraform that has no state of them."""

ADDRESSES = {
    "vm": "proxmox_virtual_environment_vm.guests",
    "container": "proxmox_virtual_environment_container.guests",
}
"""Address of the resource that holds the guests of a kind."""


def generate(work: Work) -> dict[str, str]:
    """Return the Terraform files of a stack: `{path: text}`.

    Raises:
        GenerateError: Something cannot be said to the provider.
        SpecError: A guest has no lease.
    """
    everyone = [s for s in subjects(work) if s.instance is not None]
    vms = {s.key: vm(s, work) for s in everyone if s.lease.kind == "vm"}
    containers = {s.key: container(s, work) for s in everyone if s.lease.kind == "container"}
    texts = {
        "versions.tf": _render("versions.tf", stack=work.stack, provider=PROVIDER),
        "variables.tf": _render("variables.tf"),
        "guests.tf": _render("guests.tf", stack=work.stack, vms=vms, containers=containers),
        "outputs.tf": _render("outputs.tf"),
    }
    if vms:
        texts["vms.tf"] = _render("vms.tf")
    if containers:
        texts["containers.tf"] = _render("containers.tf")
    if moves := [_move(s) for s in everyone if s.renamed_from]:
        texts["moved.tf"] = _render("moved.tf", moves=moves)
    # One that becomes of the other kind goes; its resource is not in the bundle.
    there = [(s, o) for s in everyone if (o := s.observed) is not None and exists(s) and o.kind == s.lease.kind]
    if imports := [_import(s, o) for s, o in there]:
        texts[IMPORTS] = _render(IMPORTS, imports=imports)
    return texts


def _render(name: str, **values: Any) -> str:
    return _templates().get_template(f"{name}.j2").render(values)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("atlas.generators") / "templates" / "terraform"
    env = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  the text is HCL; its own filter quotes
    )
    env.filters["hcl"] = hcl.hcl
    return env


def _move(subject: Subject) -> dict[str, str]:
    return {"address": ADDRESSES[subject.lease.kind], "before": str(subject.renamed_from), "after": subject.key}


def _import(subject: Subject, observed: Observed) -> dict[str, str]:
    return {"address": ADDRESSES[observed.kind], "key": subject.key, "id": f"{observed.node}/{observed.vmid}"}
