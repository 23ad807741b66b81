# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: header and sections
# scapy.contrib.status = loads
"""The frame of a migration stream: file header, sections, their footers, the end.

A stream is the file header, at most one configuration (:mod:`.configuration`), and then *sections*: each a type octet,
for all but the simplest a section id, a body, and a footer that repeats the id.  The id is a number that the source
allots; which device it stands for is said once, by START or FULL, and PART, END and footers refer to it.

Bodies have no length.  RAM's is self-delimiting (:mod:`.ram`), commands carry theirs (:mod:`.command`); what a device
writes ends where its footer begins, and only the destination's own copy of the device knows where that is.
:class:`DeviceState` therefore ends where the octets ahead look like a footer followed by something that may follow
one; :mod:`.lookahead` has the rule and its odds.

All integers are big-endian.  ``str8`` below is an octet with a length and that many octets without a NUL.
"""

from __future__ import annotations

from scapy.fields import (
    ByteEnumField,
    FieldLenField,
    IntField,
    StrField,
    StrLenField,
    XIntField,
)

from ...declare import F, Until
from ..fields import PayloadField
from ..pdu import Pdu
from .constants import QEMU_VM_FILE_MAGIC, QEMU_VM_FILE_VERSION, SectionType, names
from .lookahead import BARE_END, BARE_TYPES, FOOTED_END, FOOTER_TYPES, WINDOW

__all__ = [
    "BareDeviceState",
    "DeviceState",
    "Eof",
    "FileHeader",
    "SectionEnd",
    "SectionFooter",
    "SectionFull",
    "SectionPart",
    "SectionStart",
    "VmDescription",
]

SECTION_TYPES = names(SectionType)


def section_type(value: SectionType) -> ByteEnumField:
    """The octet that begins every PDU of the main channel but RAM records and device state."""
    return ByteEnumField("type", int(value), SECTION_TYPES)


class FileHeader(Pdu):
    """``magic(4) version(4)``: "QEVM" and 3, once, at octet 0 of the main channel, of a file and of a snapshot.

    A recovery connection, the preempt channel and a package have none.  A wrong magic ends the migration with
    "Not a migration stream", version 2 with "SaveVM v2 format is obsolete", any other with "Unsupported migration
    stream version".  migration/savevm.c:qemu_loadvm_state_header() (10.0).
    """

    label = "QEMU_VM_FILE_MAGIC"
    group = "header"
    abbrevs = {"magic": "magic", "version": "version"}
    fields_desc = [XIntField("magic", QEMU_VM_FILE_MAGIC), IntField("version", QEMU_VM_FILE_VERSION)]


SECTION_ABBREVS = {
    "type": "section.type",
    "section_id": "section.id",
    "idstr_length": "section.name_length",
    "idstr": "section.name",
    "instance_id": "section.instance",
    "version_id": "section.version",
}
SECTION_LABELS = {
    "section_id": "Section id",
    "idstr_length": "Length of name",
    "idstr": "Section name",
    "instance_id": "Instance id",
    "version_id": "Version id",
}


class _Section(Pdu):
    """What all that has a section id has in common: the display-filter names."""

    group = "section"
    abbrevs = SECTION_ABBREVS
    labels = SECTION_LABELS


def named_section(value: SectionType) -> list[object]:
    """``type(1) section_id(4) str8(idstr) instance_id(4) version_id(4)``."""
    return [
        section_type(value),
        IntField("section_id", 0),
        FieldLenField("idstr_length", None, fmt="B", length_of="idstr"),
        StrLenField("idstr", b"", length_from=F.idstr_length),
        IntField("instance_id", 0),
        IntField("version_id", 1),
    ]


class SectionStart(_Section):
    """``01 section_id(4) str8(idstr) instance_id(4) version_id(4)``, body, footer: the set-up of an iterative device.

    ``idstr`` has 1 to 255 octets ("Unable to read ID string for section %u").  The destination finds its device by
    idstr and instance, and remembers the id for PART and END; ``version_id`` must not be greater than its own.
    migration/savevm.c:qemu_loadvm_section_start_full() (10.0).
    """

    label = "QEMU_VM_SECTION_START"
    fields_desc = named_section(SectionType.QEMU_VM_SECTION_START)


class SectionFull(_Section):
    """``04 section_id(4) str8(idstr) instance_id(4) version_id(4)``, body, footer: the whole state of a device at once.

    As :class:`SectionStart`; its id may be one that a START had (VFIO sends the device's configuration like this).
    migration/savevm.c:qemu_loadvm_section_start_full() (10.0).
    """

    label = "QEMU_VM_SECTION_FULL"
    fields_desc = named_section(SectionType.QEMU_VM_SECTION_FULL)


class SectionPart(_Section):
    """``02 section_id(4)``, body, footer: one iteration of a device that a START has named.

    An id without START: "Unknown savevm section %d".  migration/savevm.c:qemu_loadvm_section_part_end() (10.0).
    """

    label = "QEMU_VM_SECTION_PART"
    fields_desc = [section_type(SectionType.QEMU_VM_SECTION_PART), IntField("section_id", 0)]


class SectionEnd(_Section):
    """``03 section_id(4)``, body, footer: the last iteration of a device, sent while the source's guest stands still.

    An id without START: "Unknown savevm section %d".  migration/savevm.c:qemu_loadvm_section_part_end() (10.0).
    """

    label = "QEMU_VM_SECTION_END"
    fields_desc = [section_type(SectionType.QEMU_VM_SECTION_END), IntField("section_id", 0)]


class SectionFooter(_Section):
    """``7e section_id(4)``: ends the body of a START, PART, END or FULL section and repeats its id.

    Since 2.4, not sent by machine types up to 2.3.  Errors: "Missing section footer for %s", "Mismatched section id
    in footer for %s - read 0x%x expected 0x%x".  migration/savevm.c:check_section_footer() (10.0).
    """

    label = "QEMU_VM_SECTION_FOOTER"
    fields_desc = [section_type(SectionType.QEMU_VM_SECTION_FOOTER), IntField("section_id", 0)]


class Eof(_Section):
    """``00``: no more sections.  migration/savevm.c:qemu_loadvm_state_main() (10.0)."""

    label = "QEMU_VM_EOF"
    fields_desc = [section_type(SectionType.QEMU_VM_EOF)]


class VmDescription(Pdu):
    """``06 length(4) json(length)``: a JSON text that tells sizes, names and types of all FULL sections sent.

    Behind EOF since 2.3; not in postcopy, not with ``suppress-vmdesc`` (pc machine types up to 2.2).  The destination
    throws it away; anything else in its place is only remarked: "Expected vmdescription section, but got %d".
    :mod:`dissector.protocols.vmdesc` reads it.  migration/savevm.c:qemu_loadvm_state() (10.0).
    """

    label = "QEMU_VM_VMDESCRIPTION"
    group = "vmdescription"
    abbrevs = {"type": "section.type"}
    labels = {"json": "JSON"}
    fields_desc = [
        section_type(SectionType.QEMU_VM_VMDESCRIPTION),
        FieldLenField("length", None, fmt="!I", length_of="json"),
        PayloadField("json", b"", length_from=F.length),
    ]


class DeviceState(Pdu):
    """Octets of a device, up to the footer of its section: layout and length are known to the two QEMUs only.

    The end is found by looking for the footer; :mod:`.lookahead` has the rule.
    migration/vmstate.c:vmstate_save_state_v() (10.0) writes it.
    """

    label = "Device state"
    group = "device"
    fields_desc = [StrField("state", b"")]
    scan = Until(accept=FOOTED_END, anchor=(0, FOOTER_TYPES), window=WINDOW)


class BareDeviceState(Pdu):
    """Octets of a device on a stream without section footers (machine types up to 2.3), up to the next section.

    As :class:`DeviceState`, but with less to go by: :mod:`.lookahead`.
    migration/savevm.c:save_section_footer() (10.0) does nothing for such machine types.
    """

    label = "Device state"
    group = "device"
    fields_desc = [StrField("state", b"")]
    scan = Until(accept=BARE_END, anchor=(0, BARE_TYPES), window=WINDOW)
