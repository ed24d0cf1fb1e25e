"""The options of ssh that hold for every guest, whether ATLAS itself or Ansible calls it."""

from __future__ import annotations

import re
from pathlib import Path

from atlas.settings import Ssh

_UNSAFE = re.compile(r"[^\w@%+=:,./-]")


def common(ssh: Ssh, identity: Path, known_hosts: Path) -> list[str]:
    """Return options as `-o` takes them; a new host key is learnt, a changed one refused.

    Args:
        ssh: The way to the guests: a jump, a proxy command, or neither.
        identity: ATLAS's private key, the only one that is offered.
        known_hosts: The stack's file of host keys.
    """
    options = [
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        f"IdentityFile={_quoted(identity)}",
        f"UserKnownHostsFile={_quoted(known_hosts)}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=accept-new",
        "HashKnownHosts=no",
    ]
    if ssh.proxy_command:
        options.append(f"ProxyCommand={ssh.proxy_command}")
    elif ssh.jump:
        options.append(f"ProxyJump={ssh.jump}")
    return options


def _quoted(path: Path) -> str:
    """Quote a path for ssh, which splits the value of an option at blanks, knows quotes in it, and expands %."""
    text = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if _UNSAFE.search(text) else text
