"""The commands as a whole: every one takes the common options, and says in a line what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from atlas.cli.main import app

COMMON = {"--json", "--quiet", "-q", "--verbose", "-v", "--no-color"}


def leaves(command: Any, name: str = "atlas") -> Iterator[Any]:
    if not hasattr(command, "commands"):
        yield pytest.param(command, id=name)
        return
    for word, inner in command.commands.items():
        yield from leaves(inner, f"{name} {word}")


@pytest.mark.parametrize("command", leaves(get_command(app)))
def test_a_command_takes_the_common_options_and_says_what_it_does(command: Any) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert options >= COMMON
    assert command.help.split("\n")[0].endswith(".")
    assert all(getattr(p, "help", "") for p in command.params)
