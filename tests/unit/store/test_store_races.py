"""Several processes on one store: leases, a session's lock, and kill -9 between writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from atlas.errors import Held
from atlas.store import SqliteStore

_LEASES = """
import sys
from pathlib import Path
from atlas.state import Lease
from atlas.store import SqliteStore
store, mine = SqliteStore(Path(sys.argv[1])), sys.argv[2]
def lowest(seen):
    taken = {lease.vmid for lease in seen}
    vmid = next(v for v in range(100, 1000) if v not in taken)
    old = [lease for lease in seen if lease.stack == mine]
    return [*old, Lease(mine, "g", len(old) + 1, "vm", vmid, "n", "9000", "n", (f"10.0.0.{vmid - 99}/24",))]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(15):
    store.take_leases("lab", mine, lowest)
"""

_WRITER = """
import sys
from pathlib import Path
from atlas.store import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
with store.hold("session", sys.argv[2]):
    for number in range(100000):
        store.say(sys.argv[2], "user", str(number))
        print(number, flush=True)
"""


def _start(script: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_two_processes_never_lease_the_same(store: SqliteStore, home: Path) -> None:
    racers = [_start(_LEASES, str(home), stack) for stack in ("a", "b")]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.communicate("go\n", timeout=60)
        assert racer.returncode == 0
    leases = store.leases("lab")
    assert sorted(lease.vmid for lease in leases) == list(range(100, 130))
    assert len({lease.addresses for lease in leases}) == 30


def test_a_killed_holder_frees_its_session_and_loses_nothing_that_it_had_stored(store: SqliteStore, home: Path) -> None:
    id_ = store.new_session("chat", None).id
    writer = _start(_WRITER, str(home), id_)
    assert writer.stdout is not None
    stored = -1
    while stored < 5:
        stored = int(writer.stdout.readline())
    with pytest.raises(Held, match=f"process {writer.pid} works on session"), store.hold("session", id_):
        pass
    writer.send_signal(signal.SIGKILL)
    stored = max([stored, *(int(line) for line in writer.stdout.read().split())])
    writer.wait()
    with store.hold("session", id_), pytest.raises(Held, match=str(os.getpid())), store.hold("session", id_):
        pass
    texts = [m.text for m in SqliteStore(home).messages(id_)]
    assert texts == [str(n) for n in range(len(texts))]
    assert len(texts) in {stored + 1, stored + 2}


def test_other_names_are_free(store: SqliteStore) -> None:
    with store.hold("session", "a"), store.hold("session", "b"), store.hold("stack", "a"):
        pass
    with store.hold("session", "../../a"):
        pass
