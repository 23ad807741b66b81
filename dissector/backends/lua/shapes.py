# SPDX-License-Identifier: GPL-2.0-or-later
"""The conditions of a rule as a pattern over the octets of its header, for ``runtime/1_shapes.lua``.

Three conditions on a big-endian integer at a fixed place can be said in a regular expression as soon as the registers
they compare with are known: that it equals a constant, lies below a limit, leaves a rest when divided.  A rule that
asks for nothing else has a shape; others are read by comparing in Lua.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.expr import Bin, Cmp, Const, Expr, Ref, rewrite
from ...ir.steps import Guard, Let, Load, Step
from .printer import Printer

MOST_REGISTERS = 2
"""What ``shape`` of the runtime takes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Conditions as calls of the runtime, and the registers that they look at, in the order of the parameters."""

    conditions: tuple[str, ...]
    registers: tuple[str, ...]

    def lines(self, size: int) -> list[str]:
        """The shape of a header of *size* octets."""
        inside = [f"    {c}," for c in self.conditions]
        head = f"shape({size}, function({', '.join(self.registers)})"
        return [head, "  return {", *inside, "  }", "end)"]


def shape_of(steps: Sequence[Step]) -> Shape | None:
    """The shape that *steps* ask for, or None."""
    loads: dict[str, Load] = {}
    values: dict[tuple[str, ...], Expr] = {}
    registers: list[str] = []
    conditions: list[str] = []

    def register(name: str) -> str:
        if name not in registers:
            registers.append(name)
        return name

    printer = Printer(register)
    for s in steps:
        if isinstance(s, Load):
            loads[s.var] = s
        elif isinstance(s, Let):
            values["L", s.var] = rewrite(s.value, lambda n: values.get(n.path) if isinstance(n, Ref) else None)
        elif isinstance(s, Guard):
            cond = rewrite(s.cond, lambda n: values.get(n.path) if isinstance(n, Ref) else None)
            found = _condition(cond, loads, printer)
            if found is None:
                return None
            conditions.append(found)
    if not conditions or len(registers) > MOST_REGISTERS:
        return None
    return Shape(tuple(conditions), tuple(registers))


def _condition(cond: Expr, loads: dict[str, Load], printer: Printer) -> str | None:
    """The call that says *cond*."""
    match cond:
        case Cmp("==", Bin("%", x, (Const() | Ref(path=("S", _))) as divisor), Const() as rest):
            name, compared = "when_rest", [divisor, rest]
        case Cmp("<", x, (Const() | Ref(path=("S", _))) as limit):
            name, compared = "when_below", [limit]
        case Cmp("==", x, Const() as value):
            name, compared = "when_equal", [value]
        case _:
            return None
    place = _place(x, loads)
    if place is None:
        return None
    return f"{name}({place[0]}, {place[1]}, {', '.join(printer.value(e) for e in compared)})"


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
