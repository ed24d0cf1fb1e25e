"""The permission expressions of the API table: whether somebody may call a method."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas.lab.call import Forbidden, PVEError
from atlas.lab.rights import ROOT, normal_path

if TYPE_CHECKING:
    from atlas.lab.world import Lab


@dataclass(frozen=True)
class _Request:
    """Who calls, and with which parameters."""

    lab: Lab
    user: str
    params: Mapping[str, Any]


def check(permissions: Mapping[str, Any] | None, lab: Lab, user: str, params: Mapping[str, Any]) -> None:
    """Raise 403 unless a method's permission expression lets somebody call it.

    Args:
        permissions: the table's entry; None lets only root@pam.
        lab: the world.
        user: the caller; empty for nobody.
        params: the call's parameters as they came, not checked yet.
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
    if not _holds(permissions["check"], _Request(lab, user, params), quiet=False):
        raise Forbidden


def _holds(test: list[Any], request: _Request, *, quiet: bool) -> bool:
    """Carry out one test; `quiet` answers where PVE would refuse by a sentence, as within an `or`."""
    kind, *rest = test
    if kind == "and":
        return all(_holds(part, request, quiet=quiet) for part in rest)
    if kind == "or":
        if any(_holds(part, request, quiet=True) for part in rest):
            return True
        return _refuse(quiet, "")
    if kind == "perm":
        return _perm(rest, request, quiet=quiet)
    if kind == "perm-modify":
        path = normal_path(_filled(rest[0], request.params)) or "/access"
        return _quietly(quiet, lambda: request.lab.rights.may_modify(request.user, path))
    if kind == "userid-group":
        return _user_group(rest, request, quiet=quiet)
    if kind == "userid-param":
        return _user_param(rest[0], request, quiet=quiet)
    raise PVEError(500, f"unknown permission test '{kind}'")


def _perm(rest: list[Any], request: _Request, *, quiet: bool) -> bool:
    template, privileges, *options = rest
    extra = dict(zip(options[::2], options[1::2], strict=True))
    needed = extra.get("require_param")
    if needed is not None and request.params.get(needed) is None:
        return False
    path = normal_path(_filled(template, request.params))
    if path is None:
        return _refuse(quiet, f", {privileges[0]}")
    rights, user = request.lab.rights, request.user
    return _quietly(quiet, lambda: rights.need(user, path, privileges, any=bool(extra.get("any"))))


def _user_group(rest: list[Any], request: _Request, *, quiet: bool) -> bool:
    privileges, *options = rest
    extra = dict(zip(options[::2], options[1::2], strict=True))
    mode = extra.get("groups_param")
    rights, user, params = request.lab.rights, request.user, request.params
    userid = str(params.get("userid") or "")
    existing = mode != "create"
    if existing and not _user_exists(request.lab, userid, quiet=quiet):
        return False
    if rights.holds(user, "/access/groups", privileges, any=True):
        return True
    groups = rights.groups_with(user, privileges)
    if mode:
        named = [g for g in re.split(r"[,;\s]+", str(params.get("groups") or "")) if g]
        what = "|".join(privileges)
        if not named:
            return _refuse(quiet, f"/access/groups, {what}")
        for group in named:
            if group not in groups:
                return _refuse(quiet, f"/access/groups/{group}, {what}")
    if existing and not groups & set(request.lab.users[userid].groups):
        return _refuse(quiet, "")
    return True


def _user_exists(lab: Lab, userid: str, *, quiet: bool) -> bool:
    if not quiet and _username(userid) not in lab.users:
        raise PVEError(500, f"no such user ('{userid}')")
    return userid in lab.users


def _user_param(what: str, request: _Request, *, quiet: bool) -> bool:
    userid = _username(str(request.params.get("userid") or ""))
    if what == "self":
        return (_user_exists(request.lab, userid, quiet=quiet) and request.user == userid) or _refuse(quiet, "")
    realm = userid.rpartition("@")[2]
    # PVE refuses here even as one of several ways.
    request.lab.rights.need(request.user, f"/access/realm/{realm}", [what])
    return True


def _quietly(quiet: bool, need: Callable[[], None]) -> bool:
    try:
        need()
    except Forbidden:
        if not quiet:
            raise
        return False
    return True


def _refuse(quiet: bool, what: str) -> bool:
    if not quiet:
        raise Forbidden(what)
    return False


def _filled(template: str, params: Mapping[str, Any]) -> str:
    return re.sub(r"\{([^}]+)\}", lambda match: str(params.get(match[1], "")), template)


def _username(text: str) -> str:
    """Return a user name that has the form of one, or raise 500 as PVE does before any permission is looked at."""
    if len(text) < 3:
        raise PVEError(500, f"user name '{text}' is too short")
    if len(text) > 64:
        raise PVEError(500, f"user name '{text}' is too long ({len(text)} > 64)")
    if not re.fullmatch(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", text):
        raise PVEError(500, f"value '{text}' does not look like a valid user name")
    return text
