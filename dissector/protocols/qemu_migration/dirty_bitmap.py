# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: dirty bitmaps
# scapy.contrib.status = loads
"""The body of the ``dirty-bitmap`` section (2.12): chunks, the last of which has EOS.

::

    flags(1) [str8 node] [str8 bitmap] fields of the command

Names stand where DEVICE_NAME and BITMAP_NAME say so; without them the last ones are meant, also those of an earlier
section.  One of START, COMPLETE and BITS is the command, looked for in this order; a chunk may have none.  START has
one chunk for each bitmap, PART pieces of bitmaps, END what is left of each and COMPLETE.

Node and bitmap go by their aliases if the source has a ``block-bitmap-mapping`` (5.2).

Source: migration/block-dirty-bitmap.c:send_bitmap_header(), dirty_bitmap_load_header() (10.0).
"""

from __future__ import annotations

from typing import Any, ClassVar

from scapy.fields import (
    ByteField,
    ConditionalField,
    FieldLenField,
    FlagsField,
    IntField,
    LongField,
    StrLenField,
    XStrFixedLenField,
)

from ...declare import F
from ..fields import PayloadField
from ..pdu import Pdu
from .device_constants import DirtyBitmapFlag, DirtyBitmapStartFlag, flag_list

__all__ = [
    "DirtyBitmapBits",
    "DirtyBitmapChunk",
    "DirtyBitmapComplete",
    "DirtyBitmapEos",
    "DirtyBitmapExtraFlags",
    "DirtyBitmapMoreFlags",
    "DirtyBitmapStart",
]

DEVICE_NAME, BITMAP_NAME = int(DirtyBitmapFlag.DEVICE_NAME), int(DirtyBitmapFlag.BITMAP_NAME)
HAS_NODE = F.flags & DEVICE_NAME != 0
HAS_BITMAP = F.flags & BITMAP_NAME != 0
HAS_DATA = F.flags & int(DirtyBitmapFlag.ZEROES) == 0


def chunk(flags: DirtyBitmapFlag | int) -> list[object]:
    """What every chunk begins with."""
    return [
        FlagsField("flags", int(flags), 8, flag_list(DirtyBitmapFlag, 8)),
        ConditionalField(FieldLenField("node_length", None, fmt="B", length_of="node_alias"), HAS_NODE),
        ConditionalField(StrLenField("node_alias", b"", length_from=F.node_length), HAS_NODE),
        ConditionalField(FieldLenField("bitmap_length", None, fmt="B", length_of="bitmap_alias"), HAS_BITMAP),
        ConditionalField(StrLenField("bitmap_alias", b"", length_from=F.bitmap_length), HAS_BITMAP),
    ]


class _Chunk(Pdu):
    """A chunk that is given a name and no flags has the flag for it."""

    group = "dirty_bitmap"
    labels: ClassVar[dict[str, str]] = {
        "node_alias": "Block node",
        "node_length": "Length of node's name",
        "bitmap_alias": "Bitmap",
        "bitmap_length": "Length of bitmap's name",
    }

    def __init__(self, *args: Any, **fields: Any) -> None:
        if "flags" not in fields and not args:
            flags = int(next(f.default for f in self.fields_desc if f.name == "flags"))
            named = DEVICE_NAME * ("node_alias" in fields) | BITMAP_NAME * ("bitmap_alias" in fields)
            fields["flags"] = flags | named
        super().__init__(*args, **fields)


class DirtyBitmapStart(_Chunk):
    """``flags [str8 node] [str8 bitmap] granularity(4) start_flags(1)``: a bitmap that is to come.

    *granularity* is in octets.  AUTOLOAD is obsolete; with a reserved bit the load ends: "Unknown flags in migrated
    dirty bitmap header: %x".  migration/block-dirty-bitmap.c:dirty_bitmap_load_start() (10.0).
    """

    label = "DIRTY_BITMAP_MIG_FLAG_START"
    fields_desc = [
        *chunk(DirtyBitmapFlag.START),
        IntField("granularity", 0x10000),
        FlagsField("start_flags", 0, 8, flag_list(DirtyBitmapStartFlag, 8)),
    ]


class DirtyBitmapBits(_Chunk):
    """``flags [str8 node] [str8 bitmap] first_sector(8) sectors(4) [size(8) data(size)]``: a piece.

    Sectors have 512 octets.  With ZEROES no bit is set and nothing follows; else *data* are the bits as little-endian
    words.  A *size* above 10240 ends the load: "Bitmap migration stream buffer allocation request is too large"; one
    that does not fit the sectors cancels the bitmaps and nothing else.
    migration/block-dirty-bitmap.c:dirty_bitmap_load_bits() (10.0).
    """

    label = "DIRTY_BITMAP_MIG_FLAG_BITS"
    fields_desc = [
        *chunk(DirtyBitmapFlag.BITS),
        LongField("first_sector", 0),
        IntField("sectors", 0),
        ConditionalField(FieldLenField("size", None, fmt="!Q", length_of="data"), HAS_DATA),
        ConditionalField(PayloadField("data", b"", length_from=F.size), HAS_DATA),
    ]


class DirtyBitmapComplete(_Chunk):
    """``flags [str8 node] [str8 bitmap]``: the bitmap is at its end.

    migration/block-dirty-bitmap.c:dirty_bitmap_load_complete() (10.0).
    """

    label = "DIRTY_BITMAP_MIG_FLAG_COMPLETE"
    fields_desc = chunk(DirtyBitmapFlag.COMPLETE)


class DirtyBitmapEos(_Chunk):
    """``flags [str8 node] [str8 bitmap]``: the body ends; QEMU sends no names here.

    migration/block-dirty-bitmap.c:dirty_bitmap_load() (10.0).
    """

    label = "DIRTY_BITMAP_MIG_FLAG_EOS"
    fields_desc = chunk(DirtyBitmapFlag.EOS)


class DirtyBitmapChunk(_Chunk):
    """``flags [str8 node] [str8 bitmap]``: a chunk without a command, which QEMU takes and does not send.

    migration/block-dirty-bitmap.c:dirty_bitmap_load_header() (10.0).
    """

    label = "Dirty bitmap chunk"
    fields_desc = chunk(0)


class DirtyBitmapExtraFlags(Pdu):
    """``extra(1)``: an octet of flags in front of the one that counts; QEMU does not send it.

    EXTRA_FLAGS was meant to say that one more octet of flags follows, and in that one, that two more do.  But the
    receiver keeps eight bits of them, those of the last octet: what stands in front of it is without effect.
    migration/block-dirty-bitmap.c:qemu_get_bitmap_flags() (10.0).
    """

    label = "DIRTY_BITMAP_MIG_EXTRA_FLAGS"
    group = "dirty_bitmap"
    fields_desc = [
        ByteField("extra_flags", int(DirtyBitmapFlag.EXTRA_FLAGS)),
    ]


class DirtyBitmapMoreFlags(Pdu):
    """``extra(1) more(1) high(1)``: as :class:`DirtyBitmapExtraFlags`, where the second octet has the bit, too.

    migration/block-dirty-bitmap.c:qemu_get_bitmap_flags() (10.0).
    """

    label = "DIRTY_BITMAP_MIG_EXTRA_FLAGS"
    group = "dirty_bitmap"
    fields_desc = [
        ByteField("extra_flags", int(DirtyBitmapFlag.EXTRA_FLAGS)),
        XStrFixedLenField("more_flags", b"\x80\x00", 2),
    ]
