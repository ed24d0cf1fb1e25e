"""Proofs of the firewalls of the cluster, nodes, guests and virtual networks."""

from __future__ import annotations

from fakes.proof import Proof, proof

RULE = {"type": "in", "action": "ACCEPT", "enable": 1}


async def rules(p: Proof, base: str, rule: dict[str, object] | None = None) -> None:
    given = rule or RULE
    await p.sets(f"POST {base}", {**given, "comment": "made"}, f"GET {base}", {"comment": "made"})
    await p.sets(f"PUT {base}/0", {"comment": "changed"}, f"GET {base}/0", {"comment": "changed"})
    await p.do(f"PUT {base}/0", source="10.1.0.5")
    nothing = {"source": "", "dest": ""}
    await p.sets(f"PUT {base}/0", nothing, f"GET {base}/0", lambda rule: not {"source", "dest"} & set(rule))
    await p.unsets(f"DELETE {base}/0", {}, f"GET {base}", {"comment": "changed"})


async def sets(p: Proof, base: str) -> None:
    await p.sets(f"POST {base}/ipset", {"name": "office"}, f"GET {base}/ipset", {"name": "office"})
    ipset = f"{base}/ipset/office"
    await p.sets(f"POST {ipset}", {"cidr": "10.1.0.0/16"}, f"GET {ipset}", {"cidr": "10.1.0.0/16"})
    item = f"{ipset}/10.1.0.0%2F16"
    await p.sets(f"PUT {item}", {"comment": "x"}, f"GET {item}", {"comment": "x"})
    await p.unsets(f"DELETE {item}", {}, f"GET {ipset}", {"cidr": "10.1.0.0/16"})
    await p.unsets(f"DELETE {ipset}", {}, f"GET {base}/ipset", {"name": "office"})
    alias = {"cidr": "10.1.0.5"}
    await p.crud(f"{base}/aliases", "name", "host", alias, {"cidr": "10.1.0.6"})
    await p.sets(f"POST {base}/aliases", {"name": "other", **alias}, f"GET {base}/refs", {"name": "other"})


async def options(p: Proof, base: str, given: dict[str, object]) -> None:
    await p.sets(f"PUT {base}/options", given, f"GET {base}/options", given)


@proof
async def cluster(p: Proof) -> None:
    base = "/cluster/firewall"
    await rules(p, f"{base}/rules")
    await sets(p, base)
    await options(p, base, {"policy_in": "DROP"})
    await p.sets(f"POST {base}/groups", {"group": "web"}, f"GET {base}/groups", {"group": "web"})
    await rules(p, f"{base}/groups/web")
    await p.unsets(f"DELETE {base}/groups/web", {}, f"GET {base}/groups", {"group": "web"})


@proof
async def nodes_and_guests(p: Proof) -> None:
    await rules(p, "/nodes/pve1/firewall/rules")
    await options(p, "/nodes/pve1/firewall", {"enable": 0})
    await p.do("POST /nodes/pve1/qemu", vmid=101)
    archive = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
    await p.do("POST /nodes/pve1/lxc", vmid=201, ostemplate=archive, rootfs="local-lvm:1")
    for guest in ("qemu/101", "lxc/201"):
        base = f"/nodes/pve1/{guest}/firewall"
        await rules(p, f"{base}/rules")
        await sets(p, base)
        await options(p, base, {"enable": 1})


@proof
async def virtual_networks(p: Proof) -> None:
    await p.do("POST /cluster/sdn/zones", zone="za", type="simple")
    await p.do("POST /cluster/sdn/vnets", vnet="va", zone="za")
    await p.do("PUT /cluster/sdn")  # a network has a firewall when it was applied
    base = "/cluster/sdn/vnets/va/firewall"
    await rules(p, f"{base}/rules", {**RULE, "type": "forward"})
    await options(p, base, {"enable": 1})
