# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: the return path before the merge, as a table
# scapy.contrib.status = skip
"""The return path of the postcopy series before 2.5: SHUT and PONG of today, and one REQ_PAGES for both of today's.

``message`` (:mod:`.stream_return_path`) comes here once the other direction has told the dialect.  The source compares
lengths with the longest that it accepts and no more; what is shorter is read as a frame with octets here.
"""

from __future__ import annotations

from typing import Any

from ...declare import E, F, Finding, Rule, S, State, both, peek, text
from .constants import MESSAGE_LENGTHS, Message
from .dialects import NAMED_REQUEST, REQ_PAGES_HEAD, REQ_PAGES_MAX
from .findings import error
from .parameters import REQUESTS
from .premerge import PremergeReqPages
from .return_path import RpMessage, RpPong, RpShut
from .stream_premerge import DIALECT
from .stream_return_path import BLOCK, EARLY, SIBLING_ERROR

SHUT, PONG, REQUEST = Message.MIG_RP_MSG_SHUT, Message.MIG_RP_MSG_PONG, Message.MIG_RP_MSG_REQ_PAGES_ID
"""The three that exist; REQ_PAGES has the number that is REQ_PAGES_ID's today."""

LENGTH, LOW_OCTET, NAME_LENGTH = peek(2, 2), peek(REQ_PAGES_HEAD + 3, 1), peek(REQ_PAGES_HEAD + 4, 1)
NAMED = LOW_OCTET & NAMED_REQUEST
WITH_NAME = NAME_LENGTH + (REQ_PAGES_HEAD + 1)
READABLE = both(LENGTH >= REQ_PAGES_HEAD, LENGTH <= REQ_PAGES_MAX)


def request_findings(block: E) -> tuple[Finding, ...]:
    """What can be wrong with a request for pages of *block*; one that is not aligned is rounded by the source."""
    length = S.lengths.get(block, -1)
    return (
        error("rp_no_previous_block", "ram_save_queue_pages no previous block", when=both(S.whole == 1, block == b"")),
        error(
            "rp_request_block",
            "ram_save_queue_pages no block '%s'",
            block,
            when=both(S.listed == 1, block != b"", length == -1),
        ),
        error(
            "rp_request_overrun",
            "ram_save_queue_pages request overrun start=%x len=%x blocklen=%x",
            F.start,
            F.request_length,
            length,
            when=both(length != -1, F.start + F.request_length > length),
        ),
    )


def request(named: bool, expected: E | int) -> Rule:
    """REQ_PAGES, with or without the block's name."""
    block = F.block if named else S.block
    return Rule(
        PremergeReqPages,
        match={"type": int(REQUEST)},
        when=both(READABLE, NAMED == int(named), LENGTH == expected),
        count=REQUESTS,
        do=((S.block, F.block),) if named else (),
        notes=(DIALECT,) if named else (DIALECT, BLOCK),
        findings=request_findings(block),
        info=text("MIG_RP_CMD_REQ_PAGES %s 0x%x", block, F.start),
    )


def bad_request(named: bool, expected: E | int) -> Rule:
    """REQ_PAGES whose length is not the one that the name makes."""
    wrong = error("rp_request_length", "RP: Req_Page with length %d expecting %d", F.length, expected)
    return Rule(
        RpMessage,
        match={"type": int(REQUEST)},
        when=both(READABLE, LENGTH > REQ_PAGES_HEAD, NAMED == int(named)),
        notes=(DIALECT,),
        findings=(wrong,),
        info=text("message 0x%04x", F.type),
    )


def fixed(pdu: type, info: Any, *findings: Finding, do: Any = ()) -> Rule:
    """A message that is as it is today."""
    return Rule(pdu, match=("type", "length"), do=do, notes=(DIALECT,), findings=findings, info=info)


UNKNOWN = error(
    "rp_unknown",
    "RP: Received invalid cmd 0x%04x length 0x%04x",
    F.type,
    F.length,
    when=F.type.isin(*(int(m) for m in (SHUT, PONG, REQUEST))) == 0,
)
BAD_LENGTH = error(
    "rp_length",
    f"RP: Received command 0x%04x withincorrect length %d expecting {MESSAGE_LENGTHS[PONG]}",
    F.type,
    F.length,
    when=F.type.isin(int(SHUT), int(PONG)),
)
LONG_REQUEST = error(
    "rp_request_length",
    f"RP: Received command 0x%04x withincorrect length %d expecting {REQ_PAGES_MAX}",
    F.type,
    F.length,
    when=both(F.type == int(REQUEST), F.length > REQ_PAGES_MAX),
)
SHORT_REQUEST = error(
    "rp_request_length",
    f"RP: Req_Page with length %d expecting {REQ_PAGES_HEAD}",
    F.length,
    when=both(F.type == int(REQUEST), F.length < REQ_PAGES_HEAD),
)

MESSAGE = State(
    "premerge_message",
    request(True, WITH_NAME),
    request(False, REQ_PAGES_HEAD),
    fixed(RpPong, text("MIG_RP_CMD_PONG 0x%x", F.value), EARLY),
    fixed(RpShut, text("MIG_RP_CMD_SHUT %d", F.status), SIBLING_ERROR, EARLY, do=((S.shut, 1),)),
    bad_request(True, WITH_NAME),
    bad_request(False, REQ_PAGES_HEAD),
    Rule(
        RpMessage,
        notes=(DIALECT,),
        findings=(UNKNOWN, BAD_LENGTH, LONG_REQUEST, SHORT_REQUEST),
        info=text("message 0x%04x", F.type),
    ),
    doc="A message of the postcopy series before 2.5.",
)

STATES = (MESSAGE,)
