"""Checksums that vendors publish beside their images."""

from __future__ import annotations

import re

from atlas.errors import AtlasError

_SECONDS = 30
_MOST = 4 << 20  # bytes
_HEX = {"sha256": 64, "sha512": 128}


def published(url: str, image: str, algorithm: str) -> str:
    """Fetch a vendor's file of checksums over https and return an image's.

    Args:
        url: Of the file of checksums.
        image: The image's URL, whose last part the file names.
        algorithm: `sha256` or `sha512`.

    Raises:
        AtlasError: It cannot be had, or does not name the image.
    """
    import requests

    hint = "give the checksum by --sha256 or --sha512, or the image by --file"
    try:
        with requests.get(url, timeout=_SECONDS, stream=True) as answer:
            answer.raise_for_status()
            text = answer.raw.read(_MOST, decode_content=True).decode("utf-8", "replace")
    except (requests.RequestException, OSError) as problem:
        raise AtlasError(f"the vendor's checksums could not be fetched from {url}: {problem}", hint) from problem
    found = checksum_in(text, image.partition("?")[0].rpartition("/")[2], algorithm)
    if found is None:
        raise AtlasError(f"{url} has no {algorithm} checksum of the image", hint)
    return found


def checksum_in(text: str, name: str, algorithm: str) -> str | None:
    """Return a file's checksum in a file of checksums, written as GNU or as BSD tools do, or alone; None without."""
    digits = rf"([0-9a-fA-F]{{{_HEX[algorithm]}}})"
    file = re.escape(name)
    for pattern in (rf"{digits}\s+\*?(?:\./)?{file}", rf"{algorithm}\s*\((?:\./)?{file}\)\s*=\s*{digits}"):
        for line in text.splitlines():
            if found := re.fullmatch(pattern, line.strip(), re.IGNORECASE):
                return found[1].lower()
    alone = re.fullmatch(digits, text.strip())
    return alone[1].lower() if alone else None
