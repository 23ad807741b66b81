# SPDX-License-Identifier: GPL-2.0-or-later
"""Layers in layers: payloads, packets in fields, lists, and what each of them leaves to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dissector.backends.packets import generate
from dissector.errors import Refused
from dissector.ir.expr import Bin, Cmp, Const, If, Ref, Size
from dissector.ir.expr import Case as Table
from dissector.ir.packets import External, List, Opaque, Payload, Sub
from tests.support.packets import FIRST, Case, F, Seen, layer, leaf, run, run_cases, suite

if TYPE_CHECKING:
    from pathlib import Path

    from dissector.tshark import Tshark

FIRST_OCTET = Ref(("octets", "[0]"))
TWO = layer("Two", leaf("x", 2))
TLV = layer("Tlv", leaf("t", 1), leaf("l", 1), leaf("v", F("l"), kind="bytes"))
REST = layer("Rest", leaf("x", 1), payload=Payload())
ABOVE = layer("Above", leaf("n", F("parent", "n"), kind="bytes"), leaf("m", 1))
UP = layer("Up", leaf("n", F("underlayer", "n"), kind="bytes"), leaf("m", 1))
NAMED = Cmp("==", F("underlayer", "#name"), Const("named"))
OTHER = Cmp("==", F("parent", "#name"), Const("named"))
ASKING = layer("Asking", leaf("m", 1, present=NAMED), leaf("x", 1, present=OTHER), leaf("o", 1))
PICKED = layer("Picked", leaf("p", 1), dispatch=If(Cmp("==", FIRST_OCTET, Const(7)), Const("Two"), Const("Picked")))


def sub(name: str, **more: object) -> Sub:
    return Sub(name, name, name.capitalize(), **more)  # type: ignore[arg-type]


def list_of(name: str, **more: object) -> List:
    return List(name, name, name.capitalize(), **more)  # type: ignore[arg-type]


CASES = {
    "payload": Case(
        (leaf("a", 1),),
        b"\1\0\2",
        (("a", "1", 0, 1), ("two", "", 1, 2), ("two.x", "2", 1, 2)),
        more={"payload": Payload(Const("Two"))},
        others=(TWO, TLV, REST, ABOVE, UP, PICKED),
    ),
    "payloadpart": Case(
        (leaf("n", 1),),
        b"\2\0\2\3\4",
        (("n", "2", 0, 1), ("two", "", 1, 2), ("two.x", "2", 1, 2), ("_padding", "03:04", 3, 2)),
        more={"payload": Payload(Const("Two"), F("n"))},
    ),
    "chosen": Case(
        (leaf("a", 1),),
        b"\1\0\2",
        (("a", "1", 0, 1), ("two", "", 1, 2), ("two.x", "2", 1, 2)),
        more={"payload": Payload(Table(F("a"), ((0, "Tlv"), (1, "Two")), Const(None)))},
    ),
    "unknown": Case(
        (leaf("a", 1),),
        b"\5\0\2",
        (("a", "5", 0, 1), ("_data", "00:02", 1, 2)),
        more={"payload": Payload(Table(F("a"), ((0, "Tlv"), (1, "Two")), Const(None)))},
    ),
    "bylook": Case(
        (leaf("a", 1),),
        b"\5\7\2",
        (("a", "5", 0, 1), ("two", "", 1, 2), ("two.x", str(0x702), 1, 2)),
        more={"payload": Payload(If(Cmp("==", FIRST_OCTET, Const(7)), Const("Two"), Const(None)))},
    ),
    "packet": Case(
        (sub("s", layer=Const("Tlv")), leaf("b", 1)),
        b"\1\1\2\3",
        (
            ("tlv", "", 0, 3),
            ("tlv.t", "1", 0, 1),
            ("tlv.l", "1", 1, 1),
            ("tlv.v", "02", 2, 1),
            ("b", "3", 3, 1),
        ),
    ),
    "packetof": Case(
        (sub("s", layer=Const("Two"), size=Const(3)), leaf("b", 1)),
        b"\0\1\2\3",
        (("two", "", 0, 2), ("two.x", "1", 0, 2), ("_padding", "02", 2, 1), ("b", "3", 3, 1)),
    ),
    "plain": Case((sub("s", size=Const(2)), leaf("b", 1)), b"\0\1\2", (("s", "00:01", 0, 2), ("b", "2", 2, 1))),
    "counted": Case(
        (leaf("n", 1), list_of("o", of=Const("Two"), count=F("n")), leaf("b", 1)),
        b"\2\0\1\0\2\3",
        (
            ("n", "2", 0, 1),
            ("o", "", 1, 4),
            ("two", "", 1, 2),
            ("two.x", "1", 1, 2),
            ("two", "", 3, 2),
            ("two.x", "2", 3, 2),
            ("b", "3", 5, 1),
        ),
    ),
    "sizedlist": Case(
        (leaf("n", 1), list_of("o", of=leaf("o", 2), size=F("n")), leaf("b", Size(F("o")))),
        b"\4\0\1\0\2\0\3",
        (("n", "4", 0, 1), ("o.list", "", 1, 4), ("o", "1", 1, 2), ("o", "2", 3, 2), ("b", "3", 5, 2)),
    ),
    "restlist": Case(
        (list_of("o", of=Const("Tlv")),),
        b"\1\0\2\1\7",
        (
            ("o", "", 0, 5),
            ("tlv", "", 0, 2),
            ("tlv.t", "1", 0, 1),
            ("tlv.l", "0", 1, 1),
            ("tlv", "", 2, 3),
            ("tlv.t", "2", 2, 1),
            ("tlv.l", "1", 3, 1),
            ("tlv.v", "07", 4, 1),
        ),
    ),
    "nextlist": Case(
        (
            list_of("o", next=If(Cmp("<", Size(Ref(("lst",))), Const(1)), Const("Two"), Const(None))),
            leaf("b", 1),
        ),
        b"\0\1\0\2\3",
        (
            ("o", "", 0, 4),
            ("two", "", 0, 2),
            ("two.x", "1", 0, 2),
            ("two", "", 2, 2),
            ("two.x", "2", 2, 2),
            ("b", "3", 4, 1),
        ),
    ),
    "taker": Case(  # an element that takes all, after which nothing is left
        (list_of("o", of=Const("Rest")),),
        b"\1\2\3",
        (("o", "", 0, 3), ("rest", "", 0, 3), ("rest.x", "1", 0, 1), ("_data", "02:03", 1, 2)),
    ),
    "parent": Case(
        (leaf("n", 1), sub("s", layer=Const("Above"))),
        b"\2\1\2\3",
        (("n", "2", 0, 1), ("above", "", 1, 3), ("above.n", "01:02", 1, 2), ("above.m", "3", 3, 1)),
    ),
    "underlayer": Case(
        (leaf("n", 1),),
        b"\2\1\2\3",
        (("n", "2", 0, 1), ("up", "", 1, 3), ("up.n", "01:02", 1, 2), ("up.m", "3", 3, 1)),
        more={"payload": Payload(Const("Up"))},
    ),
    "named": Case(
        (leaf("n", 1),),
        b"\2\1\2",
        (("n", "2", 0, 1), ("asking", "", 1, 2), ("asking.m", "1", 1, 1), ("asking.o", "2", 2, 1)),
        more={"payload": Payload(Const("Asking"))},
        others=(ASKING,),
    ),
    "dispatched": Case(
        (list_of("o", of=Const("Picked")),),
        b"\7\1\2",
        (
            ("o", "", 0, 3),
            ("two", "", 0, 2),
            ("two.x", str(0x701), 0, 2),
            ("picked", "", 2, 1),
            ("picked.p", "2", 2, 1),
        ),
    ),
    "remainder": Case(
        (leaf("n", 1), leaf("a", Bin("-", Size(F("original")), Const(2)), kind="bytes"), leaf("b", 1)),
        b"\2\1\2\3",
        (("n", "2", 0, 1), ("a", "01:02", 1, 2), ("b", "3", 3, 1)),
    ),
}


@pytest.fixture(scope="module")
def seen(tshark: Tshark, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    return run_cases(tshark, tmp_path_factory.mktemp("layers"), CASES)


@pytest.mark.needs_tshark
@pytest.mark.parametrize("name", CASES)
def test_layers_take_what_is_theirs(seen: dict[str, Seen], name: str) -> None:
    """Each layer and list covers its octets, and what it leaves is read by what follows."""
    assert seen[name].shown == CASES[name].shown
    assert seen[name].experts == CASES[name].experts


@pytest.mark.needs_tshark
def test_layers_of_others(tshark: Tshark, tmp_path: Path) -> None:
    """Octets of a layer that Wireshark has go to its dissector, else they are data; an opaque layer says why."""
    given = suite(
        [
            layer("A", leaf("a", 1), payload=Payload(Const("Ip"))),
            layer("B", sub("s", layer=Const("Ghost"), size=Const(2)), leaf("b", 1)),
            layer("C", leaf("c", 1), payload=Payload(Const("Dark"))),
        ],
        externals=(External("Ip", "ip"), External("Ghost", "no_such_dissector")),
        opaques=(Opaque("Dark", "Dark", "dark.py:7", "a loop", ""),),
    )
    ip = bytes.fromhex("4500001400000000403d00000a0000010a000002")
    packets = [(b"\1" + ip, FIRST), (b"\1\2\3", FIRST + 1), (b"\1\2\3", FIRST + 2)]
    a, b, c = run(tshark, tmp_path, given, packets)
    assert a.shown == (("a", "1", 0, 1),)
    assert ("b", "3", 2, 1) in b.shown
    assert c.shown == (("c", "1", 0, 1), ("_data", "02:03", 1, 2))
    assert c.experts == ("Not decoded: a loop (dark.py:7)",)


@pytest.mark.needs_tshark
def test_lua_in_place_of_a_field(tshark: Tshark, tmp_path: Path) -> None:
    """A template reads an item with its arguments; an override takes the place of one item of one layer."""
    length = "local n = be(pos, 1)\nreturn octets(t, field, pos + 1, n + arguments.more, stop)"
    given = suite(
        [
            layer("A", leaf("a", kind="bytes", template="short", arguments=(("more", 1),)), leaf("b", Size(F("a")))),
            layer("B", leaf("a", 1), leaf("b", 1), replaced=(("a", "return number(t, field, pos, 2, stop, be)"),)),
        ],
        templates=(("short", length),),
    )
    a, b = run(tshark, tmp_path, given, [(b"\1\2\3\0\4", FIRST), (b"\1\2\3", FIRST + 1)])
    assert (a.shown, a.experts) == ((("a", "02:03", 1, 2), ("b", "4", 3, 2)), ())
    assert (b.shown, b.experts) == ((("a", str(0x102), 0, 2), ("b", "3", 2, 1)), ())


def test_a_template_that_is_not_known_is_refused() -> None:
    """A layer whose field nobody can read is no plugin."""
    with pytest.raises(Refused, match="no Lua for the template 'none'"):
        generate(suite([layer("A", leaf("a", template="none"))]))
