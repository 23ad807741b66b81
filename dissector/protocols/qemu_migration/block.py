# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: block devices
# scapy.contrib.status = loads
"""The body of the ``block`` section (until 9.0): the contents of disks, in blocks of 1 MiB.

Every record begins with a 64-bit word: an offset on the device, and in the nine bits below a sector, flags.  The body
ends with the record that has EOS.

Source: migration/block.c:blk_send(), block_load() (7.2).
"""

from __future__ import annotations

from typing import ClassVar

from scapy.fields import FieldLenField, StrLenField

from ...declare import F
from ..fields import HighPart, LowPart, PayloadField
from ..pdu import Pdu
from .constants import flag_names
from .device_constants import BDRV_SECTOR_SIZE, BLK_MIG_BLOCK_SIZE, BlkMigFlag

__all__ = ["BlkDeviceBlock", "BlkEos", "BlkProgress", "BlkZeroBlock"]


def word(flags: BlkMigFlag) -> list[object]:
    """What every record begins with."""
    names = flag_names(BlkMigFlag)
    return [
        HighPart("addr", 0, lambda _: BDRV_SECTOR_SIZE),
        LowPart("flags", int(flags), lambda _: BDRV_SECTOR_SIZE, names),
    ]


class _Block(Pdu):
    """What all records have in common: the display-filter names."""

    group = "block"
    labels: ClassVar[dict[str, str]] = {"addr": "Offset on device", "device_length": "Length of name"}


def device() -> list[object]:
    """The name of a device."""
    return [
        FieldLenField("device_length", None, fmt="B", length_of="device"),
        StrLenField("device", b"", length_from=F.device_length),
    ]


class BlkDeviceBlock(_Block):
    """``word(8) str8(device) data(1 MiB)``: a block of a device.

    The last one of a device is filled up.  "Error unknown block device %s" when the destination does not have it.
    migration/block.c:block_load() (7.2).
    """

    label = "BLK_MIG_FLAG_DEVICE_BLOCK"
    fields_desc = [
        *word(BlkMigFlag.DEVICE_BLOCK),
        *device(),
        PayloadField("data", b"", length_from=lambda _: BLK_MIG_BLOCK_SIZE),
    ]


class BlkZeroBlock(_Block):
    """``word(8) str8(device)``: a block of 1 MiB that is all zero (1.6, with the capability zero-blocks).

    migration/block.c:block_load() (7.2).
    """

    label = "BLK_MIG_FLAG_ZERO_BLOCK"
    fields_desc = [*word(BlkMigFlag.DEVICE_BLOCK | BlkMigFlag.ZERO_BLOCK), *device()]


class BlkProgress(_Block):
    """``word(8)``: so many percent are done, in place of a sector.  migration/block.c:block_save_iterate() (7.2)."""

    label = "BLK_MIG_FLAG_PROGRESS"
    abbrevs: ClassVar[dict[str, str]] = {"addr": "block.progress_addr"}
    labels: ClassVar[dict[str, str]] = {"addr": "Percent, as a sector's offset"}
    fields_desc = word(BlkMigFlag.PROGRESS)


class BlkEos(_Block):
    """``word(8)``: the body ends.  migration/block.c:block_load() (7.2)."""

    label = "BLK_MIG_FLAG_EOS"
    fields_desc = word(BlkMigFlag.EOS)
