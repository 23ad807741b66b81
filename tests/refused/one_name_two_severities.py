# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/one_name_two_severities.py:24: finding 'big' is error/protocol here and warn/protocol elsewhere
# hint: use two names, or one severity and group
from __future__ import annotations

from scapy.fields import ByteField

from dissector.declare import Channel, F, Finding, Protocol, Register, Rule, S, State, Stream, text
from dissector.protocols.pdu import Pdu


class Word(Pdu):
    group = "word"
    fields_desc = [ByteField("kind", 1), ByteField("value", 0)]


STREAM = Stream(
    "words",
    "start",
    (Register("kind"),),
    (
        State(
            "start",
            Rule(
                Word,
                do=((S.kind, S.kind + F.kind),),
                findings=(
                    Finding("big", "warn", "protocol", text("%d", F.value), F.value > 7),
                    Finding("big", "error", "protocol", text("%d", F.value), F.value > 9),
                ),
            ),
        ),
    ),
    Finding("unknown", "error", "malformed", "unknown word"),
)


TARGET = Protocol("words", "words", "Words", "WORDS", (Channel("main", "main", STREAM),))
