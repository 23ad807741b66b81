# SPDX-License-Identifier: GPL-2.0-or-later
"""Layers that are refused, with the whole message."""

# ruff: noqa: E501, ISC004, RUF015  a layer's source is one text, its lines one below the other

from __future__ import annotations

from typing import Any

import pytest

from dissector.errors import Refused
from dissector.frontend.packets import refusals, suite, translate_packet

HEAD = """from scapy.config import conf
from scapy.fields import *
from scapy.packet import *
class Element(Packet):
    fields_desc = [ByteField("a", 0)]
    def extract_padding(self, s):
        return b"", s
"""
FIRST = HEAD.count("\n") + 1
ROW = "register a row for the field class: dissector.frontend.packets.register(FieldClass, row)"
LATER = "a callable sees the fields before its own; later ones still have their defaults"
OVERRIDE = "say it with fields, or replace the layer with an override file"
PADDED = "pad them to whole octets"

REFUSED = [
    (
        'class Layer(Packet):\n    fields_desc = [StrLenField("a", b"", length_from=lambda p: p.b)]\n',
        f"layer.py:{FIRST + 1}",
        f"Layer.a: length_from: asks for 'b', which Layer does not have while it is dissected (layer.py:{FIRST + 1})",
        LATER,
    ),
    (
        'class Layer(Packet):\n    fields_desc = [\n        IPField("a", "0.0.0.0"),\n'
        '        ConditionalField(ByteField("b", 0), lambda p: p.a == "1.2.3.4"),\n    ]\n',
        f"layer.py:{FIRST + 3}",
        f"Layer.b: cond: uses the value of 'a', which is no plain number or octets (layer.py:{FIRST + 3})",
        "use a number",
    ),
    (
        'class Layer(Packet):\n    fields_desc = [BitField("a", 0, 3),\n        ByteField("b", 0)]\n',
        f"layer.py:{FIRST + 1}",
        "a: bit fields before 'b' do not fill whole octets",
        PADDED,
    ),
    (
        'class Layer(Packet):\n    fields_desc = [BitField("a", 0, 3)]\n',
        f"layer.py:{FIRST + 1}",
        "a: bit fields do not fill whole octets",
        PADDED,
    ),
    (
        'class Layer(Packet):\n    fields_desc = [ByteField("a", 0)]\n    def do_dissect(self, s):\n        return s\n',
        f"layer.py:{FIRST + 2}",
        f"Layer.do_dissect() takes part in the dissection (do_dissect, layer.py:{FIRST + 2})",
        OVERRIDE,
    ),
    (
        'class Layer(Packet):\n    fields_desc = [ByteField("a", 0)]\n'
        "    def pre_dissect(self, s):\n        return s[::-1]\n",
        f"layer.py:{FIRST + 2}",
        f"Layer.pre_dissect() takes part in the dissection (pre_dissect, layer.py:{FIRST + 2})",
        OVERRIDE,
    ),
    (
        'class Layer(Packet):\n    fields_desc = [ByteField("a", 0)]\n'
        "    def post_dissect(self, s):\n        self.a = 3\n        return s\n",
        f"layer.py:{FIRST + 2}",
        f"Layer.post_dissect() takes part in the dissection (post_dissect, layer.py:{FIRST + 2})",
        OVERRIDE,
    ),
    (
        'class Layer(Packet):\n    fields_desc = [ByteField("a", 0)]\n'
        "    def __init__(self, *args, **kargs):\n        super().__init__(args[0][1:])\n",
        f"layer.py:{FIRST + 2}",
        f"Layer.__init__() takes part in the dissection (__init__, layer.py:{FIRST + 2})",
        OVERRIDE,
    ),
    (
        'class Layer(Packet):\n    fields_desc = [ByteField("a", 0)]\n'
        "    def extract_padding(self, s):\n        return s[:3], s[4:]\n",
        f"layer.py:{FIRST + 3}",
        "Layer.extract_padding: returns something else than payload and padding",
        "return s[:n], s[n:]",
    ),
    (
        "class Odd(Field):\n    def getfield(self, pkt, s):\n        return s[s.find(b'x'):], 1\n"
        'class Layer(Packet):\n    fields_desc = [Odd("a", 0)]\n',
        f"layer.py:{FIRST + 4}",
        f"Layer.a: field class Odd reads octets in its own way (getfield, layer.py:{FIRST + 1})",
        ROW,
    ),
    (
        'class Layer(Packet):\n    fields_desc = [ConditionalField(ByteField("a", 0), lambda p: p.a)]\n',
        f"layer.py:{FIRST + 1}",
        f"Layer.a: cond: asks for 'a', which is read later and depends on a condition (layer.py:{FIRST + 1})",
        LATER,
    ),
    (
        'class Layer(Packet):\n    fields_desc = [Field("a", 0, "@I")]\n',
        f"layer.py:{FIRST + 1}",
        "Layer.a: the format '@I' depends on the machine",
        "begin it with ! or <",
    ),
    (
        'class Layer(Packet):\n    fields_desc = [Field("a", 0, "HH")]\n',
        f"layer.py:{FIRST + 1}",
        "Layer.a: the format '!HH' is not one value",
        "use one field for each value",
    ),
    (
        'class Layer(Packet):\n    fields_desc = [ConditionalField(ByteField("a", 0), lambda p: p.underlayer), StrLenField("b", b"", length_from=lambda p: len(p))]\n',
        f"layer.py:{FIRST + 1}",
        f"Layer.b: length_from: asks for the packet as a whole, which is not there while it is dissected (layer.py:{FIRST + 1})",
        LATER,
    ),
]


@pytest.mark.parametrize(("source", "where", "what", "hint"), REFUSED)
def test_refused(module: Any, source: str, where: str, what: str, hint: str) -> None:
    """A layer that cannot be translated says where, what and what would do."""
    with pytest.raises(Refused) as refused:
        translate_packet(module(HEAD + source).Layer)
    assert (refused.value.where, refused.value.what, refused.value.hint) == (where, what, hint)


def test_refused_payload_is_opaque(module: Any) -> None:
    """A payload that cannot be translated is named, and the layer around it is translated."""
    source = HEAD + (
        'class Inner(Packet):\n    fields_desc = [BitField("a", 0, 3)]\n'
        'class Layer(Packet):\n    fields_desc = [ByteField("a", 0)]\nbind_layers(Layer, Inner)\n'
    )
    found = suite(module(source).Layer)
    assert [layer.name for layer in found.layers] == ["layer.Layer"]
    assert [(x.name, x.what) for x in refusals(found)] == [("layer.Inner", "a: bit fields do not fill whole octets")]


@pytest.mark.parametrize(
    ("field", "left"),
    [
        ('PacketField("b", None, Inner)', False),
        ('PacketListField("b", [], Inner, count_from=lambda p: p.a)', False),
        ('PacketLenField("b", None, Inner, length_from=lambda p: p.a)', True),
        ('PacketListField("b", [], Inner, length_from=lambda p: p.a)', True),
    ],
)
def test_refused_packet_in_a_field(module: Any, field: str, *, left: bool) -> None:
    """A packet in a field that cannot be translated takes the layer with it, unless its length is known."""
    source = HEAD + (
        'class Inner(Packet):\n    fields_desc = [BitField("a", 0, 3)]\n'
        f'class Layer(Packet):\n    fields_desc = [ByteField("a", 0), {field}, ByteField("c", 0)]\n'
    )
    found = suite(module(source).Layer)
    assert [layer.name for layer in found.layers] == (["layer.Layer"] if left else [])
    what = "Layer.b: holds Inner and cannot know its end: a: bit fields do not fill whole octets"
    assert ([x.what for x in refusals(found)][0] == what) is not left


def test_layers_that_cannot_be_told_apart(module: Any) -> None:
    """Layers of one name in one module are refused, since a choice names its layer."""
    source = HEAD + (
        "def made(n):\n    class Inner(Packet):\n        fields_desc = [ByteField(n, 0)]\n    return Inner\n"
        "one, two = made('a'), made('b')\n"
        'class Layer(Packet):\n    fields_desc = [ByteField("a", 0)]\n'
        "bind_layers(Layer, one, a=1)\nbind_layers(Layer, two, a=2)\n"
    )
    found = suite(module(source).Layer)
    assert [layer.name for layer in found.layers] == ["layer.Layer"]
    assert {x.what for x in refusals(found)} == {"several layers are called layer.made.<locals>.Inner"}


def test_nothing_to_translate(module: Any) -> None:
    """A module without layers, and something that is no layer, are refused by name."""
    with pytest.raises(Refused, match="no Scapy layers here"):
        suite(module("x = 1\n"))
    with pytest.raises(Refused, match="is not a Scapy layer"):
        translate_packet(int)


def test_value_of_the_layer_around(module: Any) -> None:
    """A layer that asks for a number which the layer below it only has as octets is refused; another one is not."""
    source = HEAD + (
        "class Odd(ByteField):\n    def m2i(self, pkt, x):\n        return x ^ 1\n"
        'class Below(Packet):\n    fields_desc = [Odd("len", 0), ByteField("fine", 0)]\n'
        'class Layer(Packet):\n    fields_desc = [StrLenField("a", b"", length_from=lambda p: p.underlayer.len)]\n'
        'class Other(Packet):\n    fields_desc = [StrLenField("a", b"", length_from=lambda p: p.underlayer.fine)]\n'
        "bind_layers(Below, Layer, fine=1)\nbind_layers(Below, Other)\n"
    )
    found = suite(module(source).Below)
    assert [layer.name for layer in found.layers] == ["layer.Below", "layer.Other"]
    assert [x.what for x in refusals(found)] == ["Layer: uses underlayer.len, which in Below is no plain number"]
