# SPDX-License-Identifier: GPL-2.0-or-later
"""What every expression means: the reference that executors are compared with, written to be read, not to be fast.

A value is what Python makes of it.  Only a peek can fail: octets that are not there yet are asked for with
:class:`NeedMore`, so that whoever has the stream can wait for them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from .expr import (
    Bin,
    Case,
    Cmp,
    Const,
    Expr,
    If,
    InSet,
    IsNone,
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

BIN: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
CMP: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NeedMore(Exception):
    """A peek reaches past the octets at hand.  Nothing has changed; ``octets`` from the cursor are needed."""

    def __init__(self, octets: int) -> None:
        super().__init__(octets)
        self.octets = octets


class Evaluator:
    """The reference meaning of every node, written to be read, not to be fast."""

    def __init__(self, args: Mapping[str, Any], ahead: bytes | bytearray | memoryview = b"") -> None:
        self.args, self.ahead = args, ahead

    def __call__(self, e: Expr) -> Any:
        return getattr(self, "_" + type(e).__name__.lower())(e)

    def _const(self, e: Const) -> Any:
        return e.value

    def _ref(self, e: Ref) -> Any:
        v: Any = self.args[e.path[0]]
        for name in e.path[1:]:
            v = self._step(v, name)
        return v

    @staticmethod
    def _step(v: Any, name: str) -> Any:
        if isinstance(v, Mapping):
            return v[name]
        return v[int(name[1:-1])] if name.startswith("[") else getattr(v, name)

    def _size(self, e: Size) -> int:
        return len(self(e.of))

    def _untilnul(self, e: UntilNul) -> bytes:
        return bytes(self(e.of)).partition(b"\0")[0]

    def _un(self, e: Un) -> Any:
        x = self(e.x)
        return (not x) if e.op == "not" else -x if e.op == "-" else ~x

    def _bin(self, e: Bin) -> Any:
        return BIN[e.op](self(e.a), self(e.b))

    def _cmp(self, e: Cmp) -> bool:
        return CMP[e.op](self(e.a), self(e.b))

    def _logic(self, e: Logic) -> bool:
        return bool((self(e.a) and self(e.b)) if e.op == "and" else (self(e.a) or self(e.b)))

    def _isnone(self, e: IsNone) -> bool:
        return self(e.x) is None

    def _inset(self, e: InSet) -> bool:
        return self(e.x) in e.values

    def _if(self, e: If) -> Any:
        return self(e.t) if self(e.c) else self(e.f)

    def _case(self, e: Case) -> Any:
        key = self(e.x)
        for known, result in e.entries:
            if known == key:
                return result
        return self(e.default)

    def _lookup(self, e: Lookup) -> Any:
        return self(e.map).get(self(e.key), e.default.value)

    def _peek(self, e: Peek) -> int:
        return int.from_bytes(self._octets(self(e.offset), e.size), "big")

    def _peekbytes(self, e: PeekBytes) -> bytes:
        return self._octets(self(e.offset), self(e.size))

    def _printable(self, e: Printable) -> bool:
        v = self(e.of)
        return len(v) > 0 and all(0x20 <= c <= 0x7E for c in v)

    def _octets(self, offset: int, size: int) -> bytes:
        if len(self.ahead) < offset + size:
            raise NeedMore(offset + size)
        return bytes(self.ahead[offset : offset + size])


def evaluate(e: Expr, args: Mapping[str, Any], ahead: bytes | bytearray | memoryview = b"") -> Any:
    """The value of *e*.  *args* maps the first path element of every reference to an object or mapping.

    Raises :class:`NeedMore` when a peek reaches past *ahead*.
    """
    return Evaluator(args, ahead)(e)
