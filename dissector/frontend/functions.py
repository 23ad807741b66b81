# SPDX-License-Identifier: GPL-2.0-or-later
"""The builtin functions that mean something on the wire, one method each.

The list is short because most builtins make something that a dissector cannot have: text, lists, objects.  What is here
takes integers and octets and gives integers and truth values, or is known at once.  Questions about the packet itself
(``isinstance``, ``hasattr``) have an answer because a translation is made for one layer.
"""

from __future__ import annotations

import ast
import struct

from scapy import compat
from scapy.fields import StrField

from dissector.frontend.expressions import Expressions
from dissector.frontend.scope import HINT_PACKET, describe
from dissector.frontend.values import PACKET, Items, Octets, Static, Value, number
from dissector.ir.expr import Bin, Const, Expr, If, Ref, Size, Un, rewrite
from dissector.ir.simplify import simplify

_FORMATS = {"B": 1, "H": 2, "I": 4, "L": 4, "Q": 8}


class Functions(Expressions):
    """Translation of calls of builtin functions."""

    def builtin(self, function: object, args: tuple[Value, ...], node: ast.Call) -> Value | None:
        """The value of calling *function*, or None if it has no meaning of its own."""
        try:
            handler = _BUILTINS.get(function)
        except TypeError:
            return None  # not hashable, so not one of them
        if handler is None:
            return None
        value: Value = getattr(self, "call_" + handler)(args, node)
        return value

    def call_len(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``len(x)``."""
        x = self.only(args, node)
        if x == PACKET or (isinstance(x, Expr) and not isinstance(x, Const) and x.type in ("any", "bytes")):
            return Size(x)
        if isinstance(x, Items):
            return Const(len(x.items))
        if isinstance(x, Static | Const) and hasattr(x.value, "__len__"):
            return Const(len(x.value))
        raise self.refuse(node, f"takes the length of {describe(x)}")

    def call_int(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``int(x)`` of something that is an integer already."""
        x = self.expr(self.only(args, node), node)
        if isinstance(x, Const):
            if not isinstance(x.value, int):
                raise self.refuse(node, "makes a number of a text")
            return Const(int(x.value))
        if isinstance(x, Ref) and isinstance(self.field_of(x), StrField):
            raise self.refuse(node, "makes a number of a text")
        return rewrite(number(x), _as_int) if self.is_flags(x) else number(x)

    def call_bool(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``bool(x)``."""
        return simplify(Un("not", Un("not", self.truth_of(self.only(args, node), node))))

    def call_min(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``min(a, b, ...)``."""
        return self.extreme("<=", args, node)

    def call_max(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``max(a, b, ...)``."""
        return self.extreme(">=", args, node)

    def extreme(self, op: str, args: tuple[Value, ...], node: ast.Call) -> Expr:
        """The first of *args* that is as small or as large as the others."""
        if len(args) == 1 and isinstance(args[0], Items):
            args = args[0].items
        if len(args) < 2:
            raise self.refuse(node, "takes the extreme of a list of unknown length")
        best, *others = (self.expr(a, node) for a in args)
        for e in others:
            best = self.bounded(If(self.ordered(op, best, e, node), best, e), node)
        return best

    def call_abs(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``abs(x)``."""
        x = number(self.expr(self.only(args, node), node))
        return If(self.ordered(">=", x, Const(0), node), x, Un("-", x))

    def call_ord(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``ord(data[0:1])``, ``orb(data[0])``."""
        x = self.only(args, node)
        if isinstance(x, Octets) and x.stop - x.start == 1:
            return Ref((*x.of.path, f"[{x.start}]"))
        if isinstance(x, Ref) and x.path[-1].startswith("["):
            return x
        raise self.refuse(node, f"takes the code of {describe(x)}")

    def call_getattr(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``getattr(pkt, "name")``, with or without a default."""
        if len(args) not in (2, 3) or not isinstance(args[1], Const) or not isinstance(args[1].value, str):
            raise self.refuse(node, "calls getattr() with a name that is not a constant")
        name = args[1].value
        there = True if len(args) == 2 else self.asked(args[0], name, node)
        return self.attribute(args[0], name, node) if there else args[2]

    def call_hasattr(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``hasattr(pkt, "name")``."""
        if len(args) != 2 or not isinstance(args[1], Const) or not isinstance(args[1].value, str):
            raise self.refuse(node, "calls hasattr() with a name that is not a constant")
        return Const(self.asked(args[0], args[1].value, node))

    def asked(self, owner: Value, name: str, node: ast.Call) -> bool:
        """Whether *owner* has an attribute *name*, if that is known."""
        there = self.presence(name) if owner == PACKET else None
        if there is None:
            raise self.refuse(node, f"asks whether there is an attribute {name!r}", HINT_PACKET)
        return there

    def call_isinstance(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``isinstance(pkt, Layer)``: known, because the translation is made for one layer."""
        if len(args) == 2 and args[0] == PACKET and isinstance(args[1], Static) and self.layer is not None:
            wanted = args[1].value
            if isinstance(wanted, type) or (isinstance(wanted, tuple) and all(isinstance(t, type) for t in wanted)):
                return Const(issubclass(self.layer, wanted))
        raise self.refuse(node, "asks for the type of something that is read from the wire", HINT_PACKET)

    def call_range(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``range(a, b)``, for ``in``."""
        known = [a.value for a in args if isinstance(a, Const) and isinstance(a.value, int)]
        if len(known) != len(args) or not 1 <= len(known) <= 3 or known[2:] == [0]:
            raise self.refuse(node, "makes a range whose ends are not constants")
        return Static(range(*known))

    def call_tuple(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``tuple(CONSTANTS)`` and the like."""
        x = self.only(args, node)
        known = x.value if isinstance(x, Static) else None
        if isinstance(x, Items) or isinstance(known, tuple | list | set | frozenset | range):
            return x
        raise self.refuse(node, f"makes a list of {describe(x)}")

    def call_unpack(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``struct.unpack("!HB", data[0:3])`` of unsigned integers."""
        form = args[0].value if len(args) == 2 and isinstance(args[0], Const) else None
        data = args[-1]
        if not isinstance(form, str) or form[:1] not in ("!", ">", "<") or any(c not in _FORMATS for c in form[1:]):
            raise self.refuse(node, "unpacks more than unsigned integers of a given byte order")
        if not isinstance(data, Octets) or struct.calcsize(form) != data.stop - data.start:
            raise self.refuse(node, "unpacks something else than a slice of that size", 'write unpack("!H", data[0:2])')
        out, at = [], data.start
        for size in (_FORMATS[c] for c in form[1:]):
            octets: list[Expr] = [Ref((*data.of.path, f"[{at + i}]")) for i in range(size)]
            out.append(_assembled(octets[::-1] if form[0] == "<" else octets))
            at += size
        return Items(tuple(out))

    def call_calcsize(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``struct.calcsize("!H")``."""
        x = self.only(args, node)
        form = x.value if isinstance(x, Const) else None
        if not isinstance(form, str) or form[:1] not in ("!", ">", "<", "="):
            raise self.refuse(node, "asks for a size that differs between machines", "start the format with ! or <")
        try:
            return Const(struct.calcsize(form))
        except struct.error as exc:
            raise self.refuse(node, f"{form!r} is no format: {exc}") from exc

    def only(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """The one argument."""
        if len(args) != 1:
            raise self.refuse(node, f"calls a function with {len(args)} arguments instead of one")
        return args[0]


_BUILTINS: dict[object, str] = {
    len: "len",
    int: "int",
    bool: "bool",
    min: "min",
    max: "max",
    abs: "abs",
    ord: "ord",
    getattr(compat, "orb", ord): "ord",  # Scapy before 2.7
    getattr: "getattr",
    hasattr: "hasattr",
    isinstance: "isinstance",
    range: "range",
    tuple: "tuple",
    list: "tuple",
    set: "tuple",
    frozenset: "tuple",
    struct.unpack: "unpack",
    struct.calcsize: "calcsize",
}


def _as_int(e: Expr) -> Expr | None:
    """A reference to a set of flags, as the number that it is on the wire."""
    return Ref(e.path, "int") if isinstance(e, Ref) else None


def _assembled(octets: list[Expr]) -> Expr:
    """The unsigned integer whose octets these are, the most significant first."""
    out = octets[0]
    for octet in octets[1:]:
        out = Bin("|", Bin("<<", out, Const(8)), octet)
    return out
