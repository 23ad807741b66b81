# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: return path
# scapy.contrib.status = loads
"""The return path: what the destination tells the source, on the same connection as the main channel (since 2.5).

It opens with MIG_CMD_OPEN_RETURN_PATH and has no greeting; a recovery connection has one from its first octet on.
Every message has the same frame::

    type(2) length(2) payload(length)

The source ends the migration at a type that it does not know ("Received invalid message 0x%04x length 0x%04x"), at a
wrong length ("Received '%s' message (0x%04x) withincorrect length %d expecting %zu": the missing blank is QEMU's) and
at a payload of more than 512 octets, the size of its buffer.  One class here is one message; :class:`RpMessage` is a
frame with octets, for types and lengths that do not exist.

RECV_BITMAP is the exception: the bitmap follows *behind* the message and is not counted in its length.

Sources: migration/migration.c:source_return_path_thread(), rp_cmd_args, migrate_send_rp_message() (10.0).
"""

from __future__ import annotations

from typing import Any, ClassVar

from scapy.fields import (
    FieldLenField,
    IntField,
    ShortEnumField,
    ShortField,
    StrLenField,
    XIntField,
    XLongField,
)

from ...declare import F
from ..fields import PayloadField
from ..pdu import Pdu
from .constants import (
    DEFAULT_PAGE_SIZE,
    MESSAGE_LENGTHS,
    MIGRATION_RESUME_ACK_VALUE,
    RAMBLOCK_RECV_BITMAP_ENDING,
    REQ_PAGES_ID_HEAD,
    Message,
    names,
)

__all__ = [
    "RpMessage",
    "RpPong",
    "RpRecvBitmap",
    "RpRecvBitmapEnd",
    "RpReqPages",
    "RpReqPagesId",
    "RpResumeAck",
    "RpShut",
    "RpSwitchoverAck",
]

MESSAGES = names(Message)


def frame(message: Message) -> list[Any]:
    """Type and length of a message whose length is fixed."""
    return [ShortEnumField("type", int(message), MESSAGES), ShortField("length", MESSAGE_LENGTHS[message])]


def named_frame(message: Message, head: int) -> list[Any]:
    """Type and length of a message that ends in a block's name, *head* octets in front of the name."""
    return [
        ShortEnumField("type", int(message), MESSAGES),
        FieldLenField("length", None, fmt="!H", length_of="block", adjust=lambda _, octets: octets + head),
    ]


class _Message(Pdu):
    """What all messages have in common: the display-filter names."""

    group = "rp"
    labels: ClassVar[dict[str, str]] = {
        "type": "Message",
        "length": "Length of payload",
        "block": "RAM block",
        "block_length": "Length of name",
        "request_length": "Octets requested",
    }


class RpMessage(_Message):
    """``type(2) length(2) payload(length)``: a message with a type or length that QEMU does not have.

    migration/migration.c:source_return_path_thread() (10.0).
    """

    label = "MIG_RP_MSG"
    fields_desc = [
        ShortEnumField("type", 0, MESSAGES),
        FieldLenField("length", None, fmt="!H", length_of="data"),
        PayloadField("data", b"", length_from=F.length),
    ]


class RpShut(_Message):
    """``0001 0004 status(4)``: the last message; 0 when all was loaded, anything else when it was not.

    The source remarks "Sibling indicated error %d" and fails.
    migration/migration.c:migrate_send_rp_shut() (10.0), since 2.5.
    """

    label = "MIG_RP_MSG_SHUT"
    fields_desc = [*frame(Message.MIG_RP_MSG_SHUT), IntField("status", 0)]


class RpPong(_Message):
    """``0002 0004 value(4)``: the value of a PING, sent when everything in front of it was loaded.

    After POSTCOPY_LISTEN two readers load side by side, so that the PONG of a PING inside a package can come later
    than that of one behind it.  migration/migration.c:migrate_send_rp_pong() (10.0), since 2.5.
    """

    label = "MIG_RP_MSG_PONG"
    fields_desc = [*frame(Message.MIG_RP_MSG_PONG), XIntField("value", 0)]


class RpReqPagesId(_Message):
    """``0003 length(2) start(8) request_length(4) str8(block)``: the guest waits for these octets of this block.

    *start* and *request_length* are octets in the block, multiples of its page size.  The block is also the one of the
    REQ_PAGES that follow.  *length* is 13 + that of the name ("Req_Page_id with length %d expecting %zd").  Errors:
    "MIG_RP_MSG_REQ_PAGES has no block '%s'", "... Misaligned page request", "... request overrun".
    migration/migration.c:migrate_send_rp_message_req_pages() (10.0), since 2.5.
    """

    label = "MIG_RP_MSG_REQ_PAGES_ID"
    fields_desc = [
        *named_frame(Message.MIG_RP_MSG_REQ_PAGES_ID, REQ_PAGES_ID_HEAD),
        XLongField("start", 0),
        XIntField("request_length", DEFAULT_PAGE_SIZE),
        FieldLenField("block_length", None, fmt="B", length_of="block"),
        StrLenField("block", b"", length_from=F.block_length),
    ]


class RpReqPages(_Message):
    """``0004 000c start(8) request_length(4)``: as REQ_PAGES_ID, in the block that the last one named.

    The first request on a connection always names its block: "MIG_RP_MSG_REQ_PAGES has no previous block".
    migration/migration.c:migrate_send_rp_message_req_pages() (10.0), since 2.5.
    """

    label = "MIG_RP_MSG_REQ_PAGES"
    fields_desc = [
        *frame(Message.MIG_RP_MSG_REQ_PAGES),
        XLongField("start", 0),
        XIntField("request_length", DEFAULT_PAGE_SIZE),
    ]


class RpRecvBitmap(_Message):
    """``0005 length(2) str8(block)``, uncounted behind it ``size(8) bitmap(size)``: the pages of a block that arrived.

    *size* is 8 * ceil(pages / 64) with target pages, whatever the block's own page size.  Page *k* is bit ``k % 8``
    of octet ``k / 8``, 1 if it has arrived.  :class:`RpRecvBitmapEnd` follows.  Answers the command RECV_BITMAP.
    migration/ram.c:ramblock_recv_bitmap_send() (10.0), since 3.0.
    """

    label = "MIG_RP_MSG_RECV_BITMAP"
    abbrevs = {"size": "rp.bitmap_size", "bitmap": "rp.bitmap"}
    labels: ClassVar[dict[str, str]] = {**_Message.labels, "size": "Octets of bitmap"}
    fields_desc = [
        *named_frame(Message.MIG_RP_MSG_RECV_BITMAP, 1),
        FieldLenField("block_length", None, fmt="B", length_of="block"),
        StrLenField("block", b"", length_from=F.block_length),
        FieldLenField("size", None, fmt="!Q", length_of="bitmap"),
        PayloadField("bitmap", b"", length_from=F.size),
    ]


class RpRecvBitmapEnd(_Message):
    """``0123456789abcdef``: the mark behind a bitmap ("ramblock '%s' end mark incorrect: 0x%x").

    migration/ram.c:ram_dirty_bitmap_reload() (10.0), since 3.0.
    """

    label = "RAMBLOCK_RECV_BITMAP_ENDING"
    abbrevs = {"mark": "rp.bitmap_end"}
    labels: ClassVar[dict[str, str]] = {"mark": "End mark of bitmap"}
    fields_desc = [XLongField("mark", RAMBLOCK_RECV_BITMAP_ENDING)]


class RpResumeAck(_Message):
    """``0006 0004 00000001``: the destination is ready to go on; answers the command POSTCOPY_RESUME.

    Any other value: "illegal resume_ack value %d".
    migration/migration.c:migrate_send_rp_resume_ack() (10.0), since 3.0.
    """

    label = "MIG_RP_MSG_RESUME_ACK"
    fields_desc = [*frame(Message.MIG_RP_MSG_RESUME_ACK), XIntField("value", MIGRATION_RESUME_ACK_VALUE)]


class RpSwitchoverAck(_Message):
    """``0007 0000``: with the capability switchover-ack, the source may not switch over before this.

    Once for all devices from 8.1 to 11.0; with machine types from 11.1 on, once for each device that asked for it
    ("Switchover ack pending num underflowed" when one comes unasked).
    migration/migration.c:migrate_send_rp_switchover_ack() (10.0), since 8.1.
    """

    label = "MIG_RP_MSG_SWITCHOVER_ACK"
    fields_desc = frame(Message.MIG_RP_MSG_SWITCHOVER_ACK)
