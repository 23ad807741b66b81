# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture of a TCP connection that never was: what a stream in a file would look like on a network.

Wireshark reads captures, not streams.  So the octets are put into the segments of one connection, from its handshake
to its end, as a machine with segmentation offload would send them: 45 times 1,448 octets at once.  Addresses are those
that are reserved for documentation (RFC 5737), sequence numbers begin at 0, and packets are a microsecond apart from
1970 on: nothing here can be taken for a recording, and the section header's comment says so, too.  The same input gives
the same octets.

Source: draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PORT = 4444
SEGMENT = 45 * 1448
ACKNOWLEDGED = 16
"""Segments that the other end acknowledges at once."""

RAW = 101
FIN, SYN, PSH, ACK = 1, 2, 8, 16
ENDS = ((bytes((192, 0, 2, 1)), 49152), (bytes((192, 0, 2, 2)), PORT))
SCALED = bytes((2, 4, 0xFF, 0xD7, 1, 3, 3, 14))
"""Options of both SYNs: segments of 65,495 octets, and a window of up to a gibibyte."""

SECTION_HEADER, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
COMMENT, APPLICATION = 1, 4


def write_wrapped(out: BinaryIO, octets: Iterable[memoryview], comment: str, application: str) -> int:
    """Write the capture, and give the number of its packets.  No more than a segment is kept."""
    connection = _Connection(out, comment, application)
    connection.say(0, SYN, options=SCALED)
    connection.say(1, SYN | ACK, options=SCALED)
    connection.say(0, ACK)
    for number, data in enumerate(segments(octets), 1):
        connection.say(0, PSH | ACK, data)
        if not number % ACKNOWLEDGED:
            connection.say(1, ACK)
    connection.say(0, FIN | ACK)
    connection.say(1, FIN | ACK)
    connection.say(0, ACK)
    return connection.packets


def segments(octets: Iterable[memoryview]) -> Iterator[memoryview]:
    """Cut octets that come in any pieces into segments."""
    rest = memoryview(b"")
    for block in octets:
        whole = memoryview(b"".join((rest, block))) if rest else block
        end = len(whole) - len(whole) % SEGMENT
        for at in range(0, end, SEGMENT):
            yield whole[at : at + SEGMENT]
        rest = whole[end:]
    if len(rest):
        yield rest


class _Connection:
    """The file, and how far either end has come."""

    def __init__(self, out: BinaryIO, comment: str, application: str) -> None:
        self.out, self.packets = out, 0
        self.next = [0, 0]
        options = _option(COMMENT, comment) + _option(APPLICATION, application) + bytes(4)
        _block(out, SECTION_HEADER, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + options)
        _block(out, INTERFACE, struct.pack("<HHI", RAW, 0, 0))

    def say(self, end: int, flags: int, data: memoryview | bytes = b"", *, options: bytes = b"") -> None:
        """Write one packet of this end."""
        (source, port), (destination, to) = ENDS[end], ENDS[1 - end]
        acknowledged = self.next[1 - end] & 0xFFFFFFFF if flags & ACK else 0
        size = 20 + len(options)
        words = (port, to, self.next[end] & 0xFFFFFFFF, acknowledged, size << 10 | flags, 65535)
        tcp = struct.pack(">HHIIHH", *words)
        pseudo = source + destination + struct.pack(">HH", 6, size + len(data))
        check = _checksum(pseudo + tcp + options, data)
        ip = struct.pack(">HHHHH", 0x4500, 20 + size + len(data), 0, 0x4000, 64 << 8 | 6)
        addresses = source + destination
        header = b"".join(
            (ip, struct.pack(">H", _checksum(ip + addresses)), addresses, tcp, struct.pack(">HH", check, 0), options)
        )
        length = len(header) + len(data)
        _block(
            self.out, PACKET, struct.pack("<IIIII", 0, *divmod(self.packets, 1 << 32), length, length) + header, data
        )
        self.packets += 1
        self.next[end] += len(data) + bool(flags & (SYN | FIN))


def _checksum(header: bytes, data: memoryview | bytes = b"") -> int:
    """Give the Internet checksum: a sum of 16-bit words with end-around carry is a remainder by 65,535."""
    total = int.from_bytes(header, "big") + (int.from_bytes(data, "big") << 8 * (len(data) % 2))
    return -total % 0xFFFF


def _option(code: int, text: str) -> bytes:
    octets = text.encode("utf-8", "backslashreplace")[:0xFFFF]
    return struct.pack("<HH", code, len(octets)) + octets + bytes(-len(octets) % 4)


def _block(out: BinaryIO, kind: int, body: bytes, data: memoryview | bytes = b"") -> None:
    padding = -(len(body) + len(data)) % 4
    length = 12 + len(body) + len(data) + padding
    out.write(struct.pack("<II", kind, length) + body)
    out.write(data)
    out.write(bytes(padding) + struct.pack("<I", length))
