"""access/roles, access/groups, access/acl and access/permissions."""

from __future__ import annotations

from typing import Any

from atlas.lab.access_users import forget
from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Acl, Group, Role
from atlas.lab.formats import split_list
from atlas.lab.rights import builtin_roles, known_path, normal_path

TOP_PATHS = (
    "/",
    "/access",
    "/access/groups",
    "/access/realm",
    "/mapping",
    "/nodes",
    "/pool",
    "/sdn",
    "/storage",
    "/vms",
)


@api("GET", "/access/roles")
def roles(call: Call) -> list[dict[str, Any]]:
    """List the roles with their privileges."""
    rows = [{"roleid": name, "privs": ",".join(privs), "special": 1} for name, privs in builtin_roles().items()]
    made = [
        {"roleid": name, "privs": ",".join(sorted(role.privs)), "special": 0} for name, role in call.lab.roles.items()
    ]
    return rows + made


@api("GET", "/access/roles/{roleid}")
def read_role(call: Call) -> dict[str, int]:
    """Return a role's privileges."""
    privileges = call.lab.rights.role(call.params["roleid"])
    if privileges is None:
        raise PVEError(500, f"role '{call.params['roleid']}' does not exist")
    return dict.fromkeys(privileges, 1)


@api("POST", "/access/roles")
def create_role(call: Call) -> None:
    """Make a role."""
    roleid = call.params["roleid"]
    if call.lab.rights.role(roleid) is not None:
        raise PVEError(500, f"create role failed: role '{roleid}' already exists")
    if roleid.lower().startswith("pve"):
        raise PVEError(
            400, errors={"roleid": "cannot use role ID starting with the (case-insensitive) 'PVE' namespace"}
        )
    call.lab.roles[roleid] = Role(roleid, dict.fromkeys(split_list(call.params.get("privs", "")), 1))


@api("PUT", "/access/roles/{roleid}")
def update_role(call: Call) -> None:
    """Replace a role's privileges, or add to them."""
    roleid = call.params["roleid"]
    if roleid in builtin_roles():
        raise PVEError(500, f"auto-generated role '{roleid}' cannot be modified")
    role = call.lab.roles.get(roleid)
    if role is None:
        raise PVEError(500, f"update role failed: role '{roleid}' does not exist")
    if not call.params.get("append"):
        role.privs.clear()
    role.privs.update(dict.fromkeys(split_list(call.params.get("privs", "")), 1))


@api("DELETE", "/access/roles/{roleid}")
def delete_role(call: Call) -> None:
    """Remove a role, also from the ACLs."""
    roleid = call.params["roleid"]
    if roleid in builtin_roles():
        raise PVEError(500, f"auto-generated role '{roleid}' cannot be deleted")
    if roleid not in call.lab.roles:
        raise PVEError(500, f"delete role failed: role '{roleid}' does not exist")
    del call.lab.roles[roleid]
    for acl in call.lab.acl.values():
        for entries in (acl.users, acl.groups, acl.tokens):
            for name in list(entries):
                entries[name].pop(roleid, None)


@api("GET", "/access/groups")
def groups(call: Call) -> list[dict[str, Any]]:
    """List the groups that the caller may see."""
    rows = []
    for name, group in call.lab.groups.items():
        if not call.may("/access/groups", "User.Modify", "Sys.Audit", "Group.Allocate", any=True) and not call.may(
            f"/access/groups/{name}", "User.Modify", "Sys.Audit", "Group.Allocate", any=True
        ):
            continue
        row = {"groupid": name, "users": ",".join(_members(call, name))}
        if group.comment:
            row["comment"] = group.comment
        rows.append(row)
    return rows


def _members(call: Call, group: str) -> list[str]:
    return [userid for userid, user in call.lab.users.items() if group in user.groups]


def _group(call: Call, doing: str = "") -> Group:
    groupid = call.params["groupid"]
    if groupid not in call.lab.groups:
        raise PVEError(500, f"{doing}group '{groupid}' does not exist")
    return call.lab.groups[groupid]


@api("POST", "/access/groups")
def create_group(call: Call) -> None:
    """Make a group."""
    groupid = call.params["groupid"]
    if groupid in call.lab.groups:
        raise PVEError(500, f"create group failed: group '{groupid}' already exists")
    call.lab.groups[groupid] = Group(groupid, call.params.get("comment"))


@api("GET", "/access/groups/{groupid}")
def read_group(call: Call) -> dict[str, Any]:
    """Return a group with its members."""
    group = _group(call)
    shown: dict[str, Any] = {"members": _members(call, group.groupid)}
    if group.comment:
        shown["comment"] = group.comment
    return shown


@api("PUT", "/access/groups/{groupid}")
def update_group(call: Call) -> None:
    """Change a group's comment."""
    group = _group(call, "update group failed: ")
    group.comment = call.params.get("comment", group.comment)


@api("DELETE", "/access/groups/{groupid}")
def delete_group(call: Call) -> None:
    """Remove a group, also from its users and the ACLs."""
    group = _group(call, "delete group failed: ")
    for user in call.lab.users.values():
        user.groups.pop(group.groupid, None)
    forget(call.lab, "groups", group.groupid)
    del call.lab.groups[group.groupid]


@api("GET", "/access/acl")
def acl(call: Call) -> list[dict[str, Any]]:
    """List the ACL entries that the caller may see."""
    rows = []
    sees_all = call.may("/access", "Sys.Audit")
    for path, entry in call.lab.acl.items():
        if not (sees_all or call.may(path, "Permissions.Modify")):
            continue
        for kind, entries in (("user", entry.users), ("group", entry.groups), ("token", entry.tokens)):
            for name, given in entries.items():
                rows += [
                    {"path": path, "type": kind, "ugid": name, "roleid": role, "propagate": int(handed)}
                    for role, handed in given.items()
                ]
    return rows


@api("PUT", "/access/acl")
def update_acl(call: Call) -> None:
    """Add or remove ACL entries of a path."""
    params, lab = call.params, call.lab
    named = {kind: split_list(params.get(kind, "")) for kind in ("users", "groups", "tokens")}
    if not any(kind in params for kind in named):
        raise PVEError(400, errors=dict.fromkeys(named, "either 'users', 'groups' or 'tokens' is required."))
    path = normal_path(params["path"])
    if path is None or not (params.get("delete") or known_path(path)):
        raise PVEError(400, errors={"path": f"invalid ACL path '{params['path']}'"})
    for role in split_list(params["roles"]):
        if lab.rights.role(role) is None:
            raise PVEError(500, f"ACL update failed: role '{role}' does not exist")
        _check_handed(call, path, role)
    _check_named(call, named)
    entry = lab.acl.get(path)
    if entry is None:
        entry = Acl(path)
    for kind, names in named.items():
        for name in names:
            _set(getattr(entry, kind), name, params)
    if entry.users or entry.groups or entry.tokens:
        lab.acl[path] = entry
    else:
        lab.acl.pop(path, None)


def _check_handed(call: Call, path: str, role: str) -> None:
    """Let who may change an ACL for another reason than Permissions.Modify hand on what he has and no more."""
    held, adds = call.lab.rights.of(call.user, path), not call.params.get("delete")
    if "Permissions.Modify" in held:
        return
    what = f"Cannot {'add' if adds else 'remove'} role '{role}'"
    privileges = call.lab.rights.role(role) or ()
    fault = "" if privileges else f"{what} - requires 'Permissions.Modify'"
    if any(privilege not in held for privilege in privileges):
        fault = f"{what} - requires 'Permissions.Modify' or superset of privileges."
    elif adds and call.params.get("propagate", 1) and not all(held[privilege] for privilege in privileges):
        fault = f"{what} with propagation - requires 'Permissions.Modify' or propagated superset of privileges."
    if fault:
        raise PVEError(500, f"ACL update failed: 400 Parameter verification failed.\nrole: {fault}\n")


def _set(entries: dict[str, Any], name: str, params: dict[str, Any]) -> None:
    for role in split_list(params["roles"]):
        if params.get("delete"):
            entries.get(name, {}).pop(role, None)
        else:
            entries.setdefault(name, {})[role] = params.get("propagate", 1)
    if not entries.get(name):
        entries.pop(name, None)


def _check_named(call: Call, named: dict[str, list[str]]) -> None:
    for userid in named["users"]:
        if userid not in call.lab.users:
            raise PVEError(500, f"ACL update failed: user '{userid}' does not exist")
    for group in named["groups"]:
        if group not in call.lab.groups:
            raise PVEError(500, f"ACL update failed: group '{group}' does not exist")
    for token in named["tokens"]:
        owner, _, name = token.partition("!")
        if owner not in call.lab.users:
            raise PVEError(500, f"ACL update failed: no such user ('{owner}')")
        if name not in call.lab.users[owner].tokens:
            raise PVEError(500, f"ACL update failed: no such token '{name}' for user '{owner}'")


@api("GET", "/access/permissions")
def permissions(call: Call) -> dict[str, dict[str, int]]:
    """Return what a user or token may do, on one path or on all that matter."""
    lab, userid = call.lab, str(call.params.get("userid", call.user))
    if userid != call.user and userid.partition("!")[0] != call.user:
        call.need("/access", "Sys.Audit")
    owner, _, token = userid.partition("!")
    known = owner in lab.users and (not token or token in lab.users[owner].tokens)
    if "path" in call.params:
        path = call.params["path"]
        return {path: _numbers(lab.rights.of(userid, normal_path(path) or path)) if known else {}}
    if not known:
        return {}
    members = [f"/{'vms' if kind == 'vms' else 'storage'}/{name}" for kind, name in lab.rights.pools_by_member()]
    shown = {}
    for path in dict.fromkeys([*TOP_PATHS, *lab.acl, *members]):
        held = lab.rights.of(userid, path)
        if held and (path in lab.acl or path in TOP_PATHS or path in members):
            shown[path] = _numbers(held)
    return shown


def _numbers(held: Any) -> dict[str, int]:
    return {privilege: int(handed) for privilege, handed in held.items()}
