"""Applying facts to guests of the draft: what each field does, and what contradicts what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from atlas.language.draft import Draft, DraftGuest, Finding, Question
from atlas.language.facts import Fact
from atlas.language.relative import value_of, worked_out

_LISTS = frozenset({"software", "tags", "open_ports", "ssh_keys", "checks", "mounts"})
_NIC = frozenset({"bridge", "vlan", "gateway", "mtu", "mac", "firewall"})
ASKED = {"image": "os", "cpu.cores": "cores", "memory": "memory", "node": "node", "vlan": "vlan", "bridge": "bridge"}
ASKED |= {"gateway": "gateway", "template": "template", "addresses": "ip", "storage": "storage", "disk.root": "disk"}


@dataclass(slots=True)
class Applier:
    """What was said in one message, applied to the draft guest by guest.

    Args:
        draft: The draft, which is changed.
        changing: Whether the verb asks to change what there is, rather than to add to it.
        correcting: Whether later words correct earlier ones (`no, rather …`).
        growing: Whether sizes are added to what there is (`add 2 cores`).
        shrinking: Whether the verb makes things smaller.
        disk_comes: Whether a disk that is spoken of is added to those there are (`add a disk of 100 GB`).
        base: The guest that relative wishes are reckoned from (`twice the memory of web`), by default each itself.
    """

    draft: Draft
    changing: bool = False
    correcting: bool = False
    growing: bool = False
    shrinking: bool = False
    disk_comes: bool = False
    base: DraftGuest | None = None
    nic: int = 0
    disks: list[int] | None = None
    said: dict[tuple[int, str], tuple[Any, tuple[int, ...]]] = field(default_factory=dict)
    prefixes: dict[int, int] = field(default_factory=dict)
    static: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def apply(self, fact: Fact, scope: Sequence[int], *, weak: bool = False) -> None:
        """Apply a fact to some guests.

        Args:
            fact: What was said.
            scope: Positions of the guests in the draft.
            weak: Whether what was said of single guests wins.
        """
        if fact.field == "nic":
            self.nic = fact.value
            for g in scope:
                self._network(g)
            return
        self.notes.append(fact.field)
        before = self.said.get((scope[0], f"bridge#{self.nic}")) if scope and fact.field == "bridge" else None
        full = before and scope and {"vlan", "address"} & set(self._network(scope[0]))
        if before and (before[0] != fact.value or full) and not self.correcting:
            self.nic += 1  # a second bridge is a second interface, and so is one more vlan on the same bridge
        if fact.field in {"addresses", "addresses.from", "vmid"} and fact.value != []:
            self._each(fact, scope)
            return
        for g in scope:
            if weak and fact.op == "set" and self._was_said(g, fact.field):
                continue
            if self.growing and fact.op == "set" and fact.field in {"memory", "cpu.cores"} and not self._was_new(g):
                fact = Fact(fact.field, fact.value, "grow") if value_of(self.draft.guests[g], fact.field) else fact
            if fact.op in {"times", "grow"}:
                self._relative(fact, g)
                continue
            self._conflict(fact, g, scope)
            self._one(fact, g)

    def _relative(self, fact: Fact, g: int) -> None:
        """Change a value by so much, or ask for it where none is known."""
        guest = self.draft.guests[g]
        if self.shrinking and fact.op == "grow":
            fact = Fact(fact.field, -abs(fact.value), "grow")
        new = worked_out(fact, guest, self.base)
        asked = ASKED.get(fact.field, "disk")
        self.notes.append(fact.field)
        if new is None:
            text = f"How much {asked} should {label(guest)} have? I do not know how much it has."
            if not any(q.field == asked and g in q.guests for q in self.draft.questions):
                self.draft.questions.append(Question(field=asked, guests=[g], text=text))
        elif fact.field.startswith("disk"):
            self._resize(g, -1 if fact.field == "disk.last" else 0, new)
        else:
            self.said.pop((g, fact.field), None)
            self._conflict(Fact(fact.field, new), g, [g])
            self._one(Fact(fact.field, new), g)

    def _resize(self, g: int, at: int, size: float) -> None:
        """Give a disk another size; a smaller one than it has is refused, since disks do not shrink."""
        guest = self.draft.guests[g]
        disks = guest.fields.setdefault("disks", [{}])
        had = disks[at].get("size")
        if had is not None and size < had:
            text = f"a disk does not shrink: {label(guest)} has {_show(had)}, and {_show(size)} would be less"
            fields = ["disk.any", "disk.root", "disk.data", "disk"]
            self.draft.findings.append(Finding(kind="error", code="disk_shrink", text=text, fields=fields))
            return
        disks[at]["size"] = size
        self.said[g, "disk.any"] = (size, ())

    def _was_said(self, g: int, name: str) -> bool:
        return (g, name) in self.said

    def _conflict(self, fact: Fact, g: int, scope: Sequence[int]) -> None:
        if fact.op != "set" or fact.field in _LISTS or fact.field in {"storage", "disk.any", "disk.root", "prefix"}:
            self.said.setdefault((g, fact.field), (fact.value, tuple(scope)))
            return
        name = f"{fact.field}#{self.nic}" if fact.field in _NIC else fact.field
        before = self.said.get((g, name))
        self.said[g, name] = (fact.value, tuple(scope))
        self.said[g, fact.field] = (fact.value, tuple(scope))
        if fact.field == "gpu" and fact.value is True and before:
            return
        if before and before[0] != fact.value and before[1] == tuple(scope) and not self.correcting:
            if g != scope[0]:
                return
            asked = ASKED.get(fact.field, fact.field)
            text = f"two values were said for {asked}: {_show(before[0])} and {_show(fact.value)}"
            self.draft.findings.append(Finding(kind="error", code="conflicting_values", text=text, fields=[fact.field]))
            self.draft.questions.append(
                Question(
                    field=asked,
                    guests=list(scope),
                    text=f"Which {asked} do you want: {_show(before[0])} or {_show(fact.value)}?",
                    choices=[_show(before[0]), _show(fact.value)],
                )
            )

    def _one(self, fact: Fact, g: int) -> None:  # noqa: PLR0912  one branch for each kind of field
        guest, name, value = self.draft.guests[g], fact.field, fact.value
        fields = guest.fields
        if name in _LISTS:
            self._list(fields, name, value, fact.op)
        elif name.startswith("disk."):
            self._disk(g, name, value)
        elif name == "storage":
            self._storage(g, value)
        elif name in _NIC:
            self._network(g)[name] = value
        elif name == "subnet":
            fields["subnet"] = value
            self._prefix(g, int(value.rpartition("/")[2]) if "/" in value else 24)
        elif name == "prefix":
            self._prefix(g, value)
        elif name == "dhcp":
            self._network(g)["address"] = "dhcp"
        elif name == "static":
            self.static.add(g)
        elif name in {"dns", "search"}:
            fields.setdefault("dns", {})["servers" if name == "dns" else "search"] = value
        elif name == "apart":
            fields["keep_apart"] = "apart"
        elif name == "memory" and isinstance(value, str):
            number = float(value.rstrip("?"))
            fields["memory"] = number * 1024 if fields.get("memory", 0) >= 1024 and number < 512 else number
        elif "." in name:
            head, _, tail = name.partition(".")
            inner = fields.get(head)
            fields[head] = {**(inner if isinstance(inner, dict) else {}), tail: value}
        elif value is not True or not fields.get(name):  # a bare `backups` says no more than `nightly backups` did
            fields[name] = value

    @staticmethod
    def _list(fields: dict[str, Any], name: str, value: Any, op: str) -> None:
        if name == "ssh_keys":
            fields.setdefault("user", {}).setdefault("ssh_keys", []).append(value)
            return
        have = fields.setdefault(name, [])
        if op == "set":
            fields[name] = list(value)
        elif op == "remove":
            fields[name] = [x for x in have if str(x).partition("@")[0] != str(value).partition("@")[0]]
        elif name == "software":
            base = str(value).partition("@")[0]
            same = [x for x in have if x.partition("@")[0] == base]
            if not same or "@" in value:
                fields[name] = [x for x in have if x not in same] + [value]
        elif value not in have:
            have.append(value)

    def _network(self, g: int) -> dict[str, Any]:
        networks = self.draft.guests[g].fields.setdefault("networks", [])
        while len(networks) <= self.nic:
            networks.append({})
        network: dict[str, Any] = networks[self.nic]
        return network

    def _disk(self, g: int, name: str, value: Any) -> None:
        disks = self.draft.guests[g].fields.setdefault("disks", [])
        had = len(disks) if not self._was_new(g) else 0
        if self.disk_comes and name == "disk.any":
            name, value = "disk.data", (value, None, 1)
        if name == "disk.fill":
            for disk in disks[1:]:
                disk.setdefault("size", value)
            return
        if name == "disk.count":
            disks += [{} for _ in range(len(disks), min(value, 30))]
            return
        if not disks:
            disks.append({})
        if name == "disk.all":
            size, count = value
            if "size" not in disks[0]:
                disks.pop(0)
            disks += [{"size": size} for _ in range(min(count, 30))]
            self.disks = None
        elif name == "disk.any" and "size" in disks[0] and (g, "disk.size") in self.said and not self.correcting:
            disks.append({"size": value})
            self.disks = [len(disks) - 1]
        elif name in {"disk.any", "disk.root"}:
            self.disks = [0]
            if self.shrinking:
                self._resize(g, 0, value)
            else:
                disks[0]["size"] = value
                self.said[g, "disk.size"] = (value, ())
        else:
            self._data_disk(g, value, had)

    def _data_disk(self, g: int, value: tuple[float | None, int | None, int], had: int) -> None:
        """Give a further disk another size, or add disks behind the boot disk."""
        disks = self.draft.guests[g].fields["disks"]
        size, place, count = value
        if self.changing and (had > 1 or (place and place < len(disks))):
            at = place or len(disks) - 1
            self.disks = [at]
            if self.shrinking and size is not None:
                self._resize(g, at, size)
            else:
                disks[at]["size"] = size
        else:
            start = len(disks)
            disks += [{} if size is None else {"size": size} for _ in range(min(count, 30))]
            self.disks = list(range(start, len(disks)))
        if size is None:
            text = f"How large should the further disk of {label(self.draft.guests[g])} be?"
            self.draft.questions.append(Question(field="disk", guests=[g], text=text))

    def sizeless(self, scope: Sequence[int]) -> bool:
        """Tell whether a further disk of which this message speaks has no size yet: `add a disk, 300 GB`."""
        return any(
            value[0] is None and self._lacks(g)
            for g in scope
            if (value := self.said.get((g, "disk.data"), ((0,), ()))[0]) is not None
        )

    def _lacks(self, g: int) -> bool:
        return any("size" not in disk for disk in self.draft.guests[g].fields.get("disks", [])[1:])

    def _was_new(self, g: int) -> bool:
        return (g, "new") in self.said

    def _storage(self, g: int, value: str) -> None:
        disks = self.draft.guests[g].fields.setdefault("disks", [])
        if not disks:
            disks.append({})
        chosen = [k for k in self.disks or () if k < len(disks)] or range(len(disks))
        for k in chosen:
            disks[k]["storage"] = value

    def _prefix(self, g: int, prefix: int) -> None:
        self.prefixes[g] = prefix
        network = self._network(g)
        address = str(network.get("address", ""))
        bare, slash, _ = address.partition("/")
        if bare not in {"", "dhcp", "auto"} and not (slash and (g, "addresses") in self.said):
            network["address"] = f"{bare}/{prefix}"

    def _each(self, fact: Fact, scope: Sequence[int]) -> None:
        listed = list(fact.value) if isinstance(fact.value, list) else [fact.value]
        if fact.field == "addresses.from" and fact.value:
            listed = counted(str(fact.value), len(scope))
        if fact.field == "vmid" and len(listed) == 1 and len(scope) > 1:
            listed = [listed[0] + k for k in range(len(scope))]
        if len(listed) != len(scope) and fact.field != "vmid":
            if len(scope) == 1 and len(listed) > 1:
                for k, address in enumerate(listed[: 1 + 15]):
                    self.nic = k
                    self._address(scope[0], address)
                self.nic = 0
                return
            text = f"{len(listed)} address{'es were' if len(listed) != 1 else ' was'} said for {len(scope)} guests"
            self.draft.findings.append(
                Finding(kind="error", code="ip_count_mismatch", text=text, fields=["addresses", "count"])
            )
            return
        for g, value in zip(scope, listed, strict=False):
            self.said[g, "addresses"] = (value, tuple(scope))
            if fact.field == "vmid":
                self.draft.guests[g].fields["vmid"] = value
            else:
                self._address(g, value)

    def _address(self, g: int, value: str) -> None:
        if value.startswith("."):
            subnet = str(self.draft.guests[g].fields.get("subnet", ""))
            value = f"{subnet.rpartition('.')[0]}{value}" if subnet else value
        prefix = self.prefixes.get(g)
        self._network(g)["address"] = f"{value}/{prefix}" if prefix is not None and "/" not in value else value


def counted(first: str, count: int) -> list[str]:
    """Return consecutive addresses."""
    from ipaddress import ip_address

    head, slash, prefix = first.partition("/")
    try:
        start = ip_address(head)
        return [f"{start + n}{slash}{prefix}" for n in range(count)]
    except ValueError:
        return [first] * count


def label(guest: DraftGuest) -> str:
    """Return what a person calls a guest."""
    return guest.name or guest.prefix or guest.role or "the guest"


def _show(value: Any) -> str:
    if isinstance(value, float):
        from atlas.units import format_size

        return format_size(int(value))
    return str(value)
