# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: what can be wrong on the main channel
# scapy.contrib.status = skip
"""What can be wrong with header, sections and commands, in QEMU's words where QEMU has words for it.

*Error* is what makes QEMU give the migration up (in some release: the text says which, where they differ), *warn* is
what no QEMU sends but QEMU accepts, *note* is what one may want to know.  The texts are those of release 10.0 with
their values, so that a line of QEMU's log is found here and the other way round.  Texts that QEMU does not have are
for what it reports as a bare errno, or not at all.

RAM's are in :mod:`.stream_ram`, those of the return path in :mod:`.stream_return_path`, next to their only use.
"""

from __future__ import annotations

from ...declare import E, F, Finding, P, S, both, choose, iif, not_, peek, peek_bytes, text
from ...ir.pdus import Severity
from .constants import (
    CAPABILITIES,
    COMMAND_LENGTHS,
    MAX_DISCARDS_PER_COMMAND,
    MAX_VM_CMD_PACKAGED_SIZE,
    POSTCOPY_RAM_DISCARD_VERSION,
    QEMU_VM_FILE_VERSION,
    QEMU_VM_FILE_VERSION_COMPAT,
    RAM_DISCARD_HEAD,
    RAM_DISCARD_RANGE,
    RAM_SECTION,
    RAM_VERSION,
    TARGET_PAGE_BITS,
    TARGET_PAGE_SIZES,
    Command,
    PostcopyState,
    short,
)
from .parameters import RELEASE_2_11


def error(name: str, format: str, *args: object, when: E | None = None) -> Finding:  # noqa: A002  it is a format
    """What makes QEMU give the migration up."""
    return Finding(name, "error", "protocol", text(format, *args), when)


def warn(name: str, format: str, *args: object, when: E | None = None) -> Finding:  # noqa: A002
    """What QEMU accepts and does not send."""
    return Finding(name, "warn", "protocol", text(format, *args), when)


def note(name: str, format: str, *args: object, when: E | None = None) -> Finding:  # noqa: A002
    """What one may want to know."""
    return Finding(name, "note", "protocol", text(format, *args), when)


UNEXPECTED = Finding("unexpected", "error", "malformed", text("octets that may not stand here"))
"""For a state whose rules all refuse; the tables have none that can."""

# ------------------------------------------------------------------------------------- file header and configuration

NOT_A_STREAM = error("not_a_stream", "Not a migration stream")
OBSOLETE_VERSION = error(
    "obsolete_version",
    "SaveVM v2 format is obsolete and don't work anymore",
    when=F.version == QEMU_VM_FILE_VERSION_COMPAT,
)
UNSUPPORTED_VERSION = error(
    "unsupported_version",
    "Unsupported migration stream version",
    when=not_(F.version.isin(QEMU_VM_FILE_VERSION, QEMU_VM_FILE_VERSION_COMPAT)),
)
CONFIGURATION_MISSING = error("configuration_missing", "Configuration section missing")
CONFIGURATION_NAME = error(
    "configuration_name", "Failed to load configuration:name: %d octets, or no name of a machine", peek(1, 4)
)
SUBSECTION_UNKNOWN = error(
    "subsection_unknown", "VM subsection '%s' in 'configuration' does not exist", peek_bytes(2, peek(1, 1))
)
SUBSECTION_TOO_NEW = error(
    "subsection_too_new",
    "%s: incoming version_id %d is too new for local version_id 1",
    F.idstr,
    F.version_id,
    when=F.version_id % 256 > 1,
)
BAD_PAGE_BITS = error(
    "bad_page_bits",
    "target-page-bits %d is not a target page size",
    F.bits,
    when=not_(both(F.bits >= TARGET_PAGE_BITS[0], F.bits <= TARGET_PAGE_BITS[-1])),
)
CAPABILITY_UNKNOWN = error(
    "capability_unknown",
    "Received unknown capability %s",
    F.capability,
    when=not_(F.capability.isin(*(name.encode() for name in CAPABILITIES))),
)

# ------------------------------------------------------------------------------------------------------------ sections

EARLY_EOF = warn("eof_early", "QEMU_VM_EOF while iterative devices are not at their end")
UNKNOWN_SECTION_TYPE = error("section_type_unknown", "Unknown savevm section type %d", peek(0, 1))
NO_IDSTR = error("section_without_name", "Unable to read ID string for section %u", peek(1, 4))
UNKNOWN_SECTION = error(
    "section_unknown",
    "Unknown savevm section %d",
    F.section_id,
    when=both(S.whole == 1, S.sections.get(F.section_id, b"") == b""),
)
RAM_TOO_NEW = error(
    "ram_version",
    f"savevm: unsupported version %d for 'ram' v{RAM_VERSION}",
    F.version_id,
    when=both(F.idstr == RAM_SECTION, F.version_id > RAM_VERSION),
)
RAM_TOO_OLD = error(
    "ram_version_old",
    "error while loading state for instance 0x%x of device 'ram': version %d",
    F.instance_id,
    F.version_id,
    when=both(F.idstr == RAM_SECTION, F.version_id < RAM_VERSION),
)
MISSING_FOOTER = error("footer_missing", "Missing section footer for %s", S.section_name)
MISMATCHED_FOOTER = error(
    "footer_mismatch",
    "Mismatched section id in footer for %s - read 0x%x expected 0x%x",
    S.section_name,
    F.section_id,
    S.section,
    when=F.section_id != S.section,
)
NO_VMDESCRIPTION = warn("vmdescription_missing", "Expected vmdescription section, but got %d", peek(0, 1))
BAD_COLO_MESSAGE = error("colo_message", "colo_receive_message: Invalid message %d", peek(0, 4))
TRAILING = note("trailing_octets", "octets behind the end of the migration")

# ------------------------------------------------------------------------------------------------------------ commands

COMMAND_NAME = choose(F.cmd, {int(c): short(c).encode() for c in Command}, b"")
FIXED_LENGTH = choose(F.cmd, {int(c): n for c, n in COMMAND_LENGTHS.items()}, 0)
UNKNOWN_COMMAND = error(
    "command_unknown",
    "MIG_CMD 0x%x unknown (len 0x%x)",
    F.cmd,
    F.length,
    when=not_(F.cmd.isin(*(int(c) for c in Command))),
)
BAD_COMMAND_LENGTH = error(
    "command_length",
    "%s received with bad length - expecting %d, got %d",
    COMMAND_NAME,
    FIXED_LENGTH,
    F.length,
    when=both(F.cmd.isin(*(int(c) for c in COMMAND_LENGTHS)), F.length != FIXED_LENGTH),
)
BAD_ADVISE_LENGTH = error(
    "advise_length",
    "CMD_POSTCOPY_ADVISE invalid length (%d)",
    F.length,
    when=F.cmd == int(Command.MIG_CMD_POSTCOPY_ADVISE),
)
BAD_DISCARD_LENGTH = error(
    "discard_length",
    "CMD_POSTCOPY_RAM_DISCARD invalid length (%d)",
    F.length,
    when=F.cmd == int(Command.MIG_CMD_POSTCOPY_RAM_DISCARD),
)
BAD_RECV_BITMAP_LENGTH = error(
    "recv_bitmap_length",
    "loadvm_handle_recv_bitmap: invalid payload length (%d)",
    F.length,
    when=F.cmd == int(Command.MIG_CMD_RECV_BITMAP),
)
NO_RETURN_PATH = error(
    "ping_without_return_path",
    "CMD_PING (0x%x) received with no return path",
    F.value,
    when=both(S.whole == 1, S.return_path == 0),
)
RETURN_PATH_OPEN = warn("return_path_open", "CMD_OPEN_RETURN_PATH called when RP already open", when=S.return_path == 1)


def wrong_state(command: Command, *allowed: PostcopyState) -> Finding:
    """*command* comes while the destination is in another state than *allowed*."""
    return error(
        "postcopy_state",
        f"CMD_{short(command)} in wrong postcopy state (%d)",
        S.postcopy,
        when=both(S.whole == 1, not_(S.postcopy.isin(*(int(state) for state in allowed)))),
    )


BAD_TARGET_PAGE_SIZE = error(
    "advise_page_size",
    "target page size %d is not one that a target has",
    F.target_page_size,
    when=not_(F.target_page_size.isin(*TARGET_PAGE_SIZES)),
)
DISCARD_VERSION = error(
    "discard_version",
    "CMD_POSTCOPY_RAM_DISCARD invalid version (%d)",
    F.version,
    when=F.version != POSTCOPY_RAM_DISCARD_VERSION,
)
DISCARD_NIL = error("discard_nil", "CMD_POSTCOPY_RAM_DISCARD missing nil (%d)", F.nil, when=F.nil != 0)
DISCARD_MANY = warn(
    "discard_many",
    f"more than {MAX_DISCARDS_PER_COMMAND} ranges in one POSTCOPY_RAM_DISCARD",
    when=F.length - (RAM_DISCARD_HEAD + F.block_length) > MAX_DISCARDS_PER_COMMAND * RAM_DISCARD_RANGE,
)
DISCARD_BLOCK = error(
    "discard_block",
    "ram_discard_range: Failed to find block '%s'",
    F.block,
    when=both(S.listed == 1, S.lengths.get(F.block, -1) == -1),
)
DISCARD_OVERRUN = error(
    "discard_overrun",
    "ram_block_discard_range: Overrun block '%s' (%x/%x/%x)",
    S.discarded,
    F.start,
    F.length,
    S.lengths.get(S.discarded, 0),
    when=both(S.lengths.get(S.discarded, -1) != -1, F.start + F.length > S.lengths.get(S.discarded, -1)),
)
DISCARD_UNALIGNED = error(
    "discard_unaligned",
    "ram_block_discard_range: Unaligned start address: %x",
    F.start,
    when=F.start % S.page_size != 0,
)


def unreasonable(name: str, severity: Severity, when: E) -> Finding:
    """A package of more than 16 MiB."""
    message = text("Unreasonably large packaged state: %u", F.packaged_length)
    return Finding(name, severity, "protocol", message, both(F.packaged_length > MAX_VM_CMD_PACKAGED_SIZE, when))


UNREASONABLE_ERROR = unreasonable("package_unreasonable", "error", P.release == RELEASE_2_11)
UNREASONABLE_NOTE = unreasonable("package_large", "note", P.release != RELEASE_2_11)
EMPTY_PACKAGE = error("package_empty", "the package is empty: Input/output error (5)", when=F.packaged_length == 0)
UNFINISHED_PACKAGE = warn(
    "package_unfinished",
    "no POSTCOPY_RUN or EOF was read in the package before this; without one the load fails: Input/output error",
    when=S.unfinished == 1,
)
PACKAGE_REST = note("package_rest", "octets behind POSTCOPY_RUN or EOF in a package: the destination ignores them")
IN_PACKAGE = error(
    "command_in_package",
    "%s inside a package: the destination takes its payload from behind the package",
    COMMAND_NAME,
)
NOT_RECOVERING = warn(
    "recovery_only",
    "%s only used for recovery",
    iif(F.cmd == int(Command.MIG_CMD_POSTCOPY_RESUME), b"MIG_CMD_POSTCOPY_RESUME", b"MSG_RP_RECV_BITMAP"),
    when=both(S.whole == 1, S.recovery == 0),
)
NUMBERED_AS_3_0 = Finding(
    "release_3_0", "note", "assumption", text("0x%x is this command's number in QEMU 3.0 only", F.cmd)
)
