# SPDX-License-Identifier: GPL-2.0-or-later
"""Layers, each with what it is in the IR as its documentation: see test_layers.py."""


# Layers as others write them; an expected line is as long as it is.
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN204, ANN206, ARG001, ARG002, ARG003, ARG005, C416, D301, D415, E501
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disable-error-code="misc"

from __future__ import annotations

import struct

from scapy.config import conf
from scapy.fields import (
    BCDFloatField,
    BitEnumField,
    BitField,
    BitFieldLenField,
    BitMultiEnumField,
    BitScalingField,
    ByteEnumField,
    ByteField,
    CharEnumField,
    ConditionalField,
    EnumField,
    FieldLenField,
    FieldListField,
    FixedPointField,
    FlagsField,
    IEEEDoubleField,
    IEEEFloatField,
    IntField,
    IP6Field,
    IPField,
    IPPrefixField,
    LEFieldLenField,
    LEIntField,
    LELongField,
    LEMACField,
    LEShortEnumField,
    LEThreeBytesField,
    LSBExtendedField,
    MACField,
    MayEnd,
    MSBExtendedField,
    MultiEnumField,
    MultipleTypeField,
    NBytesField,
    OUIField,
    PacketField,
    PacketLenField,
    PacketListField,
    PadField,
    ScalingField,
    SecondsIntField,
    ShortField,
    SignedIntField,
    StrField,
    StrFixedLenField,
    StrLenField,
    StrLenFieldUtf16,
    StrNullField,
    StrStopField,
    ThreeBytesField,
    UTCTimeField,
    UUIDField,
    X3BytesField,
    XBitField,
    XByteField,
    XIntField,
    XLELongField,
    XLEStrLenField,
    XStrLenField,
    YesNoByteField,
)
from scapy.packet import Packet, Padding, Raw, bind_layers

TABLE = {1: "one", 2: "two"}


class Integers(Packet):
    """
    a: uint of 1 octets
    b: uint of 1 octets, hex
    c: uint of 2 octets
    d: uint of 3 octets
    e: uint of 3 octets, hex
    f: uint of 3 octets, little
    g: uint of 4 octets, hex
    h: int of 4 octets
    i: uint of 4 octets, little
    j: uint of 5 octets
    k: bytes of 12 octets
    m: uint of 8 octets, little
    n: uint of 8 octets, little, hex
    o: uint of 2 octets, little
    p: uint of 4 octets, little
    q: uint of 3 octets, hex
    payload: octets
    """

    fields_desc = [
        ByteField("a", 0),
        XByteField("b", 0),
        ShortField("c", 0),
        ThreeBytesField("d", 0),
        X3BytesField("e", 0),
        LEThreeBytesField("f", 0),
        XIntField("g", 0),
        SignedIntField("h", 0),
        LEIntField("i", 0),
        NBytesField("j", 0, 5),
        NBytesField("k", 0, 12),
        LELongField("m", 0),
        XLELongField("n", 0),
        LEFieldLenField("o", None, length_of="a"),
        FieldLenField("p", None, fmt="<I", length_of="a"),
        OUIField("q", 0),
    ]


class Meanings(Packet):
    """
    a: uint of 1 octets, names {1: one, 2: two}
    b: uint of 2 octets, little, names {0: zero, 1: one}
    c: uint of 1 octets, names {9: nine}
    d: bytes of 1 octets, texts {b'x': 'ex'}
    e: uint of 1 octets, names {1: one, 2: two} if F.a == 1, names {7: seven} if F.a == 2
    f: uint of 1 octets, names {0: no, 1: yes}
    g: uint of 2 octets, * 0.5 + -40, in C
    h: time of 8 octets, * 0.001 + 0
    i: uint of 4 octets, in us
    j: uint of 2 octets, * 0.00390625 + 0
    k: float of 4 octets
    m: float of 8 octets
    payload: octets
    """

    fields_desc = [
        ByteEnumField("a", 0, TABLE),
        LEShortEnumField("b", 0, ["zero", "one"]),
        EnumField("c", 0, (lambda x: "nine" if x == 9 else None, lambda s: 9), "B"),
        CharEnumField("d", "x", {"x": "ex"}),
        MultiEnumField("e", 0, {1: TABLE, 2: {7: "seven"}}, depends_on=lambda pkt: pkt.a, fmt="B"),
        YesNoByteField("f", 0, config={"yes": 1, "no": 0}),
        ScalingField("g", 0, scaling=0.5, offset=-40, unit="C", fmt="H"),
        UTCTimeField("h", 0, use_msec=True, fmt="Q"),
        SecondsIntField("i", 0, use_micro=True),
        BCDFloatField("j", 0),
        IEEEFloatField("k", 0),
        IEEEDoubleField("m", 0),
    ]


class Addresses(Packet):
    """
    a: ether of 6 octets
    b: ether of 6 octets, little
    c: ipv4 of 4 octets
    d: ipv6 of 16 octets
    e: uuid of 16 octets
    f: uuid of 16 octets, little
    g: uuid of 16 octets, little, template reversed
    n: uint of 1 octets
    h: bytes of (F.n + 7) // 8 * 1 if (F.n + 7) // 8 * 1 <= 4 else None + 0 octets, raw
    payload: octets
    """

    fields_desc = [
        MACField("a", None),
        LEMACField("b", None),
        IPField("c", None),
        IP6Field("d", None),
        UUIDField("e", None),
        UUIDField("f", None, uuid_fmt=UUIDField.FORMAT_LE),
        UUIDField("g", None, uuid_fmt=UUIDField.FORMAT_REV),
        ByteField("n", 0),
        IPPrefixField("h", "0.0.0.0/0", length_from=lambda pkt: pkt.n),
    ]


class Texts(Packet):
    """
    n: uint of 1 octets
    a: string of 4 octets
    b: string of F.n octets
    c: string of F.n - 1 octets
    d: bytes of F.n * 2 octets
    e: string of F.n octets, utf16
    f: bytes of F.n octets, template reversed
    g: string until b'\\x00'
    h: string until b'\\r\\n' and 2 octets on
    i: uint, template extended{'bit': 0}
    j: uint, template extended{'bit': 7}
    k: string of len(octets) - 2 octets
    m: uint of 2 octets
    payload: octets
    """

    fields_desc = [
        ByteField("n", 0),
        StrFixedLenField("a", b"", 4),
        StrFixedLenField("b", b"", length_from=lambda pkt: pkt.n),
        StrLenField("c", b"", length_from=lambda pkt: pkt.n - 1),
        XStrLenField("d", b"", length_from=lambda pkt: pkt.n * 2),
        StrLenFieldUtf16("e", b"", length_from=lambda pkt: pkt.n),
        XLEStrLenField("f", b"", length_from=lambda pkt: pkt.n),
        StrNullField("g", b""),
        StrStopField("h", b"", b"\r\n"),
        LSBExtendedField("i", 0),
        MSBExtendedField("j", 0),
        StrField("k", b"", remain=2),
        ShortField("m", 0),
    ]


class Bits(Packet):
    """
    a: uint of 3 bits at (1, 5, 0)
    b: uint of 10 bits at (2, 3, 0), names {1: one, 2: two}
    c: uint of 3 bits at (1, 0, 1), hex
    d: uint of 2 octets
    e: uint of 4 octets, little
    f: bytes of 16 octets
    g: uint of 4 bits at (1, 4, 0), hex, flags 0x1=a 0x2=b 0x4=c 0x8=d
    h: uint of 4 bits at (1, 0, 0)
    i: uint of 2 octets, little, hex, flags 0x1=first 0x8000=last
    j: uint of 4 bits at (1, 4, 0), * 2 + 0
    k: uint of 12 bits at (2, 0, 0), * 0.0625 + 0
    m: uint of 1 octets, names {1: one, 2: two} if F.a == 1
    payload: octets
    """

    fields_desc = [
        BitField("a", 0, 3),
        BitEnumField("b", 0, 10, TABLE),
        XBitField("c", 0, 3),
        BitField("d", 0, 16),
        BitField("e", 0, -32),
        BitField("f", 0, 128),
        FlagsField("g", 0, 4, "abcd"),
        BitFieldLenField("h", None, 4, length_of="f"),
        FlagsField("i", 0, -16, {1: "first", 0x8000: "last"}),
        BitScalingField("j", 0, 4, scaling=2),
        FixedPointField("k", 0, 12, frac_bits=4),
        BitMultiEnumField("m", 0, 8, {1: TABLE}, depends_on=lambda pkt: pkt.a),
    ]


class TurnedRound(Packet):
    """
    a: uint of 9 bits at (2, 7, 0) in 2 octets turned round
    b: uint of 2 bits at (1, 5, 0) in 2 octets turned round
    c: uint of 5 bits at (1, 0, 0) in 2 octets turned round
    payload: octets
    """

    fields_desc = [
        BitField("a", 0, 9, tot_size=-2),
        BitField("b", 0, 2),
        BitField("c", 0, 5, end_tot_size=-2),
    ]


class ConditionalBits(Packet):
    """
    a: uint of 1 bits at (1, 7, 0)
    b: uint of 3 bits, if F.a == 0
    c: uint of 3 bits, if F.a != 0
    d: uint of 4 bits
    payload: octets
    """

    fields_desc = [
        BitField("a", 0, 1),
        ConditionalField(BitField("b", 0, 3), lambda pkt: pkt.a == 0),
        ConditionalField(BitField("c", 0, 3), lambda pkt: pkt.a != 0),
        BitField("d", 0, 4),
    ]


class Wrappers(Packet):
    """
    n: uint of 1 octets
    a: uint of 2 octets, if F.n & 1
    b: string of F.n octets, padded to 4
    c: one of
      if F.n == 4: c: ipv4 of 4 octets
      else: c: ipv6 of 16 octets
    d: one of
      if F.n > 1: d: uint of 4 octets
      else: d: string of 3 octets
    e: uint of 1 octets, may end
    f: uint of 1 octets
    payload: octets
    """

    fields_desc = [
        ByteField("n", 0),
        ConditionalField(ShortField("a", 0), lambda pkt: pkt.n & 1),
        PadField(StrLenField("b", b"", length_from=lambda pkt: pkt.n), 4),
        MultipleTypeField([(IPField("c", None), lambda pkt: pkt.n == 4)], IP6Field("c", None)),
        MultipleTypeField(
            [(IntField("d", 0), (lambda pkt: pkt.n > 1, lambda pkt, value: True))], StrFixedLenField("d", b"", 3)
        ),
        MayEnd(ByteField("e", 0)),
        ByteField("f", 0),
    ]


class Element(Packet):
    """
    type: uint of 1 octets
    len: uint of 1 octets
    value: string of F.len octets
    payload of 0 octets: octets
    """

    fields_desc = [ByteField("type", 0), ByteField("len", 0), StrLenField("value", b"", length_from=lambda p: p.len)]

    def extract_padding(self, s):
        return b"", s


class Other(Element):
    """
    dispatch 'Element' if octets and len(octets) >= 3 and octets.[1] << 8 | octets.[2] == 1 else 'Other'
    type: uint of 1 octets
    len: uint of 1 octets
    value: string of F.len octets
    payload of 0 octets: octets
    """

    @classmethod
    def dispatch_hook(cls, _pkt=None, *args, **kargs):
        if _pkt and len(_pkt) >= 3 and struct.unpack("!H", _pkt[1:3])[0] == 1:
            return Element
        return cls


def selected(octets, **kargs):
    return {1: Element, 2: Other}.get(octets[0], Raw)(octets, **kargs)


def following(pkt, lst, cur, remain):
    if len(lst) < pkt.n and (cur is None or cur.len):
        return Element
    return None


class Lists(Packet):
    """
    n: uint of 1 octets
    a: packet 'Element'
    b: packet 'Element' in F.n octets
    c: list of 'Element', F.n times, at most 100
    d: list of 'Element' if octets.[0] == 1 else 'Other' if octets.[0] == 2 else None in F.n * 4 octets, at most 100
    e: list of next 'Element' if len(lst) < F.n and (cur is None or cur.len) else None, at most 5
    f: list of uint of 2 octets, F.n times, at most 100
    g: list of uint of 1 octets in F.n octets, at most 100
    h: list of 'Other', at most 100
    payload: octets
    """

    fields_desc = [
        ByteField("n", 0),
        PacketField("a", Element(), Element),
        PacketLenField("b", None, Element, length_from=lambda pkt: pkt.n),
        PacketListField("c", [], Element, count_from=lambda pkt: pkt.n),
        PacketListField("d", [], selected, length_from=lambda pkt: pkt.n * 4),
        PacketListField("e", [], next_cls_cb=following, max_count=5),
        FieldListField("f", [], ShortField("", 0), count_from=lambda pkt: pkt.n),
        FieldListField("g", [], BitField("", 0, 8), length_from=lambda pkt: pkt.n),
        PacketListField("h", [], Other),
    ]


class Carrier(Packet):
    """
    kind: uint of 1 octets
    flags: uint of 1 octets, hex, flags 0x1=s 0x2=a
    more: uint of 1 octets, if F.kind == 9
    payload: 'Element' if F.kind == 1 else 'Other' if F.kind == 2 and F.flags == 2 else 'Sized' if F.more is None or F.more == 7 else None
    """

    fields_desc = [
        ByteField("kind", 3),
        FlagsField("flags", 0, 8, "SA"),
        ConditionalField(ByteField("more", 7), lambda pkt: pkt.kind == 9),
    ]


class Below(Carrier):
    """
    kind: uint of 1 octets
    flags: uint of 1 octets, hex, flags 0x1=s 0x2=a
    more: uint of 1 octets, if F.kind == 9
    payload of None if F.kind == 1 or F.kind == 2 and F.flags == 2 or F.more is None or F.more == 7 else 0 octets: 'Element' if F.kind == 1 else 'Other' if F.kind == 2 and F.flags == 2 else 'Sized' if F.more is None or F.more == 7 else None
    """

    def default_payload_class(self, payload):
        return Padding


class Sized(Packet):
    """
    len: uint of 2 octets
    later: uint of 1 octets
    payload of None if F.len < 3 else F.len - 3 octets: None if F.later in {1, 2} else 'Element' if octets.[0] == 9 else 'Hooks' if F.later == 4 else None
    """

    fields_desc = [ShortField("len", 0), ByteField("later", 1)]

    def extract_padding(self, s):
        if self.len < 3:
            return s, None
        size = self.len - 3
        return s[:size], s[size:]

    def guess_payload_class(self, payload):
        if not payload:
            raise ValueError
        if self.later in (1, 2):
            return conf.raw_layer
        try:
            return {9: Element}[payload[0]]
        except KeyError:
            pass
        return Packet.guess_payload_class(self, payload)


class Hooks(Packet):
    """
    a: uint of 1 octets
    b: uint of 1 octets
    c: string of len(F.original) - 2 octets
    d: uint of 1 octets, if not F.underlayer is None and F.underlayer.kind == 1
    e: uint of 1 octets, if not F.underlayer is None and F.underlayer.#name in {'Below', 'Carrier'}
    payload: octets
    """

    __slots__ = ["whole"]
    fields_desc = [
        ConditionalField(ByteField("a", 0), lambda pkt: pkt.b == 5),
        ByteField("b", 5),
        StrLenField("c", b"", length_from=lambda pkt: pkt.whole - 2),
        ConditionalField(ByteField("d", 0), lambda pkt: pkt.underlayer is not None and pkt.underlayer.kind == 1),
        ConditionalField(ByteField("e", 0), lambda pkt: isinstance(pkt.underlayer, Carrier)),
    ]

    def __init__(self, *args, **kargs):
        self.whole = kargs.pop("whole", 0)
        super().__init__(*args, **kargs)

    def pre_dissect(self, s):
        if len(s) > 1000:
            raise ValueError(f"{len(s)} octets")
        self.whole = len(s)
        return s

    def post_dissect(self, s):
        self.raw_packet_cache = None
        return s


class OwnValue(StrLenField):
    def m2i(self, pkt, x):
        return x[::2]


class OwnExtent(StrField):
    def getfield(self, pkt, s):
        size = s[0] + 1
        names = [n for n in s[1:size]]
        return s[size:], names


class InOwnWay(Packet):
    """
    n: uint of 1 octets
    a: bytes of F.n octets, raw
    b: bytes of octets.[0] + 1 octets, raw
    payload: octets
    """

    fields_desc = [ByteField("n", 0), OwnValue("a", b"", length_from=lambda pkt: pkt.n), OwnExtent("b", b"")]


bind_layers(Carrier, Element, kind=1)
bind_layers(Carrier, Other, kind=2, flags="A")
bind_layers(Carrier, Sized, more=7)
bind_layers(Carrier, Hooks, nothing=7)
bind_layers(Sized, Hooks, later=4)
