# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/unknown_name_in_a_length.py:12: Misspelt.data: length_from: 'missing' is not defined (unknown_name_in_a_length.py:12)
# hint: say it with the packet's fields, constants and operators, or with F, S and peek()
from __future__ import annotations

from scapy.fields import ByteField, StrLenField

from dissector.protocols.pdu import Pdu


class Misspelt(Pdu):
    fields_desc = [ByteField("n", 0), StrLenField("data", b"", length_from=lambda pkt: pkt.n + missing)]  # noqa: F821


TARGET = Misspelt
