"""YAML for Ansible: everything that came from outside stays text, whatever it holds."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def _dumper() -> Any:
    import yaml

    class Dumper(yaml.CSafeDumper):
        """Marks text in which Jinja could begin, so that Ansible never evaluates it."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the signature is the library's
            return True

    def text(dumper: Any, value: str) -> Any:
        # Each of Jinja's delimiters begins with a brace: without one there is nothing to evaluate.
        if "{" in value:
            return dumper.represent_scalar("!unsafe", value, style='"')
        return dumper.represent_str(value)

    Dumper.add_representer(str, text)
    return Dumper


def dump(data: Any, comment: str = "") -> str:
    """Return plain data as YAML that Ansible reads back as exactly this data.

    Args:
        data: Mappings, lists, text, numbers, booleans, None.
        comment: One line that is put above.
    """
    import yaml

    text = yaml.dump(data, Dumper=_dumper(), sort_keys=False, default_flow_style=False, width=110, allow_unicode=True)
    return f"# {comment}\n---\n{text}" if comment else text
