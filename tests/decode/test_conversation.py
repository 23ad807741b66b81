# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections: what they are, and which belong together."""

from __future__ import annotations

from typing import Any

import pytest

from dissector.decode import Event, Gap, PduSeen, Recognised, Session, Unrecognised
from dissector.errors import DissectorError
from tests.decode import toy

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 4444)
SIDE = b"\xaa\x01\x00\x05"
EXTRA = b"\xaa\xee\x00\x05"


def session(**options: Any) -> Session:
    """A session with one connection, which nobody has used yet."""
    s = Session(toy.TOY, {"bound": 1 << 52}, **options)
    s.opened(1, CLIENT, SERVER)
    return s


def kinds(events: list[Event]) -> list[str]:
    """What came, in short."""
    return [e.name if isinstance(e, PduSeen) else type(e).__name__ for e in events]


class TestRecognition:
    def test_by_first_octets(self) -> None:
        """The first octets tell the channel; they are decoded like the rest."""
        s = session()
        events = s.data(1, 0, toy.HELLO)

        assert ["Recognised", "Hello"] == kinds(events)
        assert isinstance(events[0], Recognised)
        assert ("main", "forward", 1, 1) == (
            events[0].source.channel,
            events[0].source.direction,
            events[0].source.connection,
            events[0].source.conversation,
        )

    def test_waits_for_enough(self) -> None:
        """What cannot be told yet is kept."""
        s = session()

        assert [] == s.data(1, 0, b"T")
        assert ["Recognised"] == kinds(s.data(1, 0, b"O"))
        assert ["Hello"] == kinds(s.data(1, 0, toy.HELLO[2:]))

    def test_whoever_sends_it(self) -> None:
        """The direction that matches is forward; the other end is the destination."""
        s = session()
        (event, *_) = s.data(1, 1, toy.HELLO)

        assert isinstance(event, Recognised)
        assert CLIENT == event.destination
        assert ["Reply"] == kinds(s.data(1, 0, b"\x01\x00\x05"))

    def test_the_other_direction_first(self) -> None:
        """Octets of the reverse direction that came first are decoded, too, in the order in which they came."""
        s = session()

        assert [] == s.data(1, 1, b"\x01\x00\x05")
        events = s.data(1, 0, toy.HELLO)
        assert ["Recognised", "Reply", "Hello"] == kinds(events)
        assert ["reverse", "forward"] == [e.direction for e in events if isinstance(e, PduSeen)]

    def test_nothing_of_ours(self) -> None:
        """A connection that matches nothing is reported once, and ignored."""
        s = session()

        assert [] == s.data(1, 0, b"GET / HTTP/1.1\r\n", frame=4)
        (event,) = s.data(1, 1, b"HTTP/1.1 200 OK\r\n", frame=5, time_ns=9)
        assert Unrecognised(1, CLIENT, SERVER, b"GET / HTTP/1.1\r\n", 5, 9) == event
        assert [] == s.data(1, 0, toy.HELLO) + s.closed(1)

    def test_only_one_side_speaks(self) -> None:
        """At its end at the latest it is reported, or when it has said too much."""
        s = session()
        s.data(1, 0, b"hello")
        assert ["Unrecognised"] == kinds(s.closed(1))

        s.opened(2, CLIENT, SERVER)
        events = [e for _ in range(100) for e in s.data(2, 0, bytes(1000))]
        assert ["Unrecognised"] == kinds(events)

    def test_too_little(self) -> None:
        """An end that comes too early for an answer."""
        s = session()
        s.data(1, 0, b"T")

        assert ["Unrecognised"] == kinds(s.closed(1))

    def test_nothing_at_all(self) -> None:
        """A connection that says nothing is nothing to report."""
        assert [] == session().closed(1)

    def test_a_gap_at_the_beginning(self) -> None:
        """Octets that are not the first ones say nothing."""
        s = session()
        s.gap(1, 0, 5)
        s.data(1, 0, toy.HELLO)

        assert ["Unrecognised"] == kinds(s.closed(1))

    def test_by_choice(self) -> None:
        """A caller may know better."""
        s = Session(toy.TOY)
        s.opened(1, CLIENT, SERVER, channel="main", midway=True)
        events = s.data(1, 0, b"abc\x7e\x00\x00\x08\x01")

        assert ["Resynced", "Footer", "Use"] == kinds(events)
        with pytest.raises(DissectorError, match="did you mean 'main'"):
            s.opened(2, CLIENT, SERVER, channel="mian")


def test_how_a_conversation_begins() -> None:
    """Told by octets alone: what joins a conversation begins none, and too few octets are no beginning."""
    s = session()

    assert s.begins(toy.HELLO + b"more")
    assert not any(s.begins(octets) for octets in (b"", toy.HELLO[:1], b"something else"))
    assert not s.conversations


class TestConversations:
    def test_channels_join(self) -> None:
        """Channels to the same destination share a conversation and its registers."""
        s = session()
        s.data(1, 0, toy.HELLO)
        s.opened(2, ("10.0.0.1", 40001), SERVER)
        s.data(2, 0, SIDE)
        (use,) = s.data(1, 0, b"\x08\x01")

        assert isinstance(use, PduSeen)
        assert {"use.value": 5} == use.notes
        (conversation,) = s.conversations
        assert {"main": 1, "side": 1} == conversation.channels
        assert 1 == conversation.counts["sides"]
        assert 1 == conversation.pdus["Hello"]

    def test_nothing_to_join(self) -> None:
        """A channel that joins is only recognised where there is a conversation."""
        s = session()
        s.data(1, 0, SIDE)

        assert ["Unrecognised"] == kinds(s.closed(1))

    def test_elsewhere(self) -> None:
        """Another destination is another conversation."""
        s = session()
        s.data(1, 0, toy.HELLO)
        s.opened(2, CLIENT, ("10.0.0.3", 4444))
        s.data(2, 0, SIDE)

        assert ["Unrecognised"] == kinds(s.closed(2))

    def test_in_any_order(self) -> None:
        """A channel that does not need one may come before the first channel, which then joins it."""
        s = session()
        s.data(1, 0, EXTRA)
        s.opened(2, ("10.0.0.1", 40001), SERVER)
        s.data(2, 0, toy.HELLO)

        assert [{"extra": 1, "main": 1}] == [c.channels for c in s.conversations]

    def test_one_after_the_other(self) -> None:
        """The first channel is there once: one more begins another conversation, with registers of its own."""
        s = session()
        s.data(1, 0, toy.HELLO + b"\x09\x07")
        s.opened(2, ("10.0.0.1", 40001), SERVER)
        s.data(2, 0, toy.HELLO)

        assert [1, 2] == [c.number for c in s.conversations]
        assert [128, 64] == [c.registers.values["unit"] for c in s.conversations]

    def test_not_into_a_closed_one(self) -> None:
        """Where all is over a new channel begins anew, unless it joins."""
        s = session()
        s.data(1, 0, toy.HELLO)
        s.closed(1)
        s.opened(2, CLIENT, SERVER)
        s.data(2, 0, SIDE)
        s.closed(2)
        s.opened(3, CLIENT, SERVER)
        s.data(3, 0, EXTRA)

        assert [{"main": 1, "side": 1}, {"extra": 1}] == [c.channels for c in s.conversations]

    def test_facts(self) -> None:
        """What is said of the whole is kept with the conversation."""
        s = session()
        s.data(1, 0, toy.HELLO + toy.say(b"hi"))

        assert {"text": b"hi"} == s.conversations[0].facts


class TestOctets:
    def test_offsets(self) -> None:
        """Octets that are there twice are taken once; octets that never came are a gap."""
        s = session()
        s.data(1, 0, toy.HELLO, offset=0)

        assert ["Use"] == kinds(s.data(1, 0, toy.HELLO[-3:] + b"\x08\x01", offset=6))
        assert [] == s.data(1, 0, b"\x08\x01", offset=9)
        events = s.data(1, 0, b"\x08\x01", offset=20)
        assert ["Gap", "Lost"] == kinds(events)
        assert isinstance(events[0], Gap)
        assert (11, 9) == (events[0].offset, events[0].length)

    def test_gaps(self) -> None:
        """A gap that is told counts as octets that were there."""
        s = session()
        s.data(1, 0, toy.HELLO + toy.blob(bytes(50))[:15], offset=0)
        s.gap(1, 0, 10)

        assert ["Use"] == kinds(s.data(1, 0, bytes(30) + b"\x08\x01", offset=34))

    def test_a_direction_that_is_not_decoded(self) -> None:
        """A channel may have one direction only."""
        s = session()
        s.data(1, 0, EXTRA)

        assert [] == s.data(1, 1, b"anything") + s.gap(1, 1, 4) + s.closed(1)

    def test_one_end_at_a_time(self) -> None:
        """Each direction ends by itself."""
        s = session()
        s.data(1, 0, toy.HELLO + b"\x01")

        assert ["Malformed"] == kinds(s.closed(1, 0))
        assert ["Reply"] == kinds(s.data(1, 1, b"\x01\x00\x05"))
        assert s.conversations[0].is_open
        assert [] == s.closed(1, 1)
        assert not s.conversations[0].is_open

    def test_finish(self) -> None:
        """Whatever is open ends."""
        s = session()
        s.data(1, 0, toy.HELLO + b"\x01")

        assert ["Malformed"] == kinds(s.finish())
        assert [] == s.finish()

    def test_unknown_key(self) -> None:
        """A connection has to be opened first."""
        with pytest.raises(DissectorError, match="it is not open"):
            Session(toy.TOY).data(7, 0, b"x")

    def test_the_same_key_again(self) -> None:
        """A key that is used again is another connection."""
        s = session()
        s.data(1, 0, toy.HELLO)
        s.opened(1, CLIENT, SERVER)

        assert ["Recognised", "Hello"] == kinds(s.data(1, 0, toy.HELLO))

    def test_callback(self) -> None:
        """Events may go elsewhere, all of them."""
        seen: list[Event] = []
        s = session(on_event=seen.append)

        assert [] == s.data(1, 0, toy.HELLO + b"\x01") + s.finish()
        assert ["Recognised", "Hello", "Malformed"] == kinds(seen)

    def test_options(self) -> None:
        """Payloads, builder and the choice of events are those of all machines."""
        s = session(payload=True, builder=toy.build, events={"Blob"})
        (_, blob) = s.data(1, 0, toy.HELLO + toy.blob(b"abc"))

        assert isinstance(blob, PduSeen)
        assert b"abc" == blob.fields["data"] == blob.packet.data


class TestParameters:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"unti": 1}, "did you mean 'unit'"),
            ({"unit": 65}, r"possible: 0 \(automatic\), 64 \(64\), 128 \(128\)"),
            ({"bound": -1}, "possible: any number from 0 on"),
        ],
    )
    def test_refused(self, given: dict[str, int], message: str) -> None:
        """What cannot be is refused, with what could."""
        with pytest.raises(DissectorError, match=message):
            Session(toy.TOY, given)

    def test_defaults(self) -> None:
        """A parameter that is not given has its default."""
        assert {"unit": 0, "bound": 1 << 52} == Session(toy.TOY).parameters
