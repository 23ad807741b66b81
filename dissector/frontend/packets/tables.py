# SPDX-License-Identifier: GPL-2.0-or-later
"""Decisions by the value of one thing, as one table instead of a chain of comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...ir.expr import Case, Cmp, Const, Expr, If, InSet, Logic, rewrite, walk
from ...ir.simplify import simplify

FEW = 3
"""So many entries are still written as comparisons."""


def case(x: Expr, entries: Sequence[tuple[Any, Expr]], default: Expr) -> Expr:
    """The result for the first entry whose key equals *x*."""
    first: dict[Any, Expr] = {}
    for key, result in entries:
        first.setdefault(key, result)
    constants = [(k, v.value) for k, v in first.items() if isinstance(v, Const)]
    if len(first) > FEW and len(constants) == len(first):
        return Case(x, tuple(constants), default)
    out = default
    for key, result in reversed(first.items()):
        out = If(Cmp("==", x, Const(key)), result, out)
    return out


def decision(e: Expr) -> Expr:
    """*e* with its chains of comparisons of one thing with constants as tables."""
    return rewrite(joined(e), _chain)


def joined(e: Expr) -> Expr:
    """*e* with one question in place of several that lead to the same."""

    def step(n: Expr) -> Expr | None:
        if isinstance(n, If) and isinstance(n.f, If) and n.t == n.f.t:
            return simplify(If(Logic("or", n.c, n.f.c), n.t, n.f.f))
        return None

    return rewrite(e, step)


def _chain(e: Expr) -> Expr | None:
    """``r1 if x == 1 else r2 if x == 2 else ...``, seen from its head: children have been done already."""
    head = _tests(e)
    if head is None or not isinstance(e, If) or not isinstance(e.t, Const):
        return None
    x, keys = head
    rest = e.f
    entries = [(k, e.t.value) for k in keys]
    if isinstance(rest, Case) and rest.x == x:
        known = {k for k, _ in entries}
        return Case(x, (*entries, *((k, v) for k, v in rest.entries if k not in known)), rest.default)
    levels: list[tuple[Any, Any]] = list(entries)
    while (found := _tests(rest)) is not None and found[0] == x and isinstance(rest, If) and isinstance(rest.t, Const):
        taken = {k for k, _ in levels}
        levels += [(k, rest.t.value) for k in found[1] if k not in taken]
        rest = rest.f
    if len(levels) <= FEW:
        return None
    return Case(x, tuple(levels), rest)


def _tests(e: Expr) -> tuple[Expr, tuple[Any, ...]] | None:
    if not isinstance(e, If):
        return None
    c = e.c
    if isinstance(c, Cmp) and c.op == "==" and isinstance(c.b, Const) and _key(c.b.value):
        return c.a, (c.b.value,)
    if isinstance(c, InSet) and all(_key(v) for v in c.values):
        return c.x, c.values
    return None


def _key(value: Any) -> bool:
    return isinstance(value, int | bytes | str) and not isinstance(value, bool)


def results(e: Expr) -> Iterator[Any]:
    """Every constant in *e*, those of tables too."""
    for node in walk(e):
        if isinstance(node, Const):
            yield node.value
        elif isinstance(node, Case):
            yield from (v for _, v in node.entries)


def mapped(e: Expr, names: dict[Any, Expr]) -> Expr:
    """*e* with other expressions in place of constants that are results."""

    def step(node: Expr) -> Expr | None:
        if isinstance(node, Const) and type(node.value) is str:
            return names.get(node.value)
        if isinstance(node, Case) and any(v in names for _, v in node.entries if type(v) is str):
            kept: list[tuple[Any, Any]] = []
            out = node.default
            for k, v in reversed(node.entries):
                new = names.get(v) if type(v) is str else None
                if new is None:
                    kept.append((k, v))
                elif isinstance(new, Const):
                    kept.append((k, new.value))
                else:
                    out = If(Cmp("==", node.x, Const(k)), new, out)
            return Case(node.x, tuple(reversed(kept)), out) if kept else out
        return None

    return rewrite(e, step)
