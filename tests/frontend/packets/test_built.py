# SPDX-License-Identifier: GPL-2.0-or-later
"""post_build() and length fields as checks: what is recognised, what is refused by name, and that Scapy's own pass."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from dissector.frontend.packets.built import computed
from dissector.ir.expr import Bin, Cmp, Const, If, Ref, Size
from tests.support.methods import computed_value, random_packet

MakeModule = Callable[..., ModuleType]
HEAD, PAY = Ref(("F", "#head"), "int"), Ref(("F", "#pay"), "int")

BASE = """
import struct, zlib
from scapy.compat import chb
from scapy.fields import *
from scapy.packet import Packet
from scapy.utils import checksum

class Head(Packet):
    fields_desc = [ByteField("kind", 1), BitField("flags", 0, 4), BitField("words", None, 4),
                   ShortField("len", None), ShortField("sum", None), StrFixedLenField("id", b"ab", 2)]

class Layer(Head):
    def post_build(self, p, pay):
{body}
"""


@pytest.fixture
def built(module: MakeModule) -> Callable[[str], Any]:
    """Give a function that says what a post_build() with this body computes."""

    def of(body: str) -> Any:
        lines = "\n".join(f"        {line}" for line in body.splitlines())
        return computed(module(BASE.format(body=lines)).Layer)

    return of


@pytest.mark.parametrize(
    ("body", "item", "want"),
    [
        (
            "if self.len is None:\n    p = p[:2] + struct.pack('!H', len(p) + len(pay)) + p[4:]\nreturn p + pay",
            "len",
            Bin("+", HEAD, PAY),
        ),
        (
            (
                "p += pay\nif self.len is None:\n    n = len(p) - 4\n"
                "    p = p[:2] + chb(n >> 8) + chb(n & 0xff) + p[4:]\n"
                "return p"
            ),
            "len",
            Bin("-", Bin("+", HEAD, PAY), Const(4)),
        ),
        (
            "n = self.len\nif n is None:\n    p = p[:2] + struct.pack('!I', len(pay))[2:] + p[4:]\nreturn p + pay",
            "len",
            Bin("&", PAY, Const(0xFFFF)),
        ),
        (
            (
                "n = 4 if self.kind == 2 else len(p)\nif self.len is None:\n"
                "    p = p[:2] + struct.pack('!H', n) + p[4:]\nreturn super().post_build(p, pay)"
            ),
            "len",
            If(Cmp("==", Ref(("F", "kind")), Const(2)), Const(4), HEAD),
        ),
        (
            (
                "if not self.words:\n    w = len(pay) // 4\n"
                "    p = p[:1] + struct.pack('B', (p[1] & 0xf0) | (w & 0x0f)) + p[2:]\n"
                "return p + pay"
            ),
            "words",
            Bin("&", Bin("//", PAY, Const(4)), Const(0x0F)),
        ),
        (
            "if self.len is None:\n    p = p[:2] + struct.pack('!H', len(self.id)) + p[4:]\nreturn p + pay",
            "len",
            Size(Ref(("F", "id"))),
        ),
    ],
)
def test_lengths(built: Callable[[str], Any], body: str, item: str, want: Any) -> None:
    """A number at a field's octets is what the field should be, however it gets there."""
    found = built(body)
    assert [] == list(found.refused)
    assert [(item, want, None)] == [(v.item, v.want, v.when) for v in found.verify]


def test_a_checksum_with_a_hole_and_a_condition(built: Callable[[str], Any]) -> None:
    """The octets of a checksum are spans; what is written under a condition is checked under it."""
    found = built(
        "p += pay\nif self.sum is None:\n    if self.kind == 2:\n        c = 0\n    else:\n"
        "        c = checksum(p[:2] + p[4:])\n        if c == 0:\n            c = 0xffff\n"
        "        p = p[:4] + struct.pack('!H', c) + p[6:]\nreturn p"
    )
    (check,) = found.verify
    spans = ((Const(0), Const(2)), (Const(4), Bin("+", HEAD, PAY)))
    assert ("sum", "internet", spans) == (check.item, check.method, check.spans)
    assert Cmp("!=", Ref(("F", "kind")), Const(2)) == check.when


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("p = p[:2] + struct.pack('<H', len(p)) + p[4:]\nreturn p + pay", "writes len in the wrong order of octets"),
        ("p = p[:3] + struct.pack('!H', len(p)) + p[5:]\nreturn p + pay", "writes octets 3 to 4, which are no field"),
        ("p = p[:2] + struct.pack('!H', len(p)) + p[5:]\nreturn p + pay", "octets that are not those of the fields"),
        ("return p + b'tail' + pay", "adds octets of its own"),
        ("for c in p:\n    pay += c\nreturn p + pay", "loops (for)"),
        ("return pay", "octets that are not those of the fields"),
    ],
)
def test_refusals_are_named(built: Callable[[str], Any], body: str, what: str) -> None:
    """What is not recognised checks nothing, and says where it is."""
    found = built(body)
    assert () == found.verify
    assert what in found.refused[0].what
    assert "layer.py:" in found.refused[0].where


def test_one_field_that_is_refused_leaves_the_other(built: Callable[[str], Any]) -> None:
    """A checksum that nobody knows keeps its field unchecked, and only that."""
    found = built(
        "if self.len is None:\n    p = p[:2] + struct.pack('!H', len(p)) + p[4:]\n"
        "if self.sum is None:\n    p = p[:4] + strange(p) + p[6:]\nreturn p + pay"
    )
    assert ["len"] == [v.item for v in found.verify]
    assert 1 == len(found.refused)


def test_a_length_field_that_its_list_takes_its_size_from_is_not_checked(module: MakeModule) -> None:
    """Only a count that decides nothing can be wrong."""
    source = BASE.format(body="        return p + pay") + (
        "class A(Packet):\n    fields_desc = [FieldLenField('n', None, count_of='l', fmt='B'),\n"
        "        FieldListField('l', [], ByteField('', 0), count_from=lambda pkt: pkt.n)]\n"
        "class B(Packet):\n    fields_desc = [\n"
        "        FieldLenField('n', None, count_of='l', fmt='B', adjust=lambda p, x: x + 1),\n"
        "        FieldListField('l', [], ByteField('', 0))]\n"
    )
    made = module(source)
    assert () == computed(made.A).verify
    assert [Bin("+", Size(Ref(("F", "l"))), Const(1))] == [v.want for v in computed(made.B).verify]


SAMPLES = [
    "bfd.BFD",
    "bgp.BGPOpen",
    "carp.CARP",
    "eigrp.EIGRP",
    "geneve.GENEVE",
    "gtp.GTPHeader",
    "ikev2.IKEv2",
    "ldp.LDP",
    "ospf.OSPF_Hdr",
    "ospf.OSPF_LLS_Hdr",
    "ptp_v2.PTP",
    "rsvp.RSVP",
    "automotive.doip.DoIP",
    "modbus.ModbusADURequest",
]


@pytest.mark.parametrize("name", SAMPLES)
def test_what_scapy_builds_passes(name: str) -> None:
    """A packet whose lengths and checksums Scapy filled in has nothing wrong."""
    module, _, cls_name = f"scapy.contrib.{name}".rpartition(".")
    cls = getattr(__import__(module, fromlist=[cls_name]), cls_name)
    checks, rng = computed(cls).verify, random.Random(name)
    packets = [p for _ in range(20) if (p := random_packet(cls, rng)) is not None]
    for packet in packets:
        for check in checks:
            packet.fields.pop(check.item, None)
        read = cls(bytes(packet.copy()))
        wanted = {c.item: computed_value(c, read) for c in checks}
        assert {k: read.getfieldval(k) for k, v in wanted.items() if v is not None} == {
            k: v for k, v in wanted.items() if v is not None
        }
    assert packets
