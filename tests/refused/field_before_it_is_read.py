# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/field_before_it_is_read.py:21: state 'start': F.kind is not read yet
# hint: use peek() or match in conditions of a rule
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
    (State("start", Rule(Word, when=F.kind == 1, do=((S.kind, S.kind + 1),))),),
    Finding("unknown", "error", "malformed", "unknown word"),
)


TARGET = Protocol("words", "words", "Words", "WORDS", (Channel("main", "main", STREAM),))
