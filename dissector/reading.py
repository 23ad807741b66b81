# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture into a decoder: packets, connections, events, and the facts about connections that no event tells.

The decoder knows no files and no TCP; the capture reader knows no protocol.  This puts one behind the other, and
settles what only both together can:

* A capture that is damaged or cut short gives everything in front of the damage.  The decoder is told that the streams
  end there, and then the error is raised: whoever prints events has printed them all by then.
* A capture without any connection of the protocol is an error, with what was seen instead as the hint.
* A file need not be a capture: a stream that was written to a file goes through the same decoder, as one connection.
* A payload is passed over by the decoder.  Whoever wants to see the payloads of a rare PDU (a description at the end of
  a stream, not pages) names it in ``wanted``; they are cut out of the octets that go by anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from dissector.capture import Chunk, Closed, Connection, Gap, Ignored, Known, Opened, Place, read_events
from dissector.decode import Event, PduSeen, Session, Unrecognised
from dissector.errors import CaptureError, DissectorError

if TYPE_CHECKING:
    import os

    from dissector.ir.model import Protocol

MOST_PAYLOAD = 64 << 20
"""A longer payload is not kept, whatever it announces."""

TLS_HANDSHAKE = b"\x16\x03"
ENCRYPTED = (
    "there are TLS connections: what they carry is encrypted, and only Wireshark with the plugin can show it, given "
    "the keys that a QEMU started with SSLKEYLOGFILE=FILE writes (tshark -o tls.keylog_file:FILE, or for good: "
    "editcap --inject-secrets tls,FILE CAPTURE NEW.pcapng)"
)


@dataclass(slots=True)
class Wire:
    """What a capture says about one connection; lists are by direction, 0 from client to server."""

    connection: Connection
    first_ns: int
    last_ns: int
    octets: list[int] = field(default_factory=lambda: [0, 0])
    """Gaps included."""
    missing: list[int] = field(default_factory=lambda: [0, 0])
    closed: dict[int, str] = field(default_factory=dict)
    """Direction -> ``fin`` or ``rst``, in the order of closing."""


@dataclass(slots=True)
class Payload:
    """A payload that is being cut out of its stream."""

    pdu: PduSeen
    at: int
    """The first octet of the stream that is still to come."""
    end: int
    kept: bool
    octets: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.kept = self.kept and self.end - self.at <= MOST_PAYLOAD


class Reading:
    """One run over a capture.

    *events* is the decoder's: which PDUs are reported.  *watch* is called with every event before it is handed on;
    *payload* with each PDU named in *wanted* and its payload, and what it returns is handed on as well.  *decode_as*
    maps a server's port to the name of a channel, for connections whose beginning tells nothing or is missing.
    *place* says where in the file a stream is that was stored in it, if it is not at its beginning.  *passing*
    has, for the name of a PDU, what is called with it and each piece of its payload as the octets go by.  *joined*:
    octets may come in chunks of up to so many, which is faster, with the number and time of a chunk's last packet.
    """

    def __init__(
        self,
        protocol: Protocol,
        capture: str | os.PathLike[str] | BinaryIO,
        *,
        parameters: Mapping[str, int] | None = None,
        events: bool | Collection[str] = True,
        watch: Callable[[Event], None] | None = None,
        wanted: Collection[str] = (),
        payload: Callable[[PduSeen, bytes], list[Event]] | None = None,
        passing: Mapping[str, Callable[[PduSeen, memoryview], None]] | None = None,
        decode_as: Mapping[int, str] | None = None,
        place: Place | None = None,
        progress: Callable[[int, int | None], None] | None = None,
        joined: int = 0,
    ) -> None:
        self.protocol, self.capture = protocol, capture
        self.name = "standard input" if capture == "-" else str(getattr(capture, "name", capture))
        self.session = Session(protocol, parameters, events=events)
        self.wires: dict[int, Wire] = {}
        self.ignored = Ignored()
        self.others: list[Unrecognised] = []
        self._watch, self._wanted, self._payload = watch, frozenset(wanted), payload
        self._decode_as, self._progress = dict(decode_as or {}), progress
        self._passing, self._place = dict(passing or {}), place or Place()
        self._collecting: dict[tuple[int, int], Payload] = {}
        self._damage: list[CaptureError] = []
        self._joined = joined

    def events(self) -> Iterator[Event]:
        """Read the capture to its end."""
        for event in self._events():
            if isinstance(event, Unrecognised):
                self.others.append(event)
            if self._watch is not None:
                self._watch(event)
            yield event
        if self._damage:
            raise self._damage[0]
        if not self.session.conversations:
            raise self._nothing()

    def _events(self) -> Iterator[Event]:
        take, wires = self.session.data, self.wires
        for what in self._happenings():
            if not isinstance(what, Chunk):
                yield from self._rare(what)
                continue
            key, direction, data = what.connection.index, what.direction, what.data
            wire = wires[key]
            wire.octets[direction] += len(data)
            wire.last_ns = what.time_ns
            events = take(key, direction, data, frame=what.frame, time_ns=what.time_ns)
            if events:
                yield from events
            if events or self._collecting:
                yield from self._collect(what, events)
        yield from self.session.finish()

    def _happenings(self) -> Iterator[Opened | Chunk | Gap | Closed]:
        return read_events(
            self.capture,
            Known(self.protocol.title, self.session.begins),
            place=self._place,
            progress=self._progress,
            ignored=self.ignored,
            damage=self._damage,
            joined=self._joined,
        )

    def _rare(self, what: Opened | Gap | Closed) -> list[Event]:
        """Take everything that is not octets."""
        key = what.connection.index
        when = {"frame": what.frame, "time_ns": what.time_ns}
        if isinstance(what, Opened):
            return self._open(what)
        wire = self.wires[key]
        wire.last_ns = max(wire.last_ns, what.time_ns)
        if isinstance(what, Gap):
            wire.octets[what.direction] += what.length
            wire.missing[what.direction] += what.length
            self._collecting.pop((key, what.direction), None)
            return self.session.gap(key, what.direction, what.length, **when)
        if what.how != "end":
            for direction in (0, 1) if what.direction is None else (what.direction,):
                wire.closed.setdefault(direction, what.how)
        return self.session.closed(key, what.direction, **when)

    def _open(self, what: Opened) -> list[Event]:
        connection = what.connection
        self.wires[connection.index] = Wire(connection, what.time_ns, what.time_ns)
        client, server = ((end.address, end.port) for end in (connection.client, connection.server))
        channel = self._decode_as.get(connection.server.port)
        midway = channel is not None and not connection.syn_seen
        return self.session.opened(connection.index, client, server, channel=channel, midway=midway)

    def _collect(self, chunk: Chunk, events: list[Event]) -> Iterator[Event]:
        """Cut wanted payloads out of *chunk*; those of PDUs that it completed begin in it or behind it."""
        key = chunk.connection.index, chunk.direction
        if key in self._collecting:
            yield from self._cut(key, chunk)
        for event in events:
            if isinstance(event, PduSeen) and (event.name in self._wanted or event.name in self._passing):
                start, end = event.offset + event.header, event.offset + event.length
                self._collecting[key] = Payload(event, start, end, event.name in self._wanted)
                yield from self._cut(key, chunk)

    def _cut(self, key: tuple[int, int], chunk: Chunk) -> list[Event]:
        payload = self._collecting[key]
        piece = memoryview(chunk.data)[max(0, payload.at - chunk.offset) : max(0, payload.end - chunk.offset)]
        payload.at += len(piece)
        if payload.pdu.name in self._passing and len(piece):
            self._passing[payload.pdu.name](payload.pdu, piece)
        if payload.kept:
            payload.octets += piece
        if payload.at < payload.end:
            return []
        del self._collecting[key]
        return self._payload(payload.pdu, bytes(payload.octets)) if self._payload and payload.kept else []

    @property
    def is_stored(self) -> bool:
        """Whether this is a stream in a file, and no capture."""
        return any(wire.connection.is_stored for wire in self.wires.values())

    def _nothing(self) -> DissectorError:
        """Say that there is nothing to decode, and what was there instead."""
        return CaptureError(self.name, f"no {self.protocol.title} in this capture", self._instead())

    def _instead(self) -> str:
        if not self.wires:
            links = ", ".join(map(str, self.ignored.link_types))
            return f"it has packets of unknown link types ({links})" if links else "it has no TCP connection at all"
        if any(other.octets.startswith(TLS_HANDSHAKE) for other in self.others):
            return ENCRYPTED
        ports = sorted({wire.connection.server.port for wire in self.wires.values()})
        shown = ", ".join(map(str, ports[:8])) + (", ..." if len(ports) > 8 else "")
        first = self.protocol.channels[0].name
        return (
            f"none of its TCP connections (ports {shown}) begins like one; "
            f"--decode-as PORT={first} takes one for a connection whose beginning is missing"
        )
