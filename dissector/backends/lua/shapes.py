# SPDX-License-Identifier: GPL-2.0-or-later
"""The conditions of a rule as a pattern over the octets of its header, for ``runtime/1_shapes.lua``.

Three conditions on a big-endian integer at a fixed place can be said in a regular expression as soon as the registers
they compare with are known: that it equals a constant, lies below a limit, leaves a rest when divided.  That no finding
is met is mostly of the second kind: "not, if there is a limit, one page more than the limit" is a limit, too.  A rule
that asks for nothing else has a shape; others are read by comparing in Lua.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...ir.expr import Bin, Cmp, Const, Expr, If, Logic, Ref, Un, rewrite
from ...ir.loops import of_registers
from ...ir.simplify import simplify
from ...ir.steps import Guard, Let, Load, Step
from .printer import Printer

MOST_PARAMETERS = 2
"""What ``shape`` of the runtime takes."""

EVERYTHING = Const(1 << 64)
"""No integer of eight octets reaches this limit."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Conditions as calls of the runtime, and the values that they compare with, by the names that they have there."""

    conditions: tuple[str, ...]
    parameters: Mapping[str, Expr]

    def lines(self, size: int) -> list[str]:
        """The shape of a header of *size* octets."""
        inside = [f"    {c}," for c in self.conditions]
        head = f"shape({size}, function({', '.join(self.parameters)})"
        return [head, "  return {", *inside, "  }", "end)"]


def shape_of(steps: Sequence[Step]) -> Shape | None:
    """The shape that *steps* ask for, or None."""
    loads: dict[str, Load] = {}
    values: dict[tuple[str, ...], Expr] = {}
    parameters: dict[str, Expr] = {}
    conditions: list[str] = []

    def settled(e: Expr) -> Expr:
        return rewrite(e, lambda n: values.get(n.path) if isinstance(n, Ref) else None)

    for s in steps:
        if isinstance(s, Load):
            loads[s.var] = s
        elif isinstance(s, Let):
            values["L", s.var] = settled(s.value)
        elif isinstance(s, Guard):
            found = _condition(settled(s.cond), loads, parameters)
            if found is None:
                return None
            conditions.append(found)
    if not conditions or len(parameters) > MOST_PARAMETERS:
        return None
    return Shape(tuple(conditions), parameters)


def _condition(cond: Expr, loads: dict[str, Load], parameters: dict[str, Expr]) -> str | None:
    """The call that says *cond*; what it compares with becomes a parameter."""

    def parameter(e: Expr) -> str:
        if isinstance(e, Const):
            return Printer(str).value(e)
        for name, known in parameters.items():
            if known == e:
                return name
        name = e.path[1] if isinstance(e, Ref) else f"limit_{len(parameters) + 1}"
        parameters[name] = e
        return name

    match cond:
        case Cmp("==", Bin("%", x, divisor), Const() as rest) if of_registers(divisor):
            name, compared = "when_rest", [divisor, rest]
        case Cmp("==", x, Const() as value):
            name, compared = "when_equal", [value]
        case _:
            below = _below(cond)
            if below is None:
                return None
            x, limit = below
            name, compared = "when_below", [limit]
    place = _place(x, loads)
    if place is None:
        return None
    return f"{name}({place[0]}, {place[1]}, {', '.join(parameter(e) for e in compared)})"


def _below(cond: Expr) -> tuple[Expr, Expr] | None:
    """An integer and the limit of registers below which it is exactly where *cond* holds."""
    match cond:
        case Cmp("<", x, limit) if of_registers(limit):
            return x, limit
        case Un("not", Cmp(">", Bin("+", x, more), most)) if of_registers(more) and of_registers(most):
            return x, simplify(Bin("-", Bin("+", most, Const(1)), more))
        case Un("not", Cmp(">", x, most)) if of_registers(most):
            return x, Bin("+", most, Const(1))
        case Un("not", Logic("and", only_if, bad)) if of_registers(only_if):
            below = _below(Un("not", bad))
            return None if below is None else (below[0], If(only_if, below[1], EVERYTHING))
    return None


def _place(e: Expr, loads: dict[str, Load]) -> tuple[int, int] | None:
    """Offset and size of the integer that *e* is, which two halves may make up."""
    match e:
        case Ref(path=("L", var)) if var in loads:
            load = loads[var]
            if load.little or not isinstance(load.offset, Const) or not isinstance(load.offset.value, int):
                return None
            return load.offset.value, load.size
        case Bin("+", Bin("*", high, Const(value=0x100000000)), low):
            a, b = _place(high, loads), _place(low, loads)
            if a is not None and b is not None and b == (a[0] + a[1], 4):
                return a[0], a[1] + 4
    return None
