# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections: which octets belong together, when a conversation begins, and when it is over."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.capture import (
    Chunk,
    Closed,
    Connection,
    Endpoint,
    Ignored,
    Opened,
    conversations,
    read_packets,
    reassembly,
)
from dissector.regression.wire import ACK, FIN, PSH, RST, SYN, Segment, Wire, default_ends
from tests.support.captures import SERVER, Script, closed, events, gaps, octets, said


class TestConnections:
    def test_are_numbered_by_first_appearance(self) -> None:
        """Numbers are those of Wireshark; the client is who sent the SYN."""
        found = events([Segment(b"b", connection=1), Segment(b"a"), Segment(b"c", direction=1, connection=1)])

        opened = [event.connection for event in found if isinstance(event, Opened)]
        assert [0, 1] == [connection.index for connection in opened]
        assert [default_ends(0), default_ends(1)] == [(each.client, each.server) for each in opened]
        assert all(connection.syn_seen for connection in opened)
        assert (b"b", b"c", b"a") == (octets(found, 0, 1), octets(found, 1, 1), octets(found, 0, 0))

    def test_without_a_handshake(self) -> None:
        """Without a SYN, the first sender is the client, and offsets begin with the first octet seen."""
        script = Script(handshake=False).server(500, ack=300).server(500, b"hello", ack=300)
        script.client(300, b"world").server(505, b"!")

        found = script.run()

        client, server = script.ends
        assert isinstance(found[0], Opened)
        assert (server, client, False) == (
            found[0].connection.client,
            found[0].connection.server,
            found[0].connection.syn_seen,
        )
        assert (b"hello!", b"world") == (octets(found, 0), octets(found, 1))

    def test_first_seen_when_answered(self) -> None:
        """A capture that begins with the SYN's answer knows who is who, and both numbers."""
        script = Script(handshake=False).server(0, flags=SYN | ACK, ack=1).client(4, b"def").client(1, b"abc")

        found = script.run()

        assert isinstance(found[0], Opened)
        assert (*script.ends, True) == (
            found[0].connection.client,
            found[0].connection.server,
            found[0].connection.syn_seen,
        )
        assert b"abcdef" == octets(found)

    def test_a_repeated_syn_is_the_same_connection(self) -> None:
        """A SYN with the known number is a retransmission, early or late."""
        script = Script(handshake=False).client(0, flags=SYN).client(0, flags=SYN).server(0, flags=SYN | ACK)
        found = script.client(1, b"abc").client(0, flags=SYN).client(4, b"def").run()

        assert 1 == sum(isinstance(event, Opened) for event in found)
        assert b"abcdef" == octets(found)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_ports_are_used_again(self, *, reverse: bool) -> None:
        """A SYN with another number is another connection, and gives up what the old one waited for."""
        script = Script().client(1, b"old").client(6, b"er")
        if reverse:
            script.server(70_000, flags=SYN).server(70_001, b"new")
        else:
            script.client(70_000, flags=SYN).client(70_001, b"new")

        found = script.run()

        kinds = [(type(event).__name__, event.connection.index) for event in found]
        assert [
            ("Opened", 0),
            ("Chunk", 0),
            ("Gap", 0),
            ("Chunk", 0),
            ("Closed", 0),
            ("Opened", 1),
            ("Chunk", 1),
            ("Closed", 1),
        ] == kinds
        assert [(None, "end", 6), (None, "end", 7)] == closed(found)
        assert b"new" == octets(found, 0, 1)
        assert script.ends[reverse] == found[-1].connection.client

    def test_both_ends_call_at_once(self) -> None:
        """Two SYNs that cross are one connection."""
        script = Script(handshake=False).client(0, flags=SYN).server(0, flags=SYN)
        script.client(0, flags=SYN | ACK).server(0, flags=SYN | ACK).client(1, b"abc").server(1, b"def")

        found = script.run()

        assert 1 == sum(isinstance(event, Opened) for event in found)
        assert (b"abc", b"def") == (octets(found, 0), octets(found, 1))

    def test_a_refused_connection_is_tried_again(self) -> None:
        """The same SYN after a refusal opens the same connection once more."""
        script = Script(handshake=False).client(0, flags=SYN).server(-SERVER, flags=RST | ACK)
        script.client(0, flags=SYN).server(0, flags=SYN | ACK).client(1, b"abc").server(1, b"def")

        found = script.run()

        kinds = [type(event).__name__ for event in found]
        assert ["Opened", "Closed", "Opened", "Chunk", "Chunk", "Closed"] == kinds
        assert {0} == {event.connection.index for event in found}
        assert b"abc" == octets(found)

    def test_a_socket_connected_to_itself(self) -> None:
        """Both directions have the same addresses and ports; nothing breaks."""
        stream = io.BytesIO()
        wire = Wire(stream)
        end = Endpoint("127.0.0.1", 5555)
        for number, flags, data in ((0, SYN, b""), (0, SYN | ACK, b""), (1, ACK, b"abc"), (4, FIN | ACK, b"")):
            wire.tcp(end, end, sequence=number, acknowledgment=1, flags=flags, data=data)
        stream.seek(0)

        assert b"abc" == octets(list(conversations(read_packets(stream))))

    def test_the_dullest_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Too many connections push out the closed ones, then those without octets, and not the one that talks."""
        monkeypatch.setattr(reassembly, "_REMEMBERED", 64)
        stream = io.BytesIO()
        wire = Wire(stream)
        talker, other = default_ends(0)
        wire.tcp(talker, other, sequence=0, flags=SYN)
        wire.tcp(talker, other, sequence=1, data=b"still ")
        for port in range(1, 1000):
            wire.tcp(*default_ends(port), sequence=port, flags=SYN)
        wire.tcp(talker, other, sequence=7, data=b"here")
        stream.seek(0)

        found = list(conversations(read_packets(stream)))

        assert b"still here" == octets(found)
        assert list(range(1000)) == [event.connection.index for event in found if isinstance(event, Opened)]
        assert sorted(range(1000)) == sorted(event.connection.index for event in found if isinstance(event, Closed))

    def test_connections_are_themselves(self) -> None:
        """A connection is equal to itself alone, so it can be a key."""
        ends = default_ends(0)

        assert Connection(0, *ends, syn_seen=True) != Connection(0, *ends, syn_seen=True)
        assert "10.0.0.1:40000 -> 10.0.0.2:4444" == str(Connection(0, *ends, syn_seen=True))

    def test_other_protocols_between(self) -> None:
        """What is not TCP is counted, and disturbs nothing."""
        script = Script().client(1, b"abc")
        script.wire.packet(bytes(60))

        assert b"abcdef" == octets(script.client(4, b"def").run())
        assert Ignored(not_tcp=1) == script.ignored

    def test_no_packets(self) -> None:
        """An empty capture has no connections."""
        assert [] == list(conversations([]))


class TestClosing:
    def test_each_direction_by_its_own_fin(self) -> None:
        """Half a connection may go on when the other half is closed."""
        script = Script().client(1, b"bye", FIN | ACK).server(1, b"not yet", ack=5).server(8, flags=FIN | ACK)

        found = script.client(5, ack=9).run()

        assert [(0, "fin", 4), (1, "fin", 6)] == closed(found)
        assert b"not yet" == octets(found, 1)

    def test_octets_after_the_end_are_counted(self) -> None:
        """What comes behind a FIN, or after a reset, is not delivered but not forgotten either."""
        script = Script().client(1, b"abc", FIN | ACK).client(1, b"abcd").client(5, b"ef").server(1, b"x")
        script.server(2, flags=RST).server(2, b"yz")

        found = script.run()

        assert (b"abc", b"x") == (octets(found, 0), octets(found, 1))
        assert Ignored(after_close=5) == script.ignored

    def test_a_reset_at_the_expected_number(self) -> None:
        """A reset closes both directions, and what waited is given up first."""
        script = Script().server(1, b"abc").server(6, b"fgh").client(1, flags=RST | ACK)

        found = script.run()

        assert [(3, 2)] == gaps(found)
        assert [(None, "rst", 6)] == closed(found)

    def test_a_reset_after_a_fin(self) -> None:
        """A FIN has a number, which a reset after it counts."""
        found = Script().client(1, b"abc", FIN | ACK).server(1, b"more").client(5, flags=RST).run()

        assert [(0, "fin", 4), (None, "rst", 6)] == closed(found)

    @pytest.mark.parametrize("number", [-3000, 1, 3, 300, 2**31 - 5])
    def test_a_forged_reset_disturbs_nothing(self, number: int) -> None:
        """A reset with another number than the expected one is answered with a challenge, and life goes on."""
        script = Script().client(1, b"abc").client(number, flags=RST).client(4, b"def").client(7, flags=FIN | ACK)

        found = script.run()

        assert b"abcdef" == octets(found)
        assert [] == gaps(found)
        assert [(0, "fin", 7), (None, "end", 7)] == closed(found)

    def test_a_reset_ahead_that_nothing_follows(self) -> None:
        """If octets before it were lost, a reset is ahead of the expected number; it is believed in the end."""
        found = Script().client(1, b"abc").client(300, flags=RST).server(1, b"late").run()

        assert b"late" == octets(found, 1)
        assert [(None, "rst", 5)] == closed(found)

    def test_a_fin_in_the_past_is_none(self) -> None:
        """A FIN before octets that were delivered is forged."""
        found = Script().client(1, b"abcdef").client(3, flags=FIN | ACK).client(7, b"ghi").run()

        assert b"abcdefghi" == octets(found)
        assert [(None, "end", 6)] == closed(found)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-9, 30), st.integers(0, 8), st.integers(0, 255)), max_size=40))
def test_any_packets(packets: list[tuple[bool, int, int, int]]) -> None:
    """Whatever the flags and numbers, streams have no overlap, and what was opened is closed, once and last."""
    script = Script(handshake=False)
    for up, number, size, flags in packets:
        (script.client if up else script.server)(number, said(size), flags & (FIN | SYN | RST | ACK | PSH))
    ends: dict[tuple[int, int], int] = {}
    living: dict[int, set[int | None]] = {}
    for event in script.run(limit=20):
        index = event.connection.index
        if isinstance(event, Opened):
            assert not living.get(index)
            living[index] = {0, 1}
        elif isinstance(event, Closed):
            assert living[index] if event.direction is None else event.direction in living[index]
            living[index] -= {0, 1} if event.direction is None else {event.direction}
        else:
            key = index, event.direction
            assert event.direction in living[index]
            assert ends.get(key, 0) == event.offset
            ends[key] = event.offset + (len(event.data) if isinstance(event, Chunk) else event.length)
        if not living[index]:
            ends = {key: end for key, end in ends.items() if key[0] != index}
    assert not any(living.values())
