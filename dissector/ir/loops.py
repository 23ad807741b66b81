# SPDX-License-Identifier: GPL-2.0-or-later
"""Loops: the rules of a state that a stream may be full of, and that can be read many at a time.

A run of one PDU may be read in a loop, without trying the other rules at every PDU, when each of the run does the same:
the position moves by as many octets, a count goes up, and perhaps a register that says how many are left goes down by
one.  Nobody is told of it, and no other register changes; hence a condition that looks at registers alone holds all
through a run if it holds at its beginning, and a finding is a condition of the loop: where it is met, the run ends, and
the rule by itself reads the PDU that has it.

A rule wins only where no rule before it does.  So each of those must be ruled out for the whole run: by a field that
both match, with no value in common, or by one of its conditions that looks at registers alone, if it does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from .expr import Bin, Cmp, Const, Expr, Lookup, Ref, Un, walk
from .model import Assign, Rule
from .steps import Block, Guard, Lowered, Step


@dataclass(frozen=True, slots=True)
class Loop:
    """One of them.

    ``first``: conditions of registers alone, which must hold at the beginning of a run.  ``guards``: what must hold for
    each PDU, where no finding may be met.  ``left``: the register that goes down, if there is one; a run is no longer.
    """

    block: Block
    first: tuple[Expr, ...]
    guards: tuple[Step, ...]
    left: str | None


def loops_of(lowered: Lowered) -> tuple[Loop, ...]:
    """The loops of a state, in the order of its rules."""
    found = (_loop(lowered, i, b) for i, b in enumerate(lowered.blocks))
    return tuple(loop for loop in found if loop is not None)


def _loop(lowered: Lowered, i: int, b: Block) -> Loop | None:
    r = b.rule
    tells = b.facts or b.info or r.enter or r.fault or r.pdu is None or r.pdu.scan or r.goto != lowered.state.name
    if tells or not isinstance(b.header, Const) or any(f.when is None for f in b.findings):
        return None
    left = _left(r.do)
    if r.do and left is None:
        return None
    others = [_other(b.rule, x) for x in lowered.blocks[:i]]
    if any(other is None for other in others):
        return None
    first: list[Expr] = [Un("not", other) for other in others if other is not None and other != Const(False)]
    if left is not None:
        goes_on = Cmp(">", Ref(("S", left), "int"), Const(0))
        if Guard(goes_on) not in b.steps:
            return None
        first.append(goes_on)
    steps = tuple(s for s in (*lowered.shared, *b.steps) if not (isinstance(s, Guard) and s.cond in first))
    unmet = tuple(Guard(Un("not", f.when)) for f in b.findings if f.when is not None)
    return Loop(b, tuple(first), (*steps, *unmet), left)


def _left(do: tuple[Assign, ...]) -> str | None:
    """The register that goes down by one, if that is all that is done."""
    match do:
        case (Assign(name, Bin("-", Ref(("S", other)), Const(1)), None),) if name == other:
            return name
    return None


def _other(rule: Rule, before: Block) -> Expr | None:
    """What must not hold for *before* to be ruled out: False if it is anyway, None if nothing does."""
    if _exclude(rule, before.rule):
        return Const(False)
    for s in before.steps:
        if not isinstance(s, Guard):
            break
        if of_registers(s.cond):
            return s.cond
    return None


def of_registers(e: Expr) -> bool:
    """Whether registers and parameters are all that *e* looks at."""
    return not any(isinstance(n, Lookup) or (isinstance(n, Ref) and n.path[0] not in ("S", "P")) for n in walk(e))


def _exclude(a: Rule, b: Rule) -> bool:
    """True when two rules match the same field and have no value in common."""
    other = {m.field: m.values for m in b.match}
    return any(m.field in other and not set(m.values) & set(other[m.field]) for m in a.match)
