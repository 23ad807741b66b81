# SPDX-License-Identifier: GPL-2.0-or-later
"""Docstrings and expressions as Markdown that GitHub renders.

A docstring is reStructuredText as far as this project uses it: literals in double backticks, roles, literal blocks
behind ``::``, simple tables.  An expression is printed by :mod:`dissector.ir.dump`, after what a reader of the page
does not need was taken out of it: fields of the PDU lose their ``F.``, numbers that have a name get it, octets become
text, two halves of an integer become one, and a chain of comparisons with constants becomes the table that it was.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace

from ...ir.dump import show
from ...ir.expr import Bin, Cmp, Const, Expr, If, InSet, Logic, Lookup, Peek, PeekBytes, Ref, Un, rewrite
from ...ir.model import Rule
from ...ir.pdus import Field, Pdu, Scan

ROLE = re.compile(r":[a-z]+:`[~.]*(?:[\w.]*\.)?(\w+)`")
LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
CODE = re.compile(r"(`+.+?`+)", re.DOTALL)
RULER = re.compile(r"=+( +=+)*$")
HALF = 1 << 32
WIDTH = 100
MOST_VALUES = 8
"""A longer list is cut if a reader can go on with it after three of them."""

Names = Mapping[str, Field]
"""Fields by name, for the names of their values."""


# ---------------------------------------------------------------------------------------------------- docstrings


def paragraphs(doc: str) -> Iterator[str]:
    """A docstring as Markdown blocks."""
    lines = doc.splitlines()
    at = 0
    while at < len(lines):
        start = at
        if not lines[at].strip():
            at += 1
        elif RULER.match(lines[at]):
            at = _end(lines, at)
            yield "\n".join(["```text", *lines[start:at], "```"])
        elif lines[at].startswith(" "):
            at = _end(lines, at)
            yield "\n".join(["```text", *(x[4:] for x in lines[start:at]), "```"])
        else:
            at = _end(lines, at)
            text = " ".join(x.strip() for x in lines[start:at])
            if text != "::":
                yield inline(re.sub(r"::$", ":", text))


def _end(lines: list[str], at: int) -> int:
    while at < len(lines) and lines[at].strip():
        at += 1
    return at


def first_paragraph(doc: str) -> str:
    """What a docstring says first."""
    return next(paragraphs(doc), "")


def inline(text: str) -> str:
    """Roles and literals of a line as code, and no character that Markdown would take for its own."""
    text = ROLE.sub(r"`\1`", text)
    text = LITERAL.sub(lambda m: code(m[1]), text)
    parts = CODE.split(re.sub(r" {2,}", " ", text))
    return "".join(p if p.startswith("`") else p.replace("<", "&lt;") for p in parts)


def code(text: str) -> str:
    """*text* as code, on one line."""
    text = " ".join(text.split())
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def plain(text: str) -> str:
    """*text* as it is: no character of it means anything."""
    return re.sub(r"([\\`*<\[\]$]|\b_|_\b)", r"\\\1", text)


def slug(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link(name: str, heading: str = "") -> str:
    """A link to a heading of the page."""
    return f"[{name}](#{slug(heading or name)})"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; a bar in a cell is not the end of it."""
    names = list(head)
    lines = [names, ["---"] * len(names)]
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("|  |", "| |")


# --------------------------------------------------------------------------------------------------- expressions


def names_of(pdu: Pdu | None) -> Names:
    """The fields of a PDU by name."""
    return {f.name: f for f in pdu.fields} if pdu else {}


def name_of(f: Field | None, value: object) -> str:
    """The name that a value of a field has, or nothing."""
    if f is None or not isinstance(value, int):
        return ""
    if f.flags:
        known = [x for x in f.flags if value & x.mask]
        return " | ".join(x.label for x in known) if sum(x.mask for x in known) == value else ""
    return dict(f.values).get(value, "")


def readable(e: Expr, names: Names | None = None) -> str:
    """One expression for a reader; see the head of this file."""
    named = names or {}
    return show(rewrite(_tables(e), lambda node: _word(node, named)))


def _word(e: Expr, names: Names) -> Expr | None:
    match e:
        case Const(value=bytes(octets)):
            return Ref((_octets(octets),))
        case Ref(path=("F", *rest)):
            return Ref(tuple(rest))
        case Lookup(map=m, key=key):
            return Ref((f"{show(m)}[{show(key)}]",))
        case PeekBytes(offset=offset, size=size):
            return Ref((f"octets({show(offset)}, {show(size)})",))
        case Bin(op="+", a=Bin(op="*", a=Peek(offset=o, size=4), b=Const(value=n)), b=Peek(offset=p, size=4)):
            return Peek(o, 8) if n == HALF and _is_behind(o, p) else None
        case Cmp(op=op, a=Ref(path=(name,)) as a, b=Const(value=value)) if word := name_of(names.get(name), value):
            return Cmp(op, a, Ref((word,)))
        case Bin(op="&", a=Ref(path=(name,)) as a, b=Const(value=value)) if word := name_of(names.get(name), value):
            return Bin("&", a, Ref((f"({word})" if "|" in word else word,)))
        case Cmp(op=op, a=Bin(op="&" | "|" | "^" | "<<" | ">>") as a, b=b):
            return Cmp(op, Ref((f"({show(a)})",)), b)
        case InSet(x=x, values=values):
            return _one_of(x, values, names)
        case Un(op="not", x=Cmp(op="in" | "==" as op, a=a, b=b)):
            return Cmp("not in" if op == "in" else "!=", a, b)
    return None


def _is_behind(first: Expr, second: Expr) -> bool:
    if isinstance(first, Const) and isinstance(second, Const):
        return second.value == int(first.value or 0) + 4
    return second == Bin("+", first, Const(4))


def _octets(octets: bytes) -> str:
    if all(0x20 <= c <= 0x7E for c in octets):
        return f'"{octets.decode()}"'
    return f"<{octets.hex(' ')}>"


def _one_of(x: Expr, values: tuple[object, ...], names: Names) -> Expr:
    f = names.get(x.path[0]) if isinstance(x, Ref) and len(x.path) == 1 else None
    texts = [_octets(v) if isinstance(v, bytes) else name_of(f, v) or _number(v) for v in values]
    if len(texts) == 1:
        return Cmp("==", x, Ref((texts[0],)))
    if len(texts) > MOST_VALUES and _is_progression(values):
        texts = [*texts[:3], "…", texts[-1]]
    return Cmp("in", x, Ref((f"{{{', '.join(texts)}}}",)))


def _is_progression(values: tuple[object, ...]) -> bool:
    """Whether each is the one before plus, or times, the same number; a zero in front does not count."""
    numbers = [v for v in values if isinstance(v, int) and v]
    pairs = list(itertools.pairwise(numbers))
    return len(numbers) >= len(values) - 1 and (
        len({b - a for a, b in pairs}) == 1 or len({b / a for a, b in pairs}) == 1
    )


def _number(value: object) -> str:
    return show(Const(value)) if isinstance(value, int) else str(value)


def _tables(e: Expr) -> Expr:
    """Chains of ``a if x == 1 else b if x == 2 else ...`` as the tables that they were, from the top."""
    found = _table(e)
    if found is not None:
        return found
    changed = {f.name: _tables(v) for f in fields(e) if isinstance(v := getattr(e, f.name), Expr)}
    return replace(e, **changed) if changed else e


def _table(e: Expr) -> Expr | None:
    entries: list[str] = []
    key: Expr | None = None
    while isinstance(e, If) and isinstance(e.c, Cmp) and isinstance(e.c.b, Const) and isinstance(e.t, Const):
        if e.c.op != "==" or key not in (None, e.c.a):
            return None
        key = e.c.a
        entries.append(f"{readable(e.c.b)}: {readable(e.t)}")
        e = e.f
    if key is None or len(entries) < 2 or not isinstance(e, Const):
        return None
    entries.append(f"else: {readable(e)}")
    return Ref((f"{{{', '.join(entries)}}}[{readable(key)}]",))


def condition(rule: Rule) -> str:
    """All that a rule asks for, or nothing."""
    names = names_of(rule.pdu)
    asked: list[Expr] = [InSet(Ref(("F", m.field), "int"), m.values) for m in rule.match]
    asked += [rule.when] if rule.when is not None else []
    return readable(functools.reduce(lambda a, b: Logic("and", a, b), asked), names) if asked else ""


def scan(x: Scan) -> str:
    """Where a scan accepts, over several lines; the octet that is tested first is part of it."""
    offset, values = x.anchor
    if x.accept is None or not values:
        return "```text\nnever\n```"
    first = InSet(Peek(Const(offset), 1), values)
    return "\n".join(["```text", *_lines(Logic("and", first, x.accept)), "```"])


def _lines(e: Expr) -> list[str]:
    text = readable(e)
    if len(text) <= WIDTH or not isinstance(e, Logic):
        return [text]
    out: list[str] = []
    for part in _operands(e, e.op):
        lines = _lines(part)
        if len(lines) > 1:
            lines = ["(", *(f"    {x}" for x in lines), ")"]
        elif isinstance(part, Logic):
            lines = [f"({lines[0]})"]
        out += [f"{e.op} {lines[0]}" if out else lines[0], *lines[1:]]
    return out


def _operands(e: Expr, op: str) -> list[Expr]:
    if isinstance(e, Logic) and e.op == op:
        return [*_operands(e.a, op), *_operands(e.b, op)]
    return [e]


def message(text: str) -> str:
    """The text of a finding, its values left as they are formatted."""
    return plain(text.replace("%%", "%"))
