# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: commands before the merge, as a table
# scapy.contrib.status = skip
"""What the postcopy series before 2.5 said between sections, and on its return path.

``section`` and ``package`` (:mod:`.stream_section`) come here when a command of the dialect stands ahead, ``message``
(:mod:`.stream_return_path`) once the dialect is known.  One state serves both places: inside a package a command goes
on in it, outside on the connection.

The dialect is told by the first command.  A release begins with a configuration, whose type octet is v5's octet for
commands; but number and length of a command, read as the length of a machine's name, are more than any name has.
Behind that, v6 and v7 differ from v5 in RAM_DISCARD alone.

The texts are v5's.  The postcopy state has no DISCARD there, so LISTENING is 2 and RUNNING 3.
"""

from __future__ import annotations

from typing import Any

from ...declare import E, F, Finding, Note, P, Rule, S, State, both, either, iif, not_, peek, text
from . import findings as f
from .constants import (
    MAX_VM_CMD_PACKAGED_SIZE,
    RAM_DISCARD_HEAD,
    RAM_DISCARD_MIN,
    RAM_DISCARD_RANGE,
    TARGET_PAGE_SIZES,
    PostcopyState,
)
from .dialects import (
    AUTOMATIC,
    DIALECTS,
    MASK_HEAD,
    MASK_SIZE,
    MASKS_MIN,
    RELEASE,
    SECTION_TYPE,
    SERIES_LENGTHS,
    TITLE,
    V5,
    V6,
    SeriesCommand,
    number,
)
from .findings import error
from .premerge import (
    PremergeCommand,
    PremergeDiscardMask,
    PremergeDiscardRange,
    PremergeOpenReturnPath,
    PremergePackaged,
    PremergePing,
    PremergePostcopyAdvise,
    PremergePostcopyEnd,
    PremergePostcopyListen,
    PremergePostcopyRun,
    PremergeRamDiscard,
    PremergeRamDiscardMasks,
)
from .registers import TOLD

NONE, ADVISE, _, LISTENING, RUNNING = PostcopyState
PING, PACKAGED = SeriesCommand.MIG_CMD_PING, SeriesCommand.MIG_CMD_PACKAGED
DISCARD, END = SeriesCommand.MIG_CMD_POSTCOPY_RAM_DISCARD, SeriesCommand.MIG_CMD_POSTCOPY_END

SPOKEN = S.dialect > RELEASE
"""One of these dialects is being read."""

COMMAND_AHEAD = both(SPOKEN, peek(0, 1) == SECTION_TYPE)
"""A command of the dialect is ahead, whatever its number."""

OUTSIDE, INSIDE = S.package == 0, S.package == 1
LENGTH, NAME_LENGTH, MASKED_NAME_LENGTH = peek(3, 2), peek(6, 1), peek(7, 1)

MASKS_FIT = both(
    LENGTH >= MASKS_MIN,
    LENGTH >= MASKED_NAME_LENGTH + MASK_HEAD,
    (LENGTH - MASKED_NAME_LENGTH - MASK_HEAD) % MASK_SIZE == 0,
)
RANGES_FIT = both(
    LENGTH >= RAM_DISCARD_MIN,
    LENGTH >= NAME_LENGTH + RAM_DISCARD_HEAD,
    (LENGTH - NAME_LENGTH - RAM_DISCARD_HEAD) % RAM_DISCARD_RANGE == 0,
)
DIALECT = Note("dialect", "Dialect", TITLE, type="string")

V6_DISCARD = next(d.numbers[DISCARD] for d in DIALECTS if d.value == V6)
"""In v5 this is the number of POSTCOPY_END, whose length is 1."""

VALID_PAGE_SIZE = F.target_page_size.isin(*TARGET_PAGE_SIZES)
STATE_NUMBER = iif(S.postcopy > int(ADVISE), S.postcopy - 1, S.postcopy)


def dialect_rules(*where: E) -> tuple[Rule, ...]:
    """Nobody has said which dialect it is, and a command of v5 (or v6 or v7) or of v4 is ahead."""
    unknown = both(P.dialect == AUTOMATIC, S.dialect == AUTOMATIC)
    return tuple(
        Rule(
            when=both(*where, unknown, peek(0, 1) == dialect.section_type, peek(1, 4).isin(*dialect.frames)),
            goto="premerge",
            do=((S.dialect, dialect.value),),
        )
        for dialect in DIALECTS
        if dialect.value != V6
    )


def said(command: SeriesCommand) -> E:
    """The command ahead is *command*, with the length that it must have."""
    return both(peek(1, 2) == number(command), LENGTH == SERIES_LENGTHS[command])


def wrong_state(name: str, *allowed: PostcopyState) -> Finding:
    """The command comes while the destination is in another state than *allowed*."""
    return error(
        "postcopy_state",
        f"CMD_{name} in wrong postcopy state (%d)",
        STATE_NUMBER,
        when=both(S.whole == 1, not_(S.postcopy.isin(*(int(state) for state in allowed)))),
    )


def command(pdu: type, spoken: E | None = None, *, goto: str = "next", **more: Any) -> Rule:
    """A command; it says which dialect it is of."""
    more.setdefault("info", pdu.label.partition(" ")[0])  # type: ignore[attr-defined]
    return Rule(pdu, when=spoken, goto=goto, notes=(DIALECT,), **more)


def premerge_ping_rule(spoken: E, goto: str, *findings: Finding, do: Any = ()) -> Rule:
    """PING."""
    return command(
        PremergePing,
        spoken,
        goto=goto,
        do=do,
        findings=(f.NO_RETURN_PATH, *findings),
        info=text("MIG_CMD_PING 0x%x", F.value),
    )


UNFINISHED_PING_RULE = premerge_ping_rule(
    both(S.unfinished == 1, COMMAND_AHEAD, said(PING)),
    "section",
    f.UNFINISHED_PACKAGE,
    do=((S.unfinished, 0), (S.package, 0)),
)

UNREASONABLE = error(
    "package_unreasonable",
    "Unreasonably large packaged state: %u",
    F.packaged_length,
    when=F.packaged_length > MAX_VM_CMD_PACKAGED_SIZE,
)
SOURCE_FAILED = error(
    "postcopy_end_status", "CMD_POSTCOPY_END: error on source host (%d)", F.status, when=F.status != 0
)
IN_PACKAGE = error(
    "command_in_package",
    "command 0x%x inside a package: the destination takes its payload from behind the package",
    F.cmd,
)


def bad_length(which: SeriesCommand) -> Finding:
    """A command of fixed length has another one; PACKAGED has a name of its own in this message."""
    name = "POSTCOPY_PACKAGED" if which is PACKAGED else which.name.removeprefix("MIG_CMD_")
    return error(
        "command_length",
        f"CMD_{name} received with bad length - expecting {SERIES_LENGTHS[which]}, got %d",
        F.length,
        when=F.cmd == number(which),
    )


BAD_DISCARD_LENGTH = error(
    "discard_length",
    "CMD_POSTCOPY_RAM_DISCARD invalid length (%d)",
    F.length,
    when=F.cmd == number(DISCARD),
)
UNKNOWN = error(
    "command_unknown",
    "VM_COMMAND 0x%x unknown (len 0x%x)",
    F.cmd,
    F.length,
    when=both(*(F.cmd != number(which) for which in SeriesCommand)),
)

PLAIN_RULES = (
    premerge_ping_rule(said(PING), "next"),
    command(
        PremergeOpenReturnPath,
        said(SeriesCommand.MIG_CMD_OPEN_RETURN_PATH),
        do=((S.return_path, 1),),
        findings=(f.RETURN_PATH_OPEN,),
    ),
    command(
        PremergePostcopyListen,
        said(SeriesCommand.MIG_CMD_POSTCOPY_LISTEN),
        do=((S.postcopy, int(LISTENING)),),
        findings=(wrong_state("POSTCOPY_LISTEN", ADVISE),),
    ),
    *(
        command(
            PremergePostcopyRun,
            both(where, said(SeriesCommand.MIG_CMD_POSTCOPY_RUN)),
            goto=goto,
            do=((S.postcopy, int(RUNNING)), (S.unfinished, 0)),
            findings=(wrong_state("POSTCOPY_RUN", LISTENING),),
        )
        for where, goto in ((INSIDE, "package_rest"), (OUTSIDE, "section"))
    ),
)

IN_PACKAGE_RULE = command(
    PremergeCommand,
    both(INSIDE, either(peek(1, 2) == number(PACKAGED), peek(1, 2) == number(DISCARD))),
    findings=(IN_PACKAGE,),
    info=text("command 0x%x", F.cmd),
)

PAYLOAD_RULES = (
    command(
        PremergePackaged,
        said(PACKAGED),
        info=text("MIG_CMD_PACKAGED %d B", F.packaged_length),
        enter="package",
        size=F.packaged_length,
        goto="unpacked",
        do=((S.package, 1), (S.unfinished, 1)),
        findings=(UNREASONABLE, f.EMPTY_PACKAGE),
    ),
    command(
        PremergePostcopyAdvise,
        said(SeriesCommand.MIG_CMD_POSTCOPY_ADVISE),
        do=(
            (S.postcopy, int(ADVISE)),
            (S.page_size, iif(VALID_PAGE_SIZE, F.target_page_size, S.page_size)),
            (S.page_origin, iif(VALID_PAGE_SIZE, TOLD, S.page_origin)),
        ),
        findings=(wrong_state("POSTCOPY_ADVISE", NONE), f.BAD_TARGET_PAGE_SIZE),
    ),
    command(
        PremergePostcopyEnd,
        said(END),
        findings=(
            error(
                "postcopy_state",
                "CMD_POSTCOPY_END in wrong postcopy state (%d)",
                STATE_NUMBER,
                when=both(S.whole == 1, S.postcopy == int(NONE)),
            ),
            SOURCE_FAILED,
        ),
    ),
    command(
        PremergeRamDiscardMasks,
        both(S.dialect != V6, peek(1, 2) == number(DISCARD), MASKS_FIT),
        do=((S.discarded, F.block), (S.first_bit, F.first_bit_offset)),
        enter="premerge_masks",
        size=F.length - (F.block_length + MASK_HEAD),
        findings=(wrong_state("POSTCOPY_RAM_DISCARD", ADVISE), f.DISCARD_VERSION, f.DISCARD_BLOCK),
        info=text("MIG_CMD_POSTCOPY_RAM_DISCARD %s", F.block),
    ),
    command(
        PremergeRamDiscard,
        both(
            either(S.dialect == V6, both(S.dialect == V5, P.dialect == AUTOMATIC)),
            peek(1, 2) == V6_DISCARD,
            RANGES_FIT,
        ),
        do=((S.discarded, F.block), (S.dialect, V6)),
        enter="premerge_ranges",
        size=F.length - (F.block_length + RAM_DISCARD_HEAD),
        findings=(wrong_state("POSTCOPY_RAM_DISCARD", ADVISE), f.DISCARD_VERSION, f.DISCARD_NIL, f.DISCARD_BLOCK),
        info=text("MIG_CMD_POSTCOPY_RAM_DISCARD %s", F.block),
    ),
)

PREMERGE = State(
    "premerge",
    *PLAIN_RULES,
    IN_PACKAGE_RULE,
    *PAYLOAD_RULES,
    command(
        PremergeCommand,
        findings=(UNKNOWN, BAD_DISCARD_LENGTH, *(bad_length(which) for which in SERIES_LENGTHS)),
        info=text("command 0x%x", F.cmd),
    ),
    doc="A command of the postcopy series before 2.5.",
)

IN_FRONT = error(
    "discard_bits",
    "CMD_POSTCOPY_RAM_DISCARD bad data; bit set prior to block; block=%s offset=%d",
    S.discarded,
    S.first_bit,
    when=both(F.start == 0, F.mask & ((1 << S.first_bit) - 1) != 0),
)
BLOCK_LENGTH = S.lengths.get(S.discarded, -1)
"""Octets of the block that is being discarded; -1: it is not in the list."""


def overrun(start: E, end: E, beyond: E) -> Finding:
    """The destination throws away nothing behind the end of a block."""
    return error(
        "discard_overrun",
        "ram_discard_range: Overrun block '%s' (%d/%d/%d)",
        S.discarded,
        start,
        end,
        BLOCK_LENGTH,
        when=both(BLOCK_LENGTH != -1, beyond),
    )


MASKS = State(
    "premerge_masks",
    Rule(
        PremergeDiscardMask,
        findings=(
            IN_FRONT,
            overrun(
                F.start - S.first_bit,
                F.start - S.first_bit + 31,
                both(F.mask != 0, F.start >= BLOCK_LENGTH // S.page_size + S.first_bit),
            ),
        ),
        info=text("0x%x mask 0x%x", F.start, F.mask),
    ),
    doc="The masks of RAM_DISCARD, up to v5.",
)

RANGES = State(
    "premerge_ranges",
    Rule(
        PremergeDiscardRange,
        findings=(overrun(F.start, F.end - 1, F.end > BLOCK_LENGTH), f.DISCARD_UNALIGNED),
        info=text("0x%x-0x%x", F.start, F.end),
    ),
    doc="The ranges of RAM_DISCARD in v6 and v7.",
)

STATES = (PREMERGE, MASKS, RANGES)
