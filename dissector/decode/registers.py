# SPDX-License-Identifier: GPL-2.0-or-later
"""What streams remember.

A :class:`Registers` belongs to one direction, or to a whole conversation; a machine reads and writes both.  What is
reported with a PDU is a snapshot of both, which must never change again.  Copying a map for every PDU would cost more
than decoding it, so a snapshot takes the maps themselves and says so (``handed``): the next write to such a map copies
it first.  A map that is written without anybody looking is never copied.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any

from ..errors import DissectorError
from ..ir.expr import Const, Expr, Ref, rewrite
from ..ir.model import Parameter, Register
from ..ir.simplify import simplify


class Registers:
    """Values by name.  ``version`` tells whether another machine has changed one."""

    __slots__ = ("handed", "maps", "values", "version")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.version = 0
        self.maps: set[str] = set()
        self.handed: set[str] = set()

    def declare(self, registers: Iterable[Register], parameters: Mapping[str, int]) -> None:
        """Add *registers* with their initial values; those that are there already stay as they are."""
        for r in registers:
            if r.name not in self.values:
                self.values[r.name] = initial(r, dict(parameters))
                if r.type == "map":
                    self.maps.add(r.name)

    def put(self, name: str, key: Any, value: Any) -> dict[Any, Any]:
        """``name[key] = value``; returns the map, which may be another object than before."""
        entries: dict[Any, Any] = self.values[name]
        if name in self.handed:
            entries = self.values[name] = dict(entries)
            self.handed.discard(name)
        entries[key] = value
        self.version += 1
        return entries


def initial(register: Register, parameters: dict[str, int]) -> int | bytes | dict[int, object]:
    """The value a register starts with under *parameters*."""
    if register.type == "map":
        return {}

    def known(e: Expr) -> Expr | None:
        return Const(parameters[e.path[1]]) if isinstance(e, Ref) and e.path[0] == "P" else None

    value = simplify(rewrite(register.initial, known))
    if not isinstance(value, Const) or not isinstance(value.value, int | bytes):
        raise TypeError(f"register {register.name}: the initial value is not a constant")
    return value.value


def snapshot(own: Registers, shared: Registers) -> Mapping[str, Any]:
    """All values as they are now, for good."""
    for each in (own, shared):
        each.handed.update(each.maps)
    return MappingProxyType({**shared.values, **own.values})


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint for whoever wrote *name*."""
    known = sorted(names)
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"


def settle(declared: Iterable[Parameter], given: Mapping[str, int]) -> dict[str, int]:
    """All parameters with the values given or their defaults; a value that cannot be is refused."""
    out = {p.name: p.default for p in declared}
    for name in given:
        if name not in out:
            raise DissectorError(f"parameter {name!r}", "there is no such parameter", nearest(name, out))
    for p in declared:
        value = given.get(p.name, p.default)
        allowed = [v for v, _ in p.choices]
        if value < 0 or (allowed and value not in allowed):
            right = ", ".join(f"{v} ({label})" for v, label in p.choices) or "any number from 0 on"
            raise DissectorError(f"parameter {p.name!r}", f"it cannot be {value}", f"possible: {right}")
        out[p.name] = value
    return out


def parameters_of(node: Any) -> set[str]:
    """The names of all parameters that anything below *node*, a stream or a part of one, refers to."""
    found: set[str] = set()
    waiting, seen = [node], set()
    while waiting:
        each = waiting.pop()
        if isinstance(each, Ref):
            found |= {each.path[1]} if each.path[0] == "P" else set()
        elif id(each) not in seen:  # rules share PDUs, findings and conditions
            seen.add(id(each))
            waiting += each if isinstance(each, tuple) else [getattr(each, name) for name in _compared(type(each))]
    return found


def _attributes(kind: type) -> tuple[str, ...]:
    """The attributes that matter of nodes of a kind; none of what is no node."""
    return tuple(f.name for f in fields(kind) if f.compare) if is_dataclass(kind) else ()


_compared: Callable[[type], tuple[str, ...]] = functools.cache(_attributes)
