# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/field_class_of_its_own.py:21: Odd.flags: field class Swapped reads octets in its own way (getfield)
# hint: give the class a row in dissector/frontend/fields.py
from __future__ import annotations

from typing import Any

from scapy.fields import ByteField

from dissector.protocols.pdu import Pdu


class Swapped(ByteField):
    """Reads its octet upside down."""

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, int]:
        return s[1:], s[0] ^ 0xFF


class Odd(Pdu):
    fields_desc = [Swapped("flags", 0)]


TARGET = Odd
