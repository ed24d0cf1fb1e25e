"""What security groups and IP sets have in common: both are listed, made and renamed by their names."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError
from atlas.lab.firewall_scope import check_digest, part
from atlas.lab.sections import digest


def rows(found: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """List them by their names, which stand under `key`."""
    sum_ = digest(found)
    return [
        {key: name, "digest": sum_, **({"comment": one["comment"]} if one.get("comment") else {})}
        for name, one in found.items()
    ]


def make(call: Call, where: str, key: str, word: str, empty: dict[str, Any]) -> None:
    """Make one, or rename one.

    Args:
        call: The call; with `rename`, the former name.
        where: The part of the configuration that holds them.
        key: The parameter that names one.
        word: What PVE calls it.
        empty: What a new one holds.

    Raises:
        PVEError: The name is taken, or there is none of the former name.
    """
    found, name, old = part(call, where), call.params[key], call.params.get("rename")
    if old:
        check_digest(call, found)
        if old not in found:
            raise PVEError(400, errors={key: f"{word} '{old}' does not exist"})
    if name in found and old != name:
        text = f"{word} '{name}' {'does already exist' if old else 'already exists'}"
        raise PVEError(400, errors={key: text})
    one = dict(found.pop(old)) if old else empty
    if "comment" in call.params:
        one["comment"] = call.params["comment"]
    found[name.lower()] = one
