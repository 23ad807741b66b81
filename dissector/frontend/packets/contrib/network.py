# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenFlow: messages in messages; EtherCAT: bits from the lowest on; MQTT: lengths of up to four octets."""

from __future__ import annotations

from dataclasses import replace

from ....ir.expr import Bin, Const, Expr, Ref
from ....ir.packets import Item, Leaf, Sub
from ..bits import LOWEST_FIRST, bits
from ..registry import register, row_for
from ..subject import Subject

OPENFLOW = "scapy.contrib.openflow.OpenFlow"


def octet(at: int) -> Expr:
    """One of the octets that a field begins with."""
    return Ref(("octets", f"[{at}]"))


@row_for("scapy.contrib.openflow.OFPacketField")
def openflow(subject: Subject) -> Item:
    """A message that says its length in its third and fourth octet."""
    from scapy.contrib.openflow import OpenFlow  # noqa: PLC0415  the layer that has such a field has imported it

    subject.context.name(OpenFlow)
    size = Bin("|", Bin("<<", octet(2), Const(8)), octet(3))
    return Sub(**subject.base(), layer=Const(OPENFLOW), size=size)


@row_for("scapy.contrib.ethercat.LEBitField")
def lowest_first(subject: Subject) -> Leaf:
    """Bits of little-endian octets, the lowest first."""
    return replace(bits(subject), swapped=LOWEST_FIRST)


@row_for("scapy.contrib.mqtt.VariableFieldLenField")
def variable(subject: Subject) -> Item:
    """Seven bits an octet; Scapy gives up at the fifth."""
    return subject.leaf(kind="uint", size=None, template="extended", arguments=(("bit", 7), ("most", 4)))


register("scapy.contrib.http2.HPackMagicBitField", bits)
