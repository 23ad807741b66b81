# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions over local variables, and the loads that fill them.

What a condition looks at has to be there, and is asked for (:class:`~dissector.ir.steps.Need`) in the order in which
the declaration looks at it: a peek becomes a load at a known offset, once for all that look there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from .expr import Bin, Cmp, Const, Expr, If, Logic, Peek, PeekBytes, Ref, Un, children, rebuilt, rewrite
from .model import Register
from .simplify import simplify, truth
from .steps import Guard, Let, Load, LoadBytes, Need, Step, When


@dataclass
class Context:
    """What is known while one block is written, and the steps that it has so far.

    ``loaded`` has the local in which a peek's value is, ``known`` that of each field that was read, ``places`` where a
    field of eight octets stands; ``have`` octets from the cursor were asked for.
    """

    types: dict[str, Register]
    steps: list[Step] = field(default_factory=list)
    loaded: dict[Expr, Expr] = field(default_factory=dict)
    known: dict[str, Expr] = field(default_factory=dict)
    places: dict[str, Peek] = field(default_factory=dict)
    have: int = 0
    names: int = 0

    def fresh(self, stem: str) -> str:
        """A name that no other local of the block has."""
        self.names += 1
        return f"{stem}{self.names}"

    def guard(self, e: Expr) -> None:
        """Test *e*, octet by octet: each operand of a conjunction is asked for only when those before it hold."""
        e = truth(simplify(e))
        if isinstance(e, Logic) and e.op == "and":
            self.guard(e.a)
            self.guard(e.b)
            return
        if e == Const(True):
            return
        self.steps.append(Guard(self.condition(e)))

    def condition(self, e: Expr) -> Expr:
        """*e* over locals.

        An operand's octets are asked for only where the operands before it leave the answer open.
        """
        e = truth(simplify(self._exact(e)))
        if isinstance(e, If):
            e = Logic("or", Logic("and", e.c, e.t), Logic("and", Un("not", e.c), e.f))
        if isinstance(e, Un) and e.op == "not":
            return truth(simplify(Un("not", self.condition(e.x))))
        if not isinstance(e, Logic):
            return truth(self.value(e))
        first = self.condition(e.a)
        if all(n in self.loaded for n in _peeks(e.b)):
            return truth(simplify(Logic(e.op, first, truth(self.value(e.b)))))
        inner = replace(self, steps=[], loaded=dict(self.loaded), known=dict(self.known))
        second = inner.condition(e.b)
        self.names = inner.names
        var = self.fresh("c")
        is_open = first if e.op == "and" else truth(simplify(Un("not", first)))
        self.steps.append(When(is_open, (*inner.steps, Let(var, second)), (Let(var, Const(e.op == "or")),)))
        return Ref(("L", var), "bool")

    def value(self, e: Expr) -> Expr:
        """*e* over locals.  Every peek in it is loaded first, whether it is looked at or not."""
        e = self._exact(e)
        for node in _peeks(e):
            if node not in self.loaded:
                self._load_peek(node)

        def local(n: Expr) -> Expr | None:
            if n in self.loaded:
                return self.loaded[n]
            if isinstance(n, Ref):
                if n.path[0] == "F":
                    return self.known.get(n.path[1], n)
                if n.path[0] == "S" and len(n.path) == 2:
                    return Ref(n.path, self.types[n.path[1]].type)
                if n.path[0] == "P":
                    return Ref(n.path, "int")
            return None

        return simplify(_top_down(e, local))

    def _exact(self, e: Expr) -> Expr:
        """Equality of eight octets with a number beyond 2**53, half by half: Lua numbers are doubles before 5.3."""

        def halves(n: Expr) -> Expr | None:
            if not (isinstance(n, Cmp) and n.op in ("==", "!=") and isinstance(n.b, Const)):
                return None
            a = self.places.get(n.a.path[1]) if isinstance(n.a, Ref) and n.a.path[0] == "F" else n.a
            if not isinstance(a, Peek) or a.size != 8 or not isinstance(n.b.value, int) or n.b.value < 1 << 53:
                return None
            low = Peek(simplify(Bin("+", a.offset, Const(4))), 4)
            tests = Cmp(n.op, Peek(a.offset, 4), Const(n.b.value >> 32)), Cmp(n.op, low, Const(n.b.value & 0xFFFFFFFF))
            return Logic("and" if n.op == "==" else "or", *tests)

        return rewrite(e, halves)

    def _load_peek(self, e: Expr) -> None:
        if isinstance(e, Peek):
            offset = natural(self.value(e.offset))
            self.need(simplify(Bin("+", offset, Const(e.size))))
            var = self.fresh("p")
            self.steps.append(Load(var, offset, e.size))
            self.loaded[e] = Ref(("L", var), "int")
        elif isinstance(e, PeekBytes):
            offset, size = natural(self.value(e.offset)), natural(self.value(e.size))
            self.need(simplify(Bin("+", offset, size)))
            var = self.fresh("p")
            self.steps.append(LoadBytes(var, offset, size))
            self.loaded[e] = Ref(("L", var), "bytes")

    def need(self, octets: Expr) -> None:
        """So many octets from the cursor are looked at from here on; those that were asked for are there."""
        if isinstance(octets, Const) and isinstance(octets.value, int):
            if octets.value <= self.have:
                return
            self.have = octets.value
        self.steps.append(Need(octets))


def _top_down(e: Expr, fn: Callable[[Expr], Expr | None]) -> Expr:
    """Like :func:`rewrite`, but parents first: a peek is replaced before its own offset is."""
    return fn(e) or rebuilt(e, lambda v: _top_down(v, fn))


def _peeks(e: Expr) -> Iterator[Expr]:
    """Peeks in *e*, inner ones (in another's offset) first."""
    for c in children(e):
        yield from _peeks(c)
    if isinstance(e, Peek | PeekBytes):
        yield e


def natural(e: Expr) -> Expr:
    """*e*, or 0 where it would be negative: no length and no register is, so a cursor never goes back."""
    return e if e.type not in ("int", "any") or _is_natural(e) else If(Cmp(">", e, Const(0)), e, Const(0))


def _is_natural(e: Expr) -> bool:
    """True when *e* cannot be negative, given that locals, registers and parameters are not."""
    if isinstance(e, Const):
        return not isinstance(e.value, int) or e.value >= 0
    if isinstance(e, If):
        return all(_is_natural(x) or _is_guarded(x, e.c, x is e.t) for x in (e.t, e.f))
    if isinstance(e, Bin):
        return e.op != "-" and _is_natural(e.a) and _is_natural(e.b)
    return not isinstance(e, Un) or e.op == "not"


def _is_guarded(e: Expr, c: Expr, holds: bool) -> bool:
    """True for ``a - b`` where the condition says that *b* is not the greater one."""
    if not (isinstance(e, Bin) and e.op == "-" and isinstance(c, Cmp)):
        return False
    straight, crossed = ((">", ">="), ("<", "<=")) if holds else (("<", "<="), (">", ">="))
    return (c.op in straight and (c.a, c.b) == (e.a, e.b)) or (c.op in crossed and (c.a, c.b) == (e.b, e.a))
