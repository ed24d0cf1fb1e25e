"""Checksums that vendors publish: each way of writing them, and what is none of the image's."""

from __future__ import annotations

import pytest

from atlas.configs.catalogue import images
from atlas.reach.published import checksum_in

A, B = "ab" * 32, "cd" * 32


@pytest.mark.parametrize(
    "text",
    [
        f"{B}  other.img\n{A}  noble.img\n",
        f"{B} *xnoble.img\n{A} *noble.img\n",
        f"# comment\nSHA256 (noble.img.torrent) = {B}\nSHA256 (noble.img) = {A.upper()}\n",
        f"{A}  ./noble.img",
        f"{A}\n",
    ],
)
def test_the_images_own_checksum_is_found(text: str) -> None:
    assert checksum_in(text, "noble.img", "sha256") == A


@pytest.mark.parametrize(
    "text", ["", f"{A} nobleXimg\n", f"{A}  noble.img.asc\n", f"{A}ab  noble.img\n", f"SHA512 (noble.img) = {A}"]
)
def test_nothing_else_is_taken_for_it(text: str) -> None:
    assert checksum_in(text, "noble.img", "sha256") is None


def test_every_image_of_the_catalogue_says_where_its_checksum_is() -> None:
    for image in images().values():
        assert image.cloud.url.startswith("https://")
        assert image.cloud.sums.startswith("https://")
