# SPDX-License-Identifier: GPL-2.0-or-later
"""What a decoder reports: PDUs, and everything that stood in their way.

Every event says where it happened: ``source`` is the direction of a connection, ``offset`` the octet of its stream,
``frame`` and ``time_ns`` what the caller said about the octets that completed it.  What a PDU *is*, which is the same
for a million of them, stands once in its :class:`Kind`.

:class:`PduSeen` is not frozen for one reason only: a frozen dataclass is made five times more slowly, and there are
millions of them in a capture.  Nobody changes one.  For the same reason its registers are a snapshot that all PDUs
share until a register changes, and its Scapy packet is built when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import DissectorError
from ..ir.pdus import Finding, Group, Named, Pdu, Severity

Builder = Callable[[Any, bytes, Mapping[str, Any]], Any]
"""Makes a packet of (``Pdu.origin``, octets, registers).  The decoder knows no packet library, so its caller has it."""


def text_of(fmt: str, args: tuple[Any, ...]) -> str:
    """A ``printf`` format filled in; octets are shown as the text that they probably are."""
    shown = tuple(a.decode("utf-8", "backslashreplace") if isinstance(a, bytes) else a for a in args)
    return fmt % shown


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as it was met: its text has its values in it."""

    name: str
    severity: Severity
    group: Group
    text: str

    @classmethod
    def of(cls, finding: Finding, args: tuple[Any, ...] = ()) -> Found:
        """*finding* with the values of its message."""
        return cls(finding.name, finding.severity, finding.group, text_of(finding.message.format, args))


@dataclass(frozen=True, slots=True)
class Source:
    """One direction of a connection.  ``connection`` is the caller's key; ``conversation`` counts from 1, 0 is none."""

    stream: str
    channel: str = ""
    direction: str = "forward"
    connection: Hashable = None
    conversation: int = 0
    builder: Builder | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class Kind:
    """A rule's PDU in its state: what all events of one kind have in common."""

    pdu: Pdu
    state: str
    abbrevs: Mapping[str, str] = field(compare=False)
    """Field name -> display-filter name without the protocol's prefix."""

    @classmethod
    def of(cls, pdu: Pdu, state: str) -> Kind:
        """The kind of *pdu* in *state*."""
        return cls(pdu, state, {f.name: f.abbrev for f in pdu.fields})

    def __repr__(self) -> str:
        return f"<{self.pdu.name} in {self.state}>"


@dataclass(slots=True)
class PduSeen:
    """One PDU.  ``length`` counts header and payload, as announced."""

    kind: Kind
    source: Source
    offset: int
    length: int
    header: int
    depth: int
    """How many regions are open around it."""
    fields: dict[str, int | bytes]
    """In wire order.  An absent field is not in it, nor is a payload that was not asked for."""
    notes: Mapping[str, Any]
    """Display-filter name -> value of what is not on the wire but belongs to the PDU."""
    findings: tuple[Found, ...]
    info: str
    raw: bytes
    """The octets of the header, with those of the payload if it was asked for."""
    registers: Mapping[str, Any] = field(repr=False)
    """The registers as they were before it."""
    frame: int = 0
    time_ns: int = 0

    @property
    def name(self) -> str:
        """The name of the PDU's class."""
        return self.kind.pdu.name

    @property
    def label(self) -> str:
        """The name that a reader knows it by."""
        return self.kind.pdu.label

    @property
    def state(self) -> str:
        """The state in which it was read."""
        return self.kind.state

    @property
    def stream(self) -> str:
        """The stream that it was read from."""
        return self.source.stream

    @property
    def channel(self) -> str:
        """The role of its connection."""
        return self.source.channel

    @property
    def direction(self) -> str:
        """``forward`` or ``reverse``."""
        return self.source.direction

    @property
    def abbrevs(self) -> Mapping[str, str]:
        """Field name -> display-filter name without the protocol's prefix."""
        return self.kind.abbrevs

    @property
    def packet(self) -> Any:
        """The packet, built anew with every call."""
        build = self.source.builder
        if build is None:
            where = f"{self.name} at offset {self.offset}"
            raise DissectorError(where, "no packet can be built", "give the decoder a builder")
        origin = self.kind.pdu.origin
        return build(origin.found() if isinstance(origin, Named) else origin, self.raw, self.registers)


@dataclass(frozen=True, slots=True)
class Gap:
    """The capture does not have ``length`` octets; None: nobody knows how many."""

    source: Source
    finding: Found
    offset: int
    length: int | None
    frame: int = 0
    time_ns: int = 0


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that cannot be read, or not on: ``octets`` are the first of those that were met there (at most 32)."""

    source: Source
    finding: Found
    offset: int
    state: str
    octets: bytes
    frame: int = 0
    time_ns: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """From here on octets are passed over until there is a place to go on."""

    source: Source
    finding: Found
    offset: int
    frame: int = 0
    time_ns: int = 0


@dataclass(frozen=True, slots=True)
class Resynced:
    """Here reading goes on in ``state``, after ``skipped`` octets."""

    source: Source
    finding: Found
    offset: int
    state: str
    skipped: int
    frame: int = 0
    time_ns: int = 0


@dataclass(frozen=True, slots=True)
class Recognised:
    """A connection was told by its first octets: ``source`` is its forward direction."""

    source: Source
    client: tuple[str, int]
    server: tuple[str, int]
    destination: tuple[str, int]
    frame: int = 0
    time_ns: int = 0


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A connection that is none of this protocol's; nothing more is reported of it."""

    connection: Hashable
    client: tuple[str, int]
    server: tuple[str, int]
    octets: bytes
    """The first ones of whoever spoke first, at most 32."""
    frame: int = 0
    time_ns: int = 0


Event = PduSeen | Gap | Malformed | Lost | Resynced | Recognised | Unrecognised
