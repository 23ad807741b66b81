# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: multifd channels
# scapy.contrib.status = loads
"""Multifd channels: pages in packets, on connections of their own (4.0).

The source opens as many as ``multifd-channels`` says.  Each begins with an initial packet; then come packets of a
header, a list of page offsets that always has the same length, and the pages::

    magic(4) version(4) flags(4) pages_alloc(4) normal_pages(4) next_packet_size(4) packet_num(8)
    zero_pages(4) reserved(28) ramblock(256) offset(8) * (524288 / target page size) data

The first *normal_pages* offsets belong to the pages in *data*, the next *zero_pages* (9.0) to pages of zeros, the rest
means nothing.  Without compression *data* is ``normal_pages`` pages; with one, ``next_packet_size`` octets of a piece
of the channel's one stream (zlib, zstd), which only a reader from the first packet on can inflate.

A packet with SYNC ends a round.  Up to 8.2 the flag may ride on a packet with pages, and in one without pages
everything but the counts is left over from the packet before; from 9.0 on SYNC packets are zero, *pages_alloc*
included.  So the length of what follows comes from *normal_pages*, and the length of the list from the page size.

Since 10.0 a packet with DEVICE_STATE has another header: one piece of a device's state (VFIO).

Sources: migration/multifd.c:multifd_send_fill_packet(), multifd_recv_unfill_packet(); migration/multifd.h.
"""

from __future__ import annotations

from typing import Any, ClassVar

from scapy.fields import (
    ByteField,
    FlagsField,
    IntField,
    LongField,
    StrFixedLenField,
    UUIDField,
    XIntField,
    XLongField,
    XStrFixedLenField,
)

from ...declare import Packed, S
from ..fields import PayloadField
from ..pdu import Pdu
from .constants import (
    MULTIFD_MAGIC,
    MULTIFD_PACKET_SIZE,
    MULTIFD_VERSION,
    MultifdFlag,
    flag_names,
)

__all__ = [
    "MultifdCompressed",
    "MultifdDeviceState",
    "MultifdInit",
    "MultifdOffset",
    "MultifdPacket",
    "MultifdPageLength",
    "MultifdPages",
    "MultifdUnused",
    "MultifdZeroOffset",
]

PACKET_PAGES = MULTIFD_PACKET_SIZE // S.page_size
"""Entries of the list of offsets, used or not."""


def _flags() -> FlagsField:
    bits = flag_names(MultifdFlag)
    return FlagsField("flags", 0, 32, [bits.get(1 << bit, "") for bit in range(32)])


def head() -> list[Any]:
    """What every packet begins with."""
    return [XIntField("magic", MULTIFD_MAGIC), IntField("version", MULTIFD_VERSION), _flags()]


class _Multifd(Pdu):
    """What all of this file has in common: the display-filter names."""

    group = "multifd"
    labels: ClassVar[dict[str, str]] = {"packet_num": "Packet number", "ramblock": "RAM block"}


class MultifdInit(_Multifd):
    """``magic(4) version(4) uuid(16) id(1) reserved(39)``: the first packet of a channel.

    *uuid* is the virtual machine's (zeros without ``-uuid``) and must be the destination's; *id* is 0 to the number of
    channels - 1, each once.  Errors: "multifd: received packet magic %x expected %x", "... packet version %u expected
    %u", "... received uuid '%s' and expected uuid '%s' for channel %hhd".
    migration/multifd.c:multifd_recv_initial_packet() (10.0), since 4.0.
    """

    label = "MultiFD initial packet"
    labels: ClassVar[dict[str, str]] = {"channel_id": "Channel id"}
    fields_desc = [
        XIntField("magic", MULTIFD_MAGIC),
        IntField("version", MULTIFD_VERSION),
        UUIDField("uuid", "00000000-0000-0000-0000-000000000000"),
        ByteField("channel_id", 0),
        XStrFixedLenField("reserved", bytes(39), 39),
    ]


class MultifdPacket(_Multifd):
    """The header of a packet, 320 octets; the list of offsets follows, then the pages.

    Errors: "multifd: received packet magic %x expected %x", "... received packet with %u pages, expected %u" (more
    than the list has), "... with %u non-zero pages, which exceeds maximum expected pages %u", "... unknown ram block
    %s", "multifd %u: flags received %x flags expected %x" (another compression method than the first packet's).
    Counts left out are those of the offsets that follow.
    migration/multifd.c:multifd_recv_unfill_packet() (10.0), since 4.0.
    """

    label = "MultiFD packet"
    fields_desc = [
        *head(),
        IntField("pages_alloc", None),
        IntField("normal_pages", None),
        IntField("next_packet_size", None),
        LongField("packet_num", 0),
        IntField("zero_pages", None),
        XStrFixedLenField("reserved", bytes(28), 28),
        StrFixedLenField("ramblock", bytes(256), 256),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Count the offsets that follow."""
        normal = self.followers(MultifdOffset)
        zeros = (normal[-1] if normal else self).followers(MultifdZeroOffset)
        page_size = int(S.page_size(self))
        counted = {
            12: (self.pages_alloc, MULTIFD_PACKET_SIZE // page_size if normal or zeros else 0),
            16: (self.normal_pages, len(normal)),
            20: (self.next_packet_size, len(normal) * page_size),
            32: (self.zero_pages, len(zeros)),
        }
        for at, (given, count) in counted.items():
            if given is None:
                pkt = pkt[:at] + count.to_bytes(4, "big") + pkt[at + 4 :]
        return pkt + pay


class MultifdOffset(_Multifd):
    """``offset(8)``: where in the RAM block a page of the packet belongs.

    "multifd: offset too long %u (max ...)" when it is outside.
    migration/multifd-nocomp.c:multifd_ram_unfill_packet() (10.0).
    """

    label = "Page"
    fields_desc = [XLongField("offset", 0)]


class MultifdZeroOffset(_Multifd):
    """``offset(8)``: a page of zeros (9.0); nothing else is sent for it.

    migration/multifd-nocomp.c:multifd_ram_unfill_packet() (10.0).
    """

    label = "Zero page"
    fields_desc = [XLongField("offset", 0)]


class MultifdUnused(_Multifd):
    """The rest of the list of offsets: left over from other packets, or zero.

    migration/multifd.c:multifd_send_fill_packet() (10.0).
    """

    label = "Unused offsets"
    fields_desc = [PayloadField("unused", b"", length_from=S.unused)]


class MultifdPages(_Multifd):
    """``data(normal_pages * target page size)``: the pages, in the order of their offsets.

    migration/multifd-nocomp.c:multifd_nocomp_recv() (10.0).
    """

    label = "Pages"
    fields_desc = [PayloadField("data", b"", length_from=S.normal_pages * S.page_size)]


class MultifdCompressed(_Multifd):
    """``data(next_packet_size)``: the pages, compressed by the method that the flags name.

    With qpl and uadk a :class:`MultifdPageLength` for each page is in front of them.
    migration/multifd-zlib.c, multifd-zstd.c, multifd-qpl.c, multifd-uadk.c, multifd-qatzip.c (10.0).
    """

    label = "Compressed pages"
    fields_desc = [
        PayloadField(
            "data",
            b"",
            length_from=S.packet_size,
            packed=Packed(
                S.normal_pages * S.page_size,
                "Uncompressed pages",
                {"zlib": S.method == int(MultifdFlag.ZLIB), "zstd": S.method == int(MultifdFlag.ZSTD)},
                alone=S.begun == 0,
            ),
        )
    ]


class MultifdPageLength(_Multifd):
    """``length(4)``: how many octets a page has, compressed by qpl or uadk (9.1); as many as a page: it is not.

    The pages, each by itself, stand behind the lengths of all.  migration/multifd-qpl.c:multifd_qpl_recv() (10.0).
    """

    label = "Compressed page"
    abbrevs: ClassVar[dict[str, str]] = {"length": "multifd.page_length"}
    labels: ClassVar[dict[str, str]] = {"length": "Length of page"}
    fields_desc = [IntField("length", 0)]


class MultifdDeviceState(_Multifd):
    """``magic(4) version(4) flags(4) idstr(256) instance_id(4) next_packet_size(4)``, then *next_packet_size* octets.

    A piece of a device's state (:class:`.vfio.VfioStatePacket`); *idstr* and *instance_id* are those of its section.
    The header has 276 octets and no list of offsets.  "multifd: received empty device state packet" when the size is
    0.  A size left out is that of what follows.
    migration/multifd.c:multifd_recv_unfill_packet_device_state() (10.0).
    """

    label = "MultiFD device state packet"
    abbrevs = {"idstr": "section.name", "instance_id": "section.instance"}
    labels: ClassVar[dict[str, str]] = {"idstr": "Section name", "instance_id": "Instance id"}
    fields_desc = [
        *head(),
        StrFixedLenField("idstr", bytes(256), 256),
        IntField("instance_id", 0),
        IntField("next_packet_size", None),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Measure what follows."""
        if self.next_packet_size is None:
            pkt = pkt[:272] + len(pay).to_bytes(4, "big") + pkt[276:]
        return pkt + pay
