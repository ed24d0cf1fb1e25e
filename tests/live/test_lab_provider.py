"""Terraform with the unmodified provider, and plain HCL of our own: all kinds of objects of a site, in one life."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes.image_server import serving
from proxmoxer import ProxmoxAPI

from atlas.lab import control
from atlas.terraform import program

pytestmark = [pytest.mark.provider, pytest.mark.slow, pytest.mark.usefixtures("provider")]
HCL = Path(__file__).parent / "provider" / "main.tf"


@dataclass(frozen=True)
class Site:
    """A folder with the HCL, the environment in which Terraform finds the lab, and the lab's API."""

    folder: Path
    variables: dict[str, str]
    api: Any

    def terraform(self, *command: str, good: tuple[int, ...] = (0,)) -> str:
        """Run Terraform; its words are those of the failure where it ends otherwise than expected."""
        done = subprocess.run(
            [*program.find().command, *command],
            cwd=self.folder,
            env=program.environment(self.variables),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in good, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def apply(self, step: int) -> dict[str, str]:
        """Apply a step and return what the plan was going to do, by address."""
        self.terraform("plan", f"-var=step={step}", "-out=plan")
        plan = json.loads(self.terraform("show", "-json", "plan"))
        self.terraform("apply", "plan")
        changes = {row["address"]: row["change"]["actions"] for row in plan["resource_changes"]}
        return {address: "+".join(actions) for address, actions in changes.items() if actions != ["no-op"]}

    def rest(self, step: int) -> str:
        """Return what a second plan of a step would still change; nothing."""
        found = self.terraform("plan", f"-var=step={step}", "-detailed-exitcode", good=(0, 2))
        return "" if "No changes." in found else found

    def pids(self) -> dict[int, int]:
        """Return the process of each VM that runs."""
        rows = [row for node in ("pve1", "pve2") for row in self.api.nodes(node).qemu.get()]
        return {row["vmid"]: row["pid"] for row in rows if row["status"] == "running"}

    def world(self) -> dict[str, list[str]]:
        """Return what is there, by the API."""
        api = self.api
        found = {
            "guests": [row["vmid"] for row in api.cluster.resources.get(type="vm")],
            "pools": [row["poolid"] for row in api.pools.get()],
            "users": [row["userid"] for row in api.access.users.get()],
            "roles": [row["roleid"] for row in api.access.roles.get()],
            "groups": [row["groupid"] for row in api.access.groups.get()],
            "acl": [f"{row['path']} {row['ugid']}" for row in api.access.acl.get()],
            "network": [row["iface"] for row in api.nodes("pve1").network.get()],
            "aliases": [row["name"] for row in api.cluster.firewall.aliases.get()],
            "ipsets": [row["name"] for row in api.cluster.firewall.ipset.get()],
            "security groups": [row["group"] for row in api.cluster.firewall.groups.get()],
        }
        for storage in ("local", "local-lvm", "shared-nfs"):
            rows = api.nodes("pve1").storage(storage).content.get()
            found[storage] = [row["volid"] for row in rows]
        return {kind: sorted(map(str, names)) for kind, names in found.items()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("provider")
    shutil.copy(HCL, folder)
    status = control.start(folder / "lab", nodes=2, latency="instant")
    token = status["tokens"]["root@pam!lab"]
    user, _, rest = token.partition("!")
    name, _, value = rest.partition("=")
    host = status["url"].removeprefix("https://").rstrip("/")
    try:
        with serving() as images:
            variables = {
                "PROXMOX_VE_ENDPOINT": status["url"],
                "PROXMOX_VE_API_TOKEN": token,
                "SSL_CERT_FILE": status["ca_file"],
                "TF_VAR_image": f"{images}/cloud.qcow2",
            }
            api = ProxmoxAPI(host, user=user, token_name=name, token_value=value, verify_ssl=status["ca_file"])
            yield Site(folder, variables, api)
    finally:
        control.stop(folder / "lab")


def test_a_site_is_made_changed_imported_and_destroyed(site: Site) -> None:
    """One test, since each part goes on from the one before."""
    site.terraform("init")
    before = site.world()
    made = site.apply(1)
    assert set(made.values()) == {"create"}
    assert site.rest(1) == ""
    first = site.api.nodes("pve1").qemu(700).config.get()
    assert "size=8G" in first["scsi0"]
    assert first["efidisk0"].startswith("local-lvm:vm-700-disk-")
    assert first["tpmstate0"].startswith("local-lvm:vm-700-disk-")
    assert "tag=20" in first["net0"]
    assert first["net1"].startswith("e1000=")
    assert first["ciuser"] == "ops"
    assert (
        site.api.nodes("pve1").qemu(702).config.get()["scsi0"].startswith("shared-nfs:9000/base-9000-disk-0.qcow2/702/")
    )
    rules = site.api.nodes("pve1").qemu(700).firewall.rules.get()
    assert [(row["pos"], row["action"]) for row in rules] == [(0, "web"), (1, "ACCEPT")]

    pids = site.pids()
    changed = site.apply(2)
    replaced = {address for address, actions in changed.items() if actions != "update"}
    assert replaced == {"proxmox_virtual_environment_vm.plain"}
    assert len(changed) == 15
    assert site.rest(2) == ""
    then = site.api.nodes("pve1").qemu(700)
    config, running = then.config.get(), then.config.get(current=1)
    wanted = {"cores": 4, "memory": "3072", "ciuser": "admin", "nameserver": "10.42.0.2 10.42.0.3"}
    assert {key: config[key] for key in wanted} == wanted
    assert config == running, "what needed a reboot got it"
    assert "size=12G" in config["scsi0"]
    assert "size=3G" in config["sata2"]
    assert config["net0"] == first["net0"]
    assert config["smbios1"] == first["smbios1"], "it is the same VM"

    hot = site.api.nodes("pve1").qemu(705).config.get(current=1)
    assert (hot["vcpus"], hot["memory"], "net1" in hot) == (3, "3072", True)
    assert {vmid for vmid, pid in site.pids().items() if pid == pids[vmid]} == {701, 705}, "only these went on running"

    imported = {
        "proxmox_virtual_environment_vm.plain": "pve1/713",
        "proxmox_virtual_environment_vm.whole": "pve1/700",
        "proxmox_virtual_environment_network_linux_bridge.inner": "pve1:vmbr7",
        "proxmox_virtual_environment_pool.all": "site",
        "proxmox_virtual_environment_user.reader": "reader@pve",
        "proxmox_virtual_environment_role.readers": "Readers",
    }
    for address, name in imported.items():
        site.terraform("state", "rm", address)
        site.terraform("import", "-var=step=2", address, name)
    kinds = set(site.apply(2).values())
    assert kinds <= {"update"}, "nothing is made anew for having been imported"
    assert site.rest(2) == ""
    site.terraform("destroy", "-auto-approve", "-var=step=2")
    assert site.world() == before
