"""The command `init`: from an address and a token to a cluster profile that was checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from atlas.cli.common import EngineName, Output, application, with_output
from atlas.cli.init_access import Access, enter, source_of, tell_role, trust
from atlas.cli.questions import Questions, one_of
from atlas.errors import UsageError


def _flag(name: str, meta: str, words: str) -> Any:
    return typer.Option(f"--{name}", metavar=meta, help=words, show_default=False)


@with_output
def init(
    out: Output,
    name: Annotated[str | None, _flag("name", "NAME", "The profile's name.")] = None,
    endpoint: Annotated[str | None, _flag("endpoint", "URL", "A node's address.")] = None,
    fingerprint: Annotated[str | None, _flag("fingerprint", "SHA256", "The certificate's, compared by you.")] = None,
    ca_file: Annotated[Path | None, _flag("ca-file", "FILE", "The authority that signed the certificate.")] = None,
    token_file: Annotated[Path | None, _flag("token-file", "FILE", "A file with the token, mode 0600.")] = None,
    token_env: Annotated[str | None, _flag("token-env", "NAME", "A variable with the token.")] = None,
    token_command: Annotated[str | None, _flag("token-command", "WORDS", "A program that prints the token.")] = None,
    bridge: Annotated[str | None, _flag("bridge", "NAME", "The bridge of guests.")] = None,
    vlan: Annotated[int | None, typer.Option("--vlan", min=1, max=4094, help="Its VLAN.", show_default=False)] = None,
    storage: Annotated[str | None, _flag("storage", "NAME", "The storage of disks.")] = None,
    vmids: Annotated[str | None, _flag("vmids", "FIRST-LAST", "VMIDs that are ATLAS's.")] = None,
    addresses: Annotated[str | None, _flag("addresses", "FIRST-LAST/PREFIX|none", "Addresses to lease.")] = None,
    gateway: Annotated[str | None, _flag("gateway", "IP|none", "The guests' gateway.")] = None,
    dns: Annotated[str | None, _flag("dns", "IP,IP|none", "The guests' name servers.")] = None,
    reach: Annotated[str | None, _flag("reach", "direct|jump|none", "How guests are reached.")] = None,
    jump: Annotated[str | None, _flag("jump", "USER@HOST:PORT", "The jump host, with --reach jump.")] = None,
    engine: EngineName = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a profile of that name.")] = False,
) -> None:
    """Ask what a cluster's profile needs, propose what the cluster shows, write the profile and check it."""
    from atlas import privatefile
    from atlas.settings import save_profile

    one_of("auto", "terraform", "api")(engine)
    asked = Questions(out)
    label = asked.answer("name", name, "a name for the cluster", "home", _label)
    replace = _may_write(asked, label, overwrite=overwrite)
    where = asked.answer("endpoint", endpoint, "address of a node (https://HOST:8006)", None, _endpoint)
    values: dict[str, Any] = {"endpoint": where, **trust(asked, where, fingerprint, ca_file)}
    sources = {"file": token_file, "env": token_env, "command": token_command}
    source = source_of({key: value for key, value in sources.items() if value is not None})
    access = enter(asked, label, values, source, engine)
    answers = Answers(bridge, vlan, storage, vmids, addresses, gateway, dns)
    values |= {"token": access.source, "engine": engine, **_choose(asked, access, answers)}
    values |= _reach(asked, where, reach, jump)
    role = tell_role(out, engine, access.state.version)
    if asked.out.interactive:
        _show(out, label, values)
        if not asked.sure(f"write the profile {label!r}{', over the one that is there' if replace else ''}?"):
            raise typer.Exit(3)
    if access.secret is not None:
        privatefile.write(Path(access.source["file"]), access.secret)
    path = save_profile(label, values)
    out.result({"profile": label, "path": str(path), "pve": access.state.version, "commands": role, **values})
    out.print(f"profile {label!r} written to {path}")
    _check(out, label)


@dataclass(frozen=True, slots=True)
class Answers:
    """What flags say of the guests' place."""

    bridge: str | None
    vlan: int | None
    storage: str | None
    vmids: str | None
    addresses: str | None
    gateway: str | None
    dns: str | None


def _label(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
        raise UsageError(f"{text!r} is no name", "letters, digits, - and _")
    return text


def _endpoint(text: str) -> str:
    from atlas.proposals import endpoint

    return endpoint(text)


def _may_write(asked: Questions, label: str, *, overwrite: bool) -> bool:
    """Return whether a profile of that name is there and may go; refuse otherwise, before anything is asked."""
    from atlas.settings import config_dir, load

    if not (config_dir() / "clusters" / f"{label}.yaml").exists() and label not in load().clusters:
        return False
    if not overwrite and not asked.sure(f"there is a profile {label!r} already; make it anew?"):
        raise UsageError(f"there is a profile {label!r} already", "--overwrite replaces it; --name gives another name")
    return True


def _choose(asked: Questions, access: Access, given: Answers) -> dict[str, Any]:
    """Return what of the cluster is ATLAS's to use: proposals of the cluster, changed by flags and answers."""
    from atlas import proposals

    state, cluster = access.state, access.cluster
    found = proposals.bridges(state), proposals.storages(state)
    bridge, storage = (
        asked.answer(flag, said, f"{flag} ({', '.join(known)})", known[0] if known else None, _among(known))
        for flag, said, known in zip(("bridge", "storage"), (given.bridge, given.storage), found, strict=True)
    )
    # A token with few rights does not see the guests of others, but the cluster says of any VMID whether it is taken.
    free = next((block for block in proposals.blocks(state) if cluster.vmid_free(block[0])), None)
    span = f"{free[0]}-{free[1]}" if free else None
    vmids = asked.answer("vmids", given.vmids, "VMIDs that are ATLAS's", span, proposals.vmids)
    if not cluster.vmid_free(vmids[0]):
        asked.out.print(f"the VMID {vmids[0]} is taken; ATLAS asks the cluster for each before it takes one")
    pool = _pool(asked, access, given, bridge)
    network = {"bridge": bridge, "address": "auto" if pool else "dhcp"} | ({"vlan": given.vlan} if given.vlan else {})
    defaults = {"disks": [{"storage": storage}], "networks": [network]}
    return {"vmids": list(vmids), "pools": [pool] if pool else [], "defaults": defaults}


def _among(known: list[str]) -> Any:
    """Return a reader of a name that the cluster has; where the token may not list them, of any."""
    return one_of(*known) if known else _label


def _pool(asked: Questions, access: Access, given: Answers, bridge: str) -> dict[str, Any] | None:
    from atlas import proposals
    from atlas.errors import ApiRefused

    rows: list[dict[str, Any]] = []
    resolver: dict[str, Any] = {}
    for node in (n.name for n in access.state.nodes.values() if n.online):
        try:
            rows += access.cluster.client.get("nodes", node, "network")
            resolver = resolver or access.cluster.client.get("nodes", node, "dns")
        except ApiRefused:
            continue  # the token may not read it; then there is nothing to propose
    own = [] if given.vlan else rows
    # What DHCP hands out is not seen by the cluster, so only a person may take a proposed range.
    span = proposals.addresses(bridge, own) if asked.out.interactive else ""
    question = "addresses that only ATLAS gives to guests, or none (FIRST-LAST/PREFIX)"
    said = asked.answer("addresses", given.addresses, question, span or "none", _maybe(proposals.pool))
    if said is None:
        return None
    gateway = asked.answer("gateway", given.gateway, "gateway", proposals.gateway(bridge, own) or "none", _maybe(_ip))
    servers = ",".join(str(resolver[key]) for key in ("dns1", "dns2", "dns3") if resolver.get(key))
    dns = asked.answer("dns", given.dns, "name servers", servers or "none", _maybe(_ips))
    found = {"bridge": bridge, "vlan": given.vlan, **said, "gateway": gateway, "dns": dns}
    return {key: value for key, value in found.items() if value is not None}


def _maybe(read: Any) -> Any:
    return lambda text: None if text.strip().lower() in ("none", "") else read(text)


def _ip(text: str) -> str:
    from ipaddress import ip_address

    try:
        return str(ip_address(text.strip()))
    except ValueError as problem:
        raise UsageError(f"{text!r} is no address", "write it like 192.168.7.1, or none") from problem


def _ips(text: str) -> list[str]:
    return [_ip(part) for part in re.split(r"[,\s]+", text.strip())]


def _reach(asked: Questions, where: str, given: str | None, jump: str | None) -> dict[str, Any]:
    words = ("direct", "jump", "none")
    how = asked.answer(
        "reach", given or ("jump" if jump else None), "how are guests reached by ssh: direct, jump, none", "direct",
        one_of(*words),
    )  # fmt: skip
    if how != "jump":
        return {"reach": how}
    host = where.removeprefix("https://").rpartition(":")[0]
    proposal = f"root@{host}:22" if asked.out.interactive else None
    return {"reach": how, "ssh": {"jump": asked.answer("jump", jump, "jump host", proposal, _jump)}}


def _jump(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+@[A-Za-z0-9.:\[\]-]+", text):
        raise UsageError(f"{text!r} is no jump host", "write it like user@host:22")
    return text


def _show(out: Output, label: str, values: Mapping[str, Any]) -> None:
    import json

    from rich.markup import escape

    out.print(f"the profile {label!r}:")
    for key, value in values.items():
        out.print(f"  {key}: {escape(json.dumps(value))}")


def _check(out: Output, label: str) -> None:
    from atlas.doctor import examine

    if not examine(application(out, label), out.emit):
        raise typer.Exit(1)
