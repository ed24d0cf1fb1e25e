"""Who may do what: roles, ACLs and pools."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from atlas.lab.call import Forbidden

if TYPE_CHECKING:
    from atlas.lab.entities import User
    from atlas.lab.world import Lab

ROOT = "root@pam"
Privileges = Mapping[str, bool]  # privilege -> whether it is handed down to deeper paths

# The ACL paths that exist. Source: pve-access-control, check_path.
_ACL_PATH = re.compile(
    r"/|/access(/groups(/[A-Za-z0-9._-]+)?|/realm(/[A-Za-z][A-Za-z0-9._-]+)?)?|/nodes(/[A-Za-z0-9._-]+)?"
    r"|/pool(/[A-Za-z0-9._-]+){0,3}|/sdn"
    r"|/sdn/(controllers|dns|fabrics|ipams|prefix-lists|route-maps)(/[A-Za-z0-9._-]+)?"
    r"|/sdn/zones(/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+(/[1-9][0-9]{0,3})?)?)?"
    r"|/storage(/[A-Za-z0-9._-]+)?|/vms(/[1-9][0-9]{2,})?"
    r"|/mapping(/[A-Za-z0-9._-]+){0,2}"
)


@functools.cache
def builtin_roles() -> dict[str, tuple[str, ...]]:
    """Return the roles that every PVE has."""
    text = resources.files("atlas.lab").joinpath("data/roles.json").read_text(encoding="utf-8")
    return {name: tuple(privileges) for name, privileges in json.loads(text).items()}


def all_privileges() -> tuple[str, ...]:
    """Return every privilege there is."""
    return builtin_roles()["Administrator"]


def normal_path(path: str) -> str | None:
    """Return an ACL path in its one way of writing, or None for what is no path."""
    path = "/" + re.sub(r"/+", "/", path).strip("/")
    if path != "/" and not re.fullmatch(r"[A-Za-z0-9._/@!+-]+", path):
        return None
    return path


def known_path(path: str) -> bool:
    """Say whether PVE knows such an ACL path."""
    return bool(_ACL_PATH.fullmatch(path))


class Rights:
    """The rights of users and tokens, worked out from the world and kept until that changes."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stamp: tuple[int, ...] = ()
        self._kept: dict[tuple[str, str], Privileges] = {}
        self._pools: dict[tuple[str, str], str] = {}

    def _fresh(self) -> None:
        lab = self._lab
        stamp = (lab.users.version, lab.roles.version, lab.acl.version, lab.pools.version)
        if stamp != self._stamp:
            self._stamp = stamp
            self._kept.clear()
            self._pools = {
                (kind, name): pool.poolid
                for pool in lab.pools.values()
                for kind, names in (("vms", pool.vms), ("storages", pool.storages))
                for name in names
            }

    def pools_by_member(self) -> dict[tuple[str, str], str]:
        """Return the pool of each member, by (`vms`|`storages`, name)."""
        self._fresh()
        return self._pools

    def role(self, roleid: str) -> tuple[str, ...] | None:
        """Return a role's privileges, or None where there is no such role."""
        made = self._lab.roles.get(roleid)
        return tuple(made.privs) if made is not None else builtin_roles().get(roleid)

    def of(self, user: str, path: str) -> Privileges:
        """Return what a user or token may do on a path."""
        self._fresh()
        key = (user, path)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._work_out(user, path)
        return kept

    def _work_out(self, user: str, path: str) -> Privileges:
        if user == ROOT:
            return dict.fromkeys(all_privileges(), True)
        owner, _, token = user.partition("!")
        known = self._lab.users.get(owner)
        if known is None:
            return {}
        if token:
            info = known.tokens.get(token)
            if info is None:
                return {}
            above = self.of(owner, path)
            if not int(info.get("privsep", 1)):
                return above
            own = self._privileges(user, None, path)
            return {name: own[name] and above[name] for name in own if name in above}
        return self._privileges(user, known, path)

    def _privileges(self, user: str, known: User | None, path: str) -> Privileges:
        roles = self._roles(user, known, path)
        match = re.match(r"/(vms|storage)/([^/]+)$", path)
        if match and "NoAccess" not in roles:
            pool = self._pools.get(("vms" if match[1] == "vms" else "storages", match[2]))
            if pool is not None:
                for role, handed in self._roles(user, known, f"/pool/{pool}").items():
                    roles.setdefault(role, handed)
        found: dict[str, bool] = {}
        if "NoAccess" in roles:
            return found
        for role, handed in roles.items():
            for privilege in self.role(role) or ():
                found[privilege] = found.get(privilege, False) or handed
        return found

    def _roles(self, user: str, known: User | None, path: str) -> dict[str, bool]:
        current: dict[str, bool] = {}
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts) + 1):
            entry = self._lab.acl.get("/" + "/".join(parts[:depth]))
            if entry is None:
                continue
            last = depth == len(parts)
            own = entry.users.get(user) if known is not None else entry.tokens.get(user)
            found = _taking(own or {}, last)
            if not found and known is not None:  # an entry of the user's own outweighs its groups'
                for group in known.groups:
                    found.update(_taking(entry.groups.get(group) or {}, last))
            if found:
                current = found
        return {"NoAccess": current["NoAccess"]} if "NoAccess" in current else current

    def holds(self, user: str, path: str, privileges: Iterable[str], *, any: bool = False) -> bool:  # noqa: A002  PVE's own word
        """Say whether a user or token holds privileges (all, or one of them) on a path."""
        held = self.of(user, path)
        for name in privileges:  # thousands of times for one list: a loop is quicker than all()
            if (name in held) is any:
                return any
        return not any

    def need(self, user: str, path: str, privileges: Iterable[str], *, any: bool = False) -> None:  # noqa: A002  PVE's own word
        """Raise 403 unless a user or token holds privileges on a path."""
        wanted = tuple(privileges)
        held = self.of(user, path)
        if any:
            if held.keys().isdisjoint(wanted):
                raise Forbidden(f"{path}, {'|'.join(wanted)}")
            return
        for name in wanted:
            if name not in held:
                raise Forbidden(f"{path}, {name}")

    def may_modify(self, user: str, path: str) -> None:
        """Raise 403 unless a user may change the ACL of a path."""
        if path == "/":
            self.need(user, "/", ["Permissions.Modify"])
            return
        enough = ["Permissions.Modify"]
        for start, privilege in (
            ("/storage/", "Datastore.Allocate"),
            ("/vms/", "VM.Allocate"),
            ("/pool/", "Pool.Allocate"),
        ):
            if path.startswith(start):
                enough.append(privilege)
        self.need(user, path, enough, any=True)

    def groups_with(self, user: str, privileges: Iterable[str]) -> set[str]:
        """Return the groups on which a user holds one of the privileges."""
        wanted = tuple(privileges)
        return {g for g in self._lab.groups if self.holds(user, f"/access/groups/{g}", wanted, any=True)}


def _taking(roles: Mapping[str, Any], last: bool) -> dict[str, bool]:
    return {role: bool(handed) for role, handed in roles.items() if handed or last}
