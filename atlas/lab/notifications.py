"""cluster/notifications: endpoints, matchers and what the two together tell."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.records import Table
from atlas.lab.section_calls import Section, serve
from atlas.lab.world import Lab

Data = dict[str, Any]
_BASE = "/cluster/notifications"
_SECRETS = {"gotify": ("token",), "sendmail": (), "smtp": ("password",), "webhook": ()}
_FIELDS = {
    "type": ("fencing", "package-updates", "replication", "system-mail", "vzdump"),
    "hostname": (),
    "job-id": (),
}
_BUILTIN: dict[str, dict[str, Data]] = {
    "sendmail": {"mail-to-root": {"mailto-user": ("root@pam",), "comment": "Send mails to root@pam's email address"}},
    "matchers": {"default-matcher": {"mode": "all", "target": ("mail-to-root",), "comment": "Route all notifications"}},
}


def _entries(lab: Lab, kind: str) -> Table[Entry]:
    """Return the objects of a kind, with those that every cluster begins with."""
    table = lab.section(f"notifications/{kind}")
    known = lab.options("notifications")
    for name, data in _BUILTIN.get(kind, {}).items():
        if name not in table and not known.get(name):
            table[name] = Entry({**data, "origin": "builtin"})
            known[name] = 1
    return table


class _Kind(Section):
    def entries(self, lab: Lab) -> Table[Entry]:
        return _entries(lab, self.table)


def _row(_: Call, name: str, data: Data) -> Data:
    return {"name": name, "origin": "user-created", **data, **_secret_names(data)}


def _one(_: Call, name: str, data: Data) -> Data:
    return {"name": name, **{key: value for key, value in data.items() if key != "origin"}, **_secret_names(data)}


def _secret_names(data: Data) -> Data:
    """A webhook's secrets are shown by their names alone."""
    return {"secret": [str(item).split(",")[0] for item in data["secret"]]} if "secret" in data else {}


def _targets(lab: Lab) -> dict[str, Data]:
    return {name: {"type": kind, **entry.data} for kind in _SECRETS for name, entry in _entries(lab, kind).items()}


def _known_targets(call: Call, _: str, data: Data) -> None:
    for target in data.get("target", ()):
        if target not in _targets(call.lab):
            raise PVEError(404, f"endpoint '{target}' does not exist")


def _unused(call: Call, name: str, _: Data) -> None:
    users = [m for m, entry in _entries(call.lab, "matchers").items() if name in entry.data.get("target", ())]
    if users:
        raise PVEError(400, f"cannot delete '{name}', referenced by: {', '.join(sorted(users))}")


def _unique(call: Call, name: str, data: Data) -> None:
    if call.method == "POST" and (name in _targets(call.lab) or name in _entries(call.lab, "matchers")):
        raise PVEError(400, f"Cannot create '{name}', an entity with the same name already exists")
    if call.method == "PUT" and data.get("origin") == "builtin":
        data["origin"] = "modified-builtin"


_TAKEN = "Cannot create '{}', an entity with the same name already exists"
for _kind, _secrets in _SECRETS.items():
    _missing = f"{_kind} endpoint '{{}}' not found"
    serve(
        _Kind(
            *(f"{_BASE}/endpoints/{_kind}", "name", _kind, _TAKEN, _missing, _missing),
            status=404,
            taken=400,
            secrets=_secrets,
            row=_row,
            one=_one,
            check=_unique,
            leave=_unused,
        )
    )


def _check_matcher(call: Call, name: str, data: Data) -> None:
    _unique(call, name, data)
    _known_targets(call, name, data)


serve(
    _Kind(
        *(f"{_BASE}/matchers", "name", "matchers", _TAKEN, "matcher '{}' not found", "matcher '{}' not found"),
        status=404,
        taken=400,
        row=_row,
        one=_one,
        check=_check_matcher,
    )
)


@api("GET", f"{_BASE}/targets")
def targets(call: Call) -> list[Data]:
    """List the endpoints of every type."""
    return [
        {
            "name": name,
            "origin": "user-created",
            **{key: data[key] for key in ("type", "comment", "disable", "origin") if key in data},
        }
        for name, data in sorted(_targets(call.lab).items())
    ]


@api("POST", f"{_BASE}/targets/{{name}}/test")
def test(call: Call) -> None:
    """Send a notification to nowhere: what is known is that the endpoint is there and in use."""
    data = _targets(call.lab).get(call.params["name"])
    if data is None:
        raise PVEError(404, f"endpoint '{call.params['name']}' does not exist")
    sent = call.lab.options("notifications")
    sent["tested"] = {**sent.get("tested", {}), call.params["name"]: int(call.lab.clock.now())}


@api("GET", f"{_BASE}/matcher-fields")
def fields(_: Call) -> list[Data]:
    """List the fields that a matcher may look at."""
    return [{"name": name} for name in sorted(_FIELDS)]


@api("GET", f"{_BASE}/matcher-field-values")
def values(call: Call) -> list[Data]:
    """List the values that these fields may have."""
    lab = call.lab
    known = {**_FIELDS, "hostname": tuple(lab.nodes), "job-id": tuple(lab.section("backup"))}
    return [{"field": name, "value": value} for name, found in known.items() for value in found]
