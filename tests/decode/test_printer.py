# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions as Python mean what the reference evaluator says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.decode.printer import Printer, is_printable
from dissector.errors import DissectorError
from dissector.ir.evaluate import evaluate
from dissector.ir.expr import Bin, Cmp, Const, Expr, If, InSet, IsNone, Logic, Lookup, Peek, Ref, Un
from tests.support import expressions as ex

A, B = Ref(("L", "a"), "int"), Ref(("L", "b"), "int")
PRINTER = Printer(lambda r: r.path[-1])


def run(e: Expr, env: dict[str, Any]) -> Any:
    """The value of the printed text."""
    return eval(PRINTER.value(e), {"is_printable": is_printable}, env)


class TestMeaning:
    @settings(max_examples=300, deadline=None)
    @given(e=ex.integers, env=ex.environments)
    def test_numbers(self, e: Expr, env: dict[str, Any]) -> None:
        """An expression has the value that the reference evaluator gives it."""
        assert evaluate(e, {"L": env}) == run(e, env)

    @settings(max_examples=300, deadline=None)
    @given(e=ex.booleans, env=ex.environments)
    def test_conditions(self, e: Expr, env: dict[str, Any]) -> None:
        """A condition holds when it does there."""
        assert bool(evaluate(e, {"L": env})) is bool(run(e, env))

    @settings(max_examples=200, deadline=None)
    @given(op=st.sampled_from(["//", "%", "<<", ">>", "/"]), a=st.integers(0, 1 << 40), b=st.integers(-70, 1 << 40))
    def test_hostile_operands(self, op: str, a: int, b: int) -> None:
        """What has no value, or one that fills the memory, is 0; everything else is as it was."""
        got = run(Bin(op, A, B), {"a": a, "b": b})
        if (op in {"//", "%", "/"} and b == 0) or (op in {"<<", ">>"} and b < 0) or (op == "<<" and b > 63):
            assert 0 == got
        else:
            assert evaluate(Bin(op, A, B), {"L": {"a": a, "b": b}}) == got

    def test_lookup(self) -> None:
        """A map register, with a default."""
        e = Lookup(Ref(("S", "names"), "map"), A, Const(b""))

        assert [b"x", b""] == [run(e, {"names": {1: b"x"}, "a": a}) for a in (1, 2)]


class TestText:
    @pytest.mark.parametrize(
        ("e", "expected"),
        [
            (Bin("*", Bin("+", A, Const(1)), B), "(a + 1) * b"),
            (Bin("-", A, Bin("-", B, Const(1))), "a - (b - 1)"),
            (Bin("&", A, Bin("|", B, Const(1))), "a & (b | 1)"),
            (Bin("%", A, Const(4096)), "a % 4096"),
            (Bin("%", A, B), "a % b if b else 0"),
            (Bin("+", Const(1), Bin("%", A, B)), "1 + (a % b if b else 0)"),
            (Bin("<<", Const(1), A), "1 << a if 0 <= a <= 63 else 0"),
            (Bin("-", Un("-", A), Const(-1)), "-a - -1"),
            (Logic("and", Logic("or", Cmp("==", A, B), Cmp("<", A, B)), Cmp(">", A, B)), "(a == b or a < b) and a > b"),
            (Un("not", Logic("and", A, B)), "not (a and b)"),
            (Cmp("==", Cmp("<", A, B), Const(True)), "(a < b) == True"),
            (If(A, B, If(B, A, Const(0))), "b if a else a if b else 0"),
            (If(If(A, B, A), B, A), "b if (b if a else a) else a"),
            (InSet(A, ()), "a in ()"),
            (InSet(A, (1,)), "a in (1,)"),
            (InSet(A, (1, 2, 3, 4)), "a in {1, 2, 3, 4}"),
            (IsNone(A), "a is None"),
        ],
    )
    def test_no_more_parentheses_than_needed(self, e: Expr, expected: str) -> None:
        """The text is meant to be read."""
        assert expected == PRINTER.value(e)

    def test_truth_values_are_kept_as_numbers(self) -> None:
        """A register has no truth values."""
        assert "int(a < b)" == PRINTER.number(Cmp("<", A, B))

    def test_what_lowering_should_have_replaced(self) -> None:
        """A peek is none of the printer's business."""
        with pytest.raises(DissectorError, match="Peek is left over"):
            PRINTER.value(Peek(Const(0), 1))
