# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: the RAM section as a table
# scapy.contrib.status = skip
"""The body of a RAM section as states: records, the block list, the runs of an XBZRLE page.

Nine records of ten are pages that continue a block, so their two rules come first and do nothing but count: the flags
are one value, the offset is inside the block, a zero page is filled with 0.  Whatever is not as ordinary falls through
to a rule below that says what it is.

``S.block_length`` makes the test cheap: 0 until a page has named its block, so that no offset is inside; the block's
used length after; and :data:`.registers.ANY_LENGTH` where the length is not known (a block that is not in the list,
or a position found again in the middle).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...declare import E, F, Finding, Note, P, Rule, S, State, both, choose, either, iif, not_, peek, peek_bytes, text
from .constants import BLOCK_PAGE_SIZES, ENCODING_FLAG_XBZRLE, RamFlag
from .findings import error
from .lookahead import ram_offset
from .parameters import COMPRESSED, DUPLICATE, NORMAL, OFF, ON, XBZRLE
from .ram import (
    RamBlock,
    RamBlockWithAddress,
    RamBlockWithPageSize,
    RamCompressed,
    RamEos,
    RamHook,
    RamMemSize,
    RamMultifdFlush,
    RamPage,
    RamXbzrle,
    RamZero,
    XbzrleRun,
)
from .registers import ANY_LENGTH, ASSUMED, ORIGINS, SHOWN

CONTINUE = int(RamFlag.CONTINUE)

FLAGS = peek(4, 4) % S.page_size
"""The flags of the record ahead."""

OFFSET = ram_offset(0) - FLAGS
"""Its offset in the block."""

NAMED_BLOCK = peek_bytes(9, peek(8, 1))
"""The block that the record ahead names, if it does."""

INSIDE = ram_offset(0) < S.block_length
"""The record ahead, which names no block, is inside the last one.  Lengths are multiples of the page size."""

INSIDE_NAMED = ram_offset(0) < S.lengths.get(NAMED_BLOCK, ANY_LENGTH)
"""The record ahead is inside the block that it names."""

UNKNOWN_FLAGS = error("ram_flags", "Unknown combination of migration flags: 0x%x", FLAGS)
NO_BLOCK = error("ram_no_block", "Ack, bad migration stream! Illegal RAM offset %x", OFFSET)
ILLEGAL_OFFSET = error("ram_offset", "Illegal RAM offset %x", OFFSET)
UNKNOWN_BLOCK = error(
    "ram_block_unknown",
    "Can't find block %s",
    F.block,
    when=both(S.listed == 1, S.lengths.get(F.block, ANY_LENGTH) == ANY_LENGTH),
)
FILLED = error("ram_fill", "Found a zero page with value %d", F.fill, when=F.fill != 0)
BAD_ENCODING = error(
    "xbzrle_encoding",
    "Failed to load XBZRLE page - wrong compression!",
    when=F.encoding != ENCODING_FLAG_XBZRLE,
)
LONG_XBZRLE = error("xbzrle_length", "Failed to load XBZRLE page - len overflow!", when=F.length > S.page_size)
BAD_RUN = error(
    "xbzrle_run",
    "Failed to load XBZRLE page - decode error!",
    when=either(
        F.zrun_high >= 0x80,
        F.nzrun_high >= 0x80,
        XbzrleRun.nzrun == 0,
        both(XbzrleRun.zrun == 0, S.unpacked > 0),
        S.unpacked + XbzrleRun.zrun + XbzrleRun.nzrun > S.page_size,
    ),
)
BLOCKS_EXCEED = error(
    "ram_total",
    "the blocks are longer than the total by 0x%x",
    F.used_length - S.blocks_left,
    when=F.used_length > S.blocks_left,
)
EMPTY_BLOCK_NAME = error("ram_total_short", 'Unknown ramblock "", cannot accept migration')

PAGE_SIZE = Note("ram.page_size", "Target page size", S.page_size)
ORIGIN = Note("ram.page_size_origin", "Target page size is", choose(S.page_origin, ORIGINS, b""), type="string")
GUESS = replace(PAGE_SIZE, when=S.page_origin == SHOWN), replace(ORIGIN, when=S.page_origin == SHOWN)

BLOCK = Note("ram.block", "RAM block", S.block, type="string", when=S.block != b"")


COMPRESS_BOUND = S.page_size + (S.page_size >> 12) + (S.page_size >> 14) + 13
"""zlib's compressBound() of a page: what deflate cannot exceed."""

BEHIND_HEAD, BEHIND_NAME = 8, peek(8, 1) + 9
"""Where a record goes on that names no block, and one that does."""


LAST_BLOCK_DO = (
    (S.block, F.block),
    (S.block_length, S.lengths.get(F.block, ANY_LENGTH)),
)


def page_rules(pdu: type, flag: RamFlag, count: str, **more: Any) -> tuple[Rule, Rule]:
    """A kind of page that has to be looked at: continued, and with its block named.

    ``fits`` is one more condition, a function of where the record goes on behind the block.
    """
    findings, do = more.pop("findings", ()), more.pop("do", ())
    fits: Callable[[E | int], E] | None = more.pop("fits", None)
    continued = Rule(
        pdu,
        match={"flags": int(flag) | CONTINUE},
        when=both(INSIDE, fits(BEHIND_HEAD)) if fits else INSIDE,
        notes=(BLOCK,),
        count=count,
        findings=findings,
        do=do,
        **more,
    )
    named = Rule(
        pdu,
        match={"flags": int(flag)},
        when=both(INSIDE_NAMED, fits(BEHIND_NAME)) if fits else INSIDE_NAMED,
        notes=GUESS,
        count=count,
        findings=(UNKNOWN_BLOCK, *findings),
        do=(*LAST_BLOCK_DO, *do),
        **more,
    )
    return continued, named


def compressed_rules() -> tuple[Rule, ...]:
    """COMPRESS_PAGE, and where QEMU stops because of its length."""

    def too_long(at: E | int) -> Finding:
        return error("compressed_length", "Invalid compressed data length: %d", peek(at, 4))

    flag = int(RamFlag.COMPRESS_PAGE)
    return (
        *page_rules(RamCompressed, RamFlag.COMPRESS_PAGE, COMPRESSED, fits=lambda at: peek(at, 4) <= COMPRESS_BOUND),
        Rule(when=both(FLAGS == flag | CONTINUE, INSIDE), fault=too_long(BEHIND_HEAD)),
        Rule(when=both(FLAGS == flag, INSIDE_NAMED), fault=too_long(BEHIND_NAME)),
    )


def hot_rules() -> tuple[Rule, ...]:
    """Pages that continue a block: they change nothing."""
    return (
        Rule(
            RamZero,
            match={"flags": int(RamFlag.ZERO) | CONTINUE},
            when=both(INSIDE, peek(8, 1) == 0),
            notes=(BLOCK,),
            count=DUPLICATE,
        ),
        Rule(
            RamPage,
            match={"flags": int(RamFlag.PAGE) | CONTINUE},
            when=INSIDE,
            notes=(BLOCK,),
            count=NORMAL,
        ),
    )


def ordinary_rules() -> tuple[Rule, ...]:
    """ZERO and PAGE: all that postcopy knows.  The continued PAGE is among the hot rules already."""
    zero = page_rules(RamZero, RamFlag.ZERO, DUPLICATE, findings=(FILLED,))
    return (*hot_rules(), page_rules(RamPage, RamFlag.PAGE, NORMAL)[1], *zero)


def fault_rules(*flags: RamFlag) -> tuple[Rule, ...]:
    """Where QEMU stops reading: what is left of the records about pages is outside of its block."""
    paged = tuple(int(flag) for flag in flags)
    continued = tuple(flag | CONTINUE for flag in paged)
    return (
        Rule(when=both(FLAGS.isin(*continued), S.block_length == 0), fault=NO_BLOCK),
        Rule(when=FLAGS.isin(*paged, *continued), fault=ILLEGAL_OFFSET),
        Rule(fault=UNKNOWN_FLAGS),
    )


def marker(pdu: type, flag: RamFlag, **more: Any) -> Rule:
    """A record of its head alone; QEMU masks CONTINUE before it looks."""
    return Rule(pdu, match={"flags": (int(flag), int(flag) | CONTINUE)}, **more)


GUESSES = (1024, 2048, 4096, 8192)
"""Page sizes that the first pages are tried with, in the order in which they show.  Larger ones belong to targets that
tell theirs, or that nobody migrates."""

AT_ZERO = both(peek(0, 4) == 0, peek(4, 4).isin(int(RamFlag.ZERO), int(RamFlag.PAGE)), peek(8, 1) > 0)
"""The first page of a block, which names it."""


def page_size_rules(*where: E) -> tuple[Rule, ...]:
    """Find out the target page size, if nobody told it, from the distance of the first two pages of the first PART.

    In the first round every page is sent, in ascending order: the second begins where the first ends.  Behind any other
    record nothing can be told, and the size stays the assumed one.
    """

    def second(size: int) -> E:
        at = iif(peek(4, 4) == int(RamFlag.ZERO), BEHIND_NAME + 1, BEHIND_NAME + size)
        words = (size | int(RamFlag.ZERO) | CONTINUE, size | int(RamFlag.PAGE) | CONTINUE)
        return both(peek(at, 4) == 0, peek(at + 4, 4).isin(*words))

    first = both(*where, S.page_origin == ASSUMED, AT_ZERO)
    return tuple(
        Rule(when=both(first, second(size)), goto="ram", do=((S.page_size, size), (S.page_origin, SHOWN)))
        for size in GUESSES
    )


RAM = State(
    "ram",
    *ordinary_rules(),
    marker(RamEos, RamFlag.EOS, goto="footer"),
    *page_rules(
        RamXbzrle,
        RamFlag.XBZRLE,
        XBZRLE,
        enter="xbzrle",
        size=F.length,
        do=((S.unpacked, 0),),
        findings=(BAD_ENCODING, LONG_XBZRLE),
    ),
    *compressed_rules(),
    marker(
        RamMemSize,
        RamFlag.MEM_SIZE,
        goto="blocks",
        do=((S.blocks_left, F.addr),),
        notes=(PAGE_SIZE, ORIGIN),
        info=text("total 0x%x", F.addr),
    ),
    marker(RamMultifdFlush, RamFlag.MULTIFD_FLUSH),
    marker(RamHook, RamFlag.HOOK),
    *fault_rules(RamFlag.ZERO, RamFlag.PAGE, RamFlag.XBZRLE, RamFlag.COMPRESS_PAGE),
    doc="Records, up to EOS; the two that continue a block come first.",
)

BLOCK_DO = (
    (S.lengths[F.block], F.used_length),
    (S.blocks_left, iif(F.used_length > S.blocks_left, 0, S.blocks_left - F.used_length)),
    (S.mapped_due, S.mapped_ram),
    (S.mapped_block, F.block),
    (S.mapped_pages, F.used_length),
    (S.largest_block, iif(F.used_length > S.largest_block, F.used_length, S.largest_block)),
)

HUGE_PAGES = both(
    not_(P.block_page_sizes == OFF),
    either(P.block_page_sizes == ON, not_(S.page_sizes.isin(0, *BLOCK_PAGE_SIZES))),
    peek(peek(0, 1) + 9, 8).isin(*BLOCK_PAGE_SIZES),
)
"""Behind the used length stands a page size.  Nobody says so: the entry behind it would begin with a name, and a RAM
record with one flag, none of which is a page size."""


def block_rule(pdu: type, when: E | None = None) -> Rule:
    """One entry of the list."""
    return Rule(pdu, when=when, do=BLOCK_DO, findings=(BLOCKS_EXCEED,), info=text("%s 0x%x", F.block, F.used_length))


BLOCKS = State(
    "blocks",
    Rule(goto="mapped_header", when=S.mapped_due == 1, do=((S.mapped_due, 0),)),
    Rule(goto="ram", when=S.blocks_left == 0, do=((S.listed, 1),)),
    Rule(when=peek(0, 1) == 0, fault=EMPTY_BLOCK_NAME),
    block_rule(RamBlockWithAddress, S.ignore_shared == 1),
    block_rule(RamBlockWithPageSize, HUGE_PAGES),
    block_rule(RamBlock),
    doc="The list behind MEM_SIZE, until its total is used up.",
)

XBZRLE_RUNS = State(
    "xbzrle",
    Rule(
        XbzrleRun,
        do=((S.unpacked, S.unpacked + XbzrleRun.zrun + XbzrleRun.nzrun),),
        findings=(BAD_RUN,),
    ),
    doc="Runs, up to the end of their region.",
)

STATES = (RAM, BLOCKS, XBZRLE_RUNS)

POSTCOPY_RECORDS = State(
    "ram",
    *ordinary_rules(),
    marker(RamEos, RamFlag.EOS),
    *fault_rules(RamFlag.ZERO, RamFlag.PAGE),
    doc="The preempt channel: ZERO and PAGE, and (7.1, 7.2) one EOS at the end.",
)
