"""The simulated backend answers like a booted guest, from its record alone."""

import base64

import pytest

from atlas.lab.backend import AgentRefused, AgentSilent, Backend, BackendError, Machine, Nic
from atlas.lab.netconfig import Address, addresses_by_mac, nameservers
from atlas.lab.simulated import SimulatedBackend

NETWORK = """\
version: 1
config:
    - type: physical
      name: eth0
      mac_address: 'bc:24:11:00:00:01'
      subnets:
      - type: static
        address: '10.42.0.11'
        netmask: '255.255.255.0'
        gateway: '10.42.0.1'
    - type: physical
      name: eth1
      mac_address: 'bc:24:11:00:00:02'
      subnets:
      - type: dhcp4
    - type: nameserver
      address:
      - '10.42.0.3'
      search:
      - 'lab.internal'
"""


def machine(**changes: object) -> Machine:
    nics = (Nic("net0", "BC:24:11:00:00:01", "vmbr0"), Nic("net1", "BC:24:11:00:00:02", "vmbr0"))
    given: dict[str, object] = {"nics": nics, "cloudinit": {"network-config": NETWORK}, **changes}
    return Machine(101, "web-1", "00000000-0000-0000-0000-000000000001", **given)  # type: ignore[arg-type] # test data


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_agent_is_silent_until_the_boot_is_over() -> None:
    clock = Clock()
    backend: Backend = SimulatedBackend(clock, boot_seconds=20)
    await backend.start(machine())
    with pytest.raises(AgentSilent):
        await backend.agent(101, "guest-ping")
    clock.now = 20
    assert await backend.agent(101, "guest-ping") == {}
    await backend.reset(101)
    with pytest.raises(AgentSilent):
        await backend.agent(101, "guest-ping")


async def test_interfaces_show_static_and_leased_addresses() -> None:
    backend = SimulatedBackend(boot_seconds=0)
    await backend.start(machine())
    shown = await backend.agent(101, "guest-network-get-interfaces")
    assert [i["name"] for i in shown] == ["lo", "eth0", "eth1"]
    assert [a["ip-address"] for a in shown[1]["ip-addresses"]] == ["10.42.0.11"]
    assert [a["ip-address"] for a in shown[2]["ip-addresses"]] == ["10.42.0.100"]


async def test_suspended_or_agentless_guests_stay_silent() -> None:
    backend = SimulatedBackend(boot_seconds=0)
    await backend.start(machine())
    await backend.suspend(101)
    with pytest.raises(AgentSilent):
        await backend.agent(101, "guest-ping")
    assert await backend.shutdown(101, 1) is False
    await backend.resume(101)
    assert await backend.shutdown(101, 1) is True
    assert not backend.alive(101)
    await backend.start(machine(agent=False))
    with pytest.raises(AgentSilent):
        await backend.agent(101, "guest-ping")


async def test_guest_shutdown_ends_the_machine_and_says_so() -> None:
    backend = SimulatedBackend(boot_seconds=0)
    ended: list[int] = []
    backend.on_exit = ended.append
    await backend.start(machine())
    await backend.agent(101, "guest-shutdown")
    assert ended == [101]
    assert not backend.alive(101)


async def test_what_a_record_cannot_do_is_refused() -> None:
    backend = SimulatedBackend(boot_seconds=0)
    await backend.start(machine())
    with pytest.raises(AgentRefused, match="simulated"):
        await backend.agent(101, "guest-exec", {"path": "/usr/bin/apt"})
    with pytest.raises(BackendError, match="already running"):
        await backend.start(machine())


async def test_files_of_a_guest_outlive_its_runs_and_programs_read_them() -> None:
    backend = SimulatedBackend(boot_seconds=0)
    await backend.start(machine())
    text = base64.b64encode(b"kept").decode()
    handle = await backend.agent(101, "guest-file-open", {"path": "/srv/a", "mode": "wb"})
    await backend.agent(101, "guest-file-write", {"handle": handle, "buf-b64": text})
    await backend.agent(101, "guest-file-close", {"handle": handle})
    with pytest.raises(AgentRefused, match="has not been found"):
        await backend.agent(101, "guest-file-read", {"handle": handle})
    await backend.stop(101)
    await backend.start(machine())
    given = {"path": "/bin/cat", "arg": ["/srv/a"], "capture-output": True}
    pid = (await backend.agent(101, "guest-exec", given))["pid"]
    ended = await backend.agent(101, "guest-exec-status", {"pid": pid})
    assert ended == {"exited": True, "exitcode": 0, "out-data": text}
    with pytest.raises(AgentRefused, match="does not exist"):
        await backend.agent(101, "guest-exec-status", {"pid": pid})
    with pytest.raises(AgentRefused, match="No such file"):
        await backend.agent(101, "guest-file-open", {"path": "/srv/none"})


async def test_unplugged_card_is_gone() -> None:
    backend = SimulatedBackend(boot_seconds=0)
    await backend.start(machine())
    await backend.unplug(101, "net1")
    assert len(await backend.agent(101, "guest-network-get-interfaces")) == 2
    await backend.plug(101, Nic("net1", "BC:24:11:00:00:02", "vmbr0"))
    assert len(await backend.agent(101, "guest-network-get-interfaces")) == 3


def test_network_config_is_read() -> None:
    assert addresses_by_mac(NETWORK) == {
        "bc:24:11:00:00:01": [Address("10.42.0.11", 24, "10.42.0.1")],
        "bc:24:11:00:00:02": [Address(dhcp=True)],
    }
    assert nameservers(NETWORK) == ["10.42.0.3"]


@pytest.mark.parametrize("text", ["", "::: no", "[1, 2]", "version: 1", "config: 3", "config: [{type: physical}]"])
def test_unreadable_network_config_gives_nothing(text: str) -> None:
    assert addresses_by_mac(text) == {}
    assert nameservers(text) == []
