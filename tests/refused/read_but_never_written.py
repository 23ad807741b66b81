# SPDX-License-Identifier: GPL-2.0-or-later
# stream words: register 'kind': read but never written
# hint: assign it, or use a constant or a parameter
from __future__ import annotations

from scapy.fields import ByteField

from dissector.declare import Channel, Finding, Protocol, Register, Rule, S, State, Stream
from dissector.protocols.pdu import Pdu


class Word(Pdu):
    group = "word"
    fields_desc = [ByteField("kind", 1), ByteField("value", 0)]


STREAM = Stream(
    "words",
    "start",
    (Register("kind"),),
    (State("start", Rule(Word, when=S.kind == 0)),),
    Finding("unknown", "error", "malformed", "unknown word"),
)


TARGET = Protocol("words", "words", "Words", "WORDS", (Channel("main", "main", STREAM),))
