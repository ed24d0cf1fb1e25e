"""What making guests keeps to: a limit of clones, shared storage, the administrator's command."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from atlas.errors import EngineError
from atlas.proxmox.making import Limits, on_shared_storage, root_storage, stale
from atlas.state import Observed, State, Storage


def storage(name: str, *, shared: bool = False, free: int = 10, content: str = "images,rootdir") -> Storage:
    return Storage(name, "n", "dir", shared, frozenset(content.split(",")), 100, free)


def state(*storages: Storage) -> State:
    return State("i", "9", {}, storages, {})


def test_clones_of_one_template_to_one_storage_are_limited() -> None:
    limits, now, most, lock = Limits(3), [0], [0], threading.Lock()
    barrier = threading.Event()

    def clone(_: int) -> None:
        with limits.gate("9000", "st"):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
                if now[0] == 3:
                    barrier.set()
            assert barrier.wait(5)
            with lock:
                now[0] -= 1

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(clone, range(9)))
    assert most == [3]
    assert limits.gate("9000", "st") is limits.gate("9000", "st")
    assert limits.gate("9000", "st") is not limits.gate("9000", "other")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"scsi0": "nfs:v,size=1G"}, True),
        ({"scsi0": "nfs:v,size=1G", "ide2": "nfs:vm-1-cloudinit,media=cdrom"}, True),
        ({"scsi0": "nfs:v,size=1G", "scsi1": "thin:w"}, False),
        ({"scsi0": "nfs:v", "efidisk0": "thin:w"}, False),
        ({"scsi0": "nowhere:v"}, False),
        ({"scsi0": "nfs:v", "scsihw": "virtio-scsi-single", "net0": "virtio=M"}, True),
    ],
)
def test_a_template_is_on_shared_storage_with_all_its_volumes(config: dict[str, str], expected: bool) -> None:
    whole = state(storage("nfs", shared=True), storage("thin"))
    assert on_shared_storage(Observed(1, "vm", "t", "n", config=config), whole) is expected


def test_a_container_goes_where_there_is_most_room() -> None:
    whole = state(storage("a", free=5), storage("b", free=9), storage("c", free=99, content="images"))
    assert root_storage(whole, "n") == "b"
    with pytest.raises(EngineError, match="no storage for containers"):
        root_storage(whole, "elsewhere")


@pytest.mark.parametrize(
    ("lock", "kind", "command"),
    [
        ("clone", "vm", "`qm unlock 7 && qm destroy 7 --destroy-unreferenced-disks 1`"),
        ("create", "container", "`pct unlock 7 && pct destroy 7 --destroy-unreferenced-disks 1`"),
        ("backup", "vm", "`qm unlock 7`"),
        ("migrate", "container", "`pct unlock 7`"),
    ],
)
def test_a_stale_lock_names_the_administrators_command(lock: str, kind: str, command: str) -> None:
    problem = stale(Observed(7, kind, "a", "n", lock=lock))  # type: ignore[arg-type]  # a Kind
    assert command in problem.hint
    assert lock in problem.message
