# SPDX-License-Identifier: GPL-2.0-or-later
"""Rewrites that make an expression smaller without changing any value it can have.

They matter for reading as much as for speed: ``pkt.type == 1 or pkt.type == 53`` should be printed as a
membership test, and ``x if c else False`` as ``c and x``.  Constant folding is what specialises a rule: once
it is known that ``flags`` is 0x28, the question whether a name follows has an answer at generation time.
"""

from __future__ import annotations

from typing import Any

from .evaluate import BIN, CMP
from .expr import FALSE, TRUE, Case, Cmp, Const, Expr, If, InSet, IsNone, Logic, Ref, Un, rebuilt
from .expr import Bin as Arith

Members = tuple[Expr, tuple[Any, ...]]
MAX_SHIFT = 512
LEAVES = (Const, Ref)
MOST_SIMPLE = 1 << 15
_simple: dict[int, Expr] = {}


def truth(e: Expr) -> Expr:
    """*e* read as a condition: a boolean expression with the same truth."""
    if isinstance(e, Const):
        return Const(bool(e.value))
    if isinstance(e, If):
        return _truth_of_if(truth(e.c), truth(e.t), truth(e.f))
    if isinstance(e, Logic):
        return _logic(e.op, truth(e.a), truth(e.b))
    if isinstance(e, Un) and e.op == "not":
        x = truth(e.x)
        return x.x if isinstance(x, Un) and x.op == "not" else _not(x)
    return e


def _as_bool(e: Expr) -> Expr:
    """*e*, whose truth is known to be right, as a value: only what is a boolean already may stand bare."""
    return e if e.type == "bool" else Un("not", Un("not", e))


def simplify(e: Expr) -> Expr:
    """A smaller expression of equal value; idempotent.

    Whoever puts an expression together simplifies it, and most of its parts come from somebody who did so already.
    What was returned once is therefore known, by identity, and returned as it is.
    """
    if type(e) in LEAVES or _simple.get(id(e)) is e:
        return e
    e = rebuilt(e, simplify)
    e = _step(e) or e
    if len(_simple) >= MOST_SIMPLE:
        _simple.clear()
    _simple[id(e)] = e
    return e


def _step(e: Expr) -> Expr | None:
    if isinstance(e, LEAVES):
        return None
    if isinstance(e, Un):
        return _unary(e)
    if isinstance(e, Arith):
        return _arith(e)
    if isinstance(e, Cmp) and isinstance(e.a, Const) and isinstance(e.b, Const):
        return Const(_compare(e.op, e.a.value, e.b.value))
    if isinstance(e, InSet) and isinstance(e.x, Const):
        return Const(e.x.value in e.values)
    if isinstance(e, IsNone) and isinstance(e.x, Const):
        return Const(e.x.value is None)
    if isinstance(e, Logic):
        return _as_bool(_logic(e.op, truth(e.a), truth(e.b)))
    if isinstance(e, If):
        return _if(e)
    if isinstance(e, Case) and isinstance(e.x, Const):
        return next((Const(v) for k, v in e.entries if k == e.x.value), e.default)
    return None


def _unary(e: Un) -> Expr:
    if e.op == "not":
        return _not(truth(e.x))
    if isinstance(e.x, Const) and isinstance(e.x.value, int):
        return Const(-e.x.value if e.op == "-" else ~e.x.value)
    return e


def _arith(e: Arith) -> Expr:
    a, b = e.a, e.b
    if isinstance(a, Const) and isinstance(b, Const):
        if e.op == "<<" and isinstance(b.value, int) and b.value > MAX_SHIFT:
            return e  # folding it would fill the memory with one number
        try:
            value = BIN[e.op](a.value, b.value)
        except (ArithmeticError, TypeError, ValueError):
            return e  # its meaning is the exception; the executor decides what to do about it
        return Const(value) if isinstance(value, int) else e
    zero_b = isinstance(b, Const) and b.value == 0 and b.type == "int"
    if zero_b and a.type == "int" and e.op in ("+", "-", "|", "^", "<<", ">>"):
        return a
    if isinstance(a, Const) and a.value == 0 and a.type == "int" and e.op == "+" and b.type == "int":
        return b
    return e


def _if(e: If) -> Expr:
    c = truth(e.c)
    if isinstance(c, Const):
        return e.t if c.value else e.f
    if isinstance(e.t, If) and e.t.c == c:
        e = If(c, e.t.t, e.f)
    if isinstance(e.f, If) and e.f.c == c:
        e = If(c, e.t, e.f.f)
    if e.t == e.f:
        return e.t
    if e.t.type == "bool" and e.f.type == "bool":
        return _as_bool(_truth_of_if(c, truth(e.t), truth(e.f)))
    return If(c, e.t, e.f)


def _compare(op: str, a: Any, b: Any) -> bool:
    try:
        return bool(CMP[op](a, b))
    except TypeError:
        return False


def _not(x: Expr) -> Expr:
    if isinstance(x, Const):
        return Const(not x.value)
    if isinstance(x, Un) and x.op == "not" and x.x.type == "bool":
        return x.x
    if isinstance(x, Cmp) and x.op in ("==", "!="):
        return Cmp("!=" if x.op == "==" else "==", x.a, x.b)
    return Un("not", x)


def _logic(op: Any, a: Expr, b: Expr) -> Expr:
    decided = op == "or"
    if a == b:
        return a
    for x, other in ((a, b), (b, a)):
        if isinstance(x, Const):
            # A constant right operand may only be dropped when it is neutral: the left one might need octets.
            if bool(x.value) != decided:
                return truth(other)
            if x is a:
                return Const(decided)
    return _fold_in(Logic(op, a, b))


def _truth_of_if(c: Expr, t: Expr, f: Expr) -> Expr:
    if t == TRUE and f == FALSE:
        return c
    if t == FALSE and f == TRUE:
        return _not(c)
    if f in (FALSE, c):
        return _logic("and", c, t)
    if t in (TRUE, c):
        return _logic("or", c, f)
    return If(c, t, f)


def _members(e: Expr) -> Members | None:
    if isinstance(e, Cmp) and e.op == "==" and isinstance(e.b, Const):
        return e.a, (e.b.value,)
    return (e.x, e.values) if isinstance(e, InSet) else None


def _fold_in(e: Logic) -> Expr:
    """``x == 1 or x == 53 or x in (...)`` becomes ``x in (1, 53, ...)``."""
    if e.op == "or":
        left, right = _members(e.a), _members(e.b)
        if left and right and left[0] == right[0]:
            return InSet(left[0], left[1] + right[1])
    return e
