"""Modules of `community.proxmox` for what lies between guests: firewalls, zones, networks, subnets, addresses."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.collection import Modules

from atlas.proxmox.client import Client

RULE = {"type": "in", "action": "ACCEPT", "source": "10.42.0.0/24", "proto": "tcp", "dport": "22", "log": "nolog"}
LEVELS: dict[str, tuple[dict[str, Any], tuple[object, ...]]] = {
    "cluster": ({"level": "cluster"}, ("cluster", "firewall")),
    "node": ({"level": "node", "node": "pve1"}, ("nodes", "pve1", "firewall")),
    "vm": ({"level": "vm", "vmid": 9000}, ("nodes", "pve1", "qemu", 9000, "firewall")),
}


@pytest.mark.parametrize("level", LEVELS)
def test_firewall_rules(modules: Modules, reader: Client, level: str) -> None:
    where, path = LEVELS[level]
    rules = [{**RULE, "pos": 0, "enable": True}, {**RULE, "pos": 1, "dport": "443", "enable": True, "comment": "web"}]
    modules("proxmox_firewall", **where, rules=rules)
    found = reader.get(*path, "rules")
    assert [(row["pos"], row["dport"], row["enable"]) for row in found] == [(0, "22", 1), (1, "443", 1)]
    rules[1] |= {"dport": "8443"}
    modules("proxmox_firewall", **where, rules=rules)
    assert [row["dport"] for row in reader.get(*path, "rules")] == ["22", "8443"]
    if level != "node":  # it asks for a node's aliases, too, and PVE has none
        shown = modules("proxmox_firewall_info", **where)
        assert [row["dport"] for row in shown["firewall_rules"]] == ["22", "8443"]
    for left in (1, 0):
        modules("proxmox_firewall", **where, pos=0, state="absent")
        assert len(reader.get(*path, "rules")) == left


def test_security_groups(modules: Modules, reader: Client) -> None:
    modules.once("proxmox_firewall", group_conf=True, group="web", comment="for web")
    modules("proxmox_firewall", level="group", group="web", rules=[{**RULE, "pos": 0}])
    assert [row["dport"] for row in reader.get("cluster", "firewall", "groups", "web")] == ["22"]
    assert modules("proxmox_firewall_info", level="group", group="web")["firewall_rules"][0]["dport"] == "22"
    modules("proxmox_firewall", level="group", group="web", pos=0, state="absent")
    modules("proxmox_firewall", group_conf=True, group="web", state="absent")
    assert reader.get("cluster", "firewall", "groups") == []


def test_aliases_and_sets(modules: Modules, reader: Client) -> None:
    alias = {"name": "office", "cidr": "10.42.9.0/24", "comment": "there"}
    modules.once("proxmox_firewall", aliases=[alias])
    modules.once("proxmox_firewall", aliases=[{**alias, "cidr": "10.42.8.0/24"}])
    assert [row["cidr"] for row in reader.get("cluster", "firewall", "aliases")] == ["10.42.8.0/24"]
    modules("proxmox_firewall", aliases=[{"name": "office"}], state="absent")
    assert reader.get("cluster", "firewall", "aliases") == []
    cidrs = [{"cidr": "10.42.7.1"}, {"cidr": "10.42.7.2", "nomatch": True, "comment": "not this"}]
    modules("proxmox_firewall", ip_sets=[{"name": "hosts", "comment": "some", "cidrs": cidrs}])
    found = {row["cidr"]: row.get("nomatch") for row in reader.get("cluster", "firewall", "ipset", "hosts")}
    assert found == {"10.42.7.1": None, "10.42.7.2": 1}
    modules("proxmox_firewall", ip_sets=[{"name": "hosts", "cidrs": cidrs}], state="absent")
    assert reader.get("cluster", "firewall", "ipset", "hosts") == []
    modules("proxmox_firewall", ip_sets=[{"name": "hosts"}], state="absent")
    assert reader.get("cluster", "firewall", "ipset") == []


def test_options_of_the_firewall(modules: Modules, reader: Client) -> None:
    modules.once("proxmox_cluster_firewall", state="enabled", input_policy="REJECT")
    found = reader.get("cluster", "firewall", "options")
    assert (found["enable"], found["policy_in"]) == (1, "REJECT")
    modules.once("proxmox_cluster_firewall", state="disabled")
    modules.once("proxmox_node_firewall", node="pve1", log_level_in="info", tcpflags=True)
    assert reader.get("nodes", "pve1", "firewall", "options")["log_level_in"] == "info"
    assert modules("proxmox_node_firewall_info", node="pve1")["log_level_in"] == "info"


def test_zones_networks_and_subnets(modules: Modules, reader: Client) -> None:
    zone = {"zone": "zone1", "type": "vlan", "bridge": "vmbr0", "ipam": "pve"}
    modules("proxmox_zone", **zone, mtu=1400)
    modules("proxmox_zone", **zone, mtu=1450)
    assert reader.get("cluster", "sdn", "zones", "zone1")["mtu"] == 1450
    told = modules("proxmox_zone_info")["zones"]
    assert [row["zone"] for row in told if row["type"] == "vlan"] == ["zone1"]
    net = {"vnet": "vnet1", "zone": "zone1", "tag": 12}
    modules("proxmox_vnet", **net, alias="one")
    modules("proxmox_vnet", **net, alias="two")
    assert reader.get("cluster", "sdn", "vnets", "vnet1")["alias"] == "two"
    sub = {"subnet": "10.50.0.0/24", "vnet": "vnet1", "zone": "zone1"}
    modules("proxmox_subnet", **sub, gateway="10.50.0.1")
    modules("proxmox_subnet", **sub, gateway="10.50.0.254")
    modules("proxmox_subnet", **sub, dhcp_range=[{"start": "10.50.0.10", "end": "10.50.0.20"}])
    row = reader.get("cluster", "sdn", "vnets", "vnet1", "subnets", "zone1-10.50.0.0-24")
    assert row["gateway"] == "10.50.0.254"
    shown = modules("proxmox_vnet_info", vnet="vnet1")["vnets"]
    assert [row["vnet"] for row in shown] == ["vnet1"]
    modules("proxmox_ipam_info")
    modules("proxmox_firewall", level="vnet", vnet="vnet1", rules=[{**RULE, "type": "forward", "pos": 0}])
    assert len(reader.get("cluster", "sdn", "vnets", "vnet1", "firewall", "rules")) == 1
    modules("proxmox_firewall", level="vnet", vnet="vnet1", pos=0, state="absent")
    for module, what in (
        ("proxmox_subnet", sub),
        ("proxmox_vnet", {"vnet": "vnet1"}),
        ("proxmox_zone", {"zone": "zone1"}),
    ):
        modules.once(module, **what, state="absent")
    assert [row["zone"] for row in reader.get("cluster", "sdn", "zones") if row["type"] == "vlan"] == []
    assert reader.get("cluster", "sdn", "vnets") == []
