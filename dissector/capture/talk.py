# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP connection as it would have been recorded, of octets that were seen by other means.

Somebody who stands between two programs (a proxy) knows what was said and when, but no packets.  A *talk* makes them:
Ethernet, IP and TCP with a handshake, a segment for what was read at once, an acknowledgment when it was handed on,
FIN or RST.  Times are the caller's.  Sequence numbers are the same every time.

Checksums of TCP are zero, as a machine leaves them to its network card; those of IPv4 are right.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dissector.capture.packet import Endpoint

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
LONGEST = 65160
"""The most octets in a segment, as on Linux's loopback: with its headers it must not exceed 65,535."""

_MACS = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
_SYN_OPTIONS = struct.pack(">BBHBBBB", 2, 4, LONGEST, 1, 3, 3, 7)
"""Maximum segment size, no operation, window scale 7: a window of 8 MiB, which nobody here can fill."""


class Talk:
    """One connection; direction 0 is from client to server."""

    def __init__(
        self, write: Callable[[bytes, int], None], client: Endpoint, server: Endpoint, number: int = 0
    ) -> None:
        self._write = write
        self._ends = client, server
        self._next = [0x10000000 + number * 0x01000000, 0x80000000 + number * 0x01000000]
        self._over: set[int] = set()

    def opened(self, time_ns: int) -> None:
        """Write the handshake."""
        self._segment(0, SYN, time_ns, options=_SYN_OPTIONS)
        self._segment(1, SYN | ACK, time_ns, options=_SYN_OPTIONS)
        self._segment(0, ACK, time_ns)

    def data(self, direction: int, octets: bytes, time_ns: int) -> None:
        """Write what one end said."""
        for at in range(0, len(octets), LONGEST):
            self._segment(direction, PSH | ACK, time_ns, octets[at : at + LONGEST])

    def taken(self, direction: int, time_ns: int) -> None:
        """Write that the other end has taken all that was said in a direction."""
        self._segment(1 - direction, ACK, time_ns)

    def finished(self, direction: int, time_ns: int) -> None:
        """Write that one end has no more to say."""
        if direction not in self._over:
            self._over.add(direction)
            self._segment(direction, FIN | ACK, time_ns)
            self._segment(1 - direction, ACK, time_ns)

    def reset(self, direction: int, time_ns: int) -> None:
        """Write that one end broke the connection."""
        if len(self._over) < 2:
            self._over |= {0, 1}
            self._segment(direction, RST | ACK, time_ns)

    def _segment(self, side: int, flags: int, time_ns: int, data: bytes = b"", options: bytes = b"") -> None:
        source, destination = self._ends[side], self._ends[1 - side]
        sequence, acknowledged = self._next[side], self._next[1 - side] if flags & ACK else 0
        head = struct.pack(
            ">HHIIBBHHH",
            source.port,
            destination.port,
            sequence,
            acknowledged,
            5 + len(options) // 4 << 4,
            flags,
            65535,
            0,
            0,
        )
        self._next[side] = (sequence + len(data) + bool(flags & (SYN | FIN))) & 0xFFFFFFFF
        payload = head + options + data
        kind, ip = ip_header(source.address, destination.address, len(payload))
        self._write(_MACS[1 - side] + _MACS[side] + kind + ip + payload, time_ns)


def ip_header(source: str, destination: str, length: int) -> tuple[bytes, bytes]:
    """Give the Ethernet type and the IP header for a TCP segment of so many octets."""
    if ":" in source:
        ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
        return b"\x86\xdd", struct.pack(">IHBB", 6 << 28, length, 6, 64) + ends
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    words = struct.unpack(">6H", front := struct.pack(">BBHHHBBH", 0x45, 0, length + 20, 0, 0x4000, 64, 6, 0)[:12])
    total = sum(words) + sum(struct.unpack(">4H", ends))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return b"\x08\x00", front[:10] + struct.pack(">H", checksum) + ends
