"""A template made from a cloud image: where it goes, and what is done for it, in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atlas.errors import UsageError
from atlas.plan import digest
from atlas.state import Observed, Stamp, State, Storage

if TYPE_CHECKING:
    from atlas.settings import Profile

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,58}[a-z0-9])?")
_DIGITS = {"sha256": 64, "sha512": 128}
_FILES = (".qcow2", ".raw", ".vmdk", ".img")


@dataclass(frozen=True, slots=True)
class Source:
    """An image as it comes: from a URL that the node fetches, or from a file of this machine.

    Args:
        algorithm: `sha256` or `sha512`.
        checksum: In lower case.
        said: Where the checksum comes from, in words.
    """

    algorithm: str
    checksum: str
    said: str
    url: str | None = None
    path: Path | None = None

    @property
    def words(self) -> str:
        """The URL or the file."""
        return self.url or str(self.path)


@dataclass(frozen=True, slots=True)
class Order:
    """A template that shall be made.

    Args:
        image: The image's name, which becomes the template's.
        vmid: The template's.
        node: Where it is made.
        storage: Where its disk goes.
        library: The storage that keeps the image while it is imported.
        bridge: The template's network card is on it; each guest gets one of its own.
    """

    image: str
    source: Source
    vmid: int
    node: str
    storage: str
    library: str
    bridge: str = "vmbr0"
    vlan: int | None = None

    @property
    def file(self) -> str:
        """The image's file name on the library: it says which content it has, so that it can be taken up again."""
        ending = "raw" if self.source.words.partition("?")[0].lower().endswith(".raw") else "qcow2"
        return f"{self.image}-{self.source.checksum[:12]}.{ending}"

    @property
    def volid(self) -> str:
        """The image as a volume."""
        return f"{self.library}:import/{self.file}"

    @property
    def hash(self) -> str:
        """What an approval binds to."""
        return digest({**asdict(self), "source": {**asdict(self.source), "path": str(self.source.path)}})

    def stamp(self, installation: str) -> Stamp:
        """Return the stamp that the template carries; no stack has such a name."""
        return Stamp(installation, owner(self.image), self.vmid)


def owner(image: str) -> str:
    """Return what stands in a template's stamp in the place of a stack."""
    return f"image/{image}"


def probe_name(image: str) -> str:
    """Return the name of an image's probe, and of the stack that it makes."""
    return f"probe-{re.sub(r'[^a-z0-9]+', '-', image)}"[:63].strip("-")


def checked_name(name: str) -> str:
    """Return a name that a template can have.

    Raises:
        UsageError: It cannot.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(f"{name!r} is no name for an image", "lower case letters, digits, - and ., such as debian-12")
    return name


def checked_sum(algorithm: str, text: str) -> str:
    """Return a checksum in lower case.

    Raises:
        UsageError: It is none.
    """
    if not re.fullmatch(rf"[0-9a-f]{{{_DIGITS[algorithm]}}}", text.strip().lower()):
        raise UsageError(f"{text!r} is no {algorithm} checksum", f"it has {_DIGITS[algorithm]} digits from 0 to f")
    return text.strip().lower()


def checked_url(url: str) -> str:
    """Return a URL that a node can fetch an image from.

    Raises:
        UsageError: It is none.
    """
    if not re.fullmatch(r"https?://[^\s/?#@]+/[^\s#]+", url):
        hint = "such as https://example.org/image.qcow2, without a password"
        raise UsageError(f"{url!r} is no URL of an image", hint)
    if not url.partition("?")[0].lower().endswith(_FILES):
        raise UsageError(f"{url!r} is no image file", f"Proxmox VE imports {', '.join(_FILES[:3])}")
    return url


def place(
    state: State,
    profile: Profile,
    *,
    node: str | None,
    storage: str | None,
    vmid: int | None,
    leased: Collection[int],
    free: Callable[[int], bool],
) -> tuple[int, str, str, str]:
    """Choose a template's VMID, node, storage, and the storage that the image passes through.

    Args:
        state: The cluster.
        profile: Its profile: the storage of its guests' disks is the template's too; templates have the range's end.
        node: The node, where a person named one.
        storage: The storage, where a person named one.
        vmid: The VMID, where a person named one.
        leased: VMIDs that are leased to guests.
        free: Whether nobody at all has a VMID.

    Raises:
        UsageError: What was named is not there or cannot be used, or nothing fits.
    """
    online = [n for n in state.nodes.values() if n.online and n.name == (node or n.name)]
    if not online:
        raise UsageError(
            f"there is no node {node!r} online" if node else "no node is online", f"nodes: {', '.join(state.nodes)}"
        )
    named = storage or next((d.storage for d in profile.defaults.disks if d.storage), None)
    reasons = []
    for candidate in online:
        library = _best(state, candidate.name, "import", None)
        disks = _best(state, candidate.name, "images", named)
        if library and disks:
            return _number(state, profile, vmid, leased, free), candidate.name, disks.name, library.name
        reasons.append(_lack(candidate.name, named, library=library is not None and disks is None))
    raise UsageError(*reasons[0])


def _best(state: State, node: str, content: str, named: str | None) -> Storage | None:
    fits = [s for s in state.storages if s.node == node and s.active and content in s.content]
    fits = [s for s in fits if named in (None, s.name)]
    # Shared ones first: what is there can be cloned to every node.
    return max(fits, key=lambda s: (s.shared, s.free, s.name), default=None)


def _lack(node: str, named: str | None, *, library: bool) -> tuple[str, str]:
    """Say what a node lacks; `library`: it lacks a storage for disks only."""
    if library:
        what = f"the storage {named!r} holds no disks of VMs" if named else "no storage holds disks of VMs"
        return f"{what} on {node}", "name one with --storage, or allow `images` on one"
    command = "pvesm set local --content iso,vztmpl,backup,import"
    hint = f"allow `import` on one that holds files, as root on a node, beside what it has: {command}"
    return f"no storage of {node} takes images to import", hint


def _number(
    state: State, profile: Profile, vmid: int | None, leased: Collection[int], free: Callable[[int], bool]
) -> int:
    if vmid is not None:
        if vmid in state.guests or vmid in leased or not free(vmid):
            raise UsageError(f"the VMID {vmid} is taken", "name another with --vmid, or none")
        return vmid
    first, last = profile.vmids
    for number in range(last, first - 1, -1):
        if number not in state.guests and number not in leased and free(number):
            return number
    raise UsageError(f"no VMID is left from {first} to {last}", "widen `vmids` in the cluster's profile")


def standing(observed: Observed, installation: str, image: str) -> bool:
    """Tell whether a guest carries the stamp of an image's template of ours."""
    return Stamp.read(observed.description) == Stamp(installation, owner(image), observed.vmid)


def describe(order: Order, cluster: str) -> str:
    """Return what is done for a template, in the order of the doing."""
    way = "the node fetches" if order.source.url else "upload"
    network = f"{order.bridge}{f' VLAN {order.vlan}' if order.vlan else ''}"
    lines = [
        f"template {order.image} ({order.vmid}) on {cluster}:",
        "",
        f"  + {way} {order.source.words}",
        f"      to {order.volid} on {order.node}",
        f"      {order.source.algorithm} {order.source.checksum} ({order.source.said})",
        f"  + create vm {order.vmid} on {order.node}, the image imported as its disk on {order.storage}",
        f"      with a cloud-init drive, the agent on, a serial console, {network}",
        "  ~ convert it to a template, and delete the imported file",
    ]
    return "\n".join([*lines, *probing(order.image)])


def probing(image: str) -> list[str]:
    """Return what is done to prove a template."""
    return [
        f"  + clone it to {probe_name(image)}, start that, and look whether cloud-init and the agent work",
        f"  - delete {probe_name(image)}, whatever came of it",
    ]
