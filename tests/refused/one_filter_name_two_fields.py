# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/one_filter_name_two_fields.py:19: the display-filter name words.word.value is used for two different fields
# hint: one is ProtoField.uint8("words.word.value", "Value", base.DEC), the other ProtoField.uint32("words.word.value", "Value", base.DEC)
from __future__ import annotations

from scapy.fields import ByteField, IntField

from dissector.declare import Channel, F, Finding, Protocol, Register, Rule, S, State, Stream
from dissector.protocols.pdu import Pdu


class Word(Pdu):
    group = "word"
    fields_desc = [ByteField("kind", 1), ByteField("value", 0)]


class Long(Pdu):
    group = "word"
    fields_desc = [ByteField("kind", 2), IntField("value", 0)]


STREAM = Stream(
    "words",
    "start",
    (Register("kind"),),
    (State("start", Rule(Word, match=("kind",), do=((S.kind, S.kind + F.value),)), Rule(Long, match=("kind",))),),
    Finding("unknown", "error", "malformed", "unknown word"),
)


TARGET = Protocol("words", "words", "Words", "WORDS", (Channel("main", "main", STREAM),))
