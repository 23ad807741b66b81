# SPDX-License-Identifier: GPL-2.0-or-later
"""Lowered expressions as Python.

The printer knows precedence, so that what it prints can be read.  Python's operators mean what the IR's do, with two
exceptions, both for octets that somebody made up to hurt:

* a division by nothing gives 0 (so does a remainder); the executors must go on, whatever a stream divides by;
* a shift by a negative number, or by more than 63 bits to the left, gives 0: nobody may ask for a gigabyte of zeros.

Neither costs anything where the right operand is a constant.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..errors import DissectorError
from ..ir.expr import Bin, Cmp, Const, Expr, If, InSet, IsNone, Logic, Lookup, Printable, Ref, Size, Un, UntilNul

CHOICE, OR, AND, NOT, COMPARE, BIT_OR, BIT_XOR, BIT_AND, SHIFT, ADD, MUL, UNARY, ATOM = range(13)
PRECEDENCE = {
    "|": BIT_OR,
    "^": BIT_XOR,
    "&": BIT_AND,
    "<<": SHIFT,
    ">>": SHIFT,
    "+": ADD,
    "-": ADD,
    "*": MUL,
    "/": MUL,
    "//": MUL,
    "%": MUL,
}
WIDEST = 63
"""The greatest shift to the left."""

SET_SIZE = 4
"""From so many values on a membership test is a set's."""

Text = tuple[str, int]

is_printable = re.compile(rb"[ -~]+").fullmatch
"""What the printed code calls for :class:`~dissector.ir.expr.Printable`."""


class Printer:
    """Prints expressions; *name* gives the Python name of a reference."""

    def __init__(self, name: Callable[[Ref], str]) -> None:
        self.name = name

    def value(self, e: Expr) -> str:
        """*e* as a value."""
        return self._p(e)[0]

    def number(self, e: Expr) -> str:
        """*e* as something to keep: a truth value as 0 or 1."""
        return f"int({self.value(e)})" if e.type == "bool" else self.value(e)

    def operand(self, e: Expr, precedence: int) -> str:
        """*e*, in parentheses if it binds less than *precedence*."""
        text, p = self._p(e)
        return text if p >= precedence else f"({text})"

    def _p(self, e: Expr) -> Text:
        method = getattr(self, "_" + type(e).__name__.lower(), None)
        if method is None:
            raise DissectorError("stream", f"{type(e).__name__} is left over in a lowered expression: {e!r}")
        out: Text = method(e)
        return out

    def _const(self, e: Const) -> Text:
        negative = isinstance(e.value, int) and e.value < 0
        return repr(e.value), UNARY if negative else ATOM

    def _ref(self, e: Ref) -> Text:
        return self.name(e), ATOM

    def _size(self, e: Size) -> Text:
        return f"len({self.value(e.of)})", ATOM

    def _untilnul(self, e: UntilNul) -> Text:
        return f"{self.operand(e.of, ATOM)}.partition(b'\\0')[0]", ATOM

    def _un(self, e: Un) -> Text:
        if e.op == "not":
            return f"not {self.operand(e.x, NOT)}", NOT
        return f"{e.op}{self.operand(e.x, UNARY)}", UNARY

    def _bin(self, e: Bin) -> Text:
        p = PRECEDENCE[e.op]
        plain = f"{self.operand(e.a, p)} {e.op} {self.operand(e.b, p + 1)}"
        if e.op in ("/", "//", "%") and not _is_known(e.b, least=1):
            return f"{plain} if {self.operand(e.b, OR)} else 0", CHOICE
        if e.op == "<<" and not _is_known(e.b, least=0, most=WIDEST):
            return f"{plain} if 0 <= {self.operand(e.b, COMPARE + 1)} <= {WIDEST} else 0", CHOICE
        if e.op == ">>" and not _is_known(e.b, least=0):
            return f"{plain} if {self.operand(e.b, COMPARE + 1)} >= 0 else 0", CHOICE
        return plain, p

    def _cmp(self, e: Cmp) -> Text:
        return f"{self.operand(e.a, COMPARE + 1)} {e.op} {self.operand(e.b, COMPARE + 1)}", COMPARE

    def _logic(self, e: Logic) -> Text:
        p = AND if e.op == "and" else OR
        return f"{self.operand(e.a, p)} {e.op} {self.operand(e.b, p)}", p

    def _isnone(self, e: IsNone) -> Text:
        return f"{self.operand(e.x, COMPARE + 1)} is None", COMPARE

    def _inset(self, e: InSet) -> Text:
        values = ", ".join(repr(v) for v in e.values)
        if len(e.values) >= SET_SIZE:
            values = f"{{{values}}}"
        else:
            values = f"({values},)" if len(e.values) == 1 else f"({values})"
        return f"{self.operand(e.x, COMPARE + 1)} in {values}", COMPARE

    def _if(self, e: If) -> Text:
        return f"{self.operand(e.t, OR)} if {self.operand(e.c, OR)} else {self.operand(e.f, CHOICE)}", CHOICE

    def _lookup(self, e: Lookup) -> Text:
        return f"{self.name(e.map)}.get({self.value(e.key)}, {e.default.value!r})", ATOM

    def _printable(self, e: Printable) -> Text:
        return f"is_printable({self.value(e.of)}) is not None", COMPARE


def _is_known(e: Expr, least: int, most: int | None = None) -> bool:
    """Whether *e* is a constant in these limits."""
    if not isinstance(e, Const) or not isinstance(e.value, int):
        return False
    return e.value >= least and (most is None or e.value <= most)
