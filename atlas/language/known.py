"""Names that a person may use, from the catalogues and the cluster's profile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to choose from.

    Args:
        software: Names of the software catalogue; other names are kept and refused with a suggestion.
        images: Names of the image catalogue, such as `debian-12`, the preferred version of each distribution first.
    """

    software: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
