# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: commands before postcopy was merged
# scapy.contrib.status = loads
"""Commands and messages as the postcopy series had them before it was merged: v5, with v4, v6 and v7 beside it.

The frame is that of today, ``type(1) command(2) length(2) payload(length)``, and so is what the commands do to the
other end; section type and numbers differ (:mod:`.dialects`), and with them RAM_DISCARD, which lists masks of 32
pages, POSTCOPY_END, which no release has, and the return path's REQ_PAGES, which says with a bit of the length that
a name follows.  There is no configuration section; there are no section footers before v7.

The defaults are v5's numbers; for another dialect give ``type`` and ``cmd``.

Sources: savevm.c, migration/migration.c and include/sysemu/sysemu.h of postcopy v5 (tag ``wp3-postcopy-v5``).
"""

from __future__ import annotations

from typing import Any, ClassVar

from scapy.fields import (
    ByteField,
    ConditionalField,
    FieldLenField,
    IntField,
    ShortEnumField,
    ShortField,
    StrLenField,
    XByteField,
    XIntField,
    XLongField,
)

from ...declare import F
from ..fields import HighPart, LowPart, PayloadField
from ..pdu import Pdu
from .command import limited_package
from .constants import DEFAULT_PAGE_SIZE, POSTCOPY_RAM_DISCARD_VERSION, RAM_DISCARD_RANGE
from .dialects import DIALECTS, MASK_SIZE, NAMED_REQUEST, SERIES_LENGTHS, SeriesCommand

__all__ = [
    "PremergeCommand",
    "PremergeDiscardMask",
    "PremergeDiscardRange",
    "PremergeOpenReturnPath",
    "PremergePackaged",
    "PremergePing",
    "PremergePostcopyAdvise",
    "PremergePostcopyEnd",
    "PremergePostcopyListen",
    "PremergePostcopyRun",
    "PremergeRamDiscard",
    "PremergeRamDiscardMasks",
    "PremergeReqPages",
]

V5 = DIALECTS[0]


def frame(command: SeriesCommand, length: Any = None) -> list[Any]:
    """Type, number and length; the length is the one of the table unless another field is given."""
    return [
        XByteField("type", V5.section_type),
        ShortField("cmd", V5.numbers[command]),
        length or ShortField("length", SERIES_LENGTHS[command]),
    ]


class _Command(Pdu):
    """What all of them have in common: the display-filter names of the frame.

    They are not those of today's commands, whose numbers mean something else.
    """

    group = "premerge"
    abbrevs: ClassVar[dict[str, str]] = {"cmd": "premerge.command"}
    labels: ClassVar[dict[str, str]] = {
        "type": "Section type",
        "cmd": "Command",
        "length": "Length of payload",
        "block": "RAM block",
        "block_length": "Length of name",
    }


class PremergeCommand(_Command):
    """``07 command(2) length(2) payload(length)``: a command with a number or length that the dialect does not have.

    "VM_COMMAND 0x%x unknown (len 0x%x)".  savevm.c:loadvm_process_command() (postcopy v5).
    """

    label = "MIG_CMD (before the merge)"
    fields_desc = [
        XByteField("type", V5.section_type),
        ShortField("cmd", 0),
        FieldLenField("length", None, fmt="!H", length_of="data"),
        PayloadField("data", b"", length_from=F.length),
    ]


class PremergeOpenReturnPath(_Command):
    """``07 0001 0000``: the destination may write to the return path from now on.

    savevm.c:loadvm_process_command() (postcopy v5).
    """

    label = "MIG_CMD_OPEN_RETURN_PATH (before the merge)"
    fields_desc = frame(SeriesCommand.MIG_CMD_OPEN_RETURN_PATH)


class PremergePing(_Command):
    """``07 0002 0004 value(4)``: the destination answers with a PONG of the same value.

    v4 has it as REQACK, answered by ACK.  Without a return path: "CMD_PING (0x%x) received with no return path".
    savevm.c:loadvm_process_command() (postcopy v5).
    """

    label = "MIG_CMD_PING (before the merge)"
    abbrevs: ClassVar[dict[str, str]] = {**_Command.abbrevs, "value": "ping.value"}
    fields_desc = [*frame(SeriesCommand.MIG_CMD_PING), XIntField("value", 0)]


class PremergePackaged(_Command):
    """``07 0003 0004 packaged_length(4)``, then that many octets: sections and commands to be loaded as a whole.

    The destination acts on nothing inside before it has them all: "CMD_PACKAGED: Buffer receive fail ret=%d
    length=%d".  They end in POSTCOPY_RUN; there is no EOF among them.

    More than 16 MiB (MAX_VM_CMD_PACKAGED_SIZE) are refused by the destination, "Unreasonably large packaged state:
    %u", and by the source: "postcopy_start: Unreasonably large packaged state: %lu".  So they are here when a command
    is built, unless inside :func:`.limits.unchecked`; a length left out is that of everything that follows.
    savevm.c:loadvm_handle_cmd_packaged(), migration/migration.c:postcopy_start() (postcopy v5).
    """

    label = "MIG_CMD_PACKAGED (before the merge)"
    abbrevs: ClassVar[dict[str, str]] = {**_Command.abbrevs, "packaged_length": "packaged.length"}
    labels: ClassVar[dict[str, str]] = {**_Command.labels, "packaged_length": "Length of package"}
    fields_desc = [*frame(SeriesCommand.MIG_CMD_PACKAGED), IntField("packaged_length", None)]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Measure what follows, and refuse what the source refuses to send."""
        length = len(pay) if self.packaged_length is None else self.packaged_length
        return limited_package(pkt, length, "the postcopy series before 2.5 takes") + pay


class PremergePostcopyAdvise(_Command):
    """``07 0014 0010 host_page_size(8) target_page_size(8)``: postcopy may follow.

    Both must be the destination's own: "Postcopy needs matching host page sizes (s=%d d=%d)", "Postcopy needs matching
    target page sizes (s=%d d=%d)".  savevm.c:loadvm_postcopy_handle_advise() (postcopy v5).
    """

    label = "MIG_CMD_POSTCOPY_ADVISE (before the merge)"
    abbrevs: ClassVar[dict[str, str]] = {**_Command.abbrevs, "target_page_size": "advise.target_page_size"}
    fields_desc = [
        *frame(SeriesCommand.MIG_CMD_POSTCOPY_ADVISE),
        XLongField("host_page_size", DEFAULT_PAGE_SIZE),
        XLongField("target_page_size", DEFAULT_PAGE_SIZE),
    ]


class PremergePostcopyListen(_Command):
    """``07 0015 0000``: what follows on the connection is read by a thread of its own from now on.

    In any other state than ADVISE: "CMD_POSTCOPY_LISTEN in wrong postcopy state (%d)".
    savevm.c:loadvm_postcopy_handle_listen() (postcopy v5).
    """

    label = "MIG_CMD_POSTCOPY_LISTEN (before the merge)"
    fields_desc = frame(SeriesCommand.MIG_CMD_POSTCOPY_LISTEN)


class PremergePostcopyRun(_Command):
    """``07 0016 0000``: the destination's guest runs.  The last command of a package.

    In any other state than LISTENING: "CMD_POSTCOPY_RUN in wrong postcopy state (%d)".
    savevm.c:loadvm_postcopy_handle_run() (postcopy v5).
    """

    label = "MIG_CMD_POSTCOPY_RUN (before the merge)"
    fields_desc = frame(SeriesCommand.MIG_CMD_POSTCOPY_RUN)


class PremergePostcopyEnd(_Command):
    """``07 0017 0001 status(1)``: everything was sent, or (*status* is not 0) the source has failed.

    Stands in front of the last EOF.  Errors: "CMD_POSTCOPY_END: error on source host (%d)", "CMD_POSTCOPY_END in wrong
    postcopy state (%d)".  Gone in v6.  savevm.c:loadvm_postcopy_handle_end() (postcopy v5).
    """

    label = "MIG_CMD_POSTCOPY_END (before the merge)"
    fields_desc = [*frame(SeriesCommand.MIG_CMD_POSTCOPY_END), ByteField("status", 0)]


class PremergeRamDiscardMasks(_Command):
    """``07 0018 length(2) version(1) first_bit_offset(1) str8(block)``, then masks: pages that are thrown away.

    *length* is that of version, offset, name (without a NUL) and at least one :class:`PremergeDiscardMask`;
    *first_bit_offset* is by how many pages the first mask begins in front of the block.  Errors:
    "CMD_POSTCOPY_RAM_DISCARD invalid length (%d)", "... invalid version (%d)", "... in wrong postcopy state (%d)".
    A length left out covers the masks that follow.  Number 21 in v4.
    savevm.c:loadvm_postcopy_ram_handle_discard() (postcopy v5).
    """

    label = "MIG_CMD_POSTCOPY_RAM_DISCARD (before the merge)"
    fields_desc = [
        *frame(SeriesCommand.MIG_CMD_POSTCOPY_RAM_DISCARD, ShortField("length", None)),
        ByteField("version", POSTCOPY_RAM_DISCARD_VERSION),
        ByteField("first_bit_offset", 0),
        FieldLenField("block_length", None, fmt="B", length_of="block"),
        StrLenField("block", b"", length_from=F.block_length),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Cover the rest of the command and the masks that follow."""
        if self.length is None:
            length = len(pkt) - 5 + MASK_SIZE * len(self.followers(PremergeDiscardMask))
            pkt = pkt[:3] + length.to_bytes(2, "big") + pkt[5:]
        return pkt + pay


class PremergeDiscardMask(_Command):
    """``start(8) mask(4)``: 32 target pages from page *start* on; bit 0 of *mask* is the first, 1 throws it away.

    Pages count from the block's begin less *first_bit_offset*.  A bit in front of the block: "CMD_POSTCOPY_RAM_DISCARD
    bad data; bit set prior to block".  savevm.c:loadvm_postcopy_ram_handle_discard() (postcopy v5).
    """

    label = "Discarded pages"
    labels: ClassVar[dict[str, str]] = {"start": "First page", "mask": "Mask of pages"}
    fields_desc = [XLongField("start", 0), XIntField("mask", 0)]


class PremergeRamDiscard(_Command):
    """``07 0017 length(2) version(1) str8(block) 00``, then ranges: v6's and v7's way to throw pages away.

    As today's, but for the numbers and the ranges' ends.  savevm.c:loadvm_postcopy_ram_handle_discard() (postcopy v6;
    v7: migration/savevm.c).
    """

    label = "MIG_CMD_POSTCOPY_RAM_DISCARD (v6, v7)"
    fields_desc = [
        XByteField("type", DIALECTS[1].section_type),
        ShortField("cmd", DIALECTS[1].numbers[SeriesCommand.MIG_CMD_POSTCOPY_RAM_DISCARD]),
        ShortField("length", None),
        ByteField("version", POSTCOPY_RAM_DISCARD_VERSION),
        FieldLenField("block_length", None, fmt="B", length_of="block"),
        StrLenField("block", b"", length_from=F.block_length),
        ByteField("nil", 0),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Cover the rest of the command and the ranges that follow."""
        if self.length is None:
            length = len(pkt) - 5 + RAM_DISCARD_RANGE * len(self.followers(PremergeDiscardRange))
            pkt = pkt[:3] + length.to_bytes(2, "big") + pkt[5:]
        return pkt + pay


class PremergeDiscardRange(_Command):
    """``start(8) end(8)``: octets of the block, *end* is the first one that stays.

    "ram_discard_range: Overrun block '%s'", "ram_discard_range: Unaligned start address: %p".
    savevm.c:loadvm_postcopy_ram_handle_discard() (postcopy v6).
    """

    label = "Discarded range (v6, v7)"
    labels: ClassVar[dict[str, str]] = {"start": "First octet", "end": "End"}
    abbrevs: ClassVar[dict[str, str]] = {"start": "premerge.range_start"}
    fields_desc = [XLongField("start", 0), XLongField("end", 0)]


class PremergeReqPages(Pdu):
    """``0003 length(2) start(8) request_length(8) [str8(block)]``: the guest waits for these octets of this block.

    Bit 0 of *request_length* says that the block's name follows; without it the block is that of the last request.
    "RP: Req_Page with length %d expecting %d".  A length left out is the right one.
    migration/migration.c:migrate_send_rp_req_pages(), source_return_path_thread() (postcopy v5).
    """

    label = "MIG_RP_CMD_REQ_PAGES (before the merge)"
    group = "premerge_rp"
    abbrevs: ClassVar[dict[str, str]] = {
        "type": "premerge_rp.type",
        "start": "rp.start",
        "block": "rp.block",
        "block_length": "rp.block_length",
    }
    labels: ClassVar[dict[str, str]] = {
        "type": "Message",
        "length": "Length of payload",
        "request_length": "Octets requested",
        "block": "RAM block",
        "block_length": "Length of name",
    }
    fields_desc = [
        ShortEnumField("type", 3, {1: "MIG_RP_CMD_SHUT", 2: "MIG_RP_CMD_PONG", 3: "MIG_RP_CMD_REQ_PAGES"}),
        ShortField("length", None),
        XLongField("start", 0),
        HighPart("request_length", DEFAULT_PAGE_SIZE, lambda _: NAMED_REQUEST * 2),
        LowPart("flags", 0, lambda _: NAMED_REQUEST * 2, {NAMED_REQUEST: "NAMED"}),
        ConditionalField(FieldLenField("block_length", None, fmt="B", length_of="block"), F.flags & NAMED_REQUEST != 0),
        ConditionalField(StrLenField("block", b"", length_from=F.block_length), F.flags & NAMED_REQUEST != 0),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Measure the message."""
        if self.length is None:
            pkt = pkt[:2] + (len(pkt) - 4).to_bytes(2, "big") + pkt[4:]
        return pkt + pay
