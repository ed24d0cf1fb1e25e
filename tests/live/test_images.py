"""`atlas images`: templates from cloud images on a lab without any; killed, refused, robbed, and gone on with."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fakes.origin import qcow2
from fakes.program import Api, Program
from proxmoxer import ProxmoxAPI

from atlas.lab import control

IMAGE = qcow2(2 << 30)
SUM = hashlib.sha512(IMAGE).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server with the image; yields the image's URL."""
    folder = tmp_path_factory.mktemp("vendor")
    (folder / "image.img").write_bytes(IMAGE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/image.img"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A lab without templates, with its program."""
    made = Program(tmp_path_factory.mktemp("bare"))
    made("lab", "start", "--bare", "--nodes", 1, "--latency", "fast").ended(0)
    yield made
    made("lab", "stop").ended(0)


@pytest.fixture(scope="module")
def api(bare: Program) -> Api:
    """The lab's API."""
    status = control.running(bare.folder / "lab")
    assert status is not None
    return Api(status)


@pytest.fixture(scope="module")
def node(bare: Program, api: Api) -> Any:
    """The lab's only node, for root."""
    password = json.loads((bare.folder / "lab" / "secrets.json").read_text())["root@pam"]
    host = api.status["url"].removeprefix("https://")
    return ProxmoxAPI(host, user="root@pam", password=password, verify_ssl=api.status["ca_file"]).nodes("pve1")


@pytest.fixture
def lab(api: Api, node: Any) -> Iterator[Api]:
    """The lab's API; what a test left there goes afterwards."""
    yield api
    api.mend()
    for vmid, row in api.rows().items():
        if row["status"] == "running":
            api.wait(node.qemu(vmid).status.stop.post())
        api.wait(node.qemu(vmid).delete(skiplock=1, **{"destroy-unreferenced-disks": 1}))
    for row in node.storage("shared-nfs").content.get(content="import"):
        node.storage("shared-nfs").content(row["volid"]).delete()


@pytest.fixture
def atlas(bare: Program, lab: Api, tmp_path: Path) -> Program:
    """The program with a home of its own."""
    del lab
    made = Program(tmp_path, bare.config)
    made.env["ATLAS_LAB_DIR"] = bare.env["ATLAS_LAB_DIR"]
    return made


def add(vendor: str, *more: object) -> tuple[object, ...]:
    return ("images", "add", "debian-12", "--url", vendor, "--sha512", SUM, "--json", *more)


def test_a_template_is_made_and_proved_once_and_used_from_then_on(atlas: Program, lab: Api, vendor: str) -> None:
    done = atlas(*add(vendor, "--yes")).ended(0)
    found = done.one("result")
    assert (found["image"], found["vmid"]) == ("debian-12", 19_999)
    assert found["proof"]["agent"]
    assert found["proof"]["cloud_init"]
    assert [row["name"] for row in lab.rows().values()] == ["debian-12"]
    config = lab.config("debian-12")
    assert config["template"] == 1
    assert config["scsi0"].startswith("shared-nfs:19999/base-19999-disk-0")
    assert "size=2G" in config["scsi0"]
    assert "cloudinit" in config["ide2"]
    assert (config["agent"], config["serial0"], config["ciupgrade"]) == ("enabled=1", "socket", 0)
    assert ":image/debian-12:19999" in config["description"]

    again = atlas(*add(vendor)).ended(0)  # nothing is to be approved
    assert again.one("result") == found
    listed = atlas("images", "list", "--json").ended(0).one("result")["images"]
    assert next(i for i in listed if i["image"] == "debian-12")["vmid"] == 19_999
    doctor = atlas("doctor", "--engine", "api", "--json").all("doctor")
    assert "agent and cloud-init proved on" in next(d for d in doctor if d["subject"] == "image debian-12")["detail"]
    spec = atlas.write({"metadata": {"name": "web"}, "guests": [{"name": "web", "image": "debian-12"}]})
    planned = atlas("plan", spec, "--engine", "api", "--json").ended(0)
    assert "template debian-12 (19999): agent and cloud-init proved on" in planned.text
    assert not atlas("guests", "list", "--json").ended(0).one("result")["guests"][1:]


def test_a_file_is_uploaded_and_its_checksum_compared_before(atlas: Program, lab: Api, tmp_path: Path) -> None:
    image = tmp_path / "my image.qcow2"
    image.write_bytes(IMAGE)
    words = ("images", "add", "debian-12", "--file", image, "--yes", "--json")
    assert "has the sha256 checksum" in atlas(*words, "--sha256", "0" * 64).ended(2).text
    assert lab.rows() == {}
    atlas(*words, "--sha512", SUM, "--vmid", 12_345).ended(0)
    assert list(lab.rows()) == [12_345]


def test_nothing_is_done_without_approval_or_without_the_right_image(atlas: Program, lab: Api, vendor: str) -> None:
    refused = atlas(*add(vendor)).ended(3)
    assert refused.one("approval")["granted"] is False
    assert SUM in refused.text
    wrong = atlas("images", "add", "debian-12", "--url", vendor, "--sha512", "0" * 128, "--yes", "--json").ended(1)
    assert "checksum mismatch" in wrong.text
    assert lab.rows() == {}
    atlas("images", "add", "debian-12", "--url", vendor, "--yes").ended(2)
    atlas("images", "add", "unheard-of", "--yes").ended(2)
    assert lab.rows() == {}


def test_a_template_of_others_is_left_alone(atlas: Program, lab: Api, vendor: str) -> None:
    lab.wait(lab.client.post("nodes", "pve1", "qemu", vmid=500, name="debian-12", scsi0="shared-nfs:1"))
    lab.wait(lab.client.post("nodes", "pve1", "qemu", 500, "template"))
    assert "debian-12 (500) on pve1 stands for debian-12 already" in atlas(*add(vendor, "--yes")).ended(2).text
    assert list(lab.rows()) == [500]


def test_who_takes_the_vmid_meanwhile_keeps_it(atlas: Program, lab: Api, vendor: str) -> None:
    lab.fault("steal-vmid", {"method": "POST", "path": "/nodes/*/qemu"})
    assert atlas(*add(vendor, "--yes")).ended(0).one("result")["vmid"] == 19_998
    rows = lab.rows()
    assert set(rows) == {19_998, 19_999}
    assert rows[19_999]["name"] != "debian-12"


def test_what_a_killed_node_left_half_made_is_told_and_never_touched(atlas: Program, lab: Api, vendor: str) -> None:
    lab.fault("task-fail", {"method": "POST", "path": "/nodes/*/qemu", "nth": 1}, kill=True)
    atlas(*add(vendor, "--yes")).ended(1)
    again = atlas(*add(vendor, "--yes")).ended(4)
    assert "qm unlock 19999 && qm destroy 19999 --destroy-unreferenced-disks 1" in again.text
    assert list(lab.rows()) == [19_999]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["download", "qmcreate", "qmtemplate", "creating", "starting", "check.done"])
def test_a_killed_call_is_gone_on_with_and_leaves_one_template(
    atlas: Program, lab: Api, vendor: str, moment: str
) -> None:
    lab.fault("latency", {"path": "/nodes/*/tasks/**"}, seconds=0.5)
    process = atlas.start(*add(vendor, "--yes"))
    assert process.stdout is not None
    reached = any(f'"{moment}"' in line for line in process.stdout)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert reached
    lab.mend()
    done = atlas(*add(vendor, "--yes")).ended(0)
    assert done.one("result")["proof"]["cloud_init"]
    rows = lab.rows()
    assert [(row["name"], row["template"]) for row in rows.values()] == [("debian-12", 1)]
    assert atlas("guests", "list", "--json").ended(0).one("result")["guests"] == []
