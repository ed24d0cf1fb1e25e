"""Proofs of cluster/sdn and of what nodes show of it."""

from __future__ import annotations

from fakes.proof import Proof, proof

SDN = "/cluster/sdn"


@proof
async def configuration(p: Proof) -> None:
    await p.crud(f"{SDN}/zones", "zone", "za", {"type": "simple"}, {"mtu": 1400})
    await p.do(f"POST {SDN}/zones", zone="zb", type="simple")
    await p.crud(f"{SDN}/vnets", "vnet", "va", {"zone": "zb"}, {"alias": "x", "zone": "zb"}, shown={"alias": "x"})
    evpn = {"type": "evpn", "asn": 65000, "peers": "10.0.0.1"}
    await p.crud(f"{SDN}/controllers", "controller", "evpn1", evpn, {"asn": 65001})
    dns = {"type": "powerdns", "url": "http://10.0.0.9", "key": "k"}
    await p.crud(f"{SDN}/dns", "dns", "pdns", dns, {"ttl": 60})
    ipam = {"type": "netbox", "url": "http://10.0.0.9", "token": "t"}
    await p.crud(f"{SDN}/ipams", "ipam", "nbox", ipam, {"url": "http://10.0.0.8"})
    await p.do(f"POST {SDN}/vnets", vnet="vb", zone="zb")
    base, row = f"{SDN}/vnets/vb/subnets", {"subnet": "zb-10.9.0.0-24"}
    await p.sets(f"POST {base}", {"subnet": "10.9.0.0/24", "type": "subnet"}, f"GET {base}", row)
    item = f"{base}/zb-10.9.0.0-24"
    await p.sets(f"PUT {item}", {"gateway": "10.9.0.1"}, f"GET {item}", {"gateway": "10.9.0.1"})
    await p.do(f"PUT {SDN}")  # addresses are given out of what was applied
    ips, status = f"{SDN}/vnets/vb/ips", f"GET {SDN}/ipams/pve/status"
    mac = {"zone": "zb", "mac": "BC:24:11:00:00:01"}
    await p.sets(f"POST {ips}", {**mac, "ip": "10.9.0.5"}, status, {"ip": "10.9.0.5"})
    await p.unsets(f"PUT {ips}", {**mac, "ip": "10.9.0.6"}, status, {"ip": "10.9.0.5"})
    await p.unsets(f"DELETE {ips}", {**mac, "ip": "10.9.0.6"}, status, {"ip": "10.9.0.6"})
    await p.unsets(f"DELETE {item}", {}, f"GET {base}", row)


@proof
async def pending(p: Proof) -> None:
    await p.do(f"POST {SDN}/zones", zone="za", type="simple", mtu=1400)
    zone = f"GET {SDN}/zones/za"
    assert "does not exist" in await p.read(zone, running=1)
    await p.sets(f"PUT {SDN}", {}, zone, {"mtu": 1400}, {"running": 1})
    await p.sets(f"PUT {SDN}/zones/za", {"mtu": 1300}, zone, {"pending": {"mtu": 1300}}, {"pending": 1})


@proof
async def ranges(p: Proof) -> None:
    await p.do(f"POST {SDN}/zones", zone="za", type="simple")
    await p.do(f"POST {SDN}/vnets", vnet="va", zone="za")
    base = f"{SDN}/vnets/va/subnets"
    given = {"subnet": "10.9.0.0/24", "type": "subnet", "dhcp-range": ["start-address=10.9.0.5,end-address=10.9.0.9"]}
    shown = {"dhcp-range": [{"start-address": "10.9.0.5", "end-address": "10.9.0.9"}]}
    await p.sets(f"POST {base}", given, f"GET {base}/za-10.9.0.0-24", shown)
    wrong = {
        "is not in subnet": ["start-address=10.8.0.5,end-address=10.9.0.9"],
        "must be smaller than": ["start-address=10.9.0.9,end-address=10.9.0.5"],
        "must not overlap": [*given["dhcp-range"], "start-address=10.9.0.9,end-address=10.9.0.12"],
    }
    for words, ranges in wrong.items():
        assert words in await p.read(f"PUT {base}/za-10.9.0.0-24", **{"dhcp-range": ranges}), words


@proof
async def applied(p: Proof) -> None:
    node = "/nodes/pve1/sdn"
    await p.do(f"POST {SDN}/zones", zone="za", type="simple")
    await p.sets(f"PUT {SDN}", {}, f"GET {node}/zones", {"zone": "za"})
    await p.do(f"POST {SDN}/vnets", vnet="va", zone="za")
    await p.sets(f"PUT {SDN}", {}, f"GET {node}/zones/za/content", {"vnet": "va"})
    await p.do(f"POST {SDN}/vnets", vnet="vb", zone="za")
    await p.unsets(f"POST {SDN}/rollback", {}, f"GET {SDN}/vnets", {"vnet": "vb"})
    new = {"vnet": "vc", "zone": "za"}
    await p.sets(f"POST {SDN}/vnets", new, f"GET {SDN}/dry-run", {"interfaces-diff": "vnet vc"}, {"node": "pve1"})
    row = {"name": "va", "ports": {"vmid": 101}}
    await p.do("POST /nodes/pve1/qemu", vmid=101, net0="virtio,bridge=va")
    await p.sets("POST /nodes/pve1/qemu/101/status/start", {}, f"GET {node}/zones/za/bridges", row)


@proof
async def locked(p: Proof) -> None:
    await p.do(f"POST {SDN}/zones", zone="za", type="simple")
    token = await p.do(f"POST {SDN}/lock", **{"allow-pending": 1})
    refused = await p.read(f"POST {SDN}/zones", zone="zb", type="simple")
    assert "invalid lock token provided!" in refused
    await p.do(f"POST {SDN}/zones", zone="zb", type="simple", **{"lock-token": token})
    assert "invalid lock token" in await p.read(f"DELETE {SDN}/lock")
    await p.do(f"DELETE {SDN}/lock", **{"lock-token": token})
    await p.do(f"POST {SDN}/zones", zone="zc", type="simple")
    assert {"za", "zb", "zc"} <= {row["zone"] for row in await p.read(f"GET {SDN}/zones")}
    p.proved |= {("POST", f"{SDN}/lock"), ("DELETE", f"{SDN}/lock"), ("GET", f"{SDN}/zones")}


@proof
async def routing(p: Proof) -> None:
    fabrics = f"{SDN}/fabrics"
    ospf = {"protocol": "ospf", "area": "0", "ip_prefix": "10.8.0.0/24"}
    change = {"protocol": "ospf", "area": "1"}
    await p.crud(f"{fabrics}/fabric", "id", "fab1", ospf, change, shown={"area": "1"})
    await p.do(f"POST {fabrics}/fabric", id="fab0", **ospf)
    assert (await p.read(f"GET {fabrics}/fabric/fab0", pending=1))["id"] == "fab0"  # these calls take what they ignore
    await p.sets(f"POST {fabrics}/fabric", {"id": "fab2", **ospf}, f"GET {fabrics}/all", {"fabrics": {"id": "fab2"}})
    nodes = f"{fabrics}/node"
    member = {"node_id": "pve1", "protocol": "ospf", "ip": "10.8.0.1", "interfaces": ["name=eth1"]}
    await p.sets(f"POST {nodes}/fab2", member, f"GET {nodes}", {"node_id": "pve1"})
    changed = {"protocol": "ospf", "ip": "10.8.0.2"}
    await p.sets(f"PUT {nodes}/fab2/pve1", changed, f"GET {nodes}/fab2/pve1", {"ip": "10.8.0.2"})
    await p.sets(f"PUT {SDN}", {}, "GET /nodes/pve1/sdn/fabrics/fab2/interfaces", {"name": "eth1"})
    await p.unsets(f"DELETE {nodes}/fab2/pve1", {}, f"GET {nodes}/fab2", {"node_id": "pve1"})
    lists = f"{SDN}/prefix-lists"
    await p.crud(lists, "id", "pl1", {}, {"entries": ["action=permit,prefix=10.0.0.0/8"]})
    await p.do(f"POST {lists}", id="pl2")
    entries = f"{lists}/pl2/entries"
    await p.sets(f"POST {entries}", {"action": "permit", "prefix": "10.0.0.0/8"}, f"GET {entries}", {"seq": 5})
    await p.sets(f"PUT {entries}/5", {"action": "deny"}, f"GET {entries}/5", {"action": "deny"})
    await p.unsets(f"DELETE {entries}/5", {}, f"GET {entries}", {"seq": 5})
    maps = f"{SDN}/route-maps"
    entry = {"route-map-id": "rm1", "order": 10, "action": "permit"}
    await p.sets(f"POST {maps}/entries", entry, f"GET {maps}", {"id": "rm1"})
    item = f"{maps}/entries/rm1/entry/10"
    await p.sets(f"PUT {item}", {"action": "deny"}, f"GET {item}", {"action": "deny"})
    await p.sets(f"POST {maps}/entries", {**entry, "order": 20}, f"GET {maps}/entries", {"order": 20})
    await p.unsets(f"DELETE {item}", {}, f"GET {maps}/entries/rm1", {"order": 10})
