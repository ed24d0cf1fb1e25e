"""What the firewall takes as an address, network or range of addresses, and how it complains about others."""

from __future__ import annotations

import ipaddress
import re


def net_ip(text: str) -> tuple[int, str | None]:
    """Check an address (`10.1` stands for 10.1.0.0), a network without bits of a host, or a range.

    Returns:
        The version of the protocol, and the fault in the words that PVE passes on, if any.
    """
    prefix = re.fullmatch(r"(\S+?)(/\S+)", text)
    if prefix is not None:
        version, number, fault = _address(prefix[1])
        length = re.match(r"/(\d+)(,|$)", prefix[2])  # what is no number counts for nothing
        if fault is None and length is not None:
            fault = _prefix_fault(number, int(length[1]), 32 if version == 4 else 128)
        return version, fault
    span = re.fullmatch(r"(\S+?)\s*-\s*(\S+)", text)
    if span is None:
        version, _, fault = _address(text)
        return version, fault
    version, first, fault = _address(span[1])
    if fault is not None:
        return version, fault
    other, last, fault = _address(span[2])
    if fault is not None or other != version:
        return version, f"Not a valid IPv{version} address {span[2]}"
    if first > last:
        return version, f"Begin address is greater than End address {span[1]} - {span[2]}"
    return version, None


def _prefix_fault(number: int, length: int, bits: int) -> str | None:
    if length > bits:
        return f"Prefix length {length} is longer than IP address ({bits})"
    if number & ((1 << (bits - length)) - 1):
        return f"Invalid prefix {number:0{bits}b}/{length}"
    return None


def _address(text: str) -> tuple[int, int, str | None]:
    if ":" in text:
        fault = _fault6(text)
        return 6, 0 if fault else int(ipaddress.IPv6Address(text)), fault
    fault = _fault4(text)
    parts = [] if fault else [int(part) for part in text.split(".")]
    return 4, int.from_bytes(bytes([*parts, 0, 0, 0][:4]), "big") if parts else 0, fault


def _fault4(text: str) -> str | None:
    if not re.fullmatch(r"[0-9.]+", text):
        return f"Invalid chars in IP {text}"
    if text.startswith("."):
        return f"Invalid IP {text} - starts with a dot"
    if text.endswith("."):
        return f"Invalid IP {text} - ends with a dot"
    parts = text.split(".")
    if len(parts) > 4:
        return f"Invalid IP address {text}"
    if "" in parts:
        return f"Empty quad in IP address {text}"
    wrong = next((part for part in parts if int(part) > 255), None)
    return None if wrong is None else f"Invalid quad in IP address {text} - {wrong}"


def _fault6(text: str) -> str | None:
    parts = text.split(":")
    if text.count(":") > 7 and "::" not in text:
        return f"Invalid number of octets {text}"
    dotted = "." in parts[-1]
    if any(not re.fullmatch("[0-9a-fA-F]{0,4}", part) for part in (parts[:-1] if dotted else parts)):
        return f"Invalid IP address {text}"
    if dotted and _fault4(parts[-1]):
        return f"Invalid IP address {text}"
    if text.count("::") > 1 or ":::" in text:
        return f"Invalid address {text} (More than one :: pattern)"
    if re.match(":[^:]", text) or re.search("[^:]:$", text):
        return f"Invalid address {text}"
    if "::" not in text and len(parts) + dotted != 8:
        return f"Invalid number of octets {text}"
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return f"Invalid IP address {text}"
    return None
