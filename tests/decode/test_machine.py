# SPDX-License-Identifier: GPL-2.0-or-later
"""The decoder's contract: it consumes and reports, or waits with nothing changed, however the octets are cut."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.decode import Event, Machine, Malformed, PduSeen, Registers
from dissector.decode.machine import whole
from dissector.errors import DissectorError
from tests.decode import toy
from tests.decode.reference import told

MAIN = toy.STREAMS["main"]
BOUND = {"bound": 1 << 52}


def machine(octets: bytes = toy.HELLO, **options: Any) -> Machine:
    """A machine that has read *octets*."""
    m = Machine(MAIN, BOUND, **options)
    m.feed(octets)
    return m


def ones(octets: bytes) -> list[bytes]:
    """Octet by octet."""
    return [octets[i : i + 1] for i in range(len(octets))]


def feed(m: Machine, pieces: Iterable[bytes]) -> list[Event]:
    """All events of all pieces."""
    return [e for piece in pieces for e in m.feed(piece)]


# (name, octets, fields): each PDU by itself, behind a Hello; the header ends where the octets do.
READERS = [
    ("Text", toy.say(b"hello"), {"type": 1, "length": 5, "text": b"hello"}),
    ("Text", toy.say(b""), {"type": 1, "length": 0, "text": b""}),
    ("Options", b"\x02\x00\x09", {"type": 2, "flags": 0, "always": 9}),
    ("Options", b"\x02\x01\x01\x02\x09", {"type": 2, "flags": 1, "extra": 0x102, "always": 9}),
    ("Options", b"\x02\x03\x01\x02\x09fox", {"type": 2, "flags": 3, "extra": 0x102, "always": 9, "name": b"fox"}),
    ("Options", b"\x02\x02\x09fox", {"type": 2, "flags": 2, "always": 9, "name": b"fox"}),
    ("Blob", b"\x03\x00\x00\x00\x04", {"type": 3, "length": 4}),
    ("Blob", b"\x03\x00\x00\x00\x01", {"type": 3, "length": 1}),
    ("Package", b"\x04\x00\x00", {"type": 4, "length": 0}),
    ("Words", b"\x05", {"type": 5}),
    ("Device", b"\x06\x12\x34", {"type": 6, "id": 0x1234}),
    ("Define", b"\x07\x01\xab\xcd", {"type": 7, "key": 1, "value": 0xABCD}),
    ("Use", b"\x08\x01", {"type": 8, "key": 1}),
    ("Unit", b"\x09\x10", {"type": 9, "bits": 16}),
    (
        "Mixed",
        b"\x0a\x12\x34\x56\x78\x9a\xbc\xde",
        {"type": 10, "high": 1, "low": 0x234, "little": 0x7856, "three": 0x9ABCDE},
    ),
    ("Both", b"\x0b\x00\x00", {"type": 11, "payload": 0, "region": 0}),
    ("Step", b"\x0c\x02", {"type": 12, "left": 2}),
    ("Mark", b"\x0e\x01", {"type": 14, "value": 1}),
]


@pytest.mark.parametrize(("name", "octets", "fields"), READERS)
class TestReaders:
    def test_whole(self, name: str, octets: bytes, fields: dict[str, Any]) -> None:
        """All octets at once make one PDU."""
        (e,) = machine().feed(octets)

        assert isinstance(e, PduSeen)
        assert (name, fields, list(fields)) == (e.name, e.fields, list(e.fields))
        assert (len(toy.HELLO), octets) == (e.offset, e.raw)

    def test_octet_by_octet(self, name: str, octets: bytes, fields: dict[str, Any]) -> None:
        """Nothing is reported, counted or changed before the last octet."""
        m = machine()
        before = (m.registers, m.tally[:], m.pos)
        for octet in ones(octets)[:-1]:
            assert [] == m.feed(octet)
            assert before == (m.registers, m.tally, m.pos)

        (e,) = m.feed(octets[-1:])
        assert isinstance(e, PduSeen)
        assert (name, fields) == (e.name, e.fields)

    def test_trailing_octets_are_left_alone(self, name: str, octets: bytes, fields: dict[str, Any]) -> None:
        """The first octet behind a PDU is the next one's."""
        m = machine()

        (e,) = m.feed(octets + b"\x08") if name not in {"Words", "Device", "Step"} else m.feed(octets)

        assert isinstance(e, PduSeen)
        assert (name, fields) == (e.name, e.fields)
        assert len(toy.HELLO + octets) == m.pos

    def test_scapy_reads_the_same(self, name: str, octets: bytes, fields: dict[str, Any]) -> None:
        """The packet that is built on demand has the same values."""
        (e,) = machine(builder=toy.build).feed(octets)

        assert isinstance(e, PduSeen)
        assert name == type(e.packet).__name__
        assert octets == bytes(e.packet)
        assert {k: e.packet.getfieldval(k) for k in fields} == fields


class TestCuts:
    STREAM = (
        toy.HELLO
        + toy.say(b"hi")
        + toy.package(toy.say(b"x"), toy.package(toy.blob(b"12345"), b"\x08\x01"), b"\x07\x01\x00\x05", b"\x08\x01")
        + b"\x09\x07\x05"
        + b"".join(toy.small(i, i % 5, 128) for i in range(40))
        + toy.big(2, 128) * 3
        + toy.END
        + toy.device(7, b"abc~\x00\x07\xff~")
        + b"\x0b\x02\x04ab"
        + toy.say(b"x")
        + b"\x0c\x01\x0c\x00\x0e\x02\x0e\x00"
        + b"\x02\x03"
    )

    @settings(max_examples=60, deadline=None)
    @given(cuts=st.lists(st.integers(1, 900), max_size=12), payload=st.booleans(), quiet=st.booleans())
    def test_any_cut_gives_the_same(self, cuts: list[int], payload: bool, quiet: bool) -> None:
        """Whole, octet by octet, or in any pieces."""
        options: dict[str, Any] = {"payload": payload, "events": not quiet}
        whole = Machine(MAIN, BOUND, **options)
        cut = Machine(MAIN, BOUND, **options)
        places = sorted({0, *cuts, len(self.STREAM)})
        pieces = [self.STREAM[a:b] for a, b in itertools.pairwise(places)]

        expected = whole.feed(self.STREAM) + whole.close()
        assert expected == feed(cut, pieces) + cut.close()
        assert whole.counts == cut.counts

        single = Machine(MAIN, BOUND, **options)
        assert expected == feed(single, ones(self.STREAM)) + single.close()

    @pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
    def test_any_kind_of_octets(self, wrap: Any) -> None:
        """What the octets come in does not matter."""
        m, same = Machine(MAIN, BOUND), Machine(MAIN, BOUND)

        assert same.feed(self.STREAM) == m.feed(wrap(self.STREAM))

    def test_nothing_is_nothing(self) -> None:
        """No octets change nothing."""
        m = machine()

        assert [] == m.feed(b"")
        assert len(toy.HELLO) == m.pos


class TestLimits:
    def test_payloads_are_not_kept(self) -> None:
        """A payload is passed over by count."""
        m = machine(toy.HELLO + b"\x03" + struct.pack(">I", 1 << 30))
        for _ in range(64):
            assert [] == m.feed(bytes(1 << 16))

        assert len(toy.HELLO) + 5 + (64 << 16) == m.pos
        assert not m.carry

    def test_bodies_are_not_kept(self) -> None:
        """Nor is a body without a length."""
        m = machine(toy.HELLO + b"\x06\x00\x01")
        for _ in range(16):
            assert [] == m.feed(b"\x7f~" * 1000)
            assert len(m.carry) <= 16

    def test_a_header_is_not_tried_again_before_its_octets_are_there(self) -> None:
        """Feeding octet by octet costs one call for each time that more is asked for, not one for each octet."""
        m = machine()
        m.feed(b"\x01")
        calls, step = [], m.step

        def counting(*args: Any) -> int:
            calls.append(args)
            return step(*args)

        m.step = counting
        feed(m, ones(struct.pack(">H", 60000) + bytes(60000)))
        assert len(calls) < 5

    def test_a_header_of_a_gigabyte_is_a_fault(self) -> None:
        """Nobody keeps so much."""
        m = Machine(MAIN)
        events = m.feed(b"TO" + struct.pack(">I", 1 << 30) + bytes(64))

        assert ("too_long", 0) == told(events)[0][:2]
        assert m.is_lost

    def test_a_shift_cannot_fill_the_memory(self) -> None:
        """What a stream says is not what it gets."""
        m = machine(toy.HELLO + b"\x09\xff" + bytes(64))

        assert m.registers["unit"] == toy.UNIT


class TestPayload:
    OCTETS = toy.blob(b"payload")

    @pytest.mark.parametrize("cut", [lambda x: [x], ones])
    def test_collected(self, cut: Any) -> None:
        """With payload=True the PDU comes when it is complete, with all its octets."""
        m = machine(payload=True, builder=toy.build)
        (e,) = feed(m, cut(self.OCTETS))

        assert isinstance(e, PduSeen)
        assert b"payload" == e.fields["data"] == e.packet.data
        assert self.OCTETS == e.raw

    def test_not_asked_for(self) -> None:
        """Otherwise it comes with its header, and is announced whole."""
        m = machine()
        (e,) = feed(m, ones(self.OCTETS))

        assert isinstance(e, PduSeen)
        assert (5, 12, {"type": 3, "length": 11}) == (e.header, e.length, e.fields)

    def test_too_long(self) -> None:
        """A payload beyond the limit stays out."""
        (e,) = machine(payload=True, max_payload=6).feed(self.OCTETS)

        assert isinstance(e, PduSeen)
        assert "data" not in e.fields

    def test_body(self) -> None:
        """The octets of a body without a length."""
        events = feed(machine(payload=True), ones(toy.device(1, b"~~body") + b"\x08"))

        assert [b"\x06\x00\x01", b"~~body", b"\x7e\x00\x01"] == [e.raw for e in events if isinstance(e, PduSeen)]

    def test_long_body(self) -> None:
        """A body beyond the limit comes without them."""
        events = feed(machine(payload=True, max_payload=5), ones(toy.device(1, b"~~body") + b"\x08"))

        assert [(6, b"")] == [(e.length, e.raw) for e in events if isinstance(e, PduSeen) and e.name == "Body"]

    @pytest.mark.parametrize("end", ["close", "gap"])
    def test_incomplete(self, end: str) -> None:
        """A PDU whose payload does not come is reported nevertheless, before what happened to it."""
        m = machine(payload=True)
        assert [] == m.feed(self.OCTETS[:-2])

        events = m.close() if end == "close" else m.gap(2)
        assert ["PduSeen", "Malformed" if end == "close" else "Gap"] == [type(e).__name__ for e in events]
        assert isinstance(events[0], PduSeen)
        assert "data" not in events[0].fields


class TestRegisters:
    def test_snapshots_are_shared_until_something_changes(self) -> None:
        """A PDU sees the registers as they were before it; nothing is copied for each."""
        octets = b"\x07\x01\x00\x05" + b"\x08\x01" * 2 + b"\x07\x02\x00\x06" + b"\x08\x02"
        define, use, again, more, last = (e for e in machine().feed(octets) if isinstance(e, PduSeen))

        assert {} == define.registers["table"]
        assert use.registers is again.registers is more.registers
        assert {1: 5} == use.registers["table"]
        assert {1: 5, 2: 6} == last.registers["table"]
        with pytest.raises(TypeError):
            last.registers["unit"] = 1  # type: ignore[index]  # that is the point

    def test_shared_by_a_conversation(self) -> None:
        """What one direction has learnt another one knows, in its next snapshot, too."""
        shared = Registers()
        m = Machine(MAIN, registers=shared)
        back = Machine(toy.STREAMS["back"], registers=shared)
        (first,) = back.feed(b"\x01\x00\x01")
        m.feed(toy.HELLO + b"\x09\x07")
        (second,) = back.feed(b"\x01\x00\x01")

        assert [{"unit": 64}, {"unit": 128}] == [e.notes for e in (first, second) if isinstance(e, PduSeen)]
        assert 128 == back.registers["unit"]

    def test_parameters(self) -> None:
        """A register may begin with a parameter."""
        assert 128 == Machine(MAIN, {"unit": 128}).registers["unit"]

    def test_unknown_parameter(self) -> None:
        """The nearest one is named."""
        with pytest.raises(DissectorError, match="did you mean 'unit'"):
            Machine(MAIN, {"unti": 128})

    def test_facts(self) -> None:
        """The last value stays, whether PDUs are reported or not."""
        for events in (True, False):
            assert {"text": b"two"} == machine(toy.HELLO + toy.say(b"one") + toy.say(b"two"), events=events).facts

    def test_info(self) -> None:
        """A rule's text, with the octets as text."""
        m = machine(toy.HELLO + toy.say("grün".encode()))

        assert "grün (5)" == m.info


class TestEvents:
    def test_by_name(self) -> None:
        """Only what was asked for is reported, and what there is something about."""
        m = Machine(MAIN, events={"Package", "Use"})
        events = m.feed(toy.HELLO + toy.package(toy.say(b"x"), b"\x09\x06") + toy.say(b""))

        assert ["Package", "Text"] == [e.name for e in events if isinstance(e, PduSeen)]
        assert {"Hello": 1, "Package": 1, "Text": 2, "Unit": 1} == {k: n for k, n in m.pdus.items() if n}

    def test_callback(self) -> None:
        """Events may go elsewhere instead of into a list."""
        seen: list[Event] = []
        m = Machine(MAIN, on_event=seen.append)

        assert [] == m.feed(toy.HELLO)
        assert ["Hello"] == [e.name for e in seen if isinstance(e, PduSeen)]

    def test_frame_and_time(self) -> None:
        """An event belongs to the octets that completed it."""
        m = machine()
        m.frame, m.time_ns = 1, 10
        m.feed(b"\x08")
        m.frame, m.time_ns = 2, 20
        (e,) = m.feed(b"\x01")

        assert isinstance(e, PduSeen)
        assert (2, 20) == (e.frame, e.time_ns)

    def test_no_builder(self) -> None:
        """Without one there is no packet, and it is said why."""
        (e,) = Machine(MAIN).feed(toy.HELLO)

        assert isinstance(e, PduSeen)
        with pytest.raises(DissectorError, match="give the decoder a builder"):
            _ = e.packet

    def test_after_the_end(self) -> None:
        """A machine that was closed takes nothing more."""
        m = machine()
        m.close()

        with pytest.raises(DissectorError, match="it has ended"):
            m.feed(b"x")

    def test_state_and_position(self) -> None:
        """Where it stands can be seen at any time."""
        m = machine(toy.HELLO + b"\x05" + toy.small(1)[:5])

        assert ("words", len(toy.HELLO) + 1) == (m.state, m.pos)


class TestDecisions:
    def test_a_rule_without_a_pdu(self) -> None:
        """It assigns, counts and remarks, and nothing is consumed."""
        m = machine()
        remark, mark = m.feed(b"\x0e\x07")

        assert isinstance(remark, Malformed)
        assert ("marked", "mark 7", mark) == (remark.finding.name, remark.finding.text, mark)
        assert isinstance(mark, PduSeen)
        assert (remark.offset, {"mark.sum": 7}) == (mark.offset, mark.notes)
        assert 1 == m.counts["marks"]

    def test_waits_without_octets(self) -> None:
        """A decision is taken when there is something to decide about."""
        m = machine(toy.HELLO + b"\x0c\x00")
        assert "steps" == m.state

        m.feed(b"\x08")
        assert "item" == m.state


class TestWhole:
    def test_a_view_of_all_octets_is_not_copied(self) -> None:
        """A file's blocks come as views, a mebibyte each."""
        octets = bytes(range(100))

        assert whole(memoryview(octets)) is octets
        assert whole(octets) is octets

    @pytest.mark.parametrize("cut", [slice(1, None), slice(None, -1), slice(None, None, -1), slice(0, 0)])
    def test_any_other_view_is_what_it_shows(self, cut: slice) -> None:
        """A part, or the same octets in another order."""
        octets = bytes(range(100))

        assert octets[cut] == whole(memoryview(octets)[cut])

    def test_what_can_change_is_copied(self) -> None:
        """The reader may keep what it was given."""
        octets = bytearray(b"abc")
        kept = whole(memoryview(octets)), whole(octets)
        octets[0] = 0

        assert (b"abc", b"abc") == kept
