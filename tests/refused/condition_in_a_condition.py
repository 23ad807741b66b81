# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/condition_in_a_condition.py:15: Twice.b: a conditional field inside a conditional field
# hint: join the two conditions
from __future__ import annotations

from scapy.fields import ByteField, ConditionalField

from dissector.declare import F
from dissector.protocols.pdu import Pdu


class Twice(Pdu):
    fields_desc = [
        ByteField("a", 0),
        ConditionalField(ConditionalField(ByteField("b", 0), F.a > 1), F.a > 0),
    ]


TARGET = Twice
