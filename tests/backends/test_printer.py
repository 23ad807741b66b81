# SPDX-License-Identifier: GPL-2.0-or-later
"""Lua that means what the expression means, from Lua 5.1 to 5.4."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from hypothesis import given, settings

from dissector.backends.lua.printer import Printer, number, string
from dissector.ir.evaluate import evaluate
from dissector.ir.expr import Bin, Cmp, Const, Expr, If, InSet, Logic, Lookup, Ref, Un
from tests.support import expressions as ex

VERSIONS = ("lua51", "lua52", "lua53", "lua54")
PRELUDE = """
floor = math.floor
bit = {}
local function each(a, b, f)
  local r, p = 0, 1
  for _ = 1, 32 do
    if f(a % 2 >= 1, b % 2 >= 1) then r = r + p end
    a, b, p = math.floor(a / 2), math.floor(b / 2), p * 2
  end
  return r >= 0x80000000 and r - 0x100000000 or r     -- signed, as Wireshark's bit library is
end
function bit.band(a, b) return each(a, b, function(x, y) return x and y end) end
function bit.bor(a, b) return each(a, b, function(x, y) return x or y end) end
function bit.bxor(a, b) return each(a, b, function(x, y) return x ~= y end) end
function printable(s) return #s > 0 and not string.find(s, "[^ -~]") end
function until_nul(s) local at = string.find(s, "\\0", 1, true) return at and string.sub(s, 1, at - 1) or s end
function same(a, b) return a == b end
"""
A, B = Ref(("L", "a"), "int"), Ref(("L", "b"), "int")


class Lua:
    """One interpreter for all examples of a version."""

    def __init__(self, version: str) -> None:
        module = importlib.import_module(f"lupa.{version}")
        self.runtime: Any = module.LuaRuntime(encoding=None)
        self.runtime.execute(PRELUDE.encode())
        self.printer = Printer(lambda name: f"R.{name}")

    def run(self, e: Expr, env: dict[str, Any], *, condition: bool) -> Any:
        text = self.printer.cond(e) if condition else self.printer.value(e)
        names = sorted(env)
        fn = self.runtime.eval(f"function({', '.join(names)}) return {text} end".encode())
        return fn(*(env[n] for n in names))


@pytest.fixture(scope="module", params=VERSIONS)
def lua(request: pytest.FixtureRequest) -> Lua:
    return Lua(request.param)


class TestAgreesWithTheReference:
    @settings(max_examples=300, deadline=None)
    @given(e=ex.integers, env=ex.environments)
    def test_values(self, lua: Lua, e: Expr, env: dict[str, Any]) -> None:
        """Every integer expression has the same value in Lua and in the reference evaluator."""
        assert evaluate(e, {"L": env}) == lua.run(e, env, condition=False)

    @settings(max_examples=300, deadline=None)
    @given(e=ex.booleans | ex.integers, env=ex.environments)
    def test_conditions(self, lua: Lua, e: Expr, env: dict[str, Any]) -> None:
        """Every expression read as a condition has the same truth, 0 and the empty string included."""
        assert bool(evaluate(e, {"L": env})) is lua.run(e, env, condition=True)


class TestText:
    @pytest.mark.parametrize(
        ("e", "expected"),
        [
            (Bin("-", A, Bin("-", B, Const(1))), "a - (b - 1)"),
            (Bin("*", Bin("+", A, B), Const(8)), "(a + b) * 8"),
            (Bin("&", A, Const(0xFFF)), "a % 0x1000"),
            (Bin("//", A, Const(8)), "floor(a / 8)"),
            (Bin("<<", Const(1), A), "1 * 2 ^ a"),
            (Bin("|", A, B), "bit.bor(a, b) % 4294967296"),
            (Ref(("P", "page_size"), "int"), "pref.page_size"),
            (Ref(("S", "page_size"), "int"), "R.page_size"),
            (Lookup(Ref(("S", "names"), "map"), A, Const(b"")), '(recall(R.names, a) or "")'),
            (If(Cmp(">", A, Const(0)), A, B), "a > 0 and a or b"),
        ],
    )
    def test_values(self, e: Expr, expected: str) -> None:
        """Values are printed with the parentheses they need and no others."""
        assert expected == Printer(lambda n: f"R.{n}").value(e)

    @pytest.mark.parametrize(
        ("e", "expected"),
        [
            (A, "a ~= 0"),
            (Bin("&", A, Const(8)), "a % 16 >= 8"),
            (Cmp("==", Bin("&", A, Const(8)), Const(0)), "a % 16 < 8"),
            (Un("not", A), "not (a ~= 0)"),
            (InSet(A, (1, 2, 3, 4)), "a >= 1 and a <= 4"),
            (InSet(A, (1, 4)), "a == 1 or a == 4"),
            (InSet(A, ()), "false"),
            (Logic("and", A, Logic("or", B, A)), "a ~= 0 and (b ~= 0 or a ~= 0)"),
            (Ref(("L", "x"), "bytes"), 'x ~= ""'),
        ],
    )
    def test_conditions(self, e: Expr, expected: str) -> None:
        """A condition is a comparison, since 0 and "" are true in Lua."""
        assert expected == Printer(str).cond(e)

    def test_a_value_of_unknown_type_is_no_condition(self) -> None:
        """What might be a number or a string cannot be tested for truth in Lua without guessing."""
        with pytest.raises(TypeError, match="unknown type"):
            Printer(str).cond(Ref(("L", "z")))

    def test_literals(self) -> None:
        """Octets become escapes, big numbers floats."""
        assert '"a\\"\\\\\\000\\255"' == string(b'a"\\\x00\xff')
        assert "0x1000" == number(4096)
        assert "4294967296.0" == number(1 << 32)
        assert "1.8446744073709552e+19" == number(1 << 64)
