"""The API table: every path, method, parameter and permission of PVE, and the routing over it."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import unquote

Schema = dict[str, Any]
Branch = dict[str | None, Any]  # the next part of a path; None for a placeholder, "/" for the template that ends here


@dataclass(frozen=True)
class Method:
    """One method of the table.

    Args:
        parameters: Schema by parameter name; `net[n]` stands for `net0`, `net1` and so on.
        permissions: PVE's permission expression, or None where only root@pam may call.
        proxied: Whether the call runs on the node that its path names.
        returns: The answer's schema.
    """

    verb: str
    template: str
    name: str
    parameters: dict[str, Schema]
    permissions: dict[str, Any] | None
    proxied: bool
    protected: bool
    allow_token: bool
    returns: Schema

    @property
    def open(self) -> bool:
        """Whether it takes parameters that it does not know."""
        return (self.verb, self.template) in _OPEN or self.template.startswith("/cluster/sdn/fabrics")


# Source: seen on a genuine server; the table does not say it.
_OPEN = frozenset(
    ("GET", path)
    for path in (
        *("/access/ticket", "/cluster/backup-info", "/cluster/firewall", "/cluster/firewall/macros"),
        *("/cluster/firewall/options", "/cluster/notifications/matcher-field-values"),
        "/cluster/qemu/custom-cpu-models",
        "/nodes/{node}/qemu/{vmid}/agent",
    )
)


class Table:
    """The table and its routes, made from the reduced description of the API."""

    def __init__(self, description: dict[str, dict[str, dict[str, Any]]]) -> None:
        self.description = description
        self._methods: dict[tuple[str, str], Method] = {}
        self._tree: Branch = {}
        for template in description:
            branch = self._tree
            for part in _parts(template):
                branch = branch.setdefault(None if part.startswith("{") else part, {})
            branch["/"] = template

    def method(self, verb: str, template: str) -> Method | None:
        """Return a method of the table, or None where there is none."""
        known = self._methods.get((verb, template))
        entry = self.description.get(template, {}).get(verb)
        if known is None and entry is not None:
            known = Method(
                verb,
                template,
                entry["name"],
                entry["parameters"],
                entry["permissions"],
                entry.get("proxyto") == "node",
                bool(entry.get("protected")),
                bool(entry.get("allowtoken", 1)),
                entry["returns"],
            )
            self._methods[verb, template] = known
        return known

    def route(self, path: str) -> tuple[str, dict[str, str]] | None:
        """Find the template that a path belongs to, with the values of its placeholders.

        Args:
            path: The path below `/api2/json`, still percent-encoded.
        """
        parts = [part for part in unquote(path, errors="replace").split("/") if part]
        if any(re.search(r"\s", part) for part in parts):
            return None
        branch, values = self._tree, []
        for index, part in enumerate(parts):
            if part in branch and part != "/":
                branch = branch[part]
                continue
            if None not in branch:
                return None
            deeper = branch[None]
            rest = parts[index:]
            # A volume and a network hold slashes of their own: they take what is left.
            if deeper.get("/", "").endswith(("/{volume}", "/ipset/{name}/{cidr}")) and len(rest) > 1:
                values.append("/".join(rest))
                branch = deeper
                break
            values.append(part)
            branch = deeper
        template = branch.get("/")
        if template is None:
            return None
        names = [part[1:-1] for part in _parts(template) if part.startswith("{")]
        return template, dict(zip(names, values, strict=True))

    def children(self, template: str) -> list[str]:
        """Return the names of the fixed parts below a path, as its index lists them."""
        branch = self._tree
        for part in _parts(template):
            branch = branch[None if part.startswith("{") else part]
        return sorted(key for key in branch if key not in ("/", None))


def _parts(template: str) -> list[str]:
    return [part for part in template.split("/") if part]


@functools.cache
def load() -> Table:
    """Load the table that comes with the package, once."""
    text = resources.files("atlas.lab").joinpath("data/api.json").read_text(encoding="utf-8")
    return Table(json.loads(text))
