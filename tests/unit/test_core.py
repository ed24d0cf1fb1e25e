"""The small parts of the core: units, stamps, plans, phases, events, redaction."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas import phases, redact
from atlas.events import Emitter, Event, EventType
from atlas.phases import Phase
from atlas.plan import Action, AttributeChange, Change, Effect, Plan, bundle_hashes
from atlas.plantext import describe
from atlas.state import Lease, Stamp
from atlas.units import format_size, parse_size


@given(st.integers(1, 1 << 30))
def test_a_size_is_read_back_as_it_is_written(mib: int) -> None:
    assert parse_size(format_size(mib)) == mib


@pytest.mark.parametrize(("text", "mib"), [("512MiB", 512), ("8GiB", 8192), ("1.5 GiB", 1536), (" 2TiB ", 2 << 20)])
def test_sizes(text: str, mib: int) -> None:
    assert parse_size(text) == mib


@pytest.mark.parametrize(
    "text", ["8", 8, 8.0, True, None, "8GB", "8G", "0GiB", "-1GiB", "1.0001MiB", "GiB", "", "1e3GiB"]
)
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_size(text)


def test_a_stamp_is_found_among_other_notes() -> None:
    stamp = Stamp("abcd1234", "shop", 105)
    assert Stamp.read(f"by hand\n{stamp}\nmore") == stamp
    for text in ("", "atlas:a:b", "atlas:a:b:x", "xatlas:a:b:1"):
        assert Stamp.read(text) is None


LEASE = Lease("shop", "web", 1, "vm", 105, "n1", "9000", "n1", ("10.0.0.5/24",), (None,), ("BC:24:11:00:00:01",))
PLAN = Plan(
    stack="shop",
    cluster="c",
    identity="i",
    engine="api",
    changes=(
        Change(Action.CREATE, "web-1", 105, "vm", "n1", (AttributeChange("memory", None, 2048),)),
        Change(
            Action.UPDATE,
            "web-2",
            106,
            "vm",
            "n1",
            (AttributeChange("memory", 1024, 2048, Effect.REBOOT), AttributeChange("tags", ("a",), ("a", "b"))),
            ("a note",),
        ),
    ),
    leases=(LEASE,),
    bundle={"main.tf": "0" * 64},
    versions={"atlas": "1"},
    destroy=False,
    spec={"metadata": {"name": "shop"}},
)


def test_a_plan_survives_its_storing_with_the_same_hash() -> None:
    again = Plan.from_data(json.loads(json.dumps(PLAN.as_data())))
    assert again == PLAN
    assert again.hash == PLAN.hash


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, engine="terraform"),
        replace(PLAN, identity="j"),
        replace(PLAN, bundle={"main.tf": "1" * 64}),
        replace(PLAN, versions={"atlas": "2"}),
        replace(PLAN, leases=(replace(LEASE, vmid=106),)),
        replace(PLAN, changes=PLAN.changes[:1]),
        replace(PLAN, destroy=True),
    ],
)
def test_the_hash_covers_everything(other: Plan) -> None:
    assert other.hash != PLAN.hash


def test_every_byte_of_a_bundle_counts_text_or_not() -> None:
    contents = [b"a\xff", b"a\xfe", "a\ufffd".encode(), b"a"]
    hashes = [bundle_hashes({"x": c.decode("utf-8", "surrogateescape")})["x"] for c in contents]
    assert hashes == [hashlib.sha256(c).hexdigest() for c in contents]


def test_the_hash_does_not_depend_on_order() -> None:
    assert replace(PLAN, changes=PLAN.changes[::-1]).hash == PLAN.hash


def test_a_plan_in_words_says_what_reboots() -> None:
    text = describe(PLAN)
    assert "1 to create, 1 to update" in text
    assert "create web-1: vm 105 on n1, 2GiB, 10.0.0.5/24" in text
    assert "memory 1GiB → 2GiB (needs a reboot)" in text
    assert "tags a → a, b" in text
    assert "note: a note" in text


def test_a_plan_in_words_hides_nothing_that_opens_or_starts_a_guest() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@home"
    rows = (
        AttributeChange("user.ssh_keys", None, (key,), Effect.REBOOT),
        AttributeChange("networks[0].mac", "BC:24:11:00:00:01", "BC:24:11:00:00:02"),
        AttributeChange("agent", False, True),
        AttributeChange("running", False, True),
    )
    text = describe(replace(PLAN, changes=(Change(Action.UPDATE, "web-2", 106, "vm", "n1", rows),)))
    assert "user.ssh_keys none → ssh-ed25519 …GhscHR4f me@home (needs a reboot)" in text
    assert "networks[0].mac BC:24:11:00:00:01 → BC:24:11:00:00:02" in text
    assert "agent no → yes" in text
    assert "running no → yes" in text


def test_every_phase_can_be_reached_and_left() -> None:
    reached = {after for row in phases.TABLE.values() for after in row.to}
    assert set(Phase) - reached <= {Phase.COLLECTING}
    assert all(row.to for row in phases.TABLE.values())
    assert Phase.APPLYING not in phases.TABLE[Phase.PLANNING].to, "nothing is applied without a person"
    assert [p for p, row in phases.TABLE.items() if Phase.APPLYING in row.to] == [
        Phase.AWAITING_APPROVAL,
        Phase.DONE,
        Phase.FAILED,
    ]


def test_the_diagram_shows_every_step_of_the_table() -> None:
    text = phases.diagram()
    for phase, row in phases.TABLE.items():
        for after in row.to:
            assert phase is after or f"{phase} --> {after}" in text


TOKEN = "root@pam!x=12345678-1234-1234-1234-123456789abc"


@pytest.mark.parametrize(
    "value",
    [
        {"token": "abc"},
        {"a": [f"Authorization: PVEAPIToken={TOKEN}"]},
        {"password": "hunter2"},
        {"text": f"got {TOKEN} from it"},
        {"text": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"},
        {"api_key": "sk-abcdefghijklmnop"},
        {"text": "the key sk-abcdefghijklmnop was refused"},
    ],
)
def test_secrets_do_not_get_through(value: dict[str, object]) -> None:
    shown = json.dumps(redact.data(value))
    for secret in ("abc", "hunter2", "123456789abc"):
        assert secret not in shown.replace("abcd", "")
    assert redact.HIDDEN in shown


def test_nothing_that_a_terminal_would_obey_leaves_the_process() -> None:
    said = redact.data({"text": "web\x1b]0;title\x07\r\x9b31m\tis there\nü"})
    assert said == {"text": "web\ufffd]0;title\ufffd\ufffd\ufffd31m\tis there\nü"}


def test_events_are_numbered_redacted_and_of_one_form() -> None:
    seen: list[Event] = []
    emit = Emitter((seen.append,)).within(session="s", run="r")
    emit(EventType.NOTE, text=TOKEN)
    emit(EventType.GUEST_STAGE, "web-1", stage="creating")
    first, second = (e.as_json() for e in seen)
    assert set(first) == {"v", "ts", "seq", "session", "run", "type", "guest", "data"}
    assert (first["seq"], second["seq"]) == (1, 2)
    assert "123456789abc" not in first["data"]["text"]
    assert (second["session"], second["run"], second["guest"]) == ("s", "r", "web-1")
