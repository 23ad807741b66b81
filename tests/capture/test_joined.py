# SPDX-License-Identifier: GPL-2.0-or-later
"""The two short cuts of the reassembly, simple packets and joined chunks, change nothing but the time it takes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.capture import Chunk, Closed, Event, Ignored, Packet, conversations, read_packets, reassembly
from dissector.capture.link import ETHERNET
from dissector.capture.packet import frame_of
from dissector.capture.reassembly import said as told
from dissector.regression.wire import ACK, FIN, PSH, RST, SYN
from tests.support.captures import Script, said

HEADERS = (12, 54)
"""Where in a frame the octets are that decide: from the type to the end of a TCP header without options."""


def frames(script: Script) -> list[Packet]:
    """Return the script's packets, as of an Ethernet."""
    script.stream.seek(0)
    return list(read_packets(io.BytesIO(script.stream.getvalue())))


def plain(events: Iterable[Event]) -> list[tuple[object, ...]]:
    """Return events without their identity."""
    return [
        (type(e).__name__, e.connection.index, *(bytes(v) if isinstance(v, memoryview) else v for v in values(e)))
        for e in events
    ]


def values(event: Event) -> list[object]:
    return [getattr(event, name) for name in type(event).__slots__ if name != "connection"]


def careful(packets: list[Packet], ignored: Ignored) -> list[tuple[object, ...]]:
    """Return what comes out when no packet is taken for a simple one."""
    with mock.patch.object(reassembly, "ETHERNET", -1):
        return plain(conversations(packets, ignored=ignored))


PACKETS = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 8), st.integers(0, 31)), max_size=12)
DAMAGE = st.lists(
    st.tuples(st.integers(0, 11), st.integers(*HEADERS), st.integers(0, 255), st.integers(0, 70)), max_size=6
)


@settings(deadline=None)
@given(PACKETS, DAMAGE)
def test_a_simple_packet_is_read_as_any_other(
    sent: list[tuple[bool, int, int, int]], damage: list[tuple[int, int, int, int]]
) -> None:
    """Whatever stands in the headers, and wherever the frame is cut, the short cut says what the careful road says."""
    script = Script()
    for up, number, size, flags in sent:
        (script.client if up else script.server)(number, said(size), flags & (FIN | SYN | RST | ACK | PSH))
    packets = frames(script)
    for which, place, value, length in damage:
        packet = packets[which % len(packets)]
        octets = bytearray(packet.data)
        octets[place : place + 1] = [value] if place < len(octets) else []
        packet.data = memoryview(bytes(octets[: max(length, 14)] if length < 60 else octets))
    ways = Ignored(), Ignored()

    assert careful(packets, ways[0]) == plain(conversations(packets, ignored=ways[1]))
    assert ways[0] == ways[1]


def joined(packets: list[Packet], most: int) -> list[Event]:
    """Return the events with joined chunks, of packets that all lie in one block."""
    block = memoryview(b"".join(packet.data for packet in packets))
    at, inside = 0, []
    for packet in packets:
        number, time_ns, linktype, _, _, size, original = frame_of(packet)
        inside.append((number, time_ns, linktype, block, at, at + size, original))
        at += size
    return list(told(inside, joined=most))


def pieces(events: Iterable[Event]) -> list[tuple[object, ...]]:
    """Return octet by octet what was said, and everything else, in order."""
    out: list[tuple[object, ...]] = []
    for e in events:
        if isinstance(e, Chunk):
            octets = bytes(e.data)
            out += [(e.connection.index, e.direction, e.offset + i, octets[i]) for i in range(len(octets))]
        else:
            out += plain([e])
    return out


@settings(deadline=None)
@given(PACKETS, st.sampled_from([1, 10, 1 << 18]))
def test_joined_chunks_hold_the_same_octets_in_the_same_order(
    sent: list[tuple[bool, int, int, int]], most: int
) -> None:
    """No octet comes later than something that came behind it, and a gap or an end is where it was."""
    script = Script()
    place = {True: 1, False: 1}
    for up, skip, size, flags in sent:
        (script.client if up else script.server)(place[up] + max(0, skip - 28), said(size), flags & (FIN | RST) | ACK)
        place[up] += size
    packets = frames(script)

    assert pieces(conversations(packets)) == pieces(joined(packets, most))


class TestJoined:
    def script(self) -> list[Packet]:
        """Return five segments up, with an acknowledgment among them, and one down."""
        script = Script()
        for i in range(5):
            script.client(1 + 4 * i, said(4))
            if i == 2:
                script.server(1)
        return frames(script.server(1, b"down", ack=21).client(21, b"up"))

    def test_segments_in_a_row_are_one_chunk(self) -> None:
        """An acknowledgment does not divide them; the other direction does.  The chunk is the last packet's."""
        chunks = [e for e in joined(self.script(), 1 << 18) if isinstance(e, Chunk)]

        assert [said(4) * 5, b"down", b"up"] == [bytes(e.data) for e in chunks]
        assert [9, 10, 11] == [e.frame for e in chunks]
        assert [0, 0, 20] == [e.offset for e in chunks]

    def test_a_chunk_does_not_grow_without_end(self) -> None:
        """Behind so many octets another chunk begins."""
        chunks = [e for e in joined(self.script(), 7) if isinstance(e, Chunk)]

        assert [8, 8, 4, 4, 2] == [len(e.data) for e in chunks]

    def test_a_chunk_may_lie_in_several_blocks(self) -> None:
        """Where a packet lies in two blocks it is read as a small one of its own, and that must not cut the chunk."""
        chunks = [e for e in told(map(frame_of, self.script()), joined=1 << 18) if isinstance(e, Chunk)]

        assert [said(4) * 5, b"down", b"up"] == [bytes(e.data) for e in chunks]

    def test_a_chunk_keeps_few_octets_in_memory(self) -> None:
        """Few octets cannot keep many blocks: all that a chunk's segments lie in counts."""
        each = len(self.script()[3].data)
        chunks = [e for e in told(map(frame_of, self.script()), joined=each) if isinstance(e, Chunk)]

        assert [8, 8, 4, 4, 2] == [len(e.data) for e in chunks]

    def test_what_was_said_comes_before_the_end(self) -> None:
        """The capture's end leaves nothing behind."""
        *_, chunk, end = joined(self.script(), 1 << 18)

        assert isinstance(chunk, Chunk)
        assert isinstance(end, Closed)


def test_frames_are_of_an_ethernet() -> None:
    """The scripts above take the short cut at all."""
    assert {ETHERNET} == {packet.linktype for packet in frames(Script().client(1, b"x"))}
