# SPDX-License-Identifier: GPL-2.0-or-later
# stream words: a circle that consumes nothing: start -> other -> start
# hint: let one of the rules read
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
    (
        State("start", Rule(goto="other", when=S.kind == 1), Rule(Word, do=((S.kind, F.kind),))),
        State("other", Rule(goto="start")),
    ),
    Finding("unknown", "error", "malformed", "unknown word"),
)


TARGET = Protocol("words", "words", "Words", "WORDS", (Channel("main", "main", STREAM),))
