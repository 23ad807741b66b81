# SPDX-License-Identifier: GPL-2.0-or-later
"""pcapng: sections, interfaces, three kinds of packets, and every length checked."""

from __future__ import annotations

import struct
from typing import Literal

import pytest

from dissector.errors import CaptureError
from tests.support.captures import FRAMES, packets, read, recorded

SHB, IDB, PB, SPB, EPB = 0x0A0D0D0A, 1, 2, 3, 6


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Return a pcapng block."""
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<", options: bytes = b"", linktype: int = 1, snaplen: int = 0) -> bytes:
    """Return a section header and one interface."""
    header = block(SHB, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    return header + block(IDB, struct.pack(order + "HHI", linktype, 0, snaplen) + options, order)


def enhanced(time: int, frame: bytes, order: str = "<", interface: int = 0) -> bytes:
    head = struct.pack(order + "5I", interface, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame))
    return block(EPB, head + frame, order)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(order: Literal["<", ">"]) -> None:
    """A section tells its byte order itself."""
    found = packets(recorded("pcapng", order))

    assert FRAMES == [bytes(packet.data) for packet in found]
    assert 1_700_000_000_000_001_000 == found[0].time_ns


def test_sections_have_interfaces_of_their_own() -> None:
    """A second section may have another byte order, another link type, and starts with no interface."""
    octets = section("<", linktype=113) + enhanced(1, b"first")
    octets += section(">", linktype=1) + enhanced(2, b"second", ">")

    assert [(1, 1000, 113, b"first"), (2, 2000, 1, b"second")] == [
        (packet.number, packet.time_ns, packet.linktype, bytes(packet.data)) for packet in packets(octets)
    ]


@pytest.mark.parametrize(
    ("resolution", "time", "expected"),
    [
        (6, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (0, 1_700_000_000, 1_700_000_000_000_000_000),
        (12, 1_700_000_000_123_456_789, 1_700_000_000_123_456),
        (0x80 | 10, 1_700_000_000 * 1024 + 512, 1_700_000_000_500_000_000),
    ],
)
def test_resolution_of_time(resolution: int, time: int, expected: int) -> None:
    """The unit of time is a power of ten or of two, for each interface."""
    option = struct.pack("<HHBxxx", 9, 1, resolution)

    assert expected == packets(section(options=option) + enhanced(time, b""))[0].time_ns


def test_offset_of_time() -> None:
    """An interface may say what is to be added to its times, and may leave out the end of options."""
    option = struct.pack("<HH4s", 2, 4, b"eth0") + struct.pack("<HHq", 14, 8, -3600)

    assert -3_600_000_000_000 + 1000 == packets(section(options=option) + enhanced(1, b""))[0].time_ns


def test_simple_and_obsolete_packets() -> None:
    """A simple packet ends with its snapshot length, not with its padding; an obsolete one has its own."""
    octets = section(snaplen=6)
    octets += block(SPB, struct.pack("<I", 9) + b"simple")
    octets += block(SPB, struct.pack("<I", 5) + b"short")
    octets += block(PB, struct.pack("<HHIIII", 0, 0, 0, 7, 3, 80) + b"old")

    assert [(b"simple", 9, 0), (b"short", 5, 0), (b"old", 80, 7000)] == [
        (bytes(packet.data), packet.original, packet.time_ns) for packet in packets(octets)
    ]


def test_other_blocks_are_stepped_over() -> None:
    """Names, statistics, keys and unknown blocks are no packets; a few have a frame number nevertheless."""
    octets = section()
    for kind in (4, 5, 10, 0x9999, 9, 0xBAD, 0x40000BAD):
        octets += block(kind, b"whatever it is")
    octets += enhanced(1, b"frame") + block(5, bytes(8))

    assert [(4, b"frame")] == [(packet.number, bytes(packet.data)) for packet in packets(octets)]


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (
            section() + block(EPB, struct.pack("<5I", 0, 0, 0, 9, 9) + bytes(8)),
            "a packet of 9 octets in a block of 40 at octet 48",
        ),
        (
            section() + enhanced(0, b"", interface=1),
            "a packet of interface 1, where only 1 are described, at octet 48",
        ),
        (
            section() + struct.pack("<II", EPB, 34) + bytes(40),
            "type 0x6 with a length of 34 octets at octet 48",
        ),
        (
            section() + struct.pack("<II", EPB, 12) + bytes(40),
            "type 0x6 with a length of 12 octets at octet 48",
        ),
        (
            section() + struct.pack("<II", 77, 8) + bytes(40),
            "type 0x4d with a length of 8 octets at octet 48",
        ),
        (section() + struct.pack("<II", 77, 1 << 30) + bytes(4), "with a length of 1073741824 octets"),
        (section() + block(77, bytes(8))[:-4] + bytes(4), "a block whose two lengths differ at octet 48"),
        (section() + enhanced(0, b"")[:-4] + bytes(4), "a block whose two lengths differ at octet 48"),
        (
            section(options=struct.pack("<HH", 9, 99)),
            "option 9 of 99 octets, more than its block has, at octet 28",
        ),
        (
            section() + block(PB, struct.pack("<HHIIII", 0, 0, 0, 0, 90, 90)),
            "a packet of 90 octets, more than its block has, at octet 48",
        ),
        (block(SHB, bytes(16)), "a section header whose byte order mark is 00 00 00 00 at octet 0"),
    ],
)
def test_contradictions_are_named(octets: bytes, message: str) -> None:
    """Lengths are all that a reader has to hold on to, so each one is checked and its place is told."""
    with pytest.raises(CaptureError) as error:
        read(octets)
    assert message in str(error.value)
    assert "the file is damaged from there on" in error.value.hint
