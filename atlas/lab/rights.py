"""Who may do what: roles, ACLs, pools, and the permission expressions of the API table."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from atlas.lab.call import Forbidden, PVEError

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
    r"|/mapping(/(cpu|dir|pci|usb|notifications)(/[A-Za-z0-9._-]+)?)?"
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
            if not _any(name in held for name in wanted):
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

    def check(self, permissions: Mapping[str, Any] | None, user: str, params: Mapping[str, Any]) -> None:
        """Raise 403 unless a method's permission expression lets the user call it.

        Args:
            permissions: The table's entry; None lets only root@pam.
            user: The caller; empty for nobody.
            params: The call's parameters as they came, not checked yet.
        """
        if permissions is not None and permissions.get("user") == "world":
            return
        if not user:
            raise Forbidden("user != null")
        if user == ROOT:
            return
        if permissions is not None and permissions.get("user") == "all":
            return
        if permissions is None or not permissions.get("check"):
            raise Forbidden("user != root@pam")
        if not self._holds(permissions["check"], user, params, quiet=False):
            raise Forbidden

    def _holds(self, check: list[Any], user: str, params: Mapping[str, Any], *, quiet: bool) -> bool:
        kind, *rest = check
        if kind == "and":
            return all(self._holds(part, user, params, quiet=quiet) for part in rest)
        if kind == "or":
            if _any(self._holds(part, user, params, quiet=True) for part in rest):
                return True
            return _refuse(quiet, "")
        if kind == "perm":
            return self._perm(rest, user, params, quiet=quiet)
        if kind == "perm-modify":
            path = normal_path(_filled(rest[0], params))
            if path is None:
                return _refuse(quiet, "")
            return self._quietly(quiet, lambda: self.may_modify(user, path))
        if kind == "userid-group":
            return self._user_group(rest, user, params, quiet=quiet)
        if kind == "userid-param":
            return self._user_param(rest[0], user, params, quiet=quiet)
        raise PVEError(500, f"unknown permission test '{kind}'")

    def _perm(self, rest: list[Any], user: str, params: Mapping[str, Any], *, quiet: bool) -> bool:
        template, privileges, *options = rest
        extra = dict(zip(options[::2], options[1::2], strict=True))
        needed = extra.get("require_param")
        if needed is not None and params.get(needed) is None:
            return False
        path = normal_path(_filled(template, params))
        if path is None:
            return _refuse(quiet, f", {privileges[0]}")
        return self._quietly(quiet, lambda: self.need(user, path, privileges, any=bool(extra.get("any"))))

    def _user_group(self, rest: list[Any], user: str, params: Mapping[str, Any], *, quiet: bool) -> bool:
        privileges, *options = rest
        extra = dict(zip(options[::2], options[1::2], strict=True))
        mode = extra.get("groups_param")
        userid = str(params.get("userid") or "")
        existing = mode != "create"
        if existing and not self._user_exists(userid, quiet=quiet):
            return False
        if self.holds(user, "/access/groups", privileges, any=True):
            return True
        groups = self.groups_with(user, privileges)
        if mode:
            named = [g for g in re.split(r"[,;\s]+", str(params.get("groups") or "")) if g]
            what = "|".join(privileges)
            if not named:
                return _refuse(quiet, f"/access/groups, {what}")
            for group in named:
                if group not in groups:
                    return _refuse(quiet, f"/access/groups/{group}, {what}")
        if existing and not groups & set(self._lab.users[userid].groups):
            return _refuse(quiet, "")
        return True

    def _user_exists(self, userid: str, *, quiet: bool) -> bool:
        if not quiet and username(userid) not in self._lab.users:
            raise PVEError(500, f"no such user ('{userid}')")
        return userid in self._lab.users

    def _user_param(self, what: str, user: str, params: Mapping[str, Any], *, quiet: bool) -> bool:
        userid = username(str(params.get("userid") or ""))
        if what == "self":
            return (self._user_exists(userid, quiet=quiet) and user == userid) or _refuse(quiet, "")
        realm = userid.rpartition("@")[2]
        self.need(user, f"/access/realm/{realm}", [what])  # PVE refuses here even as one of several ways
        return True

    def _quietly(self, quiet: bool, need: Any) -> bool:
        try:
            need()
        except Forbidden:
            if not quiet:
                raise
            return False
        return True


def _any(tests: Iterable[bool]) -> bool:
    return next((True for test in tests if test), False)


def _refuse(quiet: bool, what: str) -> bool:
    if not quiet:
        raise Forbidden(what)
    return False


def _taking(roles: Mapping[str, Any], last: bool) -> dict[str, bool]:
    return {role: bool(handed) for role, handed in roles.items() if handed or last}


def _filled(template: str, params: Mapping[str, Any]) -> str:
    return re.sub(r"\{([^}]+)\}", lambda match: str(params.get(match[1], "")), template)


def username(text: str) -> str:
    """Return a user name that has the form of one, or raise 500 as PVE does before any permission is looked at."""
    if len(text) < 3:
        raise PVEError(500, f"user name '{text}' is too short")
    if len(text) > 64:
        raise PVEError(500, f"user name '{text}' is too long ({len(text)} > 64)")
    if not re.fullmatch(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", text):
        raise PVEError(500, f"value '{text}' does not look like a valid user name")
    return text
