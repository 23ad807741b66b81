# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of tables, lists of layers, and loops over what is known: code that becomes an expression by unfolding it.

``found = TABLE[pkt.vendor]`` with a table in each entry is as many functions as there are vendors, each with its own
table, and a decision between them.  A loop over a list that is known is its body so many times.  Both are bounded: a
function that unfolds into too much is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scapy import fields as sf
from scapy.compat import bytes_int

from ...ir.expr import FALSE, Bin, Case, Cmp, Const, Expr, If, InSet, Logic, Ref, Size, walk
from ..functions import _assembled
from ..scope import HINT_LOOP, Env, inner
from ..values import Items, Octets, Static, Value, is_table, scalar
from .tables import case

MAX_WAYS = 64
MAX_TURNS = 64


@dataclass(frozen=True, slots=True)
class Pick:
    """The entry of a table under *key*, when the entries are objects: ``ways`` are the keys of each."""

    key: Expr
    ways: tuple[tuple[tuple[Any, ...], Any], ...]
    default: Value

    def each(self, change: Any) -> Pick:
        """The same decision with something made of every entry."""
        return Pick(self.key, tuple((keys, change(v)) for keys, v in self.ways), self.default)


def pick(table: dict[Any, Any], key: Expr, default: Value) -> Pick:
    """The decision between the entries of *table*; the same object is one entry."""
    ways: dict[int, tuple[list[Any], Any]] = {}
    for k, v in table.items():
        ways.setdefault(id(v), ([], v))[0].append(k)
    return Pick(key, tuple((tuple(keys), v) for keys, v in ways.values()), default)


class Unfolding:
    """Parts of :class:`~dissector.frontend.packets.bodies.PacketBody`; *self* is one."""

    def split(self: Any, name: str, found: Pick, rest: Sequence[ast.stmt], env: Env, node: ast.stmt) -> Value:
        """What the rest of a function returns, for each entry that *name* may stand for."""
        if len(found.ways) > MAX_WAYS:
            raise self.refuse(node, f"unfolds a table of {len(found.ways)} tables", f"at most {MAX_WAYS}")
        out = self.never if found.default == self.never else self.block(rest, {**env, name: found.default})
        for keys, value in reversed(found.ways):
            test = Cmp("==", found.key, Const(keys[0])) if len(keys) == 1 else InSet(found.key, keys)
            way = self.block(rest, {**env, name: Static(value)})
            if self.never in (way, out):
                out = out if way == self.never else way
            else:
                out = If(test, self.expr(way, node), self.expr(out, node))
        whole: Value = out if out == self.never else self.bounded(out, node)
        return whole

    def unrolled(self: Any, s: ast.For, env: Env) -> list[ast.stmt]:
        """A loop over something that is known, as its turns one behind the other."""
        over: Value = self.e(s.iter, env)
        items = list(over.value) if isinstance(over, Static) and isinstance(over.value, list | tuple) else None
        jumps = any(isinstance(n, ast.Break | ast.Continue) for x in s.body for n in ast.walk(x))
        if items is None or jumps or len(items) > MAX_TURNS or not isinstance(s.target, ast.Name):
            raise self.refuse(s, "loops (for)", HINT_LOOP)
        out: list[ast.stmt] = []
        for i, item in enumerate(items):
            name = f"#{s.lineno}.{i}"
            env[name] = scalar(item) or Static(item)
            turn = ast.Assign([s.target], ast.Name(name, ast.Load()))
            out += [ast.fix_missing_locations(ast.copy_location(turn, s)), *s.body]
        return [*out, *s.orelse]

    def of_entries(self: Any, owner: Pick, key: Value, node: ast.AST) -> Value:
        """``entry[1]`` or ``entry[pkt.code]``."""
        if isinstance(key, Const) and all(isinstance(v, tuple | list) for _, v in owner.ways):
            taken: Value = self.settled(owner.each(lambda v: v[key.value]), node)
            return taken
        raise self.refuse(node, "takes an item of a table's entry", "items are taken by a constant number")

    def settled(self: Any, found: Pick, node: ast.AST) -> Value:
        """A decision between constants as a value of the IR; another one as it is."""
        plain = all(scalar(v) is not None or isinstance(v, type) for _, v in found.ways)
        if not plain or not isinstance(found.default, Expr | Static):
            return found  # type: ignore[return-value]
        default = self.expr(found.default, node) if found.default != self.never else Const(None)
        entries = [(k, self.expr(Static(v), node)) for keys, v in found.ways for k in keys]
        return case(found.key, entries, default)

    def parts(self: Any, found: Pick, count: int, node: ast.AST) -> list[Value]:
        """A decision between tuples as so many decisions."""
        if not all(isinstance(v, tuple | list) and len(v) >= count for _, v in found.ways):
            raise self.refuse(node, "unpacks a table's entry")
        return [self.settled(found.each(lambda v, i=i: v[i]), node) for i in range(count)]


def guarded(e: Expr, other: Expr) -> Expr:
    """*e*, or *other* where it asks for octets that are not there."""
    if isinstance(e, If):
        out: Expr = If(e.c, guarded(e.t, other), guarded(e.f, other))
        needs = [(n.path[:-1], _at(n) or 0) for n in walk(e.c) if isinstance(n, Ref) and _at(n) is not None]
    elif isinstance(e, Case):
        out = Case(e.x, e.entries, guarded(e.default, other))
        needs = [(n.path[:-1], _at(n) or 0) for n in walk(e.x) if isinstance(n, Ref) and _at(n) is not None]
    else:
        return e
    for of, last in {of: max(i for o, i in needs if o == of) for of, _ in needs}.items():
        out = If(Cmp(">", Size(Ref(of)), Const(last)), out, other)
    return out


def _at(n: Expr) -> int | None:
    """The number of an octet that is asked for."""
    inside = isinstance(n, Ref) and len(n.path) == 2 and n.path[0] != "F" and n.path[1].startswith("[")
    return int(n.path[1][1:-1]) if inside and isinstance(n, Ref) else None


def flag_in(body: Any, name: str, ref: Ref, fld: sf.MultiFlagsField, node: ast.AST) -> Expr:
    """``"P" in pkt.flags`` of a field whose bits have names that depend on another field."""
    from ..callables import translate  # noqa: PLC0415  which uses the class that uses this one

    depends = translate(fld.depends_on, body.layer, "", type(body)).expr
    value = Ref(ref.path, "int")
    out: Expr = FALSE
    for kind, names in fld.names.items():
        for bit, entry in names.items():
            if entry.short == name:
                is_set = Cmp("!=", Bin("&", value, Const(1 << bit)), Const(0))
                out = Logic("or", out, Logic("and", Cmp("==", depends, Const(kind)), is_set))
    if out == FALSE:
        raise body.refuse(node, f"{name!r} names no flag of this field")
    return out


def multi_flags(layer: Any, ref: object) -> sf.MultiFlagsField | None:
    """The field with such flags that *ref* is, or None."""
    if not (isinstance(ref, Ref) and len(ref.path) == 2 and ref.path[0] == "F"):
        return None
    found = next((inner(f) for f in getattr(layer, "fields_desc", ()) if f.name == ref.path[1]), None)
    return found if isinstance(found, sf.MultiFlagsField) else None


def known_call(f: object, args: tuple[Value, ...]) -> Value | None:
    """Functions of Scapy's that mean something on octets and fields."""
    if f is bytes_int and len(args) == 1 and isinstance(args[0], Octets):
        return _assembled([Ref((*args[0].of.path, f"[{i}]")) for i in range(args[0].start, args[0].stop)])
    if f is sf.Field.i2len and args and isinstance(args[0], Static):
        size = getattr(args[0].value, "sz", None)
        return Const(size) if type(size) is int else None
    return None


__all__ = ["Items", "Pick", "Unfolding", "flag_in", "is_table", "known_call", "multi_flags", "pick"]
