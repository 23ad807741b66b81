# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: multifd channels as a table
# scapy.contrib.status = skip
"""A multifd channel: its initial packet, then packets.

::

    init -> packet -> offsets (a region) -> pages [-> lengths] -> packet
            packet -> vfio_packet (a region) ... -> packet                (:mod:`.stream_vfio`)

The list of offsets is a region of as many entries as fit a packet.  That number is *pages_alloc* where it is given,
and then it tells the target page size as well; in the SYNC packets of 9.0 and newer it is 0.
"""

from __future__ import annotations

from ...declare import F, Rule, S, State, both, either, iif, not_, peek, text, until_nul
from .constants import (
    MULTIFD_MAGIC,
    MULTIFD_PACKET_SIZE,
    MULTIFD_VERSION,
    TARGET_PAGE_SIZES,
    MultifdFlag,
)
from .findings import error
from .multifd import (
    PACKET_PAGES,
    MultifdCompressed,
    MultifdDeviceState,
    MultifdInit,
    MultifdOffset,
    MultifdPacket,
    MultifdPageLength,
    MultifdPages,
    MultifdUnused,
    MultifdZeroOffset,
)
from .parameters import DUPLICATE, NORMAL
from .registers import ANY_LENGTH, ASSUMED, SHOWN, TOLD
from .stream_vfio import PACKET_STATES

METHODS = int(MultifdFlag.ZLIB | MultifdFlag.ZSTD | MultifdFlag.QPL | MultifdFlag.UADK | MultifdFlag.QATZIP)
DEVICE_STATE = peek(8, 4) & int(MultifdFlag.DEVICE_STATE) != 0
PAGES_ALLOC, NORMAL_PAGES, ZERO_PAGES = peek(12, 4), peek(16, 4), peek(32, 4)

ALLOCATIONS = tuple(MULTIFD_PACKET_SIZE // size for size in TARGET_PAGE_SIZES)
TELLS_PAGE_SIZE = F.pages_alloc.isin(*ALLOCATIONS)
SLOTS = iif(PAGES_ALLOC.isin(*ALLOCATIONS), PAGES_ALLOC, PACKET_PAGES)
"""Entries of the list in the packet ahead."""

BAD_MAGIC = error("multifd_magic", f"multifd: received packet magic %x, expected {MULTIFD_MAGIC:x}", peek(0, 4))
BAD_VERSION = error(
    "multifd_version",
    f"multifd: received packet version %u, expected {MULTIFD_VERSION}",
    F.version,
    when=F.version != MULTIFD_VERSION,
)
BAD_ALLOC = error(
    "multifd_pages_alloc",
    "multifd: received packet with %u pages, expected %u",
    F.pages_alloc,
    PACKET_PAGES,
    when=not_(either(F.pages_alloc == 0, F.pages_alloc.isin(*ALLOCATIONS))),
)
TOO_MANY_NORMAL = error(
    "multifd_normal_pages",
    "multifd: received packet with %u non-zero pages, which exceeds maximum expected pages %u",
    NORMAL_PAGES,
    SLOTS,
)
TOO_MANY_ZERO = error(
    "multifd_zero_pages",
    "multifd: received packet with %u zero pages, expected maximum %u",
    ZERO_PAGES,
    SLOTS - NORMAL_PAGES,
)
BLOCK = until_nul(F.ramblock)
"""The RAM block of a packet; QEMU puts a NUL into the field's last octet, so that there is one."""

UNKNOWN_BLOCK = error(
    "multifd_block",
    "multifd: unknown ram block %s",
    BLOCK,
    when=both(S.listed == 1, F.normal_pages + F.zero_pages > 0, S.lengths.get(BLOCK, ANY_LENGTH) == ANY_LENGTH),
)
BAD_OFFSET = error(
    "multifd_offset",
    "multifd: offset too long %u (max %x)",
    F.offset,
    S.block_length,
    when=both(S.listed == 1, F.offset + S.page_size > S.block_length),
)
METHOD_CHANGED = error(
    "multifd_method",
    "multifd: flags received %x flags expected %x",
    F.flags & METHODS,
    S.method,
    when=both(S.data_seen == 1, F.normal_pages > 0, F.flags & METHODS != S.method),
)
EMPTY_DEVICE_STATE = error(
    "multifd_device_state", "multifd: received empty device state packet", when=F.next_packet_size == 0
)

PER_PAGE = int(MultifdFlag.QPL), int(MultifdFlag.UADK)
"""Methods that compress each page by itself."""

PAGE_LENGTH = 4
"""Octets of a page's length."""

LONG_PAGE = error(
    "multifd_page_length",
    "a compressed page of %u octets, which is more than a page: an assertion of QEMU's fails",
    F.length,
    when=F.length > S.page_size,
)
NO_LENGTHS = error(
    "multifd_lengths",
    "%u octets are too few for the lengths of %u pages: an assertion of QEMU's fails",
    S.packet_size,
    S.normal_pages,
)
WRONG_SUM = error(
    "multifd_lengths_sum",
    "%u octets of compressed pages, but their lengths say %u: an assertion of QEMU's fails",
    S.packet_size,
    S.compressed,
    when=S.packet_size != S.compressed,
)

UNKNOWN_DEVICE = error(
    "multifd_device",
    "Unknown idstr %s or instance id %u for load state buffer",
    until_nul(F.idstr),
    F.instance_id,
    when=both(S.whole == 1, S.devices.get(until_nul(F.idstr), 0) == 0),
)

INIT = State(
    "init",
    Rule(
        MultifdInit,
        match=("magic",),
        goto="packet",
        do=((S.channel_ids[F.channel_id], 1),),
        findings=(BAD_VERSION,),
        info=text("channel %d", F.channel_id),
    ),
    Rule(fault=BAD_MAGIC),
    doc="The first packet of a channel.",
)

PACKET = State(
    "packet",
    Rule(
        MultifdDeviceState,
        match=("magic",),
        when=DEVICE_STATE,
        enter="vfio_packet",
        size=F.next_packet_size,
        goto="packet",
        do=((S.state_left, F.next_packet_size),),
        findings=(BAD_VERSION, UNKNOWN_DEVICE, EMPTY_DEVICE_STATE),
        info=text("device state %d", F.instance_id),
    ),
    Rule(
        MultifdPacket,
        match=("magic",),
        when=both(NORMAL_PAGES <= SLOTS, ZERO_PAGES <= SLOTS - NORMAL_PAGES),
        enter="offsets",
        size=SLOTS * 8,
        goto="pages",
        do=(
            (S.normal_pages, F.normal_pages),
            (S.normal_left, F.normal_pages),
            (S.block_length, S.lengths.get(BLOCK, ANY_LENGTH)),
            (S.zero_left, F.zero_pages),
            (S.unused, (SLOTS - F.normal_pages - F.zero_pages) * 8),
            (S.packet_size, F.next_packet_size),
            (S.method, iif(F.normal_pages > 0, F.flags & METHODS, S.method)),
            (S.data_seen, iif(F.normal_pages > 0, 1, S.data_seen)),
            (
                S.page_size,
                iif(TELLS_PAGE_SIZE, MULTIFD_PACKET_SIZE // F.pages_alloc, S.page_size),
            ),
            (S.page_origin, iif(both(S.page_origin.isin(ASSUMED, SHOWN), TELLS_PAGE_SIZE), TOLD, S.page_origin)),
        ),
        findings=(BAD_VERSION, BAD_ALLOC, UNKNOWN_BLOCK, METHOD_CHANGED),
        info=text("packet %d", F.packet_num),
    ),
    Rule(when=peek(0, 4) != MULTIFD_MAGIC, fault=BAD_MAGIC),
    Rule(when=NORMAL_PAGES > SLOTS, fault=TOO_MANY_NORMAL),
    Rule(fault=TOO_MANY_ZERO),
    doc="Between packets.",
)

OFFSETS = State(
    "offsets",
    Rule(
        MultifdOffset,
        when=S.normal_left > 0,
        do=((S.normal_left, S.normal_left - 1),),
        count=NORMAL,
        findings=(BAD_OFFSET,),
    ),
    Rule(
        MultifdZeroOffset,
        when=S.zero_left > 0,
        do=((S.zero_left, S.zero_left - 1),),
        count=DUPLICATE,
        findings=(BAD_OFFSET,),
    ),
    Rule(MultifdUnused, goto="pages"),
    doc="The list of offsets.",
)

PAGES = State(
    "pages",
    Rule(when=S.normal_pages == 0, goto="packet"),
    Rule(MultifdPages, when=S.method == 0, goto="packet"),
    Rule(
        when=both(S.method.isin(*PER_PAGE), S.packet_size > S.normal_pages * PAGE_LENGTH),
        goto="lengths",
        do=(
            (S.packet_size, S.packet_size - S.normal_pages * PAGE_LENGTH),
            (S.lengths_left, S.normal_pages),
            (S.compressed, 0),
        ),
    ),
    Rule(MultifdCompressed, when=S.method.isin(*PER_PAGE), goto="packet", findings=(NO_LENGTHS,)),
    Rule(MultifdCompressed, goto="packet", do=((S.begun, 1),)),
    doc="Behind the list of offsets.",
)

LENGTHS = State(
    "lengths",
    Rule(
        MultifdPageLength,
        when=S.lengths_left > 0,
        do=((S.lengths_left, S.lengths_left - 1), (S.compressed, S.compressed + F.length)),
        findings=(LONG_PAGE,),
    ),
    Rule(MultifdCompressed, goto="packet", findings=(WRONG_SUM,)),
    doc="Behind the offsets of pages that qpl or uadk has compressed: the length of each, then the pages.",
)

STATES = (INIT, PACKET, OFFSETS, PAGES, LENGTHS, *PACKET_STATES)
