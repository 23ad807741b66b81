# SPDX-License-Identifier: GPL-2.0-or-later
"""What Scapy accepts and nobody can mean."""

from __future__ import annotations

from typing import Any

from scapy.fields import ByteField, ConditionalField, PacketListField, StrLenField
from scapy.packet import Packet, bind_layers

from dissector.frontend.packets import suite
from dissector.frontend.packets.doubts import circles, contradictions, doubts


class One(Packet):
    fields_desc = [ByteField("x", 0)]


class Two(Packet):
    fields_desc = [ByteField("y", 0)]


class Torn(Packet):
    fields_desc = [ByteField("kind", 0)]


class Sure(Packet):
    fields_desc = [ByteField("kind", 0)]


class Round(Packet):
    fields_desc: Any = []


class Around(Packet):
    fields_desc = [ConditionalField(ByteField("maybe", 0), lambda _: False), PacketListField("list", [], Round)]


class Nested(Packet):
    """A packet in itself that reads an octet first is nothing to wonder at."""

    fields_desc: Any = []


Round.fields_desc = [StrLenField("text", b"", length_from=lambda _: 0), PacketListField("list", [], Around)]
Nested.fields_desc = [ByteField("kind", 0), PacketListField("list", [], Nested)]
bind_layers(Torn, One, kind=1)
bind_layers(Torn, Two, kind=1)
bind_layers(Sure, One, kind=1)
bind_layers(Sure, Two, kind=2)


class TestContradictions:
    def test_two_layers_for_the_same_values(self) -> None:
        """Scapy takes one of them, and says nothing of the other."""
        (found,) = contradictions(Torn)

        assert "Torn with kind == 1 is bound to One and to Two, which is never used" == found.what
        assert "test_doubts.py:" in found.where

    def test_different_values(self) -> None:
        """What most layers do is no contradiction."""
        assert [] == list(contradictions(Sure))


class TestCircles:
    def test_layers_that_hold_themselves(self) -> None:
        """A circle without an octet is told once, with the way round."""
        (found,) = circles(suite([Around]))

        assert "holds itself before any octet is read: Around -> Round -> Around" in found.what

    def test_recursion_that_reads(self) -> None:
        """Type, length and values that hold the same again are usual."""
        assert [] == list(doubts([Nested], suite([Nested])))
