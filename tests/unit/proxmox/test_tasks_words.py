"""What a failed task's log adds to its exit status."""

from __future__ import annotations

from atlas.proxmox.tasks import last_words


def test_why_qemu_did_not_start_is_told() -> None:
    lines = [
        "generating cloud-init ISO",
        "Something is experimental at /usr/share/perl5/PVE/LXC.pm line 1635.",
        "no physical interface on bridge 'vmbr0'",
        "",
        "TASK ERROR: start failed: QEMU exited with code 1",
    ]
    assert last_words(lines) == "its log says: generating cloud-init ISO / no physical interface on bridge 'vmbr0'"


def test_a_log_without_more_adds_nothing() -> None:
    assert last_words(["TASK ERROR: no space left"]) == ""
