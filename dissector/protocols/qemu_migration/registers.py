# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: what a reader remembers
# scapy.contrib.status = skip
"""The registers of the streams.

Those of scope *conversation* are shared by all connections of one migration: a recovery connection refers to section
ids that the first connection has named, and the destination's page requests are checked against the block list that
the source has sent.  The others belong to one direction of one connection: "the block of the last page" is remembered
for each by itself, as QEMU does.
"""

from __future__ import annotations

from ...declare import P, Register, iif
from .constants import DEFAULT_PAGE_SIZE
from .parameters import AUTO, ON

ANY_SECTION = 1 << 32
"""The section id after the position was found again in the middle of RAM: the next footer tells it."""

ASSUMED, CHOSEN, TOLD, MACHINE, SHOWN = range(5)
"""Where the target page size comes from: nowhere, the parameter, the stream's own words, the type of the machine, the
distance of the first two pages."""

ORIGINS = {
    ASSUMED: b"assumed",
    CHOSEN: b"by preference",
    TOLD: b"told by the source",
    MACHINE: b"that of the machine type",
    SHOWN: b"from the first pages",
}

ANY_LENGTH = 1 << 52
"""The length of a block that is not known, so that every offset is inside."""

PAGE_SIZE = Register(
    "page_size",
    initial=iif(P.page_size == AUTO, DEFAULT_PAGE_SIZE, P.page_size),
    scope="conversation",
    doc="Target page size: the border between offset and flags, and the length of a page.",
)
PAGE_ORIGIN = Register(
    "page_origin",
    initial=iif(P.page_size == AUTO, ASSUMED, CHOSEN),
    scope="conversation",
    doc="Where the target page size comes from.",
)
LENGTHS = Register("lengths", "map", scope="conversation", doc="RAM block -> its used length.")
LARGEST_BLOCK = Register("largest_block", scope="conversation", doc="The greatest of these lengths.")
LISTED = Register("listed", scope="conversation", doc="1 when the list of RAM blocks was seen to its end.")
SECTIONS = Register("sections", "map", scope="conversation", doc="Section id -> idstr, from START and FULL.")
FOOTERS = Register(
    "footers", initial=P.footers, scope="conversation", doc="Whether sections have footers; 0: not known."
)
WHOLE = Register("whole", scope="conversation", doc="1 when the file header was seen, so that nothing was missed.")
POSTCOPY = Register("postcopy", scope="conversation", doc="The destination's PostcopyState.")
RETURN_PATH = Register("return_path", scope="conversation", doc="1 behind OPEN_RETURN_PATH.")

LAYOUTS = Register("layouts", "map", scope="conversation", doc="Section id -> the layout of its body.")
DEVICES = Register("devices", "map", scope="conversation", doc="idstr -> 1, of START and FULL.")
NODE = Register("node_alias", "bytes", b"", scope="conversation", doc="The block node that dirty bitmaps are of.")
BITMAP = Register(
    "bitmap_alias", "bytes", b"", scope="conversation", doc="The dirty bitmap that chunks without a name are of."
)
HTAB_SHIFT = Register(
    "htab_shift", scope="conversation", doc="Size of the hash page table: 1 << so much; 0: not known."
)

DIALECT = Register(
    "dialect",
    initial=P.dialect,
    scope="conversation",
    doc="Which numbers commands have; 0: nobody has told, so today's.",
)
OVER = Register("over", scope="conversation", doc="1 behind the EOF of the main channel.")

UNDERWAY = Register(
    "underway", scope="conversation", doc="1 behind the first PART or END: no multifd channel opens any more."
)
CHANNEL_IDS = Register(
    "channel_ids", "map", scope="conversation", limit=256, doc="Ids of multifd channels -> 1; each is there once."
)

CONVERSATION = (
    OVER,
    UNDERWAY,
    DIALECT,
    PAGE_SIZE,
    PAGE_ORIGIN,
    LENGTHS,
    LARGEST_BLOCK,
    LISTED,
    SECTIONS,
    FOOTERS,
    WHOLE,
    POSTCOPY,
    RETURN_PATH,
)

LAST_BLOCK = (
    Register(
        "block",
        "bytes",
        b"",
        doc="The RAM block of the last page, which CONTINUE refers to; empty: not known.",
    ),
    Register("block_length", doc="Its used length; 0: there was no page yet."),
)

MAIN = (
    *CONVERSATION,
    *LAST_BLOCK,
    Register("recovery", doc="1 on a connection that began as a recovery."),
    Register("iterating", doc="1 behind a PART or a package: more is to come."),
    Register("section", doc="Id of the current section."),
    Register("section_name", "bytes", b"", doc="Its idstr."),
    Register("package", doc="1 inside a package."),
    Register("checkpoint", doc="1 when the migration was followed by COLO's checkpoints."),
    Register("unfinished", doc="1 until a package has come to its POSTCOPY_RUN or EOF."),
    Register("capabilities", doc="Capabilities of the configuration that are still to come."),
    Register("ignore_shared", initial=iif(P.ignore_shared == ON, 1, 0), doc="1 when RAM blocks have an address."),
    Register("mapped_ram", initial=iif(P.mapped_ram == ON, 1, 0), doc="1 when RAM blocks have a mapped-ram header."),
    Register("mapped_due", doc="1 behind an entry of the block list whose mapped-ram header is still to come."),
    Register("mapped_block", "bytes", b"", doc="The RAM block of the current mapped-ram header."),
    Register("mapped_page_size", initial=P.page_size, doc="Page size of the mapped-ram headers; 0: not known."),
    Register("mapped_bitmap", doc="Octets of the bitmap of the current mapped-ram block."),
    Register("mapped_hole", doc="Octets between this bitmap and the pages."),
    Register("mapped_pages", doc="Octets of the pages of this block."),
    Register("page_sizes", doc="The page size summary of POSTCOPY_ADVISE."),
    Register("blocks_left", doc="Octets of RAM whose blocks are still to be listed."),
    Register("discarded", "bytes", b"", doc="The RAM block of the current POSTCOPY_RAM_DISCARD."),
    LAYOUTS,
    DEVICES,
    Register("layout", doc="How the body of the current section is laid out; 0: not known."),
    Register("eos", doc="Not 0 when the body of the section ends behind the current record."),
    NODE,
    BITMAP,
    Register("started_node", "bytes", b"", doc="The node of the dirty bitmap that was announced last."),
    Register("started_bitmap", "bytes", b"", doc="Its name."),
    Register("granularity", doc="Its granularity; 0: there was none."),
    HTAB_SHIFT,
    Register("slirp_left", doc="Parts of libslirp's state that are still to come."),
    Register("first_bit", doc="Before the merge: the pages by which its first mask begins in front of the block."),
    Register("unpacked", doc="Octets of the current page that XBZRLE runs have covered."),
)

RETURN = (
    *CONVERSATION,
    Register("block", "bytes", b"", doc="The RAM block of the last request."),
    Register("shut", doc="1 behind SHUT."),
    Register("bitmap_block", "bytes", b"", doc="The RAM block of the current bitmap."),
)

PREEMPT = (*CONVERSATION, *LAST_BLOCK)

MULTIFD = (
    PAGE_SIZE,
    LENGTHS,
    PAGE_ORIGIN,
    LISTED,
    UNDERWAY,
    CHANNEL_IDS,
    WHOLE,
    DEVICES,
    Register("normal_pages", doc="Pages behind the list of offsets."),
    Register("normal_left", doc="Their offsets that are still to come."),
    Register("zero_left", doc="Offsets of pages of zeros that are still to come."),
    Register("block_length", doc="Used length of the packet's RAM block."),
    Register("unused", doc="Octets of the list that mean nothing."),
    Register("packet_size", doc="Octets of compressed pages behind the list."),
    Register("method", doc="Compression method, as in the flags."),
    Register("begun", doc="1 behind the first compressed pages, to which the later ones refer back."),
    Register("lengths_left", doc="Lengths of compressed pages that are still to come."),
    Register("compressed", doc="Octets of the compressed pages, as their lengths say."),
    Register("state_left", doc="Octets that are left of a packet of device state."),
    Register("state_config", doc="1 when they are a device's configuration."),
    Register("data_seen", doc="1 when a packet with pages has told the method."),
)
