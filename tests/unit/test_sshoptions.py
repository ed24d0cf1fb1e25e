"""ssh's common options: the way to the guests, and paths as ssh itself reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from atlas.settings import Ssh
from atlas.sshoptions import common

KEY = Path("/k/id")
HOSTS = Path("/k/hosts")


@pytest.mark.parametrize(
    "name", ["plain", "with blanks", "o'brien", 'a "quoted" b', "back\\slash", "100%m", "t\tab", "ünï", "a#b", "a,b=c"]
)
def test_ssh_reads_a_path_as_it_is(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "id").touch()
    words = [word for option in common(Ssh(), folder / "id", folder / "hosts") for word in ("-o", option)]
    done = subprocess.run(["ssh", "-F", "none", *words, "-G", "guest"], capture_output=True, text=True, check=True)
    said = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    # `ssh -G` shows a path before it expands %%.
    assert said["identityfile"].replace("%%", "%") == str(folder / "id")
    assert said["userknownhostsfile"].replace("%%", "%") == str(folder / "hosts")


def test_no_path_holds_what_ssh_would_expand() -> None:
    options = common(Ssh(), Path("/100%d/id"), Path("/100%d/hosts"))
    assert {"IdentityFile=/100%%d/id", "UserKnownHostsFile=/100%%d/hosts"} <= set(options)


def test_a_proxy_command_outweighs_a_jump() -> None:
    jump = common(Ssh(jump="ops@j"), KEY, HOSTS)
    assert common(Ssh(), KEY, HOSTS) == [o for o in jump if not o.startswith("Proxy")]
    assert jump[-1] == "ProxyJump=ops@j"
    assert common(Ssh(jump="ops@j", proxy_command="nc %h %p"), KEY, HOSTS)[-1] == "ProxyCommand=nc %h %p"
