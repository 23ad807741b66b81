# SPDX-License-Identifier: GPL-2.0-or-later
"""Rewrites keep every value."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings

from dissector.ir.dump import show
from dissector.ir.evaluate import NeedMore, evaluate
from dissector.ir.expr import Bin, Cmp, Const, Expr, If, InSet, Logic, Peek, Ref, Un
from dissector.ir.simplify import simplify, truth
from tests.support import expressions as ex

A, B = Ref(("L", "a"), "int"), Ref(("L", "b"), "int")


class TestMeaning:
    @settings(max_examples=500, deadline=None)
    @given(e=ex.integers, env=ex.environments)
    def test_simplify_keeps_values(self, e: Expr, env: dict[str, Any]) -> None:
        """A simplified expression has the value of the original."""
        assert evaluate(e, {"L": env}) == evaluate(simplify(e), {"L": env})

    @settings(max_examples=500, deadline=None)
    @given(e=ex.booleans, env=ex.environments)
    def test_truth_keeps_truth(self, e: Expr, env: dict[str, Any]) -> None:
        """An expression read as a condition holds when the original does."""
        assert bool(evaluate(e, {"L": env})) is bool(evaluate(truth(simplify(e)), {"L": env}))

    @settings(max_examples=500, deadline=None)
    @given(e=ex.integers | ex.booleans)
    def test_simplify_is_idempotent(self, e: Expr) -> None:
        """There is nothing left to do the second time, also for whoever does not know that it was done."""
        once = simplify(e)
        known = copy.deepcopy(once)

        assert once is simplify(once)
        assert once == simplify(known)


class TestText:
    @pytest.mark.parametrize(
        ("e", "expected"),
        [
            (Logic("or", Cmp("==", A, Const(1)), Cmp("==", A, Const(53))), "L.a in {1, 53}"),
            (Logic("or", InSet(A, (1, 2)), Cmp("==", A, Const(3))), "L.a in {1, 2, 3}"),
            (If(Cmp(">", A, Const(0)), Cmp("==", B, Const(1)), Const(False)), "L.a > 0 and L.b == 1"),
            (If(Const(True), A, B), "L.a"),
            (Un("not", Cmp("==", A, Const(1))), "L.a != 1"),
            (Bin("+", Const(2), Const(3)), "5"),
            (Bin("+", A, Const(0)), "L.a"),
            (Bin("//", Const(1), Const(0)), "1 // 0"),
            (Logic("and", Const(False), A), "False"),
        ],
    )
    def test_smaller(self, e: Expr, expected: str) -> None:
        """What becomes of it, as text."""
        assert expected == show(simplify(e))


class TestPeek:
    def test_need_more_says_how_many(self) -> None:
        """A peek past the octets at hand asks for as many as it needs from the cursor."""
        with pytest.raises(NeedMore) as caught:
            evaluate(Peek(Const(4), 4), {}, b"\0" * 7)

        assert 8 == caught.value.octets
