# SPDX-License-Identifier: GPL-2.0-or-later
"""Random callables mean what Python says they mean: nobody thinks of all the ways to combine operators."""

from __future__ import annotations

import itertools
import linecache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.fields import ByteField, FlagsField, StrField
from scapy.packet import Packet

from dissector.errors import Refused
from dissector.frontend.callables import translate
from dissector.frontend.oracle import check
from dissector.ir.simplify import simplify, truth

pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning")  # "0 is None"

TABLE = {0: 3, 1: 5, 2: 5, 7: 0}
MEMBERS = (0, 1, 2, 77)


class Layer(Packet):
    """A layer to ask."""

    UNIT = 4
    fields_desc = [ByteField("a", 0), ByteField("b", 0), FlagsField("f", 0, 8, "xyz"), StrField("s", b"")]


_numbers = itertools.count()
_atoms = st.sampled_from(
    ["p.a", "p.b", "p.a", "p.b", "p.UNIT", "p.f & 3", "p.f.x", "len(p.s)", "0", "1", "2", "77", "True", "None"]
)


def _more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def form(pattern: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(*parts).map(lambda texts: pattern.format(*texts))

    operators = st.sampled_from(["+", "-", "*", "//", "%", "&", "|", "^", "<", "<=", "==", "!=", ">", "and", "or"])
    return st.one_of(
        form("({} {} {})", inner, operators, inner),
        form("({} < {} != {})", inner, inner, inner),
        form("({} if {} else {})", inner, inner, inner),
        form("(not {})", inner),
        form("(-{})", inner),
        form("({} is None)", inner),
        form("({} is not None)", inner),
        form("({} in MEMBERS)", inner),
        form("({} not in (1, {}))", inner, inner),
        form("TABLE.get({}, {})", inner, inner),
        form("min({}, {})", inner, inner),
        form("bool({})", inner),
        form("int({})", inner),
        form("abs({})", inner),
    )


expressions = st.recursive(_atoms, _more, max_leaves=9)


def function(body: str) -> Any:
    """A function that was compiled from *body*, with a source that can be read."""
    source = f"def fn(p):\n{body}\n"
    name = f"random{next(_numbers)}.py"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    scope: dict[str, Any] = {"__name__": "random_layer", "TABLE": TABLE, "MEMBERS": MEMBERS}
    exec(compile(source, name, "exec", dont_inherit=True), scope)
    return scope["fn"]


def agrees(body: str) -> None:
    """Whatever is translated agrees with the original, as a value and as a condition, and stays as it is."""
    fn = function(body)
    try:
        translation = translate(fn, Layer)
    except Refused:
        return
    assert None is check(fn, translation, "length_from", Layer, n=30, none_rate=0.3).mismatch
    assert translation.expr == simplify(translation.expr)
    condition = type(translation)(truth(translation.expr), translation.args, translation.source)
    assert None is check(fn, condition, "cond", Layer, n=30, none_rate=0.3).mismatch


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_expressions(text: str) -> None:
    """One expression."""
    agrees(f"    return {text}")


@settings(max_examples=150, deadline=None)
@given(st.lists(expressions, min_size=4, max_size=4))
def test_statements(texts: list[str]) -> None:
    """Assignments and decisions."""
    a, b, c, d = texts
    agrees(
        f"    n = {a}\n    if {b}:\n        n = {c}\n    elif p.a:\n        m = n\n        n = m + 1\n"
        f"    if n == 3:\n        if p.b:\n            return {d}\n        n += 2\n    return n"
    )
