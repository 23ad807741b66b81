# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: RAM
# scapy.contrib.status = loads
"""The body of the RAM section: records up to an end-of-section record.

Every record begins with a 64-bit big-endian word.  Its bits below the target page size are flags, the rest is an
offset in a RAM block (or, in MEM_SIZE, a total): the reader must know the target page size, and with a wrong one takes
address bits for flags.  The flags tell what follows::

    word(8) [str8 block] body

The block's name is there for ZERO, PAGE, XBZRLE and COMPRESS_PAGE unless CONTINUE says "the block of the last page on
this connection".  That is remembered across sections, for each connection by itself.  Exactly one type flag is set,
CONTINUE apart; anything else ends the migration: "Unknown combination of migration flags: 0x%x".

A layer here stands for one record, or for one element of a list that follows one.  Flags are an ordinary field with
the flags of a continued page as default; a record that is given a ``block`` and no ``flags`` loses CONTINUE.

Sources: migration/ram.c:ram_load_precopy(), ram_load_postcopy(), ram_block_from_stream(), save_page_header().
"""

from __future__ import annotations

from typing import Any, ClassVar

from scapy.fields import (
    ByteField,
    ConditionalField,
    FieldLenField,
    ShortField,
    StrLenField,
    XLongField,
    XStrLenField,
)

from ...declare import F, Packed, S, not_
from ..fields import HighPart, LowPart, PayloadField
from ..pdu import Pdu
from .constants import ENCODING_FLAG_XBZRLE, RamFlag, flag_names

__all__ = [
    "RamBlock",
    "RamBlockWithAddress",
    "RamBlockWithPageSize",
    "RamCompressed",
    "RamEos",
    "RamHook",
    "RamMemSize",
    "RamMultifdFlush",
    "RamPage",
    "RamXbzrle",
    "RamZero",
    "XbzrleRun",
]

ZERO, PAGE, XBZRLE, COMPRESS_PAGE = RamFlag.ZERO, RamFlag.PAGE, RamFlag.XBZRLE, RamFlag.COMPRESS_PAGE
CONTINUE = RamFlag.CONTINUE


def record(flags: int) -> list[object]:
    """The word that every record begins with."""
    return [HighPart("addr", 0, S.page_size), LowPart("flags", int(flags), S.page_size, flag_names(RamFlag))]


def page_record(flags: int) -> list[object]:
    """The word, and the block's name unless CONTINUE is set."""
    named = not_(F.flags & int(CONTINUE))
    return [
        *record(flags),
        ConditionalField(FieldLenField("block_length", None, fmt="B", length_of="block"), named),
        ConditionalField(StrLenField("block", b"", length_from=F.block_length), named),
    ]


class _Record(Pdu):
    """What all records have in common: the display-filter names."""

    group = "ram"
    labels: ClassVar[dict[str, str]] = {
        "addr": "Offset in block",
        "block": "RAM block",
        "block_length": "Length of name",
    }


class _PageRecord(_Record):
    """A record about a page: one that was given a name and no flags does not continue."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        if fields.get("block") and "flags" not in fields:
            default = next(f.default for f in self.fields_desc if f.name == "flags")
            fields["flags"] = int(default) & ~int(CONTINUE)
        super().__init__(*args, **fields)


class RamZero(_PageRecord):
    """``word(8) [str8 block] fill(1)``: a page in which every octet is *fill*.

    The source has sent no other fill than 0 since 1.x.  The destination takes any up to 8.1, and refuses others from
    8.2 on: "Found a zero page with value %d".  migration/ram.c:ram_load_precopy(), ram_handle_zero() (10.0).
    """

    label = "RAM_SAVE_FLAG_ZERO"
    fields_desc = [*page_record(ZERO | CONTINUE), ByteField("fill", 0)]


class RamPage(_PageRecord):
    """``word(8) [str8 block] data(target page size)``: a whole page.  migration/ram.c:ram_load_precopy() (10.0)."""

    label = "RAM_SAVE_FLAG_PAGE"
    fields_desc = [*page_record(PAGE | CONTINUE), PayloadField("data", b"", length_from=S.page_size)]


class RamXbzrle(_PageRecord):
    """``word(8) [str8 block] encoding(1) length(2)``, then *length* octets of :class:`XbzrleRun`.

    A page as its difference from what the destination holds already; from the second round on, not in postcopy, not
    with multifd.  Errors: "Failed to load XBZRLE page - wrong compression!" (encoding is not 1), "... - len
    overflow!" (longer than a page), "... - decode error!" (bad runs).  A length left out is that of the runs that
    follow.  migration/ram.c:load_xbzrle() (10.0), since 1.2.
    """

    label = "RAM_SAVE_FLAG_XBZRLE"
    labels: ClassVar[dict[str, str]] = {**_Record.labels, "length": "Length of runs"}
    abbrevs = {"encoding": "ram.xbzrle_encoding", "length": "ram.xbzrle_length"}
    fields_desc = [
        *page_record(XBZRLE | CONTINUE),
        ByteField("encoding", ENCODING_FLAG_XBZRLE),
        ShortField("length", None),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Add up the runs that follow."""
        if self.length is None:
            octets = sum(run.octets for run in self.followers(XbzrleRun))
            pkt = pkt[:-2] + octets.to_bytes(2, "big")
        return pkt + pay


class XbzrleRun(Pdu):
    """``uleb128 zrun, uleb128 nzrun, literals(nzrun)``: *zrun* octets stay as they are, *nzrun* get new values.

    A uleb128 has one or two octets here, seven bits each, the lower ones first; a third octet is an error.  *zrun* may
    be 0 in the first run only, *nzrun* never.  The last unchanged octets of a page are not sent.  The literals are the
    new values themselves.  migration/xbzrle.c:xbzrle_decode_buffer() (10.0).
    """

    label = "XBZRLE run"
    group = "xbzrle"
    labels = {
        "zrun_low": "Unchanged, low bits",
        "zrun_high": "Unchanged, high bits",
        "nzrun_low": "Changed, low bits",
        "nzrun_high": "Changed, high bits",
        "literals": "New values",
    }
    zrun = F.zrun_low & 0x7F | F.zrun_high << 7
    nzrun = F.nzrun_low & 0x7F | F.nzrun_high << 7
    fields_desc = [
        ByteField("zrun_low", 0),
        ConditionalField(ByteField("zrun_high", 0), F.zrun_low >= 0x80),
        ByteField("nzrun_low", 0),
        ConditionalField(ByteField("nzrun_high", 0), F.nzrun_low >= 0x80),
        XStrLenField("literals", b"", length_from=nzrun),
    ]

    @classmethod
    def of(cls, zrun: int, literals: bytes) -> XbzrleRun:
        """A run with its two lengths encoded."""
        low, high = zip(*(_uleb128(n) for n in (zrun, len(literals))), strict=True)
        return cls(zrun_low=low[0], zrun_high=high[0], nzrun_low=low[1], nzrun_high=high[1], literals=literals)

    @property
    def octets(self) -> int:
        """The length of the run on the wire."""
        return 2 + int(self.zrun_low >= 0x80) + int(self.nzrun_low >= 0x80) + len(self.literals)


def _uleb128(value: int) -> tuple[int, int]:
    """Low and high octet of at most fourteen bits."""
    return (value, 0) if value < 0x80 else (value & 0x7F | 0x80, value >> 7)


class RamCompressed(_PageRecord):
    """``word(8) [str8 block] length(4) data(length)``: one zlib stream that inflates to a page.

    From 2.4 to 9.0; in postcopy since 5.0.  A length above zlib's compressBound() of a page ends the migration:
    "Invalid compressed data length: %d".  migration/ram.c:ram_load_precopy() (7.2).
    """

    label = "RAM_SAVE_FLAG_COMPRESS_PAGE"
    abbrevs = {"length": "ram.compressed_length"}
    labels: ClassVar[dict[str, str]] = {**_Record.labels, "length": "Length of data"}
    fields_desc = [
        *page_record(COMPRESS_PAGE | CONTINUE),
        FieldLenField("length", None, fmt="!I", length_of="data"),
        PayloadField(
            "data", b"", length_from=F.length, packed=Packed(S.page_size, "Uncompressed page", {"zlib": True})
        ),
    ]


class RamHook(_Record):
    """``word(8)``: RDMA's mark between rounds; the rest of the word is 0.  migration/rdma.c (10.0), since 1.6."""

    label = "RAM_SAVE_FLAG_HOOK"
    fields_desc = record(RamFlag.HOOK)


class RamMultifdFlush(_Record):
    """``word(8)``: the destination waits until every multifd channel has delivered its SYNC packet.

    Since 8.1, once per round over all of RAM; before, and with machine types up to 8.0, every EOS means the same.
    migration/multifd-nocomp.c:multifd_ram_flush_and_sync() (10.0).
    """

    label = "RAM_SAVE_FLAG_MULTIFD_FLUSH"
    fields_desc = record(RamFlag.MULTIFD_FLUSH)


class RamEos(_Record):
    """``word(8)``: the body of the section ends.  migration/ram.c:ram_load_precopy() (10.0)."""

    label = "RAM_SAVE_FLAG_EOS"
    fields_desc = record(RamFlag.EOS)


class RamMemSize(_Record):
    """``word(8)``, then the list of RAM blocks; the word's upper part is the sum of their lengths.

    In START only.  The destination reads entries until their lengths have used up the sum.  A sum left out is that of
    the :class:`RamBlock` that follow.  migration/ram.c:parse_ramblocks() (10.0).
    """

    label = "RAM_SAVE_FLAG_MEM_SIZE"
    abbrevs = {"addr": "ram.total"}
    labels: ClassVar[dict[str, str]] = {"addr": "Total length of all blocks"}
    fields_desc = [HighPart("addr", None, S.page_size), *record(RamFlag.MEM_SIZE)[1:]]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Add up the blocks that follow."""
        if self.addr is None:
            total = sum(block.used_length for block in self.followers(RamBlock))
            pkt = (int.from_bytes(pkt, "big") | total).to_bytes(8, "big")
        return pkt + pay


class RamBlock(Pdu):
    """``str8 block, used_length(8)``: one entry of the list.

    The destination must have a block of that name ("Unknown ramblock "%s", cannot accept migration") and length,
    unless it can resize it ("Size mismatch: %s: 0x... != 0x...").  migration/ram.c:parse_ramblock() (10.0), since 0.13.
    """

    label = "RAM block"
    group = "ram"
    labels: ClassVar[dict[str, str]] = {"block": "RAM block", "block_length": "Length of name"}
    fields_desc = [
        FieldLenField("block_length", None, fmt="B", length_of="block"),
        StrLenField("block", b"", length_from=F.block_length),
        XLongField("used_length", 0),
    ]


class RamBlockWithPageSize(RamBlock):
    """``str8 block, used_length(8), page_size(8)``: an entry whose pages are not the host's ordinary ones.

    Since 2.9, when postcopy-ram is on and the block has huge pages.  The destination does not look: it reads the word
    if *its* block has huge pages.  migration/ram.c:parse_ramblock() (10.0).
    """

    label = "RAM block with page size"
    fields_desc = [*RamBlock.fields_desc, XLongField("page_size", 0)]


class RamBlockWithAddress(RamBlock):
    """``str8 block, used_length(8), address(8)``: an entry of a stream with x-ignore-shared (4.0).

    The address in the guest (``mr->addr``) stands with every entry; pages of shared blocks are not sent.
    migration/ram.c:parse_ramblock() (10.0).
    """

    label = "RAM block with address"
    fields_desc = [*RamBlock.fields_desc, XLongField("address", 0)]
