"""access/ticket: logging in with a password, and what a ticket is good for."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab.access_users import existing
from atlas.lab.auth import Tickets, fits, hash_secret, usable
from atlas.lab.call import Call, Forbidden, PVEError, api
from atlas.lab.formats import split_list


@api("GET", "/access/ticket")
def get_ticket(_: Call) -> None:
    """Answer nothing: the method exists for browsers' sake."""


@api("POST", "/access/ticket")
def create_ticket(call: Call) -> dict[str, Any]:
    """Log in with a password, or renew with a ticket as the password."""
    lab, params = call.lab, call.params
    userid = str(params["username"])
    if "@" not in userid:
        userid = f"{userid}@{params.get('realm', 'pam')}"
    tickets = Tickets(lab)
    try:
        user = usable(lab, userid)
        password = str(params["password"])
        if not (tickets.user_of(password) == userid or fits(password, user.password)):
            raise PVEError(401, "authentication failure")
    except PVEError as error:
        raise PVEError(401, "authentication failure") from error
    if (
        "path" in params
        and "privs" in params
        and not lab.rights.holds(userid, params["path"], split_list(params["privs"]))
    ):
        raise Forbidden(f"{params['path']}, {params['privs']}")
    return {
        "username": userid,
        "ticket": tickets.make(userid),
        "CSRFPreventionToken": tickets.csrf(userid),
        "cap": capabilities(call, userid),
        **({"clustername": "atlas-lab"} if len(lab.nodes) > 1 else {}),
    }


# What counts as a right in each part of an interface. Source: pve-access-control, compute_api_permission.
_FAMILIES = {
    "vms": re.compile(r"VM\.|Permissions\.Modify"),
    "access": re.compile(r"(User|Group)\.|Permissions\.Modify"),
    "storage": re.compile(r"Datastore\.|Permissions\.Modify"),
    "nodes": re.compile(r"Sys\.|Permissions\.Modify"),
    "sdn": re.compile(r"SDN\.|Permissions\.Modify"),
    "dc": re.compile(r"Sys\.Audit|Sys\.Modify|SDN\."),
    "mapping": re.compile(r"Mapping\.|Permissions\.Modify"),
}


def capabilities(call: Call, userid: str) -> dict[str, dict[str, int]]:
    """Return what a user may do somewhere, by family, for interfaces that hide the rest."""
    held: dict[str, dict[str, int]] = {family: {} for family in _FAMILIES}
    paths = ["/", *(f"/{family}" for family in _FAMILIES if family != "dc"), *call.lab.acl]
    for path in dict.fromkeys(paths):
        family = path.split("/")[1] or "dc"
        families = ("vms", "storage") if family == "pool" else (family,)
        for privilege, handed in call.lab.rights.of(userid, path).items():
            for name in families:
                if name in _FAMILIES and _FAMILIES[name].match(privilege):
                    held[name][privilege] = int(handed)
    return held


@api("PUT", "/access/password")
def change_password(call: Call) -> None:
    """Change a password, one's own with the present one as confirmation."""
    lab, params = call.lab, call.params
    user = existing(lab, params["userid"])
    if not call.is_root:
        given = params.get("confirmation-password")
        if given is None:
            raise PVEError(400, errors={"confirmation-password": "password is required to modify user"})
        if not fits(given, lab.users[call.user].password):
            raise PVEError(500, "invalid credentials")
    user.password = hash_secret(params["password"])
