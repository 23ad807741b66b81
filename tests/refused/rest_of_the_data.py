# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/rest_of_the_data.py:12: Tail.rest: a string up to the end of the data has no length in a stream
# hint: give it a length_from, or the layer a scan
from __future__ import annotations

from scapy.fields import StrField

from dissector.protocols.pdu import Pdu


class Tail(Pdu):
    fields_desc = [StrField("rest", b"")]


TARGET = Tail
