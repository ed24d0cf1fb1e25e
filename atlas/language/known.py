"""Names that a person may use, from the catalogues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to choose from.

    Args:
        software: Names of the software catalogue; other names are kept and refused with a suggestion.
        images: Names of the image catalogue, such as `debian-12`, the preferred version of each distribution first.
        aliases: Other words for the software, each with its name in the catalogue.
        networks: The cluster's networks; an address said without a prefix length takes that of the one it lies in.
    """

    software: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()

    @property
    def words(self) -> Mapping[str, str]:
        """Every word for software with the name that it stands for."""
        return {**self.aliases, **{name: name for name in self.software}}

    def prefix_of(self, address: str) -> int | None:
        """Return the prefix length of the smallest known network that holds an address."""
        from ipaddress import ip_address, ip_network

        try:
            ip = ip_address(address)
        except ValueError:
            return None
        return max((net.prefixlen for net in map(ip_network, self.networks) if ip in net), default=None)


def catalogue(networks: Iterable[str] = ()) -> Known:
    """Return what the catalogues of ATLAS know, and the networks of a cluster."""
    from atlas.configs.catalogue import images, software

    preferred = sorted(images().values(), key=lambda image: not image.default)
    aliases = {alias: name for name, entry in software().items() for alias in entry.aliases}
    return Known(tuple(software()), tuple(image.name for image in preferred), aliases, tuple(networks))
