"""Whatever is sent to the lab, its answer is one that PVE could give, never a fault of the lab itself."""

from __future__ import annotations

import logging
import random
import re
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from atlas.lab.call import HANDLERS
from atlas.lab.server import Server, serve
from atlas.lab.table import load

KNOWN = {
    "node": ["pve1", "pve2"],
    "vmid": ["9000", "101"],
    "newid": ["101"],
    "storage": ["local", "local-lvm", "shared-nfs"],
    "volume": ["shared-nfs:9000/base-9000-disk-0.qcow2", "local:iso/x.iso"],
    "userid": ["atlas@pve", "x@pve"],
    "iface": ["vmbr0", "vmbr9"],
    "zone": ["z1"],
    "vnet": ["v1"],
    "cidr": ["10.0.0.0/8"],
    "pos": ["0"],
    "sid": ["vm:9000"],
}
NOISE = [
    *("", "0", "-1", "x", "ü", "a b", "a,b", "a=b", "9" * 30, "scsi0", "10G", "virtio,bridge=vmbr0", "local:1", "%00"),
    *("[]", "{}", "ip=dhcp", "none", "\n", "'", "order=scsi0"),
]
# Calls that reach out of the lab.
OUTSIDE = re.compile(r"download-url|query-url-metadata|upload")
POWER = ("POST", "/nodes/{node}/status")  # after it, the node's other calls would go unheard


def value(chance: random.Random, name: str, schema: dict[str, Any]) -> str:
    if name in KNOWN and chance.random() < 0.8:
        return chance.choice(KNOWN[name])
    if chance.random() < 0.8:
        if "enum" in schema:
            return str(chance.choice(schema["enum"]))
        if schema.get("type") == "boolean":
            return chance.choice("01")
        if schema.get("type") in ("integer", "number"):
            return str(chance.choice([0, 1, 2, 64, 1024]))
    return chance.choice(NOISE)


def request(chance: random.Random, verb: str, template: str) -> tuple[str, dict[str, str]]:
    method = load().method(verb, template)
    assert method is not None
    wanted = 0.1 if len(method.parameters) > 20 else 0.4
    given = {
        name.replace("[n]", chance.choice("012")): value(chance, name, schema)
        for name, schema in method.parameters.items()
        if not schema.get("optional") or chance.random() < wanted
    }
    places = {name: given.pop(name, "x") or "x" for name in re.findall(r"\{(.*?)\}", template)}
    path = re.sub(r"\{(.*?)\}", lambda match: quote(places[match[1]], safe=":"), template)
    return path, given


@pytest.mark.parametrize("seed", [1, 2])
async def test_noise_is_answered(tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="atlas.lab.http")
    chance = random.Random(seed)
    server = await serve(tmp_path, nodes=2, latency="instant")
    try:
        await _send_all(server, chance)
        broken = [r for r in server.lab.tasks.records.values() if str(r.exitstatus).startswith("internal error")]
    finally:
        await server.close()
    assert [record.getMessage() for record in caplog.records] == []
    assert broken == []


async def _send_all(server: Server, chance: random.Random) -> None:
    calls = [key for key in sorted(HANDLERS) if key != POWER and not OUTSIDE.search(key[1])]
    chance.shuffle(calls)
    trusted = ssl.create_default_context(cafile=server.ca_file)
    headers = {"Authorization": f"PVEAPIToken={server.token('root@pam!lab')}"}
    async with aiohttp.ClientSession() as session:
        for verb, template in calls:
            path, given = request(chance, verb, template)
            body: dict[str, Any] = {"params": given} if verb in ("GET", "DELETE") else {"data": given}
            url = f"{server.url}/api2/json{path}"
            async with session.request(verb, url, headers=headers, ssl=trusted, **body) as answer:
                assert answer.status in {200, 400, 401, 403, 404, 500, 501}, (verb, path, given)
                if answer.status != 401 and answer.reason != "no such uri":  # those are in plain text
                    assert "data" in await answer.json(content_type=None)


async def test_what_is_no_call_is_refused_in_kind(tmp_path: Path) -> None:
    server = await serve(tmp_path, nodes=1, latency="instant")
    trusted = ssl.create_default_context(cafile=server.ca_file)
    headers = {"Authorization": f"PVEAPIToken={server.token()}"}
    cases: list[tuple[str, str, dict[str, Any], int]] = [
        ("PATCH", "/api2/json/version", {}, 501),
        ("GET", "/api2/xml/version", {}, 501),
        ("GET", "/", {}, 500),
        ("POST", "/api2/json/pools", {"data": b"x" * 600_000}, 501),
        ("POST", "/api2/json/pools", {"data": b"{", "headers": {**headers, "Content-Type": "application/json"}}, 500),
        ("POST", "/api2/json/pools", {"data": b"<a/>", "headers": {**headers, "Content-Type": "text/xml"}}, 506),
    ]
    try:
        async with aiohttp.ClientSession() as session:
            for verb, path, how, status in cases:
                async with session.request(
                    verb, server.url + path, ssl=trusted, **{"headers": headers, **how}
                ) as answer:
                    assert answer.status == status, (verb, path)
                    assert "Traceback" not in await answer.text()
    finally:
        await server.close()
