# SPDX-License-Identifier: GPL-2.0-or-later
"""What a Python expression can stand for while it is translated, and how it becomes a value of the IR.

Most of it is an :class:`~dissector.ir.expr.Expr` at once.  The rest exists only on the way, because Python says in two
steps what the IR says in one: ``TABLE`` and then ``.get(pkt.type, 0)``, ``data[0:2]`` and then ``== b"ok"``,
``x / 8`` and then ``math.ceil()``.  A half that is never completed is refused.

``bool`` is an ``int`` in Python and nowhere else.  Whatever takes part in arithmetic goes through :func:`number`, so
that ``len(lst) + (cur is not None)`` counts in every backend.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeGuard

from dissector.ir.expr import Const, Expr, If, Ref, children

PACKET = Ref(("F",))
"""The packet itself; a field of it is ``Ref(("F", name))``."""


@dataclass(frozen=True, slots=True)
class Static:
    """A Python object known when the layer was defined: a table, a class, a module, a helper function."""

    value: object


@dataclass(frozen=True, slots=True)
class Items:
    """A tuple or list whose items are not all known: ``(pkt.a, pkt.b)``, ``*args``."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Octets:
    """``of[start:stop]`` of something read from the wire."""

    of: Ref
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Keywords:
    """``**kwargs`` of the callable: whatever Scapy passes, of which nothing is known."""


Value = Expr | Static | Items | Octets | Keywords


def scalar(value: object) -> Const | None:
    """A Python object as a constant, if the IR has such a constant.

    A member of an ``IntEnum`` is an integer.  A member of a plain ``Enum`` is not: it equals nothing that was read from
    the wire, and taking its value would turn a condition that is always false into one that is not.
    """
    if isinstance(value, Enum) and isinstance(value, int | str):
        return scalar(value.value)
    if value is None or type(value) in (bool, int, str, bytes):
        return Const(value)  # type: ignore[arg-type]  # the line above
    return None


_CONTAINS = [kind.__contains__ for kind in (tuple, list, set, frozenset, dict, range)]


def scalars(container: object) -> tuple[Const, ...] | None:
    """The items of a constant container, in an order that does not depend on hashing; None if one is no constant."""
    if getattr(type(container), "__contains__", None) not in _CONTAINS or not isinstance(container, Iterable):
        return None  # a container with a mind of its own
    items = [scalar(v) for v in container]
    if isinstance(container, set | frozenset):
        items.sort(key=lambda c: (type(c.value).__name__, c.value) if c else ("", 0))
    known = tuple(c for c in items if c is not None)
    return known if len(known) == len(items) else None


def is_table(value: object) -> TypeGuard[dict[object, object]]:
    """True for a dict that looks keys up as dicts do; one with defaults of its own does not."""
    plain = isinstance(value, dict) and type(value).__getitem__ is dict.__getitem__ and type(value).get is dict.get
    return plain and not hasattr(value, "__missing__")


def class_name(cls: type) -> str:
    """A class in the IR: the name that says where to import it from; one that was made by a function has its own."""
    outer = cls.__qualname__.rpartition(".")[0]
    return ".".join(part for part in (cls.__module__, outer, cls.__name__) if part)


def number(e: Expr) -> Expr:
    """*e* as an operand of arithmetic: a truth value counts as 1 or 0."""
    if e.type != "bool":
        return e
    return Const(int(bool(e.value))) if isinstance(e, Const) else If(e, Const(1), Const(0))


def is_text(e: Expr) -> bool:
    """True for a constant that no arithmetic is possible with: text, octets, None."""
    return isinstance(e, Const) and not isinstance(e.value, int)


def fits(e: Expr, nodes: int, depth: int) -> bool:
    """True when *e* has at most so many nodes, shared parts counted each time, and is nested no deeper than *depth*."""
    count, waiting = 0, [(e, 1)]
    while waiting:
        node, level = waiting.pop()
        count += 1
        if count > nodes or level > depth:
            return False
        waiting += [(c, level + 1) for c in children(node)]
    return True


def called(value: object) -> str:
    """A callable's name in messages."""
    name = getattr(value, "__name__", None) or type(value).__name__
    return f"{name}()" if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType) else f"{name}"
