"""The client against a lab: whom it trusts, what it says when it is refused, and use from several threads."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from atlas.errors import ApiRefused, AuthFailed, Unreachable
from atlas.lab import control
from atlas.proxmox.client import Client


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("lab")
    yield control.start(folder, latency="instant")
    control.stop(folder)


def fingerprint(url: str) -> str:
    where = urlsplit(url)
    pem = ssl.get_server_certificate((where.hostname or "", where.port or 0))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, 64, 2))


def test_a_ca_file_or_a_fingerprint_or_both_are_enough(lab: dict[str, Any]) -> None:
    right, ca = fingerprint(lab["url"]), Path(lab["ca_file"])
    for trust in ({"ca_file": ca}, {"fingerprint": right}, {"ca_file": ca, "fingerprint": right}):
        assert Client(lab["url"], lab["token"], **trust).get("version")["version"]


def test_what_is_not_trusted_gets_no_token(lab: dict[str, Any], tmp_path: Path) -> None:
    control.start(tmp_path / "other", latency="instant")
    try:
        other = tmp_path / "other" / "ca.pem"
        wrong = "00:" * 31 + "00"
        ca = Path(lab["ca_file"])
        bad: list[dict[str, Any]] = [{}, {"ca_file": other}, {"fingerprint": wrong}]
        bad += [{"ca_file": ca, "fingerprint": wrong}, {"ca_file": other, "fingerprint": fingerprint(lab["url"])}]
        for trust in bad:
            began = time.monotonic()
            with pytest.raises(Unreachable, match="is not the one to trust") as caught:
                Client(lab["url"], lab["token"], **trust).get("version")
            assert "fingerprint" in caught.value.hint
            assert time.monotonic() - began < 2  # a wrong certificate is not asked again
    finally:
        control.stop(tmp_path / "other")


def test_a_wrong_token_is_said_to_be_one(lab: dict[str, Any]) -> None:
    wrong = lab["token"].partition("=")[0] + "=00000000-0000-0000-0000-000000000000"
    with pytest.raises(AuthFailed, match="does not accept the token") as caught:
        Client(lab["url"], wrong, ca_file=Path(lab["ca_file"])).get("cluster", "resources")
    assert "00000000-0000" not in str(caught.value)


def test_refusals_carry_pves_own_words(lab: dict[str, Any]) -> None:
    client = Client(lab["url"], lab["token"], ca_file=Path(lab["ca_file"]))
    with pytest.raises(ApiRefused, match=r"Sys\.PowerMgmt") as caught:
        client.post("nodes", "pve1", "status", command="reboot")
    assert caught.value.status == 403
    assert "role" in caught.value.hint
    with pytest.raises(ApiRefused) as caught:
        client.put("nodes", "pve1", "qemu", 9000, "config", memory="much")
    assert (caught.value.status, list(caught.value.errors)) == (400, ["memory"])


@pytest.mark.parametrize("part", ["..", ".", ""])
def test_no_part_of_a_path_leads_elsewhere(lab: dict[str, Any], part: str) -> None:
    client = Client(lab["url"], lab["token"], ca_file=Path(lab["ca_file"]))
    with pytest.raises(ApiRefused, match="no path of the API"):
        client.get("nodes", part, "status")
    with pytest.raises(ApiRefused):
        client.get("nodes", "../access", "status")


def test_several_threads_share_a_client(lab: dict[str, Any]) -> None:
    client = Client(lab["url"], lab["token"], ca_file=Path(lab["ca_file"]))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.get("version")["version"], range(40)))
    assert len(set(found)) == 1


def test_threads_that_follow_each_other_use_the_same_connections(
    lab: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, made = Client(lab["url"], lab["token"], ca_file=Path(lab["ca_file"])), 0
    connect = client._connect

    def counted() -> Any:
        nonlocal made
        made += 1
        return connect()

    monkeypatch.setattr(client, "_connect", counted)
    for _ in range(5):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: client.get("version"), range(12)))
    assert 1 <= made <= 3
