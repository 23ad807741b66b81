# SPDX-License-Identifier: GPL-2.0-or-later
"""Comparisons, membership, tables and sets of flags: wherever two values meet and their kinds matter.

Python compares anything with anything; Lua and C do not, and ``1 == true`` is false in Lua.  So the kinds are settled
here, once:

* A truth value is compared as 1 or 0, unless with another truth value; ``== None`` is a question of its own.
* ``is`` means something for None and for classes only.
* A slice may be shorter than it looks: ``data[0:2] == b"ok"`` is also the question whether there are two octets.
* A ``FlagsField`` is no integer in Python.  ``pkt.flags & "SA"``, ``pkt.flags == "S"`` and ``pkt.flags.S`` name bits,
  so the names become masks; and ``pkt.flags - 1`` takes a *bit* away, so arithmetic on flags is refused.
* Members of a set have an order that depends on the hash seed, so they are sorted: the output must not.
"""

from __future__ import annotations

import ast
from collections.abc import Sized

from dissector.frontend.scope import HINT_FLAGS, HINT_PACKET, Scope, describe
from dissector.frontend.values import PACKET, Items, Octets, Static, Value, number, scalar, scalars
from dissector.ir.expr import FALSE, TRUE, Bin, Cmp, Const, Expr, If, InSet, IsNone, Logic, Ref, Size, Un

MAX_SET = 256
MAX_TABLE = 64

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.NotEq: ast.Eq, ast.NotIn: ast.In, ast.IsNot: ast.Is}


class Comparisons(Scope):
    """What two values have to do with each other."""

    def comparison(self, op: ast.cmpop, a: Value, b: Value, node: ast.AST) -> Expr:
        """``a op b``."""
        opposite = _OPPOSITES.get(type(op))
        if opposite is not None:
            return Un("not", self.comparison(opposite(), a, b, node))
        if isinstance(op, ast.In):
            return self.membership(a, b, node)
        if isinstance(op, ast.Is):
            return self.identity(a, b, node)
        if isinstance(op, ast.Eq) and isinstance(b, Items | Octets) and not isinstance(a, Items | Octets):
            a, b = b, a
        if isinstance(op, ast.Eq) and isinstance(a, Items):
            return self.equal_items(a, b, node)
        if isinstance(op, ast.Eq) and isinstance(a, Octets):
            return self.equal_octets(a, b, node)
        return self.ordered(_OPERATORS[type(op)], self.expr(a, node), self.expr(b, node), node)

    def ordered(self, op: str, a: Expr, b: Expr, node: ast.AST) -> Expr:
        """``a op b`` of two values; a truth value is compared as a number unless both are truth values."""
        a, b = self.mask(b, a, node), self.mask(a, b, node)
        self.check_flags(a, b, node)
        self.check_flags(b, a, node)
        if op == "==" and Const(None) in (a, b):
            return IsNone(a if b == Const(None) else b)
        if "bool" in (a.type, b.type) and not (a.type == b.type and op == "=="):
            a, b = number(a), number(b)
        return Cmp(op, a, b)

    def identity(self, a: Value, b: Value, node: ast.AST) -> Expr:
        """``a is b``."""
        for x, y in ((a, b), (b, a)):
            if y == Const(None):
                return Const(value=False) if isinstance(x, Static) else IsNone(self.expr(x, node))
        if isinstance(a, Static) and isinstance(b, Static):
            return Const(a.value is b.value)
        ea, eb = self.expr(a, node), self.expr(b, node)
        if (self.is_class(ea) and self.is_class(eb)) or ea.type == eb.type == "bool":
            return Cmp("==", ea, eb)
        raise self.refuse(node, "compares identities (is)", "use ==; `is` is for None")

    def is_class(self, e: Expr) -> bool:
        """True when *e* is one of several classes, or None."""
        if isinstance(e, If):
            return self.is_class(e.t) and self.is_class(e.f)
        return isinstance(e, Const) and (e.value is None or e.value in self.session.classes)

    def membership(self, a: Value, b: Value, node: ast.AST) -> Expr:
        """``a in b``."""
        if isinstance(a, Const) and isinstance(b, Ref) and self.flag_names(b):
            return Cmp("!=", Bin("&", b, self.mask(b, a, node)), Const(0))
        if isinstance(b, Items):
            out: Expr = FALSE
            for item in reversed(b.items):
                out = Logic("or", self.comparison(ast.Eq(), a, item, node), out)
            return out
        held = b.value if isinstance(b, Static) else None
        if isinstance(held, range) and held.step == 1 and held:
            x = self.expr(a, node)
            inside = Logic("and", Cmp(">=", x, Const(held.start)), Cmp("<", x, Const(held.stop)))
            return Logic("and", Un("not", IsNone(x)), inside)
        if isinstance(held, Sized) and len(held) > MAX_SET:
            raise self.refuse(node, f"looks into {len(held)} constants", f"at most {MAX_SET}")
        known = scalars(held)
        if known is None:
            hint = HINT_PACKET if b == PACKET else "`in` is for a list of constants"
            raise self.refuse(node, f"looks into {describe(b)} (in)", hint)
        x = self.expr(a, node)
        masks = [self.mask(x, c if x.type == "bool" else number(c), node) for c in known]
        for c in masks:
            self.check_flags(x, c, node)
        return InSet(x, tuple(dict.fromkeys(c.value for c in masks if isinstance(c, Const))))

    def equal_items(self, a: Items, b: Value, node: ast.AST) -> Expr:
        """``(pkt.a, pkt.b) == (1, 2)``."""
        others: tuple[Value, ...] | None = b.items if isinstance(b, Items) else None
        if isinstance(b, Static) and isinstance(b.value, tuple):
            others = tuple(scalar(v) or Static(v) for v in b.value)
        if others is None or len(others) != len(a.items):
            raise self.refuse(node, f"compares a list with {describe(b)}")
        out: Expr = TRUE
        for x, y in zip(reversed(a.items), reversed(others), strict=True):
            out = Logic("and", self.comparison(ast.Eq(), x, y, node), out)
        return out

    def equal_octets(self, a: Octets, b: Value, node: ast.AST) -> Expr:
        """``data[i:j] == b"..."``: as many octets, and each of them."""
        if not (isinstance(b, Const) and isinstance(b.value, bytes)):
            raise self.refuse(node, f"compares a slice with {describe(b)}", "compare it with constant octets")
        want = b.value
        if len(want) > a.stop - a.start:
            return FALSE
        end = Const(a.start + len(want))
        whole = len(want) == a.stop - a.start
        out: Expr = Cmp(">=" if whole else "==", Size(a.of), end)
        if not want:
            return TRUE if whole else Cmp("<=", Size(a.of), end)
        for i, octet in enumerate(want):
            out = Logic("and", out, Cmp("==", Ref((*a.of.path, f"[{a.start + i}]")), Const(octet)))
        return out

    # ------------------------------------------------------------------------------------------------- flags

    def is_flags(self, e: Expr) -> bool:
        """True for what may be a set of flags in Python: a ``FlagsField``, or what ``&``, ``|``, ``^`` make of one."""
        if isinstance(e, Bin) and e.op in ("&", "|", "^"):
            return self.is_flags(e.a) or self.is_flags(e.b)
        if isinstance(e, If):
            return self.is_flags(e.t) or self.is_flags(e.f)
        return bool(self.flag_names(e))

    def check_flags(self, flags: Expr, other: Expr, node: ast.AST) -> None:
        """Refuse to compare flags with anything but a number: an empty set of flags even equals None."""
        if self.is_flags(flags) and not (isinstance(other, Const) and isinstance(other.value, int)):
            raise self.refuse(node, "compares a set of flags with something that is no constant", HINT_FLAGS)

    def mask(self, flags: Expr, name: Expr, node: ast.AST) -> Expr:
        """*name* as a number when it is text that names bits of *flags*; else *name* itself."""
        while isinstance(flags, Bin) and flags.op == "&":
            flags = flags.a
        names = self.flag_names(flags)
        if not (names and isinstance(name, Const) and isinstance(name.value, str)):
            return name
        wanted = name.value.split("+") if isinstance(names, list) else list(name.value)
        if any(w not in names for w in wanted):
            raise self.refuse(node, f"{name.value!r} names no flags of this field")
        return Const(sum({1 << names.index(w) for w in wanted}))

    def flag(self, flags: Ref, name: str, node: ast.AST) -> Expr:
        """``pkt.flags.SYN`` or, for one-letter names, ``pkt.flags.SA``: are all of them set?"""
        names = self.flag_names(flags) or []
        if name == "value":
            return Ref(flags.path, "int")
        if isinstance(names, list) and name not in names:
            name = name.replace("_", "-")
        mask = self.mask(flags, Const(name), node)
        return Cmp("==", Bin("&", flags, mask), mask)

    # ------------------------------------------------------------------------------------------------ tables

    def lookup(self, table: dict[object, object], key: Expr, default: Expr, node: ast.AST) -> Expr:
        """The entry of a constant table, as a decision; *default* (None: no answer) for any other key."""
        if isinstance(key, Const):
            return self.expr(Static(table[key.value]), node) if key.value in table else default
        if len(table) > MAX_TABLE:
            raise self.refuse(node, f"looks up a table of {len(table)} entries", f"at most {MAX_TABLE}")
        if scalars(table) is None:
            raise self.refuse(node, "looks up a table whose keys are no constants")
        keys: dict[Expr, list[Const]] = {}
        for k, v in table.items():
            known = number(scalar(k) or FALSE)
            if isinstance(known, Const):
                keys.setdefault(self.expr(Static(v), node), []).append(known)
        out = default
        for value, ks in reversed(keys.items()):
            out = If(Cmp("==", key, ks[0]) if len(ks) == 1 else InSet(key, tuple(k.value for k in ks)), value, out)
        return out
