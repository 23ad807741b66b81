# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows for fields that hold packets and for lists.

What a packet in a field leaves over is the next field's, so its layer has to say where it ends; see
:mod:`dissector.frontend.packets.suites`.  Scapy stops a list at ``conf.max_list_count`` elements.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scapy import fields as sf
from scapy.config import conf
from scapy.packet import Packet

from ...ir.expr import Const, Expr
from ...ir.packets import Item, Leaf, List, Sub
from .registry import item_of, register
from .subject import Subject


def choice(subject: Subject, cls: Any) -> Expr:
    """The layer that is made of a field's octets: a class, or what a function chooses."""
    if isinstance(cls, type) and issubclass(cls, Packet):
        return Const(subject.context.name(cls))
    return subject.expr(cls, "cls")


def packet(subject: Subject) -> Item:
    """A packet that ends where its layer ends."""
    return Sub(**subject.base(), layer=choice(subject, subject.fld.cls))


def sized_packet(subject: Subject) -> Item:
    """A packet in so many octets."""
    size = subject.expr(subject.fld.length_from, "length_from")
    return Sub(**subject.base(), layer=choice(subject, subject.fld.cls), size=size)


def packets(subject: Subject) -> Item:
    """Packets one behind the other."""
    fld = subject.fld
    size, count = _extent(subject)
    limit = fld.max_count or conf.max_list_count
    if fld.next_cls_cb is not None:
        following = subject.expr(fld.next_cls_cb, "next_cls_cb")
        return List(**subject.base(), next=following, size=size, limit=limit)
    return List(**subject.base(), of=choice(subject, fld.cls), size=size, count=count, limit=limit)


def values(subject: Subject) -> Item:
    """Values one behind the other."""
    element = item_of(subject.inside(subject.fld.field))
    if not isinstance(element, Leaf) or (element.bits is not None and _octets(element) is None):
        raise subject.refuse("a list of something that is no plain value", "make it a PacketListField")
    if element.bits is not None:
        element = replace(element, bits=None, size=Const(_octets(element)))
    size, count = _extent(subject)
    base = {**subject.base(), "label": subject.base()["label"]}
    element = replace(element, name=subject.name)
    return List(**base, of=element, size=size, count=count, limit=subject.fld.max_count or conf.max_list_count)


def _octets(leaf: Leaf) -> int | None:
    bits = leaf.bits.value if isinstance(leaf.bits, Const) else None
    return bits // 8 if isinstance(bits, int) and bits % 8 == 0 and leaf.swapped in (0, bits // 8) else None


def _extent(subject: Subject) -> tuple[Expr | None, Expr | None]:
    """The length of a list and the number of its elements; Scapy asks for the number only without a length."""
    fld = subject.fld
    if fld.length_from is not None:
        return subject.expr(fld.length_from, "length_from"), None
    return None, subject.expr(fld.count_from, "count_from") if fld.count_from is not None else None


register(sf.PacketField, packet)
register(sf.PacketLenField, sized_packet)
register(sf.PacketListField, packets)
register(sf.FieldListField, values)
