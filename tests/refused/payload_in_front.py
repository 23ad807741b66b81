# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/payload_in_front.py:14: Backwards.data: a payload must be the last field
# hint: move it to the end
from __future__ import annotations

from scapy.fields import ByteField

from dissector.declare import F
from dissector.protocols.fields import PayloadField
from dissector.protocols.pdu import Pdu


class Backwards(Pdu):
    fields_desc = [ByteField("length", 0), PayloadField("data", b"", length_from=F.length), ByteField("end", 0)]


TARGET = Backwards
