# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of packets that look alike are passed over, and nothing but the time it takes tells that they were."""

from __future__ import annotations

import io
import random
import struct
from typing import Literal
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.capture import Chunk, Ignored, alike, reassembly, source
from dissector.capture.alike import Alike
from dissector.capture.files import frames_of
from dissector.capture.link import ETHERNET
from dissector.capture.packet import Event, Frame
from dissector.capture.reassembly import said as told
from dissector.capture.source import Source
from dissector.errors import CaptureError
from dissector.regression.wire import ACK, FIN, PSH, RST, SYN, Wire, cut, default_ends, fixed, write_capture
from tests.capture.test_joined import plain
from tests.support.captures import said

NEVER = 1 << 40
RAW = 101
STAMPS = b"\1\1\10\12" + bytes(8)


class Reading:
    """One way to read a capture."""

    def __init__(
        self, octets: bytes, often: int, *, block: int = 1 << 20, joined: int = 1 << 20, patience: int = 0
    ) -> None:
        self.ignored, self.packets = Ignored(), 0
        self.warnings: list[str] = []
        self.events: list[Event] = []
        self.error = ""
        with (
            mock.patch.object(reassembly, "OFTEN", often),
            mock.patch.object(alike, "OFTEN", often),
            mock.patch.object(alike, "PRICE", 0),
            mock.patch.object(alike, "PATIENCE", patience),
            mock.patch.object(source, "BLOCK", block),
        ):
            capture = Source(io.BytesIO(octets), warnings=self.warnings)
            both = Alike()
            frames = frames_of(capture, capture.more(memoryview(b""), 0, 24), both)
            try:
                self.events += told(map(self.counted, frames), ignored=self.ignored, joined=joined, alike=both)
            except CaptureError as error:
                self.error = str(error)

    def counted(self, frame: Frame) -> Frame:
        self.packets += 1
        return frame

    def result(self) -> tuple[object, ...]:
        return plain(self.events), self.ignored, self.warnings, self.error


def steady(
    count: int,
    length: int = 100,
    *,
    container: Literal["pcap", "pcapng"] = "pcap",
    isn: int = 1000,
    ends: bool = True,
) -> bytes:
    """Return a capture of so many segments of one length, every second one acknowledged."""
    stream = io.BytesIO()
    segments = cut(said(count * length), fixed(length))
    write_capture(stream, segments, isn=(isn, 5_000_000), container=container, options=STAMPS, handshake=ends, fin=ends)
    return stream.getvalue()


class TestRows:
    def test_most_packets_of_a_transfer_are_passed_over(self) -> None:
        """In either container, and the events are exactly those of a loop: the same chunks of the same packets."""
        for container in ("pcap", "pcapng"):
            octets = steady(1000, container=container)
            fast, slow = Reading(octets, 16), Reading(octets, NEVER)

            assert slow.result() == fast.result()
            assert 1506 == slow.packets
            assert fast.packets < 100

    def test_chunks_end_where_they_would(self) -> None:
        """A chunk has its size, and the number and the time of its last packet."""
        octets = steady(1000)
        fast, slow = (Reading(octets, often, joined=7000, block=50_000) for often in (16, NEVER))

        assert slow.result() == fast.result()
        assert fast.packets < slow.packets
        assert 7100 == max(len(e.data) for e in fast.events if isinstance(e, Chunk))

    def test_numbers_that_begin_anew(self) -> None:
        """Sequence numbers are modulo 1<<32, and a row goes no further."""
        octets = steady(1000, isn=(1 << 32) - 50_000)
        fast, slow = Reading(octets, 16), Reading(octets, NEVER)

        assert slow.result() == fast.result()
        assert fast.packets < 150

    def test_few_expressions(self) -> None:
        """Whoever changes the length of segments all the time has each packet read, and no expression for each."""
        stream = io.BytesIO()
        wire, at = Wire(stream), 1
        for length in range(1, 200):
            for _ in range(40):
                wire.tcp(*default_ends(0), sequence=at, data=bytes(length))
                at += length
        fast, slow = Reading(stream.getvalue(), 16), Reading(stream.getvalue(), NEVER)

        assert slow.result() == fast.result()
        assert slow.packets > fast.packets >= slow.packets - 40 * alike.MOST

    def test_what_is_looked_at_is_bounded(self) -> None:
        """A row is looked at as far as rows were right before, or a segment sent again would make all the rest dear.

        After some that were hardly right, few are looked for.
        """
        stream = io.BytesIO()
        wire = Wire(stream)
        for i in range(200):
            for at in (*range(20 * i, 20 * i + 20), 20 * i + 19):
                wire.tcp(*default_ends(0), sequence=at, data=b"x")
        seen: list[int] = []

        def unpack(form: str, octets: bytes) -> tuple[int, ...]:
            seen.append(len(octets) // 4)
            return struct.unpack(form, octets)

        with mock.patch.object(alike, "struct", mock.Mock(unpack=unpack)):
            Reading(stream.getvalue(), 16)
            looks = len(seen)
            Reading(stream.getvalue(), 16, patience=alike.PATIENCE)

        assert looks > 100
        assert alike.FIRST_LOOK >= sum(seen) / len(seen)
        assert len(seen) - looks < 10


def damaged(octets: bytes, damage: list[tuple[int, int]]) -> bytes:
    out = bytearray(octets)
    for place, value in damage:
        out[60 + place % (len(out) - 60)] = value
    return bytes(out)


ODD = st.sampled_from(["lost", "again", "other", "padded", "fin", "reset", "peer", "long ack", "call", "cut"])
LENGTHS = st.sampled_from([1, 6, 6, 6, 12, 30])
STEPS = st.lists(st.tuples(st.integers(1, 40), LENGTHS, st.integers(0, 3), ODD), max_size=8)
DAMAGE = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=3)
SIZES = st.tuples(st.sampled_from([90, 700, 3000, 1 << 20]), st.sampled_from([50, 1 << 20]))


def varied(steps: list[tuple[int, int, int, str]], container: Literal["pcap", "pcapng"], seed: int) -> bytes:
    """Return a capture of rows, with something odd behind each."""
    stream, chance = io.BytesIO(), random.Random(seed)
    wire = Wire(stream, container=container, linktype=ETHERNET)
    client, server = default_ends(0)
    at = (1 << 32) - chance.choice([200, 1 << 20])

    def segment(place: int, data: bytes, flags: int = ACK) -> None:
        wire.tcp(client, server, sequence=place, flags=flags, data=data, options=STAMPS)

    def answer(data: bytes = b"", flags: int = ACK, options: bytes = STAMPS, place: int = 6001) -> None:
        wire.tcp(server, client, sequence=place, acknowledgment=at, flags=flags, data=data, options=options)

    segment(at - 1, b"", SYN)
    answer(b"", SYN | ACK, place=6000)
    for count, length, every, odd in steps:
        for i in range(count):
            segment(at, said(length, at), ACK | (PSH if chance.random() < 0.1 else 0))
            at += length
            if every and not i % every:
                answer(options=STAMPS * (2 if length == 12 else 1))  # then both are of one length
        if odd in ("lost", "again"):
            at += length if odd == "lost" else -length
        elif odd in ("fin", "reset", "call"):
            segment(at, b"", {"fin": FIN | ACK, "reset": RST, "call": SYN}[odd])
        elif odd == "other":
            wire.tcp(*default_ends(1), sequence=at, data=said(length), options=STAMPS)
        elif odd == "peer":
            answer(b"said", chance.choice([ACK, ACK | FIN]))
        elif odd == "long ack":
            answer(options=STAMPS + STAMPS)
        elif odd == "padded":
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + length, 0, 0x4000, 64, 6, 0) + bytes((10, 0, 0, 1, 10, 0, 0, 2))
            tcp = struct.pack(">HHIIBBHHH", client.port, server.port, at & 0xFFFFFFFF, 0, 0x50, ACK, 0, 0, 0)
            wire.packet(bytes(12) + b"\x08\x00" + ip + tcp, said(length) + bytes(9))
            at += length
        else:
            wire.packet(b"\x02" * 60)
    return stream.getvalue()


@settings(deadline=None, max_examples=300)
@given(STEPS, st.sampled_from(["pcap", "pcapng"]), st.integers(0, 99), DAMAGE, SIZES)
def test_rows_change_nothing(
    steps: list[tuple[int, int, int, str]],
    container: Literal["pcap", "pcapng"],
    seed: int,
    damage: list[tuple[int, int]],
    sizes: tuple[int, int],
) -> None:
    """Whatever stands between the rows, whatever octet is another, and wherever a block ends."""
    octets = damaged(varied(steps, container, seed), damage)
    fast, slow = (Reading(octets, often, block=sizes[0], joined=sizes[1]) for often in (3, NEVER))

    assert slow.result() == fast.result()


@pytest.mark.parametrize("container", ["pcap", "pcapng"])
def test_every_octet_of_a_header_counts(container: Literal["pcap", "pcapng"]) -> None:
    """A row ends at a packet of which any octet that matters is another, of its record as well."""
    octets = steady(24, 40, container=container)
    whole = Reading(octets, NEVER)
    middle = len(octets) // 2
    for place in range(middle, middle + 2 * 140 + 120):  # two segments and an acknowledgment
        for value in (octets[place] ^ 1, octets[place] ^ 4, octets[place] ^ 0x20, octets[place] ^ 0x80):
            other = octets[:place] + bytes([value]) + octets[place + 1 :]
            fast, slow = (Reading(other, often) for often in (3, NEVER))

            assert slow.result() == fast.result()
            assert fast.packets < whole.packets


def test_another_section() -> None:
    """An acknowledgment of one section is none in the next, where the same interface may be another link."""
    streams = [io.BytesIO(), io.BytesIO()]
    for link, stream in zip((RAW, ETHERNET), streams, strict=True):
        Wire(stream, container="pcapng", linktype=link)
    second = streams[0].getvalue() + streams[1].getvalue()[28:]
    # The segments that follow are of the second interface, and what were acknowledgments of the first.
    rest = bytearray(steady(40, container="pcapng", isn=5000, ends=False)[60:])
    at = 0
    while at < len(rest):
        length, captured = struct.unpack_from("<4xI12xI", rest, at)
        rest[at + 8] = captured > 80
        at += length
    octets = steady(40, container="pcapng", ends=False) + second + rest
    fast, slow = (Reading(octets, often) for often in (3, NEVER))

    assert slow.result() == fast.result()
    assert 20 == slow.ignored.malformed
    assert fast.packets < slow.packets
