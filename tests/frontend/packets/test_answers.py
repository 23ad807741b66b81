# SPDX-License-Identifier: GPL-2.0-or-later
"""answers() and hashret() as rules."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from dissector.frontend.packets.answers import answers_of
from dissector.ir.expr import FALSE, Bin, Cmp, Const, Logic, Ref, Un
from dissector.ir.packets import Answers

MakeModule = Callable[..., ModuleType]
BASE = """
import struct
from scapy.fields import *
from scapy.packet import Packet, NoPayload

class Ask(Packet):
    fields_desc = [ByteField("kind", 1), ShortField("seq", 0)]
    def hashret(self):
        return struct.pack("H", self.seq)

class Other(Packet):
    fields_desc = [ByteField("other", 1)]

class Tell(Packet):
    fields_desc = [ByteField("kind", 2), ShortField("seq", 0)]
"""
DELEGATES = """\
if not isinstance(other, Ask):
    return False
if self.kind == 127:
    return self.payload.answers(other)
if isinstance(self.payload, NoPayload):
    return True
return self.payload.answers(other.payload)"""
KIND, SEQ = Ref(("F", "kind")), Ref(("F", "seq"))


@pytest.fixture
def told(module: MakeModule) -> Callable[[str], Any]:
    """Give a function that says what an answers() with this body becomes."""

    def of(body: str, more: str = "") -> Any:
        lines = "\n".join(f"        {line}" for line in body.splitlines())
        made = module(f"{BASE}    def answers(self, other):\n{lines}\n{more}")
        return answers_of(made.Tell, [made.Ask, made.Other, made.Tell])

    return of


def rules(found: Any) -> list[Answers]:
    assert () == found.refused
    return [Answers(r.request.rpartition(".")[2], r.pairs, r.when, r.asks, r.both, r.below) for r in found.rules]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("return isinstance(other, Ask)", [Answers("Ask")]),
        ("return isinstance(other, Ask) and other.seq == self.seq", [Answers("Ask", ((SEQ, SEQ),))]),
        (
            "return isinstance(other, Ask) and self.kind == other.kind + 1 and self.seq > 0 and other.seq",
            [Answers("Ask", ((KIND, Bin("+", KIND, Const(1))),), Cmp(">", SEQ, Const(0)), SEQ)],
        ),
        (
            "if isinstance(other, Ask):\n    return not self.seq or self.seq == other.seq\nreturn 0",
            [
                Answers(
                    "Ask",
                    both=Logic("or", Un("not", SEQ), Cmp("==", SEQ, Ref(("other", "seq")))),
                )
            ],
        ),
        (
            "return self.__class__ == other.__class__ and self.payload.answers(other.payload)",
            [Answers("Tell", below="payloads")],
        ),
        (
            DELEGATES,
            [
                Answers("Ask", when=Cmp("==", KIND, Const(127)), below="payload"),
                Answers(
                    "Ask",
                    when=Logic(
                        "and",
                        Cmp("!=", KIND, Const(127)),
                        Cmp("==", Ref(("F", "#pay"), "int"), Const(0)),
                    ),
                ),
                Answers("Ask", when=Cmp("!=", KIND, Const(127)), below="payloads"),
            ],
        ),
        ("return other.seq == self.seq", [Answers("Ask", ((SEQ, SEQ),)), Answers("Tell", ((SEQ, SEQ),))]),
        ("return Other in other", [Answers("Other")]),
        ("return 0", [Answers("Tell", when=FALSE)]),
        (
            "return isinstance(other, Ask) and (self.kind, other.kind) in [(2, 1)]",
            [
                Answers(
                    "Ask",
                    when=Cmp("==", KIND, Const(2)),
                    asks=Cmp("==", KIND, Const(1)),
                )
            ],
        ),
    ],
)
def test_rules(told: Callable[[str], Any], body: str, wanted: list[Answers]) -> None:
    """Each way to be true is a rule: equal values as pairs, the rest by whom it looks at."""
    assert wanted == rules(told(body))


def test_hashret_is_a_pair(told: Callable[[str, str], Any]) -> None:
    """What hashret() puts together on both sides must be equal as well."""
    hashed = "    def hashret(self):\n        return struct.pack('H', self.seq) + self.payload.hashret()\n"
    assert [Answers("Ask", ((SEQ, SEQ),))] == rules(told("return isinstance(other, Ask)", hashed))


def test_a_hashret_that_is_refused_leaves_the_rule(told: Callable[[str, str], Any]) -> None:
    """The rule is then that of answers() alone, and says so."""
    found = told("return isinstance(other, Ask)", "    def hashret(self):\n        return bytes(self)[1:]\n")
    assert [((), "")] == [(r.pairs, r.below) for r in found.rules]
    assert 1 == len(found.refused)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("return any(x in self.load for x in other.load)", "uses a generator"),
        ("for x in other.seq:\n    return 1\nreturn 0", "loops (for)"),
        ("return isinstance(other, Ask) and self.load == other.seq", "looks at load, which is no field of the layer"),
        ("return isinstance(other, Ask) and not self.payload.answers(other)", "what the payload does not answer"),
    ],
)
def test_refusals(told: Callable[[str], Any], body: str, what: str) -> None:
    """What cannot be told is refused, and the layer answers nothing."""
    found = told(body)
    assert [FALSE] == [r.when for r in found.rules]
    assert what in found.refused[0].what
