"""A twin answers a client's reading calls as the cluster that it was read from; what differs is listed here by name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from fakes.labapi import Api

from atlas.errors import ApiRefused, AuthFailed
from atlas.lab.auth import Tickets
from atlas.lab.call import NotAuthenticated, PVEError
from atlas.lab.clock import Clock
from atlas.lab.inventory import check, parse
from atlas.lab.simulated import SimulatedBackend
from atlas.lab.twin import rebuild
from atlas.lab.world import Lab
from atlas.twin import read

# Fields that the twin answers otherwise: measured, counted from the moment of asking, or made anew with each lab.
VOLATILE = frozenset({"cpu", "mem", "memhost", "uptime", "time", "timestamp", "localtime", "ssl_fingerprint", "pid"})


def getter(api: Api) -> Callable[..., Any]:
    """Return a client's `get` for other threads, with the client's errors."""
    loop = asyncio.get_running_loop()

    def get(*path: object, **params: Any) -> Any:
        words = "/" + "/".join(map(str, path))
        try:
            answer = asyncio.run_coroutine_threadsafe(api.call("GET", words, **params), loop).result(30)
        except PVEError as refused:
            raise ApiRefused(words, status=refused.status, reason=refused.message) from refused
        return json.loads(json.dumps(answer))

    return get


async def twin_of(api: Api, token: str) -> tuple[Api, dict[str, Any], dict[str, str]]:
    inventory = check(json.loads(json.dumps(await asyncio.to_thread(read, getter(api), token))))
    clock = Clock("instant")
    lab = Lab(SimulatedBackend(clock.now, boot_seconds=0), clock)
    made = await rebuild(lab, inventory)
    return Api(lab, token), inventory, made


async def furnished() -> Api:
    """Return a lab with some of everything that an inventory holds."""
    api = await Api.fresh()
    await api.call("PUT", "/cluster/options", **{"next-id": "lower=200,upper=900", "tag-style": "ordering=config"})
    tags = {"user-tag-access": "user-allow=list,user-allow-list=a;b", "registered-tags": "a;b"}
    await api.call("PUT", "/cluster/options", **tags, migration="insecure,network=10.0.0.0/8", keyboard="de")
    await api.call("PUT", "/nodes/pve2/config", description="the second")
    await api.call("POST", "/nodes/pve1/network", iface="vmbr7", type="bridge", cidr="10.7.0.1/24", bridge_ports="")
    await api.run("PUT", "/nodes/pve1/network")
    await api.call("POST", "/storage", storage="pool-zfs", type="zfspool", pool="tank", nodes="pve2")
    await api.call("POST", "/pools", poolid="team")
    await api.call("POST", "/pools", poolid="team/web", comment="shop")
    vm = "/nodes/pve1/qemu/201"
    assert await api.run("POST", "/nodes/pve1/qemu/9000/clone", newid=201, name="web", pool="team/web") == "OK"
    await api.call("PUT", f"{vm}/config", ciuser="ops", cipassword="hidden", tags="web", ipconfig0="ip=10.42.0.9/24")
    assert await api.run("POST", f"{vm}/snapshot", snapname="before", description="first") == "OK"
    assert await api.run("POST", f"{vm}/status/start") == "OK"
    await api.call("PUT", f"{vm}/config", memory=4096, cipassword="other", delete="serial0")
    assert await api.run("POST", "/nodes/pve2/qemu", vmid=202, name="empty", scsi0="local-lvm:8", cores=3) == "OK"
    ct = {"ostemplate": "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst", "hostname": "db"}
    assert await api.run("POST", "/nodes/pve2/lxc", vmid=203, rootfs="local-lvm:4", **ct) == "OK"
    await api.call("PUT", "/pools", poolid="team", storage="pool-zfs", vms="203")
    await api.call("POST", "/access/groups", groupid="staff", comment="people")
    await api.call(
        "POST", "/access/users", userid="ann@pve", groups="staff", password="ann's own", email="a@example.org"
    )
    await api.call("POST", "/access/users/ann@pve/token/t1", privsep=1)
    await api.call("POST", "/access/roles", roleid="Starter", privs="VM.PowerMgmt,VM.Audit")
    await api.call("PUT", "/access/acl", path="/pool/team", groups="staff", roles="Starter", propagate=0)
    await api.call("PUT", "/access/acl", path="/vms", tokens="ann@pve!t1", roles="PVEAuditor")
    await api.call("POST", "/cluster/sdn/zones", zone="z1", type="simple")
    await api.call("POST", "/cluster/sdn/vnets", vnet="v1", zone="z1")
    await api.call("POST", "/cluster/sdn/vnets/v1/subnets", subnet="10.9.0.0/24", type="subnet", gateway="10.9.0.1")
    await api.run("PUT", "/cluster/sdn")
    await api.call("POST", "/cluster/sdn/vnets", vnet="v2", zone="z1")
    await api.call("POST", "/cluster/ha/resources", sid="vm:202", state="stopped")
    await api.call("POST", "/cluster/backup", id="nightly", schedule="02:00", storage="local", all=1)
    return api


async def reads(api: Api) -> list[tuple[str, dict[str, Any]]]:
    """List the reading calls of clients, below every node, storage, guest, pool, user and the rest that is there."""
    lab = api.lab
    paths = ["/version", "/nodes", "/storage", "/pools", "/cluster/status", "/cluster/resources", "/cluster/options"]
    paths += [f"/access/{name}" for name in ("users", "groups", "roles", "acl", "domains", "permissions")]
    paths += [f"/cluster/{name}" for name in ("nextid", "backup", "replication", "ha/resources", "ha/rules")]
    paths += [f"/cluster/sdn/{name}" for name in ("zones", "vnets", "vnets/v1", "vnets/v1/subnets", "controllers")]
    paths += [f"/storage/{name}" for name in lab.storages] + [f"/access/users/{name}" for name in lab.users]
    paths += [f"/access/roles/{name}" for name in lab.roles] + [f"/access/groups/{name}" for name in lab.groups]
    paths += [
        "/cluster/backup/nightly/included_volumes",
        "/cluster/backup-info/not-backed-up",
        "/cluster/ha/status/current",
    ]
    for node in lab.nodes:
        at = f"/nodes/{node}"
        paths += [f"{at}/{name}" for name in ("network", "config", "dns", "time", "storage", "qemu", "lxc", "status")]
        paths += [f"{at}/{name}" for name in ("network/vmbr0", "services", "sdn/zones", "version")]
        for name in (s for s in lab.storages.values() if s.on(node)):
            paths += [f"{at}/storage/{name.id}/{tail}" for tail in ("status", "content")]
    calls: list[tuple[str, dict[str, Any]]] = [(path, {}) for path in paths]
    for guest in lab.guests.values():
        at = f"/nodes/{guest.node}/{guest.kind}/{guest.vmid}"
        calls += [(f"{at}/{tail}", {}) for tail in ("config", "pending", "snapshot", "status/current")]
        calls += [(f"{at}/config", {"current": 1}), (f"{at}/feature", {"feature": "snapshot"})]
        calls += [(f"{at}/snapshot/{name}/config", {}) for name in guest.snapshots]
    calls += [("/pools", {"poolid": name}) for name in lab.pools] + [("/access/users", {"full": 1})]
    calls += [(f"/cluster/sdn/{kind}", {when: 1}) for kind in ("zones", "vnets") for when in ("running", "pending")]
    return calls


def steady(value: Any) -> Any:
    """Return an answer without its volatile fields; rows in one order, since lists of the API have none."""
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list | tuple):
        return sorted((steady(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def without_password(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in ("cipassword", "digest")}
    return [without_password(row) for row in value if row.get("key") not in ("cipassword", "digest")]


async def test_a_twin_answers_every_read_alike() -> None:
    source = await furnished()
    twin, inventory, _ = await twin_of(source, "root@pam!lab")
    assert inventory["left_out"] == []
    calls = await reads(source)
    assert len(calls) > 110
    differing = {}
    for path, params in calls:
        there, here = [steady(await api.call("GET", path, **params)) for api in (source, twin)]
        if there != here:
            differing[f"{path} {params}"] = (there, here)
    # The password of cloud-init is a secret: where there is one, the twin lacks its line and so has another digest.
    secret = {call: pair for call, pair in differing.items() if call.startswith("/nodes/pve1/qemu/201/")}
    assert {call: pair for call, pair in differing.items() if call not in secret} == {}
    assert [call for call, (there, here) in secret.items() if without_password(there) != without_password(here)] == []


async def test_what_was_pending_is_applied_by_the_twins_next_start() -> None:
    twin, _, _ = await twin_of(await furnished(), "root@pam!lab")
    guest = twin.lab.guest(201)
    assert guest.pending["memory"] == "4096"
    assert await twin.run("POST", "/nodes/pve1/qemu/201/status/stop") == "OK"
    assert await twin.run("POST", "/nodes/pve1/qemu/201/status/start") == "OK"
    assert (guest.config["memory"], guest.pending) == ("4096", {})
    assert "serial0" not in guest.config


async def test_a_twin_can_be_worked_with() -> None:
    """Snapshots go back, linked clones keep their base, a template's clone has an agent."""
    twin, _, _ = await twin_of(await furnished(), "root@pam!lab")
    assert await twin.run("POST", "/nodes/pve1/qemu/201/status/stop") == "OK"
    assert await twin.run("POST", "/nodes/pve1/qemu/201/snapshot/before/rollback") == "OK"
    assert twin.config(201)["memory"] == "2048"
    assert "still in use by linked clone" in await twin.run("DELETE", "/nodes/pve1/qemu/9000")
    assert await twin.run("POST", "/nodes/pve1/qemu/9000/clone", newid=210) == "OK"
    assert await twin.run("POST", "/nodes/pve1/qemu/210/status/start") == "OK"
    assert await twin.call("POST", "/nodes/pve1/qemu/210/agent/ping") == {"result": {}}


async def test_no_secret_is_in_an_inventory_or_a_twin() -> None:
    source = await furnished()
    twin, inventory, made = await twin_of(source, "atlas@pve!atlas")
    text = json.dumps(inventory)
    kept = {u.password for u in source.lab.users.values() if u.password}
    kept |= {t["value"] for u in source.lab.users.values() for t in u.tokens.values()}
    assert [secret for secret in ("hidden", "other", "ann's own", "****", *kept) if secret in text] == []
    tickets = Tickets(twin.lab)
    assert list(made) == ["root@pam", "root@pam!lab", "atlas@pve!atlas"]
    assert tickets.caller(f"PVEAPIToken=atlas@pve!atlas={made['atlas@pve!atlas']}", None).user == "atlas@pve!atlas"
    with pytest.raises(NotAuthenticated):
        tickets.caller("PVEAPIToken=ann@pve!t1=", None)
    assert twin.lab.users["ann@pve"].password is None


async def test_the_readers_token_has_its_rights_where_it_cannot_read_acls() -> None:
    source = await furnished()
    await source.call("PUT", "/access/acl", path="/vms/201", users="ann@pve", roles="PVEVMUser")
    await source.call("POST", "/access/users/ann@pve/token/t2", privsep=0)
    source.user = "ann@pve!t2"
    twin, inventory, _ = await twin_of(source, "ann@pve!t2")
    assert [row["vmid"] for row in inventory["guests"]] == [201, 203]  # the second by the pool
    assert inventory["acl"] == []
    there, here = [await api.call("GET", "/access/permissions") for api in (source, twin)]
    assert there == here
    assert "VM.PowerMgmt" in here["/vms/201"]


async def test_what_cannot_be_read_is_named() -> None:
    source = await furnished()
    source.lab.nodes["pve2"].online = False
    get = getter(source)

    def refusing(*path: object, **params: Any) -> Any:
        if path == ("cluster", "ha", "rules"):
            raise ApiRefused("no", status=403, reason="Permission check failed")
        assert path[:2] != ("nodes", "pve2")
        return get(*path, **params)

    inventory = await asyncio.to_thread(read, refusing, "root@pam!lab")
    left = {row["call"]: row["reason"] for row in inventory["left_out"]}
    assert left["GET /cluster/ha/rules"] == "Permission check failed"
    assert "not online" in left["qemu 202"]
    assert {row["vmid"] for row in inventory["guests"]} == {201, 9000, 9001}
    assert [n["online"] for n in check(inventory)["nodes"]] == [1, 0]


async def test_a_token_that_is_refused_ends_the_reading() -> None:
    def refusing(*_: object, **__: Any) -> Any:
        raise AuthFailed("no")

    with pytest.raises(AuthFailed):
        await asyncio.to_thread(read, refusing, "a@pve!b")


async def test_an_inventory_written_by_hand_makes_a_lab() -> None:
    text = """
    format: atlas-inventory
    version: 1
    nodes: [{name: alpha, network: [{iface: vmbr0, type: bridge, address: 192.0.2.4}]}]
    storages: [{storage: local-lvm, type: lvmthin, options: {content: "images,rootdir"}, space: {alpha: [1000, 400]}}]
    guests:
    - {vmid: 100, type: qemu, node: alpha, status: running, config: {name: one, scsi0: "local-lvm:vm-100-disk-0"}}
    volumes:
    - {volid: "local-lvm:vm-100-disk-0", node: alpha, content: images, format: raw, size: 900, used: 300, vmid: 100}
    """
    clock = Clock("instant")
    lab = Lab(SimulatedBackend(clock.now, boot_seconds=0), clock)
    assert list(await rebuild(lab, parse(text))) == ["root@pam", "root@pam!lab"]
    api = Api(lab)
    rows = {row["id"]: row for row in await api.call("GET", "/cluster/resources")}
    assert rows["qemu/100"]["status"] == "running"
    assert (rows["storage/alpha/local-lvm"]["maxdisk"], rows["storage/alpha/local-lvm"]["disk"]) == (1000, 400)
    assert (await api.call("GET", "/cluster/status"))[0]["ip"] == "192.0.2.4"
