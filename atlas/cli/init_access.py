"""How `init` comes to a cluster: a certificate that somebody trusts, and a token that the cluster takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from atlas.cli.common import Output
from atlas.cli.questions import Questions
from atlas.errors import AuthFailed, UsageError

if TYPE_CHECKING:
    from atlas.proxmox.facts import PveCluster
    from atlas.state import State

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Access:
    """A cluster that answered; `secret` is a token that was typed, and lies nowhere yet."""

    cluster: PveCluster
    state: State
    source: dict[str, Any]
    secret: str | None


def trust(asked: Questions, where: str, given: str | None, ca_file: Path | None) -> dict[str, str]:
    """Return what makes the certificate trusted: an authority, or a fingerprint that somebody has compared."""
    from atlas import certificate

    if ca_file is not None:
        return {"ca_file": str(ca_file.expanduser().resolve())}
    found = certificate.fingerprint(certificate.shown(where))
    compare = "compare it with: openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem, on the node"
    if given is not None:
        if given.strip().upper() != found:
            raise UsageError(f"the certificate of {where} has another fingerprint: {found}", compare)
        return {"fingerprint": found}
    asked.out.print(f"the certificate of {where} has the SHA-256 fingerprint\n  {found}\n{compare}")
    if not asked.sure("is it the same?"):
        raise UsageError("nobody has said that the certificate is the right one", f"{compare}; --fingerprint says so")
    return {"fingerprint": found}


def source_of(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return where flags say that the token is, as a profile says it."""
    if len(given) > 1:
        raise UsageError("a token comes from one place", "give one of --token-file, --token-env, --token-command")
    for key, value in given.items():
        if key == "file":
            return {"file": str(value.expanduser().resolve())}
        return {key: shlex.split(value) if key == "command" else value}
    return None


def enter(
    asked: Questions, label: str, values: Mapping[str, Any], source: dict[str, Any] | None, engine: str
) -> Access:
    """Look at the cluster with the token; a person whose token is refused may type another."""
    from atlas.settings import Profile, config_dir

    if source is not None:
        profile = Profile.model_validate({"name": label, **values, "token": source})
        return _look(label, values, profile.read_token().get_secret_value(), source, typed=False)
    if not asked.out.interactive:
        raise UsageError(
            "there is no token, and nobody can be asked",
            "give --token-file, --token-env or --token-command; `atlas doctor --role` prints how to make a token",
        )
    source = {"file": str(config_dir() / "clusters" / f"{label}.token")}
    for left in reversed(range(_TRIES)):
        secret = _typed(asked.out, engine)
        try:
            return _look(label, values, secret, source, typed=True)
        except AuthFailed as problem:
            if not left:
                raise
            asked.out.print(f"[red]{problem.message}[/]")
    raise AssertionError


def _typed(out: Output, engine: str) -> str:
    """Ask for a token without showing it; no answer prints how one is made."""
    import getpass

    while True:
        try:
            said = getpass.getpass("API token, user@realm!name=secret (not shown; nothing prints how to make one): ")
        except EOFError:
            raise typer.Exit(3) from None
        if re.fullmatch(r"[^\s!=]+@[^\s!=]+![^\s!=]+=\S+", said.strip()):
            return said.strip()
        if said.strip():
            out.print("[red]that is no token of the form user@realm!name=secret[/]")
            continue
        tell_role(out, engine, "9")
        out.print("on Proxmox VE 8 write VM.Monitor for VM.GuestAgent.Audit; the last command shows the token, once")


def _look(label: str, values: Mapping[str, Any], secret: str, source: dict[str, Any], *, typed: bool) -> Access:
    from atlas.proxmox.client import Client
    from atlas.proxmox.facts import PveCluster

    ca_file = Path(values["ca_file"]) if "ca_file" in values else None
    client = Client(values["endpoint"], secret, ca_file=ca_file, fingerprint=values.get("fingerprint"))
    cluster = PveCluster(label, client)
    return Access(cluster, cluster.look(), source, secret if typed else None)


def tell_role(out: Output, engine: str, version: str) -> list[str]:
    """Print the commands that make a token with the least rights."""
    from atlas.access import commands, image_commands

    lines = commands("terraform" if engine == "auto" else engine, version)
    out.print(f"what a token needs at least, on Proxmox VE {version}; as root on a node:")
    for line in lines:
        out.print(f"  {line}")
    out.print("and to make templates from cloud images by `atlas images add`:")
    for line in image_commands():
        out.print(f"  {line}")
    return lines
