# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows for fields around fields: conditions, choices, padding, and the places where a layer may end."""

from __future__ import annotations

from dataclasses import replace

from scapy import fields as sf

from ...ir.expr import FALSE, TRUE, Const, Expr, Logic, Un
from ...ir.packets import Either, Item, Leaf, Names
from ...ir.simplify import simplify, truth
from .registry import item_of, register
from .subject import Subject


def conditional(subject: Subject) -> Item:
    """A field that is there when a condition holds."""
    item = item_of(subject.inside(subject.fld.fld))
    condition = simplify(truth(subject.expr(subject.fld.cond, "cond")))
    return replace(item, present=_both(condition, item.present))


def _both(a: Expr, b: Expr | None) -> Expr | None:
    if a == TRUE:
        return b
    return a if b is None else simplify(Logic("and", a, b))


def may_end(subject: Subject) -> Item:
    """A field behind which the layer may end."""
    item = item_of(subject.inside(subject.fld.fld))
    return replace(item, may_end=True)


def padded(subject: Subject) -> Item:
    """A field that is filled up to a multiple of so many octets."""
    item = item_of(subject.inside(subject.fld.fld))
    align = subject.fld._align  # noqa: SLF001  there is no other way to ask
    if type(align) is not int or align < 1:
        raise subject.refuse(f"padding to a multiple of {align!r}", "use a whole number of octets")
    if item.align is not None:
        raise subject.refuse("padding around padding", "use one PadField")
    return replace(item, align=Const(align))


def either(subject: Subject) -> Item:
    """A field that is one of several, by conditions."""
    options: list[tuple[Expr, Item]] = []
    for fld, condition in subject.fld.flds:
        asked = condition[0] if isinstance(condition, tuple) else condition
        when = simplify(truth(subject.expr(asked, "multi_cond")))
        options.append((when, item_of(subject.inside(fld))))
    default = item_of(subject.inside(subject.fld.dflt))
    same = _same(subject, options, default)
    return same or Either(**subject.base(), options=tuple(options), default=default)


def _same(subject: Subject, options: list[tuple[Expr, Item]], default: Item) -> Item | None:
    """One bit field in place of several that differ in the names of their values only."""
    each = [option for _, option in options] + [default]
    if not all(isinstance(x, Leaf) and x.bits is not None and all(w is None for w, _ in x.names) for x in each):
        return None
    found = [x for x in each if isinstance(x, Leaf)]
    if any(
        replace(x, names=(), source=subject.source) != replace(found[0], names=(), source=subject.source) for x in found
    ):
        return None
    tables = [x.names[0][1] if x.names else () for x in found]
    names: list[tuple[Expr | None, Names]] = []
    before: Expr = FALSE
    for when, table in zip([*(when for when, _ in options), TRUE], tables, strict=True):
        if table:
            names.append((simplify(Logic("and", Un("not", before), when)), table))
        before = simplify(Logic("or", before, when))
    return replace(found[0], names=tuple(names), source=subject.source)


def plain(subject: Subject) -> Item:
    """A wrapper that changes nothing on the wire."""
    return item_of(subject.inside(subject.fld.fld))


register(sf.ConditionalField, conditional)
register(sf.MayEnd, may_end)
register(sf.PadField, padded)
register(sf.MultipleTypeField, either)
register(sf.Emph, plain)
register(sf.ActionField, plain)
