# SPDX-License-Identifier: GPL-2.0-or-later
"""The check finds wrong translations, whatever the layer does to it."""

from __future__ import annotations

import dataclasses
import logging
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from scapy.fields import ByteField, FlagsField, FlagValue, IntField
from scapy.packet import Packet, Raw

from dissector.declare import S
from dissector.frontend.callables import Translation
from dissector.frontend.oracle import Mismatch, Verdict, agree, check
from dissector.frontend.samples import Sample, Source, View, Wire
from dissector.ir.expr import TRUE, Bin, Cmp, Const, Expr, If, InSet, IsNone, Logic, Ref, Size, Un
from dissector.ir.pdus import NOWHERE

Case = Callable[[str], tuple[Translation, ModuleType]]


def ref(name: str) -> Ref:
    """A field."""
    return Ref(("F", name))


def wrong(case: Case, source: str, e: Expr, *, n: int = 60) -> Verdict:
    """The verdict on a source whose translation was replaced by *e*."""
    translation, m = case(source)
    return check(m.fn, dataclasses.replace(translation, expr=e), m.ROLE, m.LAYER, n=n)


class TestFinds:
    @pytest.mark.parametrize(
        ("source", "e"),
        [
            ("fn = lambda p: p.len", ref("type")),
            ("fn = lambda p: p.len - 4", Bin("-", ref("len"), Const(5))),
            ("fn = lambda p: p.len > 77", Cmp(">=", ref("len"), Const(77))),
            ("fn = lambda p: p.type == 9231", Const(value=False)),
            ("fn = lambda p: p.type in (7, 21, 3)", InSet(ref("type"), (7, 21))),
            ("fn = lambda p: p.type == 3 and p.len == 200", Cmp("==", ref("type"), Const(3))),
            ("fn = lambda p: p.len or 7", If(IsNone(ref("len")), Const(7), ref("len"))),
            ("fn = lambda p: p.len is None", Un("not", ref("len"))),
            ("fn = lambda p: len(p.text) > 300", Cmp(">", Size(ref("text")), Const(301))),
            ("fn = lambda p: p.text == b'secret'", Const(value=False)),
            ("fn = lambda p: p.flags & 2", Bin("&", ref("flags"), Const(3))),
            ("fn = lambda p: p.underlayer.len", ref("len")),
            ("fn = lambda p: Raw if p.len else Other\nROLE = 'next_cls_cb'", Const("scapy.packet.Raw")),
            ("fn = lambda s: Raw(s) if s[0] == 77 else Other(s)\nROLE = 'cls'", Const("base.Other")),
            ("fn = lambda p, x: x + 1\nROLE = 'adjust'", Ref(("x",))),
            (
                "fn = lambda p, l, c, r: Raw if r[:2] == b'ok' else None\nROLE = 'next_cls_cb'",
                If(Cmp(">=", Size(Ref(("r",))), Const(2)), Const("scapy.packet.Raw"), Const(None)),
            ),
        ],
    )
    def test_a_planted_error(self, case: Case, source: str, e: Expr) -> None:
        """A wrong translation has a packet that shows it."""
        assert None is not wrong(case, source, e).mismatch

    def test_none(self, case: Case) -> None:
        """A translation that is right unless a value is None is found, but not when None is not sampled."""
        source, e = "fn = lambda p: p.len is not None and p.len > 3", Cmp(">", ref("len"), Const(3))
        translation, m = case(source)
        planted = dataclasses.replace(translation, expr=e)

        assert "TypeError" in str(check(m.fn, planted, "cond", m.LAYER, n=60).mismatch)
        assert None is check(m.fn, planted, "cond", m.LAYER, n=60, none_rate=0.0).mismatch

    def test_flags_are_numbers_in_wireshark(self) -> None:
        """What Scapy's set of flags does with a minus is no subtraction."""
        e = Bin("-", ref("flags"), Const(1))

        assert None is not check(lambda p: p.flags - 1, Translation(e, ("F",), NOWHERE), "", Layer).mismatch

    def test_message(self, case: Case) -> None:
        """A mismatch says on which packet."""
        verdict = wrong(case, "fn = lambda p: p.len", Const(-1), n=1)

        assert verdict.mismatch is not None
        assert str(verdict.mismatch).startswith("with F.len = ")
        assert str(verdict.mismatch).endswith(", its translation -1")


class TestSurvives:
    def test_an_original_without_answers(self) -> None:
        """Where the original always raises, nothing is compared and nothing is wrong."""
        assert Verdict(0) == check(lambda _: 1 // 0, Translation(TRUE, ("F",), NOWHERE), "cond", None)

    def test_what_is_not_callable(self) -> None:
        """What cannot be called cannot be compared."""
        assert Verdict(0) == check(3, Translation(TRUE, ("F",), NOWHERE), "cond", None)

    def test_an_expression_object(self) -> None:
        """What is declared as an expression needs no comparison, and has registers that no packet has."""
        assert Verdict(0) == check(S.size, Translation(S.size.node, ("F",), NOWHERE), "length_from", None)

    def test_a_translation_that_fails(self, case: Case) -> None:
        """A translation that has no value where the original has one is wrong."""
        verdict = wrong(case, "fn = lambda p: p.len", Bin("+", ref("len"), Const("x")), n=1)

        assert "TypeError" in str(verdict.mismatch)

    def test_the_log_is_quiet(self, case: Case, caplog: pytest.LogCaptureFixture) -> None:
        """A layer that warns does so on real packets only, and its logger is left as it was."""
        translation, m = case("def fn(p):\n    warning('odd')\n    return p.len")
        level = logging.getLogger("scapy").level
        check(m.fn, translation, m.ROLE, m.LAYER)

        assert not caplog.records
        assert level == logging.getLogger("scapy").level

    def test_the_same_every_time(self, case: Case) -> None:
        """The same seed asks about the same packets."""
        verdicts = {str(wrong(case, "fn = lambda p: p.len + p.type", ref("len")).mismatch) for _ in range(3)}

        assert 1 == len(verdicts)


class TestAgree:
    @pytest.mark.parametrize(
        ("want", "got", "role", "same"),
        [
            (5, True, "cond", True),
            (0, None, "cond", True),
            (5, False, "multi_cond", False),
            (1, True, "length_from", True),
            (FlagValue(3, "ab"), 3, "length_from", True),
            (None, 0, "length_from", False),
            ("a", "a", "length_from", True),
            (Raw, "scapy.packet.Raw", "next_cls_cb", True),
            (Raw, "Raw", "next_cls_cb", False),
            (Raw(), "scapy.packet.Raw", "cls", True),
            (Packet(), "scapy.packet.Raw", "cls", False),
            (Raw(), None, "cls", False),
            (0, ValueError(), "cond", False),
        ],
    )
    def test_agree(self, want: object, got: object, role: str, same: bool) -> None:
        """What counts as the same answer depends on what Scapy does with it."""
        assert same is agree(want, got, role, {"scapy.packet.Raw": Raw})


class Layer(Packet):
    """A layer to sample."""

    SIZE = 4
    fields_desc = [IntField("len", 0), FlagsField("flags", 0, 8, "ab"), ByteField("type", 0)]

    @property
    def body(self) -> object:
        """What follows."""
        return self.len

    def twice(self) -> object:
        """Twice the length."""
        return self.len * 2

    @classmethod
    def size(cls) -> int:
        """The constant."""
        return int(cls.SIZE)


class TestSamples:
    def sample(self, e: Expr = TRUE) -> Sample:
        """A sampled packet."""
        return Sample(Layer, Source(e, set(), random.Random(1)))

    def test_remembers(self) -> None:
        """A value is drawn once."""
        s: Any = self.sample()

        assert s.len == s.len == s.getfieldval("len") == View(s).len
        assert s.underlayer.len == s.underlayer.len

    def test_is_its_layer(self) -> None:
        """Methods, properties and constants are those of the layer."""
        s: Any = self.sample()

        assert isinstance(s, Layer)
        assert s.body == s.len
        assert s.twice() == s.len * 2
        assert (4, 4) == (s.SIZE, s.size())

    def test_flags(self) -> None:
        """The original sees a set of flags, the translation a number."""
        s = self.sample()

        assert isinstance(s.flags, FlagValue)
        assert isinstance(View(s).flags, Wire)
        assert int(s.flags) == View(s).flags

    def test_wire(self) -> None:
        """A value has items, and slices of them are octets."""
        sample: Any = self.sample(Cmp("==", Size(ref("text")), Const(5)))
        text = sample.text
        assert isinstance(text, Wire)
        while len(text) < 2:
            text = text.more

        assert bytes([text[0], text[1]]) == text[0:2]
        assert text[-1] == text[len(text) - 1]
        with pytest.raises(IndexError):
            text[len(text)]

    def test_constants_come_up(self) -> None:
        """Every constant that a value is compared with is drawn within few samples."""
        e = Logic("or", InSet(ref("type"), (7, 2010, 99)), Cmp("==", ref("type"), Const(12345)))
        source = Source(e, set(), random.Random(1))
        drawn = {source.number(("F", "type")) for _ in range(24)}

        assert {7, 2010, 99, 12345} <= drawn


def test_mismatch_without_questions() -> None:
    """A callable that asks for nothing is wrong on any packet."""
    assert "with any packet the callable gives 1, its translation 2" == str(Mismatch("", "1", "2"))
