"""ssh's common options: the way to the guests, and a path that ssh would split or expand."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas.settings import Ssh
from atlas.sshoptions import common


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/home/ops/known_hosts", "/home/ops/known_hosts"),
        ("/home/my files/known_hosts", '"/home/my files/known_hosts"'),
        ("/home/100%/known_hosts", "/home/100%%/known_hosts"),
    ],
)
def test_a_path_reaches_ssh_as_it_is(path: str, word: str) -> None:
    assert f"UserKnownHostsFile={word}" in common(Ssh(), Path(path))


def test_a_proxy_command_outweighs_a_jump() -> None:
    hosts = Path("/k")
    assert common(Ssh(), hosts) == [o for o in common(Ssh(jump="ops@j"), hosts) if not o.startswith("Proxy")]
    assert common(Ssh(jump="ops@j"), hosts)[-1] == "ProxyJump=ops@j"
    assert common(Ssh(proxy_command="nc %h %p"), hosts)[-1] == "ProxyCommand=nc %h %p"
