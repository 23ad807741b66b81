# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: commands
# scapy.contrib.status = loads
"""Commands: what the source tells the destination between sections (since 2.5).

Every command has the same frame, so that a reader can pass over one that it does not know::

    08 command(2) length(2) payload(length)

There is neither section id nor footer.  The destination checks the number first ("MIG_CMD 0x%x unknown (len 0x%x)"),
then the length of those whose length is fixed ("%s received with bad length - expecting %zu, got %d"); both end the
migration.  One class here is one command; :class:`MigCommand` is a frame with octets, for numbers and lengths that do
not exist.

``length`` counts the payload of the frame only.  The octets of a package follow behind it, uncounted.

Sources: migration/savevm.c:loadvm_process_command(), mig_cmd_args, qemu_savevm_command_send() (10.0).
"""

from __future__ import annotations

from typing import Any, ClassVar

from scapy.fields import (
    ByteField,
    FieldLenField,
    IntField,
    ShortEnumField,
    ShortField,
    StrLenField,
    XIntField,
    XLongField,
)

from ...declare import F
from ...errors import CraftError
from ..fields import PayloadField
from ..pdu import Pdu
from .constants import (
    ADVISE_LENGTHS,
    COMMAND_LENGTHS,
    DEFAULT_PAGE_SIZE,
    MAX_VM_CMD_PACKAGED_SIZE,
    POSTCOPY_RAM_DISCARD_VERSION,
    RAM_DISCARD_RANGE,
    Command,
    SectionType,
    names,
)
from .limits import limits
from .section import section_type

__all__ = [
    "MigCmdEnableColo",
    "MigCmdOpenReturnPath",
    "MigCmdPackaged",
    "MigCmdPing",
    "MigCmdPostcopyAdvise",
    "MigCmdPostcopyAdviseBitmaps",
    "MigCmdPostcopyListen",
    "MigCmdPostcopyRamDiscard",
    "MigCmdPostcopyResume",
    "MigCmdPostcopyRun",
    "MigCmdRecvBitmap",
    "MigCmdSwitchoverStart",
    "MigCommand",
    "RamDiscardRange",
]

COMMANDS = names(Command)


def frame(command: Command, length: int | None = None) -> list[Any]:
    """Type, number and length; the length is the one of the table unless another is given."""
    return [
        section_type(SectionType.QEMU_VM_COMMAND),
        ShortEnumField("cmd", int(command), COMMANDS),
        ShortField("length", COMMAND_LENGTHS[command] if length is None else length),
    ]


def limited_package(pkt: bytes, length: int, who: str) -> bytes:
    """The head of a package with its *length*, which is refused where a source refuses to send it."""
    if length > MAX_VM_CMD_PACKAGED_SIZE and limits():
        raise CraftError(
            "MIG_CMD_PACKAGED",
            f"Unreasonably large packaged state: {length}",
            f"{who} at most {MAX_VM_CMD_PACKAGED_SIZE}; build inside unchecked() to send it anyway",
        )
    return pkt[:5] + length.to_bytes(4, "big")


class _Command(Pdu):
    """What all commands have in common: the display-filter names of the frame."""

    abbrevs: ClassVar[dict[str, str]] = {"type": "section.type", "cmd": "command", "length": "command.length"}
    labels: ClassVar[dict[str, str]] = {"cmd": "Command", "length": "Length of payload"}


class MigCommand(_Command):
    """``08 command(2) length(2) payload(length)``: a command with a number or length that QEMU does not have.

    migration/savevm.c:loadvm_process_command() (10.0).
    """

    label = "MIG_CMD"
    group = "command"
    fields_desc = [
        section_type(SectionType.QEMU_VM_COMMAND),
        ShortEnumField("cmd", 0, COMMANDS),
        FieldLenField("length", None, fmt="!H", length_of="data"),
        PayloadField("data", b"", length_from=F.length),
    ]


class MigCmdOpenReturnPath(_Command):
    """``08 0001 0000``: the destination may write to the return path from now on (:mod:`.return_path`).

    A second one is ignored with "CMD_OPEN_RETURN_PATH called when RP already open".
    migration/savevm.c:loadvm_process_command() (10.0), since 2.5.
    """

    label = "MIG_CMD_OPEN_RETURN_PATH"
    fields_desc = frame(Command.MIG_CMD_OPEN_RETURN_PATH)


class MigCmdPing(_Command):
    """``08 0002 0004 value(4)``: the destination answers with a PONG of the same value when it has come so far.

    The source sends 1 behind OPEN_RETURN_PATH, 2 in front of a package, 3 inside it, 4 behind it and, since 10.2,
    0x42 as the last PING inside it.  Without a return path: "CMD_PING (0x%x) received with no return path".
    migration/savevm.c:loadvm_process_command(), qemu_savevm_send_ping() (10.0), since 2.5.
    """

    label = "MIG_CMD_PING"
    group = "ping"
    fields_desc = [*frame(Command.MIG_CMD_PING), XIntField("value", 0)]


class MigCmdPostcopyAdvise(_Command):
    """``08 0003 0010 page_size_summary(8) target_page_size(8)``: postcopy may follow.

    *page_size_summary* is the bitwise OR of the page sizes of all migratable RAM blocks (2.5 to 2.8: the host's page
    size); where more than one bit is set, blocks differ, and the block list has a page size with some of its entries.
    Both must equal the destination's own: "Postcopy needs matching RAM page sizes (s=%x d=%x)", "Postcopy needs
    matching target page sizes (s=%d d=%d)".  Any other length than 0 and 16: "CMD_POSTCOPY_ADVISE invalid length
    (%d)".  migration/savevm.c:loadvm_postcopy_handle_advise() (10.0), since 2.5.
    """

    label = "MIG_CMD_POSTCOPY_ADVISE"
    group = "advise"
    fields_desc = [
        *frame(Command.MIG_CMD_POSTCOPY_ADVISE, ADVISE_LENGTHS[1]),
        XLongField("page_size_summary", DEFAULT_PAGE_SIZE),
        XLongField("target_page_size", DEFAULT_PAGE_SIZE),
    ]


class MigCmdPostcopyAdviseBitmaps(_Command):
    """``08 0003 0000``: postcopy of dirty bitmaps may follow, but none of RAM.

    migration/savevm.c:loadvm_postcopy_handle_advise() (10.0), since 2.12.
    """

    label = "MIG_CMD_POSTCOPY_ADVISE"
    group = "advise"
    fields_desc = frame(Command.MIG_CMD_POSTCOPY_ADVISE, ADVISE_LENGTHS[0])


class MigCmdPostcopyListen(_Command):
    """``08 0004 0000``: the destination reads what follows on the connection from a thread of its own from now on.

    Inside a package.  In any other state than ADVISE and DISCARD: "CMD_POSTCOPY_LISTEN in wrong postcopy state (%d)".
    migration/savevm.c:loadvm_postcopy_handle_listen() (10.0), since 2.5.
    """

    label = "MIG_CMD_POSTCOPY_LISTEN"
    fields_desc = frame(Command.MIG_CMD_POSTCOPY_LISTEN)


class MigCmdPostcopyRun(_Command):
    """``08 0005 0000``: the destination's guest runs.  The last command of a package; what follows it is ignored.

    In any other state than LISTENING: "CMD_POSTCOPY_RUN in wrong postcopy state (%d)".
    migration/savevm.c:loadvm_postcopy_handle_run() (10.0), since 2.5.
    """

    label = "MIG_CMD_POSTCOPY_RUN"
    fields_desc = frame(Command.MIG_CMD_POSTCOPY_RUN)


class MigCmdPostcopyRamDiscard(_Command):
    """``08 0006 length(2) version(1) str8(block) 00``, then ranges: pages of a block that the destination throws away.

    *length* is that of the version, the name, the NUL and at least one :class:`RamDiscardRange`; a sender puts at most
    twelve into one command.  Errors: "CMD_POSTCOPY_RAM_DISCARD invalid length (%d)", "... invalid version (%d)",
    "... missing nil (%d)", "... in wrong postcopy state (%d)".  A length left out covers the ranges that follow.
    migration/savevm.c:loadvm_postcopy_ram_handle_discard() (10.0), since 2.5.
    """

    label = "MIG_CMD_POSTCOPY_RAM_DISCARD"
    group = "discard"
    labels: ClassVar[dict[str, str]] = {
        **_Command.labels,
        "block": "RAM block",
        "block_length": "Length of name",
    }
    fields_desc = [
        section_type(SectionType.QEMU_VM_COMMAND),
        ShortEnumField("cmd", int(Command.MIG_CMD_POSTCOPY_RAM_DISCARD), COMMANDS),
        ShortField("length", None),
        ByteField("version", POSTCOPY_RAM_DISCARD_VERSION),
        FieldLenField("block_length", None, fmt="B", length_of="block"),
        StrLenField("block", b"", length_from=F.block_length),
        ByteField("nil", 0),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Cover the rest of the command and the ranges that follow."""
        if self.length is None:
            length = len(pkt) - 5 + RAM_DISCARD_RANGE * len(self.followers(RamDiscardRange))
            pkt = pkt[:3] + length.to_bytes(2, "big") + pkt[5:]
        return pkt + pay


class RamDiscardRange(Pdu):
    """``start(8) length(8)``: octets of the block, multiples of the host's page size.

    Errors: "ram_discard_range: Failed to find block '%s'", "ram_block_discard_range: Overrun block '%s'".
    migration/savevm.c:loadvm_postcopy_ram_handle_discard() (10.0), since 2.5.
    """

    label = "Discarded range"
    group = "discard"
    abbrevs = {"length": "discard.range_length"}
    fields_desc = [XLongField("start", 0), XLongField("length", 0)]


class MigCmdPackaged(_Command):
    """``08 0007 0004 packaged_length(4)``, then that many octets: sections and commands to be loaded as a whole.

    The octets are a list of sections and commands without a header, as on the connection itself, with the same section
    ids.  The destination acts on nothing inside before it has them all ("CMD_PACKAGED: Buffer receive fail ret=%d
    length=%u").  They end in POSTCOPY_RUN or EOF, else the load fails with EIO.

    Up to 2.11 the length is limited to 16 MiB on both sides: "Unreasonably large packaged state: %u"; since 2.12 it
    is not (MAX_VM_CMD_PACKAGED_SIZE is UINT32_MAX).  A length left out is that of everything that follows, and one
    above 16 MiB is refused when a command is built, unless inside :func:`.limits.unchecked`.
    migration/savevm.c:loadvm_handle_cmd_packaged(), qemu_savevm_send_packaged() (10.0), since 2.5.
    """

    label = "MIG_CMD_PACKAGED"
    group = "packaged"
    abbrevs: ClassVar[dict[str, str]] = {**_Command.abbrevs, "packaged_length": "packaged.length"}
    labels: ClassVar[dict[str, str]] = {**_Command.labels, "packaged_length": "Length of package"}
    fields_desc = [*frame(Command.MIG_CMD_PACKAGED), IntField("packaged_length", None)]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Measure what follows, and refuse what QEMU refuses to send."""
        length = len(pay) if self.packaged_length is None else self.packaged_length
        return limited_package(pkt, length, "QEMU 2.5 to 2.11 take") + pay


class MigCmdEnableColo(_Command):
    """``08 0008 0000``: after this migration checkpoints follow (COLO).

    From 3.1 to 10.2; refused from 11.0 on ("MIG_CMD 0x8 deprecated (len 0x0)"), and by 10.0 without x-colo.  In 3.0
    this is the number of POSTCOPY_RESUME.  migration/savevm.c:loadvm_process_enable_colo() (10.0).
    """

    label = "MIG_CMD_ENABLE_COLO"
    fields_desc = frame(Command.MIG_CMD_ENABLE_COLO)


class MigCmdPostcopyResume(_Command):
    """``08 0009 0000``: the last command of a recovery's head; the destination answers with RESUME_ACK.

    Number 8 in release 3.0.  Outside of a recovery it is ignored: "illegal resume received".
    migration/savevm.c:loadvm_postcopy_handle_resume() (10.0), since 3.0.
    """

    label = "MIG_CMD_POSTCOPY_RESUME"
    fields_desc = frame(Command.MIG_CMD_POSTCOPY_RESUME)


class MigCmdRecvBitmap(_Command):
    """``08 000a length(2) str8(block)``: which pages of this block have arrived?  Answered by RECV_BITMAP.

    *length* is 1 + that of the name ("loadvm_handle_recv_bitmap: invalid payload length (%d)").  Number 9 in release
    3.0.  migration/savevm.c:loadvm_handle_recv_bitmap() (10.0), since 3.0.
    """

    label = "MIG_CMD_RECV_BITMAP"
    group = "recv_bitmap"
    labels: ClassVar[dict[str, str]] = {
        **_Command.labels,
        "block": "RAM block",
        "block_length": "Length of name",
    }
    fields_desc = [
        section_type(SectionType.QEMU_VM_COMMAND),
        ShortEnumField("cmd", int(Command.MIG_CMD_RECV_BITMAP), COMMANDS),
        FieldLenField("length", None, fmt="!H", length_of="block", adjust=lambda _, octets: octets + 1),
        FieldLenField("block_length", None, fmt="B", length_of="block"),
        StrLenField("block", b"", length_from=F.block_length),
    ]


class MigCmdSwitchoverStart(_Command):
    """``08 000b 0000``: the source's guest stands still, the last iteration follows.

    With machine types from 10.0 on.  Older releases: "MIG_CMD 0xb unknown (len 0x0)".
    migration/savevm.c:loadvm_postcopy_handle_switchover_start() (10.0).
    """

    label = "MIG_CMD_SWITCHOVER_START"
    fields_desc = frame(Command.MIG_CMD_SWITCHOVER_START)
