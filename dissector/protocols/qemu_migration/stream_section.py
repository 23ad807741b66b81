# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: sections as a table
# scapy.contrib.status = skip
"""Sections and commands one after another, outside and inside of a package, and what follows the last.

::

    section -> body -> ram ... -> footer -> next -> section
                    -> dirty_bitmap, block, skeys, stattrib, htab, vfio, slirp ... -> footer     (:mod:`.layouts`)
                    -> device  -> footer
    section -> (command) -> section
    section -> package (a region) ... -> unpacked -> section
    section -> after_eof -> colo
    colo -> section, colo -> package (a region)                             (checkpoints)

Inside a package (state ``package``) stands the same; ``next`` tells the two apart, since a rule names one next state.

Where a footer is missing or a type unknown QEMU stops, and so does this table: the position counts as lost.  A wrong
id in a footer or an unknown section id does not make the position doubtful; it is reported, and the reading goes on.
"""

from __future__ import annotations

from ...declare import F, Note, P, Rule, S, State, both, choose, either, iif, peek, text
from . import findings as f
from .colo import ColoMessage, ColoVmstateSize
from .constants import RAM_SECTION, ColoMessageType, SectionType
from .layouts import BODY_RULES, LAYOUT, TOO_NEW, TOO_OLD
from .lookahead import RAM_AHEAD
from .parameters import AUTO, OFF, ON
from .registers import ANY_SECTION
from .section import (
    BareDeviceState,
    DeviceState,
    Eof,
    SectionEnd,
    SectionFooter,
    SectionFull,
    SectionPart,
    SectionStart,
    VmDescription,
)
from .stream_command import command_rules, packaged_command_rules, ping_rule
from .stream_premerge import COMMAND_AHEAD, UNFINISHED_PING_RULE, dialect_rules
from .stream_ram import page_size_rules

KNOWN = S.sections.get(F.section_id, b"")
SECTION_NAME = Note("section.name", "Section name", KNOWN, type="string", when=KNOWN != b"")
CURRENT_NAME = Note("section.name", "Section name", S.section_name, type="string", when=S.section_name != b"")


NO_FOOTERS = Note(
    "section.footers", "Section footers", choose(S.footers, {OFF: b"none"}, b""), type="string", when=S.footers == OFF
)
"""What was found out about them, or chosen; that they are there is seen."""


def named_rule(pdu: type, word: str) -> Rule:
    """START or FULL: they name the device that an id stands for."""
    return Rule(
        pdu,
        match=("type",),
        when=peek(5, 1) > 0,
        goto="body",
        do=(
            (S.section, F.section_id),
            (S.section_name, F.idstr),
            (S.sections[F.section_id], F.idstr),
            (S.layout, LAYOUT),
            (S.layouts[F.section_id], LAYOUT),
            (S.devices[F.idstr], 1),
            (S.iterating, 0),
        ),
        findings=(f.RAM_TOO_NEW, f.RAM_TOO_OLD, TOO_NEW, TOO_OLD),
        notes=(NO_FOOTERS,),
        info=text(f"{word} %s", F.idstr),
    )


def numbered_rule(pdu: type, word: str, unfinished: bool = False) -> Rule:
    """PART or END: they refer to an id."""
    findings = (f.UNKNOWN_SECTION, f.UNFINISHED_PACKAGE) if unfinished else (f.UNKNOWN_SECTION,)
    return Rule(
        pdu,
        match=("type",),
        when=S.unfinished == 1 if unfinished else None,
        goto="body",
        do=(
            (S.section, F.section_id),
            (S.section_name, KNOWN),
            (S.layout, S.layouts.get(F.section_id, 0)),
            (S.iterating, int(pdu is SectionPart)),
            (S.underway, 1),
            *(((S.unfinished, 0), (S.package, 0)) if unfinished else ()),
        ),
        findings=findings,
        notes=(SECTION_NAME, NO_FOOTERS),
        info=text(f"{word} %s", KNOWN),
    )


def section_rules() -> tuple[Rule, ...]:
    """What stands outside and inside of a package."""
    unnamed = (int(SectionType.QEMU_VM_SECTION_START), int(SectionType.QEMU_VM_SECTION_FULL))
    return (
        numbered_rule(SectionPart, "PART"),
        named_rule(SectionFull, "FULL"),
        named_rule(SectionStart, "START"),
        numbered_rule(SectionEnd, "END"),
        Rule(when=peek(0, 1).isin(*unnamed), fault=f.NO_IDSTR),
    )


VMDESCRIPTION = int(SectionType.QEMU_VM_VMDESCRIPTION)

# One octet of zero is little to go by.  Behind a PART or a package more sections are to come, so there it is only
# believed in front of a description; anything else is what remains when octets are missing from a capture, for memory
# is full of zeros.
SECTION = State(
    "section",
    *section_rules(),
    Rule(Eof, match=("type",), when=S.iterating == 0, goto="after_eof", do=((S.over, 1),), info="EOF"),
    Rule(Eof, match=("type",), when=peek(1, 1) == VMDESCRIPTION, goto="after_eof", do=((S.over, 1),), info="EOF"),
    Rule(when=peek(0, 1) == int(SectionType.QEMU_VM_EOF), fault=f.EARLY_EOF),
    *command_rules(),
    Rule(when=COMMAND_AHEAD, goto="premerge"),
    *dialect_rules(S.footers == OFF),
    Rule(fault=f.UNKNOWN_SECTION_TYPE),
    doc="Between sections.",
)

PACKAGE = State(
    "package",
    *section_rules(),
    Rule(Eof, match=("type",), goto="package_rest", do=((S.unfinished, 0),), info="EOF"),
    *packaged_command_rules(),
    Rule(when=COMMAND_AHEAD, goto="premerge"),
    Rule(fault=f.UNKNOWN_SECTION_TYPE),
    doc="Between the sections of a package.",
)

NEXT = State(
    "next",
    Rule(when=S.package == 1, goto="package"),
    Rule(goto="section"),
    doc="A section is complete.",
)

PACKAGE_REST = State(
    "package_rest",
    Rule(fault=f.PACKAGE_REST),
    doc="What stands behind POSTCOPY_RUN or EOF in a package is never read.",
)

UNPACKED = State(
    "unpacked",
    Rule(when=both(S.unfinished == 0, S.checkpoint == 1), goto="colo", do=((S.package, 0),)),
    Rule(when=S.unfinished == 0, goto="section", do=((S.package, 0), (S.iterating, 1))),
    numbered_rule(SectionPart, "PART", unfinished=True),
    ping_rule(unfinished=True),
    UNFINISHED_PING_RULE,
    Rule(goto="section", do=((S.package, 0), (S.unfinished, 0), (S.iterating, 1))),
    doc="Behind a package; what usually follows one has to report that it did not end as it should.",
)

BODY = State(
    "body",
    *page_size_rules(S.section_name == RAM_SECTION, S.iterating == 1),
    Rule(when=S.section_name == RAM_SECTION, goto="ram"),
    Rule(
        when=both(S.whole == 0, S.section_name == b"", RAM_AHEAD),
        goto="ram",
        do=((S.section_name, RAM_SECTION), (S.sections[S.section], RAM_SECTION)),
    ),
    *BODY_RULES,
    Rule(when=S.footers == OFF, goto="bare_device"),
    Rule(goto="device"),
    doc="The body of a section: RAM and a few devices delimit themselves.  RAM is told by its look without START.",
)

DEVICE = State(
    "device",
    Rule(DeviceState, goto="footer", notes=(CURRENT_NAME,), info=text("%s", S.section_name)),
    doc="A device, up to the footer of its section.",
)

BARE_DEVICE = State(
    "bare_device",
    Rule(BareDeviceState, goto="next", notes=(CURRENT_NAME,), info=text("%s", S.section_name)),
    doc="A device on a stream without footers, up to the next section.",
)

FOOTER = State(
    "footer",
    Rule(
        SectionFooter,
        match=("type",),
        when=both(S.footers != OFF, S.section != ANY_SECTION),
        goto="next",
        do=((S.footers, ON),),
        findings=(f.MISMATCHED_FOOTER,),
        notes=(CURRENT_NAME,),
    ),
    Rule(
        SectionFooter,
        match=("type",),
        when=S.section == ANY_SECTION,
        goto="next",
        do=((S.footers, ON), (S.sections[F.section_id], iif(KNOWN != b"", KNOWN, S.section_name))),
        notes=(SECTION_NAME,),
    ),
    Rule(when=S.footers == ON, fault=f.MISSING_FOOTER),
    Rule(when=S.footers == AUTO, goto="next", do=((S.footers, OFF),)),
    Rule(goto="next"),
    doc="Behind a body; the first section whose end is known for sure tells whether there are footers.",
)

REQUEST = int(ColoMessageType.COLO_MESSAGE_CHECKPOINT_REQUEST)

AFTER_EOF = State(
    "after_eof",
    Rule(VmDescription, match=("type",), goto="colo", info="VMDESCRIPTION"),
    Rule(when=either(S.checkpoint == 1, P.colo == ON, both(P.colo == AUTO, peek(0, 4) == REQUEST)), goto="colo"),
    Rule(fault=f.NO_VMDESCRIPTION),
    doc="Behind the last section.",
)

COLO = State(
    "colo",
    Rule(when=P.colo == OFF, fault=f.TRAILING),
    Rule(
        ColoVmstateSize,
        match=("message",),
        enter="package",
        size=F.size,
        goto="unpacked",
        do=((S.package, 1), (S.unfinished, 1)),
        info="COLO VM state",
    ),
    Rule(
        ColoMessage,
        match={"message": int(ColoMessageType.COLO_MESSAGE_VMSTATE_SEND)},
        goto="section",
        do=((S.checkpoint, 1),),
        info="COLO VMSTATE_SEND",
    ),
    Rule(ColoMessage, match={"message": REQUEST}, do=((S.checkpoint, 1),), info="COLO CHECKPOINT_REQUEST"),
    Rule(when=either(S.checkpoint == 1, P.colo == ON), fault=f.BAD_COLO_MESSAGE),
    Rule(fault=f.TRAILING),
    doc="Behind the description: nothing, unless COLO is on; then checkpoints.",
)

STATES = (
    SECTION,
    PACKAGE,
    NEXT,
    PACKAGE_REST,
    UNPACKED,
    BODY,
    DEVICE,
    BARE_DEVICE,
    FOOTER,
    AFTER_EOF,
    COLO,
)
