"""Tables and lists as plain words."""

from __future__ import annotations

import pytest

from atlas.language.layout import plain


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("| name | cpu | ram |\n|---|---|---|\n| a1 | 2 | 4G |", "vm a1, 2 cores, memory 4G"),
        (
            "name,cpu,ram_gb,disk\nb1,2,4,20\nb2,1,2,10",
            "vm b1, 2 cores, memory 4 gb, disk 20 GB\nvm b2, 1 cores, memory 2 gb, disk 10 GB",
        ),
        ("role\tcount\ttype\tram (GB)\nweb\t2\tlxc\t4", "2 web lxc, memory 4 gb"),
        ("host  ip         vlan\nc1    10.0.0.5   20\n\nall debian", "vm c1, ip 10.0.0.5, vlan 20\n\nall debian"),
        ("1. two web vms\n2) one db\n \u2022 a cache\n- a proxy", "two web vms\none db\na cache\na proxy"),
        ("a vm 2c4g and a vm 8c-32g-1t", "a vm 2c 4g and a vm 8c 32g 1t"),
    ],
)
def test_layout_becomes_what_a_person_would_say(text: str, words: str) -> None:
    assert plain(text) == words


@pytest.mark.parametrize(
    "text", ["two vms, 2 cores, 4 GB", "vm a1: cpu 2, ram 4G\nvm a2: cpu 4, ram 8G", "name the vm web-2c4g-x"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text
