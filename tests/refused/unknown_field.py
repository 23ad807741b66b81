# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/unknown_field.py:21: state 'start': no field of Word 'vlaue'
# hint: did you mean 'value'?
from __future__ import annotations

from scapy.fields import ByteField

from dissector.declare import Channel, F, Finding, Protocol, Register, Rule, S, State, Stream
from dissector.protocols.pdu import Pdu


class Word(Pdu):
    group = "word"
    fields_desc = [ByteField("kind", 1), ByteField("value", 0)]


STREAM = Stream(
    "words",
    "start",
    (Register("kind"),),
    (State("start", Rule(Word, match=("kind",), do=((S.kind, S.kind + F.vlaue),))),),
    Finding("unknown", "error", "malformed", "unknown word"),
)


TARGET = Protocol("words", "words", "Words", "WORDS", (Channel("main", "main", STREAM),))
