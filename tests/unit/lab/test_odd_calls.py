"""Every method of the table, called with parameters that hardly fit, gives an answer of PVE's, and at once."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from fakes import odd
from fakes.labapi import Api

from atlas.lab.backend import BackendError
from atlas.lab.call import PVEError

TIMES = 4


async def prepared() -> Api:
    api = await Api.fresh(user="root@pam")
    await api.run("POST", "/nodes/pve1/qemu", vmid=100, scsi0="local-lvm:4", net0="virtio,bridge=vmbr0", agent="1")
    await api.run("POST", "/nodes/pve1/qemu", vmid=101, scsi0="shared-nfs:4", ide2="shared-nfs:cloudinit")
    await api.run("POST", "/nodes/pve1/lxc", vmid=200, ostemplate=odd.NAMES["ostemplate"][0], rootfs="local-lvm:4")
    return api


async def test_odd_calls_are_answered() -> None:
    api, slow = await prepared(), []
    for verb, path, given in odd.calls(7, TIMES):
        begun = time.process_time()
        try:
            json.dumps(await asyncio.wait_for(api.send(verb, path, given), 10))
        except (PVEError, BackendError):
            pass  # in PVE's words, as other tests see to
        except Exception as fault:
            raise AssertionError((verb, path, given)) from fault
        if time.process_time() - begun > 1:
            slow.append((verb, path))
    tasks = api.lab.tasks
    ends = [await asyncio.wait_for(tasks.wait(upid), 10) for upid in list(tasks.records)]
    assert [(end.upid, end.exitstatus) for end in ends if str(end.exitstatus).startswith("internal")] == []
    assert slow == []


async def test_a_long_text_is_checked_against_an_image_reference_at_once() -> None:
    api = await Api.fresh()
    begun = time.process_time()
    with pytest.raises(PVEError) as caught:
        await api.send("GET", "/nodes/pve1/query-oci-repo-tags", {"reference": "y" * 5000 + "!"})
    assert caught.value.errors == {"reference": "value does not match the regex pattern"}
    assert time.process_time() - begun < 1
