"""A fault: what it strikes, when, and with which effect; read from plain data, all that is wrong with it at once."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from atlas.lab.faults import BadFaults

if TYPE_CHECKING:
    from atlas.lab.call import Call


class Strict(BaseModel):
    """A record that takes no field that it does not know, and no text for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Match(Strict):
    """Which calls a fault is about, and which of these it strikes; what is left out matches all.

    Args:
        method: GET, POST, PUT or DELETE.
        path: `*` stands for one part, `**` for any number; parts in braces are taken for `*`.
        guest: A VMID, or a pattern of names; the guest that a call makes counts as well.
        node: The node that the path names.
        nth: Strike the n-th of these calls only.
        every: Strike every n-th.
        probability: Strike so many of a hundred hundredths, chosen by the seed.
        seed: Another seed chooses others; the same seed, the same.
        times: Strike so many times at most.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"] | None = None
    path: str | None = Field(None, pattern=r"^/[\w\-.{}*/:]*$", max_length=200)
    guest: int | str | None = None
    node: str | None = None
    nth: int | None = Field(None, ge=1)
    every: int | None = Field(None, ge=1)
    probability: float | None = Field(None, gt=0, le=1, strict=False)
    seed: int = 0
    times: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> Match:
        if sum(given is not None for given in (self.nth, self.every, self.probability)) > 1:
            raise ValueError("give one of nth, every and probability")
        return self

    @cached_property
    def _path(self) -> re.Pattern[str]:
        words = re.split(r"(\*\*|\*|\{\w+\})", self.path or "/**")
        return re.compile(
            "".join(".*" if w == "**" else "[^/]+" if w[:1] in {"*", "{"} else re.escape(w) for w in words)
        )

    def about(self, call: Call) -> bool:
        """Tell whether a call is one of those that the fault is about."""
        return (
            self.method in (None, call.method)
            and self.node in (None, call.raw.get("node"))
            and self._path.fullmatch(place(call)) is not None
            and (self.guest is None or self._guest(call))
        )

    def _guest(self, call: Call) -> bool:
        if isinstance(self.guest, int):
            return self.guest in vmids(call)
        known = (call.lab.guests.get(str(vmid)) for vmid in vmids(call))
        sources = [call.params, *(guest.config for guest in known if guest is not None)]
        names = [str(source[key]) for source in sources for key in ("name", "hostname") if source.get(key)]
        return any(fnmatchcase(name, str(self.guest)) for name in names)

    def strikes(self, count: int, name: str) -> bool:
        """Tell whether the fault of a name strikes the call that is, counted from 1, so many-th of its calls."""
        if self.nth is not None:
            return count == self.nth
        if self.every is not None:
            return count % self.every == 0
        if self.probability is not None:
            return random.Random(f"{self.seed} {name} {count}").random() < self.probability  # noqa: S311  no secret
        return True


class Fault(Strict):
    """One fault.

    Args:
        name: By which it is listed, cleared and found in the history.
        match: The calls that it strikes.
        effect: A name of the registry in effects.py.
        options: That effect's own options.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.\-]{0,63}$")
    match: Match = Match()
    effect: str
    options: SerializeAsAny[Strict] = Strict()

    @model_validator(mode="before")
    @classmethod
    def _options_of_the_effect(cls, given: Any) -> Any:
        from atlas.lab.effects import EFFECTS

        if not isinstance(given, Mapping) or not isinstance(given.get("effect"), str):
            return given
        if given["effect"] not in EFFECTS:
            raise ValueError(f"there is no effect {given['effect']!r}; there are: {', '.join(sorted(EFFECTS))}")
        return given

    def shown(self) -> dict[str, Any]:
        """Return the fault as plain data, as `read` takes it."""
        return self.model_dump(mode="json", exclude_none=True)


def place(call: Call) -> str:
    """Return a call's path with its values filled in."""
    return re.sub(r"\{(\w+)\}", lambda part: str(call.raw.get(part[1], part[0])), call.path)


def vmids(call: Call) -> list[int]:
    """Return the guests that a call is about: the one that it makes first."""
    return [int(call.params[key]) for key in ("newid", "vmid") if str(call.params.get(key) or "").isdigit()]


def read(data: object, taken: frozenset[str] = frozenset()) -> list[Fault]:
    """Read faults: one, a list, or `{seed: N, faults: [...]}`.

    Args:
        data: As YAML or JSON has it.
        taken: Names that other faults have.

    Raises:
        BadFaults: with everything that is wrong.
    """
    problems: list[str] = []
    seed = None
    if isinstance(data, Mapping) and "faults" in data:
        seed = data.get("seed")
        problems += [f"{key}: no such key; there are: seed, faults" for key in data if key not in {"seed", "faults"}]
        if seed is not None and not isinstance(seed, int):
            problems.append("seed: a whole number is needed")
            seed = None
        data = data["faults"]
    rows = data if isinstance(data, list) else [data]
    found: list[Fault] = []
    names = set(taken)
    for at, row in enumerate(rows):
        where = f"faults[{at}]"
        try:
            fault = _fault(row, seed, names)
        except _Wrong as wrong:
            problems += [f"{where}{problem}" for problem in wrong.args[0]]
            continue
        if fault.name in names:
            problems.append(f"{where}.name: there is a fault {fault.name!r} already")
        names.add(fault.name)
        found.append(fault)
    if problems:
        raise BadFaults(problems)
    return found


class _Wrong(Exception):
    """The problems of one fault."""


def _fault(row: object, seed: object, names: set[str]) -> Fault:
    from atlas.lab.effects import EFFECTS

    if not isinstance(row, Mapping):
        raise _Wrong([": a mapping with `effect` is needed"])
    row = dict(row)
    problems: list[str] = []
    match = row.get("match", {})
    if seed is not None and isinstance(match, Mapping):
        row["match"] = {"seed": seed, **match}
    effect = EFFECTS.get(str(row.get("effect")))
    row.setdefault("name", _free(str(row.get("effect")), names))
    given = row.pop("options", None)
    options = Strict()
    if effect is not None:
        try:
            options = effect.options.model_validate({} if given is None else given)
        except ValidationError as error:
            problems += _problems(error, ".options")
    try:
        fault = Fault.model_validate({**row, "options": options})
    except ValidationError as error:
        raise _Wrong(_problems(error) + problems) from error
    if problems:
        raise _Wrong(problems)
    return fault


def _free(effect: str, names: set[str]) -> str:
    return next(name for n in range(1, len(names) + 2) if (name := f"{effect}-{n}") not in names)


def _problems(error: ValidationError, below: str = "") -> list[str]:
    found = []
    for one in error.errors(include_url=False, include_input=False):
        parts = [p for p in one["loc"] if p not in ("int", "str")]
        where = below + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)
        text = one["msg"].removeprefix("Value error, ")
        found.append(f"{where}: {text[:1].lower()}{text[1:]}")
    return list(dict.fromkeys(found))


def read_file(path: Path) -> list[Fault]:
    """Read the faults of a YAML (or JSON) file.

    Raises:
        BadFaults: with everything that is wrong.
    """
    return read(load_file(path))


def load_file(path: Path) -> object:
    """Read a YAML (or JSON) file.

    Raises:
        BadFaults: the file cannot be read, or is no YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        raise BadFaults([f"{path}: {' '.join(str(error).split())}"]) from error
