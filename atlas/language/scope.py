"""Applying facts to guests of the draft: what each field does, and what contradicts what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from atlas.language.addresses import apply_each, apply_prefix
from atlas.language.disks import apply_disk, apply_storage, resize
from atlas.language.draft import Draft, DraftGuest, Finding, Question, destroys, label, shown
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
                self.network(g)
            return
        self.notes.append(fact.field)
        before = self.said.get((scope[0], f"bridge#{self.nic}")) if scope and fact.field == "bridge" else None
        full = before and scope and {"vlan", "address"} & set(self.network(scope[0]))
        if before and (before[0] != fact.value or full) and not self.correcting:
            self.nic += 1  # a second bridge is a second interface, and so is one more vlan on the same bridge
        if fact.field in {"addresses", "addresses.from", "vmid"} and fact.value != []:
            apply_each(self, fact, scope)
            return
        for g in scope:
            if weak and fact.op == "set" and self._was_said(g, fact.field):
                continue
            if self.growing and fact.op == "set" and fact.field in {"memory", "cpu.cores"} and not self.was_new(g):
                fact = Fact(fact.field, fact.value, "grow") if value_of(self.draft.guests[g], fact.field) else fact
            if fact.op in {"times", "grow"}:
                self._relative(fact, g)
                continue
            self._conflict(fact, g, scope)
            self._remade(fact, g)
            self._one(fact, g)

    def _remade(self, fact: Fact, g: int) -> None:
        """Ask for a confirmation where a guest that exists would be made anew: with another system, of another kind."""
        guest = self.draft.guests[g]
        had = guest.fields.get(fact.field)
        if guest.live and fact.field in {"image", "kind"} and had is not None and had != fact.value:
            self.draft.findings.append(destroys(guest))

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
            resize(self, g, -1 if fact.field == "disk.last" else 0, new)
        else:
            self.said.pop((g, fact.field), None)
            self._conflict(Fact(fact.field, new), g, [g])
            self._one(Fact(fact.field, new), g)

    def _was_said(self, g: int, name: str) -> bool:
        """Tell whether a value was said; a bare `gpu` says less than the model that follows."""
        return self.said.get((g, name), (True, ()))[0] is not True

    def _conflict(self, fact: Fact, g: int, scope: Sequence[int]) -> None:
        if fact.op != "set" or fact.field in _LISTS or fact.field in {"storage", "disk.any", "disk.root", "prefix"}:
            self.said.setdefault((g, fact.field), (fact.value, tuple(scope)))
            return
        name = f"{fact.field}#{self.nic}" if fact.field in _NIC else fact.field
        before = self.said.get((g, name))
        self.said[g, name] = (fact.value, tuple(scope))
        self.said[g, fact.field] = (fact.value, tuple(scope))
        if fact.field == "gpu" and before and True in (fact.value, before[0]):
            return
        if before and before[0] != fact.value and before[1] == tuple(scope) and not self.correcting:
            if g != scope[0]:
                return
            asked = ASKED.get(fact.field, fact.field)
            text = f"two values were said for {asked}: {shown(before[0])} and {shown(fact.value)}"
            self.draft.findings.append(Finding(kind="error", code="conflicting_values", text=text, fields=[fact.field]))
            self.draft.questions.append(
                Question(
                    field=asked,
                    guests=list(scope),
                    text=f"Which {asked} do you want: {shown(before[0])} or {shown(fact.value)}?",
                    choices=[shown(before[0]), shown(fact.value)],
                )
            )

    def _one(self, fact: Fact, g: int) -> None:  # noqa: PLR0912  one branch for each kind of field
        guest, name, value = self.draft.guests[g], fact.field, fact.value
        fields = guest.fields
        if name in _LISTS:
            self._list(fields, name, value, fact.op)
        elif name.startswith("disk."):
            apply_disk(self, g, name, value)
        elif name == "storage":
            apply_storage(self, g, value)
        elif name in _NIC:
            self.network(g)[name] = value
        elif name == "subnet":
            fields["subnet"] = value
            apply_prefix(self, g, int(value.rpartition("/")[2]) if "/" in value else 24)
        elif name == "prefix":
            apply_prefix(self, g, value)
        elif name == "dhcp":
            self.network(g)["address"] = "dhcp"
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

    def network(self, g: int) -> dict[str, Any]:
        """Return the network interface that is spoken of, made where there is none."""
        networks = self.draft.guests[g].fields.setdefault("networks", [])
        while len(networks) <= self.nic:
            networks.append({})
        network: dict[str, Any] = networks[self.nic]
        return network

    def was_new(self, g: int) -> bool:
        """Tell whether this message made a guest."""
        return (g, "new") in self.said
