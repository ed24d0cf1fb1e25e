"""Commands that carry out: which cluster, what a second process is told, what is shown to whoever has to decide."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

from fakes.program import COMMAND, Api, Program

from atlas.store import SqliteStore
from atlas.terraform import detached

SPEC: dict[str, Any] = {
    "metadata": {"name": "farm"},
    "defaults": {"image": "debian-12", "networks": [{"bridge": "vmbr0", "address": "auto"}]},
    "guests": [{"name": "web"}],
}
API = ("--cluster", "lab", "--engine", "api")


def test_verifying_what_cannot_be_reached_says_unverified(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    atlas("apply", atlas.write(SPEC), *API, "--yes").ended(0)
    done = atlas("verify", "farm", "--json").ended(0).one("run.done")
    assert done["result"] == "applied"
    assert "unverified" in done["reason"]
    atlas("destroy", "farm", "--yes").ended(0)
    assert lab_api.world() == before


def test_what_others_added_is_told_as_drift_and_left_alone(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    spec = atlas.write({**SPEC, "metadata": {"name": "drifting"}})
    atlas("apply", spec, *API, "--yes").ended(0)
    quiet = atlas("plan", spec, *API, "--json").ended(0)
    assert not quiet.all("drift")
    guest, config = lab_api.named("web"), lab_api.config("web")
    place = ("nodes", guest["node"], "qemu", guest["vmid"], "config")
    lab_api.client.put(*place, tags=f"{config['tags']};theirs", net3="virtio,bridge=vmbr0")
    done = atlas("plan", spec, *API, "--json").ended(0)
    assert done.one("plan.ready")["changes"] == []
    told = {d["path"]: d for d in done.all("drift")}
    assert "theirs" in told["tags"]["observed"]
    assert told["networks[3].bridge"]["expected"] is None
    assert "was added by others" in atlas("verify", "drifting").ended(0).out
    atlas("destroy", "drifting", "--yes").ended(0)
    assert lab_api.world() == before


def test_planning_a_stack_that_is_worked_on_names_the_process(atlas: Program) -> None:
    spec = atlas.write(SPEC)
    store = SqliteStore(atlas.home)
    with store.hold("stack", "lab-farm"):
        done = atlas("plan", spec, *API, "--json").ended(1)
    store.close()
    assert f"process {os.getpid()} works on stack lab-farm" in done.one("diagnostic")["summary"]
    atlas("plan", spec, *API).ended(0)


def test_no_plan_touches_the_bundle_that_a_killed_runs_terraform_still_works_on(atlas: Program) -> None:
    stack = atlas.home / "stacks" / "lab" / "farm"
    left = stack / "runs" / "run-old" / "terraform" / "apply-1"
    process = detached.start(left, ("sleep", "60"), atlas.folder, {"PATH": os.environ["PATH"]})
    try:
        done = atlas("plan", atlas.write(SPEC), "--cluster", "lab", "--engine", "terraform", "--json").ended(1)
    finally:
        os.killpg(int((process.folder / "stat").read_text().split(" ", 1)[0]), signal.SIGKILL)
    assert "still carries out run-old of farm" in done.one("diagnostic")["summary"]
    assert "atlas resume" in done.one("diagnostic")["hint"]
    assert not (stack / "bundle").exists()


def test_faults_of_a_spec_are_told_where_no_profile_is(tmp_path: Path) -> None:
    atlas = Program(tmp_path)
    faulty = atlas.write({"metadata": {"name": "farm"}, "guests": [{"nmae": "web", "memory": 512}]}, "faulty.yaml")
    for command in ("plan", "apply", "generate"):
        found = atlas(command, faulty, "--json").ended(2).all("diagnostic")
        assert len(found) >= 3, found
        assert all(d["where"] for d in found)
    assert "profile" in atlas("plan", atlas.write(SPEC), "--json").ended(2).one("diagnostic")["summary"]


def test_a_spec_names_its_cluster(atlas: Program) -> None:
    (atlas.config / "clusters" / "other.yaml").write_text("endpoint: https://127.0.0.1:9\ntoken: {env: NONE}\n")
    spec = atlas.write({**SPEC, "cluster": "lab"})
    assert "lab" in atlas("plan", spec, "--engine", "api").ended(0).out
    assert "NONE" in atlas("plan", spec, "--cluster", "other").ended(2).text


def test_rows_of_a_table_are_whole_lines_in_a_pipe(atlas: Program) -> None:
    spec = atlas.write(SPEC, f"{'a-long-name-' * 8}.yaml")
    atlas("apply", spec, *API).ended(3)
    lines = atlas("sessions", "list").ended(0).out.splitlines()
    assert len(lines) == 2
    assert "awaiting_approval" in lines[1]
    assert str(spec) in lines[1]


def test_quiet_shows_the_plan_to_whoever_has_to_decide(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    words = [*COMMAND, "apply", str(atlas.write(SPEC)), *API, "--quiet"]
    mine, theirs = pty.openpty()
    os.write(mine, b"no\n")
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=atlas.env)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(mine, 4096):
            seen += part
    except OSError:
        pass  # that is how a terminal ends
    finally:
        os.close(mine)
    assert process.wait() == 3, seen.decode()
    assert "create web" in seen.decode()
    assert "(yes/no)" in seen.decode()
    assert lab_api.world() == before


def test_a_stack_that_was_only_planned_is_let_go_without_an_approval(atlas: Program) -> None:
    atlas("plan", atlas.write(SPEC), *API).ended(0)
    guest = atlas("guests", "list", "--cluster", "lab", "--json").ended(0).one("result")["guests"][0]
    assert guest["status"] == "planned"
    done = atlas("destroy", "farm", "--json").ended(0).one("run.done")
    assert done == {"result": "nothing", "reason": "there is no guest to delete"}
    assert atlas("stacks", "list", "--json").ended(0).one("result")["stacks"] == []
    assert atlas("guests", "list", "--cluster", "lab", "--json").ended(0).one("result")["guests"] == []


def test_a_stack_that_is_worked_on_is_not_verified(atlas: Program) -> None:
    atlas("apply", atlas.write(SPEC), *API, "--yes").ended(0)
    store = SqliteStore(atlas.home)
    with store.hold("stack", "lab-farm"):
        done = atlas("verify", "farm", "--json").ended(1)
    store.close()
    assert f"process {os.getpid()} works on stack lab-farm" in done.one("diagnostic")["summary"]
    atlas("verify", "farm").ended(0)
    atlas("destroy", "farm", "--yes").ended(0)


def test_what_is_wrong_with_a_guest_is_told_in_the_words_of_the_spec(atlas: Program, lab_api: Api) -> None:
    atlas("apply", atlas.write(SPEC), *API, "--yes").ended(0)
    guest = lab_api.named("web")
    lab_api.wait(lab_api.client.post("nodes", guest["node"], "qemu", guest["vmid"], "status", "stop"))
    lab_api.client.put("nodes", guest["node"], "qemu", guest["vmid"], "config", memory="1024")
    said = atlas("verify", "farm").ended(1).out
    assert "web values: memory is 1GiB, wanted 2GiB; running is no, wanted yes" in said
    atlas("destroy", "farm", "--yes").ended(0)


def test_resuming_without_a_name_goes_on_with_nothing_that_surprises(atlas: Program) -> None:
    """Neither a chat without words, nor a file that has to change first, nor a deletion that came to no plan."""
    spec = atlas.write(SPEC)
    atlas("plan", spec, *API).ended(0)
    store = SqliteStore(atlas.home)
    with store.hold("stack", "lab-farm"):
        atlas("destroy", "farm", "--yes").ended(1)
    store.close()
    atlas("chat").ended(0)
    atlas("apply", atlas.write({**SPEC, "guests": [{"name": "web", "node": "pve9"}]}, "no-node.yaml"), *API).ended(2)
    assert "unfinished" in atlas("resume", "--yes").ended(2).text
    named = atlas("resume", "no-node", "--json").ended(2).one("diagnostic")
    assert named["hint"].endswith("no-node.yaml")
    atlas("apply", spec, *API).ended(3)
    assert "awaiting_approval" in atlas("resume").ended(3).out


def test_a_run_that_another_one_came_after_is_not_gone_on_with(atlas: Program) -> None:
    spec = atlas.write({**SPEC, "metadata": {"name": "twice"}})
    process = atlas.start("apply", spec, *API, "--yes", "--json")
    assert process.stdout is not None
    killed = next(json.loads(line)["session"] for line in process.stdout if '"task"' in line)
    process.kill()
    process.communicate()
    atlas("apply", spec, *API, "--yes").ended(0)
    stale = atlas("resume", killed, "--yes", "--json").ended(1)
    assert "another plan of twice was made" in stale.one("diagnostic")["summary"]
    assert atlas("resume", killed, "--yes", "--json").ended(0).one("run.done")["result"] == "nothing"
    atlas("destroy", "twice", "--yes").ended(0)
