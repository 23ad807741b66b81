# SPDX-License-Identifier: GPL-2.0-or-later
"""Payloads as frames of Ethernet: the least that Wireshark needs around a packet to hand it to its dissector.

Addresses are fixed, checksums are zero (which Wireshark takes for "not computed" in UDP and does not check elsewhere),
and each packet has a port of its own, so that no two of them are one conversation.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from pathlib import Path

from dissector.capture.writing import Spool, interface, section

ADDRESSES = bytes.fromhex("020000000002 020000000001")
SOURCE, DESTINATION = "192.0.2.1", "192.0.2.2"
FIRST_PORT, PORTS = 40000, 20000
IP, TCP, UDP = 0x0800, 6, 17
LLC = 0x03
"""Control field of unnumbered information."""


def frame(carrier: tuple[str, int], payload: bytes, number: int = 0, *, answer: bool = False, to: str = "") -> bytes:
    """Wrap *payload*; *number* chooses the port of its other side, *answer* that it comes from the carrier's port."""
    kind, value = carrier
    if kind == "ethertype":
        return ethernet(value, payload)
    if kind == "llc":
        return ethernet(len(payload) + 3, bytes([value, value, LLC]) + payload)
    if kind == "ip":
        return ethernet(IP, ipv4(value, payload, number, to))
    ports = (FIRST_PORT + number % PORTS, value)
    head = struct.pack(">HH", *(reversed(ports) if answer else ports))
    if kind == "udp":
        return ethernet(IP, ipv4(UDP, head + struct.pack(">HH", len(payload) + 8, 0) + payload, number, to))
    segment = head + struct.pack(">IIBBHHH", 1, 1, 0x50, 0x18, 0xFFFF, 0, 0) + payload
    return ethernet(IP, ipv4(TCP, segment, number, to))


def ethernet(kind: int, payload: bytes) -> bytes:
    """A frame with a type, or with a length."""
    return ADDRESSES + struct.pack(">H", kind) + payload


def ipv4(protocol: int, payload: bytes, number: int = 0, to: str = "") -> bytes:
    """An IPv4 packet."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), number & 0xFFFF, 0, 64, protocol, 0)
    ends = b"".join(ipaddress.IPv4Address(address).packed for address in (SOURCE, to or DESTINATION))
    return head + ends + payload


def write(path: Path, found: Iterable[bytes]) -> Path:
    """Write frames to a capture, a millisecond apart."""
    spooled = path.with_suffix(".spool")
    with spooled.open("w+b") as stream, Spool(stream) as spool:
        for number, octets in enumerate(found):
            spool.packet(octets, number * 1_000_000)
        spool.write(path, [section("dissector", ["packets for the comparison with Wireshark"]), interface("proof", "")])
    spooled.unlink()
    return path
