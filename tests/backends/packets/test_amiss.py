# SPDX-License-Identifier: GPL-2.0-or-later
"""What is amiss in a packet is said where it is, and nothing of the packet is lost."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from dissector.ir.expr import Bin, Cmp, Const, If, Logic, Ref
from dissector.ir.packets import List, Payload, Sub
from tests.backends.packets import test_items, test_layers
from tests.support.packets import FIRST, Case, F, Seen, layer, leaf, run, run_cases, suite

if TYPE_CHECKING:
    from pathlib import Path

    from dissector.tshark import Tshark

CUT = "Malformed: cut short, {} of {} octets are there"

CASES = {
    "short": Case(
        (leaf("a", 1), leaf("b", 4), leaf("c", 1)),
        b"\1\2\3",
        (("a", "1", 0, 1), ("_undecoded", "02:03", 1, 2)),
        (CUT.format(2, 4),),
    ),
    "shortoctets": Case(
        (leaf("n", 1), leaf("b", F("n"), kind="bytes")),
        b"\5\2\3",
        (("n", "5", 0, 1), ("b", "02:03", 1, 2)),
        (CUT.format(2, 5),),
    ),
    "below": Case(
        (leaf("n", 1), leaf("b", Bin("-", F("n"), Const(2)), kind="bytes"), leaf("c", 1)),
        b"\1\2\3",
        (("n", "1", 0, 1), ("b", "02", 1, 1), ("c", "3", 2, 1)),
        ("Malformed: a length of -1 octets",),
    ),
    "inelement": Case(  # the rest of the list is the element's that failed
        (List("o", "o", "O", of=Const("Four"), size=Const(6)), leaf("c", 1)),
        b"\0\0\0\1\0\2\3",
        (
            ("o", "", 0, 6),
            ("four", "", 0, 4),
            ("four.x", "1", 0, 4),
            ("four", "", 4, 2),
            ("_undecoded", "00:02", 4, 2),
            ("c", "3", 6, 1),
        ),
        (CUT.format(2, 4),),
        others=(layer("Four", leaf("x", 4)),),
    ),
    "infield": Case(  # a packet that says itself where it ends takes its parent with it
        (leaf("a", 1), Sub("s", "s", "S", layer=Const("Four")), leaf("c", 1)),
        b"\1\2\3",
        (("a", "1", 0, 1), ("four", "", 1, 2), ("_undecoded", "02:03", 1, 2)),
        (CUT.format(2, 4),),
    ),
    "inpayload": Case(
        (leaf("a", 1),),
        b"\1\2\3",
        (("a", "1", 0, 1), ("four", "", 1, 2), ("_undecoded", "02:03", 1, 2)),
        (CUT.format(2, 4),),
        more={"payload": Payload(Const("Four"))},
    ),
    "absent": Case(
        (leaf("a", 1), leaf("b", 1, present=Cmp("==", F("a"), Const(9))), leaf("c", Bin("+", F("b"), Const(1)))),
        b"\1\2\3",
        (("a", "1", 0, 1), ("_undecoded", "02:03", 1, 2)),
        ("Malformed: a value that it depends on is absent",),
    ),
    "zero": Case(
        (leaf("a", 1), leaf("b", Bin("%", Const(7), F("a")), kind="bytes")),
        b"\0\2\3",
        (("a", "0", 0, 1), ("_undecoded", "02:03", 1, 2)),
        ("Malformed: a division by zero",),
    ),
    "many": Case(
        (List("o", "o", "O", of=leaf("o", 1), limit=3), leaf("c", 1)),
        b"\1\2\3\4\5",
        (("o.list", "", 0, 5), *(("o", str(i + 1), i, 1) for i in range(4)), ("_undecoded", "05", 4, 1)),
        ("Malformed: more than 3 elements",),
    ),
    "noend": Case(
        (leaf("a", kind="string", until=b"\0"),),
        b"abc",
        (("_undecoded", "61:62:63", 0, 3),),
        ("Malformed: cut short, its end is not there",),
    ),
    "left": Case((leaf("a", 1),), b"\1\2", (("a", "1", 0, 1), ("_padding", "02", 1, 1))),
}


@pytest.fixture(scope="module")
def seen(tshark: Tshark, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    return run_cases(tshark, tmp_path_factory.mktemp("amiss"), CASES)


@pytest.mark.needs_tshark
@pytest.mark.parametrize("name", CASES)
def test_what_is_amiss_is_said_and_nothing_is_lost(seen: dict[str, Seen], name: str) -> None:
    """What was read before stays, what could not be read is shown as octets, and an expert item has the reason."""
    assert seen[name].shown == CASES[name].shown
    assert seen[name].experts == CASES[name].experts


@pytest.mark.needs_tshark
def test_nesting_is_bounded(tshark: Tshark, tmp_path: Path) -> None:
    """Layers may nest 32 deep; beyond, the octets are shown as they are."""
    again = If(Cmp("==", Ref(("octets", "[0]")), Const(1)), Const("Deep"), Const(None))
    given = suite([layer("Deep", leaf("a", 1), payload=Payload(again))])
    fine, deep = run(tshark, tmp_path, given, [(b"\1" * 31, FIRST), (b"\1" * 100, FIRST)])
    assert (len([x for x in fine.shown if x[0] == "a"]), fine.experts) == (31, ())
    assert (len([x for x in deep.shown if x[0] == "a"]), deep.experts) == (32, ("Malformed: nested too deep",))


@pytest.mark.needs_tshark
def test_random_octets_are_no_error(tshark: Tshark, tmp_path: Path) -> None:
    """Whatever the octets are, no line of Lua fails."""
    cases = {**test_items.CASES, **test_layers.CASES, **{f"amiss{n}": c for n, c in CASES.items()}}
    layers = [layer(name, *case.items, **case.more) for name, case in cases.items()]
    layers += [each for case in cases.values() for each in case.others]
    wild = layer(
        "Wild",
        leaf("a", 1),
        leaf("b", Bin("//", Bin("<<", F("a"), F("a")), Bin("-", F("a"), Const(3))), kind="bytes"),
        leaf("c", 1, present=Logic("or", Cmp("<", F("parent", "a"), F("a")), F("b"))),
        List("d", "d", "D", of=leaf("d", Bin("&", F("a"), Const(5)), kind="bytes"), count=F("c")),
        payload=Payload(Const("Wild"), Bin("^", F("a"), Const(1))),
    )
    given = suite([*layers, wild])
    chance = random.Random(6)
    packets = [
        (chance.randbytes(chance.randint(1, 60)), FIRST + i) for i in range(len(given.layers)) for _ in range(25)
    ]
    seen = run(tshark, tmp_path, given, packets)
    assert len(seen) == len(packets)
    assert [each.experts for each in seen if any("internal" in text for text in each.experts)] == []
