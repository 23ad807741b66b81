# SPDX-License-Identifier: GPL-2.0-or-later
"""Conditions on integers as conditions on single octets.

``word % 4096 == 0x22`` says that octet 7 is 0x22 and that the lower half of octet 6 is 0, whatever the others are.
A *box* says so: offset -> the values that this octet may have, as a set of 256 bits; an octet that is not in it may
have any.  ``word < 0x70000`` is several boxes, any of which will do: 0 0 0 0 0 and then less than 7.

Three steps lead there.  An expression is first read as *bits*: which bits of which octet stand where in the value,
with everything else 0.  Loads, multiplications by powers of two, remainders, masks, and sums of values that do not
overlap are of that kind.  A comparison with a constant is then a walk over the octets from the most significant
one down.  Conjunctions are intersected, alternatives listed.

The answer is exact or it is None; a caller may therefore drop boxes (to be on the safe side) or conditions (to be on
the other one), but never has to guess.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping

from ..ir.expr import Bin, Cmp, Const, Expr, InSet, Logic, Ref, Un

Bits = dict[int, tuple[int, int]]
"""Offset of an octet -> (mask, shift): it contributes ``(octet & mask) << shift``; negative shifts are to the right."""

Box = dict[int, int]
ANY = (1 << 256) - 1
MOST_BOXES = 16
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
OPPOSITE = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "!=", "!=": "=="}


def loaded(offset: int, size: int, little: bool) -> Bits:
    """What a load of *size* octets at *offset* yields."""
    return {offset + i: (0xFF, 8 * (i if little else size - 1 - i)) for i in range(size)}


# ------------------------------------------------------------------------------------------------- values as bits


def bits_of(e: Expr, known: Mapping[str, Bits | None]) -> Bits | None:
    """*e* as bits of octets, where *known* has the locals that are; None when it is nothing of that kind."""
    if isinstance(e, Ref):
        return known.get(e.path[1]) if e.path[0] == "L" else None
    if not isinstance(e, Bin):
        return None
    a = bits_of(e.a, known)
    if a is None:
        return None
    if not isinstance(e.b, Const):
        b = bits_of(e.b, known)
        return None if b is None else _merged(e.op, a, b)
    return _with_constant(e.op, a, e.b.value) if isinstance(e.b.value, int) else None


def _with_constant(op: str, a: Bits, n: int) -> Bits | None:
    power = n > 0 and n & (n - 1) == 0
    if op == "&" and n >= 0:
        return _masked(a, n)
    if op == "%" and power:
        return _masked(a, n - 1)
    if op == "*" and power:
        return _moved(a, n.bit_length() - 1)
    if op == "<<" and 0 <= n < 64:
        return _moved(a, n)
    if (op == ">>" and n >= 0) or (op == "//" and power):
        down = n if op == ">>" else n.bit_length() - 1
        return _moved(_masked(a, ~((1 << down) - 1)), -down)
    return None


def _masked(a: Bits, mask: int) -> Bits:
    out = {o: (m & _shifted(mask, -s) & 0xFF, s) for o, (m, s) in a.items()}
    return {o: (m, s) for o, (m, s) in out.items() if m}


def _moved(a: Bits, by: int) -> Bits:
    return {o: (m, s + by) for o, (m, s) in a.items()}


def _shifted(n: int, by: int) -> int:
    return n << by if by >= 0 else n >> -by


def _span(a: Bits) -> int:
    """All bits that *a* can have."""
    total = 0
    for m, s in a.values():
        total |= _shifted(m, s)
    return total


def _merged(op: str, a: Bits, b: Bits) -> Bits | None:
    if any(a[o][1] != b[o][1] for o in a.keys() & b.keys()):
        return None
    if op in ("+", "|") and not _span(a) & _span(b):
        return {o: (a.get(o, (0, 0))[0] | b.get(o, (0, 0))[0], (a.get(o) or b[o])[1]) for o in {**a, **b}}
    inside = all(o in a and m & ~a[o][0] == 0 for o, (m, _) in b.items())
    if op == "-" and inside:
        out = {o: (m & ~b.get(o, (0, 0))[0], s) for o, (m, s) in a.items()}
        return {o: (m, s) for o, (m, s) in out.items() if m}
    return None


# ------------------------------------------------------------------------------------------- conditions as boxes


def boxes_of(e: Expr, known: Mapping[str, Bits | None], holds: bool = True) -> list[Box] | None:
    """Boxes that together are exactly where *e* holds (or does not), or None."""
    if isinstance(e, Const):
        return [{}] if bool(e.value) is holds else []
    if isinstance(e, Un) and e.op == "not":
        return boxes_of(e.x, known, not holds)
    if isinstance(e, Logic):
        a, b = boxes_of(e.a, known, holds), boxes_of(e.b, known, holds)
        if a is None or b is None:
            return None
        return product([a, b]) if (e.op == "and") is holds else _few(a + b)
    if isinstance(e, InSet):
        return _membership(e, known, holds)
    if isinstance(e, Cmp):
        return _comparison(e, known, holds)
    value = bits_of(e, known) if e.type == "int" else None
    return None if value is None else compared("!=" if holds else "==", value, 0)


def _membership(e: InSet, known: Mapping[str, Bits | None], holds: bool) -> list[Box] | None:
    value = bits_of(e.x, known)
    if value is None or not all(isinstance(v, int) for v in e.values):
        return None
    each = [compared("==" if holds else "!=", value, v) for v in e.values]
    found = [b for b in each if b is not None]
    if len(found) < len(each):
        return None
    return _few([box for boxes in found for box in boxes]) if holds else product(found)


def _comparison(e: Cmp, known: Mapping[str, Bits | None], holds: bool) -> list[Box] | None:
    op, a, b = (e.op, e.a, e.b) if isinstance(e.b, Const) else (FLIPPED[e.op], e.b, e.a)
    value = bits_of(a, known)
    if value is None or not isinstance(b, Const) or not isinstance(b.value, int):
        return None
    return compared(op if holds else OPPOSITE[op], value, b.value)


def compared(op: str, value: Bits, n: int) -> list[Box] | None:
    """Where *value* compares so with *n*."""
    if op == "==":
        return _equal(value, n)
    if op in ("<=", ">="):
        op, n = (op[0], n + 1) if op == "<=" else (op[0], n - 1)
    if not _is_ordered(value):
        return None
    if op == "!=":
        return [*_beyond(value, n, "<"), *_beyond(value, n, ">")]
    return _beyond(value, n, op)


def _equal(value: Bits, n: int) -> list[Box]:
    if n < 0 or n & ~_span(value):
        return []
    return [{o: _octets(m, s, "==", n & _shifted(m, s)) for o, (m, s) in value.items()}]


def _is_ordered(value: Bits) -> bool:
    """Whether no octet's bits stand between another's."""
    spans = sorted(_limits(m, s) for m, s in value.values())
    return all(below[1] <= above[0] for below, above in itertools.pairwise(spans))


def _limits(mask: int, shift: int) -> tuple[int, int]:
    """The lowest bit, and the one above the highest."""
    bits = _shifted(mask, shift)
    return (bits & -bits).bit_length() - 1, bits.bit_length()


def _beyond(value: Bits, n: int, op: str) -> list[Box]:
    """Where *value* is less (greater) than *n*: equal down to some octet, and there less (greater)."""
    if n < 0:
        return [] if op == "<" else [{}]
    boxes: list[Box] = []
    prefix: Box = {}
    cursor = max(_span(value).bit_length(), n.bit_length())
    for offset, (m, s) in sorted(value.items(), key=lambda x: _limits(*x[1]), reverse=True):
        low, high = _limits(m, s)
        if n >> high & ((1 << (cursor - high)) - 1):
            return [*boxes, prefix] if op == "<" else boxes
        digit = n & (((1 << (high - low)) - 1) << low)
        further = _octets(m, s, op, digit)
        if further:
            boxes.append({**prefix, offset: further})
        equal = _octets(m, s, "==", digit)
        if not equal:
            return boxes
        prefix = {**prefix, offset: equal}
        cursor = low
    if op == "<" and n & ((1 << cursor) - 1):
        boxes.append(prefix)
    return boxes


@functools.lru_cache(maxsize=1024)
def _octets(mask: int, shift: int, op: str, n: int) -> int:
    """The octets whose contribution compares so with *n*."""
    out = 0
    for octet in range(256):
        v = _shifted(octet & mask, shift)
        if (v == n) if op == "==" else (v < n) if op == "<" else (v > n):
            out |= 1 << octet
    return out


# ------------------------------------------------------------------------------------------------ sets of boxes


def _few(boxes: list[Box]) -> list[Box] | None:
    return boxes if len(boxes) <= MOST_BOXES else None


def product(conditions: list[list[Box]]) -> list[Box] | None:
    """Where all *conditions* hold; None when that is too much to write down."""
    out: list[Box] = [{}]
    for boxes in conditions:
        met = [both for a in out for b in boxes if (both := meet(a, b)) is not None]
        if len(met) > MOST_BOXES:
            return None
        out = met
    return out


def meet(a: Box, b: Box) -> Box | None:
    """What is in both boxes; None if nothing is."""
    out = dict(a)
    for offset, octets in b.items():
        out[offset] = out.get(offset, ANY) & octets
        if not out[offset]:
            return None
    return out
