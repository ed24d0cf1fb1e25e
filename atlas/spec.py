"""The spec: frozen types of what is wanted, exactly as files hold it."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from atlas.units import GIB, Size

API_VERSION = "atlas/v1"


def _address(value: str) -> str:
    if value in ("auto", "dhcp"):
        return value
    if "/" not in value:
        raise ValueError(f"{value!r} has no prefix length; did you mean {value}/24?")
    try:
        ip = ip_interface(value).ip
    except ValueError:
        raise ValueError(f"{value!r} is no address; write it like 10.42.0.11/24, or `auto` or `dhcp`") from None
    for kind in ("unspecified", "loopback", "multicast", "link_local"):
        if getattr(ip, f"is_{kind}"):
            raise ValueError(f"no guest can have {ip}; it is a {kind.replace('_', '-')} address")
    return value


def _ip(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError(f"{value!r} is no address; write it like 10.42.0.1") from None


def _software(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="A DNS label in lower case.")]
Tag = Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_+.-]*$", max_length=64)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]*$", max_length=64)]
NodeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$", max_length=63)]
Vmid = Annotated[int, Field(ge=100, le=999_999_999)]
Port = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, AfterValidator(_address), Field(description="CIDR, `auto` (from the pool) or `dhcp`.")]
Ip = Annotated[str, AfterValidator(_ip)]
Mac = Annotated[str, Field(pattern=r"^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$")]
SoftwareRef = Annotated[
    str, BeforeValidator(_software), Field(pattern=r"^[a-z0-9][a-z0-9.+_-]*(@[a-z0-9][a-z0-9.+:~_-]*)?$")
]
SshKey = Annotated[
    str,
    Field(
        pattern=r"^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]+={0,3}( [^\x00-\x1f\x7f]*)?$"
    ),
]
UnixPath = Annotated[str, Field(pattern=r"^/[^\s\x00,:'\"\\]*$", max_length=255)]
OneLine = Annotated[str, Field(pattern=r"^[^\r\n\x00]+$", max_length=1000)]


class Model(BaseModel):
    """A frozen part of the spec; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Metadata(Model):
    """The stack's name and tags that all its guests get."""

    name: Name
    tags: tuple[Tag, ...] = ()


class Cpu(Model):
    """Processors; `type` is PVE's name of a CPU model and has no meaning for containers."""

    cores: Annotated[int, Field(ge=1, le=128)] = 2
    sockets: Annotated[int, Field(ge=1, le=4)] = 1
    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")] = "x86-64-v2-AES"


class Disk(Model):
    """A disk; the first one of a guest is the boot disk (VM) or the root file system (container)."""

    size: Size = 10 * GIB
    storage: Identifier | None = None
    bus: Literal["scsi", "virtio", "sata"] = "scsi"
    ssd: bool = False
    discard: bool = False
    iothread: bool = False


class Network(Model):
    """A network interface; with `count`, a static address is the first of consecutive ones."""

    bridge: Identifier = "vmbr0"
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = None
    mtu: Annotated[int, Field(ge=576, le=65520)] | None = None
    mac: Mac | None = None
    firewall: bool = False
    address: Address = "auto"
    gateway: Ip | None = None


class Dns(Model):
    """Resolvers and search domain of a guest; empty: the node's own."""

    servers: tuple[Ip, ...] = ()
    search: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")] | None = None


class User(Model):
    """The user that cloud-init makes; ATLAS adds its own key beside these."""

    name: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")] = "ops"
    ssh_keys: tuple[SshKey, ...] = ()


class HttpCheck(Model):
    """An HTTP request that has to be answered."""

    path: Annotated[str, Field(pattern=r"^/[^\s]*$")] = "/"
    status: Annotated[int, Field(ge=100, le=599)] = 200
    port: Port = 80
    scheme: Literal["http", "https"] = "http"
    contains: OneLine | None = None


class Check(Model):
    """Something that must hold of a finished guest; exactly one of the fields."""

    port: Port | None = None
    http: HttpCheck | None = None
    service: Annotated[str, Field(pattern=r"^[A-Za-z0-9@][A-Za-z0-9@._:-]*$")] | None = None
    command: OneLine | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Check:
        if len([f for f in (self.port, self.http, self.service, self.command) if f is not None]) != 1:
            raise ValueError("a check is exactly one of port, http, service, command")
        return self

    @property
    def label(self) -> str:
        """The check in a few words, such as `http / 200`."""
        if self.http is not None:
            return f"http :{self.http.port}{self.http.path} {self.http.status}"
        if self.port is not None:
            return f"port {self.port}"
        return f"service {self.service}" if self.service is not None else f"command {self.command}"


class Start(Model):
    """Power: start with the node, PVE's boot order (also the order of configuring)."""

    on_boot: bool = True
    order: Annotated[int, Field(ge=0, le=9999)] | None = None


class Mount(Model):
    """A mount point of a container."""

    path: UnixPath
    size: Size
    storage: Identifier | None = None
    backup: bool = False


class Features(Model):
    """Features of a container; all but nesting need root@pam itself."""

    nesting: bool = False
    keyctl: bool = False
    fuse: bool = False


class Efi(Model):
    """UEFI firmware with its variables' disk."""

    storage: Identifier | None = None
    secure_boot: bool = False


class Tpm(Model):
    """A TPM 2.0 with its state's disk."""

    storage: Identifier | None = None


class Gpu(Model):
    """A GPU by the cluster's resource mapping."""

    mapping: Identifier


class GuestDefaults(Model):
    """What every guest may say, and `defaults` may say for all of them."""

    kind: Literal["vm", "container"] = "vm"
    node: NodeName = "auto"
    spread: bool = False
    keep_together: Name | None = None
    keep_apart: Name | None = None
    image: Identifier | None = None
    template: Vmid | Identifier | None = None
    clone: Literal["full", "linked"] = "full"
    cpu: Cpu = Cpu()
    memory: Size = 2 * GIB
    balloon: Size | None = None
    swap: Size | None = None
    disks: Annotated[tuple[Disk, ...], Field(min_length=1, max_length=14)] = (Disk(),)
    networks: Annotated[tuple[Network, ...], Field(max_length=16)] = (Network(),)
    dns: Dns = Dns()
    user: User = User()
    software: tuple[SoftwareRef, ...] = ()
    checks: tuple[Check, ...] = ()
    start: Start = Start()
    pool: Identifier | None = None
    tags: tuple[Tag, ...] = ()
    mounts: Annotated[tuple[Mount, ...], Field(max_length=32)] = ()
    features: Features = Features()
    unprivileged: bool = True
    efi: Efi | None = None
    tpm: Tpm | None = None
    machine: Annotated[str, Field(pattern=r"^(q35|pc|pc-(i440fx|q35)-[0-9.]+(\+pve\d+)?)$")] | None = None
    ha: bool = False
    gpu: Gpu | None = None
    open_ports: tuple[Port, ...] = ()
    backup: bool = True
    protection: bool = False


class Guest(GuestDefaults):
    """One group of like guests; `count`, even 1, numbers them from 1: web-1, web-2."""

    name: Name
    count: Annotated[int, Field(ge=1, le=1000)] | None = None
    vmid: Vmid | None = None
    renamed_from: Name | None = None


class Stack(Model):
    """A spec: the named set of guests that is wanted."""

    apiVersion: Literal["atlas/v1"] = "atlas/v1"  # noqa: N815  the file format's own spelling
    kind: Literal["Stack"] = "Stack"
    metadata: Metadata
    cluster: Identifier | None = None
    defaults: GuestDefaults = GuestDefaults()
    guests: Annotated[tuple[Guest, ...], Field(min_length=1)]


def interface(address: str) -> IPv4Interface | IPv6Interface | None:
    """Return a static address as an interface; None for `auto` and `dhcp`."""
    return None if address in ("auto", "dhcp") else ip_interface(address)
