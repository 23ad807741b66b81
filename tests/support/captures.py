# SPDX-License-Identifier: GPL-2.0-or-later
"""Small captures that live in memory, and what is asked of them again and again."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal

import pytest

from dissector.capture import Chunk, Closed, Event, Gap, Ignored, Packet, conversations, read_packets
from dissector.errors import CaptureError
from dissector.regression.wire import ACK, SYN, Segment, Wire, default_ends, write_capture

if TYPE_CHECKING:
    from pathlib import Path


FRAMES = [bytes([number]) * size for number, size in enumerate((60, 1, 0, 1514, 61, 62, 63, 9000))]


def recorded(container: Literal["pcap", "pcapng"], order: Literal["<", ">"] = "<") -> bytes:
    """Return a capture of all frames."""
    stream = io.BytesIO()
    wire = Wire(stream, container=container, order=order)
    for frame in FRAMES:
        wire.packet(frame)
    return stream.getvalue()


def packets(octets: bytes, warnings: list[str] | None = None) -> list[Packet]:
    return list(read_packets(io.BytesIO(octets), warnings=warnings))


def read(octets: bytes, warnings: list[str] | None = None) -> list[bytes]:
    """Return the frames of a capture."""
    return [bytes(packet.data) for packet in packets(octets, warnings)]


def said(size: int, seed: int = 0) -> bytes:
    """Return octets of which no two short runs are alike."""
    words = ((index * 2654435761 + seed & 0xFFFFFFFF).to_bytes(4, "big") for index in range(size // 4 + 1))
    return b"".join(words)[:size]


def events(segments: list[Segment], *, limit: int = 4 << 20, **options: Any) -> list[Event]:
    """Return what comes out of a capture of these segments."""
    stream = io.BytesIO()
    write_capture(stream, segments, **options)
    stream.seek(0)
    return list(conversations(read_packets(stream), limit=limit))


def octets(found: list[Event], direction: int = 0, connection: int = 0) -> bytes:
    """Return the octets of one direction with zeros for gaps, and check that nothing overlaps or is missing."""
    result = bytearray()
    for event in found:
        if not isinstance(event, Chunk | Gap):
            continue
        if (event.connection.index, event.direction) == (connection, direction):
            assert event.offset == len(result)
            result += event.data if isinstance(event, Chunk) else bytes(event.length)
    return bytes(result)


def gaps(found: list[Event]) -> list[tuple[int, int]]:
    return [(event.offset, event.length) for event in found if isinstance(event, Gap)]


def closed(found: list[Event]) -> list[tuple[int | None, str, int]]:
    return [(event.direction, event.how, event.frame) for event in found if isinstance(event, Closed)]


CLIENT, SERVER = 1000, 5000
"""Initial sequence numbers of ``Script``."""


class Script:
    """One connection, packet by packet; numbers are relative to those of the SYNs, as Wireshark shows them."""

    def __init__(self, *, handshake: bool = True, port: int = 0) -> None:
        self.stream = io.BytesIO()
        self.wire = Wire(self.stream)
        self.ends = default_ends(port)
        self.ignored = Ignored()
        if handshake:
            self.client(0, flags=SYN)
            self.server(0, flags=SYN | ACK, ack=1)
            self.client(1)

    def client(self, seq: int, data: bytes = b"", flags: int = ACK, ack: int = 1) -> Script:
        self.wire.tcp(*self.ends, sequence=CLIENT + seq, acknowledgment=SERVER + ack, flags=flags, data=data)
        return self

    def server(self, seq: int, data: bytes = b"", flags: int = ACK, ack: int = 1) -> Script:
        source, destination = self.ends[::-1]
        self.wire.tcp(source, destination, sequence=SERVER + seq, acknowledgment=CLIENT + ack, flags=flags, data=data)
        return self

    def run(self, *, limit: int = 4 << 20) -> list[Event]:
        self.stream.seek(0)
        return list(conversations(read_packets(self.stream), limit=limit, ignored=self.ignored))


def refusal(source: Path | bytes) -> str:
    """Return the message for something that cannot be read at all."""
    with pytest.raises(CaptureError) as error:
        list(read_packets(io.BytesIO(source) if isinstance(source, bytes) else source))
    return str(error.value)
