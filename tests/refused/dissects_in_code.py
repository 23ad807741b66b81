# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/dissects_in_code.py:11: ByHand.do_dissect() dissects in code
# hint: say it with fields, or register a template
from __future__ import annotations

from scapy.fields import ByteField

from dissector.protocols.pdu import Pdu


class ByHand(Pdu):
    fields_desc = [ByteField("length", 0)]

    def do_dissect(self, s: bytes) -> bytes:
        return s[1:]


TARGET = ByHand
