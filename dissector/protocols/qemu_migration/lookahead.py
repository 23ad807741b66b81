# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: what the octets ahead look like
# scapy.contrib.status = skip
"""Where a device's state ends, and where a lost reader may go on: conditions on the octets ahead.

QEMU writes no length in front of a device's state.  What a passive reader has is the footer: ``7e`` and the id of
the section, five octets, and behind it the next section or command, whose first octets have a form.  A candidate is
taken for the footer when

1. it is ``7e`` and the current section's id,
2. behind it stands a type that may stand there: in a package only FULL or COMMAND (COLO: or EOF),
3. and what follows *that* fits its type: START and FULL have a new id (or the same name again under a known one, as
   VFIO does), a printable name of 1 to 255 octets, an instance and a version of at most 255; PART and END
   have a known id; a command has a number and length that exist; EOF is followed by the JSON description, except in
   postcopy and in COLO's checkpoints, which have none.

An instance is mostly a small number, but pseries has them up to 0x80000000 (the bus number of an IOMMU, the index of
a connector).  Behind a footer any will do; without footers, where there is less to go by, it must be below 65536.

Measured on 485 device sections of 2.85 MB in all, the first two conditions alone were never met by accident; with the
third the odds are below 1e-12 an octet of ordinary device state.  A guest can write such octets into its devices on
purpose (PCI configuration space, the RTC's RAM): the end of a device is a well-founded guess and no security boundary.

Each condition asks for octets only when those before it hold: behind the last device of a package there are few left.
"""

from __future__ import annotations

from ...declare import E, S, both, either, iif, not_, peek, peek_bytes, printable
from .constants import (
    ADVISE_LENGTHS,
    COMMAND_3_0_POSTCOPY_RESUME,
    COMMAND_3_0_RECV_BITMAP,
    COMMAND_LENGTHS,
    CONFIGURATION_NAME_MAX,
    MESSAGE_LENGTHS,
    MIGRATION_RESUME_ACK_VALUE,
    MULTIFD_MAGIC,
    MULTIFD_VERSION,
    QEMU_CPR_FILE_MAGIC,
    QEMU_VM_FILE_MAGIC,
    REQ_PAGES_ID_HEAD,
    TARGET_PAGE_SIZES,
    Command,
    Message,
    PostcopyState,
    RamFlag,
    SectionType,
)
from .device_constants import VFIO_MIG_FLAG_HIGH, VfioMigFlag
from .dialects import ALL_FRAMES, RELEASE, SECTION_TYPE, SECTION_TYPES
from .parameters import OFF, ON
from .registers import ANY_LENGTH

START, PART = SectionType.QEMU_VM_SECTION_START, SectionType.QEMU_VM_SECTION_PART
END, FULL = SectionType.QEMU_VM_SECTION_END, SectionType.QEMU_VM_SECTION_FULL
EOF, COMMAND = SectionType.QEMU_VM_EOF, SectionType.QEMU_VM_COMMAND
FOOTER, VMDESCRIPTION = SectionType.QEMU_VM_SECTION_FOOTER, SectionType.QEMU_VM_VMDESCRIPTION

FOOTER_TYPES = (int(FOOTER),)
BARE_TYPES = (*(int(t) for t in (EOF, START, PART, END, FULL, COMMAND)), *SECTION_TYPES)

WINDOW = 512
"""A footer (5), the longest section head (5 + 1 + 255 + 8), and some room."""

PAGE_WINDOW = (1 << 16) + 32
"""A page record of the largest target page, and the head of the one behind it."""


FIXED_FRAMES = tuple(int(c) << 16 | n for c, n in COMMAND_LENGTHS.items()) + tuple(
    int(Command.MIG_CMD_POSTCOPY_ADVISE) << 16 | n for n in ADVISE_LENGTHS
)
"""Number and length of every command whose length is fixed, as the 32 bits behind the type octet."""


def command_ahead(at: int) -> E:
    """Number and length of a command (the octets behind its type) are ones that QEMU writes."""
    variable = (int(Command.MIG_CMD_POSTCOPY_RAM_DISCARD), int(Command.MIG_CMD_RECV_BITMAP))
    return either(peek(at, 4).isin(*FIXED_FRAMES), peek(at, 2).isin(*variable))


SMALL_INSTANCES, ALL_INSTANCES = 1 << 16, (1 << 32) - 1


def named_section_ahead(at: int, instances: int = ALL_INSTANCES) -> E:
    """What stands behind the type octet of START and FULL is plausible."""
    section_id, length = peek(at, 4), peek(at + 4, 1)
    known = S.sections.get(section_id, b"")
    return both(
        length > 0,
        printable(peek_bytes(at + 5, length)),
        peek(length + (at + 5), 4) < instances,
        peek(length + (at + 9), 4) < 1 << 8,
        either(known == b"", known == peek_bytes(at + 5, length)),
    )


def known_section_ahead(at: int) -> E:
    """What stands behind the type octet of PART and END is an id that START has named."""
    return S.sections.get(peek(at, 4), b"") != b""


def end_ahead(at: int) -> E:
    """What stands behind an EOF is the JSON description; in postcopy there is none, and nothing to go by."""
    return either(
        S.checkpoint == 1,
        S.postcopy == int(PostcopyState.POSTCOPY_INCOMING_RUNNING),
        both(peek(at, 1) == int(VMDESCRIPTION), peek(at + 5, 1) == ord("{")),
    )


def section_ahead(at: int, instances: int = ALL_INSTANCES) -> E:
    """At *at* begins something that may follow a section."""
    kind = peek(at, 1)
    outside = S.package == 0
    return either(
        both(either(kind == int(FULL), both(kind == int(START), outside)), named_section_ahead(at + 1, instances)),
        both(kind == int(COMMAND), command_ahead(at + 1)),
        both(kind.isin(int(PART), int(END)), outside, known_section_ahead(at + 1)),
        both(kind == int(EOF), outside, end_ahead(at + 1)),
        both(kind == int(EOF), S.package == 1, S.checkpoint == 1),
        both(S.dialect > RELEASE, kind == SECTION_TYPE, peek(at + 1, 4).isin(*ALL_FRAMES)),
    )


def footed_end(at: int) -> E:
    """At *at* begins the footer of the current section."""
    return both(peek(at, 1) == int(FOOTER), peek(at + 1, 4) == S.section, section_ahead(at + 5))


FOOTED_END = footed_end(0)
"""The footer of the current section begins here."""

BARE_END = section_ahead(0, SMALL_INSTANCES)
"""The next section begins here, on a stream without footers."""

VFIO_TAG = 8
"""Octets of a VFIO record's tag."""

VFIO_CONFIG_END = both(
    peek(0, 4) == VFIO_MIG_FLAG_HIGH,
    peek(4, 4) == int(VfioMigFlag.END_OF_STATE),
    either(
        both(S.footers != OFF, footed_end(VFIO_TAG)),
        both(S.footers != ON, section_ahead(VFIO_TAG, SMALL_INSTANCES)),
    ),
)
"""The last record of a VFIO device's configuration begins here, and behind it the section ends."""

VFIO_CONFIG_WINDOW = WINDOW + VFIO_TAG

FOOTER_AHEAD = both(
    peek(0, 1) == int(FOOTER),
    either(
        both(known_section_ahead(1), section_ahead(5)),
        both(peek(1, 4) < 1 << 16, peek(5, 1) == int(FULL), named_section_ahead(6)),
    ),
)
"""A footer begins here, that of a known section or one in front of a device: a place to go on for a lost reader."""

CONTINUED = (int(RamFlag.ZERO | RamFlag.CONTINUE), int(RamFlag.PAGE | RamFlag.CONTINUE))


def ram_offset(at: E | int) -> E:
    """The offset in its block that a RAM record at *at* has, flags included: two words, as both executors load it."""
    return peek(at, 4) * (1 << 32) + peek(at + 4, 4)


def _two_pages() -> E:
    """Two page records in a row, in ascending order, inside the largest block."""
    zero = peek(4, 4) % S.page_size == CONTINUED[0]
    second = iif(zero, 9, S.page_size + 8)
    return both(
        peek(4, 4) % S.page_size == peek(7, 1),
        either(not_(zero), peek(8, 1) == 0),
        (peek(second + 4, 4) % S.page_size).isin(*CONTINUED),
        ram_offset(0) < ram_offset(second),
        either(S.listed == 0, ram_offset(second) < S.largest_block),
    )


PAGES_AHEAD = _two_pages()
"""Two page records that continue a block: the other place to go on, inside long runs of RAM."""

CONFIGURATION_AHEAD = both(
    peek(0, 1) == int(SectionType.QEMU_VM_CONFIGURATION),
    peek(1, 4) <= CONFIGURATION_NAME_MAX,
    either(peek(1, 4) == 0, printable(peek_bytes(5, peek(1, 4)))),
)
"""A configuration with a plausible machine name; other dialects have used type 7 for commands."""

HEADER_AHEAD = peek(0, 4) == QEMU_VM_FILE_MAGIC
"""The file header: the main channel."""

RESUME_NUMBERS = (int(Command.MIG_CMD_POSTCOPY_RESUME), COMMAND_3_0_POSTCOPY_RESUME)
RECV_BITMAP_NUMBERS = (int(Command.MIG_CMD_RECV_BITMAP), COMMAND_3_0_RECV_BITMAP)

RECOVERY_AHEAD = both(
    peek(0, 1) == int(COMMAND),
    either(
        peek(1, 4).isin(*(number << 16 for number in RESUME_NUMBERS)),
        both(peek(1, 2).isin(*RECV_BITMAP_NUMBERS), peek(3, 2) == peek(5, 1) + 1, peek(5, 1) > 0),
    ),
)
"""RECV_BITMAP or POSTCOPY_RESUME, in the numbering of 3.0 too: what a recovery connection begins with."""

LOW_FLAGS = peek(4, 4) % TARGET_PAGE_SIZES[0]
"""The flags of a RAM record ahead, whatever the page size is; an offset has no bits there."""

POSTCOPY_PAGES = int(RamFlag.ZERO), int(RamFlag.PAGE)
EOS_AHEAD = peek(0, 8) == int(RamFlag.EOS)

PREEMPT_AHEAD = either(
    EOS_AHEAD,
    both(
        LOW_FLAGS.isin(*POSTCOPY_PAGES),
        ram_offset(0) < ANY_LENGTH,
        peek(8, 1) > 0,
        printable(peek_bytes(9, peek(8, 1))),
    ),
)
"""A page that names its block, or EOS: what a postcopy-preempt channel begins with."""

RAM_AHEAD = either(both(LOW_FLAGS.isin(*CONTINUED), ram_offset(0) < ANY_LENGTH), PREEMPT_AHEAD)
"""A record of RAM: what the body of a section is whose START was missed."""

CPR_AHEAD = peek(0, 4) == QEMU_CPR_FILE_MAGIC
"""The header of CPR state."""

MULTIFD_AHEAD = both(peek(0, 4) == MULTIFD_MAGIC, peek(4, 4) == MULTIFD_VERSION)
"""The initial packet of a multifd channel."""

MULTIFD_APART = either(S.underway == 1, S.channel_ids.get(peek(24, 1), 0) == 1)
"""An initial packet that is not of the migration that is known at the destination.  The source has sent those of all
its channels before the first round of RAM ends, and each id once.
migration/multifd.c:multifd_send_setup(), multifd_send_sync_main() (7.2, 10.0)."""

MULTIFD_FIRST = (MULTIFD_MAGIC >> 24,)


def _fixed(message: Message) -> int:
    """Type and length of a message as 32 bits."""
    return int(message) << 16 | MESSAGE_LENGTHS[message]


def _name_fits(head: int) -> E:
    """A message that ends in a block's name has the length that it should; *head* octets are in front of the name."""
    length = peek(head + 3, 1)
    return both(peek(2, 2) == length + head, length > 0, printable(peek_bytes(head + 4, length)))


WHOLE_PAGES = both(peek(8, 4) % S.page_size == 0, peek(12, 4) % S.page_size == 0)
"""Start and length of the request ahead."""

MESSAGE_AHEAD = either(
    both(peek(0, 4) == _fixed(Message.MIG_RP_MSG_REQ_PAGES), WHOLE_PAGES),
    both(peek(0, 2) == int(Message.MIG_RP_MSG_REQ_PAGES_ID), WHOLE_PAGES, _name_fits(REQ_PAGES_ID_HEAD)),
    both(
        peek(0, 4).isin(_fixed(Message.MIG_RP_MSG_SHUT), _fixed(Message.MIG_RP_MSG_PONG)),
        peek(4, 4) < 1 << 8,
    ),
    both(peek(0, 4) == _fixed(Message.MIG_RP_MSG_RESUME_ACK), peek(4, 4) == MIGRATION_RESUME_ACK_VALUE),
    both(peek(0, 2) == int(Message.MIG_RP_MSG_RECV_BITMAP), _name_fits(1)),
)
"""A message with a plausible payload: a place to go on for a lost reader of the return path."""
