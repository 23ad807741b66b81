# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/half_an_octet.py:12: Nibble.kind: bit fields before 'length' do not fill whole octets
# hint: pad them to a multiple of eight bits
from __future__ import annotations

from scapy.fields import BitField, ByteField

from dissector.protocols.pdu import Pdu


class Nibble(Pdu):
    fields_desc = [BitField("kind", 0, 4), ByteField("length", 0)]


TARGET = Nibble
