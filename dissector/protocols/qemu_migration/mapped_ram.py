# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: mapped-ram
# scapy.contrib.status = loads
"""RAM with a fixed place in a file for every page: the capability mapped-ram (9.0).

Such a migration goes to a file, never over a network.  Its block list has, behind each entry, a header, a bitmap and
room for all of the block's pages; the records of the sections that follow are end-of-section marks only::

    str8 block, used_length(8) [address(8)]
    header(28)  bitmap(8 * ceil(pages / 64))  hole  pages(used_length)

The header's offsets count from the beginning of the *file*, also where the stream begins at an ``offset`` in it.  The
bitmap begins directly behind the header, though, so that the distance of the two offsets is the distance of the pages
from there, and nobody needs to know where the stream began.  The pages begin at a multiple of 1 MiB; the hole in front
of them, and the places of pages that were not stored, were never written, and read as zeros.  Behind the last page's
place the stream goes on with the next entry.

A bit of the bitmap stands for a target page and says that the page is stored; those that are not are zero.  Its
words are the source's own unsigned longs: bit 0 of the first is page 0 on any host, but on a big-endian host it is in
the eighth octet.  How many bits are set does not depend on that.

With multifd the threads write the pages to their places, and there are no packets.

Sources: migration/ram.c:mapped_ram_setup_ramblock(), mapped_ram_read_header(), parse_ramblock_mapped_ram() (10.0).
"""

from __future__ import annotations

from typing import ClassVar

from scapy.fields import IntField, LongField, XLongField

from ...declare import S
from ..fields import PayloadField
from ..pdu import Pdu
from .constants import DEFAULT_PAGE_SIZE, MAPPED_RAM_HDR_VERSION

__all__ = ["MappedRamBitmap", "MappedRamHeader", "MappedRamHole", "MappedRamPages"]


class _Mapped(Pdu):
    """What all of them have in common: the display-filter group."""

    group = "mapped"


class MappedRamHeader(_Mapped):
    """``version(4) page_size(8) bitmap_offset(8) pages_offset(8)``: where a block's bitmap and pages are in the file.

    Errors: "Could not read whole mapped-ram migration header (expected %zd, got %zd bytes)", "Migration mapped-ram
    capability version not supported (expected <= %d, got %d)", "Migration mapped-ram header has invalid page_size %lu
    (expected %d)" (11.1; 10.0 goes by the header's), "Error reading ramblock %s pages, region has bad alignment".
    Both offsets are 0, and nothing follows, for a block that x-ignore-shared leaves out (11.0).  From 9.0 to 10.2 a
    migration with such a block fails at its end, and one without is written like this and cannot be loaded.
    migration/ram.c:mapped_ram_read_header(), parse_ramblock_mapped_ram() (10.0), since 9.0.
    """

    label = "mapped-ram header"
    labels: ClassVar[dict[str, str]] = {
        "version": "Header version",
        "page_size": "Target page size",
        "bitmap_offset": "Offset of the bitmap in the file",
        "pages_offset": "Offset of the pages in the file",
    }
    fields_desc = [
        IntField("version", MAPPED_RAM_HDR_VERSION),
        LongField("page_size", DEFAULT_PAGE_SIZE),
        XLongField("bitmap_offset", 0),
        XLongField("pages_offset", 0),
    ]


class MappedRamBitmap(_Mapped):
    """``bitmap(8 * ceil(pages / 64))``: a bit for each target page, set where the page is stored.

    "Error reading dirty bitmap" where the file is shorter.  migration/ram.c:parse_ramblock_mapped_ram() (10.0).
    """

    label = "mapped-ram bitmap"
    fields_desc = [PayloadField("bitmap", b"", length_from=S.mapped_bitmap)]


class MappedRamHole(_Mapped):
    """Octets up to ``pages_offset`` that nobody wrote.  migration/ram.c:mapped_ram_setup_ramblock() (10.0)."""

    label = "mapped-ram hole"
    fields_desc = [PayloadField("hole", b"", length_from=S.mapped_hole)]


class MappedRamPages(_Mapped):
    """``pages(used_length)``: the place of every page of the block, stored or not.

    migration/ram.c:save_normal_page(), with multifd migration/file.c:file_write_ramblock_iov() (10.0).
    """

    label = "mapped-ram pages"
    fields_desc = [PayloadField("pages", b"", length_from=S.mapped_pages)]
