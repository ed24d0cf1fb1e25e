"""The store: what is put in comes out, what must not be is refused, and failures are said in words."""

from __future__ import annotations

import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atlas.errors import NotFound, SessionCorrupt, StateError
from atlas.phases import Phase
from atlas.plan import Plan
from atlas.ports.store import Store
from atlas.ports.templates import TemplateRecord
from atlas.store import SqliteStore


def test_it_is_a_store(store: SqliteStore) -> None:
    port: Store = store
    assert port.installation() == store.installation()


def test_only_the_user_may_read_it(store: SqliteStore, home: Path) -> None:
    store.new_session("chat", None)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in home.glob("atlas.db*")} == {0o600}


def test_sessions_are_found_by_any_unambiguous_part(store: SqliteStore) -> None:
    first, second = store.new_session("specs/web-farm.yaml", "lab"), store.new_session("chat", None)
    assert first.id.startswith("web-farm-")
    assert first.phase is Phase.COLLECTING
    assert store.session(first.id) == first
    assert store.session("web") == first
    assert store.session(second.id.rsplit("-")[-1]) == second
    third = store.new_session("chat", None)
    with pytest.raises(NotFound, match="more than one") as problem:
        store.session("chat")
    assert third.id in problem.value.message
    for unknown in ("", "nowhere"):
        with pytest.raises(NotFound, match="there is no session"):
            store.session(unknown)


def test_a_session_changes_only_as_the_phase_table_allows(store: SqliteStore) -> None:
    id_ = store.new_session("chat", None).id
    store.update_session(id_, phase=Phase.VALIDATING, draft={"guests": [1]}, stack="web")
    with pytest.raises(StateError, match="cannot become applying"):
        store.update_session(id_, phase=Phase.APPLYING, stack="other")
    kept = store.session(id_)
    assert (kept.phase, kept.draft, kept.stack) == (Phase.VALIDATING, {"guests": [1]}, "web")
    with pytest.raises(TypeError):
        store.update_session(id_, created=0)


def test_messages_keep_their_order_and_data(store: SqliteStore) -> None:
    id_, other = store.new_session("chat", None).id, store.new_session("chat", None).id
    for number in range(5):
        store.say(id_, "user", f"m{number}", {"n": number})
        store.say(other, "user", "elsewhere")
    assert [m.text for m in store.messages(id_)] == ["m0", "m1", "m2", "m3", "m4"]
    assert [m.data for m in store.messages(id_, last=2)] == [{"n": 3}, {"n": 4}]
    assert store.sessions()[0].id == other
    with pytest.raises(NotFound):
        store.say("nobody", "user", "lost")


def test_approvals_are_only_ever_added(store: SqliteStore, home: Path, plan: Plan) -> None:
    with pytest.raises(NotFound):
        store.approve(plan.hash, "me", granted=True)
    store.save_plan(plan)
    assert store.plan(plan.hash) == plan
    assert store.approval(plan.hash) is None
    store.approve(plan.hash, "me", granted=True)
    store.approve(plan.hash, "you", granted=False)
    decision = store.approval(plan.hash)
    assert decision is not None
    assert (decision.by, decision.granted) == ("you", False)
    assert store.approval(plan.hash[:-1] + "x") is None
    with sqlite3.connect(home / "atlas.db") as raw:
        for statement in ("UPDATE approvals SET granted = 1", "DELETE FROM approvals"):
            with pytest.raises(sqlite3.IntegrityError, match="approvals are never"):
                raw.execute(statement)
    raw.close()


def test_a_plan_has_one_open_run(store: SqliteStore, plan: Plan) -> None:
    store.save_plan(plan)
    run = store.new_run(plan, None)
    assert store.new_run(plan, None) == run
    store.update_run(run.id, stage="applying")
    ended = store.update_run(run.id, result="failed", reason="no room")
    assert (ended.stage, ended.result, ended.reason) == ("applying", "failed", "no room")
    again = store.new_run(plan, None)
    assert again.id != run.id
    assert [r.id for r in store.runs("web")] == [again.id, run.id]
    assert store.runs("other") == []


def test_an_open_run_is_over_once_another_one_worked_on_the_stack(store: SqliteStore, plan: Plan) -> None:
    other = replace(plan, spec={"metadata": {"name": "web", "description": "later"}})
    elsewhere = replace(plan, cluster="far")
    for each in (plan, other, elsewhere):
        store.save_plan(each)
    run = store.new_run(plan, None)
    store.new_run(elsewhere, None)
    assert store.new_run(plan, None) == run
    later = store.new_run(other, None)
    again = store.new_run(plan, None)
    assert again.id not in {run.id, later.id}
    assert (store.run(run.id).result, store.run(run.id).reason) == ("failed", "another run came after it")
    assert store.new_run(plan, None) == again


def test_the_journal_takes_entries_from_several_threads(store: SqliteStore, plan: Plan) -> None:
    store.save_plan(plan)
    journal = store.journal(store.new_run(plan, None))

    def work(guest: str) -> None:
        for number in range(10):
            entry = journal.intend(guest, "clone", vmid=number)
            journal.settle(entry, upid=f"{guest}:{number}")
            journal.settle(entry, status="OK")

    threads = [threading.Thread(target=work, args=(f"web-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.entries()) == 40
    mine = journal.entries("web-2")
    assert [e.intent["vmid"] for e in mine] == list(range(10))
    assert mine[3].outcome == {"upid": "web-2:3", "status": "OK"}
    with pytest.raises(NotFound):
        journal.settle(999, upid="x")


def test_what_was_applied_is_merged_renamed_and_forgotten(store: SqliteStore, plan: Plan, make_lease: Any) -> None:
    store.save_plan(plan)
    store.take_leases("lab", "web", lambda _: [make_lease(index=1, vmid=100), make_lease(index=2, vmid=101)])
    journal = store.journal(store.new_run(plan, None))
    assert store.stack_engine("lab", "web") is None
    journal.made("web-1", uuid="u1", node="pve2")
    assert store.stack_engine("lab", "web") == "api"
    journal.applied("web-1", {"memory": 2048, "tags": ("a", "b")})
    journal.applied("web-1", {"memory": 4096, "cpu.cores": 2}, removed=["tags"])
    assert store.applied("lab", "web") == {"web-1": {"memory": 4096, "cpu.cores": 2}}
    store.rename("lab", "web", {"web-1": ("web", 2), "web-2": ("web", 1)})
    assert {v.key: (v.vmid, v.uuid, v.made) for v in store.leases("lab", "web")} == {
        "web-1": (101, None, False),
        "web-2": (100, "u1", True),
    }
    assert set(store.applied("lab", "web")) == {"web-2"}
    assert [(s["stack"], s["engine"], s["guests"]) for s in store.stacks("lab")] == [("web", "api", 1)]
    journal.gone("web-1")
    journal.gone("web-2")
    assert (store.leases("lab"), store.applied("lab", "web"), store.stacks()) == ((), {}, [])


def test_leases_are_unique_and_made_guests_keep_theirs(store: SqliteStore, plan: Plan, make_lease: Any) -> None:
    store.save_plan(plan)
    first = make_lease(vmid=100, addresses=("10.0.0.5/24", "dhcp"))
    store.take_leases("lab", "web", lambda _: [first])
    assert store.leases("lab") == (first,)
    with pytest.raises(StateError, match="VMID 100"):
        store.take_leases("lab", "db", lambda _: [make_lease("db", vmid=100)])
    with pytest.raises(StateError, match=r"10\.0\.0\.5"):
        store.take_leases("lab", "db", lambda _: [make_lease("db", vmid=101, addresses=("10.0.0.5/16",))])
    assert store.leases("lab") == (first,)
    assert store.take_leases("other", "web", lambda _: [first]) == (first,)
    store.journal(store.new_run(plan, None)).made("web-1", uuid="u", node="pve1")
    assert [v.key for v in store.take_leases("lab", "web", lambda _: [make_lease(index=2, vmid=102)])] == [
        "web-1",
        "web-2",
    ]
    assert [v.key for v in store.take_leases("lab", "web", lambda _: [])] == ["web-1"]


def test_a_guest_that_leaves_its_group_takes_its_lease_along(store: SqliteStore, plan: Plan, make_lease: Any) -> None:
    store.save_plan(plan)
    store.take_leases("lab", "web", lambda _: [make_lease(index=2, vmid=101, addresses=("10.0.0.6/24",))])
    store.journal(store.new_run(plan, None)).made("web-2", uuid="u", node="pve1")
    (made,) = store.leases("lab")
    alone = replace(made, group="web-2", index=0)
    assert store.take_leases("lab", "web", lambda _: [alone]) == (alone,)


def test_a_choice_that_fails_leaves_everything_as_it_was(store: SqliteStore, make_lease: Any) -> None:
    store.take_leases("lab", "web", lambda _: [make_lease()])

    def choose(seen: object) -> list[Any]:
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        store.take_leases("lab", "web", choose)
    assert len(store.leases("lab")) == 1


def test_a_full_disk_is_said_and_loses_nothing(store: SqliteStore) -> None:
    id_ = store.new_session("chat", None).id
    store.say(id_, "user", "kept")
    with store._database.reading() as tables:
        pages = tables.execute("PRAGMA page_count").fetchone()[0]
        tables.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateError, match="disk is full"):
        store.say(id_, "user", "x" * 100_000)
    assert [m.text for m in store.messages(id_)] == ["kept"]


@pytest.mark.parametrize("content", [b"no database, " * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_said(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "atlas.db").write_bytes(content)
    with pytest.raises(SessionCorrupt, match="damaged"):
        SqliteStore(home)
    assert (home / "atlas.db").read_bytes() == content


def test_what_cannot_be_read_of_one_session_does_not_hide_the_others(store: SqliteStore) -> None:
    bad, good = store.new_session("chat", None).id, store.new_session("chat", None).id
    with store._database.transaction() as tables:
        tables.table("sessions").update(bad, {"draft": "{half"})
    with pytest.raises(SessionCorrupt, match=bad):
        store.session(bad)
    assert store.session(good).id == good


def test_a_newer_file_is_left_alone(store: SqliteStore, home: Path) -> None:
    with store._database.reading() as tables:
        tables.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="newer ATLAS"):
        SqliteStore(home)


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot write"):
        SqliteStore(tmp_path / "file" / "home")


def test_a_template_is_kept_with_its_proof_and_forgotten(store: SqliteStore) -> None:
    record = TemplateRecord("lab", "debian-12", 900, "n", "s", "l", "m", "url", "f", "sha256:ab", "me", 1.5)
    store.save_template(record)
    proved = replace(record, uuid="u", proof={"agent": True, "evidence": ["it answers"]})
    store.save_template(proved)
    store.save_template(replace(record, cluster="other"))
    assert store.templates("lab") == [proved]
    store.forget_template("lab", "debian-12")
    assert store.templates("lab") == []
    assert len(store.templates("other")) == 1
