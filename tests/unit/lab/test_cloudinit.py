"""The cloud-init texts made from a VM's config."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from atlas.lab import cloudinit
from atlas.lab.cloudinit import Resolver

HOST = Resolver("lab.test", ("10.0.0.1",))
FULL: dict[str, str | int] = {
    "name": "web",
    "ciuser": "ops",
    "cipassword": "$5$abc$def",
    "sshkeys": quote("ssh-ed25519 AAAA ops@example\n", safe=""),
    "searchdomain": "example.org",
    "nameserver": "10.1.1.1 10.1.1.2",
    "ciupgrade": 0,
    "net0": "virtio=BC:24:11:00:51:61,bridge=vmbr0",
    "ipconfig0": "ip=10.1.1.5/24,gw=10.1.1.1,ip6=auto",
}


def test_user_data_names_the_host_the_user_and_the_keys() -> None:
    assert cloudinit.user_data(FULL, 101) == (
        "#cloud-config\nhostname: web\nmanage_etc_hosts: true\nfqdn: web.example.org\nuser: ops\n"
        "password: $5$abc$def\nssh_authorized_keys:\n  - ssh-ed25519 AAAA ops@example\n"
        "chpasswd:\n  expire: False\nusers:\n  - default\n"
    )


def test_packages_are_upgraded_unless_the_config_says_no() -> None:
    assert cloudinit.user_data({}, 7).endswith("package_upgrade: true\n")
    assert "hostname: VM7\n" in cloudinit.user_data({}, 7)
    assert "upgrade" not in cloudinit.user_data({"ciupgrade": 0}, 7)


def test_root_is_no_added_user() -> None:
    text = cloudinit.user_data({"ciuser": "root"}, 7)
    assert "disable_root: False\n" in text
    assert "users:" not in text


def test_network_config_is_matched_by_mac_and_takes_open_ends_from_the_node() -> None:
    assert cloudinit.network_config(FULL, HOST) == (
        "version: 1\nconfig:\n    - type: physical\n      name: eth0\n      mac_address: 'bc:24:11:00:51:61'\n"
        "      subnets:\n      - type: static\n        address: '10.1.1.5'\n        netmask: '255.255.255.0'\n"
        "        gateway: '10.1.1.1'\n      - type: ipv6_slaac\n    - type: nameserver\n      address:\n"
        "      - '10.1.1.1'\n      - '10.1.1.2'\n      search:\n      - 'example.org'\n"
    )
    bare = cloudinit.network_config({"net0": FULL["net0"]}, HOST)
    assert "physical" not in bare
    assert bare.endswith("      address:\n      - '10.0.0.1'\n      search:\n      - 'lab.test'\n")


def test_a_gateway_beside_dhcp_is_dropped() -> None:
    assert cloudinit.ip_config("ip=dhcp,gw=10.1.1.1") == {"ip": "dhcp"}
    assert cloudinit.ip_config("ip6=fd00::1/64,gw6=fd00::2") == {"ip6": "fd00::1/64", "gw6": "fd00::2"}


def test_the_dump_hides_the_password_but_not_from_the_identity() -> None:
    shown = cloudinit.dump(FULL, 101, "user", HOST, hide_password=True)
    assert "password: **********\n" in shown
    assert cloudinit.dump(FULL, 101, "meta", HOST, hide_password=True) == cloudinit.dump(FULL, 101, "meta", HOST)


@given(
    st.sampled_from(["name", "ciuser", "nameserver", "searchdomain", "cipassword"]),
    st.from_regex(r"[a-z]{3,9}", fullmatch=True),
)
def test_every_change_of_the_data_makes_a_new_instance(key: str, value: str) -> None:
    before = cloudinit.files(FULL, 101, HOST)["meta-data"]
    assert cloudinit.files(FULL | {key: value}, 101, HOST)["meta-data"] != before
    assert cloudinit.files(FULL | {"memory": value}, 101, HOST)["meta-data"] == before


def test_windows_and_citype_choose_the_config_drive() -> None:
    assert cloudinit.drive_format({"ostype": "win11"}) == "configdrive2"
    assert cloudinit.drive_format({"ostype": "win11", "citype": "nocloud"}) == "nocloud"
    text = cloudinit.dump(FULL | {"citype": "configdrive2"}, 101, "network", HOST)
    assert "iface eth0 inet static\n        address 10.1.1.5\n        netmask 255.255.255.0\n" in text
