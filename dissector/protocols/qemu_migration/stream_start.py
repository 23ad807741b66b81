# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: the beginning of a stream as a table
# scapy.contrib.status = skip
"""How a stream begins: the file header and the configuration, or the head of a recovery.

::

    start -> configuration -> subsection -> section
                              subsection -> capability ... -> subsection
    start -> section                                                        (recovery)
"""

from __future__ import annotations

from ...declare import E, F, P, Rule, S, State, both, either, iif, peek, peek_bytes, text
from . import findings as f
from .configuration import (
    Configuration,
    ConfigurationCapabilities,
    ConfigurationCapability,
    ConfigurationTargetPageBits,
    ConfigurationUuid,
)
from .constants import (
    CAPABILITY_IGNORE_SHARED,
    CAPABILITY_MAPPED_RAM,
    MACHINES_OF_4_KIB,
    TARGET_PAGE_BITS,
    SectionType,
)
from .lookahead import CONFIGURATION_AHEAD, RECOVERY_AHEAD
from .parameters import OFF, ON
from .registers import ASSUMED, MACHINE, TOLD
from .section import FileHeader
from .stream_premerge import COMMAND_AHEAD, dialect_rules

SUBSECTION = int(SectionType.QEMU_VM_SUBSECTION)
PREFIX = b"configuration"


def named(pdu: type) -> E:
    """The subsection ahead has the name that *pdu* has by default."""
    name = bytes(pdu().idstr)
    return both(peek(0, 1) == SUBSECTION, peek(1, 1) == len(name), peek_bytes(2, len(name)) == name)


MACHINE_OF_4_KIB = either(
    *(both(peek(1, 4) >= len(name), peek_bytes(5, len(name)) == name) for name in MACHINES_OF_4_KIB)
)
"""The configuration ahead names a machine whose target page size is the assumed one."""


def switched_on(register: E, capability: bytes, parameter: E) -> E:
    """*register* once more, or 1 if this is the *capability* and the user does not say otherwise."""
    return iif(either(register == 1, both(F.capability == capability, parameter != OFF)), 1, 0)


VALID_PAGE_BITS = both(F.bits >= TARGET_PAGE_BITS[0], F.bits <= TARGET_PAGE_BITS[-1])

START = State(
    "start",
    Rule(
        FileHeader,
        match=("magic",),
        goto="configuration",
        do=((S.whole, 1),),
        findings=(f.OBSOLETE_VERSION, f.UNSUPPORTED_VERSION),
    ),
    Rule(when=RECOVERY_AHEAD, goto="section", do=((S.recovery, 1), (S.return_path, 1))),
    Rule(fault=f.NOT_A_STREAM),
    doc="The first octets of a connection.",
)

CONFIGURATION = State(
    "configuration",
    Rule(when=P.configuration == OFF, goto="section"),
    Rule(
        Configuration,
        match=("type",),
        when=CONFIGURATION_AHEAD,
        goto="subsection",
        do=((S.page_origin, iif(both(S.page_origin == ASSUMED, MACHINE_OF_4_KIB), MACHINE, S.page_origin)),),
        facts=(("qemu-machine", F.machine),),
        info=text("%s", F.machine),
    ),
    *dialect_rules(),
    Rule(when=COMMAND_AHEAD, goto="premerge"),
    Rule(when=peek(0, 1) == int(SectionType.QEMU_VM_CONFIGURATION), fault=f.CONFIGURATION_NAME),
    Rule(when=P.configuration == ON, fault=f.CONFIGURATION_MISSING),
    Rule(goto="section"),
    doc="Behind the file header.",
)

SUBSECTIONS = State(
    "subsection",
    Rule(
        ConfigurationTargetPageBits,
        when=named(ConfigurationTargetPageBits),
        do=(
            (S.page_size, iif(VALID_PAGE_BITS, 1 << F.bits, S.page_size)),
            (S.page_origin, iif(VALID_PAGE_BITS, TOLD, S.page_origin)),
        ),
        findings=(f.SUBSECTION_TOO_NEW, f.BAD_PAGE_BITS),
        info=text("target-page-bits %d", F.bits),
    ),
    Rule(
        ConfigurationCapabilities,
        when=named(ConfigurationCapabilities),
        goto="capability",
        do=((S.capabilities, F.count),),
        findings=(f.SUBSECTION_TOO_NEW,),
        info="capabilities",
    ),
    Rule(ConfigurationUuid, when=named(ConfigurationUuid), findings=(f.SUBSECTION_TOO_NEW,), info="uuid"),
    Rule(
        when=both(peek(0, 1) == SUBSECTION, peek(1, 1) >= len(PREFIX), peek_bytes(2, len(PREFIX)) == PREFIX),
        fault=f.SUBSECTION_UNKNOWN,
    ),
    Rule(goto="section"),
    doc="In-line subsections of the configuration; anything without its prefix belongs to nobody here.",
)

CAPABILITY = State(
    "capability",
    Rule(when=S.capabilities == 0, goto="subsection"),
    Rule(
        ConfigurationCapability,
        do=(
            (S.capabilities, S.capabilities - 1),
            (S.ignore_shared, switched_on(S.ignore_shared, CAPABILITY_IGNORE_SHARED, P.ignore_shared)),
            (S.mapped_ram, switched_on(S.mapped_ram, CAPABILITY_MAPPED_RAM, P.mapped_ram)),
        ),
        findings=(f.CAPABILITY_UNKNOWN,),
        info=text("%s", F.capability),
    ),
    doc="The capabilities of configuration/capabilities, counted.",
)

STATES = (START, CONFIGURATION, SUBSECTIONS, CAPABILITY)
