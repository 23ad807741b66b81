# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams to a capture: one UDP datagram a frame, IPv4 without a link layer, ports that name the class."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RAW_IPV4 = 228
HEADERS = 28
"""Octets of IPv4 and UDP in front of a datagram."""


def datagram(octets: bytes, port: int) -> bytes:
    """Give the frame that carries *octets* from *port* to *port*."""
    udp = struct.pack("!4H", port, port, 8 + len(octets), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(octets), 0, 0, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    return ip + udp + octets


def write(path: Path, datagrams: Iterable[tuple[bytes, int]]) -> None:
    """Write (octets, port) as a capture, a millisecond apart."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, RAW_IPV4))
        for number, (octets, port) in enumerate(datagrams):
            frame = datagram(octets, port)
            file.write(struct.pack("<4I", number // 1000, number % 1000 * 1000, len(frame), len(frame)) + frame)
