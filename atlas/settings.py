"""Settings: environment over `~/.config/atlas/config.yaml`, and the cluster profiles."""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from atlas import privatefile
from atlas.errors import SettingsError
from atlas.spec import GuestDefaults, Identifier, Ip

TOKEN_SECONDS = 30.0
"""How long a command may take to print the token."""

EngineChoice = Literal["auto", "terraform", "api"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenSource(_Part):
    """Where a token is kept; exactly one of the fields. Never the token itself."""

    env: str | None = None
    file: Path | None = None
    command: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> TokenSource:
        if sum(v is not None for v in (self.env, self.file, self.command)) != 1:
            raise ValueError("a token comes from exactly one of env, file, command")
        return self


def _network(value: str) -> str:
    return str(ip_network(value))


def _like(pattern: str, example: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is none; write it like {example}")
        return value

    return check


class AddressPool(_Part):
    """Addresses that ATLAS may lease on a bridge (and VLAN); `first` and `last` bound them."""

    bridge: Identifier = "vmbr0"
    vlan: int | None = None
    network: Annotated[str, AfterValidator(_network)]
    first: Ip | None = None
    last: Ip | None = None
    gateway: Ip | None = None
    dns: tuple[Ip, ...] = ()

    @property
    def name(self) -> str:
        """The pool's name in leases: the network on its bridge and VLAN."""
        return f"{self.bridge}{f'.{self.vlan}' if self.vlan else ''}:{self.network}"

    def holds(self, address: str) -> bool:
        """Tell whether an address (without prefix) lies in the pool's network."""
        return ip_address(address) in ip_network(self.network)


class Ssh(_Part):
    """How ssh gets to a guest; `proxy_command` holds ssh's %h and %p."""

    jump: Annotated[str, Field(pattern=r"^[A-Za-z0-9@._:\[\]-]+$")] | None = None
    proxy_command: str | None = None
    port: int = 22


class Profile(_Part):
    """A cluster profile: how a cluster is spoken to, and what of it is ATLAS's to use."""

    name: str
    endpoint: Annotated[str, AfterValidator(_like(r"https://[^\s/]+", "https://pve1.example.com:8006"))]
    token: TokenSource
    ca_file: Path | None = None
    fingerprint: (
        Annotated[str, AfterValidator(_like(r"([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}", "AB:CD:… with 32 pairs"))] | None
    ) = None
    engine: EngineChoice = "auto"
    reach: Literal["direct", "jump", "none"] = "direct"
    ssh: Ssh = Ssh()
    vmids: tuple[int, int] = (10_000, 19_999)
    pools: tuple[AddressPool, ...] = ()
    images: Mapping[str, int | str] = Field(default_factory=dict)
    defaults: GuestDefaults = GuestDefaults()

    def read_token(self) -> SecretStr:
        """Return the token, `user@realm!name=uuid`.

        Raises:
            SettingsError: It is not where the profile says, or others may read the file.
        """
        return SecretStr(_read_token(self.name, self.token))


def _read_token(name: str, source: TokenSource) -> str:
    hint = f"see `token` in the profile of cluster {name!r}"
    value: str | None
    if source.env is not None:
        value = os.environ.get(source.env)
        if not value:
            raise SettingsError(f"the variable {source.env} with the token of cluster {name!r} is not set", hint)
    elif source.file is not None:
        path = source.file.expanduser()
        try:
            mode, value = path.stat().st_mode, path.read_text()
        except OSError as problem:
            raise SettingsError(f"cannot read the token file {path}: {problem.strerror}", hint) from problem
        if mode & 0o077:
            raise SettingsError(f"others may read the token file {path}", f"chmod 600 {path}")
    else:
        command = source.command or ("",)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TOKEN_SECONDS, check=False)
        except OSError as problem:
            text = f"cannot run the token's command of cluster {name!r}, {command[0]}: {problem.strerror}"
            raise SettingsError(text, hint) from problem
        except subprocess.TimeoutExpired as problem:
            text = f"the token's command of cluster {name!r} printed nothing within {TOKEN_SECONDS:.0f} seconds"
            raise SettingsError(text, hint) from problem
        if done.returncode:
            raise SettingsError(f"the token's command of cluster {name!r} failed with {done.returncode}", hint)
        value = done.stdout
    if not value or "=" not in value:
        raise SettingsError(f"there is no token of the form user@realm!name=secret for cluster {name!r}", hint)
    return value.strip()


class ModelSettings(_Part):
    """The model that may fill the draft; none by default. `ATLAS_MODEL__NAME`, `ATLAS_MODEL__BASE_URL`."""

    name: str | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    timeout: float = 60


class Settings(BaseSettings):
    """What the environment (`ATLAS_…`) and the configuration file say."""

    model_config = SettingsConfigDict(
        env_prefix="ATLAS_", env_nested_delimiter="__", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        default_factory=lambda: _xdg("XDG_DATA_HOME", ".local/share") / "atlas"
    )
    cluster: str | None = None
    engine: EngineChoice = "auto"
    model: ModelSettings = ModelSettings()
    clusters: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, which arrives as the initial values."""
        return env_settings, init_settings

    def profile(self, name: str | None = None) -> Profile:
        """Return a cluster profile; without a name the default one.

        Raises:
            SettingsError: There is none of that name, or it is faulty.
        """
        name, values = self.written(name)
        try:
            return Profile.model_validate({"name": name, **values})
        except ValidationError as problem:
            raise SettingsError(
                _explain(f"the profile {name!r} is faulty", problem), f"see {config_dir()}"
            ) from problem

    def written(self, name: str | None = None) -> tuple[str, Mapping[str, Any]]:
        """Return a cluster profile's name and what is written in it; without a name the default one's.

        Raises:
            SettingsError: There is none of that name, or its file is none.
        """
        files = {file.stem: file for file in (config_dir() / "clusters").glob("*.yaml")}
        known = sorted({*self.clusters, *files})
        name = name or self.cluster or (known[0] if len(known) == 1 else None)
        if name is None:
            raise SettingsError(
                "no cluster was named and there is no default one" if known else "there is no cluster profile yet",
                f"name one with --cluster: {', '.join(known)}"
                if known
                else "`atlas init` writes one; `atlas lab start` makes a lab with one",
            )
        if name not in known:
            raise SettingsError(
                f"there is no cluster profile {name!r}", f"known profiles: {', '.join(known) or 'none'}"
            )
        return name, _yaml(files[name]) if name in files else self.clusters[name]


def _xdg(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default)


def config_dir() -> Path:
    """Return the folder of `config.yaml` and `clusters/`; `ATLAS_CONFIG` names another."""
    named = os.environ.get("ATLAS_CONFIG")
    return Path(named) if named else _xdg("XDG_CONFIG_HOME", ".config") / "atlas"


def _explain(where: str, problem: ValidationError) -> str:
    faults = (
        f"{'.'.join(str(p) for p in e['loc']) or 'it'}: "
        + re.sub("^Value error, |^Input (?=should)", lambda m: "it " if m[0].startswith("I") else "", e["msg"])
        for e in problem.errors(include_url=False)
    )
    return f"{where}: {'; '.join(faults)}"


def load() -> Settings:
    """Read the configuration file and the environment; a profile beside the file is read when it is asked for.

    Raises:
        SettingsError: A file is not YAML, or a value is wrong.
    """
    folder = config_dir()
    data = _yaml(folder / "config.yaml")
    try:
        return Settings(**{**data, "clusters": data.get("clusters") or {}})
    except ValidationError as problem:
        raise SettingsError(_explain("faulty settings", problem), f"see {folder} and ATLAS_… variables") from problem


def save_profile(name: str, values: Mapping[str, Any]) -> Path:
    """Write a profile to a file of its own, mode 0600, and return its path."""
    from ruamel.yaml import YAML

    path = config_dir() / "clusters" / f"{name}.yaml"
    text = io.StringIO()
    YAML(typ="safe").dump(dict(values), text)
    privatefile.write(path, text.getvalue())
    return path


def _yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not path.exists():
        return {}
    try:
        data = YAML(typ="safe").load(path.read_text()) or {}
    except (YAMLError, OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"cannot read {path}: {problem}") from problem
    if not isinstance(data, dict):
        raise SettingsError(f"{path} does not hold settings by name")
    return data
