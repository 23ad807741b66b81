# SPDX-License-Identifier: GPL-2.0-or-later
"""Counting many PDUs at once counts what reading them one by one counts."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.decode import Machine, PduSeen
from dissector.decode.boxes import Bits, Box, bits_of, boxes_of, loaded
from dissector.decode.runs import Run
from dissector.ir.evaluate import evaluate
from dissector.ir.expr import Bin, Cmp, Const, Expr, InSet, Logic, Ref, Un
from dissector.ir.lower import lower
from tests.decode import toy
from tests.decode.test_machine import feed

MAIN = toy.STREAMS["main"]
HIGH, LOW = Ref(("L", "high"), "int"), Ref(("L", "low"), "int")
KNOWN: dict[str, Bits | None] = {"high": loaded(0, 4, False), "low": loaded(4, 4, False)}


def run_of(name: str) -> Run:
    """The runs of a word."""
    words = next(s for s in lower(MAIN) if s.state.name == "words")
    run = Run.of(words, next(b for b in words.blocks if b.rule.pdu and b.rule.pdu.name == name))
    assert run is not None
    return run


class TestRuns:
    @settings(max_examples=60, deadline=None)
    @given(
        words=st.lists(
            st.builds(
                lambda w, n: w * n, st.builds(toy.small, st.integers(0, 9), st.integers(0, 4)), st.integers(1, 90)
            )
            | st.builds(lambda w, n: w * n, st.builds(toy.big, st.integers(0, 9)), st.integers(1, 60))
            | st.builds(lambda a, b: struct.pack(">IIB", a, b, 0), st.integers(0, 1 << 31), st.just(0x22)),
            max_size=8,
        ),
        bound=st.sampled_from([0, 130, 256, 1 << 32, 1 << 52]),
        size=st.integers(1, 3000),
    )
    def test_same_counts_and_findings(self, words: list[bytes], bound: int, size: int) -> None:
        """Whatever comes between runs, and wherever the octets are cut."""
        octets = toy.HELLO + b"\x05" + b"".join(words) + toy.END
        pieces = [octets[i : i + size] for i in range(0, len(octets), size)]
        loud, quiet = Machine(MAIN, {"bound": bound}), Machine(MAIN, {"bound": bound}, events=False)

        remarkable = [e for e in feed(loud, pieces) if not isinstance(e, PduSeen) or e.findings]
        assert remarkable == feed(quiet, pieces)
        assert (loud.tally, loud.pos, loud.state) == (quiet.tally, quiet.pos, quiet.state)

    def test_in_a_region(self) -> None:
        """A run ends with its region."""
        words = b"\x05" + toy.small(1) * 100
        octets = toy.HELLO + toy.package(words) + words
        m = Machine(MAIN, events=False)
        m.feed(octets)

        assert {"small": 200, "Package": 1, "Words": 2} == {
            k: n for k, n in {**m.counts, **m.pdus}.items() if k in {"small", "Package", "Words"}
        }

    def test_counts_as_far_as_it_is_sure(self) -> None:
        """All of a kind, up to the first that is not, or that is not there in full."""
        run = run_of("Small")
        values = {"unit": 64, "bound": 1 << 52}
        args = [values[r.path[1]] for r in run.refs]

        assert 50 == run(toy.small(1) * 50, 0, 450, *args)
        assert 49 == run(toy.small(1) * 50, 0, 449, *args)
        assert 7 == run(toy.small(1) * 7 + toy.small(1, fill=9) + toy.small(1) * 9, 0, 9 * 17, *args)
        assert 0 == run(toy.big(1) * 7, 0, 500, *args)

    def test_longer_ones(self) -> None:
        """A payload that is the same throughout is part of the stride."""
        run = run_of("Big")
        values = {"unit": 64, "bound": 200}
        args = [values[r.path[1]] for r in run.refs]

        assert 60 == run(toy.big(2) * 60 + toy.big(4), 0, 61 * 72, *args)

    def test_no_plan_for_a_border_that_is_none(self) -> None:
        """A modulus that is no power of two is left to the ordinary code."""
        run = run_of("Small")
        args = [{"unit": 100, "bound": 0}[r.path[1]] for r in run.refs]

        assert 0 == run(toy.small(1) * 50, 0, 450, *args)

    def test_plans_do_not_pile_up(self) -> None:
        """A stream that changes its registers all the time does not fill the memory with plans."""
        run = run_of("Big")
        for bound in range(1000):
            run(toy.big(1), 0, 72, *[{"unit": 64, "bound": bound}[r.path[1]] for r in run.refs])

        assert len(run.plans) <= 64

    @pytest.mark.parametrize("name", ["Text", "Options", "Unit", "Device", "Package", "Define"])
    def test_what_matters_has_no_runs(self, name: str) -> None:
        """A PDU that assigns, goes elsewhere or has no fixed length is read one by one."""
        items = next(s for s in lower(MAIN) if s.state.name == "item")

        assert Run.of(items, next(b for b in items.blocks if b.rule.pdu and b.rule.pdu.name == name)) is None


def _inside(box: Box, octets: bytes) -> bool:
    return all(s >> octets[o] & 1 for o, s in box.items())


_word = Bin("+", Bin("*", HIGH, Const(1 << 32)), LOW)
_values: st.SearchStrategy[Expr] = st.sampled_from(
    [
        HIGH,
        LOW,
        _word,
        Bin("%", LOW, Const(4096)),
        Bin("-", LOW, Bin("%", LOW, Const(64))),
        Bin("&", LOW, Const(0x0FF0)),
        Bin("//", LOW, Const(1 << 12)),
        Bin(">>", LOW, Const(5)),
        Bin("%", Bin("//", HIGH, Const(1 << 4)), Const(1 << 9)),
        Bin("|", Bin("<<", HIGH, Const(32)), LOW),
        Bin("+", Bin("*", HIGH, Const(1 << 32)), Bin("-", LOW, Bin("%", LOW, Const(256)))),
    ]
)
_numbers = st.integers(0, 300) | st.integers(0, 1 << 33) | st.sampled_from([0x22, 0x1000, 1 << 32, (1 << 40) + 5])
_tests = st.builds(Cmp, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), _values, _numbers.map(Const)) | st.builds(
    InSet, _values, st.lists(_numbers, min_size=1, max_size=3).map(tuple)
)
_conditions = st.recursive(
    _tests,
    lambda x: st.builds(Logic, st.sampled_from(["and", "or"]), x, x) | st.builds(Un, st.just("not"), x),
    max_leaves=3,
)
_octets = st.builds(
    lambda a, b: struct.pack(">II", a, b),
    st.integers(0, 300) | st.integers(0, (1 << 32) - 1),
    _numbers.map(lambda n: n % (1 << 32)),
)


class TestBoxes:
    @settings(max_examples=300, deadline=None)
    @given(e=_conditions, octets=_octets, holds=st.booleans())
    def test_exact_or_none(self, e: Expr, octets: bytes, holds: bool) -> None:
        """Octets are in one of the boxes exactly where the condition holds."""
        boxes = boxes_of(e, KNOWN, holds)
        if boxes is None:
            return
        env: dict[str, Any] = dict(zip(("high", "low"), struct.unpack(">II", octets), strict=True))

        assert (bool(evaluate(e, {"L": env})) is holds) is any(_inside(box, octets) for box in boxes)

    @pytest.mark.parametrize(
        "e",
        [
            Bin("*", LOW, Const(3)),
            Bin("+", LOW, HIGH),
            Bin("-", HIGH, LOW),
            Bin("%", LOW, Const(100)),
            Bin("//", LOW, HIGH),
            Ref(("S", "unit"), "int"),
            Ref(("L", "other"), "int"),
        ],
    )
    def test_not_bits(self, e: Expr) -> None:
        """What is not a rearrangement of octets is not taken for one."""
        assert bits_of(e, KNOWN) is None

    def test_little_endian(self) -> None:
        """The first octet may be the lowest."""
        (box,) = boxes_of(Cmp("==", LOW, Const(0x0102)), {"low": loaded(0, 2, True)}) or []

        assert {0: 1 << 2, 1: 1 << 1} == box
