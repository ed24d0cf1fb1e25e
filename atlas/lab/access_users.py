"""access/users and their tokens."""

from __future__ import annotations

import uuid
from typing import Any

from atlas.lab.auth import hash_secret, hash_token
from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import User
from atlas.lab.formats import split_list
from atlas.lab.world import Lab

FIELDS = ("comment", "email", "firstname", "lastname", "keys")


def existing(lab: Lab, userid: str, doing: str = "") -> User:
    """Return a user, or raise 500 as PVE does."""
    user = lab.users.get(userid)
    if user is None:
        raise PVEError(500, f"{doing}no such user ('{userid}')")
    return user


def forget(lab: Lab, kind: str, name: str) -> None:
    """Take somebody out of every ACL; paths without entries go too."""
    for path, acl in list(lab.acl.items()):
        entries: dict[str, Any] = getattr(acl, kind)
        if name in entries:
            del entries[name]
            if not (acl.users or acl.groups or acl.tokens):
                del lab.acl[path]


def _token_info(info: dict[str, Any]) -> dict[str, Any]:
    return {key: info[key] for key in ("comment", "expire", "privsep") if key in info}


def _tokens(user: User) -> list[dict[str, Any]]:
    return [{"tokenid": name, **_token_info(info)} for name, info in user.tokens.items()]


def _shown(user: User) -> dict[str, Any]:
    shown = {"enable": user.enable, "expire": user.expire, **user.fields}
    if any(key in shown for key in ("comment", "keys")):  # what the line has after an address makes that a field
        shown.setdefault("email", "")
    return shown


@api("GET", "/access/users")
def users(call: Call) -> list[dict[str, Any]]:
    """List users: all for auditors, else the caller and the groups it looks after."""
    lab, params = call.lab, call.params
    sees_all = call.may("/access/groups", "User.Modify", "Sys.Audit", any=True)
    groups = lab.rights.groups_with(call.user, ("User.Modify", "Sys.Audit"))
    realms = {name: entry.data["type"] for name, entry in lab.section("domains").items()} | {"pam": "pam", "pve": "pve"}
    rows = []
    for userid, user in lab.users.items():
        if not (sees_all or userid == call.user or groups & set(user.groups)):
            continue
        active = bool(user.enable) and not (user.expire and user.expire < lab.clock.now())
        if "enabled" in params and bool(params["enabled"]) != active:
            continue
        row = {"userid": userid, **_shown(user)}
        realm = realms.get(userid.rpartition("@")[2])
        if realm is not None:
            row["realm-type"] = realm
        if params.get("full"):
            row["groups"] = ",".join(user.groups)
            row["tokens"] = _tokens(user) or None
        rows.append(row)
    return rows


def _join(lab: Lab, user: User, text: str, doing: str) -> None:
    for group in split_list(text):
        if group not in lab.groups:
            raise PVEError(500, f"{doing}no such group '{group}'")
    for group in split_list(text):
        user.groups[group] = 1


def _fill(user: User, params: dict[str, Any]) -> None:
    for key in FIELDS:
        if key in params:
            if params[key] == "":
                user.fields.pop(key, None)
            else:
                user.fields[key] = params[key]
    user.enable = int(params.get("enable", user.enable))
    user.expire = int(params.get("expire", user.expire))


@api("POST", "/access/users")
def create_user(call: Call) -> None:
    """Make a user."""
    lab, params = call.lab, call.params
    userid = str(params["userid"])
    if userid in lab.users:
        raise PVEError(500, f"create user failed: user '{userid}' already exists")
    user = User(userid)
    _join(lab, user, params.get("groups", ""), "create user failed: ")
    _fill(user, params)
    if params.get("password"):
        realm = lab.section("domains").get(userid.rpartition("@")[2])
        if realm is not None and realm.data["type"] not in ("pam", "pve"):
            raise PVEError(500, f"create user failed: can't set password on auth type '{realm.data['type']}'")
        if userid.endswith("@pam"):
            name = userid.rpartition("@")[0]
            raise PVEError(500, f"create user failed: change password failed: user '{name}' does not exist")
        user.password = hash_secret(params["password"])
    lab.users[userid] = user


@api("GET", "/access/users/{userid}")
def read_user(call: Call) -> dict[str, Any]:
    """Return a user."""
    user = existing(call.lab, call.params["userid"])
    tokens = {name: _token_info(info) for name, info in user.tokens.items()}
    return {**_shown(user), "groups": list(user.groups), "tokens": tokens or None}


@api("PUT", "/access/users/{userid}")
def update_user(call: Call) -> None:
    """Change a user."""
    user = existing(call.lab, call.params["userid"], "update user failed: ")
    if "groups" in call.params:
        before = dict(user.groups)
        if not call.params.get("append"):
            user.groups.clear()
        try:
            _join(call.lab, user, call.params["groups"], "update user failed: ")
        except PVEError:
            user.groups = before
            raise
    _fill(user, call.params)


@api("DELETE", "/access/users/{userid}")
def delete_user(call: Call) -> None:
    """Remove a user with its tokens and ACL entries."""
    userid = call.params["userid"]
    user = existing(call.lab, userid)
    for token in user.tokens:
        forget(call.lab, "tokens", f"{userid}!{token}")
    forget(call.lab, "users", userid)
    del call.lab.users[userid]


def _token(call: Call) -> dict[str, Any]:
    userid, name = call.params["userid"], call.params["tokenid"]
    info: dict[str, Any] | None = existing(call.lab, userid).tokens.get(name)
    if info is None:
        raise PVEError(500, f"no such token '{name}' for user '{userid}'")
    return info


@api("GET", "/access/users/{userid}/token")
def tokens(call: Call) -> list[dict[str, Any]]:
    """List a user's tokens."""
    return _tokens(existing(call.lab, call.params["userid"]))


@api("GET", "/access/users/{userid}/token/{tokenid}")
def read_token(call: Call) -> dict[str, Any]:
    """Return a token without its secret."""
    return _token_info(_token(call))


def _echo(call: Call) -> dict[str, Any]:
    """PVE echoes the parameters as they came: numbers of a form stay texts."""
    return {key: call.raw[key] for key in ("comment", "expire", "privsep") if key in call.raw}


@api("POST", "/access/users/{userid}/token/{tokenid}")
def create_token(call: Call) -> dict[str, Any]:
    """Make a token and return its secret, the only time."""
    params = call.params
    user, name = existing(call.lab, params["userid"]), params["tokenid"]
    if name in user.tokens:
        raise PVEError(400, errors={"tokenid": "Token already exists."})
    value = str(uuid.uuid4())
    info = {
        "value": hash_token(value),
        "privsep": params.get("privsep", 1),
        "expire": params.get("expire", 0),
    }
    if params.get("comment"):
        info["comment"] = params["comment"]
    user.tokens[name] = info
    return {"full-tokenid": f"{user.userid}!{name}", "info": {"privsep": 1, **_echo(call)}, "value": value}


@api("PUT", "/access/users/{userid}/token/{tokenid}")
def update_token(call: Call) -> dict[str, Any]:
    """Change a token, or give it a new secret."""
    info, params = _token(call), call.params
    answer: dict[str, Any] = {}
    for key in split_list(params.get("delete", "")):
        if key not in ("comment", "expire", "privsep"):
            raise PVEError(400, errors={"delete": f"unable to delete unknown property '{key}'"})
        info.pop(key, None)
        info.setdefault("expire", 0)
        info.setdefault("privsep", 1)
    info.update({key: params[key] for key in ("comment", "expire", "privsep") if key in params})
    if params.get("regenerate"):
        answer["value"] = str(uuid.uuid4())
        answer["full-tokenid"] = f"{params['userid']}!{params['tokenid']}"
        info["value"] = hash_token(answer["value"])
    return {**_token_info(info), **_echo(call), **answer}


@api("DELETE", "/access/users/{userid}/token/{tokenid}")
def delete_token(call: Call) -> None:
    """Remove a token and its ACL entries."""
    _token(call)
    userid, name = call.params["userid"], call.params["tokenid"]
    forget(call.lab, "tokens", f"{userid}!{name}")
    del call.lab.users[userid].tokens[name]
