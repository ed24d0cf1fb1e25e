"""Pydantic's findings in the words of the spec: what is wrong, and what was probably meant."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from atlas.diagnostics import Diagnostic, error

# What people of the field write for a field that has another name here.
_MEANT = {
    "ram": "memory", "mem": "memory", "cores": "cpu", "vcpus": "cpu", "disk": "disks", "storage": "disks",
    "network": "networks", "nics": "networks", "nic": "networks", "ip": "address", "gw": "gateway", "tag": "vlan",
    "packages": "software", "apps": "software", "hostname": "name", "replicas": "count", "os": "image",
    "onboot": "start", "bios": "efi", "type": "kind", "test": "checks", "nameserver": "dns", "keys": "ssh_keys",
}  # fmt: skip
_EXAMPLES = {"cores": "cpu: {cores: 4}", "vcpus": "cpu: {cores: 4}", "disk": "disks: [{size: 10GiB}]"}


def explain(model: type[BaseModel], data: Any, faults: Iterable[Mapping[str, Any]]) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each faulty value; the several complaints about one value become one."""
    seen: set[str] = set()
    for fault in faults:
        steps, fields = _walk(model, data, fault["loc"])
        path = _path(steps)
        if fault["type"] == "too_short" and fault["input"]:
            continue  # only because its items are faulty
        missing = fault["type"] == "missing"
        if path in seen and not missing:
            continue
        seen.add(path)
        yield _diagnose(path, fields, fault)


def _diagnose(path: str, fields: Sequence[str], fault: Mapping[str, Any]) -> Diagnostic:
    name = path.rpartition(".")[2] or "it"
    kind, given = fault["type"], fault.get("input")
    if kind == "extra_forbidden":
        meant = _MEANT[name] if _MEANT.get(name) in fields else closest(name, fields)
        hint = f"did you mean `{_EXAMPLES.get(name, meant)}`?" if meant else f"known here: {', '.join(sorted(fields))}"
        return error(path, f"unknown field `{name}`", hint=hint)
    if kind == "missing":
        return error(path, f"`{name}` is missing", hint=f"add `{name}:`")
    message = str(fault["msg"]).removeprefix("Value error, ")
    if kind == "value_error":
        text, _, hint = message.partition("; ")
        return error(path, f"`{name}`: {text}", hint=hint)
    if kind == "literal_error":
        known = [str(v) for v in _literals(fault)]
        meant = closest(str(given), known)
        return error(path, f"`{name}` cannot be {_short(given)}", hint=_either(meant, known))
    if kind == "string_pattern_mismatch":
        return error(
            path,
            f"`{name}` cannot be {_short(given)}",
            hint=_form(path) or f"it has to match {fault['ctx']['pattern']}",
        )
    if kind in ("tuple_type", "list_type"):
        hint = f"begin each entry with a hyphen, or write `{name}: [{'{…}' if isinstance(given, dict) else given}]`"
        return error(path, f"`{name}` is a list", hint=hint)
    if kind in ("model_type", "dict_type"):
        what = "nothing is given" if given is None else f"{_short(given)} is a single value"
        return error(path, f"`{name}` has fields of its own, {what}", hint=_form(path))
    if kind == "too_short" and not given:
        return error(path, f"`{name}` is empty", hint="it has at least one entry")
    rule = _RULES[kind].format(**fault.get("ctx", {})) if kind in _RULES else message
    return error(path, f"`{name}` cannot be {_short(given)}", detail=rule, hint=_form(path))


_RULES = {
    "greater_than_equal": "it is at least {ge}",
    "greater_than": "it is more than {gt}",
    "less_than_equal": "it is at most {le}",
    "less_than": "it is less than {lt}",
    "int_parsing": "it is a whole number",
    "int_type": "it is a whole number",
    "int_from_float": "it is a whole number",
    "finite_number": "it is a whole number",
    "bool_parsing": "it is true or false",
    "bool_type": "it is true or false",
    "string_type": "it is text; put it into quotes",
    "string_too_long": "it has at most {max_length} characters",
    "too_long": "it has at most {max_length} entries",
}
"""What a value has to be, by the kind of the fault."""


def _form(path: str) -> str:
    """Return what a value of a field looks like, by its name or by that and the name around it."""
    *around, name = re.sub(r"\[\d+\]", "", path).split(".")
    return _FORMS.get(".".join([*around[-1:], name])) or _FORMS.get(name, "")


_WORD = "a letter, then letters, digits, and . _ -"
_FORMS = {
    "name": "letters a to z, digits and hyphens, 63 at most, as in a host name",
    "user.name": "a user's name on Linux: letters a to z, digits, _ and -",
    "bridge": f"{_WORD}, such as vmbr0",
    "storage": f"{_WORD}, such as local-lvm",
    "pool": _WORD,
    "node": "a node's name as Proxmox VE shows it, or `auto`",
    "cpu.type": "a CPU model of Proxmox VE, such as host or x86-64-v2-AES",
    "machine": "q35 or pc, or a version of one, such as pc-q35-9.2",
    "search": "a domain, such as example.com",
    "http.path": "it begins with / and has no blanks",
    "mounts.path": "a whole path without blanks, such as /srv/data",
    "service": "a unit of systemd without blanks, such as nginx",
    "command": "one line that is not empty",
    "mac": "write it like BC:24:11:00:00:01, with an even first byte",
    "tags": "lower-case letters, digits, and _ - + .",
    "ssh_keys": "paste the whole public key, such as `ssh-ed25519 AAAA… comment`",
    "software": "a name, or name@version, such as nginx or docker@27",
    "template": "a template's VMID or its name",
    "cpu": "write it like `cpu: {cores: 4}`",
    "count": "a whole number from 1 to 1000",
    "vlan": "a number from 1 to 4094",
}


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant."""
    return next(iter(difflib.get_close_matches(word.lower(), list(known), 1, 0.6)), None)


def _either(meant: str | None, known: Sequence[str]) -> str:
    return f"did you mean `{meant}`?" if meant else f"one of: {', '.join(known)}"


def _literals(fault: Mapping[str, Any]) -> list[str]:
    return [part.strip("' ") for part in str(fault["ctx"]["expected"]).replace(" or ", ",").split(",")]


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _walk(model: type[BaseModel], data: Any, loc: Sequence[int | str]) -> tuple[list[int | str], list[str]]:
    """Return the steps of `loc` that are in the file, and the fields of the model around the last of them."""
    steps: list[int | str] = []
    here: Any = data
    around: Any = model
    fields = list(model.model_fields)
    for number, step in enumerate(loc):
        inner = next(_models(around), None)
        named = list(inner.model_fields) if inner and isinstance(here, dict) else []
        if isinstance(step, str) and (not isinstance(here, dict) or (step not in here and step not in named)):
            continue  # the name of a variant of a union
        steps.append(step)
        if isinstance(step, str) and inner:
            fields = named
            around = inner.model_fields[step].annotation if step in named else None
        if number < len(loc) - 1:
            here = here[step] if not isinstance(here, dict) or step in here else None
    return steps, fields


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            if part is not typing.Any:
                yield from _models(part)


def _path(steps: Sequence[int | str]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
