# SPDX-License-Identifier: GPL-2.0-or-later
"""Which rules are loops: only those of which a run can be read without trying the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dissector.ir.expr import Bin, Cmp, Const, Expr, Lookup, Ref, Un
from dissector.ir.loops import Loop, loops_of
from dissector.ir.model import Assign, Fact, Match, Rule, State
from dissector.ir.pdus import Finding, Message, Pdu
from dissector.ir.steps import Block, Guard, Load, Lowered, Need, Step

HERE = "list"
LEFT, MOST, WORD = Ref(("S", "left"), "int"), Ref(("S", "most"), "int"), Ref(("L", "w"), "int")
GOES_ON = Cmp(">", LEFT, Const(0))
DOWN = Assign("left", Bin("-", LEFT, Const(1)))
PDU = Pdu("Entry", "entry", ())
TOO_FAR = Finding("too_far", "error", "protocol", Message("too far"), Cmp(">", WORD, MOST))


def block(
    *guards: Expr,
    do: tuple[Assign, ...] = (),
    findings: tuple[Finding, ...] = (),
    facts: tuple[Fact, ...] = (),
    match: int | None = None,
    goto: str = HERE,
) -> Block:
    """A rule with an integer of four octets; conditions of registers come before it."""
    rule = Rule(goto, PDU, do=do, match=() if match is None else (Match("kind", (match,)),))
    before = [Guard(g) for g in guards if not _local(g)]
    behind = [Guard(g) for g in guards if _local(g)]
    steps: tuple[Step, ...] = (*before, Need(Const(4)), Load("w", Const(0), 4), *behind)
    return Block(rule, steps, header=Const(4), do=do, findings=findings, facts=facts)


def _local(e: Expr) -> bool:
    return isinstance(e, Cmp) and e.a == WORD


def loops(*blocks: Block) -> tuple[Loop, ...]:
    return loops_of(Lowered(State(HERE, tuple(b.rule for b in blocks)), (), blocks))


class TestLoops:
    def test_nothing_but_a_position(self) -> None:
        """The plainest of all."""
        (loop,) = loops(block(Cmp("==", WORD, Const(1))))

        assert ((), None) == (loop.first, loop.left)
        assert Guard(Cmp("==", WORD, Const(1))) in loop.guards

    def test_a_register_that_goes_down(self) -> None:
        """It bounds the run, so it is asked for before it and not at each PDU."""
        (loop,) = loops(block(GOES_ON, do=(DOWN,)))

        assert ((GOES_ON,), "left") == (loop.first, loop.left)
        assert Guard(GOES_ON) not in loop.guards

    def test_a_finding_ends_it(self) -> None:
        """A PDU with a finding is for the rule by itself."""
        (loop,) = loops(block(findings=(TOO_FAR,)))

        assert Guard(Un("not", TOO_FAR.when or Const(True))) in loop.guards

    def test_behind_rules_of_other_values(self) -> None:
        """The field that both match tells them apart."""
        assert [2] == [m.values[0] for loop in loops(block(match=1, goto="x"), block(match=2)) for m in
                       loop.block.rule.match]  # fmt: skip

    def test_behind_a_rule_of_registers(self) -> None:
        """Registers do not change during a run, so what rules out the other rule is asked once."""
        found = loops(block(Cmp(">", MOST, Const(0)), goto="x"), block(GOES_ON, do=(DOWN,)))

        assert [(Un("not", Cmp(">", MOST, Const(0))), GOES_ON)] == [loop.first for loop in found]


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([block(goto="x")], id="another state"),
        pytest.param([block(do=(Assign("most", WORD),))], id="a register that takes a value"),
        pytest.param([block(do=(DOWN,))], id="a register that goes down below zero"),
        pytest.param([block(GOES_ON, do=(DOWN, DOWN))], id="a register that goes down twice"),
        pytest.param([block(facts=(Fact("seen", WORD),))], id="a fact"),
        pytest.param([block(findings=(replace(TOO_FAR, when=None),))], id="a finding that is always met"),
        pytest.param([block(Cmp("==", WORD, Const(1)), goto="x"), block()], id="behind a rule that may hold"),
        pytest.param(
            [block(Cmp("==", Lookup(LEFT, WORD, Const(0)), Const(1)), goto="x"), block()], id="behind a look-up"
        ),
    ],
)
def test_no_loop(blocks: list[Block]) -> None:
    assert () == loops(*blocks)
