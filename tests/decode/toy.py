# SPDX-License-Identifier: GPL-2.0-or-later
"""A protocol that exists for tests: small, and with everything that a stream may have.

A stream begins with ``Hello`` and goes on with items, told apart by their first octet.  What each is there for stands
at its layer.  :data:`TOY` is the whole as the decoder takes it; ``STREAMS`` has the streams by name.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar

from scapy.fields import (
    BitField,
    ByteField,
    ConditionalField,
    FieldLenField,
    IntField,
    LEShortField,
    ShortField,
    StrField,
    StrFixedLenField,
    StrLenField,
    ThreeBytesField,
    XShortField,
)

from dissector.declare import (
    Channel,
    Counter,
    F,
    Finding,
    Note,
    P,
    Parameter,
    Protocol,
    Register,
    Resync,
    Rule,
    S,
    State,
    Stream,
    Until,
    both,
    either,
    iif,
    not_,
    peek,
    peek_bytes,
    printable,
    registers,
    text,
)
from dissector.frontend.streams import translate_protocol
from dissector.protocols.fields import HighPart, LowPart, PayloadField
from dissector.protocols.pdu import Pdu

MAGIC = 0x544F
UNIT = 64
FLAGS = {1: "ONE", 2: "SMALL", 8: "BIG", 16: "END", 32: "MORE"}


class Hello(Pdu):
    """The beginning, with a length that nobody checks: a header may be announced longer than anybody waits for."""

    fields_desc = [XShortField("magic", MAGIC), IntField("length", 0), StrLenField("who", b"", length_from=F.length)]


class Text(Pdu):
    """Octets with a length."""

    label = "TEXT"
    fields_desc = [
        ByteField("type", 1),
        FieldLenField("length", None, fmt="H", length_of="text"),
        StrLenField("text", b"", length_from=F.length),
    ]


class Options(Pdu):
    """Fields that may be absent, in the middle and at the end."""

    label = "OPTIONS"
    fields_desc = [
        ByteField("type", 2),
        ByteField("flags", 0),
        ConditionalField(ShortField("extra", 0), F.flags & 1),
        ByteField("always", 0),
        ConditionalField(StrFixedLenField("name", b"", 3), lambda pkt: pkt.flags & 2),
    ]


class Blob(Pdu):
    """A payload; its length may be less than what is counted in it."""

    label = "BLOB"
    fields_desc = [ByteField("type", 3), IntField("length", 0), PayloadField("data", b"", length_from=F.length - 4)]


class Package(Pdu):
    """Items inside an item."""

    label = "PACKAGE"
    fields_desc = [ByteField("type", 4), ShortField("length", 0)]


class Words(Pdu):
    """What follows are words."""

    label = "WORDS"
    fields_desc = [ByteField("type", 5)]


def word(flags: int) -> list[object]:
    """An integer whose lower part is flags; the border is a register."""
    return [HighPart("value", 0, S.unit), LowPart("flags", flags, S.unit, FLAGS)]


class Small(Pdu):
    """Changes nothing: the case that runs are for."""

    label = "SMALL"
    group = "word"
    fields_desc = [*word(0x22), ByteField("fill", 0)]


class Big(Pdu):
    """Changes nothing, with a payload."""

    label = "BIG"
    group = "word"
    fields_desc = [*word(0x28), PayloadField("data", b"", length_from=S.unit)]


class End(Pdu):
    """Back to the items."""

    label = "END"
    group = "word"
    fields_desc = word(0x10)


class Device(Pdu):
    """What follows has no length."""

    label = "DEVICE"
    fields_desc = [ByteField("type", 6), ShortField("id", 0)]


class Body(Pdu):
    """Ends where its footer begins."""

    label = "BODY"
    scan = Until(both(peek(0, 1) == 0x7E, peek(1, 2) == S.device, peek(3, 1) <= 0x7E), (0, (0x7E,)), 16)
    fields_desc = [StrField("body", b"")]


class Footer(Pdu):
    """The end of a device."""

    label = "FOOTER"
    fields_desc = [ByteField("type", 0x7E), ShortField("id", 0)]


class Define(Pdu):
    """An entry of a map."""

    label = "DEFINE"
    fields_desc = [ByteField("type", 7), ByteField("key", 0), ShortField("value", 0)]


class Use(Pdu):
    """Looks one up."""

    label = "USE"
    fields_desc = [ByteField("type", 8), ByteField("key", 0)]


class Unit(Pdu):
    """Sets a register that all channels share."""

    label = "UNIT"
    fields_desc = [ByteField("type", 9), ByteField("bits", 0)]


class Mixed(Pdu):
    """Bit fields, little endian, three octets."""

    label = "MIXED"
    fields_desc = [
        ByteField("type", 0x0A),
        BitField("high", 0, 4),
        BitField("low", 0, 12),
        LEShortField("little", 0),
        ThreeBytesField("three", 0),
    ]


class Both(Pdu):
    """A payload, and a region behind it."""

    label = "BOTH"
    fields_desc = [
        ByteField("type", 0x0B),
        ByteField("payload", 0),
        ByteField("region", 0),
        PayloadField("data", b"", length_from=F.payload),
    ]


class Step(Pdu):
    """The first one says how many follow."""

    label = "STEP"
    fields_desc = [ByteField("type", 0x0C), ByteField("left", 0)]


class Mark(Pdu):
    """Read in a state that a rule without a PDU leads to."""

    label = "MARK"
    fields_desc = [ByteField("type", 0x0E), ByteField("value", 0)]


class Reply(Pdu):
    """All that the other direction says."""

    label = "REPLY"
    abbrevs: ClassVar[dict[str, str]] = {"code": "reply"}
    fields_desc = [ByteField("code", 0), ShortField("value", 0)]


EMPTY = Finding("empty", "note", "protocol", "nothing in it", when=F.length == 0)
LOUD = Finding("loud", "warn", "protocol", text("%d octets of %s", F.length, F.text), when=F.length > 8)
NO_KEY = Finding("no_key", "warn", "sequence", text("no key %02x", F.key), when=S.table.get(F.key, 0) == 0)
BAD_FILL = Finding("bad_fill", "warn", "protocol", text("filled with %u", F.fill), when=F.fill > 3)
ODD = Finding("odd", "error", "malformed", text("type %d is odd", peek(0, 1)))
UNKNOWN = Finding("unknown", "error", "malformed", text("no such thing: 0x%x", peek(0, 1)))
NO_HELLO = Finding("no_hello", "error", "malformed", "not the beginning")
TWICE = Finding("twice", "chat", "sequence", "this device was the last one, too", when=F.id == S.device)
MARKED = Finding("marked", "note", "protocol", text("mark %d", peek(1, 1)), when=peek(1, 1) > 1)
WORD_FLAGS = peek(4, 4) % S.unit


def items(name: str, *more: Rule, goto: str = "") -> State:
    """The items, which are the same inside a package but for what is first."""
    here = goto or name
    return State(
        name,
        *more,
        Rule(
            Text,
            match=("type",),
            findings=(EMPTY, LOUD),
            info=text("%s (%u)", F.text, F.length),
            facts=(("text", F.text),),
        ),
        Rule(Options, match=("type",), count="options"),
        Rule(Blob, match=("type",), count="blobs", do=((S.octets, S.octets + F.length),)),
        Rule(Package, match=("type",), enter="inner", size=F.length, goto=here, do=((S.packages, S.packages + 1),)),
        Rule(Words, match=("type",), goto="words"),
        Rule(Device, match=("type",), goto="body", do=((S.device, F.id),), findings=(TWICE,)),
        Rule(
            Define,
            match=("type",),
            do=((S.table[F.key], F.value), (S.last, S.table.get(F.key, 0)), (S.sum, S.sum + S.last)),
        ),
        Rule(
            Use,
            match=("type",),
            notes=(Note("use.value", "Value", S.table.get(F.key, 0), when=S.table.get(F.key, 0) > 0),),
            findings=(NO_KEY,),
        ),
        Rule(Unit, match=("type",), when=peek(1, 1) <= 16, do=((S.unit, 1 << F.bits),)),
        Rule(Mixed, match=("type",)),
        Rule(Both, match=("type",), enter="inner", size=F.region, goto=here),
        Rule(Step, match=("type",), goto="steps", do=((S.left, F.left),)),
        Rule(goto="mark", when=peek(0, 1) == 0x0E, do=((S.sum, peek(1, 1)),), findings=(MARKED,), count="marks"),
        Rule(when=peek(0, 1) % 2 == 1, fault=ODD),
    )


WORDS = State(
    "words",
    Rule(Small, match=("flags",), when=peek(0, 4) == 0, findings=(BAD_FILL,), count="small"),
    Rule(Big, match=("flags",), when=peek(0, 4) * (1 << 32) + peek(4, 4) < S.bound, count="big"),
    Rule(End, match=("flags",), when=either(peek(0, 4) == 0, peek(0, 1) == 0x80), goto="item"),
    Rule(fault=Finding("flags", "error", "malformed", text("flags 0x%x", WORD_FLAGS))),
)

FOOTER_AHEAD = both(peek(0, 1) == 0x7E, either(peek(3, 1) == 0x7E, both(peek(3, 1) > 0, peek(3, 1) < 0x0D)))

MAIN = Stream(
    name="main",
    start="start",
    registers=(
        Register("unit", initial=iif(P.unit == 0, UNIT, P.unit), scope="conversation"),
        Register("table", "map", scope="conversation", limit=4),
        Register("bound", initial=P.bound),
        Register("device"),
        Register("octets"),
        Register("packages"),
        Register("last"),
        Register("sum"),
        Register("left"),
    ),
    states=(
        State("start", Rule(Hello, match=("magic",), goto="item"), Rule(fault=NO_HELLO)),
        items("item"),
        items("inner", Rule(goto="item", when=both(peek(0, 1) == 0x0D, S.packages > 99))),
        WORDS,
        State("body", Rule(Body, goto="footer", info=text("of device %d", S.device), count="bodies")),
        State("footer", Rule(Footer, match=("type",), when=peek(1, 2) == S.device, goto="item")),
        State(
            "steps",
            Rule(goto="item", when=S.left == 0),
            Rule(Step, match=("type",), do=((S.left, S.left - 1),)),
        ),
        State("mark", Rule(Mark, match=("type",), goto="item", notes=(Note("mark.sum", "Sum", S.sum),))),
    ),
    unknown=UNKNOWN,
    resync=(
        Resync("footer", Until(FOOTER_AHEAD, (0, (0x7E,)), 8), ((S.device, 0),)),
        Resync("item", Until(both(peek(0, 2) == 0x0143, printable(peek_bytes(3, peek(2, 1)))), (1, (0x43,)), 8)),
        Resync("start", Until(both(peek(0, 2) == MAGIC, peek(2, 4) < 99), (1, (0x4F,)), 8)),
    ),
    depth=3,
)

BACK = Stream(
    name="back",
    start="reply",
    registers=(Register("unit", initial=iif(P.unit == 0, UNIT, P.unit), scope="conversation"),),
    states=(State("reply", Rule(Reply, when=not_(peek(0, 1) == 0xFF), notes=(Note("unit", "Unit", S.unit),))),),
    unknown=UNKNOWN,
)

SIDE = Stream(
    name="side",
    start="mark",
    registers=(Register("table", "map", scope="conversation", limit=4),),
    states=(State("mark", Rule(Define, match={"type": 0xAA}, do=((S.table[F.key], F.value),), count="sides")),),
    unknown=UNKNOWN,
)

DECLARED = Protocol(
    name="toy",
    prefix="toy",
    title="Toy",
    short="TOY",
    channels=(
        Channel("main", "main", MAIN, BACK, first=peek(0, 2) == MAGIC),
        Channel("extra", "extra", SIDE, first=both(peek(0, 1) == 0xAA, peek(1, 1) == 0xEE)),
        Channel("side", "side", SIDE, first=peek(0, 1) == 0xAA, joins=True),
    ),
    parameters=(
        Parameter("unit", "Unit", 0, choices=((0, "automatic"), (64, "64"), (128, "128"))),
        Parameter("bound", "Bound", 1 << 52),
    ),
    counters=tuple(Counter(n, n) for n in ("options", "blobs", "bodies", "small", "big", "sides", "marks")),
)

TOY = translate_protocol(DECLARED)
STREAMS = {s.name: s for s in TOY.streams}


def build(origin: Any, octets: bytes, values: Any) -> Any:
    """The builder that a caller with Scapy gives the decoder."""
    with registers(values):
        return origin(octets)


# ------------------------------------------------------------------------------------------------------- octets

HELLO = struct.pack(">HI", MAGIC, 3) + b"toy"


def package(*inside: bytes) -> bytes:
    """A package around items."""
    octets = b"".join(inside)
    return struct.pack(">BH", 4, len(octets)) + octets


def say(octets: bytes) -> bytes:
    """A text."""
    return struct.pack(">BH", 1, len(octets)) + octets


def blob(octets: bytes) -> bytes:
    """A payload."""
    return struct.pack(">BI", 3, len(octets) + 4) + octets


def device(number: int, body: bytes) -> bytes:
    """A device with its body and footer."""
    return struct.pack(">BH", 6, number) + body + struct.pack(">BH", 0x7E, number)


def small(value: int, fill: int = 0, unit: int = UNIT) -> bytes:
    """A word that changes nothing."""
    return struct.pack(">QB", value * unit | 0x22, fill)


def big(value: int, unit: int = UNIT) -> bytes:
    """A word with a payload."""
    return struct.pack(">Q", value * unit | 0x28) + bytes([value & 255]) * unit


END = struct.pack(">Q", 0x10)
