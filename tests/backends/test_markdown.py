# SPDX-License-Identifier: GPL-2.0-or-later
"""The documentation: links lead somewhere, tables and diagrams are well-formed, nothing of the model is left out."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from dissector.backends.base import create
from dissector.backends.markdown.words import paragraphs, plain, readable, slug
from dissector.declare import E, F, P, S, both, choose, iif, not_, peek, peek_bytes
from dissector.ir.pdus import Field, Flag
from tests.coverage import protocol

PAGE = create("markdown").generate(protocol())
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
HEADINGS = re.findall(r"^#+ (.+)$", PROSE, re.MULTILINE)
DIAGRAMS = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
STATE = re.compile(r'    state "[^"]+" as (s_\w+)$')
ARROW = re.compile(r"    (\[\*\]|s_\w+) --> (s_\w+)(?: : ([\w ]+(<br/>[\w ]+)*))?$")
STYLE = re.compile(r"    class(Def elsewhere stroke-dasharray: 4 4| s_\w+(,s_\w+)* elsewhere)$")

FLAGS = Field("flags", "flags", "Flags", "uint", F.x.node, flags=(Flag(1, "a", "A"), Flag(2, "b", "B")))
TYPE = Field("type", "type", "Type", "uint", F.x.node, values=((1, "ONE"), (2, "TWO")))


class TestPage:
    def test_headings_differ(self) -> None:
        """No two headings have the same anchor."""
        assert [name for name, n in Counter(map(slug, HEADINGS)).items() if n > 1] == []

    def test_links_lead_to_headings(self) -> None:
        """A link inside of the page has a heading for it."""
        assert set(re.findall(r"\]\(#([^)]+)\)", PROSE)) - set(map(slug, HEADINGS)) == set()

    def test_tables_are_even(self) -> None:
        """Every row of a table has as many cells as its head."""
        for block in re.findall(r"(?:^\|.*\n?)+", PROSE, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}
            assert len(widths) == 1, block.splitlines()[0]

    def test_code_is_closed(self) -> None:
        """The backticks of every line come in pairs."""
        assert [line for line in PROSE.splitlines() if line.count("`") % 2] == []

    def test_everything_is_in_it(self) -> None:
        """Each PDU has its chapter, and each display filter, finding, state, parameter and counter its place."""
        p = protocol()
        assert [pdu.name for pdu in p.pdus if pdu.name not in HEADINGS] == []
        names = [f"`{p.prefix}.{f.abbrev}`" for pdu in p.pdus for f in pdu.fields]
        names += [f"`{f.name}`" for f in p.findings]
        names += [f"`{x}`" for x in (*(x.name for x in p.parameters), *(x.name for x in p.counters))]
        names += [f"`{c.name}`" for c in p.channels]
        names += [f"**{state.name}**" for s in p.streams for state in s.states]

        assert [name for name in names if name not in PROSE] == []

    def test_no_markup_of_the_docstrings_is_left(self) -> None:
        """Roles and double backticks are for Python's tools."""
        assert re.findall(r":\w+:`|``", PROSE) == []


class TestDiagrams:
    def test_every_line_is_one_that_mermaid_knows(self) -> None:
        """States are declared, named with a prefix that no keyword has, and arrows have plain labels."""
        for text in DIAGRAMS:
            head, *lines = text.splitlines()
            assert head == "stateDiagram-v2"
            assert [x for x in lines if not (STATE.match(x) or ARROW.match(x) or STYLE.match(x))] == []

    def test_arrows_join_declared_states(self) -> None:
        """An arrow to a name that nobody declared would draw a state of that name."""
        for text in DIAGRAMS:
            declared = set(re.findall(r" as (s_\w+)", text))
            assert set(re.findall(r"\b(s_\w+)", text)) == declared

    def test_every_state_is_drawn(self) -> None:
        """Each state is in a diagram."""
        drawn = {name for text in DIAGRAMS for name in re.findall(r'state "([^"]+)"', text)}

        assert {state.name for s in protocol().streams for state in s.states} == drawn


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (F.length + S.total, "length + S.total"),
        (F.type == 2, "type == TWO"),
        (F.type == 3, "type == 3"),
        (not_(F.type.isin(1, 2, 3)), "type not in {ONE, TWO, 3}"),
        (F.type.isin(1), "type == ONE"),
        (F.flags & 3, "flags & (A | B)"),
        ((F.flags & 2) == 0, "(flags & B) == 0"),
        (both(P.size == 0x10000, S.name == b"ram"), 'P.size == 0x10000 and S.name == "ram"'),
        (S.sections.get(peek(1, 4), b"") != b"\x00\xff", "S.sections[peek(1, 4)] != <00 ff>"),
        (peek(0, 4) * (1 << 32) + peek(4, 4), "peek(0, 8)"),
        (peek(0, 4) * (1 << 32) + peek(5, 4), "peek(0, 4) * 0x100000000 + peek(5, 4)"),
        (peek_bytes(9, F.length) == b"x", 'octets(9, length) == "x"'),
        (choose(F.x, {1: 10, 2: 20}, 0) + 1, "{1: 10, 2: 20, else: 0}[x] + 1"),
        (iif(F.x == 1, F.y, 0), "y if x == 1 else 0"),
        (F.x.isin(1, 2, 4, 8, 16, 32, 64, 128, 256), "x in {1, 2, 4, …, 256}"),
        (F.x.isin(1, 2, 3, 5, 8, 13, 21, 34, 55), "x in {1, 2, 3, 5, 8, 13, 21, 34, 55}"),
    ],
)
def test_expressions_are_readable(expression: E, text: str) -> None:
    """What only the generator needs is left out, and numbers have their names."""
    assert text == readable(expression.node, {"flags": FLAGS, "type": TYPE})


def test_docstrings_become_markdown() -> None:
    """Literals, roles, literal blocks and tables keep what they say."""
    doc = "A ``x y`` of\n:class:`~a.B`, <c>::\n\n    1  2\n\n===  ===\na    b\n===  ===\n"

    assert ["A `x y` of `B`, &lt;c>:", "```text\n1  2\n```", "```text\n===  ===\na    b\n===  ===\n```"] == [
        *paragraphs(doc)
    ]


def test_plain_text_stays_plain() -> None:
    """Names with underscores are left alone; whatever would be markup is not."""
    assert r"A_B \_c\_ \*d\* \`e\` \<f>" == plain("A_B _c_ *d* `e` <f>")
