# SPDX-License-Identifier: GPL-2.0-or-later
"""PDUs as chapters, one for each file that layers are declared in: what it says, then its layers in its order.

A field's row says how many octets it has (and what it is, unless a number), its display filter, and what it may be: the
one value that all rules ask for, or a link to the table of names at the end of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...ir.expr import Const
from ...ir.model import Note, Protocol, Rule
from ...ir.pdus import Field, Finding, Pdu
from .streams import findings_table, title
from .words import code, condition, link, name_of, names_of, paragraphs, plain, readable, scan, table

NAMES = "Named values"


def pdus(p: Protocol) -> Iterator[str]:
    """All PDUs."""
    heads = {c.file: c.doc for c in p.chapters}
    by_file: dict[str, list[Pdu]] = {}
    for pdu in p.pdus:
        by_file.setdefault(pdu.source.file, []).append(pdu)
    for file, members in by_file.items():
        yield f"## {heading(file)}"
        yield from paragraphs(heads.get(file, ""))
        for pdu in sorted(members, key=lambda x: x.source.line):
            yield from _pdu(p, pdu)


def heading(file: str) -> str:
    """The heading of a file's chapter."""
    return f"PDUs of {title(file)}"


def _pdu(p: Protocol, pdu: Pdu) -> Iterator[str]:
    rules = [rule for s in p.streams for _, rule in s.rules() if rule.pdu and rule.pdu.name == pdu.name]
    yield f"### {pdu.name}"
    yield f"**{plain(pdu.label)}**"
    yield from paragraphs(pdu.doc)
    rows = [*(_field(p, pdu, f, rules) for f in pdu.fields), *_notes(p, rules)]
    if rows:
        yield table(("Field", "Octets", "Filter", "Value"), rows)
    if pdu.scan is not None:
        yield "It has no length and ends before the first place where"
        yield scan(pdu.scan)
    counters = dict.fromkeys(rule.count for rule in rules if rule.count)
    if counters:
        yield f"Counted as {', '.join(map(code, counters))}."
    findings = list(_findings(pdu, rules))
    if findings:
        yield findings_table(findings)


def _findings(pdu: Pdu, rules: Iterable[Rule]) -> Iterator[tuple[Finding, str]]:
    names = names_of(pdu)
    for rule in rules:
        for f in rule.findings:
            yield f, readable(f.when, names) if f.when is not None else condition(rule)


def _field(p: Protocol, pdu: Pdu, f: Field, rules: list[Rule]) -> list[str]:
    return [f"`{f.name}`", _octets(pdu, f), f"`{p.prefix}.{f.abbrev}`", _value(f, rules)]


def _octets(pdu: Pdu, f: Field) -> str:
    names = names_of(pdu)
    out = readable(f.size, names)
    out = out if isinstance(f.size, Const) else code(out)
    if f.type != "uint":
        out += f", {f.type}"
    if f.little:
        out += ", little-endian"
    if f.part is not None:
        border = code(readable(f.part.modulus, names))
        out += f", the part {'below' if f.part.which == 'low' else 'from'} {border}{' on' * (f.part.which == 'high')}"
    if f.bits is not None:
        shift, width = f.bits
        out += f", bit {shift}" if width == 1 else f", bits {shift} to {shift + width - 1}"
    if f.lazy:
        out += ", payload"
    return out + (f", if {code(readable(f.present, names))}" if f.present is not None else "")


def _value(f: Field, rules: list[Rule]) -> str:
    asked = [m.values for rule in rules for m in rule.match if m.field == f.name]
    if len(asked) == len(rules) and asked:
        values = dict.fromkeys(v for values in asked for v in values)
        return ", ".join(_constant(f, v) for v in values)
    return link("names", NAMES) if f.values or f.flags else ""


def _constant(f: Field, value: int) -> str:
    number = hex(value) if f.hex or f.flags or value > 1023 else str(value)
    name = name_of(f, value)
    return f"{number} {code(name)}" if name else number


def _notes(p: Protocol, rules: list[Rule]) -> Iterator[list[str]]:
    seen: dict[str, Note] = {}
    for rule in rules:
        for n in rule.notes:
            seen.setdefault(n.abbrev, n)
    for n in seen.values():
        yield [plain(n.label), "generated", f"`{p.prefix}.{n.abbrev}`", code(readable(n.value))]


def named_values(p: Protocol) -> Iterator[str]:
    """The table of names: values and flags of every field that has some, once for each display-filter name."""
    rows: dict[str, str] = {}
    for pdu in p.pdus:
        for f in pdu.fields:
            if f.values:
                rows.setdefault(f.abbrev, ", ".join(f"{v if v < 1024 else hex(v)} {plain(t)}" for v, t in f.values))
            elif f.flags:
                rows.setdefault(f.abbrev, ", ".join(f"{x.mask:#x} {plain(x.label)}" for x in f.flags))
    if rows:
        yield f"## {NAMES}"
        yield "A flag has a filter of its own: that of the field, a dot, and its name in lower case."
        yield table(("Filter", "Values"), ([f"`{p.prefix}.{abbrev}`", text] for abbrev, text in rows.items()))
