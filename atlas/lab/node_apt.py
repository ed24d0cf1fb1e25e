"""nodes/{node}/apt and aplinfo: packages, their sources, and the appliances that can be fetched as templates."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.cluster import VERSION
from atlas.lab.entities import Volume
from atlas.lab.sections import check_digest, digest
from atlas.lab.tasks import Task
from atlas.lab.volumes import parse_volname

Data = dict[str, Any]
_BASE = "/nodes/{node}/apt"
_LISTS = "/etc/apt/sources.list.d"
_PUBLIC = "http://download.proxmox.com/debian/pve"
_DEBIAN = ["main", "contrib", "non-free-firmware"]
# handle -> file, where it is, suites, components
_SOURCES: dict[str, tuple[str, str, list[str], list[str]]] = {
    "debian": ("debian.sources", "http://deb.debian.org/debian", ["trixie", "trixie-updates"], _DEBIAN),
    "security": ("debian.sources", "http://security.debian.org/debian-security", ["trixie-security"], _DEBIAN),
    "enterprise": (
        *("pve-enterprise.sources", _PUBLIC.replace("http://download", "https://enterprise")),
        *(["trixie"], ["pve-enterprise"]),
    ),
    "no-subscription": ("proxmox.sources", _PUBLIC, ["trixie"], ["pve-no-subscription"]),
    "test": ("proxmox.sources", _PUBLIC, ["trixie"], ["pve-test"]),
}
# handle -> name, description
_STANDARD = {
    "enterprise": ("Enterprise", "Packages that were tested most, for nodes with a subscription."),
    "no-subscription": ("No-Subscription", "Packages for nodes without a subscription."),
    "test": ("Test", "The newest packages, before they are released to the others."),
}
_PACKAGES = {
    "proxmox-ve": ("9.2.0", "The Proxmox Virtual Environment"),
    "pve-manager": (VERSION["version"], "Proxmox Virtual Environment Management Tools"),
    "qemu-server": ("9.2.6", "QEMU Server Tools"),
    "pve-container": ("6.1.10", "Proxmox VE Container management tool"),
    "libpve-storage-perl": ("9.1.7", "Proxmox VE storage management library"),
    "pve-qemu-kvm": ("10.1.2-1", "Full virtualization on x86 hardware"),
}
_APPLIANCES = (
    ("debian-12-standard", "12.12-1", "Debian 12 Bookworm (standard)", "debian-12"),
    ("debian-13-standard", "13.1-2", "Debian 13 Trixie (standard)", "debian-13"),
    ("alpine-3.22-default", "20250617", "LXC default image for alpine 3.22", "alpine"),
)


def _sources(call: Call) -> Data:
    """Return the repositories in use on the node: handle -> whether it is enabled."""
    settings = call.lab.node(call.params["node"]).settings
    found: Data = settings.setdefault("apt", {"debian": 1, "security": 1, "no-subscription": 1})
    return found


def _repository(handle: str, enabled: object) -> Data:
    _, uri, suites, components = _SOURCES[handle]
    return {
        "Enabled": int(bool(enabled)),
        "FileType": "sources",
        "Types": ["deb"],
        "URIs": [uri],
        "Suites": suites,
        "Components": components,
    }


def _files(sources: Data) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for handle in sources:
        files.setdefault(f"{_LISTS}/{_SOURCES[handle][0]}", []).append(handle)
    return files


@api("GET", f"{_BASE}/repositories")
def repositories(call: Call) -> Data:
    """Return the files with package sources, and which of the well-known sources are in them."""
    sources = _sources(call)
    files = [
        {
            "path": path,
            "file-type": "sources",
            "repositories": [_repository(handle, sources[handle]) for handle in handles],
            "digest": list(bytes.fromhex(digest({h: sources[h] for h in handles}))),
        }
        for path, handles in _files(sources).items()
    ]
    standard = [
        {
            "handle": handle,
            "name": name,
            "description": description,
            **({"status": int(bool(sources[handle]))} if handle in sources else {}),
        }
        for handle, (name, description) in _STANDARD.items()
    ]
    return {"digest": digest(sources), "errors": [], "files": files, "infos": [], "standard-repos": standard}


@api("PUT", f"{_BASE}/repositories")
def add_repository(call: Call) -> None:
    """Add one of the well-known sources, or take it into use again."""
    sources, handle = _sources(call), call.params["handle"]
    check_digest(call.params, digest(sources))
    if handle not in _STANDARD:
        raise PVEError(500, f"unknown repository handle '{handle}'")
    if sources.get(handle):
        raise PVEError(500, f"standard repository '{handle}' is already configured and enabled")
    sources[handle] = 1


@api("POST", f"{_BASE}/repositories")
def change_repository(call: Call) -> None:
    """Take a source into use or out of it."""
    sources, params = _sources(call), call.params
    check_digest(params, digest(sources))
    handles = _files(sources).get(params["path"])
    if handles is None:
        raise PVEError(500, f"invalid path: {params['path']}")
    if not 0 <= params["index"] < len(handles):
        raise PVEError(500, f"invalid index: {params['index']}")
    if "enabled" in params:
        sources[handles[params["index"]]] = params["enabled"]


def _package(name: str) -> Data:
    version, title = _PACKAGES[name]
    shown = {"Package": name, "Version": version, "OldVersion": version, "Title": title, "Description": title}
    return {**shown, "Arch": "amd64", "Origin": "Proxmox", "Priority": "optional", "Section": "admin"}


@api("GET", f"{_BASE}/update")
def updates(_: Call) -> list[Data]:
    """List what could be updated: nothing ever."""
    return []


@api("POST", f"{_BASE}/update")
def update(call: Call) -> str:
    """Read the package lists anew."""

    async def work(task: Task) -> None:
        task.log("starting apt-get update")
        await task.spend(2)
        for handle, enabled in _sources(call).items():
            if enabled:
                _, uri, suites, _ = _SOURCES[handle]
                for suite in suites:
                    task.log(f"Hit: {uri} {suite} InRelease")

    return call.task("aptupdate", "", work)


@api("GET", f"{_BASE}/versions")
def versions(_: Call) -> list[Data]:
    """List the packages that make the node what it is."""
    extra = {"proxmox-ve": {"RunningKernel": "6.17.2-1-pve"}, "pve-manager": {"ManagerVersion": VERSION["version"]}}
    return [{**_package(name), "CurrentState": "Installed", **extra.get(name, {})} for name in _PACKAGES]


@api("GET", f"{_BASE}/changelog")
def changelog(call: Call) -> str:
    """Return a package's changes: the lab knows its name and version alone."""
    name = call.params["name"]
    if name not in _PACKAGES:
        raise PVEError(500, f"package '{name}' is not known to this lab")
    return f"{name} ({_PACKAGES[name][0]}) trixie; urgency=medium\n"


def _appliance(name: str, version: str, title: str, system: str) -> Data:
    file = f"{name}_{version}_amd64.tar.{'xz' if system == 'alpine' else 'zst'}"
    shown = {"template": file, "package": name, "version": version, "headline": title, "description": title}
    return {**shown, "os": system, "type": "lxc", "architecture": "amd64", "section": "system", "source": "lab"}


@api("GET", "/nodes/{node}/aplinfo")
def appliances(_: Call) -> list[Data]:
    """List the appliances."""
    return [_appliance(*entry) for entry in _APPLIANCES]


@api("POST", "/nodes/{node}/aplinfo")
def fetch(call: Call) -> str:
    """Fetch an appliance as a template for containers: a record, since containers are simulated."""
    lab, params = call.lab, call.params
    if params["template"] not in {_appliance(*entry)["template"] for entry in _APPLIANCES}:
        raise PVEError(400, errors={"template": "no such template"})
    storage = lab.storage(params["storage"], params["node"])
    if "vztmpl" not in storage.content:
        raise PVEError(500, f"storage '{storage.id}' does not support templates")
    name = f"vztmpl/{params['template']}"
    form = {"xz": "txz", "zst": "tzst"}[parse_volname(storage.type, name).name.rpartition(".")[2]]

    async def work(task: Task) -> None:
        await task.spend(3, f"downloading {params['template']}")
        volid, node = f"{storage.id}:{name}", None if storage.shared else params["node"]
        size = 120 * 1024**2
        lab.volumes[lab.volume_key(volid, params["node"])] = Volume(
            *(volid, storage.id, "vztmpl", form, size), node=node, used=size, ctime=lab.clock.now()
        )
        task.log("download finished")

    return call.task("download", params["template"], work)
