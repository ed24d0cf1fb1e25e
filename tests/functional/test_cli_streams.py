"""Odd standard streams: closed, full, read by nobody, in another encoding; nothing ends in a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fakes.program import COMMAND, Api, Program

GUEST = {"image": "debian-12", "networks": [{"bridge": "vmbr0", "address": "auto"}]}
SPEC = {"metadata": {"name": "streams"}, "defaults": GUEST, "guests": [{"name": "stream", "count": 2}]}
APPLY = ("--cluster", "lab", "--engine", "api", "--yes", "--json")


def run(atlas: Program, *words: object, **how: Any) -> subprocess.CompletedProcess[bytes]:
    how = {"stdout": subprocess.PIPE, **({} if "input" in how else {"stdin": subprocess.DEVNULL}), **how}
    done = subprocess.run([*COMMAND, *map(str, words)], stderr=subprocess.PIPE, env=atlas.env, check=False, **how)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("words", [("sessions", "list"), ("chat",), ("schema",)], ids=" ".join)
def test_a_closed_stream_is_an_empty_one(atlas: Program, number: int, words: tuple[str, ...]) -> None:
    done = run(atlas, *words, preexec_fn=lambda: os.close(number))
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("words", [("schema",), ("--help",), ("sessions", "list", "--json")], ids=" ".join)
def test_a_full_disk_under_the_output_is_told_and_fails(atlas: Program, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(atlas, *words, stdout=full)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("cannot write to standard output: No space left on device")


def test_a_run_goes_on_although_its_reader_has_left(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    command = [*COMMAND, "apply", str(atlas.write(SPEC)), *APPLY]
    with subprocess.Popen(command, env=atlas.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line)["type"] == "run.started":
                break
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
    assert atlas("stacks", "show", "streams", "--json").ended(0).one("result")["runs"][0]["result"] == "applied"
    atlas("destroy", "streams", "--yes").ended(0)
    assert lab_api.world() == before


def test_what_an_encoding_lacks_is_replaced_for_people_and_spelled_out_for_programs(atlas: Program) -> None:
    env = {"PYTHONIOENCODING": "ascii"}
    assert atlas("doctor", "--cluster", "lab", env=env).ended(0).out.startswith("? ssh: ")
    done = atlas("plan", "caf\u00e9.yaml", "--json", env=env).ended(2)
    assert done.one("diagnostic")["where"] == "caf\u00e9.yaml"


@pytest.mark.parametrize("encoding", ["C", "C.UTF-8"])
def test_bytes_that_are_no_text_are_words_that_nobody_knows(atlas: Program, encoding: str) -> None:
    atlas.env["LC_ALL"] = encoding
    # As an argument, on a line, and in the name of a file, which is where a session comes from.
    for done in (run(atlas, "chat", b"\xff\xfe".decode(errors="surrogateescape")), run(atlas, "chat", input=b"\xff\n")):
        assert b"I could not make anything of that" in done.stdout
    spec = atlas.write(SPEC).rename(atlas.folder / b"\xff.yaml".decode(errors="surrogateescape"))
    assert run(atlas, "apply", spec, "--cluster", "lab", "--engine", "api").returncode == 3
    assert len(atlas("sessions", "list", "--json").ended(0).one("result")["sessions"]) == 3


def test_a_signal_to_end_is_an_interrupt(atlas: Program) -> None:
    spec = atlas.write(SPEC)
    process = atlas.start("apply", spec, *APPLY)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "run.started":
            process.send_signal(signal.SIGTERM)
            break
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == "interrupted; `atlas resume`, or the same command again, goes on with what was begun\n"
    atlas("apply", spec, *APPLY).ended(0)
    atlas("destroy", "streams", "--yes").ended(0)
