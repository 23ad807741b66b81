# SPDX-License-Identifier: GPL-2.0-or-later
"""The patterns of ``runtime/1_shapes.lua`` match what the conditions that they stand for hold for; which those are."""

from __future__ import annotations

import importlib
import re
from importlib import resources
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dissector.backends.lua.shapes import shape_of
from dissector.ir.dump import show
from dissector.ir.evaluate import evaluate
from dissector.ir.expr import Bin, Cmp, Const, Expr, Logic, Ref, Un
from dissector.ir.steps import Guard, Load

VERSIONS = ("lua51", "lua52", "lua53", "lua54")
PRELUDE = "local format, concat, floor = string.format, table.concat, math.floor\n"
RETURN = """
local function of(when) return function(...) return pattern_of(9, { when(...) }) end end
local function all(limit, divisor, rest, last)
  return pattern_of(9, { when_rest(4, 4, divisor, rest), when_below(0, 8, limit), when_equal(8, 1, last) })
end
return { equal = of(when_equal), below = of(when_below), rest = of(when_rest), all = all }
"""
OFFSET = 1

octets = st.binary(min_size=8, max_size=8)
limits = st.one_of(st.integers(0, 1 << 53), st.integers(0, 53).map(lambda n: 1 << n), st.just(1 << 64))


@pytest.fixture(scope="module", params=VERSIONS)
def conditions(request: pytest.FixtureRequest) -> Any:
    """The patterns of the three functions, and of all together, in one version of Lua."""
    runtime = importlib.import_module(f"lupa.{request.param}").LuaRuntime()
    text = resources.files("dissector.backends.lua").joinpath("runtime", "1_shapes.lua").read_text(encoding="utf-8")
    return runtime.execute(PRELUDE + text + RETURN)


def holds(pattern: str, data: bytes) -> bool:
    return re.match(pattern.encode(), (b"x" + data).ljust(9, b"\0"), re.DOTALL) is not None


class TestAgreesWithArithmetic:
    @settings(max_examples=200, deadline=None)
    @given(octets, limits)
    @example(bytes(8), 0)
    @example(bytes(7) + b"\x01", 1)
    @example(b"\0\0\0\x02\0\0\0\0", 2 << 32)
    @example(bytes(8), -1)
    def test_below(self, conditions: Any, data: bytes, limit: int) -> None:
        """An integer of eight octets matches exactly if it is less than the limit."""
        expected = int.from_bytes(data) < limit

        assert expected == holds(conditions.below(OFFSET, 8, float(limit)), data)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(min_size=1, max_size=4), st.integers(0, 31), st.integers(0, 1 << 16))
    @example(b"\0\0\x10\x22", 12, 0x22)
    @example(b"\0\0\x11\x22", 12, 0x22)
    @example(b"\x22", 12, 0x122)
    def test_rest(self, conditions: Any, data: bytes, power: int, rest: int) -> None:
        """An integer matches exactly if its division by a power of two leaves the rest."""
        pattern = conditions.rest(OFFSET, len(data), 1 << power, rest)

        assert (int.from_bytes(data) % (1 << power) == rest) == (bool(pattern) and holds(pattern, data))

    @settings(max_examples=100, deadline=None)
    @given(st.binary(min_size=1, max_size=4), st.integers(0, 1 << 32))
    @example(b"\xff", 0x1FF)
    @example(b"\x01\x00", 256)
    def test_equal(self, conditions: Any, data: bytes, value: int) -> None:
        """An integer matches exactly if it is the value."""
        assert (int.from_bytes(data) == value) == holds(conditions.equal(OFFSET, len(data), value), data)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(min_size=9, max_size=9), limits, st.tuples(st.integers(0, 20), st.integers(0, 1 << 12)))
    @example(b"\0\0\0\0\0\0\x10\x22\0", 1 << 20, (12, 0x22))
    @example(b"\0\0\0\0\0\x21\x10\x22\0", 0x210000, (12, 0x22))
    @example(b"\0\0\0\0\0\0\x10\x22\0", 0x1100, (12, 0x22))
    def test_all(self, conditions: Any, data: bytes, limit: int, division: tuple[int, int]) -> None:
        """Conditions that look at the same octets hold together."""
        power, rest = division
        pattern = conditions.all(float(limit), 1 << power, rest, 0)
        rests = int.from_bytes(data[4:8]) % (1 << power) == rest
        expected = int.from_bytes(data[:8]) < limit and rests and data[8] == 0

        assert expected == (re.match(pattern.encode(), data, re.DOTALL) is not None)

    @pytest.mark.parametrize("divisor", [0, 3, 4095, -4096])
    def test_no_pattern(self, conditions: Any, divisor: int) -> None:
        """What is no power of two is left to the loop that divides."""
        assert conditions.rest(OFFSET, 4, divisor, 0) is False


class TestLimits:
    """Conditions that say that an integer is not too great are limits that registers give."""

    WORD = Ref(("L", "w"), "int")
    LISTED, MORE, MOST = (Ref(("S", name), "int") for name in ("listed", "more", "most"))
    KEPT = Un("not", Cmp(">", Bin("+", WORD, MORE), MOST))
    numbers = st.integers(0, 1 << 20)

    @settings(max_examples=300, deadline=None)
    @given(numbers, numbers, numbers, st.integers(0, 1))
    @example(0, 4096, 4095, 1)
    @example(1, 4096, 4097, 1)
    @pytest.mark.parametrize(
        "cond",
        [
            Cmp("<", WORD, MOST),
            KEPT,
            Un("not", Cmp(">", WORD, MOST)),
            Un("not", Logic("and", Cmp("==", LISTED, Const(1)), Cmp(">", Bin("+", WORD, MORE), MOST))),
        ],
        ids=show,
    )
    def test_limit(self, cond: Expr, word: int, more: int, most: int, listed: int) -> None:
        """The limit is the first integer for which the condition does not hold."""
        shape = shape_of([Load("w", Const(0), 8), Guard(cond)])
        assert shape is not None
        (limit,) = shape.parameters.values()
        scope = {"L": {"w": word}, "S": {"listed": listed, "more": more, "most": most}}

        assert bool(evaluate(cond, scope)) is (word < evaluate(limit, scope))
        assert [f"when_below(0, 8, {name})" for name in shape.parameters] == list(shape.conditions)

    @pytest.mark.parametrize(
        "cond",
        [
            Cmp("<", MOST, WORD),
            Un("not", Cmp(">", Bin("+", WORD, WORD), MOST)),
            Un("not", Logic("or", Cmp("==", LISTED, Const(1)), Cmp(">", WORD, MOST))),
            Un("not", Logic("and", Cmp("==", WORD, Const(1)), Cmp(">", WORD, MOST))),
        ],
        ids=show,
    )
    def test_no_limit(self, cond: Expr) -> None:
        """What else is said is compared in Lua."""
        assert shape_of([Load("w", Const(0), 8), Guard(cond)]) is None
