# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: the return path as a table
# scapy.contrib.status = skip
"""The return path: one message after another.

A rule for each message with the length that it must have; what is left is read as a frame with octets and reported,
since the frame still says where it ends.  Requests are checked against the RAM blocks that the main channel listed.
The texts of findings are those that the source logs or (since 8.2) fails with.
"""

from __future__ import annotations

from ...declare import E, F, Finding, Note, P, Rule, S, State, both, choose, either, not_, peek, text
from .colo import ColoMessage
from .constants import (
    MESSAGE_LENGTHS,
    MIGRATION_RESUME_ACK_VALUE,
    RAMBLOCK_RECV_BITMAP_ENDING,
    REQ_PAGES_ID_HEAD,
    RP_BUFFER,
    ColoMessageType,
    Message,
    short,
)
from .dialects import RELEASE
from .findings import error, warn
from .parameters import OFF, ON, REQUESTS
from .return_path import (
    RpMessage,
    RpPong,
    RpRecvBitmap,
    RpRecvBitmapEnd,
    RpReqPages,
    RpReqPagesId,
    RpResumeAck,
    RpShut,
    RpSwitchoverAck,
)

FIXED = ("type", "length")
NAMED = ("type",)

MESSAGE_NAME = choose(F.type, {int(m): short(m).encode() for m in Message}, b"")
FIXED_LENGTH = choose(F.type, {int(m): n for m, n in MESSAGE_LENGTHS.items()}, 0)

UNKNOWN_MESSAGE = error(
    "rp_unknown",
    "Received invalid message 0x%04x length 0x%04x",
    F.type,
    F.length,
    when=not_(F.type.isin(*(int(m) for m in Message))),
)
BAD_LENGTH = error(
    "rp_length",
    "Received '%s' message (0x%04x) withincorrect length %d expecting %d",
    MESSAGE_NAME,
    F.type,
    F.length,
    FIXED_LENGTH,
    when=both(F.type.isin(*(int(m) for m in MESSAGE_LENGTHS)), F.length != FIXED_LENGTH),
)
ANY_PAYLOAD = (1 << 64) - 1
"""-1 in ``rp_cmd_args``, as QEMU prints it where a payload of any length does not fit into its buffer."""

LONG_MESSAGE = error(
    "rp_long",
    f"Received '%s' message (0x%04x) withincorrect length %d expecting {ANY_PAYLOAD}",
    MESSAGE_NAME,
    F.type,
    F.length,
    when=both(
        F.type.isin(int(Message.MIG_RP_MSG_REQ_PAGES_ID), int(Message.MIG_RP_MSG_RECV_BITMAP)),
        F.length > RP_BUFFER,
    ),
)
REQUEST = int(Message.MIG_RP_MSG_REQ_PAGES_ID)


def bad_request_length(expected: E | int) -> Finding:
    """The name of a REQ_PAGES_ID is not as long as the message says."""
    return error(
        "rp_request_length",
        "Req_Page_id with length %d expecting %d",
        F.length,
        expected,
        when=both(F.type == REQUEST, F.length <= RP_BUFFER),
    )


BAD_BITMAP_LENGTH = error(
    "rp_bitmap_length",
    "MIG_RP_MSG_RECV_BITMAP missing block name",
    when=both(F.type == int(Message.MIG_RP_MSG_RECV_BITMAP), F.length <= RP_BUFFER),
)
SIBLING_ERROR = error("rp_shut", "Sibling indicated error %d", F.status, when=F.status != 0)
NO_PREVIOUS_BLOCK = error(
    "rp_no_previous_block",
    "MIG_RP_MSG_REQ_PAGES has no previous block",
    when=both(S.whole == 1, S.block == b""),
)
ILLEGAL_ACK = error("rp_resume_ack", "illegal resume_ack value %d", F.value, when=F.value != MIGRATION_RESUME_ACK_VALUE)
MISALIGNED = error(
    "rp_misaligned",
    "MIG_RP_MSG_REQ_PAGES: Misaligned page request, start:%x len: %d",
    F.start,
    F.request_length,
    when=(F.start | F.request_length) % S.page_size != 0,
)
END_MARK = error(
    "rp_bitmap_end",
    "ramblock '%s' end mark incorrect: 0x%x",
    S.bitmap_block,
    F.mark,
    when=F.mark != RAMBLOCK_RECV_BITMAP_ENDING,
)
EARLY = warn("rp_early", "a message before MIG_CMD_OPEN_RETURN_PATH", when=both(S.whole == 1, S.return_path == 0))
"""Nobody reads the return path before it is open."""
BAD_BITMAP_BLOCK = error(
    "rp_bitmap_block",
    "MIG_RP_MSG_RECV_BITMAP has invalid block name '%s'",
    F.block,
    when=both(S.listed == 1, S.lengths.get(F.block, -1) == -1),
)
BITMAP_SIZE = (S.lengths.get(F.block, 0) + S.page_size * 64 - 1) // (S.page_size * 64) * 8
"""Octets of a bitmap with a bit for each target page, in 64-bit words."""
BAD_BITMAP_SIZE = error(
    "rp_bitmap_size",
    "ramblock '%s' bitmap size mismatch (0x%x != 0x%x)",
    F.block,
    F.size,
    BITMAP_SIZE,
    when=both(S.lengths.get(F.block, -1) != -1, F.size != BITMAP_SIZE),
)


def request_findings(block: E) -> tuple[Finding, ...]:
    """What can be wrong with a request for pages of *block*."""
    length = S.lengths.get(block, -1)
    return (
        MISALIGNED,
        error(
            "rp_request_block",
            "MIG_RP_MSG_REQ_PAGES has no block '%s'",
            block,
            when=both(S.listed == 1, block != b"", length == -1),
        ),
        error(
            "rp_request_overrun",
            "MIG_RP_MSG_REQ_PAGES request overrun, start=%x len=%x blocklen=%x",
            F.start,
            F.request_length,
            length,
            when=both(length != -1, F.start + F.request_length > length),
        ),
    )


BLOCK = Note("rp.block", "RAM block", S.block, type="string", when=S.block != b"")
LENGTH, REQUEST_NAME_LENGTH, BITMAP_NAME_LENGTH = peek(2, 2), peek(REQ_PAGES_ID_HEAD + 3, 1), peek(4, 1)

REQUEST_FITS = both(LENGTH >= REQ_PAGES_ID_HEAD, LENGTH <= RP_BUFFER, LENGTH == REQUEST_NAME_LENGTH + REQ_PAGES_ID_HEAD)
"""REQ_PAGES_ID's length is that of its head and the name."""

BITMAP_FITS = both(LENGTH > 1, LENGTH <= RP_BUFFER, LENGTH == BITMAP_NAME_LENGTH + 1)
"""RECV_BITMAP's length is that of the name."""

ANSWERS = (
    int(ColoMessageType.COLO_MESSAGE_CHECKPOINT_READY),
    int(ColoMessageType.COLO_MESSAGE_CHECKPOINT_REPLY),
    int(ColoMessageType.COLO_MESSAGE_VMSTATE_RECEIVED),
    int(ColoMessageType.COLO_MESSAGE_VMSTATE_LOADED),
)
"""COLO's words of the destination, where no message can be: no message has type 0."""

MESSAGE = State(
    "message",
    Rule(when=S.dialect > RELEASE, goto="premerge_message"),
    Rule(
        RpReqPages,
        match=FIXED,
        count=REQUESTS,
        findings=(NO_PREVIOUS_BLOCK, *request_findings(S.block)),
        notes=(BLOCK,),
        info=text("MIG_RP_MSG_REQ_PAGES 0x%x", F.start),
    ),
    Rule(
        RpReqPagesId,
        match=NAMED,
        when=REQUEST_FITS,
        do=((S.block, F.block),),
        count=REQUESTS,
        findings=request_findings(F.block),
        info=text("MIG_RP_MSG_REQ_PAGES_ID %s 0x%x", F.block, F.start),
    ),
    Rule(
        ColoMessage,
        match={"message": ANSWERS},
        when=both(P.colo != OFF, either(P.colo == ON, S.shut == 1, both(S.whole == 1, S.return_path == 0))),
        info="COLO",
    ),
    Rule(RpPong, match=FIXED, findings=(EARLY,), info=text("MIG_RP_MSG_PONG 0x%x", F.value)),
    Rule(
        RpShut,
        match=FIXED,
        do=((S.shut, 1),),
        findings=(SIBLING_ERROR, EARLY),
        info=text("MIG_RP_MSG_SHUT %d", F.status),
    ),
    Rule(
        RpRecvBitmap,
        match=NAMED,
        when=BITMAP_FITS,
        goto="bitmap_end",
        do=((S.bitmap_block, F.block),),
        findings=(BAD_BITMAP_BLOCK, BAD_BITMAP_SIZE),
        info=text("MIG_RP_MSG_RECV_BITMAP %s", F.block),
    ),
    Rule(RpResumeAck, match=FIXED, findings=(ILLEGAL_ACK,), info=text("MIG_RP_MSG_RESUME_ACK %d", F.value)),
    Rule(RpSwitchoverAck, match=FIXED, findings=(EARLY,), info="MIG_RP_MSG_SWITCHOVER_ACK"),
    Rule(
        RpMessage,
        match={"type": REQUEST},
        when=both(LENGTH >= REQ_PAGES_ID_HEAD, LENGTH <= RP_BUFFER),
        findings=(bad_request_length(REQUEST_NAME_LENGTH + REQ_PAGES_ID_HEAD),),
        info=text("message 0x%04x", F.type),
    ),
    Rule(
        RpMessage,
        findings=(
            UNKNOWN_MESSAGE,
            BAD_LENGTH,
            LONG_MESSAGE,
            bad_request_length(REQ_PAGES_ID_HEAD),
            BAD_BITMAP_LENGTH,
        ),
        info=text("message 0x%04x", F.type),
    ),
    doc="One message after another.",
)

BITMAP_END = State(
    "bitmap_end",
    Rule(RpRecvBitmapEnd, goto="message", findings=(END_MARK,)),
    doc="Behind the bitmap of RECV_BITMAP.",
)

STATES = (MESSAGE, BITMAP_END)
