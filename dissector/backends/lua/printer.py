# SPDX-License-Identifier: GPL-2.0-or-later
"""Lowered expressions as Lua that means the same from Lua 5.1 to 5.4.

What shapes the output:

* no ``& | ~ >> <<`` and no ``//``: they are syntax errors before 5.3.  A test of one bit is ``x % 2m >= m``, which is
  also eight times cheaper than a call of ``bit.band``; only what cannot be said in arithmetic calls ``bit``, whose
  results are signed and therefore taken modulo 2**32.
* numbers are doubles before 5.3.  Integers above 2**53 never reach an expression that needs them exactly: the
  lowering compares them half by half and a :class:`~dissector.ir.pdus.Part` only looks at its half.
* 0 and "" are true: a condition is always a comparison.
"""

from __future__ import annotations

from collections.abc import Callable

from ...ir.expr import (
    Bin,
    Cmp,
    Const,
    Expr,
    If,
    InSet,
    IsNone,
    Logic,
    Lookup,
    Printable,
    Ref,
    Size,
    Un,
    UntilNul,
)
from ...ir.simplify import truth

ATOM, UNARY, MUL, ADD, CONCAT, COMPARE, AND, OR = 12, 11, 10, 9, 8, 3, 2, 1
Text = tuple[str, int]

KEYWORDS = frozenset(
    ["and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil"]
) | {"not", "or", "repeat", "return", "then", "true", "until", "while"}


def string(v: bytes | str) -> str:
    """A Lua string literal; octets outside printable ASCII as decimal escapes."""
    octets = v.encode() if isinstance(v, str) else v
    out = []
    for c in octets:
        if c in b'"\\':
            out.append("\\" + chr(c))
        else:
            out.append(chr(c) if 32 <= c < 127 else f"\\{c:03d}")
    return '"' + "".join(out) + '"'


def number(v: int) -> str:
    """A Lua numeral: decimal when small, else hexadecimal, a float from 2**32 on.

    The float keeps arithmetic with it out of 64-bit integers, which Lua has from 5.3 on and which wrap silently.
    """
    if abs(v) < 1 << 10:
        return str(v)
    return hex(v) if abs(v) < 1 << 32 else f"{float(v)!r}"


class Printer:
    """Prints expressions.  *register* gives the Lua expression of a register by name."""

    def __init__(self, register: Callable[[str], str]) -> None:
        self.register = register

    def value(self, e: Expr) -> str:
        """*e* as a value."""
        return self._p(e)[0]

    def cond(self, e: Expr) -> str:
        """*e* as a condition."""
        return self._p(self._test(truth(e)))[0]

    def operand(self, e: Expr, precedence: int) -> str:
        """*e* in parentheses if it binds less than *precedence*."""
        text, p = self._p(e)
        return text if p >= precedence else f"({text})"

    def _test(self, e: Expr) -> Expr:
        """A boolean expression for a value in boolean position."""
        if e.type == "bool":
            if isinstance(e, Logic):
                return Logic(e.op, self._test(e.a), self._test(e.b))
            if isinstance(e, Un):
                return Un("not", self._test(e.x))
            if not isinstance(e, If):
                return e
        if isinstance(e, If):
            c = self._test(e.c)
            return Logic("or", Logic("and", c, self._test(e.t)), Logic("and", Un("not", c), self._test(e.f)))
        if e.type == "int":
            return Cmp("!=", e, Const(0))
        if e.type == "bytes":
            return Cmp("!=", e, Const(b""))
        raise TypeError(f"a value of unknown type in a condition: {e!r}")

    def _p(self, e: Expr) -> Text:
        out: Text = getattr(self, "_" + type(e).__name__.lower())(e)
        return out

    def _const(self, e: Const) -> Text:
        if isinstance(e.value, bool):
            return str(e.value).lower(), ATOM
        if isinstance(e.value, int):
            return number(e.value), ATOM if e.value >= 0 else UNARY
        if isinstance(e.value, bytes | str):
            return string(e.value), ATOM
        return "nil", ATOM

    def _ref(self, e: Ref) -> Text:
        scope, name = e.path
        if scope == "S":
            return self.register(name), ATOM
        return (f"pref.{name}" if scope == "P" else name), ATOM

    def _size(self, e: Size) -> Text:
        return f"#{self.operand(e.of, UNARY)}", UNARY

    def _untilnul(self, e: UntilNul) -> Text:
        return f"until_nul({self.value(e.of)})", ATOM

    def _un(self, e: Un) -> Text:
        if e.op == "not":
            return f"not {self.operand(self._test(e.x), UNARY)}", UNARY
        if e.op == "~":
            return f"-1 - {self.operand(e.x, MUL)}", ADD
        return f"-{self.operand(e.x, UNARY)}", UNARY

    def _bin(self, e: Bin) -> Text:
        if e.op in "+-":
            return f"{self.operand(e.a, ADD)} {e.op} {self.operand(e.b, ADD + 1)}", ADD
        if e.op in ("*", "%"):
            return f"{self.operand(e.a, MUL)} {e.op} {self.operand(e.b, MUL + 1)}", MUL
        if e.op == "//":
            return f"floor({self.operand(e.a, MUL)} / {self.operand(e.b, MUL + 1)})", ATOM
        if e.op == "<<":
            return f"{self.operand(e.a, MUL)} * 2 ^ {self.operand(e.b, ATOM)}", MUL
        if e.op == ">>":
            return f"floor({self.operand(e.a, MUL)} / 2 ^ {self.operand(e.b, ATOM)})", ATOM
        return self._bits(e)

    def _bits(self, e: Bin) -> Text:
        mask = e.b.value if isinstance(e.b, Const) and isinstance(e.b.value, int) else -1
        if e.op == "&" and mask >= 0 and mask & (mask + 1) == 0:
            return f"{self.arithmetic(e.a, MUL)} % {number(mask + 1)}", MUL
        if e.op == "&" and mask > 0 and mask & (mask - 1) == 0:
            a = self.arithmetic(e.a, MUL)
            return f"{a} % {number(2 * mask)} - {a} % {number(mask)}", ADD
        name = {"&": "band", "|": "bor", "^": "bxor"}.get(e.op)
        if name is None:
            raise TypeError(f"no Lua for the operator {e.op!r}")
        return self.bitwise(name, e)

    def arithmetic(self, e: Expr, precedence: int) -> str:
        """*e* as an operand of arithmetic."""
        return self.operand(e, precedence)

    def bitwise(self, name: str, e: Bin) -> Text:
        """What only Wireshark's library for bits can do, of numbers below 2**32."""
        return f"bit.{name}({self.value(e.a)}, {self.value(e.b)}) % 4294967296", MUL

    def _cmp(self, e: Cmp) -> Text:
        mask = self._single_bit(e)
        if mask is not None:
            test = f"{self.operand(mask[0], MUL)} % {number(2 * mask[1])}"
            return f"{test} {'>=' if e.op == '!=' else '<'} {number(mask[1])}", COMPARE
        op = "~=" if e.op == "!=" else e.op
        return f"{self.operand(e.a, COMPARE + 1)} {op} {self.operand(e.b, COMPARE + 1)}", COMPARE

    @staticmethod
    def _single_bit(e: Cmp) -> tuple[Expr, int] | None:
        """``x & 8 != 0`` and ``x & 8 == 0``: (x, 8)."""
        if e.op not in ("==", "!=") or e.b != Const(0) or not isinstance(e.a, Bin) or e.a.op != "&":
            return None
        mask = e.a.b.value if isinstance(e.a.b, Const) else None
        if isinstance(mask, int) and mask > 0 and mask & (mask - 1) == 0:
            return e.a.a, mask
        return None

    def _logic(self, e: Logic) -> Text:
        p = AND if e.op == "and" else OR
        return f"{self.operand(self._test(e.a), p)} {e.op} {self.operand(self._test(e.b), p)}", p

    def _isnone(self, e: IsNone) -> Text:
        return f"{self.operand(e.x, COMPARE + 1)} == nil", COMPARE

    def _inset(self, e: InSet) -> Text:
        if not e.values:
            return "false", ATOM
        values = list(e.values)
        ints = [v for v in values if isinstance(v, int)]
        if len(ints) == len(values) > 2 and ints == list(range(ints[0], ints[0] + len(ints))):
            x = self.operand(e.x, COMPARE + 1)
            return f"{x} >= {number(ints[0])} and {x} <= {number(ints[-1])}", AND
        tests = [self._p(Cmp("==", e.x, Const(v)))[0] for v in values]
        return " or ".join(tests), OR if len(tests) > 1 else COMPARE

    def _if(self, e: If) -> Text:
        # "c and t or f" is exact as long as t is neither nil nor false, and no int or string is.
        c, t, f = self._test(e.c), e.t, e.f
        if t.type in ("int", "bytes"):
            return f"{self.operand(c, AND)} and {self.operand(t, AND + 1)} or {self.operand(f, OR)}", OR
        if e.type == "bool":
            return self._p(self._test(e))
        raise TypeError(f"a choice between values of unknown type: {e!r}")

    def _lookup(self, e: Lookup) -> Text:
        return f"(recall({self.register(e.map.path[1])}, {self.value(e.key)}) or {self.value(e.default)})", ATOM

    def _printable(self, e: Printable) -> Text:
        return f"printable({self.value(e.of)})", ATOM
