# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/match_behind_a_variable.py:14: match on 'name': a field of variable size stands there
# hint: match leading fields
from __future__ import annotations

from scapy.fields import ByteField, StrLenField

from dissector.declare import Channel, F, Finding, Protocol, Register, Rule, S, State, Stream
from dissector.protocols.pdu import Pdu


class Word(Pdu):
    group = "word"
    fields_desc = [ByteField("kind", 1), StrLenField("name", b"", length_from=F.kind), ByteField("value", 0)]


STREAM = Stream(
    "words",
    "start",
    (Register("kind"),),
    (State("start", Rule(Word, match={"value": 1}, do=((S.kind, S.kind + 1),))),),
    Finding("unknown", "error", "malformed", "unknown word"),
)


TARGET = Protocol("words", "words", "Words", "WORDS", (Channel("main", "main", STREAM),))
