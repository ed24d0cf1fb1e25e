"""A restart in the middle of tasks leaves what a real node would have: what was there in that moment, locks and all.

Each task is brought to a moment by a fault that lets it stand still; what is seen then has to be there after the
restart. A reload of the API daemon keeps its workers, and they end well; a kill, of the workers or of the whole lab,
does not, and they end with `unexpected status`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes.polling import until

from atlas.errors import ApiRefused, Unreachable
from atlas.events import Emitter
from atlas.lab import control
from atlas.lab.admin_client import ask
from atlas.proxmox import tasks
from atlas.proxmox.client import Client

ARCHIVE = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
QEMU, LXC = "nodes/pve1/qemu", "nodes/pve1/lxc"
Sees = Callable[[Client], bool]


def put(client: Client, path: str) -> Any:
    return client.get(*path.split("/"))


def config(client: Client, path: str) -> dict[str, Any]:
    """Return a guest's config; of no guest an empty one."""
    try:
        found: dict[str, Any] = put(client, f"{path}/config")
    except ApiRefused:
        return {}
    found.pop("digest")
    return found


def volumes(client: Client, vmid: int, storage: str = "local-lvm", node: str = "pve1") -> int:
    return len(client.get("nodes", node, "storage", storage, "content", vmid=vmid))


@dataclass(frozen=True)
class Work:
    """A task: the call, the step at which it stands still, what is seen then, and in the end."""

    call: str
    moment: Sees
    end: Sees
    step: int = 1
    params: dict[str, Any] = field(default_factory=dict)
    on: int | None = None
    """The guest that is made for it, with a disk of 1 GiB."""


WORKS = {
    "a clone": Work(
        f"post {QEMU}/9000/clone",
        # the cloud-init drive is done; the disk is there, and in no config
        lambda c: (
            config(c, f"{QEMU}/601").get("lock") == "clone"
            and "scsi0" not in config(c, f"{QEMU}/601")
            and volumes(c, 601) == 2
        ),
        lambda c: "lock" not in config(c, f"{QEMU}/601") and config(c, f"{QEMU}/601")["name"] == "cloned",
        step=2,
        params={"newid": 601, "name": "cloned", "full": 1, "storage": "local-lvm"},
    ),
    "a resize": Work(
        f"put {QEMU}/602/resize",
        lambda c: "size=1G" in config(c, f"{QEMU}/602")["scsi0"] and "lock" not in config(c, f"{QEMU}/602"),
        lambda c: "size=3G" in config(c, f"{QEMU}/602")["scsi0"],
        params={"disk": "scsi0", "size": "3G"},
        on=602,
    ),
    "a migration": Work(
        f"post {QEMU}/603/migrate",
        lambda c: (
            config(c, f"{QEMU}/603").get("lock") == "migrate" and volumes(c, 603) == volumes(c, 603, node="pve2") == 1
        ),
        lambda c: "lock" not in config(c, "nodes/pve2/qemu/603") and volumes(c, 603) == 0,
        step=2,
        params={"target": "pve2"},
        on=603,
    ),
    "a removal that has not begun": Work(
        f"delete {QEMU}/604",
        lambda c: "lock" not in config(c, f"{QEMU}/604") and volumes(c, 604) == 1,
        lambda c: not config(c, f"{QEMU}/604") and volumes(c, 604) == 0,
        on=604,
    ),
    "a removal without volumes": Work(
        f"delete {QEMU}/605",
        lambda c: config(c, f"{QEMU}/605") == {"lock": "destroyed"} and volumes(c, 605) == 0,
        lambda c: not config(c, f"{QEMU}/605"),
        step=2,
        on=605,
    ),
    "a backup": Work(
        "post nodes/pve1/vzdump",
        lambda c: config(c, f"{QEMU}/606").get("lock") == "backup" and volumes(c, 606, "local") == 0,
        lambda c: "lock" not in config(c, f"{QEMU}/606") and volumes(c, 606, "local") == 1,
        params={"vmid": 606, "storage": "local"},
        on=606,
    ),
    "a new machine": Work(
        f"post {QEMU}",
        lambda c: config(c, f"{QEMU}/607") == {"lock": "create"} and volumes(c, 607) == 1,
        lambda c: config(c, f"{QEMU}/607").get("name") == "made" and volumes(c, 607) == 1,
        params={"vmid": 607, "name": "made", "scsi0": "local-lvm:1"},
    ),
    "a new container": Work(
        f"post {LXC}",
        lambda c: config(c, f"{LXC}/608") == {"lock": "create"} and volumes(c, 608) == 1,
        lambda c: config(c, f"{LXC}/608").get("hostname") == "made" and "lock" not in config(c, f"{LXC}/608"),
        params={"vmid": 608, "hostname": "made", "ostemplate": ARCHIVE, "rootfs": "local-lvm:1"},
    ),
}


@dataclass
class Restarted:
    """A lab after its restart, and the tasks that it came upon."""

    client: Client
    upids: dict[str, str]
    killed: bool
    go_on: Callable[[], None]


def _client(status: dict[str, Any], folder: Path) -> Client:
    secret = json.loads((folder / "secrets.json").read_text())["root@pam!lab"]
    return Client(status["url"], f"root@pam!lab={secret}", ca_file=Path(status["ca_file"]))


def _begin(client: Client, folder: Path) -> dict[str, str]:
    """Bring every task to its moment."""
    for vmid in [work.on for work in WORKS.values() if work.on]:
        tasks.wait(client, client.post("nodes", "pve1", "qemu", vmid=vmid, scsi0="local-lvm:1"), Emitter())
    upids = {}
    for name, work in WORKS.items():
        method, path = work.call.split()
        match = {"method": method.upper(), "path": f"/{path}"}
        stall = {"name": "stall", "effect": "task-stall", "match": match, "options": {"step": work.step}}
        ask(folder, "POST", "faults", data={**stall, "name": name.replace(" ", "-")})
        upids[name] = getattr(client, method)(*path.split("/"), **work.params)
        until(partial(work.moment, client), f"the moment of {name}")
    return upids


def _restart(client: Client, folder: Path, *, kill: bool) -> None:
    options = {"seconds": 0, "kill": kill}
    ask(folder, "POST", "faults", data={"name": "restart", "effect": "restart", "options": options})
    with pytest.raises(Unreachable):
        client.put("cluster", "options", keyboard="de")


KILLED = ["workers killed", "lab killed"]


@pytest.fixture(scope="module", params=["reload", *KILLED])
def restarted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarted]:
    folder = tmp_path_factory.mktemp("lab")
    try:
        status = control.start(folder, latency="instant")
        client = _client(status, folder)
        upids = _begin(client, folder)
        if request.param == "lab killed":
            os.kill(status["pid"], signal.SIGKILL)
            until(lambda: control.running(folder) is None)
            client = _client(control.start(folder, latency="instant"), folder)
        else:
            _restart(client, folder, kill=request.param == "workers killed")
        if request.param == "workers killed":
            _clear(folder)  # the faults go on, and would strike the next calls
        yield Restarted(client, upids, request.param != "reload", lambda: _clear(folder))
    finally:
        control.stop(folder)


def _clear(folder: Path) -> None:
    ask(folder, "DELETE", "faults")


@pytest.mark.parametrize("name", WORKS)
def test_what_was_there_is_there(restarted: Restarted, name: str) -> None:
    work, client, upid = WORKS[name], restarted.client, restarted.upids[name]
    at = client.get("nodes", "pve1", "tasks", upid, "status")
    if not restarted.killed:
        restarted.go_on()
        tasks.wait(client, upid, Emitter())
        assert work.end(client)
        return
    assert (at["status"], at["exitstatus"]) == ("stopped", "unexpected status")
    assert work.moment(client)
    assert not work.end(client)


@pytest.mark.parametrize("restarted", KILLED, indirect=True)  # a reload leaves no lock
def test_a_lock_that_is_left_is_in_the_way_of_all_but_root(restarted: Restarted) -> None:
    client = restarted.client
    for vmid, lock in ((601, "clone"), (603, "migrate"), (605, "destroyed"), (606, "backup")):
        with pytest.raises(ApiRefused, match=rf"VM is locked \({lock}\)"):
            client.put("nodes", "pve1", "qemu", vmid, "config", cores=2)
    with pytest.raises(ApiRefused, match="VM 605 already exists"):
        client.get("cluster", "nextid", vmid=605)
    tasks.wait(client, client.put("nodes", "pve1", "qemu", 602, "resize", disk="scsi0", size="2G"), Emitter())
    tasks.wait(client, client.delete("nodes", "pve1", "qemu", 604), Emitter())
