"""The admin API: its token, faults by http, and the history that is the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
from fakes.faulty import Site, site

FAULTS = [
    {"effect": "error", "match": {"path": "/nodes/*/status", "probability": 0.4, "seed": 11}},
    {"effect": "drop", "name": "gone", "match": {"path": "/pools", "every": 3}, "options": {"after": False}},
]
CHANCE = {"effect": "error", "match": {"path": "/nodes/*/status", "probability": 0.4}}


async def ask(api: Site, method: str, path: str, data: Any = None, token: str | None = None) -> tuple[int, Any]:
    if token is None:
        token = Path(api.server.status()["admin"]["token_file"]).read_text()
    headers = {"Authorization": f"Bearer {token}"}
    text = data if isinstance(data, str) or data is None else json.dumps(data)
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, api.server.admin.url + path, data=text) as answer,
    ):
        words = await answer.text()
        return answer.status, words if answer.content_type == "application/jsonl" else json.loads(words)


async def test_only_the_holder_of_the_token_may_ask(tmp_path: Path) -> None:
    async with site(tmp_path) as api:
        file = tmp_path / "admin.token"
        assert file.stat().st_mode & 0o777 == 0o600
        assert api.server.token() != file.read_text()
        for path in ("/faults", "/history", "/effects", "/nothing"):
            status, said = await ask(api, "GET", path, token="wrong")
            assert (status, "Bearer" in said["problems"][0]) == (401, True)
        assert (await ask(api, "POST", "/faults", FAULTS, token=""))[0] == 401
        assert api.server.faults.active == {}
    async with site(tmp_path) as api:  # the same token after a restart
        assert (await ask(api, "GET", "/faults", token=file.read_text())) == (200, {"faults": []})


async def test_faults_are_added_listed_and_cleared(tmp_path: Path) -> None:
    async with site(tmp_path) as api:
        assert await ask(api, "POST", "/faults", FAULTS) == (200, {"names": ["error-1", "gone"]})
        status, said = await ask(api, "POST", "/faults", [{"effect": "x"}, {"effect": "drop", "name": "gone"}])
        assert (status, len(said["problems"])) == (400, 2)
        assert (await ask(api, "POST", "/faults", "{"))[0] == 400
        for _ in range(3):
            await api.call("GET", "/pools")
        listed = {row["name"]: row for row in (await ask(api, "GET", "/faults"))[1]["faults"]}
        assert list(listed) == ["error-1", "gone"]
        assert (listed["gone"]["calls"], listed["gone"]["struck"]) == (3, 1)
        assert await ask(api, "DELETE", "/faults/gone") == (200, {"names": ["gone"]})
        assert (await ask(api, "DELETE", "/faults/gone"))[0] == 404
        assert await ask(api, "DELETE", "/faults") == (200, {"names": ["error-1"]})
        effects = (await ask(api, "GET", "/effects"))[1]["effects"]
        assert effects["latency"]["options"]["seconds"]["default"] == 1.0


async def _history(folder: Path, seed: int) -> list[dict[str, Any]]:
    async with site(folder) as api:
        await ask(
            api,
            "POST",
            "/faults",
            {"seed": seed, "faults": [CHANCE]},
        )
        await ask(api, "POST", "/faults", FAULTS[1])
        for n in range(12):
            await api.call("GET", f"/nodes/pve{n % 2 + 1}/status")
            await api.call("POST", "/pools", poolid=f"p{n}", comment="a secret")
        status, lines = await ask(api, "GET", "/history")
        assert status == 200
        assert "a secret" not in lines
        await ask(api, "DELETE", "/history")
        assert (await ask(api, "GET", "/history"))[1] == ""
    return [{k: v for k, v in json.loads(line).items() if k != "at"} for line in lines.splitlines()]


async def test_same_seed_same_history(tmp_path: Path) -> None:
    first = await _history(tmp_path / "a", 1)
    assert first == await _history(tmp_path / "b", 1)
    assert first != await _history(tmp_path / "c", 2)
    calls = {entry["n"]: entry for entry in first if entry["kind"] == "call"}
    faults = [entry for entry in first if entry["kind"] == "fault"]
    assert len(calls) == 24
    dropped = [entry for entry in faults if entry["fault"] == "gone"]
    assert [calls[entry["call"]]["status"] for entry in dropped] == [None] * 4
    refused = [calls[entry["call"]] for entry in faults if entry["effect"] == "error"]
    assert refused
    assert {(call["status"], call["reason"]) for call in refused} == {(500, "internal error")}
    assert calls[1] | {"status": 0, "reason": ""} == {
        "n": 1,
        "kind": "call",
        "method": "GET",
        "path": "/nodes/pve1/status",
        "user": "root@pam!lab",
        "status": 0,
        "reason": "",
    }


async def test_calls_that_are_refused_at_the_door_are_in_the_history(tmp_path: Path) -> None:
    async with site(tmp_path) as api:
        await api.call("GET", "/cluster/nextid", vmid="x")
        await api.call("GET", "/no/such/path")
        found = [(entry["path"], entry["status"]) for entry in api.server.history.entries]
    assert found == [("/cluster/nextid", 400), ("/no/such/path", 501)]
