"""What lies before the partition of a cloud image: a boot sector with its table, then the boot loader."""

from __future__ import annotations

import struct

import pytest

from atlas.lab.backend import BackendError
from atlas.lab.cloudimage import GAP, SECTOR, head


def test_the_table_names_the_partition_and_the_loader_follows_the_boot_sector() -> None:
    boot = bytes(range(256)) * 2
    made = head(boot, b"CORE" * 300, 2 << 30)
    assert len(made) == GAP
    assert made[:440] == boot[:440]
    assert made[SECTOR : SECTOR + 1200] == b"CORE" * 300
    active, _, kind, _, first, count = struct.unpack("<B3sB3sII", made[446:462])
    assert (active, kind, first * SECTOR, count * SECTOR) == (0x80, 0x83, GAP, 2 << 30)
    assert made[462:510] == bytes(48)
    assert made[510:512] == b"\x55\xaa"
    assert head(boot, b"", 1 << 30)[440:444] != made[440:444]  # each disk has an identity of its own


@pytest.mark.parametrize(("boot", "core"), [(b"short", b""), (bytes(SECTOR), bytes(GAP))])
def test_a_loader_that_does_not_fit_is_refused(boot: bytes, core: bytes) -> None:
    with pytest.raises(BackendError, match="does not fit"):
        head(boot, core, 1 << 30)
