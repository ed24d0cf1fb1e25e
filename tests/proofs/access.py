"""Proofs of access: users, tokens, groups, roles, ACLs, realms, passwords; and of pools."""

from __future__ import annotations

from fakes.proof import Proof, proof


@proof
async def users(p: Proof) -> None:
    await p.crud("/access/users", "userid", "u@pve", {"password": "secret123"}, {"comment": "x"})
    await p.do("POST /access/users", userid="v@pve", password="secret123")
    base = "/access/users/v@pve/token"
    await p.sets(f"POST {base}/tk", {"comment": "a"}, f"GET {base}", {"tokenid": "tk"})
    await p.sets(f"PUT {base}/tk", {"comment": "b"}, f"GET {base}/tk", {"comment": "b"})
    await p.unsets(f"DELETE {base}/tk", {}, f"GET {base}", {"tokenid": "tk"})
    await p.crud("/access/groups", "groupid", "ops", {}, {"comment": "x"})
    await p.crud(
        "/access/roles",
        "roleid",
        "Mine",
        {"privs": "VM.Audit"},
        {"privs": "VM.Audit,VM.Console"},
        shown={"VM.Console": 1},
    )
    await p.crud(
        "/access/domains",
        "realm",
        "ad1",
        {"type": "ad", "server1": "10.0.0.8", "domain": "lab.example"},
        {"comment": "x"},
    )
    given = {"path": "/vms", "users": "v@pve", "roles": "PVEVMAdmin"}
    await p.sets("PUT /access/acl", given, "GET /access/acl", {"path": "/vms", "ugid": "v@pve"})
    rights, wanted = {"/vms": {"VM.Console": 1}}, {"userid": "v@pve"}
    await p.unsets("PUT /access/acl", {**given, "delete": 1}, "GET /access/permissions", rights, wanted)


@proof
async def passwords(p: Proof) -> None:
    await p.do("POST /access/users", userid="v@pve", password="secret123")
    login, shown = "POST /access/ticket", {"username": "v@pve"}
    new = {"username": "v@pve", "password": "another123"}
    await p.sets("PUT /access/password", {"userid": "v@pve", "password": "another123"}, login, shown, new)


@proof
async def pools(p: Proof) -> None:
    await p.do("POST /nodes/pve1/qemu", vmid=101)
    await p.sets("POST /pools", {"poolid": "mine"}, "GET /pools", {"poolid": "mine"})
    await p.sets("PUT /pools", {"poolid": "mine", "vms": "101"}, "GET /pools/mine", {"members": {"vmid": 101}})
    await p.sets("PUT /pools/mine", {"comment": "x"}, "GET /pools/mine", {"comment": "x"})
    await p.do("PUT /pools/mine", vms="101", delete=1)
    await p.do("POST /pools", poolid="other")
    await p.unsets("DELETE /pools/mine", {}, "GET /pools", {"poolid": "mine"})
    await p.unsets("DELETE /pools", {"poolid": "other"}, "GET /pools", {"poolid": "other"})
