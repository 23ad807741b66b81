# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of this package: what is read from a capture, and what comes out of it.

Everything here is plain data.  ``Packet`` and ``Chunk`` are not frozen for one reason only: a frozen
dataclass is made four times more slowly, and there are a million of them in a gigabyte.  Nobody changes
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(slots=True)
class Packet:
    """One frame of a capture."""

    number: int
    """Its place in the file, from 1: Wireshark's ``frame.number``."""
    time_ns: int
    """When it was captured, in nanoseconds since 1970."""
    linktype: int
    """What its first octet is the start of, as a LINKTYPE value."""
    data: memoryview
    """The octets that were captured.  A view of a larger block: copy what is to be kept."""
    original: int
    """How many octets there were on the wire; more than in ``data`` if there was a snapshot length."""


Frame = tuple[int, int, int, memoryview, int, int, int]
"""A packet on its way through this package: number, time, link type, the block that it was read with, the places in it
of its first octet and behind its last, and how many octets there were on the wire.

A tuple is made five times faster than a ``Packet``, and most packets need no view of their own."""


def packet_of(frame: Frame) -> Packet:
    """Return the frame as a packet."""
    number, time_ns, linktype, view, start, stop, original = frame
    return Packet(number, time_ns, linktype, view[start:stop], original)


def frame_of(packet: Packet) -> Frame:
    """Return the packet as a frame."""
    data = packet.data
    return packet.number, packet.time_ns, packet.linktype, data, 0, len(data), packet.original


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a TCP connection; without a port, the file that a stream is stored in, or nothing."""

    address: str
    port: int

    def __str__(self) -> str:
        if not self.port:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """One TCP connection.  There is one object for each, so it is compared and hashed by identity."""

    index: int
    """Its place in the order of first appearance, from 0: Wireshark's ``tcp.stream``."""
    client: Endpoint
    """Who sent the SYN or, where no handshake was captured, the first packet."""
    server: Endpoint
    syn_seen: bool
    """Whether the connection begins in this capture; if not, offsets count from the first octet captured."""

    @property
    def is_stored(self) -> bool:
        """Whether it is a stream in a file, and never was a connection."""
        return not self.client.port

    def __str__(self) -> str:
        return f"{self.client} -> {self.server}"


Direction = int
"""0 from client to server, 1 from server to client."""


@dataclass(slots=True)
class Opened:
    """The first packet of a connection, whether or not it is a SYN.  Of a stored stream, all frame numbers are 0.

    It comes once more when a connection that was refused is tried again with the same sequence number.
    """

    connection: Connection
    frame: int
    time_ns: int


@dataclass(slots=True)
class Chunk:
    """Octets of one direction, delivered in order and once."""

    connection: Connection
    direction: Direction
    offset: int
    """Place of the first octet in its direction's stream; not reduced modulo 2**32."""
    data: memoryview | bytes
    """The octets.  Mostly a view of a larger block: copy what is to be kept."""
    frame: int
    """The frame that carried these octets, even when another one made them deliverable; the last, of several."""
    time_ns: int


@dataclass(slots=True)
class Gap:
    """Octets of one direction that the capture does not have."""

    connection: Connection
    direction: Direction
    offset: int
    length: int
    frame: int
    """The frame that proves it: the one that was cut, or else the first with octets (or the FIN) behind."""
    time_ns: int


@dataclass(slots=True)
class Closed:
    """The end of one direction, or, if that is None, of whatever was still open of the connection."""

    connection: Connection
    direction: Direction | None
    how: Literal["fin", "rst", "end"]
    """``fin`` closes one direction, ``rst`` all; ``end``: the capture has nothing more."""
    frame: int
    time_ns: int


Event = Opened | Chunk | Gap | Closed


@dataclass(slots=True)
class Ignored:
    """What was passed over without a word, counted so that a caller can have one."""

    not_tcp: int = 0
    """Packets of other protocols."""
    fragments: int = 0
    """Fragments of IP datagrams: TCP avoids them, so they are not put together."""
    malformed: int = 0
    """Packets whose headers contradict themselves or are not all there."""
    after_close: int = 0
    """Octets that arrived for a direction which was closed already."""
    link_types: dict[int, int] = field(default_factory=dict)
    """Packets by LINKTYPE value, for link types that are not known here."""
