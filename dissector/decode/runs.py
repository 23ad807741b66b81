# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of PDUs that only count: many at once, without a loop in Python.

When nobody wants to hear of each PDU, a long run of the same kind changes nothing but the position and one count.
Whether the next thousand are of that kind is a question about some of their octets: those that the rule's conditions
depend on (:mod:`.boxes`).  The octets with the same place in every PDU of a run are a slice with a step,
``b[at + 7 : end : 9]``, ``bytes.translate`` turns those that may stand there into 0, and ``find(1)`` says how long the
run is.  That is a nanosecond an octet instead of a quarter of a microsecond a PDU.

It has to be exact, so it is careful on one side only.  A run may end too early, since whatever comes is read by the
ordinary code; it must never go too far.  Hence a rule qualifies when

* nothing depends on a PDU of its kind but the position and a count, and its length is the same throughout;
* every condition of the rule, and that none of its findings is met, can be told from single octets;
* every rule before it in the state is ruled out by one of those octets, and asks for no more octets than are there.

Registers and parameters do not change during a run.  Their values become constants, so there is one plan for every
combination of them; a stream that has had too many starts over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..ir.expr import Const, Expr, Lookup, Ref, rewrite, walk
from ..ir.simplify import simplify, truth
from ..ir.steps import Block, Guard, Let, Load, Lowered, Need, Step, When
from .boxes import ANY, Bits, Box, bits_of, boxes_of, loaded, meet, product

FIRST_LOOK = 64
"""PDUs that are looked at first; four times as many each time that all were of the kind."""

LAST_LOOK = 1 << 16
MOST_PLANS = 64

Values = dict[tuple[str, ...], Const]


@dataclass(frozen=True, slots=True)
class Plan:
    """One box: the PDU's length, the octets that must be there to look at one, and (offset, table) of each test."""

    stride: int
    margin: int
    tests: tuple[tuple[int, bytes], ...]

    def count(self, b: bytes, at: int, end: int) -> int:
        """How many PDUs from *at* on are in the box."""
        possible = (end - at - self.margin) // self.stride + 1
        total, look = 0, FIRST_LOOK
        while total < possible:
            n = look = min(look, possible - total)
            first = at + total * self.stride
            for offset, table in self.tests:
                here = first + offset
                bad = b[here : here + (n - 1) * self.stride + 1 : self.stride].translate(table).find(1)
                if bad >= 0:
                    n = bad
                    if not n:
                        break
            total += n
            if n < look:
                break
            look = min(4 * look, LAST_LOOK)
        return total


@dataclass(slots=True, eq=False)
class Run:
    """All plans of one rule."""

    block: Block
    steps: tuple[Step, ...]
    before: tuple[tuple[Step, ...], ...]
    """The steps of each rule before it."""
    refs: tuple[Ref, ...]
    """The registers and parameters that the plans depend on, in the order of a call."""
    plans: dict[tuple[Any, ...], tuple[Plan, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, lowered: Lowered, block: Block) -> Run | None:
        """The runs of *block*, unless something about a PDU of its kind matters."""
        r = block.rule
        matters = block.do or block.facts or r.enter or r.fault or r.pdu is None or r.pdu.scan
        if matters or r.goto != lowered.state.name or not _is_natural(block.header):
            return None
        if any(f.when is None for f in block.findings):
            return None
        steps = (*lowered.shared, *block.steps)
        expressions = [s.cond for s in steps if isinstance(s, Guard)]
        if block.payload is not None:
            expressions.append(block.payload)
            if any(isinstance(n, Ref) and n.path[0] == "L" for n in walk(block.payload)):
                return None
        if any(isinstance(n, Lookup) for e in expressions for n in walk(e)):
            return None
        before = tuple((*lowered.shared, *b.steps) for b in lowered.blocks[: lowered.blocks.index(block)])
        return cls(block, steps, before, tuple(sorted(_refs(block, (*before, steps)), key=lambda r: r.path)))

    def __call__(self, b: bytes, at: int, end: int, *values: Any) -> int:
        """How many PDUs of the kind follow each other from *at* on, for sure."""
        for plan in self.planned(*values):
            n = plan.count(b, at, end)
            if n:
                return n
        return 0

    def planned(self, *values: Any) -> tuple[Plan, ...]:
        """The plans for these values of *refs*; all have the same stride."""
        plans = self.plans.get(values)
        if plans is None:
            if len(self.plans) >= MOST_PLANS:
                self.plans.clear()
            plans = self.plans[values] = tuple(self._plans(values))
        return plans

    def _plans(self, values: tuple[Any, ...]) -> list[Plan]:
        known: Values = {r.path: Const(v) for r, v in zip(self.refs, values, strict=True)}
        payload = simplify(_with(self.block.payload or Const(0), known))
        octets, conditions, whole = _read(self.steps, known)
        if not whole or None in conditions or not isinstance(payload, Const) or not isinstance(payload.value, int):
            return []
        env = _locals(self.steps, known)
        for f in self.block.findings:
            conditions.append(boxes_of(_test(f.when or Const(True), known), env, holds=False))
        boxes = product([c for c in conditions if c is not None])
        if boxes is None or None in conditions:
            return []
        rivals = [_read(steps, known) for steps in self.before]
        stride = _octets(self.block.header) + max(payload.value, 0)
        margin = max(stride, octets, *(n for n, _, _ in rivals))
        free = [box for box in boxes if all(_excludes(box, conditions) for _, conditions, _ in rivals)]
        return [Plan(stride, margin, _tests(box)) for box in free]


def _refs(block: Block, lists: tuple[tuple[Step, ...], ...]) -> set[Ref]:
    """The registers and parameters that matter to *block*, with its steps and those of the rules before it."""
    when = [f.when for f in block.findings if f.when is not None]
    wanted: list[Expr] = [*when, *([block.payload] if block.payload is not None else [])]
    for steps in lists:
        wanted += [s.cond for s in steps if isinstance(s, Guard)]
        wanted += [s.value for s in steps if isinstance(s, Let)]
    maps = {n.map for e in wanted for n in walk(e) if isinstance(n, Lookup)}
    return {n for e in wanted for n in walk(e) if isinstance(n, Ref) and n.path[0] in ("S", "P")} - maps


def _octets(e: Expr) -> int:
    return e.value if isinstance(e, Const) and isinstance(e.value, int) else 0


def _is_natural(header: Expr) -> bool:
    return _octets(header) > 0


def _with(e: Expr, known: Values) -> Expr:
    return rewrite(e, lambda n: known.get(n.path) if isinstance(n, Ref) else None)


def _test(e: Expr, known: Values) -> Expr:
    return truth(simplify(_with(e, known)))


def _locals(steps: tuple[Step, ...], known: Values) -> dict[str, Bits | None]:
    """What is known of the locals that *steps* make."""
    env: dict[str, Bits | None] = {}
    for s in steps:
        if isinstance(s, Load) and isinstance(s.offset, Const):
            env[s.var] = loaded(_octets(s.offset), s.size, s.little)
        elif isinstance(s, Let):
            env[s.var] = bits_of(simplify(_with(s.value, known)), env)
    return env


def _read(steps: tuple[Step, ...], known: Values) -> tuple[int, list[list[Box] | None], bool]:
    """(octets that *steps* ask for, their conditions, whether that is all).

    It is not all where the number of octets is known only at run time; what stands behind that is left out.
    """
    env = _locals(steps, known)
    octets = 0
    conditions: list[list[Box] | None] = []
    for s in steps:
        if isinstance(s, Need):
            if not isinstance(s.octets, Const):
                return octets, conditions, False
            octets = max(octets, _octets(s.octets))
        elif isinstance(s, When) and any(isinstance(x, Need) for x in s.steps):
            return octets, conditions, False
        elif isinstance(s, Guard):
            conditions.append(boxes_of(_test(s.cond, known), env))
    return octets, conditions, True


def _excludes(box: Box, conditions: list[list[Box] | None]) -> bool:
    """Whether a rule with these conditions cannot hold in *box*: one of them has nothing in common with it."""
    return any(c is not None and all(meet(box, other) is None for other in c) for c in conditions)


def _tests(box: Box) -> tuple[tuple[int, bytes], ...]:
    """One table for each octet that matters: 0 for what may stand there, 1 for the rest; the strictest first."""
    strict = sorted((s.bit_count(), o) for o, s in box.items() if s != ANY)
    return tuple((o, bytes(not box[o] >> v & 1 for v in range(256))) for _, o in strict)
