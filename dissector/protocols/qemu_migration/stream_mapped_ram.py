# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: mapped-ram as a table
# scapy.contrib.status = skip
"""What follows each entry of the block list when mapped-ram is on; :mod:`.mapped_ram` has the layout.

::

    blocks -> mapped_header -> mapped_bitmap -> mapped_hole -> mapped_pages -> blocks
                            -> blocks                                       (a block that is left out)

QEMU seeks to the offsets of the header.  A reader of a stream cannot go back, and need not: every QEMU puts the
bitmap directly behind the header and the pages behind the bitmap.  A header that says otherwise is where it stops.
"""

from __future__ import annotations

from ...declare import E, F, Note, P, Rule, S, State, both, either, iif, not_, peek, text
from .constants import (
    MAPPED_RAM_FILE_OFFSET_ALIGNMENT,
    MAPPED_RAM_HDR_VERSION,
    MAPPED_RAM_WORD,
    TARGET_PAGE_SIZES,
)
from .findings import error, note, warn
from .mapped_ram import MappedRamBitmap, MappedRamHeader, MappedRamHole, MappedRamPages
from .parameters import AUTO
from .registers import TOLD

PAGE_SIZE_AHEAD = iif(
    both(P.page_size == AUTO, peek(4, 8).isin(*TARGET_PAGE_SIZES)),
    peek(4, 8),
    S.page_size,
)
"""The target page size: the header's, if a target has such pages and nobody has said otherwise."""


def offset_ahead(at: int) -> E:
    """An offset of the header, as two words; :data:`OFFSETS_FIT` says that they are exact."""
    return peek(at, 4) * (1 << 32) + peek(at + 4, 4)


BITMAP_AHEAD, PAGES_AHEAD = offset_ahead(12), offset_ahead(20)

OFFSETS_FIT = both(peek(12, 4) < 1 << 20, peek(20, 4) < 1 << 20)


def bitmap_octets(page_size: E) -> E:
    """Octets of the bitmap of the current block."""
    word = page_size * MAPPED_RAM_WORD
    return (S.mapped_pages + word - 1) // word * (MAPPED_RAM_WORD // 8)


IN_ORDER = both(OFFSETS_FIT, BITMAP_AHEAD + bitmap_octets(PAGE_SIZE_AHEAD) <= PAGES_AHEAD)
"""Header, bitmap and pages can be read one after another."""

TELLS_PAGE_SIZE = both(P.page_size == AUTO, F.page_size.isin(*TARGET_PAGE_SIZES))
PAGE_SIZE_DO = (
    (S.page_size, iif(TELLS_PAGE_SIZE, F.page_size, S.page_size)),
    (S.page_origin, iif(TELLS_PAGE_SIZE, TOLD, S.page_origin)),
)

TOO_NEW = error(
    "mapped_version",
    f"Migration mapped-ram capability version not supported (expected <= {MAPPED_RAM_HDR_VERSION}, got %d)",
    peek(0, 4),
)
BAD_PAGE_SIZE = error(
    "mapped_page_size",
    "Migration mapped-ram header has invalid page_size %d (expected %d)",
    F.page_size,
    S.page_size,
    when=either(
        not_(F.page_size.isin(*TARGET_PAGE_SIZES)),
        both(S.mapped_page_size != 0, F.page_size != S.mapped_page_size),
    ),
)
BAD_ALIGNMENT = error(
    "mapped_alignment",
    "Error reading ramblock %s pages, region has bad alignment",
    S.mapped_block,
    when=F.pages_offset % S.page_size != 0,
)
ODD_ALIGNMENT = warn(
    "mapped_offset",
    f"mapped-ram pages at 0x%x, which is no multiple of 0x{MAPPED_RAM_FILE_OFFSET_ALIGNMENT:x}",
    F.pages_offset,
    when=F.pages_offset % MAPPED_RAM_FILE_OFFSET_ALIGNMENT != 0,
)
OLD_READER = note(
    "mapped_ignore_shared",
    "releases 9.0 to 10.2 cannot load this: they take the address for the header "
    "(Error reading ramblock %s pages, region has bad alignment)",
    S.mapped_block,
    when=both(S.ignore_shared == 1, S.mapped_page_size == 0),
)
OUT_OF_ORDER = error(
    "mapped_order",
    "mapped-ram pages at 0x%x are not behind their bitmap at 0x%x",
    PAGES_AHEAD,
    BITMAP_AHEAD,
)

BLOCK = Note("ram.block", "RAM block", S.mapped_block, type="string", when=S.mapped_block != b"")

HEADER = State(
    "mapped_header",
    Rule(when=peek(0, 4) > MAPPED_RAM_HDR_VERSION, fault=TOO_NEW),
    Rule(
        MappedRamHeader,
        when=both(S.ignore_shared == 1, BITMAP_AHEAD == 0, PAGES_AHEAD == 0),
        goto="blocks",
        findings=(BAD_PAGE_SIZE, OLD_READER),
        notes=(BLOCK,),
        do=(*PAGE_SIZE_DO, (S.mapped_page_size, S.page_size)),
        info="not stored",
    ),
    Rule(
        MappedRamHeader,
        when=IN_ORDER,
        goto="mapped_bitmap",
        findings=(BAD_PAGE_SIZE, BAD_ALIGNMENT, ODD_ALIGNMENT, OLD_READER),
        notes=(BLOCK,),
        do=(
            *PAGE_SIZE_DO,
            (S.mapped_page_size, S.page_size),
            (S.mapped_bitmap, bitmap_octets(S.page_size)),
            (S.mapped_hole, F.pages_offset - F.bitmap_offset - S.mapped_bitmap),
        ),
        info=text("mapped-ram at 0x%x", F.pages_offset),
    ),
    Rule(fault=OUT_OF_ORDER),
    doc="Behind an entry of the block list.",
)

BITMAP = State(
    "mapped_bitmap",
    Rule(goto="mapped_hole", when=S.mapped_bitmap == 0),
    Rule(MappedRamBitmap, goto="mapped_hole", notes=(BLOCK,)),
    doc="Which pages are stored.",
)

HOLE = State(
    "mapped_hole",
    Rule(goto="mapped_pages", when=S.mapped_hole == 0),
    Rule(MappedRamHole, goto="mapped_pages"),
    doc="What the alignment of the pages leaves free.",
)

PAGES = State(
    "mapped_pages",
    Rule(goto="blocks", when=S.mapped_pages == 0),
    Rule(MappedRamPages, goto="blocks", notes=(BLOCK,)),
    doc="The pages of a block.",
)

STATES = (HEADER, BITMAP, HOLE, PAGES)
