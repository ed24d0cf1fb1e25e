"""The Ansible half of a bundle: golden files, what Ansible makes of it, and that nothing from outside is evaluated."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atlas.configs.catalogue import defaults, gallery, role_files
from atlas.errors import GenerateError
from atlas.generators import ansible
from atlas.generators.yamltext import dump
from atlas.instances import instances
from atlas.ports.cluster import Work
from atlas.settings import Ssh
from atlas.spec import Stack
from atlas.state import Lease, State

GOLDEN = Path(__file__).parent / "golden" / "ansible"
IDENTITY = Path("/var/lib/atlas/ssh/id_ed25519")
JUMP = Ssh(proxy_command="ssh -F none -W %h:%p '{{ 1 }}' jump", port=2222)


def work(data: Mapping[str, Any], addresses: tuple[str, ...] | None = None) -> Work:
    stack = Stack.model_validate(data)
    wanted = instances(stack, defaults())
    leases = {}
    for n, one in enumerate(wanted):
        static = (f"10.42.0.{11 + n}/24",)
        leases[one.key] = Lease(
            stack.metadata.name, one.group, one.index, one.guest.kind, 10_000 + n, "pve1", "9000", "pve1",
            addresses=static if addresses is None else addresses,
        )  # fmt: skip
    state = State("lab", "9.2", {}, (), {})
    return Work(
        stack.metadata.name, "installation", "ssh-ed25519 AAAA", wanted, leases, {}, state,
        Path("/var/lib/atlas/stacks") / stack.metadata.name,
    )  # fmt: skip


def from_gallery(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(gallery()[name].read_text(encoding="utf-8"))
    return data


def spec(*guests: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "s"}, "guests": list(guests)}


def write(bundle: Mapping[str, str], folder: Path) -> Path:
    for path, text in bundle.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder / "ansible"


def host(bundle: Mapping[str, str], key: str) -> dict[str, Any]:
    found: dict[str, Any] = read(bundle["ansible/inventory.yaml"])["all"]["hosts"][key]
    return found


class _Loader(yaml.CSafeLoader):
    """Reads what Ansible reads, with !unsafe as plain text."""


_Loader.add_constructor("!unsafe", lambda _loader, node: node.value)


def read(text: str) -> Any:
    return yaml.load(text, _Loader)  # noqa: S506  it is derived from the safe loader


@pytest.mark.parametrize("name", ["web-farm", "mixed"])
def test_the_gallery_gives_the_golden_files(name: str) -> None:
    bundle = ansible.generate(work(from_gallery(name)), JUMP, IDENTITY)
    own = {path: text for path, text in bundle.items() if "/roles/" not in path}
    for path, text in own.items():
        file = GOLDEN / name / Path(path).relative_to("ansible")
        if os.environ.get("ATLAS_UPDATE_GOLDEN"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        assert text == file.read_text(), f"{file} differs; ATLAS_UPDATE_GOLDEN=1 rewrites it"


def test_the_same_input_gives_the_same_bytes_and_roles_are_in_the_bundle() -> None:
    first = ansible.generate(work(from_gallery("mixed")), JUMP, IDENTITY)
    assert list(ansible.generate(work(from_gallery("mixed")), JUMP, IDENTITY).items()) == list(first.items())
    roles = {path.split("/")[2] for path in first if path.startswith("ansible/roles/")}
    assert roles == {"base", "postgresql", "nginx", "node_exporter", "haproxy"}
    assert first["ansible/roles/nginx/tasks/main.yml"] == role_files("nginx")["tasks/main.yml"]


def test_orders_are_barriers_and_software_follows_the_catalogue() -> None:
    plays = yaml.safe_load(ansible.generate(work(from_gallery("mixed")), Ssh(), IDENTITY)["ansible/site.yml"])
    assert [(play["hosts"], play["roles"][0]["role"]) for play in plays] == [
        ("order_1", "base"),
        ("order_1:&software_postgresql", "postgresql"),
        ("order_2", "base"),
        ("order_2:&software_nginx", "nginx"),
        ("order_2:&software_node_exporter", "node_exporter"),
        ("order_3", "base"),
        ("order_3:&software_haproxy", "haproxy"),
    ]


def test_a_guest_without_an_order_comes_last() -> None:
    guests = spec({"name": "a"}, {"name": "b", "start": {"order": 5}})
    plays = yaml.safe_load(ansible.generate(work(guests), Ssh(), IDENTITY)["ansible/site.yml"])
    assert [play["hosts"] for play in plays] == ["order_5", "order_none"]


def test_containers_are_reached_as_root_and_vms_as_their_user() -> None:
    guests = spec({"name": "a", "kind": "container"}, {"name": "b", "user": {"name": "eve"}})
    bundle = ansible.generate(work(guests), Ssh(), IDENTITY)
    assert (host(bundle, "a")["ansible_user"], host(bundle, "a")["ansible_become"]) == ("root", False)
    assert host(bundle, "b")["ansible_user"] == "eve"
    assert host(bundle, "b")["ansible_ssh_extra_args"] == "-o HostKeyAlias=atlas-10001"


def test_dhcp_leaves_the_address_to_the_run() -> None:
    bundle = ansible.generate(work(spec({"name": "a"}), addresses=("dhcp",)), Ssh(), IDENTITY)
    assert "ansible_host" not in host(bundle, "a")


def test_the_profile_says_how_guests_are_reached() -> None:
    def arguments(ssh: Ssh) -> list[str]:
        common = read(ansible.generate(work(spec({"name": "a"})), ssh, IDENTITY)["ansible/group_vars/all.yaml"])
        return shlex.split(common["ansible_ssh_common_args"])

    assert not any(a.startswith("Proxy") for a in arguments(Ssh()))
    assert "ProxyJump=ops@jump:22" in arguments(Ssh(jump="ops@jump:22"))
    assert f"ProxyCommand={JUMP.proxy_command}" in arguments(JUMP)
    assert "UserKnownHostsFile=/var/lib/atlas/stacks/s/known_hosts" in arguments(Ssh())


def test_a_firewall_lets_in_what_the_guest_offers_to_others() -> None:
    guest = {"name": "a", "software": ["ufw", "nginx", "redis"]}
    assert host(ansible.generate(work(spec(guest)), Ssh(), IDENTITY), "a")["ufw_ports"] == [80]


def test_a_balancer_knows_the_stacks_web_servers() -> None:
    guests = spec({"name": "web", "count": 2, "software": ["nginx"]}, {"name": "lb", "software": ["haproxy"]})
    found = host(ansible.generate(work(guests), Ssh(), IDENTITY), "lb")
    assert [(s["name"], s["address"]) for s in found["haproxy_servers"]] == [
        ("web-1", "10.42.0.11"),
        ("web-2", "10.42.0.12"),
    ]


def test_a_pinned_version_brings_its_repository() -> None:
    bundle = ansible.generate(work(spec({"name": "a", "software": ["docker@27"]})), Ssh(), IDENTITY)
    assert host(bundle, "a")["docker_repository"]["suite"] == "bookworm"
    assert host(bundle, "a")["docker_packages"][0] == "docker-ce=5:27*"
    assert "ansible/roles/repository/tasks/main.yml" in bundle


@pytest.mark.parametrize("name", ["all", "ungrouped"])
def test_a_name_that_ansible_would_misread_is_refused(name: str) -> None:
    with pytest.raises(GenerateError, match=name):
        ansible.generate(work(spec({"name": name})), Ssh(), IDENTITY)


def test_software_that_cannot_be_resolved_is_refused() -> None:
    with pytest.raises(GenerateError, match="unknown software 'foo'"):
        ansible.generate(work(spec({"name": "a", "software": ["foo"]})), Ssh(), IDENTITY)


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["{{ 7 * 6 }}", "{% raw %}", "yes", "0o17", "1_0", "!unsafe x", "- a: b", "#", "a\n...\nb"]),
)


@given(st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)))
def test_yaml_gives_back_exactly_what_was_put_in(value: Any) -> None:
    for by_people in (False, True):
        assert read(dump({"value": value}, "a comment", read_by_people=by_people)) == {"value": value}


@given(TEXTS)
def test_whatever_could_be_a_template_is_marked(value: str) -> None:
    root = yaml.compose(dump([value], "x"), Loader=_Loader)
    assert root is not None
    node = root.value[0]
    assert node.tag == ("!unsafe" if "{" in value else "tag:yaml.org,2002:str")


@pytest.mark.slow
def test_ansible_reads_the_bundle_and_evaluates_nothing_from_outside(tmp_path: Path) -> None:
    wanted = work(spec({"name": "a", "software": ["nginx"]}))
    guest = wanted.instances[0].guest.model_copy(update={"tags": ("{{ 7 * 6 }}", "{% for x in y %}")})
    instance = type(wanted.instances[0])("a", 0, guest, "guests[0]")
    evil = Work(
        "s", "i", "k", (instance,), wanted.leases, {}, wanted.state, Path("/var/lib/{{ 1 + 1 }}"),
    )  # fmt: skip
    folder = write(ansible.generate(evil, JUMP, IDENTITY), tmp_path)
    program = Path(sys.executable).with_name("ansible-playbook")
    (folder / "show.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.copy:\n"
        f"        dest: {tmp_path}/out.json\n"
        "        content: \"{{ {'facts': base_facts, 'args': ansible_ssh_common_args} | to_json }}\"\n"
        "      delegate_to: localhost\n      become: false\n"
        "      vars: {ansible_connection: local, ansible_python_interpreter: " + sys.executable + "}\n"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ANSIBLE_CONFIG": str(folder / "ansible.cfg")}
    environment |= {"LC_ALL": "C.UTF-8"}
    for arguments in (["site.yml", "--syntax-check"], ["show.yml"]):
        done = subprocess.run(
            [str(program), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    seen = yaml.safe_load((tmp_path / "out.json").read_text())
    assert seen["facts"]["tags"] == sorted(guest.tags)
    assert "'{{ 1 }}'" in shlex.split(seen["args"])[-1]
    assert "/var/lib/{{ 1 + 1 }}/known_hosts" in seen["args"]
