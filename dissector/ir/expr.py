# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions: the one language of lengths, conditions, counts and register values.

Every Scapy callable and every expression object of :mod:`dissector.declare` ends up here, and every
executor (the decoder, the Lua printer, :mod:`dissector.ir.evaluate`) starts from here.  Sixteen frozen node types,
compared by value, none of them aware of a protocol.

Two properties are worth their trouble:

* **Static types.**  In Lua ``0`` and ``""`` are true, in Python they are false.  Each node therefore knows
  whether it yields ``int``, ``bool`` or ``bytes`` (``any`` where the source did not say), and a printer asks
  for :func:`truth` before it prints a condition, never for the bare value.
* **No evaluation order surprises.**  ``and``/``or`` on *values* become :class:`If`, as Python defines them;
  :class:`Logic` appears in boolean position only.

What a :class:`Ref` may point to is told by the first element of its path:

====  ==========================================================================================
F     a field of the PDU being read: ``("F", "length")``
S     a register of the stream: ``("S", "page_size")``
P     a parameter, a value that is not on the wire: ``("P", "page_size")``
L     a local variable; only :mod:`dissector.ir.lower` makes these
else  the name of a callable's own argument (``next_cls_cb(pkt, lst, cur, remain)``)
====  ==========================================================================================
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

Type = Literal["int", "bool", "bytes", "map", "any"]


@dataclass(frozen=True, slots=True)
class Expr:
    """Base of all nodes.  ``type`` is the static type of the value."""

    @property
    def type(self) -> Type:
        return "any"


@dataclass(frozen=True, slots=True)
class Const(Expr):
    """An int, bool, bytes, str or None known when the layer was defined."""

    value: int | bool | bytes | str | None

    def __eq__(self, other: object) -> bool:
        # 1 == True in Python, but they are printed differently and have different types.
        return isinstance(other, Const) and type(other.value) is type(self.value) and other.value == self.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    @property
    def type(self) -> Type:
        if isinstance(self.value, bool):
            return "bool"
        if isinstance(self.value, int):
            return "int"
        return "bytes" if isinstance(self.value, bytes) else "any"


@dataclass(frozen=True, slots=True)
class Ref(Expr):
    """A dotted path, see the table at the head of this file."""

    path: tuple[str, ...]
    kind: Type = "any"

    @property
    def type(self) -> Type:
        return self.kind


@dataclass(frozen=True, slots=True)
class Size(Expr):
    """``len()`` of what an expression yields, in octets or elements."""

    of: Expr

    @property
    def type(self) -> Type:
        return "int"


@dataclass(frozen=True, slots=True)
class UntilNul(Expr):
    """The octets of *of* in front of its first NUL, all of them if there is none: text in a field of fixed length."""

    of: Expr

    @property
    def type(self) -> Type:
        return "bytes"


@dataclass(frozen=True, slots=True)
class Un(Expr):
    """``-x``, ``~x`` or ``not x``."""

    op: Literal["-", "~", "not"]
    x: Expr

    @property
    def type(self) -> Type:
        return "bool" if self.op == "not" else "int"


@dataclass(frozen=True, slots=True)
class Bin(Expr):
    """Integer arithmetic: ``+ - * / // % & | ^ << >>``."""

    op: str
    a: Expr
    b: Expr

    @property
    def type(self) -> Type:
        return "int"


@dataclass(frozen=True, slots=True)
class Cmp(Expr):
    """``== != < <= > >=``."""

    op: str
    a: Expr
    b: Expr

    @property
    def type(self) -> Type:
        return "bool"


@dataclass(frozen=True, slots=True)
class Logic(Expr):
    """``and``/``or`` where only the truth matters; the second operand is not looked at if the first decides."""

    op: Literal["and", "or"]
    a: Expr
    b: Expr

    @property
    def type(self) -> Type:
        return "bool"


@dataclass(frozen=True, slots=True)
class IsNone(Expr):
    """``x is None``."""

    x: Expr

    @property
    def type(self) -> Type:
        return "bool"


@dataclass(frozen=True, slots=True)
class InSet(Expr):
    """``x in (constants)``."""

    x: Expr
    values: tuple[Any, ...]

    @property
    def type(self) -> Type:
        return "bool"


@dataclass(frozen=True, slots=True)
class If(Expr):
    """``t if c else f``; also the value form of ``and``/``or``."""

    c: Expr
    t: Expr
    f: Expr

    @property
    def type(self) -> Type:
        return self.t.type if self.t.type == self.f.type else "any"


@dataclass(frozen=True, slots=True)
class Case(Expr):
    """The result of the entry whose key equals *x*, or *default*; keys and results are constants."""

    x: Expr
    entries: tuple[tuple[int | bytes | str, int | bytes | str | None], ...]
    default: Expr


@dataclass(frozen=True, slots=True)
class Lookup(Expr):
    """The entry of a map register under *key*, or *default*; *default* also gives the type."""

    map: Ref
    key: Expr
    default: Const

    @property
    def type(self) -> Type:
        return self.default.type


@dataclass(frozen=True, slots=True)
class Peek(Expr):
    """An unsigned big-endian integer of *size* octets at *offset* from the cursor, not consumed."""

    offset: Expr
    size: int

    @property
    def type(self) -> Type:
        return "int"


@dataclass(frozen=True, slots=True)
class PeekBytes(Expr):
    """*size* octets at *offset* from the cursor, not consumed."""

    offset: Expr
    size: Expr

    @property
    def type(self) -> Type:
        return "bytes"


@dataclass(frozen=True, slots=True)
class Printable(Expr):
    """True when every octet of *of* is printable ASCII (0x20 to 0x7e) and there is at least one."""

    of: Expr

    @property
    def type(self) -> Type:
        return "bool"


TRUE, FALSE = Const(True), Const(False)


def _declared(node: type[Expr]) -> tuple[str, ...]:
    """The attributes of a kind of node that are declared as expressions."""
    hints = get_type_hints(node)
    kinds = {f.name: (hints[f.name], *get_args(hints[f.name])) for f in fields(node)}
    return tuple(
        name for name, all_of in kinds.items() if any(isinstance(k, type) and issubclass(k, Expr) for k in all_of)
    )


# mypy takes the hash of an expression for that of its class
_below: Callable[[type[Expr]], tuple[str, ...]] = functools.cache(_declared)  # type: ignore[assignment]
"""The same, remembered: it is asked for with every node on a walk."""

_all: Callable[[type[Expr]], tuple[str, ...]] = functools.cache(  # type: ignore[assignment]
    lambda kind: tuple(f.name for f in fields(kind))
)
"""All attributes of a kind of node, in the order of its constructor."""


def children(e: Expr) -> Iterator[Expr]:
    """The direct sub-expressions of *e*."""
    for name in _below(type(e)):
        v = getattr(e, name)
        if isinstance(v, Expr):
            yield v


def walk(e: Expr) -> Iterator[Expr]:
    """*e* and everything below it, parents first."""
    yield e
    for c in children(e):
        yield from walk(c)


def rebuilt(e: Expr, fn: Callable[[Expr], Expr]) -> Expr:
    """*e* with *fn* of every direct sub-expression in its place; *e* itself where nothing changes."""
    changed: dict[str, Expr] = {}
    for name in _below(type(e)):
        v = getattr(e, name)
        if isinstance(v, Expr):
            n = fn(v)
            if n is not v:
                changed[name] = n
    return _with(e, changed) if changed else e


def rewrite(e: Expr, fn: Callable[[Expr], Expr | None]) -> Expr:
    """A copy of *e* in which every node for which *fn* returns an expression is replaced by it (children first)."""
    changed: dict[str, Expr] = {}
    for name in _below(type(e)):
        v = getattr(e, name)
        if isinstance(v, Expr):
            n = rewrite(v, fn)
            if n is not v:
                changed[name] = n
    if changed:
        e = _with(e, changed)
    return fn(e) or e


def _with(e: Expr, changed: Mapping[str, Expr]) -> Expr:
    """What dataclasses.replace() gives, in a quarter of the time: translations do little else."""
    return type(e)(*[changed.get(name) or getattr(e, name) for name in _all(type(e))])


def refs(e: Expr, scope: str | None = None) -> set[tuple[str, ...]]:
    """Paths of all references in *e*, those of one scope only when *scope* is given."""
    return {n.path for n in walk(e) if isinstance(n, Ref) and (scope is None or n.path[0] == scope)}
