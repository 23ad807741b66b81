# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers: whatever a capture is wrapped in, the same packets come out, and what is no capture is refused."""

from __future__ import annotations

import gzip
import io
import os
import struct
from pathlib import Path
from typing import Literal

import pytest

from dissector.capture import Chunk, Packet, conversations, read_packets
from dissector.errors import CaptureError
from dissector.regression.wire import Wire
from tests.support.captures import FRAMES, packets, read, recorded, refusal


class TestPcap:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
    def test_knows_byte_order_and_resolution_by_the_magic_number(self, order: str, magic: int, unit: int) -> None:
        """Both byte orders and both resolutions give link type, time, octets and lengths."""
        header = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 0xF4000000 | 113)
        record = struct.pack(order + "IIII", 1_700_000_000, 123_456, 5, 900) + b"hello"

        assert [Packet(1, 1_700_000_000_000_000_000 + 123_456 * unit, 113, memoryview(b"hello"), 900)] == packets(
            header + record
        )

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_numbers_packets_from_one(self, order: Literal["<", ">"]) -> None:
        """Numbers are Wireshark's, and empty frames count."""
        found = packets(recorded("pcap", order))

        assert FRAMES == [bytes(packet.data) for packet in found]
        assert list(range(1, len(FRAMES) + 1)) == [packet.number for packet in found]

    def test_record_larger_than_a_block(self) -> None:
        """A record may be larger than what is read at a time."""
        stream = io.BytesIO()
        wire = Wire(stream, snaplen=1 << 30)
        frames = [os.urandom(3_000_000), b"small", os.urandom(1_048_576)]
        for frame in frames:
            wire.packet(frame)

        assert frames == read(stream.getvalue())

    def test_record_of_impossible_length(self) -> None:
        """A length that no writer would produce is named with its place; what came before was given."""
        octets = recorded("pcap")
        found = read_packets(io.BytesIO(octets + struct.pack("<IIII", 0, 0, 1 << 29, 1 << 29)))

        assert FRAMES == [bytes(next(found).data) for _ in FRAMES]
        with pytest.raises(CaptureError) as error:
            next(found)
        assert f"input: a packet record of 536870912 octets at octet {len(octets)}" in str(error.value)


class TestCutShort:
    @pytest.mark.parametrize(("container", "what"), [("pcap", "packet record"), ("pcapng", "block")])
    def test_gives_what_is_whole(self, container: Literal["pcap", "pcapng"], what: str) -> None:
        """Cut anywhere, a capture gives its whole packets, and one warning with the place of the broken one."""
        octets = recorded(container)
        ends = [packet_end(container, count) for count in range(len(FRAMES) + 1)]
        for size in range(ends[0], ends[6] + 1):
            warnings: list[str] = []
            whole = sum(end <= size for end in ends) - 1

            assert FRAMES[:whole] == read(octets[:size], warnings)

            place = f"input: cut short in the middle of a {what} at octet {ends[whole]}"
            assert ([] if size in ends else [place]) == warnings

    def test_strict(self, tmp_path: Path) -> None:
        """A strict reader raises, after it has given the whole packets."""
        path = tmp_path / "short.pcap"
        path.write_bytes(recorded("pcap")[:-1])
        found: list[Packet] = []

        with pytest.raises(CaptureError) as error:
            found.extend(read_packets(path, strict=True))
        assert path.stat().st_size - 9015 == int(str(error.value).split("octet ")[1].split("\n")[0])
        assert f"{path}: cut short in the middle of a packet record at octet " in str(error.value)
        assert "what came before it can be read" in error.value.hint


def packet_end(container: str, count: int) -> int:
    """Return where the first ``count`` packets end."""
    if container == "pcap":
        return 24 + sum(16 + len(frame) for frame in FRAMES[:count])
    return 28 + 32 + sum(32 + (len(frame) + 3 & ~3) for frame in FRAMES[:count])


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "input: empty file\nhint: was the recording stopped before its first packet?"),
        (
            b"\x7fELF\x02\x01",
            "input: not a pcap or pcapng file (starts with 7f 45 4c 46)\nhint: dumpcap, tcpdump",
        ),
        (b"\x0a", "input: not a pcap or pcapng file (starts with 0a)\nhint: "),
        (
            bytes.fromhex("34cdb2a1") + bytes(20),
            (
                "input: a modified pcap file (starts with 34 cd b2 a1), which nobody has written for 20 years\n"
                "hint: convert it: editcap -F pcap OLD NEW"
            ),
        ),
        (bytes.fromhex("a1b2cd34"), "input: a modified pcap file (starts with a1 b2 cd 34)"),
        (
            bytes.fromhex("d4c3b2a1020004"),
            "input: only 7 octets, less than a capture's header\nhint: record or copy it again",
        ),
        (gzip.compress(b"", mtime=0), "input: empty file"),
        (
            gzip.compress(gzip.compress(b"x", mtime=0), mtime=0),
            "input: not a pcap or pcapng file (starts with 1f 8b 08 00)",
        ),
    ],
)
def test_no_capture(octets: bytes, message: str) -> None:
    """What is no capture is refused by its first octets, and the hint says what to do."""
    assert refusal(octets).startswith(message)


def recorded_captures() -> list[Path]:
    """Return the recorded captures of this repository and, where there are any, those beside it."""
    root = Path(__file__).resolve().parents[2]
    return sorted([*root.glob("pcaps/*.pcap.gz"), *root.parent.glob("shared/captures/*.pcap.gz")])


@pytest.mark.parametrize("path", recorded_captures(), ids=lambda path: path.name)
def test_recorded_captures(path: Path) -> None:
    """Every recorded capture is whole, and has a connection with octets in it and nothing missing."""
    offsets: dict[tuple[int, int], int] = {}
    for event in conversations(read_packets(path, strict=True)):
        if isinstance(event, Chunk):
            key = event.connection.index, event.direction
            assert offsets.get(key, 0) == event.offset
            offsets[key] = event.offset + len(event.data)

    assert offsets
