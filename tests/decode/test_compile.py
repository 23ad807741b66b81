# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams as Python functions: what is printed, and what is kept."""

from __future__ import annotations

import dataclasses
import linecache
import traceback
from typing import Any

import pytest

from dissector.decode import Machine, Malformed, PduSeen
from dissector.decode.compile import MOST_CODES, compile_stream
from dissector.errors import DissectorError
from dissector.ir.expr import Bin, Cmp, Const, Expr, If, Peek, Ref
from dissector.ir.model import Assign, Note, Register, Rule, State, Stream
from dissector.ir.pdus import Field, Finding, Message, Pdu, Scan
from tests.decode import toy

MAIN = toy.STREAMS["main"]
UNKNOWN = Finding("unknown", "error", "malformed", Message("unknown"))


def uint(name: str, size: int = 1, **more: Any) -> Field:
    """An integer field."""
    return Field(name, f"t.{name}", name, "uint", Const(size), **more)


def stream(*rules: Rule, registers: tuple[Register, ...] = (), unknown: Finding = UNKNOWN) -> Stream:
    """A stream of one state, ``s``."""
    return Stream("t", "s", registers, (State("s", rules),), unknown)


def fields(s: Stream, octets: bytes) -> list[dict[str, Any]]:
    """The fields of all PDUs."""
    return [e.fields for e in Machine(s).feed(octets) if isinstance(e, PduSeen)]


class TestCode:
    def test_once_for_each_answer(self) -> None:
        """A stream is compiled once for each choice of what is reported."""
        assert compile_stream(MAIN) is compile_stream(MAIN, True)
        assert compile_stream(MAIN, ["Text", "Use"]) is compile_stream(MAIN, {"Use", "Text"})
        assert compile_stream(MAIN, False) is not compile_stream(MAIN)

    def test_by_identity(self) -> None:
        """Two streams that are equal may have been made from different packets."""
        assert compile_stream(dataclasses.replace(MAIN)) is not compile_stream(MAIN)

    def test_same_text_every_time(self) -> None:
        """What is printed depends on nothing but the stream."""
        assert compile_stream(dataclasses.replace(MAIN)).text == compile_stream(MAIN).text

    def test_not_too_many(self) -> None:
        """Codes that nobody uses any more are forgotten, with their text."""
        first = compile_stream(stream(Rule("s", Pdu("A", "A", (uint("a"),)))))
        for _ in range(MOST_CODES):
            compile_stream(stream(Rule("s", Pdu("A", "A", (uint("a"),)))))

        assert first.file not in linecache.cache

    def test_a_traceback_shows_the_text(self) -> None:
        """Whoever has to find a mistake sees the line."""
        s = stream(
            Rule("s", Pdu("A", "A", (uint("a"),)), when=Cmp("<", Ref(("S", "r"), "bytes"), Const(1))),
            registers=(Register("r", "bytes", Const(b"")),),
        )
        try:
            Machine(s).feed(b"x")
        except TypeError:
            text = traceback.format_exc()

        assert "if S_r < 1:" in text

    def test_quiet_code_loads_what_it_decides_by(self) -> None:
        """A value that nobody looks at is not computed."""
        s = stream(Rule("s", Pdu("A", "A", (uint("a", 4), uint("b", 4))), when=Cmp(">", Peek(Const(0), 1), Const(1))))

        assert "v_" not in compile_stream(s, False).text.replace("v_a, v_b", "")
        assert "be_II" not in compile_stream(s, False).text


class TestNames:
    def test_any_name_will_do(self) -> None:
        """Names of fields, registers and states need not be identifiers."""
        pdu = Pdu(
            "A", "A", (uint("a-b"), uint("a b"), uint("class"), Field("x", "t.x", "x", "bytes", Ref(("F", "a-b"))))
        )
        s = Stream(
            "t",
            "my state",
            (Register("r-1", "int"), Register("r 1", "int")),
            (
                State(
                    "my state", (Rule("my state", pdu, do=(Assign("r-1", Ref(("F", "a b"))), Assign("r 1", Const(7)))),)
                ),
            ),
            UNKNOWN,
        )
        m = Machine(s)

        assert [{"a-b": 1, "a b": 2, "class": 3, "x": b"x"}] == [
            e.fields for e in m.feed(b"\x01\x02\x03x") if isinstance(e, PduSeen)
        ]
        assert {"r-1": 2, "r 1": 7} == m.registers

    def test_what_nobody_has_read(self) -> None:
        """A reference to nothing is refused, with its name."""
        s = stream(
            Rule("s", Pdu("A", "A", ()), fault=Finding("f", "error", "malformed", Message("%d", (Ref(("F", "a")),))))
        )

        with pytest.raises(DissectorError, match=r"F\.a is not known"):
            compile_stream(s)


class TestFields:
    @pytest.mark.parametrize("size", range(1, 9))
    def test_all_sizes(self, size: int) -> None:
        """Integers of one to eight octets, either way round."""
        octets = bytes(range(1, 2 * size + 1))
        s = stream(Rule("s", Pdu("A", "A", (uint("big", size), uint("little", size, little=True)))))

        big, little = int.from_bytes(octets[:size], "big"), int.from_bytes(octets[size:], "little")
        assert [{"big": big, "little": little}] == fields(s, octets)

    def test_far_apart(self) -> None:
        """Integers with other things between them."""
        pdu = Pdu("A", "A", (uint("a", 2), Field("x", "t.x", "x", "bytes", Const(40)), uint("b", 2), uint("c")))

        assert [{"a": 1, "x": bytes(40), "b": 2, "c": 3}] == fields(
            stream(Rule("s", pdu)), b"\0\1" + bytes(41) + b"\2\3"
        )

    def test_parts_of_four_octets(self) -> None:
        """The two parts of a smaller integer."""
        from dissector.ir.pdus import Part  # noqa: PLC0415

        pdu = Pdu(
            "A",
            "A",
            (
                uint("high", 4, part=Part("high", Const(16)), advance=False),
                uint("low", 4, part=Part("low", Const(16))),
            ),
        )

        assert [{"high": 0x120, "low": 3}] == fields(stream(Rule("s", pdu)), b"\0\0\1\x23")

    def test_lengths_below_nothing(self) -> None:
        """A length that would be negative is 0: the cursor never goes back."""
        size: Expr = Bin("-", Ref(("F", "n")), Const(4))
        pdu = Pdu("A", "A", (uint("n"), Field("x", "t.x", "x", "bytes", size), uint("end")))

        assert [{"n": 1, "x": b"", "end": 9}, {"n": 5, "x": b"x", "end": 7}] == fields(
            stream(Rule("s", pdu)), b"\x01\x09\x05x\x07"
        )

    def test_a_conditional_payload(self) -> None:
        """A payload that is not there is not collected."""
        lazy = Field("x", "t.x", "x", "bytes", Const(2), present=Cmp(">", Ref(("F", "n")), Const(0)), lazy=True)
        s = stream(Rule("s", Pdu("A", "A", (uint("n"), lazy))))
        events = Machine(s, payload=True).feed(b"\0\1ab\0")

        assert [{"n": 0}, {"n": 1, "x": b"ab"}, {"n": 0}] == [e.fields for e in events if isinstance(e, PduSeen)]
        assert [1, 3, 1] == [e.length for e in events if isinstance(e, PduSeen)]


class TestRules:
    def test_peeks_in_everything(self) -> None:
        """Whatever looks ahead asks for its octets first."""
        peek = Peek(Const(1), 1)
        rule = Rule(
            "s",
            Pdu("A", "A", (uint("a"),)),
            do=(Assign("r", peek),),
            notes=(Note("t.n", "n", "uint", peek),),
            info=Message("%d", (Peek(Const(2), 1),)),
        )
        m = Machine(stream(rule, registers=(Register("r", "int"),)))

        assert [] == m.feed(b"\x01\x02")
        (e,) = m.feed(b"\x03")
        assert isinstance(e, PduSeen)
        assert ({"t.n": 2}, "3", 2) == (e.notes, e.info, m.registers["r"])

    def test_truth_values_become_numbers(self) -> None:
        """A comparison that is kept is 0 or 1."""
        rule = Rule("s", Pdu("A", "A", (uint("a"),)), do=(Assign("r", Cmp(">", Ref(("F", "a")), Const(1))),))
        m = Machine(stream(rule, registers=(Register("r", "int"),)))
        m.feed(b"\x02")

        assert 1 == m.registers["r"]
        assert not isinstance(m.registers["r"], bool)

    def test_registers_are_never_negative(self) -> None:
        """Nor is anything that is made of them by addition."""
        do = (Assign("r", Bin("-", Ref(("S", "r")), Const(1))),)
        m = Machine(stream(Rule("s", Pdu("A", "A", (uint("a"),)), do=do), registers=(Register("r", "int", Const(1)),)))
        m.feed(b"xx")

        assert 0 == m.registers["r"]

    def test_body_with_what_was_seen_before_it(self) -> None:
        """The rule of a scanned PDU may look at the octets at its beginning, though they are gone at its end."""
        body = Pdu("B", "B", (), scan=Scan(Cmp("==", Peek(Const(0), 1), Const(0)), (0, (0,))))
        first = Peek(Const(0), 1)
        rules = (
            Rule("s", Pdu("Z", "Z", (uint("z"),)), when=Cmp("==", first, Const(0))),
            Rule("s", body, when=Cmp(">", first, Const(1)), do=(Assign("r", first),), info=Message("%d", (first,))),
        )
        m = Machine(stream(*rules, registers=(Register("r", "int"),)))
        events = [e for x in (b"\x05", b"\x06\x07", b"\x08\x00") for e in m.feed(x)]

        assert [("B", 4, "5"), ("Z", 1, "")] == [(e.name, e.length, e.info) for e in events if isinstance(e, PduSeen)]
        assert 5 == m.registers["r"]

    def test_too_long_for_its_region(self) -> None:
        """A header that does not fit into its region is told as such, however long it is."""
        size = Bin("*", Ref(("F", "n")), Const(1 << 20))
        inner = Pdu("I", "I", (uint("n"), Field("x", "t.x", "x", "bytes", size)))
        states = (
            State("s", (Rule("s", Pdu("A", "A", (uint("a"),)), enter="in", size=Ref(("F", "a"))),)),
            State("in", (Rule("in", inner),)),
        )
        events = Machine(Stream("t", "s", (), states, UNKNOWN)).feed(b"\x03\x09\x00\x00\x00")

        assert ["PduSeen", "Malformed", "PduSeen"] == [type(e).__name__ for e in events]
        assert isinstance(events[1], Malformed)
        assert "short_region" == events[1].finding.name

    def test_empty_body(self) -> None:
        """A body of no octets is not reported nor counted, but its rule has held."""
        body = Pdu("B", "B", (), scan=Scan(None, (0, (0,))))
        states = (
            State("s", (Rule("t", body, do=(Assign("r", Const(1)),), count="b"),)),
            State("t", (Rule("s", Pdu("Z", "Z", (uint("z"),))),)),
        )
        m = Machine(Stream("t", "s", (Register("r", "int"),), states, UNKNOWN))
        events = m.feed(b"\0")

        assert ["Z"] == [e.name for e in events if isinstance(e, PduSeen)]
        assert ({"b": 0}, 1) == (m.counts, m.registers["r"])

    def test_body_without_an_end(self) -> None:
        """A scan without an anchor never ends by itself."""
        s = stream(Rule("s", Pdu("B", "B", (), scan=Scan(None))))
        m = Machine(s)

        assert [] == m.feed(bytes(1000))
        assert (1000, 0) == (m.pos, len(m.carry))

    def test_quiet_body_with_a_finding(self) -> None:
        """A body with a finding is reported like any other PDU."""
        finding = Finding("f", "note", "protocol", Message("f"), when=Cmp("==", Ref(("S", "r")), Const(0)))
        body = Pdu("B", "B", (), scan=Scan(None, (0, (0,))))
        rules = (
            Rule(
                "s",
                Pdu("Z", "Z", (uint("z"),)),
                when=Cmp("==", Peek(Const(0), 1), Const(0)),
                do=(Assign("r", Const(1)),),
            ),
            Rule("s", body, findings=(finding,)),
        )
        m = Machine(stream(*rules, registers=(Register("r", "int"),)), events=False)

        assert [("B", 2)] == [(e.name, e.length) for e in m.feed(b"xx\0xx\0") if isinstance(e, PduSeen)]

    def test_a_fault_counts(self) -> None:
        """Once, however long it waits for the octets to show."""
        fault = Rule("s", when=Cmp("==", Peek(Const(0), 1), Const(9)), fault=UNKNOWN, count="faults")
        m = Machine(stream(fault, Rule("s", Pdu("A", "A", (uint("a"),)))))
        for octet in b"\x01\x09" + bytes(40):
            m.feed(bytes([octet]))

        assert {"faults": 1} == m.counts

    def test_a_choice_of_values(self) -> None:
        """The value form of a condition."""
        value = If(Cmp(">", Ref(("F", "a")), Const(1)), Const(b"more"), Const(b"one"))
        s = stream(Rule("s", Pdu("A", "A", (uint("a"),)), notes=(Note("t.n", "n", "bytes", value),)))

        assert [b"one", b"more"] == [e.notes["t.n"] for e in Machine(s).feed(b"\1\2") if isinstance(e, PduSeen)]
