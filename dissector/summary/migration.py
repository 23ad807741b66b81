# SPDX-License-Identifier: GPL-2.0-or-later
"""What is remembered of one migration while its events go by.

Counts of pages do not come as events: whoever runs the decoder has them, and hands them over at the end.  What comes
as events is rare (sections, commands, messages, trouble), and most of it is only counted.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from dissector.decode import events as e
from dissector.summary.sections import FOOTER, HEADS, Sections
from dissector.summary.stored import BITMAP, Stored

MOST_ERRORS = 1000
"""Errors that are kept; of more only the number."""

RECOVERY = "recovery"


@dataclass(slots=True)
class Connected:
    """One TCP connection of a migration, as the capture saw it."""

    channel: str
    source: str
    """The endpoint that the forward direction comes from."""
    destination: str
    opened_ns: int = 0
    whole: bool = True
    """Whether its first octets are in the capture."""
    octets: dict[str, int] = field(default_factory=lambda: {"forward": 0, "reverse": 0})
    missing: dict[str, int] = field(default_factory=lambda: {"forward": 0, "reverse": 0})
    """Octets among them that the capture does not have."""
    closed: dict[str, str] = field(default_factory=dict)
    """How a direction was closed (``fin`` or ``rst``), in the order in which they were; ``end`` is no closing."""
    decoded: bool = True
    """Whether its octets could be looked into."""
    stored: bool = False
    """Whether it is a stream in a file."""


@dataclass(frozen=True, slots=True)
class Error:
    """Something wrong, and where."""

    finding: str
    severity: str
    offset: int
    channel: str
    direction: str
    text: str


class Migration:
    """Everything that a summary needs to know; see the head of this file."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.connections: dict[Hashable, Connected] = {}
        self.commands: dict[str, int] = {}
        self.messages: dict[str, int] = {}
        self.sections = Sections()
        self.stored = Stored()
        self.errors: list[Error] = []
        self.errors_omitted = 0
        self.failed = False
        """Whether there was an error (not only a warning)."""
        self.machine: str | None = None
        self.package_octets = 0
        self.eof = False
        self.whole = False
        """Whether the file header was seen."""
        self.shut: int | None = None
        self.colo = False
        """Whether checkpoints follow."""
        self.lost = False
        """Whether octets were passed over because the position was lost."""
        self.first_ns = self.last_ns = 0

    def connect(self, key: Hashable, connection: Connected) -> None:
        """Take another connection."""
        self.connections[key] = connection

    def see(self, event: e.Event) -> None:
        """Take an event of one of its connections."""
        match event:
            case e.PduSeen():
                self._pdu(event)
            case e.Malformed() | e.Gap() | e.Lost():
                self._trouble(event)
            case e.Recognised() | e.Unrecognised() | e.Resynced():
                pass

    def _pdu(self, pdu: e.PduSeen) -> None:
        label, stream = pdu.label, (pdu.source.connection, pdu.direction)
        abbrevs = pdu.abbrevs.values()
        if label in HEADS:
            self.sections.head(stream, pdu.offset, section_name(pdu))
            self.stored.see(pdu)
        elif label == FOOTER:
            self.sections.close(stream, pdu.offset + pdu.length)
        elif "command" in abbrevs:
            self.sections.close(stream, pdu.offset)
            name = numbered(pdu, "command", "MIG_CMD")
            self.commands[name] = self.commands.get(name, 0) + 1
        elif "rp.type" in abbrevs:
            name = numbered(pdu, "rp.type", "MIG_RP_MSG")
            self.messages[name] = self.messages.get(name, 0) + 1
        remark = REMARKS.get(label)
        if remark is not None:
            remark(self, pdu)
        for found in pdu.findings:
            self.error(found, pdu.offset, pdu.source)

    def _trouble(self, event: e.Malformed | e.Gap | e.Lost) -> None:
        if isinstance(event, e.Lost):
            self.lost = True
            self.sections.close((event.source.connection, event.source.direction), event.offset)
        self.error(event.finding, event.offset, event.source)

    def error(self, found: e.Found, offset: int, source: e.Source) -> None:
        """Keep what is an error or a warning."""
        if found.severity not in {"error", "warn"}:
            return
        self.failed = self.failed or found.severity == "error"
        if len(self.errors) < MOST_ERRORS:
            place = (offset, source.channel, source.direction)
            self.errors.append(Error(found.name, found.severity, *place, found.text))
        else:
            self.errors_omitted += 1


def section_name(pdu: e.PduSeen) -> str:
    """Give the name of the device that a section head is about."""
    name = value(pdu, "section.name") or pdu.notes.get("section.name") or b""
    return text(name) or f"section {value(pdu, 'section.id')!r}"


def numbered(pdu: e.PduSeen, abbrev: str, without_name: str) -> str:
    """Give QEMU's name of a command or message, with its number where QEMU has no name for it."""
    if pdu.label != without_name:
        return pdu.label
    number = value(pdu, abbrev)
    return f"{without_name} {number:#x}" if isinstance(number, int) else without_name


def value(pdu: e.PduSeen, abbrev: str) -> int | bytes | None:
    """Give the value of the field whose display-filter name is *abbrev*."""
    return next((pdu.fields.get(name) for name, short in pdu.abbrevs.items() if short == abbrev), None)


def text(octets: object) -> str:
    """Give octets as the text that they probably are."""
    return octets.decode("utf-8", "backslashreplace") if isinstance(octets, bytes) else str(octets)


def _header(migration: Migration, _: e.PduSeen) -> None:
    migration.whole = True


def _machine(migration: Migration, pdu: e.PduSeen) -> None:
    migration.machine = text(value(pdu, "configuration.machine") or b"")


def _package(migration: Migration, pdu: e.PduSeen) -> None:
    length = value(pdu, "packaged.length")
    migration.package_octets += length if isinstance(length, int) else 0


def _eof(migration: Migration, pdu: e.PduSeen) -> None:
    migration.sections.close((pdu.source.connection, pdu.direction), pdu.offset)
    # In a package it ends the package only.
    migration.eof = migration.eof or pdu.depth == 0


def _bitmap(migration: Migration, pdu: e.PduSeen) -> None:
    migration.stored.see(pdu)


def _shut(migration: Migration, pdu: e.PduSeen) -> None:
    status = value(pdu, "rp.status")
    migration.shut = status if isinstance(status, int) else None


def _colo(migration: Migration, _: e.PduSeen) -> None:
    migration.colo = True


REMARKS = {
    "QEMU_VM_FILE_MAGIC": _header,
    "QEMU_VM_CONFIGURATION": _machine,
    "MIG_CMD_PACKAGED": _package,
    "QEMU_VM_EOF": _eof,
    "MIG_RP_MSG_SHUT": _shut,
    "COLO message": _colo,
    BITMAP: _bitmap,
}
"""What is worth remembering beyond a count."""
