"""The client's errors: every answer and every failure of the transport is one of ours, with words."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from atlas.errors import ApiRefused, AuthFailed, ProxmoxError, SettingsError, Unreachable
from atlas.proxmox.client import Client, translate
from atlas.proxmox.refusals import changed_meanwhile, lock_timeout, missing, taken

ANSWERS: list[tuple[int, str, Any, type[ProxmoxError], str]] = [
    (401, "Authentication failed!", {"errors": b""}, AuthFailed, "does not accept the token"),
    (401, "", None, AuthFailed, "status 401"),
    (403, "Permission check failed (/vms/1, VM.Audit)", None, ApiRefused, "VM.Audit"),
    (400, "Parameter verification failed.", {"memory": "too small\n"}, ApiRefused, "(memory: too small)"),
    (500, "VM 1 is locked (clone)", None, ApiRefused, "is locked"),
    (501, "Method 'GET /x' not implemented", None, ApiRefused, "not implemented"),
    (595, "Connection refused", None, Unreachable, "no answer from the node"),
    (596, "timed out", None, Unreachable, "timed out"),
    (599, "", None, Unreachable, "status 599"),
]


@pytest.mark.parametrize(("status", "reason", "errors", "kind", "said"), ANSWERS)
def test_every_answer_is_ours(status: int, reason: str, errors: Any, kind: type[ProxmoxError], said: str) -> None:
    problem = translate("PUT /x", status, reason, errors, "https://pve:8006")
    assert type(problem) is kind
    assert said in problem.message
    assert problem.hint or isinstance(problem, ApiRefused)


def refused(reason: str, status: int = 500, **errors: str) -> ApiRefused:
    problem = translate("X", status, reason, errors, "e")
    assert isinstance(problem, ApiRefused)
    return problem


def test_the_words_of_pve_are_understood() -> None:
    assert missing(refused("Configuration file 'nodes/n/qemu-server/1.conf' does not exist"))
    assert missing(refused("unable to find configuration file for VM 1 on node 'n'"))
    assert not missing(refused("Permission check failed", 403))
    assert lock_timeout("can't lock file '/var/lock/qemu-server/lock-1.conf' - got timeout")
    assert lock_timeout("cfs-lock 'storage-x' error: got lock request timeout")
    assert not lock_timeout("VM quit/powerdown failed - got timeout")
    assert taken(refused("unable to create VM 1: config file already exists"))
    assert taken(refused("Parameter verification failed.", 400, vmid="VM 1 already exists"))
    assert changed_meanwhile(refused("checksum mismatch (file change by other user?)"))
    assert changed_meanwhile(refused("detected modified configuration - file changed by other user? Try again."))


@pytest.mark.parametrize("token", ["", "root@pam", "root@pam!x", "root@pam=1", "!=", "root@pam!=x"])
def test_a_token_has_its_form(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Client("https://x", token)
    assert token not in caught.value.message or not token


def test_a_ca_file_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the CA file .*: No such file"):
        Client("https://x", "a@b!c=d", ca_file=tmp_path / "none.pem")


def test_nobody_there_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(Unreachable, match=r"did not answer GET /version: Connection refused$") as caught:
        Client("https://127.0.0.1:1", "a@b!c=secret").get("version")
    assert "secret" not in str(caught.value)


def test_a_port_that_does_not_speak_https_is_not_blamed_on_its_certificate() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as line:
                line.recv(1000)
                line.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        endpoint = f"https://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Unreachable, match=f"{endpoint} does not speak https as Proxmox VE does: wrong version"):
            Client(endpoint, "a@b!c=d").get("version")
        thread.join()


def test_a_ca_file_has_to_hold_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(SettingsError, match="holds no certificate"):
        Client("https://127.0.0.1:1", "a@b!c=d", ca_file=tmp_path / "ca.pem")
