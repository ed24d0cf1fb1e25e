"""The cloud-init texts that Proxmox VE makes from a VM's config: user-data, network-config v1, meta-data (pure)."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

Config = Mapping[str, str | int]


@dataclass(frozen=True)
class Resolver:
    """The node's own resolver, used for what a VM's config leaves open."""

    search: str = ""
    servers: tuple[str, ...] = ()


def is_cloudinit_volume(volid: str) -> bool:
    """Tell whether a drive's volume is a cloud-init drive."""
    return bool(re.search(r"[:/](?:vm-\d+-)?cloudinit(?:\.(?:raw|qcow2|vmdk))?$", volid))


def pairs(text: str) -> dict[str, str]:
    """Split `key=value,key=value`."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def host_names(config: Config, vmid: int) -> tuple[str, str]:
    """Give the host name and the fully qualified one."""
    name = str(config.get("name", f"VM{vmid}"))
    if "." in name:
        return name.split(".", 1)[0], name
    search = str(config.get("searchdomain", ""))
    return name, f"{name}.{search}" if search else name


def _dns(config: Config, resolver: Resolver) -> tuple[list[str], list[str]]:
    """Give search domains and name servers."""
    servers = str(config["nameserver"]).split() if "nameserver" in config else list(resolver.servers)
    return str(config.get("searchdomain", resolver.search)).split(), servers


def ssh_keys(config: Config) -> list[str]:
    """Decode the SSH keys of a config, one a line, empty lines dropped."""
    return [line for line in unquote(str(config.get("sshkeys", ""))).split("\n") if line.strip()]


def user_data(config: Config, vmid: int, *, hide_password: bool = False) -> str:
    """Write the user-data.

    Args:
        config: the VM's config.
        vmid: its number, which names it when the config does not.
        hide_password: put stars in the password's place.

    Returns:
        A `#cloud-config` document.
    """
    host, fqdn = host_names(config, vmid)
    lines = ["#cloud-config", f"hostname: {host}", "manage_etc_hosts: true", f"fqdn: {fqdn}"]
    user = config.get("ciuser")
    if user is not None:
        lines.append(f"user: {user}")
    if user == "root":
        lines.append("disable_root: False")
    if "cipassword" in config:
        lines.append(f"password: {'**********' if hide_password else config['cipassword']}")
    if "sshkeys" in config:
        lines += ["ssh_authorized_keys:", *(f"  - {key}" for key in ssh_keys(config))]
    lines += ["chpasswd:", "  expire: False"]
    if user != "root":
        lines += ["users:", "  - default"]
    if config.get("ciupgrade", 1):
        lines.append("package_upgrade: true")
    return "\n".join(lines) + "\n"


def _cards(config: Config) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield number, MAC and addresses of each network card that has an ipconfig."""
    for key in sorted(k for k in config if re.fullmatch(r"net\d+", k)):
        number = key.removeprefix("net")
        addresses = config.get(f"ipconfig{number}")
        if addresses:
            mac = str(config[key]).split(",", 1)[0].partition("=")[2]
            yield number, mac.lower(), ip_config(str(addresses))


def ip_config(text: str) -> dict[str, str]:
    """Read an `ipconfigN`; nothing given means DHCP, and a gateway beside DHCP is dropped as PVE does."""
    given = pairs(text)
    if given.get("ip") == "dhcp":
        given.pop("gw", None)
    if given.get("ip6") in {"dhcp", "auto"}:
        given.pop("gw6", None)
    return given if "ip" in given or "ip6" in given else {"ip": "dhcp", "ip6": "dhcp"}


def network_config(config: Config, resolver: Resolver) -> str:
    """Write the network-config, version 1: interfaces by MAC, then the name servers."""
    lines = ["version: 1", "config:"]
    for number, mac, address in _cards(config):
        lines += ["    - type: physical", f"      name: eth{number}", f"      mac_address: '{mac}'", "      subnets:"]
        lines += _subnet4(address) + _subnet6(address)
    search, servers = _dns(config, resolver)
    lines.append("    - type: nameserver")
    if servers:
        lines += ["      address:", *(f"      - '{server}'" for server in servers)]
    if search:
        lines += ["      search:", *(f"      - '{domain}'" for domain in search)]
    return "\n".join(lines) + "\n"


def _subnet4(address: dict[str, str]) -> list[str]:
    """Write the IPv4 subnet of a card."""
    if "ip" not in address:
        return []
    if address["ip"] == "dhcp":
        return ["      - type: dhcp4"]
    interface = ipaddress.IPv4Interface(address["ip"])
    lines = ["      - type: static", f"        address: '{interface.ip}'", f"        netmask: '{interface.netmask}'"]
    return [*lines, f"        gateway: '{address['gw']}'"] if "gw" in address else lines


def _subnet6(address: dict[str, str]) -> list[str]:
    """Write the IPv6 subnet of a card."""
    if "ip6" not in address:
        return []
    if address["ip6"] in {"dhcp", "auto"}:
        return [f"      - type: {'dhcp6' if address['ip6'] == 'dhcp' else 'ipv6_slaac'}"]
    lines = ["      - type: static6", f"        address: '{address['ip6']}'"]
    return [*lines, f"        gateway: '{address['gw6']}'"] if "gw6" in address else lines


def configdrive_network(config: Config, resolver: Resolver) -> str:
    """Write the interfaces file that a config drive carries instead of a network-config."""
    lines = ["auto lo", "iface lo inet loopback", ""]
    search, servers = _dns(config, resolver)
    lines += [f"        dns_nameservers {' '.join(servers)}"] if servers else []
    lines += [f"        dns_search {' '.join(search)}"] if search else []
    for number, _, address in _cards(config):
        lines.append(f"auto eth{number}")
        if address.get("ip") == "dhcp":
            lines.append(f"iface eth{number} inet dhcp")
        elif "ip" in address:
            interface = ipaddress.IPv4Interface(address["ip"])
            lines += [f"iface eth{number} inet static", f"        address {interface.ip}"]
            lines.append(f"        netmask {interface.netmask}")
            lines += [f"        gateway {address['gw']}"] if "gw" in address else []
        if address.get("ip6") in {"dhcp", "auto"}:
            lines.append(f"iface eth{number} inet6 {address['ip6']}")
        elif "ip6" in address:
            plain, _, prefix = address["ip6"].partition("/")
            lines += [f"iface eth{number} inet6 static", f"        address {plain}", f"        netmask {prefix}"]
            lines += [f"        gateway {address['gw6']}"] if "gw6" in address else []
    return "\n".join(lines) + "\n"


def drive_format(config: Config) -> str:
    """Choose the drive's format: as `citype` says, else by the kind of system."""
    if "citype" in config:
        return str(config["citype"])
    return "configdrive2" if re.fullmatch(r"w(?:xp|2k\d*|vista|in\d+)", str(config.get("ostype", ""))) else "nocloud"


def instance_id(user: str, network: str) -> str:
    """Give the instance-id: it changes whenever the user-data or the network-config does."""
    return hashlib.sha1((user + network).encode(), usedforsecurity=False).hexdigest()


def dump(config: Config, vmid: int, part: str, resolver: Resolver, *, hide_password: bool = False) -> str:
    """Write one part as `GET cloudinit/dump` shows it.

    Args:
        config: the VM's config.
        vmid: its number.
        part: `user`, `network` or `meta`.
        resolver: the node's resolver.
        hide_password: put stars in the password's place; the instance-id is of the true texts all the same.

    Returns:
        The text.
    """
    nocloud = drive_format(config) == "nocloud"
    if part == "user":
        return user_data(config, vmid, hide_password=hide_password)
    network = network_config(config, resolver) if nocloud else configdrive_network(config, resolver)
    if part == "network":
        return network
    identity = instance_id(user_data(config, vmid), network)
    if nocloud:
        return f"instance-id: {identity}\n"
    return f'{{\n     "uuid": "{identity}",\n     "network_config": {{ "content_path": "/content/0000" }}\n}}\n'


def files(config: Config, vmid: int, resolver: Resolver) -> dict[str, str]:
    """Write the files of the NoCloud drive that a real guest boots with, whatever `citype` says."""
    user, network = user_data(config, vmid), network_config(config, resolver)
    meta = f"instance-id: {instance_id(user, network)}\n"
    return {"user-data": user, "network-config": network, "meta-data": meta, "vendor-data": ""}
