"""YAML (and with it JSON) to plain data with the line and column of every value; hostile input is refused early."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from atlas.diagnostics import Diagnostic, error

DEEPEST = 32
"""Levels of nesting; a spec needs six."""
MOST = 200_000
"""Values once every alias is written out; a thousand guests have about 30,000."""


class NotYamlError(Exception):
    """The text is not YAML, or is built to do harm; line and column count from 1."""

    def __init__(self, summary: str, detail: str = "", hint: str = "", at: Any = None) -> None:
        super().__init__(summary)
        self.summary, self.detail, self.hint = summary, detail, hint
        self.line = at.line + 1 if at is not None else None
        self.column = at.column + 1 if at is not None else None


@dataclass(slots=True)
class Document:
    """Plain data, the place of each value by its path, and faults such as keys that stand twice."""

    data: Any = None
    marks: dict[str, tuple[int, int]] = field(default_factory=dict)
    faults: list[Diagnostic] = field(default_factory=list)
    count: int = 0


def read_yaml(text: str) -> Document:
    """Return the one document in `text`.

    Raises:
        NotYamlError: Not YAML; several documents; nested, aliased or tagged beyond what a spec needs.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=False)  # libyaml's parser: a thousand guests in a fraction of a second
    document = Document()
    try:
        _refuse_depth(yaml.parse(text))
        nodes = list(YAML(typ="safe", pure=False).compose_all(text))
    except MarkedYAMLError as problem:
        detail = " ".join(str(part) for part in (problem.context, problem.problem) if part)
        hint = "look at the indentation, the quotes and the colons around this place"
        raise NotYamlError("this is not YAML", detail, hint, problem.problem_mark) from problem
    except (YAMLError, RecursionError, ValueError) as problem:
        raise NotYamlError("this is not YAML", str(problem)) from problem
    if len(nodes) > 1:
        raise NotYamlError("the file holds several documents", hint="one spec a file", at=nodes[1].start_mark)
    if nodes and nodes[0] is not None:
        document.data = _plain(nodes[0], "", document, 0)
    return document


def _refuse_depth(events: Any) -> None:
    from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in events:
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise NotYamlError("the file is nested too deeply", f"more than {DEEPEST} levels", at=event.start_mark)


def _plain(node: Any, path: str, document: Document, depth: int) -> Any:
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    document.count += 1
    if document.count > MOST or depth > DEEPEST:
        hint = "write the guests out, or use `defaults` and `count`"
        raise NotYamlError("the file's aliases expand to too much", f"over {MOST} values", hint, node.start_mark)
    document.marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, SequenceNode):
        return [_plain(item, f"{path}[{i}]", document, depth + 1) for i, item in enumerate(node.value)]
    if isinstance(node, MappingNode):
        return _mapping(node, path, document, depth)
    if isinstance(node, ScalarNode):
        return _scalar(node, path, document)
    raise NotYamlError("this is not YAML", at=node.start_mark)


def _mapping(node: Any, path: str, document: Document, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, value in node.value:
        name = str(key.value) if isinstance(key.value, str) else "?"
        below = f"{path}.{name}" if path else name
        if name == "<<" and key.tag.endswith(":merge"):
            for part in value.value if value.id == "sequence" else [value]:
                plain = _plain(part, f"{path}<<", document, depth + 1)
                merged.update({k: v for k, v in plain.items() if k not in merged} if isinstance(plain, dict) else {})
            continue
        if name in made:
            document.faults.append(_at(error(below, f"`{name}` stands here twice", hint="keep one of them"), key))
            continue
        document.marks[below] = (key.start_mark.line + 1, key.start_mark.column + 1)
        made[name] = _plain(value, below, document, depth + 1)
    return {**merged, **made}


def _scalar(node: Any, path: str, document: Document) -> Any:
    kind, text = node.tag.rpartition(":")[2], node.value
    if not node.tag.startswith("tag:yaml.org,2002:"):
        document.faults.append(_at(error(path, f"the tag {node.tag!r} has no meaning in a spec"), node))
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    try:
        return int(text) if kind == "int" else float(text) if kind == "float" else text
    except ValueError:
        return text  # 0x1F, 1_000 and the like stay the text that was written


def _at(diagnostic: Diagnostic, node: Any) -> Diagnostic:
    from dataclasses import replace

    from atlas.diagnostics import Where

    mark = node.start_mark
    return replace(diagnostic, where=Where(diagnostic.where.path, None, mark.line + 1, mark.column + 1))
