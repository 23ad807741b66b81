# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/loop_in_a_callable.py:12: Looped.data: length_from: uses a generator (loop_in_a_callable.py:12)
# hint: say it with the packet's fields, constants and operators, or with F, S and peek()
from __future__ import annotations

from scapy.fields import ByteField, StrLenField

from dissector.protocols.pdu import Pdu


class Looped(Pdu):
    fields_desc = [ByteField("n", 0), StrLenField("data", b"", length_from=lambda pkt: sum(i for i in range(pkt.n)))]


TARGET = Looped
