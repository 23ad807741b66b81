# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in the way of a PDU: findings of rules, the generic ones, gaps, and the way back."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.decode import Event, Gap, Lost, Machine, Malformed, PduSeen, Resynced
from dissector.ir.findings import GENERIC
from tests.decode import toy
from tests.decode.test_machine import feed, machine, ones

MAIN = toy.STREAMS["main"]
START = len(toy.HELLO)


def short(events: list[Event]) -> list[tuple[Any, ...]]:
    """Events in a form that is easy to write down."""
    out: list[tuple[Any, ...]] = []
    for e in events:
        if isinstance(e, PduSeen):
            out.append((e.name, e.offset, *(f.text for f in e.findings)))
        elif isinstance(e, Malformed):
            out.append((e.finding.name, e.offset, e.finding.text))
        elif isinstance(e, Gap):
            out.append(("gap", e.offset, e.length))
        elif isinstance(e, Resynced):
            out.append(("resync", e.offset, e.state))
        elif isinstance(e, Lost):
            out.append(("lost", e.offset))
    return out


class TestRuleFindings:
    def test_values_in_the_text(self) -> None:
        """A finding has the values of the PDU and of the octets ahead of it."""
        (e,) = machine().feed(toy.say(b"123456789"))

        assert isinstance(e, PduSeen)
        assert [("loud", "warn", "protocol", "9 octets of 123456789")] == [
            (f.name, f.severity, f.group, f.text) for f in e.findings
        ]

    def test_registers_as_before(self) -> None:
        """A finding looks at the registers as they were before the PDU's assignments."""
        events = machine().feed(toy.device(1, b"") + toy.device(1, b"") + b"\x08\x01")

        texts = [[f.name for f in e.findings] for e in events if isinstance(e, PduSeen) and e.name == "Device"]
        assert [[], ["twice"]] == texts

    def test_quiet_pdus_with_a_finding_are_reported(self) -> None:
        """Nothing remarkable is lost when PDUs are only counted, and it is told in full."""
        octets = b"\x05" + toy.small(1) + toy.small(2, fill=9)
        (quiet,) = machine(events=False).feed(octets)
        loud = machine().feed(octets)[-1]

        assert loud == quiet


class TestFaults:
    def test_unknown(self) -> None:
        """No rule holds: the octets are shown, and the position is lost."""
        m = machine()
        events = m.feed(b"\xf0" + bytes(40))

        assert [("unknown", START, "no such thing: 0xf0"), ("lost", START)] == short(events)
        assert isinstance(events[0], Malformed)
        assert (b"\xf0" + bytes(31), "item") == (events[0].octets, events[0].state)
        assert m.is_lost

    def test_shows_what_there_is(self) -> None:
        """At the end of the stream nobody waits for 32 octets."""
        m = machine()
        assert [] == feed(m, ones(b"\xf0\x00\x00"))

        events = m.close()
        assert ["unknown", "lost"] == [x[0] for x in short(events)]
        assert isinstance(events[0], Malformed)
        assert b"\xf0\x00\x00" == events[0].octets

    def test_declared(self) -> None:
        """A rule may say that something cannot be."""
        assert ("odd", START, "type 241 is odd") == short(machine().feed(b"\xf1" + bytes(40)))[0]

    def test_in_a_region(self) -> None:
        """A fault in a region costs the rest of the region, and no more."""
        events = machine().feed(toy.package(b"\xf0\x01\x02") + b"\x08\x01")

        assert ["Package", "unknown", "Use"] == [x[0] for x in short(events)]
        assert isinstance(events[1], Malformed)
        assert (b"\xf0\x01\x02", "inner") == (events[1].octets, events[1].state)


class TestResync:
    LOST = b"\xf0" + bytes(40)

    @pytest.mark.parametrize("cut", [lambda x: [x], ones])
    def test_finds_a_place(self, cut: Any) -> None:
        """Where a way accepts, its assignments are done and reading goes on."""
        m = machine()
        events = feed(m, cut(self.LOST + b"\x7e\x00\x00\x08\x01"))

        place = START + 41
        assert [("resync", place, "footer"), ("Footer", place), ("Use", place + 3, "no key 01")] == short(events)[2:]
        assert isinstance(events[2], Resynced)
        assert 41 == events[2].skipped

    def test_not_where_it_was_lost(self) -> None:
        """The octet at which it was lost is no candidate: that would go round in circles."""
        m = machine(toy.HELLO + toy.device(1, b"")[:3])
        octets = b"\x00\x7e\x00\x01\x08" + b"\x7e\x00\x02" + bytes(40)
        events = m.feed(octets)

        assert ["Body", "Footer", "Use", "unknown", "lost"] == [x[0] for x in short(events)][:5]

    def test_ways_in_order(self) -> None:
        """At each octet the ways are asked in order, and the first place wins."""
        events = machine().feed(self.LOST + b"\x01C\x02ab" + bytes(40) + b"TO\x00\x00\x00\x00")

        assert ("resync", START + 41, "item") in short(events)

    def test_window(self) -> None:
        """A way that would have to look beyond its window does not accept."""
        events = machine().feed(self.LOST + b"\x7e\x00\x00\x0d" + bytes(40))

        assert not any(isinstance(e, Resynced) for e in events)

    def test_midway(self) -> None:
        """A stream whose beginning is missing starts lost."""
        m = Machine(MAIN, midway=True)
        events = m.feed(b"abc\x7e\x00\x00\x08\x01")

        assert [("resync", 3, "footer"), ("Footer", 3), ("Use", 6, "no key 01")] == short(events)

    def test_first_octet_of_a_midway_stream(self) -> None:
        """There the first octet may be the place."""
        assert ("resync", 0, "footer") == short(Machine(MAIN, midway=True).feed(b"\x7e\x00\x00\x08"))[0]


@pytest.mark.parametrize("cut", [lambda x: [x], ones], ids=["whole", "octets"])
class TestRegions:
    def test_short(self, cut: Any) -> None:
        """What does not fit into a region is told, and the region is left."""
        events = feed(machine(), cut(toy.package(toy.say(b"abc")[:-1]) + b"\x08\x01"))

        text = "5 octets are left, too few for what begins here"
        assert [("Package", START), ("short_region", START + 3, text), ("Use", START + 8, "no key 01")] == short(events)

    def test_short_body(self, cut: Any) -> None:
        """Nor does a body go on behind its region."""
        events = feed(machine(), cut(toy.package(b"\x06\x00\x01abcde") + b"\x08\x01" + toy.device(1, b"")))

        assert ("short_region", START + 6, "5 octets are left, too few for what begins here") in short(events)
        assert ("Use", START + 11, "no key 01") in short(events)

    def test_payload_overruns(self, cut: Any) -> None:
        """A payload ends where its region does."""
        events = feed(machine(), cut(toy.package(b"\x03\x00\x00\x00\x09abc") + b"\x08\x01"))

        text = "5 octets announced, but only 3 are left around it"
        assert [("Package", START), ("Blob", START + 3, text), ("Use", START + 11, "no key 01")] == short(events)

    def test_region_overruns(self, cut: Any) -> None:
        """A region ends where the one around it does."""
        events = feed(machine(), cut(toy.package(b"\x04\x00\x09\x05") + b"\x08\x01"))

        text = "9 octets announced, but only 1 are left around it"
        assert [("Package", START), ("Package", START + 3, text)] == short(events)[:2]
        assert ("Use", START + 7, "no key 01") == short(events)[-1]

    def test_both_overrun(self, cut: Any) -> None:
        """A payload that takes all leaves nothing for the region behind it."""
        events = feed(machine(), cut(toy.package(b"\x0b\x05\x05abc") + b"\x08\x01"))

        texts = (
            "5 octets announced, but only 3 are left around it",
            "5 octets announced, but only 0 are left around it",
        )
        assert ("Both", START + 3, *texts) == short(events)[1]
        assert ("Use", START + 9, "no key 01") == short(events)[-1]

    def test_depth(self, cut: Any) -> None:
        """There is a limit to what may stand in what."""
        octets = toy.package(toy.package(toy.package(toy.package(toy.say(b"x")))))
        events = feed(machine(), cut(octets + b"\x08\x01"))

        assert ("depth", START + 9, "nested deeper than 3 levels") == short(events)[3]
        assert ("Use", START + len(octets), "no key 01") == short(events)[-1]

    def test_empty(self, cut: Any) -> None:
        """A region of nothing is over at once, also several."""
        events = feed(machine(), cut(toy.package(toy.package(b"")) + b"\x08\x01"))

        assert ["Package", "Package", "Use"] == [x[0] for x in short(events)]


class TestMaps:
    def test_full(self) -> None:
        """No more keys than the limit; said once, and known keys may still change."""
        m = machine()
        events = m.feed(b"".join(bytes([7, k, 0, k]) for k in (1, 2, 3, 4, 5, 6, 1)))

        assert [("map_full", START + 16, "more than 4 different keys, no more are remembered")] == [
            x for x in short(events) if x[0] == "map_full"
        ]
        assert {1: 1, 2: 2, 3: 3, 4: 4} == m.registers["table"]


class TestEnd:
    @pytest.mark.parametrize(
        ("octets", "inside"),
        [
            (b"\x01\x00", "item"),
            (b"\x03\x00\x00\x00\x09abc", "BLOB"),
            (b"\x06\x00\x01abc", "BODY"),
            (b"\x04\x00\x09\x08\x01", "PACKAGE"),
            (b"\x04\x00\x09\x01", "inner"),
            (b"\x0b\x03\x03ab", "BOTH"),
        ],
    )
    def test_truncated(self, octets: bytes, inside: str) -> None:
        """The end says what it came too early for."""
        m = machine(toy.HELLO + octets)

        assert f"stream ends inside {inside}" == short(m.close())[-1][-1]

    @pytest.mark.parametrize("octets", [b"", toy.package(b"\x08\x01"), toy.blob(b"abc"), b"\xf0" + bytes(40)])
    def test_not_truncated(self, octets: bytes) -> None:
        """Between two PDUs anything may end, and a lost stream is lost."""
        assert not machine(toy.HELLO + octets).close()


class TestGaps:
    def test_in_a_payload(self) -> None:
        """A payload swallows a gap: nothing is lost but octets."""
        m = machine(toy.HELLO + toy.blob(bytes(100))[:15])

        assert [("gap", START + 15, 50)] == short(m.gap(50))
        assert [("Use", START + 105, "no key 01")] == short(m.feed(bytes(40) + b"\x08\x01"))

    def test_behind_a_payload(self) -> None:
        """What is more than the payload takes is lost."""
        m = machine(toy.HELLO + toy.blob(bytes(10))[:8])

        assert [("gap", START + 8, 8), ("lost", START + 16)] == short(m.gap(8))
        assert ("resync", START + 16, "footer") == short(m.feed(b"\x7e\x00\x00\x08"))[0]

    def test_in_a_region(self) -> None:
        """A gap inside a region costs the rest of it."""
        m = machine(toy.HELLO + toy.package(toy.say(bytes(17)))[:4])

        assert [("gap", START + 4, 6)] == short(m.gap(6))
        assert [("Use", START + 23, "no key 01")] == short(m.feed(bytes(13) + b"\x08\x01"))

    def test_up_to_the_end_of_a_region(self) -> None:
        """Exactly its rest is inside it."""
        m = machine(toy.HELLO + toy.package(b"\x01\x00\x09123456789")[:6])

        m.gap(9)
        assert [("Use", START + 15, "no key 01")] == short(m.feed(b"\x08\x01"))

    def test_over_the_end_of_an_inner_region(self) -> None:
        """The region around it is the one that it ends in."""
        m = machine(toy.HELLO + toy.package(toy.package(bytes(5)), bytes(9))[:7])

        m.gap(8)
        assert [("Use", START + 20, "no key 01")] == short(m.feed(bytes(5) + b"\x08\x01"))

    def test_over_the_end_of_all_regions(self) -> None:
        """Behind all of them the position is lost."""
        m = machine(toy.HELLO + toy.package(bytes(5))[:5])

        assert ("lost", START + 15) == short(m.gap(10))[-1]

    def test_drops_what_was_carried(self) -> None:
        """Half a header is worth nothing; it is part of what is passed over."""
        m = machine(toy.HELLO + b"\x01\x00")

        assert [("gap", START + 2, 3), ("lost", START + 5)] == short(m.gap(3))

    def test_in_a_body(self) -> None:
        """A body that misses octets is not reported."""
        m = machine(toy.HELLO + b"\x06\x00\x01abc")

        assert [("gap", START + 6, 3), ("lost", START + 9)] == short(m.gap(3))
        assert ["resync", "Footer", "Use"] == [x[0] for x in short(m.feed(b"\x7e\x00\x00\x08\x01"))]

    def test_of_unknown_length(self) -> None:
        """Nothing can be said about what follows, not even in a payload."""
        m = machine(toy.HELLO + toy.blob(bytes(100))[:15])

        assert [("gap", START + 15, None), ("lost", START + 15)] == short(m.gap())
        assert m.is_lost

    def test_ends_the_waiting_of_a_fault(self) -> None:
        """The octets behind the gap are not those behind the fault."""
        m = machine(toy.HELLO + b"\xf0\x00")

        events = m.gap(100)
        assert ["unknown", "lost", "gap"] == [x[0] for x in short(events)]
        assert isinstance(events[0], Malformed)
        assert b"\xf0\x00" == events[0].octets

    def test_of_nothing(self) -> None:
        """A gap of no octets loses nothing."""
        m = machine(toy.HELLO + b"\x08")
        m.gap(0)

        assert not m.is_lost

    @settings(max_examples=100, deadline=None)
    @given(
        octets=st.binary(max_size=60).map(lambda x: toy.HELLO + toy.package(toy.blob(x), x) + toy.say(x) + x),
        at=st.integers(0, 100),
        length=st.integers(0, 60) | st.none(),
        quiet=st.booleans(),
    )
    def test_any_gap_anywhere(self, octets: bytes, at: int, length: int | None, quiet: bool) -> None:
        """Whole or octet by octet, a gap has the same effect."""
        before, behind = octets[:at], octets[at + (length or 0) :]
        whole, single = Machine(MAIN, events=not quiet), Machine(MAIN, events=not quiet)

        events = whole.feed(before) + whole.gap(length) + whole.feed(behind) + whole.close()
        same = feed(single, ones(before)) + single.gap(length) + feed(single, ones(behind)) + single.close()
        assert events == same


class TestStuck:
    def test_a_table_that_goes_round_in_circles(self) -> None:
        """The verifier refuses such a table; a decoder that is given one nevertheless comes to an end."""
        from dissector.ir.model import Rule, State, Stream  # noqa: PLC0415

        states = (State("a", (Rule("b"),)), State("b", (Rule("a"),)))
        m = Machine(Stream("circle", "a", (), states, toy.TOY.streams[0].unknown))

        assert ["unknown", "lost"] == [x[0] for x in short(m.feed(b"x"))]


def test_all_generic_findings_are_met_here() -> None:
    """There is none that nothing gives rise to."""
    octets = (
        b"".join(bytes([7, k, 0, k]) for k in range(6))
        + toy.package(toy.package(toy.package(toy.package(b""))), b"\x01")
        + toy.package(b"\x03\x00\x00\x00\x09")
        + b"\xf0"
        + bytes(40)
        + b"TO"
        + struct.pack(">I", 0)
    )
    m = machine()
    long = Machine(MAIN)
    events = m.feed(octets) + m.gap(1) + long.feed(b"TO" + struct.pack(">I", 1 << 30) + bytes(64))
    cut = machine(toy.HELLO + b"\x01").close()

    names = {f.name for e in events if isinstance(e, PduSeen) for f in e.findings}
    names |= {e.finding.name for e in [*events, *cut] if isinstance(e, Malformed | Gap | Lost | Resynced)}
    assert {f.name for f in GENERIC} <= names
