"""The documents say what the code does: commands, phases, profile fields, first lines of modules."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from atlas.cli.main import app
from atlas.lab.inventory import PARTS, SECTIONS
from atlas.phases import diagram
from atlas.settings import AddressPool, Profile, Ssh

ROOT = Path(__file__).parents[2]
FOLDERS = ("atlas", "agents", "generators", "conversations", "configs", "tests")
README = (ROOT / "README.md").read_text()


def test_the_phases_in_the_docs_are_those_of_the_table() -> None:
    assert diagram() in (ROOT / "docs/sessions.md").read_text()


def test_every_field_of_a_profile_is_documented() -> None:
    text = (ROOT / "docs/profiles.md").read_text()
    fields = {*Profile.model_fields, *AddressPool.model_fields} - {"name", "ssh"}
    fields |= {f"ssh.{name}" for name in Ssh.model_fields}
    assert [f for f in sorted(fields) if f"`{f}`" not in text] == []


def test_every_part_of_an_inventory_is_documented() -> None:
    text = (ROOT / "docs/lab.md").read_text().partition("### The inventory")[2]
    parts = {name: {field.removeprefix("*") for field in shape} for name, shape in PARTS.items()}
    named = {*parts, *(field for shape in parts.values() for field in shape)}
    named |= {name for name in SECTIONS if not name.startswith("sdn/running/")}
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []


def test_every_command_has_words_of_help() -> None:
    commands = [c.callback for c in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        commands += [c.callback for c in group.typer_instance.registered_commands]
    assert len(commands) > 15
    assert [c.__name__ for c in commands if c is not None and not c.__doc__] == []


@pytest.mark.parametrize(
    "link",
    [
        *("docs/spec.md", "docs/profiles.md", "docs/engines.md", "docs/sessions.md", "docs/lab.md"),
        "docs/first-real-guest.md",
    ],
)
def test_what_the_readme_points_to_is_there(link: str) -> None:
    assert link in README
    assert (ROOT / link).is_file()


def test_every_module_says_what_it_is_in_its_first_line() -> None:
    silent = []
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            if path.is_symlink() or any(part.is_symlink() for part in path.parents):
                continue
            words = ast.get_docstring(ast.parse(path.read_text())) or ""
            if not words or not path.read_text().startswith(('"""', 'r"""')):
                silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_every_effect_of_a_fault_is_documented_with_its_options() -> None:
    from atlas.lab.effects import EFFECTS

    faults = (ROOT / "docs/lab.md").read_text().partition("## Faults")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in faults.splitlines() if line.startswith("| `")]
    told = {row[1].split("`")[1]: (set(row[2].split("`")[1::2]), "*" in row[1]) for row in rows}
    assert told == {name: (set(e.options.model_fields), e.once) for name, e in EFFECTS.items()}
