"""What the program loads: little for its help, and no agent framework for a spec file."""

from __future__ import annotations

import re
from typing import Any

from fakes.program import Done, Program

SPEC: dict[str, Any] = {
    "metadata": {"name": "farm"},
    "guests": [{"name": "web", "image": "debian-12", "networks": [{"bridge": "vmbr0", "address": "auto"}]}],
}
TIMES = {"PYTHONPROFILEIMPORTTIME": "1"}


def loaded(done: Done) -> set[str]:
    """Return the top-level names of all modules that were imported."""
    return set(re.findall(r"^import time:[^|]*\|[^|]*\|\s*([A-Za-z0-9_]+)", done.err, re.MULTILINE))


def test_help_loads_typer_alone(lab_program: Program) -> None:
    done = lab_program("--help", env=TIMES).ended(0)
    names = loaded(done)
    assert "typer" in names
    assert not names & {
        "pydantic",
        "ruamel",
        "requests",
        "proxmoxer",
        "sqlite_utils",
        "jinja2",
        "asyncio",
        "autogen_core",
    }
    every = "chat resume sessions validate generate plan apply destroy verify stacks guests lab schema doctor"
    for command in every.split():
        assert re.search(rf"^  {command} ", done.out, re.MULTILINE), command


def test_applying_a_file_loads_no_agent_framework(atlas: Program) -> None:
    words = ("apply", atlas.write(SPEC), "--cluster", "lab", "--engine", "api", "--yes", "--json")
    names = loaded(atlas(*words, env=TIMES).ended(0))
    assert "proxmoxer" in names
    assert not {n for n in names if n.startswith("autogen")} | (names & {"openai", "prompt_toolkit", "aiohttp"})
    atlas("destroy", "farm", "--yes").ended(0)
