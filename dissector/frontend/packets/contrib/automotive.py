# SPDX-License-Identifier: GPL-2.0-or-later
"""XCP: numbers whose byte order is a setting (``conf.contribs["XCP"]["byte_order"]``: 1 is big-endian)."""

from __future__ import annotations

from dataclasses import replace

from scapy.config import conf

from ....ir.packets import Item, Leaf
from ..registry import item_of, row_for
from ..subject import Subject


@row_for("scapy.contrib.automotive.xcp.utils.XCPEndiannessField")
def ordered(subject: Subject) -> Item:
    """The field inside, in the byte order that is set."""
    order = conf.contribs.get("XCP", {}).get("byte_order")
    if order is None:
        raise subject.refuse("conf.contribs['XCP']['byte_order'] is not set", "load scapy.contrib.automotive.xcp.xcp")
    subject.context.settings["conf.contribs['XCP']['byte_order']"] = order
    item = item_of(subject.inside(subject.fld.fld))
    if not isinstance(item, Leaf) or item.bits is not None or item.kind not in ("uint", "int", "float"):
        raise subject.refuse("byte order of something that is no number", "leave XCPEndiannessField away")
    return replace(item, little=order != 1)
