"""cluster/options: the datacenter's settings."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.formats import split_list, taken_apart
from atlas.lab.guest_tags import MAC_PREFIX, allowed_tags
from atlas.lab.table import load

# Properties that are shown taken apart; their lists split at semicolons.
_PARSED = (
    "crs",
    "ha",
    "location",
    "migration",
    "next-id",
    "notify",
    "replication",
    "tag-style",
    "u2f",
    "user-tag-access",
    "webauthn",
)
_LISTS = {"user-tag-access": ("user-allow-list",)}


def _shown(name: str, value: Any) -> Any:
    if name == "registered-tags":
        return split_list(value)
    if name not in _PARSED:
        return str(value)  # as the file has it
    method = load().method("PUT", "/cluster/options")
    form = method.parameters.get(name, {}).get("format") if method else None
    if not isinstance(form, dict):
        return value
    parts = taken_apart(form, value)
    for key in _LISTS.get(name, ()):
        if key in parts:
            parts[key] = split_list(parts[key])
    return parts


@api("GET", "/cluster/options")
def options(call: Call) -> dict[str, Any]:
    """Return the datacenter's settings; who may not audit sees only what interfaces need."""
    data = {"description": "", "mac_prefix": MAC_PREFIX, **call.lab.options("datacenter")}
    if "migration_unsecure" in data:  # what the property was before it had parts
        old = "insecure" if int(data.pop("migration_unsecure")) else "secure"
        data.setdefault("migration", f"type={old}")
    shown = {name: _shown(name, value) for name, value in data.items()}
    if not call.may("/", "Sys.Audit"):
        shown = {name: shown[name] for name in ("console", "tag-style") if name in shown}
    return {**shown, "allowed-tags": sorted(allowed_tags(call, privileged=call.may("/", "Sys.Modify"))[0])}


@api("PUT", "/cluster/options")
def update_options(call: Call) -> None:
    """Change the datacenter's settings."""
    data = call.lab.options("datacenter")
    bounds = dict(part.split("=", 1) for part in split_list(call.params.get("next-id", "")) if "=" in part)
    lower, upper = int(bounds.get("lower", 100)), int(bounds.get("upper", 1_000_000))
    if lower > upper:
        raise PVEError(500, f"lower ({lower}) <= upper ({upper}) boundary rule broken")
    data.update({name: value for name, value in call.params.items() if name != "delete"})
    for name in split_list(call.params.get("delete", "")):
        data.pop(name, None)
