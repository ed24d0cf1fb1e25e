"""The calls on one section of the configuration: objects of a kind, listed, read, made, changed, removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.records import Table
from atlas.lab.sections import check_digest, settings, table_digest
from atlas.lab.table import load
from atlas.lab.world import Lab


def _kept(_: Call, __: str, data: dict[str, Any]) -> dict[str, Any]:
    return data


def _nothing(_: Call, __: str, ___: dict[str, Any]) -> None:
    pass


@dataclass(frozen=True)
class Section:
    """One kind of objects and the words that PVE has for what goes wrong with them.

    Args:
        base: Where they are listed.
        key: The parameter that names one; the path of one ends with it.
        table: Where they are kept.
        exists: The error where one is made anew; `{}` stands for the name.
        missing: The error of a read where there is none.
        unknown: That of a change, and of a removal unless that forgives.
        forgiving: Whether removing what is not there is no fault.
        gone: The error of a removal where there is none, if it is another one.
        status: That of errors about what is not there; 400 names the key as the faulty parameter.
        change_status: That of such errors of changes and removals, if it is another one.
        taken: That of the error where one is made anew.
        made_at_item: Whether an object is made by a call on its own path.
        required: What an object of a type cannot be without; the empty type stands for all.
        secrets: Properties that are taken and never shown.
        defaults: What an object has until it is told otherwise.
        row: What a list shows of an object.
        one: What a read shows of it.
        visible: Whether the caller sees it in a list.
        name: Makes a name of what the caller gives.
        check: Refuses an object before it is stored.
        leave: Refuses to let one go.
    """

    base: str
    key: str
    table: str
    exists: str
    missing: str
    unknown: str
    gone: str = ""
    forgiving: bool = False
    status: int = 500
    change_status: int = 0
    taken: int = 500
    made_at_item: bool = False
    required: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)
    row: Callable[[Call, str, dict[str, Any]], dict[str, Any]] = _kept
    one: Callable[[Call, str, dict[str, Any]], dict[str, Any]] = _kept
    visible: Callable[[Call, str], bool] = lambda _, __: True
    check: Callable[[Call, str, dict[str, Any]], None] = _nothing
    leave: Callable[[Call, str, dict[str, Any]], None] = _nothing
    name: Callable[[str], str] = str

    def entries(self, lab: Lab) -> Table[Entry]:
        """Return the objects."""
        return lab.section(self.table)

    def error(self, text: str, name: str, status: int = 0) -> PVEError:
        """Return an error about one of them."""
        words, status = text.format(name), status or self.status
        return PVEError(400, errors={self.key: words}) if status == 400 else PVEError(status, words)

    def needed(self, kind: str) -> tuple[str, ...]:
        """Return what an object of a type cannot be without."""
        return self.required.get(kind, self.required.get("", ()))

    def named(self, call: Call) -> str:
        """Return the name that a call gives."""
        return self.name(str(call.params[self.key]))


def without(section: Section, call: Call, kind: str) -> list[str]:
    """Return the properties that a change takes away from an object of a type.

    Raises:
        PVEError: one that there is not, that an object needs, or that the same call sets.
    """
    given = call.params.get("delete") or ()
    names = given if isinstance(given, list | tuple) else str(given).replace(";", ",").replace(" ", ",").split(",")
    table = load().description
    change = table[call.path]["PUT"]["parameters"]
    create = table[call.path if section.made_at_item else section.base]["POST"]["parameters"]
    for name in filter(None, names):
        if name not in change and name not in create:
            raise PVEError(500, f"no such option '{name}'")
        if name in section.needed(kind) or not int(create.get(name, {}).get("optional", 1)):
            raise PVEError(500, f"unable to delete required option '{name}'")
        if name in call.params:
            raise PVEError(500, f"cannot set and delete property '{name}' at the same time!")
    return [name for name in names if name]


def serve(section: Section) -> None:
    """Register the five calls on a section."""
    item = f"{section.base}/{{{section.key}}}"
    hidden = (section.key, *section.secrets)

    def public(data: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in data.items() if key not in section.secrets}

    def listed(call: Call) -> object:
        table = section.entries(call.lab)
        return [section.row(call, n, public(e.data)) for n, e in table.items() if section.visible(call, n)]

    def read(call: Call) -> object:
        table, name = section.entries(call.lab), section.named(call)
        if name not in table:
            raise section.error(section.missing, name)
        return section.one(call, name, {**public(table[name].data), "digest": table_digest(table)})

    def create(call: Call) -> None:
        table, name = section.entries(call.lab), section.named(call)
        if name in table:
            raise PVEError(section.taken, section.exists.format(name))
        data = {**section.defaults, **settings(call.params, *hidden)}
        for option in section.needed(str(data.get("type", ""))):
            if option not in data:
                raise PVEError(500, f"missing value for required option '{option}'")
        section.check(call, name, data)
        table[name] = Entry(data)

    def update(call: Call) -> None:
        table, name = section.entries(call.lab), section.named(call)
        check_digest(call.params, table_digest(table))
        if name not in table:
            raise section.error(section.unknown, name, section.change_status)
        gone = without(section, call, str(table[name].data.get("type", "")))
        data = {key: value for key, value in table[name].data.items() if key not in gone}
        data |= settings(call.params, *hidden)
        section.check(call, name, data)
        table[name].data = data

    def delete(call: Call) -> None:
        table, name = section.entries(call.lab), section.named(call)
        if name not in table:
            if section.forgiving:
                return
            raise section.error(section.gone or section.unknown, name, section.change_status)
        section.leave(call, name, table[name].data)
        del table[name]

    api("GET", section.base)(listed)
    api("GET", item)(read)
    api("POST", item if section.made_at_item else section.base)(create)
    api("PUT", item)(update)
    api("DELETE", item)(delete)
