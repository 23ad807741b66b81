# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows for octets and text: all that is left, a length, a fixed length, or up to an end mark.

Scapy's ``StrField`` and its kin hold octets that are mostly text; what shows them in hexadecimal is octets here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scapy import fields as sf

from ...ir.expr import Bin, Const, Expr, Ref, Size
from ...ir.packets import Item, Leaf
from ...ir.simplify import simplify
from .numbers import texts
from .registry import register
from .subject import Subject

HEX = tuple(c for n in ("_XStrField", "XStrField") if (c := getattr(sf, n, None)) is not None)


def _text(subject: Subject, size: Expr | None, **more: Any) -> Leaf:
    kind = "bytes" if isinstance(subject.fld, HEX) else "string"
    utf16 = isinstance(subject.fld, sf.StrFieldUtf16)
    return subject.leaf(kind=kind, size=size, utf16=utf16, texts=texts(subject), **more)


def rest(subject: Subject) -> Item:
    """All that is left, or all but the last ``remain`` octets."""
    remain = subject.fld.remain
    return _text(subject, Bin("-", Size(Ref(("octets",))), Const(remain)) if remain else None)


def by_length(subject: Subject) -> Item:
    """As many octets as another field says."""
    size = subject.expr(subject.fld.length_from, "length_from") if subject.fld.length_from is not None else Const(0)
    if not subject.fld.ON_WIRE_SIZE_UTF16:
        size = simplify(Bin("*", size, Const(2)))
    return _text(subject, size)


def fixed(subject: Subject) -> Item:
    """A number of octets that is known, or that another field says."""
    fld = subject.fld
    if isinstance(getattr(fld.length_from, "__defaults__", None), tuple) and fld.length_from.__defaults__ == (fld.sz,):
        return _text(subject, Const(fld.sz))
    return _text(subject, subject.expr(fld.length_from, "length_from"))


def until_mark(subject: Subject) -> Item:
    """Up to an end mark, which is passed over; without one, all that is left."""
    return _text(subject, None, until=subject.fld.DELIMITER, terminated=False)


def until_stop(subject: Subject) -> Item:
    """Up to an end mark and so many octets more, all of which are part of the value."""
    stop = bytes(subject.fld.stop)
    beyond = subject.fld.additional
    if not stop:
        raise subject.refuse("an end mark of no octets", "say where the text ends")
    return _text(subject, None, until=stop, terminated=False, beyond=len(stop) + beyond)


def reversed_octets(subject: Subject) -> Item:
    """Octets in reverse order."""
    item = by_length(subject)
    assert isinstance(item, Leaf)
    return replace(item, kind="bytes", template="reversed")


def extended(subject: Subject) -> Item:
    """An integer of seven bits an octet, the lowest first; a bit of each octet says whether there is one more."""
    arguments = (("bit", subject.fld.extension_bit),)
    return subject.leaf(kind="uint", size=None, template="extended", arguments=arguments)


register(sf.StrField, rest)
register(sf.StrLenField, by_length)
register(sf.StrFixedLenField, fixed)
register(sf.StrNullField, until_mark)
register(sf.StrStopField, until_stop)
register(sf.XLEStrLenField, reversed_octets)
register(sf.BitExtendedField, extended)
