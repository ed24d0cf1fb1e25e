"""access/ticket: logging in with a password, and what a ticket is good for."""

from __future__ import annotations

from typing import Any

from atlas.lab.auth import Tickets, fits, usable
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
        "clustername": "atlas-lab",
    }


_FAMILIES = ("vms", "storage", "access", "nodes", "dc", "sdn", "mapping")


def capabilities(call: Call, userid: str) -> dict[str, dict[str, int]]:
    """Return what a user may do somewhere, by family, for interfaces that hide the rest."""
    paths = ["/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms", "/mapping", *call.lab.acl]
    held: dict[str, dict[str, int]] = {family: {} for family in _FAMILIES}
    starts = {
        "VM": ("vms",),
        "Pool": ("vms",),
        "Datastore": ("storage",),
        "User": ("access",),
        "Group": ("access",),
        "Permissions": ("access",),
        "Realm": ("access",),
        "Sys": ("nodes", "dc"),
        "SDN": ("sdn", "dc"),
        "Mapping": ("mapping",),
    }
    for path in paths:
        for privilege, handed in call.lab.rights.of(userid, path).items():
            for family in starts.get(privilege.partition(".")[0], ()):
                held[family][privilege] = int(handed)
    return held
