# SPDX-License-Identifier: GPL-2.0-or-later
"""The text of a plugin: the same in every run, readable, and within the limits of Lua."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from dissector.backends.packets import generate
from dissector.ir.expr import Bin, Case, Cmp, Const, Expr, If, InSet, Logic, Peek, Ref, Size
from dissector.ir.packets import Answers, Either, Entry, Framing, List, Payload, Scaling, Sub, Suite, Verify
from dissector.ir.pdus import Flag, Message, SourceRef
from tests.support.packets import F, bits, layer, leaf, suite

GOLDEN = Path(__file__).parents[2] / "golden" / "packets.lua"
BELOW = If(Cmp("==", Ref(("octets", "[0]")), Const(7)), Const("Item"), Const(None))


def sample() -> Suite:
    """A suite with one of each kind of thing."""
    message = layer(
        "Message",
        bits("version", 4, (1, 4, 0), names=((None, ((1, "First"),)),)),
        bits("flags", 4, (1, 0, 0), flags=(Flag(8, "more", "More"), Flag(1, "ack", "Ack"))),
        leaf("kind", 1, names=((None, ((1, "Ask"), (2, "Tell"))),)),
        leaf("length", 2),
        leaf(
            "speed", 2, present=Cmp("!=", Bin("&", F("flags"), Const(8)), Const(0)), scaling=Scaling(0.5, 0.0, "km/h")
        ),
        leaf("mark", 1, present=Cmp("!=", Bin("&", F("flags"), Const(8)), Const(0))),
        Either(
            "address",
            "address",
            "Address",
            options=((F("mark"), leaf("address", 16, kind="ipv6")),),
            default=leaf("address", 4, kind="ipv4"),
        ),
        List("items", "items", "Items", of=Const("Item"), size=Bin("-", F("length"), Const(8))),
        leaf("sum", 2, hex=True),
        payload=Payload(Case(F("kind"), ((1, "Ask"), (2, "Tell")), BELOW)),
        info=((None, Message("Message %s", (F("kind"),))), (InSet(F("kind"), (3, 4)), Message(", rare"))),
        verify=(
            Verify("length", Bin("+", F("#head"), F("#pay"))),
            Verify("sum", method="internet", spans=((Const(0), F("#head")),)),
        ),
        answers=(Answers("Message", below="payloads"),),
        source=SourceRef("message.py", 7),
    )
    item = layer("Item", leaf("type", 1), leaf("size", 1), leaf("value", F("size"), kind="bytes", align=Const(4)))
    ask = layer("Ask", leaf("name", kind="string", until=b"\0"), Sub("rest", "rest", "Rest", layer=Const("Item")))
    tell = layer("Tell", leaf("name", kind="string"), answers=(Answers("Ask", pairs=((F("name"), F("name")),)),))
    framing = Framing(4, Peek(Const(2), 2))
    entries = (
        Entry("Message", "tcp.port", 4000, framing),
        Entry("Message", "udp.port", 4000),
        Entry("Item", "udp", None),
    )
    return suite([message, item, ask, tell], entries, sources=("message.py",))


def test_the_text_is_that_of_the_golden_file() -> None:
    """Everything behind the runtime, which is hand-written, is as it was; a change shows up in the golden file."""
    text = generate(sample())
    head, _, rest = text.partition("-- runtime/1_octets.lua")
    layers = rest[rest.index("-- layers\n") :]
    assert head.rstrip("- \n") + "\n\n" + layers == GOLDEN.read_text(encoding="utf-8")


def test_the_same_suite_gives_the_same_text() -> None:
    """Nothing depends on the run."""
    assert generate(sample()) == generate(sample())


@pytest.mark.parametrize("version", ["lua52", "lua54"])
def test_large_suites_are_within_the_limits_of_lua(version: str) -> None:
    """Three thousand fields, four hundred layers, and a layer of many conditions compile."""
    runtime: Any = importlib.import_module(f"lupa.{version}").LuaRuntime()
    layers = [layer(f"L{n}", *(leaf(f"f{i}", 2, names=((None, ((n, "x"),)),)) for i in range(8))) for n in range(400)]
    deep: Expr = Const(None)
    for n in range(300):
        deep = If(Logic("and", Cmp("==", F("f0"), Const(n)), Cmp("!=", F("f1"), Const(n))), Const(f"L{n}"), deep)
    items = (leaf(f"f{i}", 1, present=Cmp(">", Size(F("original")), Const(i))) for i in range(300))
    layers.append(layer("Long", *items, payload=Payload(deep)))
    assert runtime.eval("function(s) return load(s) ~= nil end")(generate(suite(layers))) is True


def test_names_are_valid_and_unique() -> None:
    """Two fields of one name have related types, or the later one says its type."""
    text = generate(suite([layer("A", leaf("x", 1)), layer("B", leaf("end", 1, kind="string"), leaf("2b", 1))], []))
    declared = re.findall(r"^f\.(\w+) = ProtoField\.(\w+)\(\"([^\"]+)\"", text, re.MULTILINE)
    names = [name for name, _, _ in declared]
    assert len(names) == len(set(names))
    assert {"a_x", "b_end", "b_2b"} <= set(names)
