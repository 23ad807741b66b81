# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/unknown_unpacker.py:17: Squeezed.data: no way to uncompress 'rar'
# hint: known: zlib, zstd
from __future__ import annotations

from scapy.fields import ByteField

from dissector.declare import F, Packed
from dissector.protocols.fields import PayloadField
from dissector.protocols.pdu import Pdu


class Squeezed(Pdu):
    group = "squeezed"
    fields_desc = [
        ByteField("length", 0),
        PayloadField("data", b"", length_from=F.length, packed=Packed(F.length, "Data", {"rar": True})),
    ]


TARGET = Squeezed
