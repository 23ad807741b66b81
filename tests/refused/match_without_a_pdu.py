# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/match_without_a_pdu.py:21: state 'start': a rule without a pdu has nothing to match
# hint: use when=peek(...)
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
    (State("start", Rule(goto="start", match={"kind": 1}), Rule(Word, do=((S.kind, S.kind + 1),))),),
    Finding("unknown", "error", "malformed", "unknown word"),
)


TARGET = Protocol("words", "words", "Words", "WORDS", (Channel("main", "main", STREAM),))
