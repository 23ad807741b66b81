# SPDX-License-Identifier: GPL-2.0-or-later
"""How messages follow each other in a stream, and where packets begin, by what layers say."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from dissector.errors import Refused
from dissector.frontend.packets import suite
from dissector.frontend.packets.bindings import bound_entries
from dissector.frontend.packets.circles import check_circles
from dissector.frontend.packets.framing import framing_from, framing_of
from dissector.ir.evaluate import evaluate
from dissector.ir.packets import Entry, Framing

MakeModule = Callable[..., ModuleType]
BASE = """
import struct
from scapy.config import conf
from scapy.fields import *
from scapy.layers.inet import UDP, TCP
from scapy.packet import Packet, Raw, bind_layers

class Layer(Packet):
"""
MESSAGE = bytes.fromhex("07 00 05 01 02 03 04 05 06 07 08")


def size_of(framing: Framing | None, octets: bytes = MESSAGE) -> tuple[int, int] | None:
    return None if framing is None else (framing.header, int(evaluate(framing.size, {"octets": octets})))


def framed(made: ModuleType) -> Framing | None:
    whole = suite(made.Layer)
    return framing_of(whole.layers[0], {x.name: x for x in whole.layers})


HEAD = "    fields_desc = [ByteField('kind', 1), ShortField('len', None), ByteField('x', 0)]\n"
SIZED = """
    fields_desc = [ByteField('kind', 1), FieldLenField('n', None, length_of='t'),
        ConditionalField(ShortField('c', 0), lambda pkt: pkt.kind == 7),
        StrLenField('t', b'', length_from=lambda pkt: pkt.n)]
    def extract_padding(self, s):
        return b'', s
"""
REASSEMBLE = "    @classmethod\n    def tcp_reassemble(cls, data, metadata, session):\n"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            HEAD + REASSEMBLE + "        if len(data) < 4:\n            return None\n"
            "        n = struct.unpack('!H', data[1:3])[0] + 3\n        if len(data) >= n:\n"
            "            return cls(data)\n        return None\n",
            (4, 8),
        ),
        (
            HEAD + REASSEMBLE + "        if len(data) < 3:\n            return None\n        n = data[2]\n"
            "        if n < 4:\n            return conf.raw_layer(data)\n"
            "        if n > len(data):\n            return None\n"
            "        return cls(data[:n]) / conf.padding_layer(data[n:])\n",
            (3, 5),
        ),
        (HEAD + REASSEMBLE + "        return cls(data)\n", None),
        (
            HEAD + "    def post_build(self, p, pay):\n        if self.len is None:\n"
            "            p = p[:1] + struct.pack('!H', len(p) + len(pay) - 3) + p[3:]\n        return p + pay\n",
            (3, 8),
        ),
        (HEAD.replace("ShortField('len', None)", "LenField('len', None)"), (3, 9)),
        (HEAD + "    def extract_padding(self, s):\n        return s[:self.len], s[self.len:]\n", (3, 9)),
        (
            SIZED,
            (3, 10),
        ),
    ],
)
def test_ways_to_know(module: MakeModule, body: str, wanted: tuple[int, int] | None) -> None:
    """tcp_reassemble, a computed length, extract_padding and the sizes of items tell the size of a message."""
    assert wanted == size_of(framed(module(BASE + body)))


@pytest.mark.parametrize(
    "body", [HEAD, HEAD + REASSEMBLE + "        while data:\n            pass\n        return cls(data)\n"]
)
def test_a_layer_that_does_not_tell_is_refused(module: MakeModule, body: str) -> None:
    """The hint says how to say it."""
    with pytest.raises(Refused) as refused:
        framed(module(BASE + body))
    assert "--framing" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("3:F.len + 3", (3, 8)),
        ("4: octets[0] * 2 - 1", (4, 13)),
        ("3:(F.len << 1) | 1 if F.kind == 7 else 5", (3, 11)),
        ("segment", None),
    ],
)
def test_a_framing_in_words(module: MakeModule, text: str, wanted: tuple[int, int] | None) -> None:
    """HEADER:SIZE knows the fields that always stand at the same place."""
    layer = suite(module(BASE + HEAD).Layer).layers[0]
    assert wanted == size_of(framing_from(text, layer, "--framing"))


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("F.len", "is no framing", "segment"),
        ("3:F.lne", "'lne' is no field that always stands at the same place", "did you mean F.len?"),
        ("3:print(1)", "is not understood", "octets[i]"),
        ("3:1 +", "is no expression", "HEADER:SIZE"),
        ("1:F.len", "the size looks at 3 octets, and the header has 1", "write 3:F.len"),
        ("0:F.len", "is no framing", "segment"),
    ],
)
def test_a_framing_that_is_none(module: MakeModule, text: str, what: str, hint: str) -> None:
    """What cannot be read is refused with what would be right."""
    layer = suite(module(BASE + HEAD).Layer).layers[0]
    with pytest.raises(Refused) as refused:
        framing_from(text, layer, "--framing")
    assert what in refused.value.what
    assert hint in refused.value.hint


def bound(made: Any) -> list[Entry]:
    own = [v for v in vars(made).values() if isinstance(v, type) and v.__module__ == made.__name__]
    return [Entry(e.layer.rpartition(".")[2], e.table, e.value, None, e.side) for e in bound_entries(own)]


def test_bindings_are_entries(module: MakeModule, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port of one layer is one entry, of two a layer for each direction; other conditions make none."""
    from scapy.layers.inet import TCP, UDP  # noqa: PLC0415  their lists are restored behind this test

    for lower in (UDP, TCP):
        monkeypatch.setattr(lower, "payload_guess", list(lower.payload_guess))
    made = module(
        BASE + HEAD + "class Back(Layer): pass\nclass Odd(Layer): pass\n"
        "bind_layers(UDP, Layer, dport=61001)\nbind_layers(UDP, Layer, sport=61002, dport=61002)\n"
        "bind_layers(TCP, Layer, dport=61003)\nbind_layers(TCP, Back, sport=61003)\n"
        "bind_layers(UDP, Odd, dport=61004, len=9)\nbind_layers(UDP, Back, dport=61001)\n"
    )
    assert [
        Entry("Layer", "tcp.port", 61003, side="to"),
        Entry("Back", "tcp.port", 61003, side="from"),
        Entry("Layer", "udp.port", 61001),
        Entry("Layer", "udp.port", 61002),
    ] == bound(made)


CIRCLE = """
class Inner(Packet): pass
class Layer(Packet):
    fields_desc = [PacketListField("all", [], Inner)]
Inner.fields_desc = [PacketField("again", None, Layer)]
"""


def test_a_recursion_of_lists_is_refused(module: MakeModule) -> None:
    """A layer that begins with itself is named with the way back to it."""
    made = module(BASE.replace("class Layer(Packet):\n", "") + CIRCLE)
    with pytest.raises(Refused, match=r"contains itself before any octet \(Layer -> Inner -> Layer\)"):
        check_circles(suite(made.Layer).layers)


def test_a_recursion_that_takes_octets_is_none(module: MakeModule) -> None:
    """A packet in a packet ends when each takes an octet."""
    made = module(BASE + "    pass\nLayer.fields_desc = [ByteField('n', 0), PacketListField('l', [], Layer)]\n")
    check_circles(suite(made.Layer).layers)
