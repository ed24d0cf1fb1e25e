"""Spec files: YAML or JSON text to a Stack, every fault with its file, line, column and a suggestion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from atlas.diagnostics import Diagnostic, Where, error
from atlas.errors import SpecError
from atlas.explain import explain
from atlas.spec import API_VERSION, Stack
from atlas.units import format_size
from atlas.yamlnodes import Document, NotYamlError, read_yaml

LARGEST = 4 * 1024 * 1024
"""Bytes of the largest spec file that is read; a thousand guests written out take about 0.3 MB."""

_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values of a spec stand, so that faults found later can point there too."""

    file: str
    marks: Mapping[str, tuple[int, int]]

    def locate(self, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
        """Return the diagnostics with file, line and column added, in the order of the file."""
        return sorted((self._place(d) for d in diagnostics), key=lambda d: (d.where.line or 0, d.where.column or 0))

    def _place(self, diagnostic: Diagnostic) -> Diagnostic:
        where = diagnostic.where
        line, column = (where.line, where.column) if where.line is not None else self.mark(where.path)
        return replace(diagnostic, where=Where(where.path, self.file, line, column))

    def mark(self, path: str) -> tuple[int | None, int | None]:
        """Return line and column of a path, or of the nearest part of the file that holds it."""
        while path:
            if path in self.marks:
                return self.marks[path]
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return self.marks.get("", (None, None))


@dataclass(frozen=True, slots=True)
class Draft:
    """What could be read of a spec file: the valid part, and the faults of the rest."""

    stack: Stack | None
    diagnostics: tuple[Diagnostic, ...]
    source: Source


def read_file(path: Path) -> Draft:
    """Read a spec file; nothing is raised for faults of its content.

    Raises:
        SpecError: It cannot be read at all.
    """
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise SpecError([_about(path, f"the spec file {what}", "name a YAML or JSON file")])
        size = path.stat().st_size
        if size > LARGEST:
            detail = f"it has {size / 1e6:.0f} MB; a spec has at most {LARGEST / 1e6:.0f} MB"
            raise SpecError([_about(path, "the spec file is too large", "use `count` for like guests", detail)])
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise SpecError([_about(path, "the spec file is not UTF-8 text", "save it as UTF-8")]) from problem
    except OSError as problem:
        raise SpecError([_about(path, f"the spec file cannot be read: {problem.strerror}", "")]) from problem
    return read_text(text, str(path))


def read_text(text: str, file: str) -> Draft:
    """Read the text of a spec, YAML or JSON."""
    try:
        document = read_yaml(text)
    except NotYamlError as problem:
        where = Where("", file, problem.line, problem.column)
        found = Diagnostic(problem.summary, problem.detail, problem.hint, where)
        return Draft(None, (found,), Source(file, {}))
    source = Source(file, document.marks)
    stack, found_all = _check(document)
    return Draft(stack, tuple(source.locate(found_all)), source)


def _check(document: Document) -> tuple[Stack | None, list[Diagnostic]]:
    """Validate; on faults also the rest without the faulty parts, so that faults between guests are found too."""
    data = document.data
    if not isinstance(data, dict):
        what = "is empty" if data is None else "does not hold fields by name"
        return None, [error("", f"the spec {what}", hint=f"begin with `apiVersion: {API_VERSION}` and `kind: Stack`")]
    found: list[Diagnostic] = list(document.faults)
    for field, value in (("apiVersion", API_VERSION), ("kind", "Stack")):
        if field not in data:
            found.append(error("", f"`{field}` is missing", hint=f"write `{field}: {value}`"))
    for _ in range(_ROUNDS):
        try:
            return Stack.model_validate(data), found
        except ValidationError as problem:
            faults = problem.errors(include_url=False)
            known = [d.where.path for d in found if d.where.path]
            # A part that fails only because its faulty piece was taken out is no fault of its own.
            new = [d for d in explain(Stack, data, faults) if not any(k.startswith(d.where.path) for k in known)]
            found.extend(new)
            _prune(data, [f["loc"] for f in faults if f["type"] != "too_short" or not f["input"]])
    return None, found


def _prune(data: Any, locs: Sequence[tuple[int | str, ...]]) -> None:
    """Remove the faulty values; steps that name a variant of a type are passed over."""
    faulty: set[tuple[int | str, ...]] = set()
    for loc in locs:
        here, steps = data, []
        for step in loc:
            inside = isinstance(here, dict) and step in here
            if inside or (isinstance(here, list) and isinstance(step, int) and step < len(here)):
                steps.append(step)
                here = here[step]
        if loc[-1] == "name" and isinstance(here, dict):
            here["name"] = "unnamed"  # keeps the place of the guests behind it
        elif steps:
            faulty.add(tuple(steps))
    for place in sorted(faulty, key=lambda s: [str(x).zfill(6) for x in s], reverse=True):
        holder = data
        for step in place[:-1]:
            holder = holder[step]
        del holder[place[-1]]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of spec files, for `atlas schema` and editors."""
    made = Stack.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "ATLAS stack"
    for part in (made, *made["$defs"].values()):
        for field in part.get("properties", {}).values():
            if field.get("type") == "string" and isinstance(field.get("default"), int):
                field["default"] = format_size(field["default"])
    made["required"] = sorted({*made.get("required", ()), "apiVersion", "kind"})
    return made


def dump(stack: BaseModel) -> str:
    """Return a stack as YAML text that reads back to the same stack."""
    import io

    from ruamel.yaml import YAML

    out = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.dump({"apiVersion": API_VERSION, "kind": "Stack", **stack.model_dump(mode="json", exclude_unset=True)}, out)
    return out.getvalue()


def _about(path: Path, summary: str, hint: str, detail: str = "") -> Diagnostic:
    return Diagnostic(summary, detail, hint, Where("", str(path)))
