# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream in a capture: the octets come out as they went in, and the packets are ones that TCP would send."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator

import pytest

from dissector.capture import Chunk, Closed, Gap, Opened, conversations, read_packets
from dissector.capture.wrapped import PORT, SEGMENT, segments, write_wrapped
from tests.support.captures import said


def wrapped(*pieces: bytes) -> bytes:
    out = io.BytesIO()
    write_wrapped(out, map(memoryview, pieces), "a comment", "a test")
    return out.getvalue()


def checksum(octets: bytes) -> int:
    """The sum of 16-bit words, as RFC 1071 has it."""
    octets += bytes(len(octets) % 2)
    total = sum(int.from_bytes(octets[i : i + 2], "big") for i in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 40 * SEGMENT + 7])
@pytest.mark.parametrize("piece", [999_983, 1 << 20])
def test_the_same_octets(size: int, piece: int) -> None:
    """One connection to the port, all octets, no gap, both ends closed."""
    octets = said(size)
    capture = wrapped(*(octets[i : i + piece] for i in range(0, size, piece)))
    found = list(conversations(read_packets(io.BytesIO(capture), strict=True)))

    assert [PORT] == [e.connection.server.port for e in found if isinstance(e, Opened)]
    assert octets == b"".join(bytes(e.data) for e in found if isinstance(e, Chunk))
    assert [0, 1] == [e.direction for e in found if isinstance(e, Closed) and e.how == "fin"]
    assert not [e for e in found if isinstance(e, Gap)]


def test_checksums() -> None:
    """Headers and segments add up, those of an odd length too."""
    for packet in read_packets(io.BytesIO(wrapped(said(SEGMENT + 333)))):
        ip = bytes(packet.data)
        pseudo = ip[12:20] + b"\0\6" + (len(ip) - 20).to_bytes(2, "big")

        assert len(ip) == int.from_bytes(ip[2:4], "big")
        assert (0xFFFF, 0xFFFF) == (checksum(ip[:20]), checksum(pseudo + ip[20:]))


def test_nobody_takes_it_for_a_recording() -> None:
    """The comment is in the first block, and there is no clock in it: twice the same octets."""
    capture = wrapped(b"QEVM")

    assert b"a comment" in capture[:100]
    assert capture == wrapped(b"QE", b"VM")


def test_segments_of_one_octet_pieces() -> None:
    """However the octets come, the segments are as long as they can be."""
    pieces = (memoryview(bytes([i % 251])) for i in range(3000))

    assert [3000] == [len(s) for s in segments(pieces)]


def test_memory_does_not_depend_on_the_length() -> None:
    """Nothing is kept but the rest of a block."""

    class Nowhere(io.RawIOBase):
        def write(self, octets: object, /) -> int:
            return len(octets)  # type: ignore[arg-type]

    def blocks(number: int) -> Iterator[memoryview]:
        return (memoryview(bytes(1 << 20)) for _ in range(number))

    def peak(number: int) -> int:
        tracemalloc.start()
        write_wrapped(Nowhere(), blocks(number), "", "")  # type: ignore[arg-type]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(64) < peak(4) + (1 << 20)
