# SPDX-License-Identifier: GPL-2.0-or-later
"""Expression objects: callables for Scapy, and expressions that the generator can read.

Two traps of such objects are closed here.  Scapy evaluates ``length_from or (lambda ...)``, so an expression must be
true *there*; everywhere else asking for its truth is a mistake (``F.a and F.b`` would silently lose an operand) and
raises.  And ``==`` makes an expression, so these objects are not hashable.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from ..ir.evaluate import evaluate
from ..ir.expr import (
    Bin,
    Cmp,
    Const,
    Expr,
    If,
    InSet,
    Logic,
    Lookup,
    Peek,
    PeekBytes,
    Printable,
    Ref,
    Size,
    Un,
    UntilNul,
)

current_registers: ContextVar[Mapping[str, Any]] = ContextVar("current_registers")

INITIAL: dict[str, Any] = {}
"""What ``S.x`` is outside of any stream: the registers' initial values, as their declarations left them."""


@contextlib.contextmanager
def registers(values: Mapping[str, Any]) -> Iterator[None]:
    """Within this context Scapy dissects and builds with ``S.x`` being ``values["x"]``.

    Outside of any, and for what *values* does not have, ``S.x`` is the register's initial value, so that crafting
    needs no stream.
    """
    token = current_registers.set({**INITIAL, **values})
    try:
        yield
    finally:
        current_registers.reset(token)


class E:
    """Operators around one IR node; call it with a Scapy packet to get the value."""

    __slots__ = ("node",)
    __hash__ = None  # type: ignore[assignment]  # == makes an expression

    def __init__(self, node: Expr) -> None:
        self.node = node

    def __call__(self, pkt: Any, *_: Any) -> Any:
        return evaluate(self.node, {"F": _Fields(pkt), "S": current_registers.get(INITIAL), "P": Unset()})

    def __getattr__(self, name: str) -> E:
        if name.startswith("__") or not isinstance(self.node, Ref):
            raise AttributeError(name)
        return E(Ref((*self.node.path, name)))

    def __getitem__(self, key: Any) -> E:
        return self.get(key, b"")

    def get(self, key: Any, default: int | bytes) -> E:
        """The entry of a map register under *key*, or *default*."""
        if not isinstance(self.node, Ref):
            raise TypeError("only a map register can be indexed")
        return E(Lookup(self.node, as_expr(key), Const(default)))

    def isin(self, *values: int | bytes) -> E:
        """True when the value is one of *values*."""
        return E(InSet(self.node, values))

    def __bool__(self) -> bool:
        if sys._getframe(1).f_globals.get("__name__", "").startswith("scapy."):  # noqa: SLF001  who asks is the point
            return True
        raise TypeError("an expression has no truth value while it is declared; use both(), either(), not_() or iif()")

    def __repr__(self) -> str:
        return f"E({self.node!r})"

    def __add__(self, o: Any) -> E:
        return E(Bin("+", self.node, as_expr(o)))

    def __radd__(self, o: Any) -> E:
        return E(Bin("+", as_expr(o), self.node))

    def __sub__(self, o: Any) -> E:
        return E(Bin("-", self.node, as_expr(o)))

    def __rsub__(self, o: Any) -> E:
        return E(Bin("-", as_expr(o), self.node))

    def __mul__(self, o: Any) -> E:
        return E(Bin("*", self.node, as_expr(o)))

    __rmul__ = __mul__

    def __floordiv__(self, o: Any) -> E:
        return E(Bin("//", self.node, as_expr(o)))

    def __rfloordiv__(self, o: Any) -> E:
        return E(Bin("//", as_expr(o), self.node))

    def __mod__(self, o: Any) -> E:
        return E(Bin("%", self.node, as_expr(o)))

    def __and__(self, o: Any) -> E:
        return E(Bin("&", self.node, as_expr(o)))

    def __or__(self, o: Any) -> E:
        return E(Bin("|", self.node, as_expr(o)))

    def __lshift__(self, o: Any) -> E:
        return E(Bin("<<", self.node, as_expr(o)))

    def __rlshift__(self, o: Any) -> E:
        return E(Bin("<<", as_expr(o), self.node))

    def __rshift__(self, o: Any) -> E:
        return E(Bin(">>", self.node, as_expr(o)))

    def __eq__(self, o: object) -> E:  # type: ignore[override]
        return E(Cmp("==", self.node, as_expr(o)))

    def __ne__(self, o: object) -> E:  # type: ignore[override]
        return E(Cmp("!=", self.node, as_expr(o)))

    def __lt__(self, o: Any) -> E:
        return E(Cmp("<", self.node, as_expr(o)))

    def __le__(self, o: Any) -> E:
        return E(Cmp("<=", self.node, as_expr(o)))

    def __gt__(self, o: Any) -> E:
        return E(Cmp(">", self.node, as_expr(o)))

    def __ge__(self, o: Any) -> E:
        return E(Cmp(">=", self.node, as_expr(o)))


class _Fields(Mapping[str, Any]):
    """A Scapy packet as a mapping of field values; an absent or unset field counts as 0."""

    def __init__(self, pkt: Any) -> None:
        self.pkt = pkt

    def __getitem__(self, name: str) -> Any:
        value = self.pkt.getfieldval(name)
        return 0 if value is None else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.pkt.fields)

    def __len__(self) -> int:
        return len(self.pkt.fields)


class Unset(dict[str, int]):
    """Parameters nobody has set: 0, which every parameter reads as "automatic"."""

    def __missing__(self, key: str) -> int:
        return 0


def as_expr(v: Any) -> Expr:
    """The IR node behind an expression object, or a constant."""
    if isinstance(v, E):
        return v.node
    if v is None or isinstance(v, (bool, bytes, str)):
        return Const(v)
    if isinstance(v, int):
        return Const(int(v))
    raise TypeError(f"{type(v).__name__} cannot stand in an expression")


F, S, P = E(Ref(("F",))), E(Ref(("S",))), E(Ref(("P",)))


def peek(offset: Any, size: int) -> E:
    """The unsigned big-endian integer of *size* octets, *offset* octets ahead of the cursor; nothing is consumed."""
    return E(Peek(as_expr(offset), size))


def peek_bytes(offset: Any, size: Any) -> E:
    """*size* octets, *offset* octets ahead of the cursor; nothing is consumed."""
    return E(PeekBytes(as_expr(offset), as_expr(size)))


def printable(of: E) -> E:
    """True when every octet of *of* is printable ASCII and there is at least one."""
    return E(Printable(of.node))


def size(of: E) -> E:
    """The length of *of* in octets."""
    return E(Size(of.node))


def until_nul(of: E) -> E:
    """*of* up to its first NUL: text that is padded to a fixed length."""
    return E(UntilNul(of.node))


def both(*es: E) -> E:
    """All of them hold; looked at from left to right, and no further than needed."""
    out = es[-1].node
    for e in reversed(es[:-1]):
        out = Logic("and", e.node, out)
    return E(out)


def either(*es: E) -> E:
    """At least one holds; looked at from left to right, and no further than needed."""
    out = es[-1].node
    for e in reversed(es[:-1]):
        out = Logic("or", e.node, out)
    return E(out)


def not_(e: E) -> E:
    """It does not hold."""
    return E(Un("not", e.node))


def iif(c: E, t: Any, f: Any) -> E:
    """*t* if *c* holds, else *f*."""
    return E(If(c.node, as_expr(t), as_expr(f)))


def choose(value: E, table: Mapping[int, int | bytes], default: int | bytes) -> E:
    """The entry of a small constant *table* under *value*, or *default*."""
    out = as_expr(default)
    for key, entry in reversed(tuple(table.items())):
        out = If(Cmp("==", value.node, Const(key)), Const(entry), out)
    return E(out)
