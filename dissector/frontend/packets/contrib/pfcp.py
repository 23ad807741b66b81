# SPDX-License-Identifier: GPL-2.0-or-later
"""PFCP: the octets of an information element that its fields do not take, and 40-bit integers."""

from __future__ import annotations

from ....ir.expr import Bin, Const, Ref, Size
from ....ir.packets import Item
from ..numbers import sized
from ..registry import register, row_for
from ..subject import Subject

HEADER = 4
"""Octets of type and length, which the length does not count."""


@row_for("scapy.contrib.pfcp.ExtraDataField")
def extra(subject: Subject) -> Item:
    """What is left of ``length`` behind the fields before this one."""
    taken = Bin("-", Size(Ref(("F", "original"))), Size(Ref(("octets",))))
    size = Bin("-", Bin("+", subject.seen(Ref(("F", "length"))), Const(HEADER)), taken)
    return subject.leaf(kind="bytes", size=size)


register("scapy.contrib.pfcp.Int40Field", sized(5))
