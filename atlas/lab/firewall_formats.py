"""What the firewall takes as addresses, ports, protocols and macros."""

from __future__ import annotations

import re
import socket

from atlas.lab.net_ip import net_ip

_MACROS = (
    "Amanda", "Auth", "BGP", "BitTorrent", "BitTorrent32", "Ceph", "CVS", "Citrix", "DAAP", "DCC", "DHCPfwd",
    "DHCPv6", "DNS", "Distcc", "FTP", "Finger", "GNUnet", "GRE", "Git", "HKP", "HTTP", "HTTPS", "ICPV2", "ICQ",
    "IMAP", "IMAPS", "IPIP", "IPsec", "IPsecah", "IPsecnat", "IRC", "Jetdirect", "L2TP", "LDAP", "LDAPS", "MDNS",
    "MSNP", "MSSQL", "Mail", "Munin", "MySQL", "NNTP", "NNTPS", "NTP", "NeighborDiscovery", "OSPF", "OpenVPN", "PBS",
    "PCA", "PMG", "POP3", "POP3S", "PPtP", "Ping", "PostgreSQL", "Printer", "RDP", "RIP", "RNDC", "Razor", "Rdate",
    "Rsync", "SANE", "SMB", "SMBswat", "SMTP", "SMTPS", "SNMP", "SPAMD", "SPICEproxy", "SSH", "SVN", "SixXS",
    "Squid", "Submission", "Syslog", "TFTP", "Telnet", "Telnets", "Time", "Trcrt", "VNC", "VNCL", "Web", "Webcache",
    "Webmin", "Whois",
)  # fmt: skip
MACROS = {name.lower(): name for name in _MACROS}
# Protocol numbers by name, for machines without /etc/protocols.
_PROTOCOLS = {
    "ip": 0, "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "egp": 8, "igp": 9, "udp": 17, "dccp": 33, "ipv6": 41,
    "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58,
    "ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88, "ospf": 89, "ipip": 94, "pim": 103, "vrrp": 112, "l2tp": 115,
    "sctp": 132, "udplite": 136,
}  # fmt: skip
WITH_PORTS = {"udp", "17", "udplite", "136", "tcp", "6", "dccp", "33", "sctp", "132"}
ICMP = {"icmp", "1", "icmpv6", "ipv6-icmp", "58"}
_ICMP_V4 = {
    "any", "echo-reply", "destination-unreachable", "network-unreachable", "host-unreachable",
    "protocol-unreachable", "port-unreachable", "fragmentation-needed", "source-route-failed", "network-unknown",
    "host-unknown", "network-prohibited", "host-prohibited", "TOS-network-unreachable", "TOS-host-unreachable",
    "communication-prohibited", "host-precedence-violation", "precedence-cutoff", "source-quench", "redirect",
    "network-redirect", "host-redirect", "TOS-network-redirect", "TOS-host-redirect", "echo-request",
    "router-advertisement", "router-solicitation", "time-exceeded", "ttl-zero-during-transit",
    "ttl-zero-during-reassembly", "parameter-problem", "ip-header-bad", "required-option-missing",
    "timestamp-request", "timestamp-reply", "address-mask-request", "address-mask-reply",
}  # fmt: skip
_ICMP_V6 = {
    "destination-unreachable", "no-route", "communication-prohibited", "beyond-scope", "address-unreachable",
    "port-unreachable", "failed-policy", "reject-route", "packet-too-big", "time-exceeded",
    "ttl-zero-during-transit", "ttl-zero-during-reassembly", "parameter-problem", "bad-header",
    "unknown-header-type", "unknown-option", "echo-request", "echo-reply", "router-solicitation",
    "router-advertisement", "neighbor-solicitation", "neighbour-solicitation", "neighbor-advertisement",
    "neighbour-advertisement", "redirect",
}  # fmt: skip
_ICMP_TYPES = _ICMP_V4 | _ICMP_V6
_NAME = r"[A-Za-z][A-Za-z0-9\-_]+"
ALIAS = re.compile(rf"(dc/|guest/)?({_NAME})")
IPSET = re.compile(rf"\+(guest/|dc/|sdn/)?({_NAME})")


def protocol_fault(text: str) -> str | None:
    """Return what is wrong with a protocol's name or number, or None."""
    known = text == "" or text in _PROTOCOLS or (text.isdigit() and int(text) in _PROTOCOLS.values())
    return None if known else f"unknown protocol '{text}'"


def icmp_fault(text: str) -> str | None:
    """Return what is wrong with an ICMP type, or None."""
    return None if text == "" or text in _ICMP_TYPES else f"invalid icmp-type value '{text}'"


def icmp_mismatch(text: str, proto: str) -> str | None:
    """Return that a protocol has no such ICMP type, or None."""
    known = {"icmp": _ICMP_V4, "icmpv6": _ICMP_V6, "ipv6-icmp": _ICMP_V6}.get(proto, _ICMP_TYPES)
    return None if text in known else f"invalid icmp-type '{text}' for proto '{proto}'"


def ports_fault(text: str, *, icmp: bool = True) -> str | None:
    """Return what is wrong with a list of ports, ranges and services, or None."""
    if text.rstrip(",") != text:
        return "extraneous commas in list"
    count = 0
    for item in text.split(",") if text else ():
        span = re.fullmatch(r"(\d+)(?::(\d+))?", item)
        if span is None:
            if not (icmp and item in _ICMP_TYPES) and not _service(item):
                return f"invalid port '{item}'"
            continue
        first, last = int(span[1]), int(span[2] or span[1])
        count += 2 if span[2] else 1
        for port in (first, last):
            if port > 65535:
                return f"invalid port '{port}'"
        if first > last:
            return f"backwards range '{first}:{last}' not allowed, did you mean '{last}:{first}'?"
    return "too many entries in port list (> 15 numbers)" if count > 15 else None


def _service(name: str) -> bool:
    try:
        return bool(socket.getservbyname(name))
    except (OSError, ValueError):
        return name in {
            "ssh",
            "http",
            "https",
            "domain",
            "smtp",
            "imap",
            "ntp",
            "ftp",
            "telnet",
            "snmp",
            "ldap",
            "mysql",
        }


def address_fault(text: str) -> str | None:
    """Return what is wrong with an IP set, an alias, or a list of addresses, networks or one range; or None."""
    if re.fullmatch(r"\+\S+", text):
        return "ipset name too long" if len(text) > 65 else None
    if ALIAS.fullmatch(text):
        return "alias name too long" if len(text) > 64 else None
    if text.rstrip(",") != text:
        return "extraneous commas in list"
    items, seen = text.split(",") if text else [], 0
    for item in items:
        version, fault = net_ip(item)
        if fault is not None:
            return f"invalid IP address: {fault}"
        if seen and version != seen:
            return f"detected mixed ipv4/ipv6 addresses in address list '{text}'"
        seen = version
    return "you can't use a range in a list" if "-" in text and len(items) > 1 else None
