# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: dirty bitmaps as a table
# scapy.contrib.status = skip
"""The body of a ``dirty-bitmap`` section: chunks until EOS.

What ends the load for the whole stream (a name without octets, a chunk that is too long) is a fault here; what only
cancels the bitmaps is reported, and the reading goes on as QEMU's does.  Whether a chunk is as long as its sectors
need depends on the bitmap's granularity, which START tells; it is remembered for the last START only, so the test is
made for the chunks of that bitmap.
"""

from __future__ import annotations

from typing import Any

from ...declare import E, F, Note, Rule, S, State, both, either, iif, not_, peek, text
from .device_constants import (
    BDRV_SECTOR_SIZE,
    BITMAP_GRANULARITIES,
    DIRTY_BITMAP_BUFFER_MAX,
    DIRTY_BITMAP_START_FLAG_RESERVED_MASK,
    HBITMAP_ALIGNMENT,
    HBITMAP_WORD,
    DirtyBitmapFlag,
)
from .dirty_bitmap import (
    HAS_BITMAP,
    HAS_NODE,
    DirtyBitmapBits,
    DirtyBitmapChunk,
    DirtyBitmapComplete,
    DirtyBitmapEos,
    DirtyBitmapExtraFlags,
    DirtyBitmapMoreFlags,
    DirtyBitmapStart,
)
from .findings import error, warn

EOS, EXTRA_FLAGS = int(DirtyBitmapFlag.EOS), int(DirtyBitmapFlag.EXTRA_FLAGS)
FLAGS = peek(0, 1)

NODE = iif(HAS_NODE, F.node_alias, S.node_alias)
BITMAP = iif(HAS_BITMAP, F.bitmap_alias, S.bitmap_alias)
NAMES = ((S.node_alias, NODE), (S.bitmap_alias, BITMAP))
"""Node and bitmap that a chunk is about."""

NODE_NOTE = Note(
    "dirty_bitmap.node_alias", "Block node", S.node_alias, type="string", when=both(not_(HAS_NODE), S.node_alias != b"")
)
BITMAP_NOTE = Note(
    "dirty_bitmap.bitmap_alias",
    "Bitmap",
    S.bitmap_alias,
    type="string",
    when=both(not_(HAS_BITMAP), S.bitmap_alias != b""),
)
SHOWN: dict[str, Any] = {"notes": (NODE_NOTE, BITMAP_NOTE)}


def flag(which: DirtyBitmapFlag) -> E:
    """The chunk ahead has the flag."""
    return FLAGS & int(which) != 0


BEHIND_NODE = iif(flag(DirtyBitmapFlag.DEVICE_NAME), peek(1, 1) + 2, 1)
"""Where the bitmap's name would be, in the chunk ahead."""

NO_NODE_ALIAS = error("bitmap_node_alias", "Unable to read node alias string")
NO_BITMAP_ALIAS = error("bitmap_alias", "Unable to read bitmap alias string")
TOO_LARGE = error("bitmap_chunk_size", "Bitmap migration stream buffer allocation request is too large")
NO_NODE = warn(
    "bitmap_without_node",
    "Error: block device name is not set",
    when=both(S.whole == 1, either(NODE == b"", BITMAP == b"")),
)
EXTRA = warn(
    "bitmap_extra_flags", "QEMU means these flags to be followed by more, and then looks at the last octet of them only"
)
RESERVED = error(
    "bitmap_start_flags",
    "Unknown flags in migrated dirty bitmap header: %x",
    F.start_flags,
    when=F.start_flags & DIRTY_BITMAP_START_FLAG_RESERVED_MASK != 0,
)
BAD_GRANULARITY = error(
    "bitmap_granularity",
    "granularity %u is no power of two of 512 or more: an assertion of QEMU's fails",
    F.granularity,
    when=not_(F.granularity.isin(*BITMAP_GRANULARITIES)),
)

WORD_BITS = HBITMAP_WORD * 8
FIRST = F.first_sector * BDRV_SECTOR_SIZE
LAST = FIRST + F.sectors * BDRV_SECTOR_SIZE - 1
NEEDED = (LAST // S.granularity // WORD_BITS - FIRST // S.granularity // WORD_BITS + 1) * HBITMAP_WORD
"""Octets of the words that hold the bits of these sectors; ``hbitmap_serialization_size()`` of util/hbitmap.c."""

ROUNDED = (NEEDED + (HBITMAP_ALIGNMENT - 1)) // HBITMAP_ALIGNMENT * HBITMAP_ALIGNMENT
STARTED = both(S.started_node == NODE, S.started_bitmap == BITMAP, S.granularity > 0)
DEVICE_SECTORS = 1 << 43
"""More than any device has; below it a number of octets is exact in every reader."""

MISFIT = warn(
    "bitmap_chunk_misfit",
    "Migrated bitmap granularity doesn't match the destination bitmap '%s' granularity",
    BITMAP,
    when=both(
        STARTED,
        F.flags & int(DirtyBitmapFlag.ZEROES) == 0,
        F.sectors > 0,
        F.first_sector < DEVICE_SECTORS,
        either(F.size < NEEDED, F.size > ROUNDED),
    ),
)

NEXT: dict[str, Any] = {"goto": "dirty_bitmap_next", "do": (*NAMES, (S.eos, F.flags & EOS))}


def command_rules() -> tuple[Rule, ...]:
    """What a chunk may be, once its octet of flags is the next one."""
    bits, size = flag(DirtyBitmapFlag.BITS), peek(BEHIND_BITMAP + 12, 8)
    too_large = both(bits, not_(flag(DirtyBitmapFlag.ZEROES)), size > DIRTY_BITMAP_BUFFER_MAX)
    return (
        Rule(when=both(flag(DirtyBitmapFlag.DEVICE_NAME), peek(1, 1) == 0), fault=NO_NODE_ALIAS),
        Rule(when=both(flag(DirtyBitmapFlag.BITMAP_NAME), peek(BEHIND_NODE, 1) == 0), fault=NO_BITMAP_ALIAS),
        start_rule(),
        command(DirtyBitmapComplete, flag(DirtyBitmapFlag.COMPLETE), "COMPLETE"),
        Rule(when=too_large, fault=TOO_LARGE),
        command(DirtyBitmapBits, bits, "BITS", findings=(NO_NODE, MISFIT)),
        Rule(DirtyBitmapEos, when=FLAGS & EOS != 0, **NEXT),
        Rule(DirtyBitmapChunk, **NEXT),
    )


BEHIND_BITMAP = BEHIND_NODE + iif(flag(DirtyBitmapFlag.BITMAP_NAME), peek(BEHIND_NODE, 1) + 1, 0)
"""Where the fields of the command are, in the chunk ahead."""


def start_rule() -> Rule:
    """START: it tells the granularity."""
    known = (S.started_node, NODE), (S.started_bitmap, BITMAP), (S.granularity, F.granularity)
    return Rule(
        DirtyBitmapStart,
        when=flag(DirtyBitmapFlag.START),
        goto="dirty_bitmap_next",
        do=(*known, *NAMES, (S.eos, F.flags & EOS)),
        findings=(NO_NODE, RESERVED, BAD_GRANULARITY),
        info=text("bitmap %s/%s START", NODE, BITMAP),
        **SHOWN,
    )


def command(pdu: type, when: E, word: str, **more: Any) -> Rule:
    """One of the other commands."""
    found = {"findings": (NO_NODE,), **more}
    return Rule(pdu, when=when, info=text(f"bitmap %s/%s {word}", NODE, BITMAP), **NEXT, **SHOWN, **found)


DIRTY_BITMAP = State(
    "dirty_bitmap",
    Rule(
        DirtyBitmapMoreFlags,
        when=both(FLAGS & EXTRA_FLAGS != 0, peek(1, 1) & EXTRA_FLAGS != 0),
        goto="dirty_bitmap_flags",
        findings=(EXTRA,),
    ),
    Rule(DirtyBitmapExtraFlags, when=FLAGS & EXTRA_FLAGS != 0, goto="dirty_bitmap_flags", findings=(EXTRA,)),
    *command_rules(),
    doc="A dirty-bitmap section: chunks.",
)

DIRTY_BITMAP_FLAGS = State(
    "dirty_bitmap_flags",
    *command_rules(),
    doc="A chunk behind octets of flags that do not count; the bit for more is without effect here.",
)

DIRTY_BITMAP_NEXT = State(
    "dirty_bitmap_next",
    Rule(when=S.eos != 0, goto="footer"),
    Rule(goto="dirty_bitmap"),
    doc="A chunk is complete.",
)

STATES = (DIRTY_BITMAP, DIRTY_BITMAP_FLAGS, DIRTY_BITMAP_NEXT)
