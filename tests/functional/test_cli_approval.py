"""Nothing is changed without an approval of exactly this plan: what the executor refuses, and what it keeps."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakes.program import Api, Program

SPEC: dict[str, Any] = {
    "metadata": {"name": "farm"},
    "defaults": {"image": "debian-12", "memory": "1GiB", "networks": [{"bridge": "vmbr0", "address": "auto"}]},
    "guests": [{"name": "web", "software": ["nginx"]}],
}
API = ("--cluster", "lab", "--engine", "api", "--json")


def waiting(atlas: Program) -> str:
    """Bring a session to the point where a person decides; return its id."""
    refused = atlas("apply", atlas.write(SPEC), *API).ended(3)
    return str(refused.events[0]["session"])


def approve(atlas: Program) -> None:
    """Record the approval as a person's yes does, and nothing else."""
    from atlas.store import SqliteStore

    store = SqliteStore(atlas.home)
    plan = store.sessions()[0].plan
    assert plan is not None
    store.approve(plan, "tester", granted=True)
    store.close()


def execute(atlas: Program, session: str) -> Any:
    """Put the session where its executor acts, as after the yes, and go on with it in a new process."""
    approve(atlas)
    with sqlite3.connect(atlas.home / "atlas.db") as database:
        database.execute("UPDATE sessions SET phase = 'applying' WHERE id = ?", [session])
    return atlas("resume", session, "--json")


def test_without_an_approval_the_executor_refuses_and_the_session_keeps_it(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    done = atlas("apply", atlas.write(SPEC), *API).ended(3)
    assert "nobody has approved" in done.one("approval.refused")["reason"]
    session = done.events[0]["session"]
    shown = atlas("sessions", "show", session, "--json").ended(0).one("result")
    assert shown["session"]["phase"] == "awaiting_approval"
    assert any(m["source"] == "executor" and "nobody has approved" in m["text"] for m in shown["messages"])
    assert "nobody has approved" in atlas("sessions", "show", session).ended(0).out
    told = atlas("apply", atlas.write(SPEC), *API[:-1]).ended(3).out
    assert told.count("nobody has approved") == 1
    assert lab_api.world() == before


def test_a_session_set_to_applying_without_a_record_is_refused(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    session = waiting(atlas)
    with sqlite3.connect(atlas.home / "atlas.db") as database:
        database.execute("UPDATE sessions SET phase = 'applying' WHERE id = ?", [session])
    atlas("resume", session, "--json").ended(3)
    assert lab_api.world() == before


def _file(pattern: str) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        path = min(p for p in bundle.rglob("*") if p.is_file() and re.search(pattern, str(p)))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))

    return change


def _added(bundle: Path) -> None:
    (bundle / "more.tf").write_text("")


def _removed(bundle: Path) -> None:
    next(bundle.rglob("*.tf")).unlink()


def _linked(bundle: Path) -> None:
    path = next(bundle.rglob("*.tf"))
    path.rename(bundle.parent / "elsewhere.tf")
    path.symlink_to(bundle.parent / "elsewhere.tf")


TAMPERING: dict[str, Callable[[Path], None]] = {
    "hcl": _file(r"\.tf$"),
    "inventory": _file(r"inventory"),
    "playbook": _file(r"ansible/[a-z]+\.ya?ml$"),
    "role": _file(r"roles/"),
    "added": _added,
    "removed": _removed,
    "linked": _linked,
}


def test_one_byte_changed_after_the_approval_is_refused(atlas: Program, lab_api: Api) -> None:
    """One session for every kind of file: what was refused is put back, and the last word is that it then runs."""
    import shutil

    before = lab_api.world()
    session = waiting(atlas)
    bundle = atlas.home / "stacks" / "lab" / "farm" / "bundle"
    kept = atlas.folder / "kept"
    shutil.copytree(bundle, kept)
    for name, change in TAMPERING.items():
        change(bundle)
        done = execute(atlas, session).ended(3)
        assert "changed after the approval" in done.one("approval.refused")["reason"], name
        assert lab_api.world() == before, name
        shutil.rmtree(bundle)
        shutil.copytree(kept, bundle)
    execute(atlas, session).ended(0)
    atlas("destroy", "farm", "--yes").ended(0)
    assert lab_api.world() == before


def test_an_approval_counts_for_one_hash_alone(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    waiting(atlas)
    approve(atlas)
    other = {**SPEC, "guests": [{"name": "web", "software": ["nginx"], "memory": "2GiB"}]}
    done = atlas("apply", atlas.write(other), *API).ended(3)
    assert "nobody has approved" in done.one("approval.refused")["reason"]
    assert lab_api.world() == before


def test_a_program_that_changed_after_the_approval_is_refused(atlas: Program, lab_api: Api) -> None:
    """The plan is stored as one that was made with another Ansible."""
    before = lab_api.world()
    session = waiting(atlas)
    from atlas.plan import Plan
    from atlas.store import SqliteStore

    store = SqliteStore(atlas.home)
    plan = store.plan(str(store.session(session).plan))
    other = Plan.from_data({**plan.as_data(), "versions": {**plan.versions, "ansible-core": "1.0"}})
    store.save_plan(other)
    store.update_session(session, plan=other.hash)
    store.close()
    done = execute(atlas, session).ended(3)
    assert "programs changed" in done.one("approval.refused")["reason"]
    assert lab_api.world() == before


def test_a_plan_whose_stored_text_was_changed_is_refused(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    session = waiting(atlas)
    approve(atlas)
    with sqlite3.connect(atlas.home / "atlas.db") as database:
        hash_, data = database.execute("SELECT hash, data FROM plans").fetchone()
        plan = json.loads(data)
        plan["spec"]["guests"][0]["memory"] = "4GiB"
        database.execute("UPDATE plans SET data = ? WHERE hash = ?", [json.dumps(plan), hash_])
    assert execute(atlas, session).code != 0
    assert lab_api.world() == before


def test_no_in_a_pipe_is_no(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    words = "a debian server called solo with 1 core and 1 GB\nno\nquit\n"
    atlas("chat", "--cluster", "lab", "--engine", "api", stdin=words)
    assert lab_api.world() == before
