"""YAML for Ansible: everything that came from outside stays text, whatever it holds."""

from __future__ import annotations

from functools import cache
from typing import Any

_LIST = "tag:yaml.org,2002:seq"


def _text(dumper: Any, value: str) -> Any:
    # Each of Jinja's delimiters begins with a brace: without one there is nothing to evaluate.
    if "{" in value:
        return dumper.represent_scalar("!unsafe", value, style='"')
    return dumper.represent_str(value)


@cache
def _dumper(*, by_hand: bool) -> Any:
    import yaml

    base: Any = yaml.SafeDumper if by_hand else yaml.CSafeDumper

    class Dumper(base):  # type: ignore[misc]  # which base it is depends on the argument
        """Marks text in which Jinja could begin, so that Ansible never evaluates it."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the signature is the library's
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002  the library's
            return super().increase_indent(flow, False)  # lists under a key are indented, as ansible-lint has it

    Dumper.add_representer(str, _text)
    if not by_hand:  # libyaml cannot indent lists: they are written in brackets
        Dumper.add_representer(list, lambda dumper, items: dumper.represent_sequence(_LIST, items, flow_style=True))
    return Dumper


def dump(data: Any, comment: str, *, read_by_people: bool = False) -> str:
    """Return plain data as YAML that Ansible reads back as exactly this data.

    Args:
        data: Mappings, lists, text, numbers, booleans, None.
        comment: One line that is put above.
        read_by_people: Write lists as indented lines, which takes ten times as long.
    """
    import yaml

    dumper = _dumper(by_hand=read_by_people)
    text = yaml.dump(data, Dumper=dumper, sort_keys=False, default_flow_style=False, width=110)
    return f"# {comment}\n---\n{text}"
