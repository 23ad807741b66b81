# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: configuration
# scapy.contrib.status = loads
"""The configuration behind the file header (2.4): the machine type, and what else both ends must agree on.

It has the form of a section that has neither id nor version nor footer.  In-line subsections follow, as they follow
any device's state, each with a name that begins with that of what it belongs to::

    07 length(4) machine(length)  { 05 str8(name) version(4) fields }

What does *not* stand here is most of what a reader would like to know: only capabilities that are validated are
listed, and whether postcopy, multifd or XBZRLE are on shows when they are used.
"""

from __future__ import annotations

from scapy.fields import FieldLenField, IntField, StrLenField, UUIDField

from ...declare import F
from ..pdu import Pdu
from .constants import SectionType
from .section import section_type

__all__ = [
    "Configuration",
    "ConfigurationCapabilities",
    "ConfigurationCapability",
    "ConfigurationTargetPageBits",
    "ConfigurationUuid",
]


class Configuration(Pdu):
    """``07 length(4) machine(length)``: the machine type, and after it up to three subsections.

    Directly behind the file header since 2.4, not sent by machine types up to 2.3; no section id, no version, no
    footer.  The destination compares ``length`` octets with its own machine's name, so that a prefix of it, even the
    empty name, is accepted; it sets no limit to the length.  migration/savevm.c:vmstate_configuration (10.0).
    """

    label = "QEMU_VM_CONFIGURATION"
    group = "configuration"
    abbrevs = {"type": "section.type"}
    labels = {"length": "Length of machine type", "machine": "Machine type"}
    fields_desc = [
        section_type(SectionType.QEMU_VM_CONFIGURATION),
        FieldLenField("length", None, fmt="!I", length_of="machine"),
        StrLenField("machine", b"", length_from=F.length),
    ]


class _Subsection(Pdu):
    """``05 str8(name) version(4)``, then the subsection's own fields; migration/vmstate.c:vmstate_subsection_load()."""

    group = "configuration"
    abbrevs = {"type": "section.type"}
    labels = {"idstr": "Subsection", "idstr_length": "Length of name", "version_id": "Subsection version"}


def subsection(idstr: bytes) -> list[object]:
    """What every subsection begins with."""
    return [
        section_type(SectionType.QEMU_VM_SUBSECTION),
        FieldLenField("idstr_length", None, fmt="B", length_of="idstr"),
        StrLenField("idstr", idstr, length_from=F.idstr_length),
        IntField("version_id", 1),
    ]


class ConfigurationTargetPageBits(_Subsection):
    """``05 str8("configuration/target-page-bits") version(4) bits(4)``: the target page size is ``1 << bits``.

    Sent when the target's page size is variable and larger than its smallest one: always by the Arm "virt" machine.
    The destination refuses a value that is not its own: "Received TARGET_PAGE_BITS is %d but local is %d".
    migration/savevm.c:vmstate_target_page_bits (10.0), since 2.8.
    """

    label = "configuration/target-page-bits"
    fields_desc = [*subsection(b"configuration/target-page-bits"), IntField("bits", 12)]


class ConfigurationCapabilities(_Subsection):
    """``05 str8("configuration/capabilities") version(4) count(4)``, then *count* capabilities.

    Lists those capabilities that are on *and* are validated: x-ignore-shared (4.0) and mapped-ram (9.0), no others;
    not sent when neither is on.  A count left out is that of the :class:`ConfigurationCapability` that follow.
    migration/savevm.c:vmstate_capabilites (10.0).
    """

    label = "configuration/capabilities"
    fields_desc = [*subsection(b"configuration/capabilities"), IntField("count", None)]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Count what follows."""
        if self.count is None:
            count = len(self.followers(ConfigurationCapability))
            pkt = pkt[:-4] + count.to_bytes(4, "big")
        return pkt + pay


class ConfigurationCapability(Pdu):
    """``str8(capability)``: the name of one capability that is on.

    Refused when the destination does not know it ("Received unknown capability %s") or has it off ("Capability %s is
    off, but received capability is on").  migration/savevm.c:get_capability() (10.0).
    """

    label = "Capability"
    group = "configuration"
    labels = {"capability_length": "Length of name"}
    fields_desc = [
        FieldLenField("capability_length", None, fmt="B", length_of="capability"),
        StrLenField("capability", b"", length_from=F.capability_length),
    ]


class ConfigurationUuid(_Subsection):
    """``05 str8("configuration/uuid") version(4) uuid(16)``: the virtual machine's UUID, octets in RFC 4122 order.

    Sent when the capability validate-uuid is on and the source was given one with ``-uuid``.
    migration/savevm.c:vmstate_uuid (10.0), since 4.2.
    """

    label = "configuration/uuid"
    fields_desc = [*subsection(b"configuration/uuid"), UUIDField("uuid", None)]
