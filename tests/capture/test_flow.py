# SPDX-License-Identifier: GPL-2.0-or-later
"""One direction: octets come out in order and once, or a gap says which ones do not."""

from __future__ import annotations

import io
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.capture import Chunk, Gap, Ignored, conversations, read_packets
from dissector.regression.wire import (
    ACK,
    FIN,
    SYN,
    Segment,
    cut,
    default_ends,
    drop,
    duplicate,
    fixed,
    random_sizes,
    reorder,
    write_capture,
)
from tests.support.captures import Script, closed, events, gaps, octets, said

isns = st.sampled_from([0, 1000, 2**31 - 3, 2**32 - 100, 2**32 - 2, 2**32 - 1])


class TestOrder:
    @settings(deadline=None)
    @given(
        st.tuples(st.integers(0, 5000), st.integers(0, 5000)),
        st.integers(),
        st.tuples(isns, isns),
        st.sampled_from([4, 6]),
    )
    def test_any_cut_any_order_any_repetition(
        self, sizes: tuple[int, int], seed: int, isn: tuple[int, int], version: int
    ) -> None:
        """However octets are cut, reordered and repeated, the same ones come out."""
        up, down = said(sizes[0]), said(sizes[1], 7)
        segments = [*cut(up, random_sizes(seed, 1, 300))]
        segments += cut(down, random_sizes(seed + 1, 1, 300), direction=1)
        segments = duplicate(seed)(reorder(seed, 6)(reorder(seed + 1, len(segments))(segments)))

        ends = [default_ends(0, version)]
        found = events(segments, isn=isn, ends=ends)

        assert up == octets(found, 0)
        assert down == octets(found, 1)
        assert [] == gaps(found)
        assert {(0, "fin"), (1, "fin")} == {item[:2] for item in closed(found)}

    @settings(deadline=None)
    @given(st.integers(), st.sampled_from(["pcap", "pcapng"]))
    def test_any_overlap(self, seed: int, container: Literal["pcap", "pcapng"]) -> None:
        """Segments of different cuts of the same octets, mixed, give those octets."""
        segments = [*cut(said(3000), random_sizes(seed, 1, 200)), *cut(said(3000), random_sizes(~seed, 1, 400))]

        found = events(reorder(seed, len(segments))(segments), container=container)

        assert said(3000) == octets(found)

    def test_a_chunk_names_the_frame_that_carried_it(self) -> None:
        """When a hole closes, every chunk keeps the frame and time of its own octets."""
        found = Script().client(4, b"def").client(7, b"ghi").client(1, b"abc").run()

        chunks = [event for event in found if isinstance(event, Chunk)]
        assert [(0, b"abc", 6), (3, b"def", 4), (6, b"ghi", 5)] == [
            (chunk.offset, bytes(chunk.data), chunk.frame) for chunk in chunks
        ]
        assert chunks[1].time_ns < chunks[2].time_ns < chunks[0].time_ns

    def test_the_first_octets_win(self) -> None:
        """What was seen first stays, be it delivered or held."""
        found = Script().client(1, b"ab").client(5, b"EF").client(2, b"xcdxxg").run()

        assert b"abcdEFg" == octets(found)

    def test_data_on_a_syn(self) -> None:
        """The first octet has the number after the SYN's, even in the same packet (RFC 7413)."""
        script = Script(handshake=False).client(0, b"fast", SYN).server(0, b"", SYN | ACK, ack=5)

        assert b"fast open" == octets(script.client(5, b" open").run())

    def test_offsets_do_not_wrap(self) -> None:
        """Offsets go on beyond 2**32."""
        last = 2**32 + 1000
        segments = [
            Segment(b"begin"),
            Segment(b"middle", 2**31 - 1),
            Segment(b"later", 2**32 - 2),
            Segment(b"end", last),
        ]

        found = events(segments, limit=0, isn=(77, 88))

        chunks = [event for event in found if isinstance(event, Chunk)]
        assert [(0, b"begin"), (2**31 - 1, b"middle"), (2**32 - 2, b"later"), (last, b"end")] == [
            (chunk.offset, bytes(chunk.data)) for chunk in chunks
        ]

    def test_a_probe_of_the_last_octet_is_no_octet(self) -> None:
        """Keepalives repeat the last octet or send garbage in its place; nothing comes out."""
        script = Script().client(0, b"?").client(1, b"abc").client(3, b"").client(3, b"?").client(4, b"def")

        assert b"abcdef" == octets(script.run())
        assert Ignored() == script.ignored

    def test_a_probe_of_a_closed_window_is_an_octet(self) -> None:
        """A probe carries the next octet; if the receiver drops it, it comes again and is not new."""
        found = Script().client(1, b"abc").client(4, b"d").client(4, b"d").client(4, b"def").run()

        assert b"abcdef" == octets(found)


class TestGaps:
    @settings(deadline=None)
    @given(st.integers(20, 60), st.sets(st.integers(0, 59)), st.integers(), isns, st.integers(0, 2000))
    def test_every_hole_is_one_gap(self, count: int, lost: set[int], seed: int, isn: int, limit: int) -> None:
        """Whatever is missing, each run of missing segments is one gap with its place and length."""
        data = said(count * 50)
        segments = [*cut(data, fixed(50))]
        lost = {index for index in lost if index < count}
        expected = bytearray(data)
        runs: list[list[int]] = []
        for index in sorted(lost):
            expected[index * 50 : index * 50 + 50] = bytes(50)
            if runs and runs[-1][0] + runs[-1][1] == index * 50:
                runs[-1][1] += 50
            else:
                runs.append([index * 50, 50])

        found = events(duplicate(seed)(drop(lost)(segments)), isn=(isn, 0), limit=limit)

        assert [tuple(run) for run in runs] == gaps(found)
        assert bytes(expected) == octets(found)
        assert {(0, "fin"), (1, "fin")} == {item[:2] for item in closed(found)}

    def test_too_much_behind_a_hole(self) -> None:
        """A hole is given up with the first segment that makes more wait than the limit allows."""
        script = Script().client(1, b"abc").client(5, b"ef").client(7, b"gh").client(10, b"jkl").client(4, b"d")

        found = script.run(limit=4)

        assert [(3, 1), (8, 1)] == gaps(found)
        assert b"abc\0efgh\0jkl" == octets(found)
        places = [(type(event).__name__, event.frame) for event in found if isinstance(event, Chunk | Gap)]
        assert [("Chunk", 4), ("Gap", 5), ("Chunk", 5), ("Chunk", 6), ("Gap", 7), ("Chunk", 7)] == places

    def test_the_limit_itself_may_wait(self) -> None:
        """As much as the limit is not too much."""
        script = Script().client(5, b"ef").client(7, b"gh").client(1, b"abcd")

        assert [] == gaps(script.run(limit=4))

    def test_many_small_pieces(self) -> None:
        """The number of pieces behind a hole is limited, too."""
        segments = [Segment(b"x", offset) for offset in range(2, 6000, 2)]
        stream = io.BytesIO()
        write_capture(stream, segments, ack_every=0)
        stream.seek(0)
        packets = read_packets(stream)
        gap = next(event for event in conversations(packets, limit=256_000) if isinstance(event, Gap))

        assert (0, 2) == (gap.offset, gap.length)
        assert 3 + 1024 + 1000 + 2 == next(packets).number

    def test_all_connections_together(self) -> None:
        """Many connections with a hole each do not hold more than sixteen times the limit."""
        stream = io.BytesIO()
        segments = [Segment(bytes(100), 1, 0, connection) for connection in range(20)]
        write_capture(stream, segments, fin=False)
        stream.seek(0)
        tracker_gaps = [
            event.connection.index for event in conversations(read_packets(stream), limit=100) if isinstance(event, Gap)
        ]

        assert [16, 17, 18, 19] == tracker_gaps[:4]

    def test_an_acknowledged_fin_ends_the_waiting(self) -> None:
        """Who acknowledges a FIN has all octets before it, so the capture has lost them."""
        script = Script().client(1, b"abc").client(7, b"ghi", FIN | ACK).client(4, b"d")
        script.server(1, ack=7).server(1, ack=11).server(1, b"answer", ack=11)

        found = script.run()

        assert [(4, 2)] == gaps(found)
        kinds = [type(event).__name__ for event in found]
        assert ["Opened", "Chunk", "Chunk", "Gap", "Chunk", "Closed", "Chunk", "Closed"] == kinds
        assert [(0, "fin", 5), (None, "end", 9)] == closed(found)

    def test_a_fin_waits_for_a_hole_to_be_filled(self) -> None:
        """A FIN that overtook octets does not close anything yet."""
        found = Script().client(4, b"def", FIN | ACK).client(1, b"abc").run()

        assert b"abcdef" == octets(found)
        assert [] == gaps(found)
        assert [(0, "fin", 4), (None, "end", 5)] == closed(found)

    def test_the_end_of_a_stream_is_missing(self) -> None:
        """A hole right before a FIN is a gap that the FIN's frame proves."""
        found = Script().client(1, b"abc").client(9, flags=FIN | ACK).run()

        assert [(3, 5)] == gaps(found)
        assert [(0, "fin", 5), (None, "end", 5)] == closed(found)

    @pytest.mark.parametrize("snaplen", [60, 100, 200])
    def test_frames_that_were_cut(self, snaplen: int) -> None:
        """The missing end of each frame is a gap, also of frames that come out of order."""
        segments = [*cut(said(1000), fixed(250))]

        found = events([segments[index] for index in (0, 2, 1, 3)], snaplen=snaplen)

        kept = snaplen - 54
        assert [(offset + kept, 250 - kept) for offset in range(0, 1000, 250)] == gaps(found)
        parts = [said(1000)[offset : offset + kept] + bytes(250 - kept) for offset in range(0, 1000, 250)]
        assert b"".join(parts) == octets(found)

    def test_frames_without_octets(self) -> None:
        """A capture of headers alone is all gaps, and still closes."""
        found = events([*cut(said(500), fixed(250))], snaplen=54)

        assert [(0, 250), (250, 250)] == gaps(found)
        assert not any(isinstance(event, Chunk) for event in found)
