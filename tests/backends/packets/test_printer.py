# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions about packets in Lua mean what they mean in Python, values that are absent included."""

from __future__ import annotations

import importlib
from importlib import resources
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.backends.packets.printer import PacketPrinter
from dissector.ir.evaluate import evaluate
from dissector.ir.expr import Case, Const, Expr, If, InSet, IsNone, Ref, rewrite
from tests.support import expressions as ex

PRELUDE = """
local native = {{}}
function bit_of(a, b, f)
  local r, p = 0, 1
  for _ = 1, 32 do
    if f(a % 2 >= 1, b % 2 >= 1) then r = r + p end
    a, b, p = math.floor(a / 2), math.floor(b / 2), p * 2
  end
  return r >= 0x80000000 and r - 0x100000000 or r     -- signed, as Wireshark's bit library is
end
bit = {{
  band = function(a, b) return bit_of(a, b, function(x, y) return x and y end) end,
  bor = function(a, b) return bit_of(a, b, function(x, y) return x or y end) end,
  bxor = function(a, b) return bit_of(a, b, function(x, y) return x ~= y end) end,
}}
{runtime}
known = {{}}
function compiled(text, tables)
  for number, rows in pairs(tables) do known[number] = load("return {{" .. rows .. "}}")() end
  scope = {{ need = need, truthy = truthy, count = count, nonzero = nonzero, band = band, bor = bor, bxor = bxor,
    either = either, until_nul = until_nul, printable = printable, floor = floor, known = known }}
  local f = load("return function(F) return " .. text .. " end", "e", "t", scope)()
  return function(F)
    local ok, value = pcall(f, F)
    if ok then return value end
    return "failed: " .. value.text
  end
end
"""
ABSENT = "absent"


class Lua:
    """One interpreter, with the functions of the runtime that expressions call."""

    def __init__(self, version: str) -> None:
        self.runtime: Any = importlib.import_module(f"lupa.{version}").LuaRuntime(encoding=None)
        text = resources.files("dissector.backends.packets").joinpath("runtime", "1_octets.lua").read_text()
        self.runtime.execute(PRELUDE.format(runtime=text).encode())

    def __call__(self, e: Expr, values: dict[str, Any], known: dict[str, str], *, condition: bool) -> Any:
        tables: dict[str, str] = {}
        printer = PacketPrinter(known, tables, {})
        text = printer.cond(e) if condition else printer.value(e)
        rows = self.runtime.table_from({int(n): r.encode() for r, n in tables.items()})
        function = self.runtime.globals()[b"compiled"](text.encode(), rows)
        there = {k.encode(): v for k, v in values.items() if v is not None}
        found = function(self.runtime.table_from(there))
        return ABSENT if isinstance(found, bytes) and found.startswith(b"failed: ") else found


@pytest.fixture(scope="module", params=["lua52", "lua54"])
def lua(request: pytest.FixtureRequest) -> Lua:
    return Lua(request.param)


def of_packet(e: Expr) -> Expr:
    """The same about fields of a packet, whose types nobody says."""

    def other(n: Expr) -> Expr | None:
        if isinstance(n, InSet) and not n.values:
            return InSet(n.x, (7,))  # of no values nothing is asked, not even whether x is there
        return Ref(("F", n.path[1])) if isinstance(n, Ref) else None

    return rewrite(e, other)


def python(e: Expr, values: dict[str, Any]) -> Any:
    try:
        return evaluate(e, {"F": SimpleNamespace(**values)})
    except (TypeError, ZeroDivisionError):
        return ABSENT


ints = st.none() | ex.values
absent = st.fixed_dictionaries({"a": ints, "b": ints, "c": ints, "x": ex.texts, "y": ex.texts})
TEXTS = {"x": "bytes", "y": "bytes"}
ALL = {"a": "int", "b": "int", "c": "int", **TEXTS}
fields = st.sampled_from([Ref(("F", n)) for n in "abc"])
keys = st.lists(st.integers(0, 6), unique=True, max_size=6)
tables = st.builds(
    lambda x, ks, default: Case(x, tuple((k, k * 10) for k in ks), default),
    fields,
    keys,
    st.builds(Const, st.integers(0, 9)),
)


@settings(max_examples=300, deadline=None)
@given(e=ex.integers.map(of_packet) | tables, values=absent)
def test_values(lua: Lua, e: Expr, values: dict[str, Any]) -> None:
    """Arithmetic on what is absent ends the layer, as in Scapy; everything else is the same number."""
    assert lua(e, values, TEXTS, condition=False) == python(e, values)


@settings(max_examples=300, deadline=None)
@given(e=ex.booleans.map(of_packet) | st.builds(IsNone, fields) | fields, values=absent)
def test_conditions(lua: Lua, e: Expr, values: dict[str, Any]) -> None:
    """Comparisons, membership and truth are Python's, 0 and "" and None included."""
    expected = python(e, values)
    assert lua(e, values, TEXTS, condition=True) == (expected if expected is ABSENT else bool(expected))


@settings(max_examples=150, deadline=None)
@given(e=ex.integers.map(of_packet), values=ex.environments)
def test_values_that_are_there_for_certain(lua: Lua, e: Expr, values: dict[str, Any]) -> None:
    """What needs no test of presence is not tested, and means the same."""
    assert lua(e, values, ALL, condition=False) == python(e, values)


@pytest.mark.parametrize("value", [None, 0, 5])
def test_a_choice_between_values_of_any_type(lua: Lua, value: int | None) -> None:
    """A choice may yield what is absent."""
    e = If(Ref(("F", "b")), Ref(("F", "a")), Const(7))
    assert lua(e, {"a": value, "b": 1}, {}, condition=False) == value
    assert lua(e, {"a": value, "b": 0}, {}, condition=False) == 7
