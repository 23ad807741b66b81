# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows for fields around fields: conditions, choices, padding, and the places where a layer may end."""

from __future__ import annotations

from dataclasses import replace

from scapy import fields as sf

from ...ir.expr import TRUE, Const, Expr, Logic
from ...ir.packets import Either, Item
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
    return Either(**subject.base(), options=tuple(options), default=default)


def plain(subject: Subject) -> Item:
    """A wrapper that changes nothing on the wire."""
    return item_of(subject.inside(subject.fld.fld))


register(sf.ConditionalField, conditional)
register(sf.MayEnd, may_end)
register(sf.PadField, padded)
register(sf.MultipleTypeField, either)
register(sf.Emph, plain)
register(sf.ActionField, plain)
