"""Calls of every method of the table with parameters that fit, nearly fit, or do not fit at all."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from atlas.lab.check import NUMBERED
from atlas.lab.property_formats import PROPERTIES
from atlas.lab.table import load

Call = tuple[str, str, dict[str, Any]]

# What stands for a name of a path or parameter, objects that are there among them.
NAMES: dict[str, tuple[str, ...]] = {
    "node": ("pve1", "pve1", "pve2", "localhost", "pve9", "-"),
    "target": ("pve1", "pve2", "pve9"),
    "vmid": ("100", "101", "9000", "200", "102", "777", "0", "x"),
    "newid": ("300", "100", "1", "99999999999"),
    "storage": ("local", "local-lvm", "shared-nfs", "missing", "a", "../x"),
    "targetstorage": ("local", "shared-nfs", "1", "local:shared-nfs"),
    "volume": ("local:iso/a.iso", "local-lvm:vm-100-disk-0", "shared-nfs:9000/base-9000-disk-0.qcow2", "x:y", "/etc/x"),
    "upid": ("UPID:pve1:00000001:00000001:00000001:x::root@pam:", "UPID:", "x"),
    "userid": ("root@pam", "atlas@pve", "new@pve", "x", "a@b@c"),
    "username": ("root@pam", "atlas", "x@pve"),
    "tokenid": ("lab", "atlas", "new", "x"),
    "poolid": ("p1", "p2", "nothing"),
    "snapname": ("s1", "current", "x"),
    "disk": ("scsi0", "scsi30", "rootfs", "mp0", "x"),
    "volume-id": ("x",),
    "size": ("1G", "+1G", "-1G", "1", "x"),
    "command": ("start", "ping", "get-osinfo", "x", "shutdown"),
    "digest": ("0" * 40, "x"),
    "roleid": ("Administrator", "ATLAS", "x1", "PVEVMUser"),
    "groupid": ("g1", "x"),
    "realm": ("pam", "pve", "r1"),
    "path": ("/", "/vms/100", "x", "//", "/nonsense"),
    "sid": ("vm:100", "ct:200", "vm:9", "100", "x:1"),
    "iface": ("vmbr0", "eno1", "vmbr7", "bond0", "vmbr0.5"),
    "service": ("pveproxy", "sshd", "x"),
    "service_id": ("pveproxy", "x"),
    "zone": ("z1", "localnetwork", "toolongname"),
    "vnet": ("v1", "vmbr0", "toolongname"),
    "subnet": ("10.0.0.0/24", "z1-10.0.0.0-24", "x"),
    "pos": ("0", "1", "99", "-1"),
    "cidr": ("10.0.0.0/24", "10.0.0.1", "fe80::/10", "x"),
    "timeframe": ("hour", "x"),
    "url": ("http://10.0.0.1/a.iso", "ftp://x", "x"),
    "filename": ("a.iso", "b.qcow2", "../c.iso", ".tar.gz", ""),
    "archive": ("local:backup/vzdump-qemu-100-2024_01_01-00_00_00.vma.zst", "x", "-"),
    "ostemplate": ("shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst", "local:vztmpl/none.tar.zst", "x"),
}
TEXTS = (
    *(
        "",
        " ",
        "a",
        "ab",
        "0",
        "1",
        "-1",
        "1.5",
        "1e9",
        "99999999999999999999999",
        "true",
        "none",
        "x=y",
        "=",
        ",",
        ",,",
    ),
    *("a=", "=a", "a,b=c", "a,a", "local:1", "local:0,import-from=local:import/x.qcow2", "local-lvm:8,size=x"),
    *("none,media=cdrom", "10.0.0.1", "10.0.0.0/33", "::1", "fe80::1/64", "00:11:22:33:44:55", "ä ö \u2028", "\n"),
    *(
        "a\nb: c",
        "\0",
        "%",
        "%zz",
        "'\"`$(x)",
        "../../etc/passwd",
        "/dev/null",
        "{}",
        "[]",
        "<b>",
        "vm:100",
        "y" * 9000,
    ),
    *("virtio,bridge=vmbr0", "virtio=x,bridge=", "name=eth0,bridge=vmbr0,ip=dhcp", "*", "mon..fri 25:61", "root@pam"),
    *("2024-13-45", "order=x", "order=scsi0;net0", "x" * 70, "a;b;c", "100,101,x"),
)


def texts(schema: dict[str, Any], random: random.Random) -> str:
    """Return a text for a property of a property string, or a parameter."""
    kind = schema.get("type", "string")
    if schema.get("enum") and random.random() < 0.8:
        return str(random.choice(schema["enum"]))
    if kind == "boolean":
        return random.choice(("0", "1", "1", "true", "", "2"))
    if kind in ("integer", "number"):
        limits = [
            int(float(schema[k]))
            for k in ("minimum", "maximum", "default")
            if str(schema.get(k, "")).lstrip("-").isdigit()
        ]
        near = [str(n + d) for n in limits for d in (-1, 0, 1)]
        return random.choice((*near, *near, "0", "1", "5", "-1", "1.5", "x", "", "99999999999999999999"))
    form = schema.get("format")
    if isinstance(form, str) and form in PROPERTIES:
        form = PROPERTIES[form]
    if isinstance(form, dict) and random.random() < 0.7:
        keys = [key for key, field in form.items() if not field.get("optional") or random.random() < 0.2]
        parts = [f"{key}={texts(form[key], random)}" for key in keys if "alias" not in form[key]]
        default = next((key for key, field in form.items() if field.get("default_key")), None)
        if default is not None and random.random() < 0.7:
            parts = [
                texts({**form[default], "format": None}, random),
                *(p for p in parts if not p.startswith(f"{default}=")),
            ]
        return ",".join(parts)
    return random.choice(TEXTS)


def value(name: str, schema: dict[str, Any], random: random.Random) -> Any:
    """Return a value as it comes from a form or a JSON body."""
    chance = random.random()
    if chance < 0.03:
        return random.choice(([], ["a", "b"], {}, {"a": "b"}, [["a"]], [{"x": None}]))
    if name in NAMES and chance < 0.85:
        return random.choice(NAMES[name])
    if schema.get("type") == "array":
        return [texts(schema.get("items", {}), random) for _ in range(random.randint(0, 3))]
    return texts(schema, random)


def filled(template: str, random: random.Random) -> str:
    """Return a path of a template, its placeholders taken by names; few may hold a slash of their own."""

    def named(match: re.Match[str]) -> str:
        names = [
            n for n in NAMES.get(match[1], ("x1", "100", "pve1")) if match[1] in _DEEP or not re.search(r"[/\s]", n)
        ]
        return random.choice([name for name in names if name]).replace("/", "%2F")

    return re.sub(r"\{([^}]+)\}", named, template)


_DEEP = ("volume", "cidr")


def calls(seed: int, times: int) -> Iterator[Call]:
    """Yield calls of all methods in a random order, each so many times."""
    chosen = random.Random(seed)
    table = load()
    methods = [(verb, template) for template, verbs in table.description.items() for verb in verbs] * times
    chosen.shuffle(methods)
    for verb, template in methods:
        method = table.method(verb, template)
        assert method is not None
        given: dict[str, Any] = {}
        few = chosen.random() < 0.6  # most calls are nearly right, else no handler would see any
        for known, schema in method.parameters.items():
            if f"{{{known}}}" in template:
                continue
            name = (
                known.replace("[n]", str(chosen.randrange(NUMBERED.get(known[:-3], 2))))
                if known.endswith("[n]")
                else known
            )
            forms = schema.get("oneOf") or [schema]
            needed = not forms[0].get("optional")
            if (needed and chosen.random() < 0.95) or chosen.random() < (0.06 if few else 0.4):
                given[name] = value(name, chosen.choice(forms), chosen)
        if chosen.random() < 0.03:
            given[chosen.choice(("unknown", "", "net99", "ä", "delete"))] = "x"
        yield verb, filled(template, chosen), given
