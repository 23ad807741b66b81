# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: commands as a table
# scapy.contrib.status = skip
"""Commands, outside and inside of a package.

A rule for each command with the length that it must have; what is left is read as a frame with octets and reported,
since the frame still says where it ends.  The destination's postcopy state is followed along (``S.postcopy``), so that
a command in a wrong one is found; a reader that did not see the beginning knows no state and reports none.
"""

from __future__ import annotations

from typing import Any

from ...declare import E, F, Rule, S, State, both, iif, peek, text
from . import findings as f
from .command import (
    MigCmdEnableColo,
    MigCmdOpenReturnPath,
    MigCmdPackaged,
    MigCmdPing,
    MigCmdPostcopyAdvise,
    MigCmdPostcopyAdviseBitmaps,
    MigCmdPostcopyListen,
    MigCmdPostcopyRamDiscard,
    MigCmdPostcopyResume,
    MigCmdPostcopyRun,
    MigCmdRecvBitmap,
    MigCmdSwitchoverStart,
    MigCommand,
    RamDiscardRange,
)
from .constants import (
    COMMAND_3_0_POSTCOPY_RESUME,
    COMMAND_3_0_RECV_BITMAP,
    RAM_DISCARD_HEAD,
    RAM_DISCARD_MIN,
    RAM_DISCARD_RANGE,
    TARGET_PAGE_SIZES,
    Command,
    PostcopyState,
    SectionType,
)
from .registers import TOLD

COMMAND = int(SectionType.QEMU_VM_COMMAND)
NONE, ADVISE, DISCARD, LISTENING, RUNNING = PostcopyState
FIXED = ("type", "cmd", "length")

LENGTH, NAME_LENGTH, DISCARD_NAME_LENGTH = peek(3, 2), peek(5, 1), peek(6, 1)

DISCARD_FITS = both(
    LENGTH >= RAM_DISCARD_MIN,
    LENGTH >= DISCARD_NAME_LENGTH + RAM_DISCARD_HEAD,
    (LENGTH - DISCARD_NAME_LENGTH - RAM_DISCARD_HEAD) % RAM_DISCARD_RANGE == 0,
)
"""RAM_DISCARD's length leaves whole ranges behind the name."""

NAME_FITS = both(LENGTH > 0, LENGTH == NAME_LENGTH + 1)
"""RECV_BITMAP's length is that of the name."""


def fixed(pdu: type, info: Any = None, **more: Any) -> Rule:
    """A command of fixed length."""
    return Rule(pdu, match=FIXED, info=info or pdu.label, **more)  # type: ignore[attr-defined]


def state(value: PostcopyState) -> tuple[tuple[E, Any], ...]:
    """The command leads the destination to this state."""
    return ((S.postcopy, int(value)),)


def ping_rule(unfinished: bool = False) -> Rule:
    """PING; *unfinished*: behind a package that did not end as it should."""
    return Rule(
        MigCmdPing,
        match=FIXED,
        when=S.unfinished == 1 if unfinished else None,
        goto="section" if unfinished else "",
        do=((S.unfinished, 0), (S.package, 0)) if unfinished else (),
        findings=(f.NO_RETURN_PATH, f.UNFINISHED_PACKAGE) if unfinished else (f.NO_RETURN_PATH,),
        info=text("MIG_CMD_PING 0x%x", F.value),
    )


def plain_rules() -> tuple[Rule, ...]:
    """Commands that mean the same outside and inside of a package."""
    return (
        ping_rule(),
        fixed(MigCmdOpenReturnPath, do=((S.return_path, 1),), findings=(f.RETURN_PATH_OPEN,)),
        fixed(
            MigCmdPostcopyListen,
            do=state(LISTENING),
            findings=(f.wrong_state(Command.MIG_CMD_POSTCOPY_LISTEN, ADVISE, DISCARD),),
        ),
        fixed(MigCmdSwitchoverStart),
        fixed(MigCmdPostcopyResume, findings=(f.NOT_RECOVERING,)),
        Rule(
            MigCmdPostcopyResume,
            match={"type": COMMAND, "cmd": COMMAND_3_0_POSTCOPY_RESUME, "length": 0},
            when=S.recovery == 1,
            findings=(f.NUMBERED_AS_3_0,),
            info="MIG_CMD_POSTCOPY_RESUME",
        ),
        fixed(MigCmdEnableColo),
    )


def run_rule(goto: str, *do: tuple[E, Any]) -> Rule:
    """RUN: the guest runs on the destination."""
    return fixed(
        MigCmdPostcopyRun,
        goto=goto,
        do=(*state(RUNNING), *do),
        findings=(f.wrong_state(Command.MIG_CMD_POSTCOPY_RUN, LISTENING),),
    )


ADVISED = f.wrong_state(Command.MIG_CMD_POSTCOPY_ADVISE, NONE)


def advise_rules() -> tuple[Rule, ...]:
    """ADVISE in both its lengths."""
    valid = F.target_page_size.isin(*TARGET_PAGE_SIZES)
    return (
        fixed(
            MigCmdPostcopyAdvise,
            do=(
                *state(ADVISE),
                (S.page_sizes, F.page_size_summary),
                (S.page_size, iif(valid, F.target_page_size, S.page_size)),
                (S.page_origin, iif(valid, TOLD, S.page_origin)),
            ),
            findings=(ADVISED, f.BAD_TARGET_PAGE_SIZE),
        ),
        fixed(MigCmdPostcopyAdviseBitmaps, do=state(ADVISE), findings=(ADVISED,)),
    )


DISCARD_RULE = Rule(
    MigCmdPostcopyRamDiscard,
    match=("type", "cmd"),
    when=DISCARD_FITS,
    do=(*state(DISCARD), (S.discarded, F.block)),
    enter="discard",
    size=F.length - (F.block_length + RAM_DISCARD_HEAD),
    findings=(
        f.wrong_state(Command.MIG_CMD_POSTCOPY_RAM_DISCARD, ADVISE, DISCARD),
        f.DISCARD_VERSION,
        f.DISCARD_NIL,
        f.DISCARD_MANY,
        f.DISCARD_BLOCK,
    ),
    info=text("MIG_CMD_POSTCOPY_RAM_DISCARD %s", F.block),
)


def recv_bitmap_rules() -> tuple[Rule, ...]:
    """RECV_BITMAP, in the numbering of 3.0 too, where POSTCOPY_RESUME has its number without a payload."""
    info = text("MIG_CMD_RECV_BITMAP %s", F.block)
    return (
        Rule(MigCmdRecvBitmap, match=("type", "cmd"), when=NAME_FITS, findings=(f.NOT_RECOVERING,), info=info),
        Rule(
            MigCmdRecvBitmap,
            match={"type": COMMAND, "cmd": COMMAND_3_0_RECV_BITMAP},
            when=NAME_FITS,
            findings=(f.NUMBERED_AS_3_0,),
            info=info,
        ),
    )


PACKAGED_RULE = fixed(
    MigCmdPackaged,
    info=text("MIG_CMD_PACKAGED %d B", F.packaged_length),
    enter="package",
    size=F.packaged_length,
    goto="unpacked",
    do=((S.package, 1), (S.unfinished, 1)),
    findings=(f.UNREASONABLE_ERROR, f.UNREASONABLE_NOTE, f.EMPTY_PACKAGE),
)

UNKNOWN_RULE = Rule(
    MigCommand,
    match=("type",),
    findings=(
        f.UNKNOWN_COMMAND,
        f.BAD_COMMAND_LENGTH,
        f.BAD_ADVISE_LENGTH,
        f.BAD_DISCARD_LENGTH,
        f.BAD_RECV_BITMAP_LENGTH,
    ),
    info=text("MIG_CMD 0x%x", F.cmd),
)


def command_rules() -> tuple[Rule, ...]:
    """Commands outside of a package."""
    return (
        *plain_rules(),
        run_rule("section"),
        *advise_rules(),
        DISCARD_RULE,
        *recv_bitmap_rules(),
        PACKAGED_RULE,
        UNKNOWN_RULE,
    )


OUTER_ONLY = (
    int(Command.MIG_CMD_POSTCOPY_ADVISE),
    int(Command.MIG_CMD_POSTCOPY_RAM_DISCARD),
    int(Command.MIG_CMD_PACKAGED),
    int(Command.MIG_CMD_RECV_BITMAP),
)
"""Commands whose payload is read from the connection even inside a package (``mis->from_src_file``)."""


def packaged_command_rules() -> tuple[Rule, ...]:
    """Commands inside of a package."""
    return (
        *plain_rules(),
        run_rule("package_rest", (S.unfinished, 0)),
        Rule(
            MigCommand,
            match={"type": COMMAND, "cmd": OUTER_ONLY},
            findings=(f.IN_PACKAGE,),
            info=text("%s", f.COMMAND_NAME),
        ),
        UNKNOWN_RULE,
    )


DISCARDS = State(
    "discard",
    Rule(
        RamDiscardRange,
        findings=(f.DISCARD_OVERRUN, f.DISCARD_UNALIGNED),
        info=text("0x%x+0x%x", F.start, F.length),
    ),
    doc="The ranges of POSTCOPY_RAM_DISCARD.",
)

STATES = (DISCARDS,)
