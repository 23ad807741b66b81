# SPDX-License-Identifier: GPL-2.0-or-later
"""Two kinds of PDUs in any order: many at once, without a loop in Python.

A strided slice (:mod:`.runs`) needs PDUs of one kind in a row.  Where short runs of two kinds take turns, a regular
expression reads them instead: ``(?:A|B){1,n}``, where A and B are the boxes of the rules, octet by octet, and a payload
is ``.{4096}``, which ``re`` passes over in one step.  Fifty nanoseconds a PDU instead of a quarter of a microsecond.

A match tells only how long it is, and that is enough: *n* is such that the shorter ones of a match do not add up to
a longer one, so the quotient of the length by that of a longer one is the number of these, and the rest the others.

It is as careful as a run.  A box excludes all rules in front of its own, so what matches is of one kind for sure.  A
repetition ends where neither kind is, and what a match has passed over was matched PDU by PDU.  It is greedy, not
possessive: up to Python 3.11.4 a possessive one also passes over the part of a PDU that did match.  That costs
nothing, as there is nothing behind the repetition for which it would have to give up anything.

All of it is data, like everything that a stream is printed to; ``re`` compiles an expression when it is asked for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ir.expr import Ref
from .runs import MOST_PLANS, Plan, Run

FEWEST = 4
"""Of fewer PDUs in a match than this, the match costs more than it saves."""

LONGEST = 1 << 20
"""A longer PDU is rare, whatever it is, and need not be matched."""

FEW = 8


@dataclass(frozen=True, slots=True)
class Pair:
    """Two kinds of PDUs: which rules they are, how long a PDU is, the longer kind first."""

    expression: bytes
    long: int
    short: int
    length: int
    other: int
    most: int
    """PDUs in a match."""
    beyond: int
    """Octets behind a PDU that must be there to look at it."""

    def count(self, tally: list[int], b: bytes, at: int, end: int) -> int:
        """Count PDUs of both kinds from *at* on; returns the place behind the last one."""
        match, end = _matcher(self.expression), end - self.beyond
        longs = shorts = 0
        while (found := match(b, at, end)) is not None:
            stop = found.end()
            n, rest = divmod(stop - at, self.length)
            others = rest // self.other
            longs += n
            shorts += others
            at = stop
            # A long row of the shorter ones is a run, which is faster.
            if not n or n + others < self.most:
                break
        tally[self.long] += longs
        tally[self.short] += shorts
        return at


@functools.lru_cache(maxsize=4 * MOST_PLANS)
def _matcher(expression: bytes) -> Callable[[bytes, int, int], re.Match[bytes] | None]:
    return re.compile(expression, re.DOTALL).match


@dataclass(slots=True, eq=False)
class Mix:
    """The pairs of those rules of a state that have runs."""

    runs: Mapping[int, Run]
    refs: tuple[Ref, ...]
    """The registers and parameters that the runs' plans depend on, in the order of a call."""
    pairs: dict[tuple[tuple[int, int], tuple[Any, ...]], Pair | None] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: Mapping[int, Run]) -> Mix:
        """The pairs of these rules."""
        return cls(runs, tuple(sorted({r for run in runs.values() for r in run.refs}, key=lambda r: r.path)))

    def __call__(self, tally: list[int], rules: tuple[int, int], b: bytes, at: int, end: int, *values: Any) -> int:
        """Count PDUs of these two rules from *at* on, in any order; returns the place behind the last one."""
        key = rules, values
        try:
            pair = self.pairs[key]
        except KeyError:
            if len(self.pairs) >= MOST_PLANS:
                self.pairs.clear()
            pair = self.pairs[key] = self._pair(rules, values)
        return at if pair is None else pair.count(tally, b, at, end)

    def _pair(self, rules: tuple[int, int], values: tuple[Any, ...]) -> Pair | None:
        known = dict(zip(self.refs, values, strict=True))
        kinds = [(j, self.runs[j].planned(*(known[r] for r in self.runs[j].refs))) for j in rules]
        if not all(plans for _, plans in kinds):
            return None
        (short, shorter), (long, longer) = sorted(kinds, key=lambda k: k[1][0].stride)
        length, least = longer[0].stride, shorter[0].stride
        most = (length - 1) // least
        if most < FEWEST or length > LONGEST:
            return None
        alternatives = [_expression(plan) for plan in (*shorter, *longer)]
        expression = b"(?:%s){1,%d}" % (b"|".join(alternatives), most)
        beyond = max(plan.margin - plan.stride for plan in (*shorter, *longer))
        return Pair(expression, long, short, length, least, most, beyond)


def _expression(plan: Plan) -> bytes:
    """A PDU in a plan's box, whole."""
    out, at = b"", 0
    for offset, table in sorted(plan.tests):
        allowed = b"".join(b"\\x%02x" % octet for octet, bad in enumerate(table) if not bad)
        out += _any(offset - at) + (allowed if len(allowed) == len(b"\\x00") else b"[%s]" % allowed)
        at = offset + 1
    return out + _any(plan.stride - at)


def _any(octets: int) -> bytes:
    """So many octets, whatever they are; a few are passed over faster one by one."""
    return b"." * octets if octets < FEW else b".{%d}" % octets
