# SPDX-License-Identifier: GPL-2.0-or-later
"""Python's operators as expressions of the IR, one method per kind of syntax node.

``a and b`` is not a truth value but one of its operands, so it becomes ``If(a, b, a)`` unless both are truth values.
Operands behind one that is known to decide are not even looked at: ``False and conf.debug`` is no question to Python
either.  Fractions are refused: lengths are whole numbers, and each backend rounds in its own way.

Everything is substituted, nothing is stored, so a value that is used twice is written twice.  The budget of steps and
the limit of nodes keep that finite: a callable that unfolds into more is refused instead of being translated for hours.
"""

from __future__ import annotations

import ast

from dissector.frontend.comparisons import Comparisons
from dissector.frontend.scope import HINT_FLAGS, HINT_PACKET, HINT_PLAIN, Env, describe
from dissector.frontend.values import PACKET, Items, Octets, Static, Value, fits, is_table, is_text, number, scalar
from dissector.ir.expr import TRUE, Bin, Const, Expr, If, Logic, Ref, Un, children
from dissector.ir.simplify import simplify, truth

MAX_NODES = 1_000
MAX_NESTING = 150

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
_NAMES = {
    "JoinedStr": "a formatted string",
    "ListComp": "a comprehension",
    "SetComp": "a comprehension",
    "DictComp": "a comprehension",
    "GeneratorExp": "a generator",
    "Lambda": "a function made at run time",
    "NamedExpr": "an assignment inside an expression (:=)",
    "Starred": "an unpacked argument (*)",
    "Await": "await",
}


def folded(e: Expr) -> Expr:
    """*e*, computed if all that it needs is known; the rest is simplified at the end."""
    return simplify(e) if all(isinstance(c, Const) for c in children(e)) else e


class Expressions(Comparisons):
    """Translation of expressions; calls are in :mod:`dissector.frontend.calls`."""

    def e(self, node: ast.expr, env: Env) -> Value:
        """What *node* stands for, with the local names *env*."""
        self.step(node)
        kind = type(node).__name__
        handler = getattr(self, "on_" + kind.lower(), None)
        if handler is None:
            raise self.refuse(node, f"uses {_NAMES.get(kind, kind)}")
        value: Value = handler(node, env)
        return value

    def x(self, node: ast.expr, env: Env) -> Expr:
        """What *node* stands for, as a value of the IR."""
        return self.expr(self.e(node, env), node)

    def condition(self, node: ast.expr, env: Env) -> Expr:
        """*node* where only its truth matters."""
        return self.truth_of(self.e(node, env), node)

    def truth_of(self, value: Value, node: ast.expr) -> Expr:
        """The truth of *value*; a packet is true, and so is a table with entries."""
        if value == PACKET:
            return TRUE
        if isinstance(value, Static) and scalar(value.value) is None:
            return Const(bool(value.value))
        return truth(simplify(self.bounded(self.expr(value, node), node)))

    def bounded(self, e: Expr, node: ast.AST) -> Expr:
        """*e*, unless it has become too large to be printed."""
        if not fits(e, MAX_NODES, MAX_NESTING):
            raise self.refuse(node, "unfolds into too large an expression")
        return e

    # --------------------------------------------------------------------------------------- names, constants

    def on_constant(self, node: ast.Constant, _env: Env) -> Value:
        """A literal."""
        known = scalar(node.value)
        if known is None:
            kind = "a fraction" if isinstance(node.value, float) else f"a {type(node.value).__name__}"
            raise self.refuse(node, f"uses {kind}", "use whole numbers and //")
        return known

    def on_name(self, node: ast.Name, env: Env) -> Value:
        """A bare name."""
        return self.name(node.id, env, node)

    def on_attribute(self, node: ast.Attribute, env: Env) -> Value:
        """``owner.name``."""
        owner, name = self.e(node.value, env), self.own(node.attr)
        if isinstance(owner, Ref) and self.flag_names(owner):
            return self.flag(owner, name, node)
        return self.attribute(owner, name, node)

    def on_tuple(self, node: ast.Tuple | ast.List | ast.Set, env: Env) -> Value:
        """A display; one of constants is a constant."""
        items = tuple(self.e(n, env) for n in node.elts)
        if all(isinstance(v, Const | Static) for v in items):
            return Static(tuple(v.value for v in items if isinstance(v, Const | Static)))
        return Items(items)

    on_list = on_set = on_tuple

    def on_dict(self, node: ast.Dict, env: Env) -> Value:
        """A table that is written where it is used."""
        table: dict[object, object] = {}
        for k, v in zip(node.keys, node.values, strict=True):
            if k is None:
                raise self.refuse(node, "unpacks a table (**)")
            key, value = self.e(k, env), self.e(v, env)
            if not isinstance(key, Const) or not isinstance(value, Const | Static):
                raise self.refuse(node, "a table whose entries are not constants")
            table[key.value] = value.value
        return Static(table)

    # ------------------------------------------------------------------------------------- arithmetic, and, or

    def on_unaryop(self, node: ast.UnaryOp, env: Env) -> Value:
        """``-x``, ``~x``, ``+x``, ``not x``."""
        if isinstance(node.op, ast.Not):
            return folded(Un("not", self.condition(node.operand, env)))
        x = self.operand(node.operand, env)
        if isinstance(node.op, ast.UAdd):
            return x
        return folded(Un("-" if isinstance(node.op, ast.USub) else "~", x))

    def on_binop(self, node: ast.BinOp, env: Env) -> Value:
        """Arithmetic on integers."""
        return self.arithmetic(node.op, self.e(node.left, env), self.e(node.right, env), node)

    def arithmetic(self, op: ast.operator, left: Value, right: Value, node: ast.AST) -> Expr:
        """``left op right``."""
        if isinstance(op, ast.Div):
            raise self.refuse(node, "divides into a fraction (/)", "use // for whole numbers")
        if isinstance(op, ast.Pow) and isinstance(left, Const) and isinstance(right, Const):
            return self.power(left.value, right.value, node)
        if type(op) not in _ARITHMETIC:
            raise self.refuse(node, f"uses the operator {'**' if isinstance(op, ast.Pow) else '@'}")
        a, b = self.expr(left, node), self.expr(right, node)
        a, b = self.mask(b, a, node), self.mask(a, b, node)
        for e, other in ((a, b), (b, a)):
            if is_text(e):
                raise self.refuse(node, "does arithmetic on something that is no number")
            if self.is_flags(e) and isinstance(op, ast.Add | ast.Sub):
                raise self.refuse(node, "adds to a set of flags, which sets or takes away bits", HINT_FLAGS)
            if self.is_flags(e) and other.type not in ("int", "bool"):
                raise self.refuse(node, "combines a set of flags with what may be None", HINT_FLAGS)
        return folded(Bin(_ARITHMETIC[type(op)], number(a), number(b)))

    def power(self, a: object, b: object, node: ast.AST) -> Expr:
        """``2**16`` of constants."""
        if isinstance(a, int) and isinstance(b, int) and 0 <= a <= 256 and 0 <= b <= 64:
            return Const(int(a**b))
        raise self.refuse(node, "uses the operator **")

    def operand(self, node: ast.expr, env: Env) -> Expr:
        """An operand that must be a number."""
        e = self.x(node, env)
        if is_text(e) or self.is_flags(e):
            hint = HINT_FLAGS if self.is_flags(e) else HINT_PLAIN
            raise self.refuse(node, "does arithmetic on something that is no number", hint)
        return number(e)

    def on_boolop(self, node: ast.BoolOp, env: Env) -> Value:
        """``and``, ``or``: the first operand that decides, or the last."""
        decides = isinstance(node.op, ast.Or)
        parts: list[tuple[Value, Expr, ast.expr]] = []
        for n in node.values:
            value = self.e(n, env)
            c = self.truth_of(value, n)
            if isinstance(c, Const) and bool(c.value) != decides and n is not node.values[-1]:
                continue  # neutral
            parts.append((value, c, n))
            if isinstance(c, Const) and bool(c.value) == decides:
                break
        last = parts.pop()
        out: Value = last[0]
        for value, c, n in reversed(parts):
            out = self.either(decides, (value, c), out, n)
        return out

    def either(self, decides: bool, first: tuple[Value, Expr], second: Value, node: ast.expr) -> Expr:
        """``first or second`` (*decides* is True) or ``first and second`` as a value."""
        a, b = self.expr(first[0], node), self.expr(second, node)
        if a.type == "bool" and b.type == "bool":
            return Logic("or" if decides else "and", first[1], b)
        kept = Const(decides) if a.type == "bool" else a
        return If(first[1], kept, b) if decides else If(first[1], b, kept)

    def on_ifexp(self, node: ast.IfExp, env: Env) -> Value:
        """``t if c else f``."""
        c = self.condition(node.test, env)
        if isinstance(c, Const):
            return self.e(node.body if c.value else node.orelse, env)
        return If(c, self.x(node.body, env), self.x(node.orelse, env))

    # --------------------------------------------------------------------------------------------- comparisons

    def on_compare(self, node: ast.Compare, env: Env) -> Value:
        """A comparison, perhaps chained."""
        left, out = self.e(node.left, env), None
        for op, n in zip(node.ops, node.comparators, strict=True):
            right = self.e(n, env)
            part = folded(self.comparison(op, left, right, node))
            out = part if out is None else Logic("and", out, part)
            left = right
        assert out is not None  # a Compare node has at least one operator
        return out

    # ----------------------------------------------------------------------------------------------- subscripts

    def on_subscript(self, node: ast.Subscript, env: Env) -> Value:
        """``owner[key]``."""
        owner = self.e(node.value, env)
        if isinstance(node.slice, ast.Slice):
            return self.slice(owner, node.slice, env, node)
        key = self.e(node.slice, env)
        at = key.value if isinstance(key, Const) else None
        if isinstance(owner, Static) and is_table(owner.value):
            return self.lookup(owner.value, self.expr(key, node), Const(None), node)
        if type(at) is int and isinstance(owner, Ref) and owner != PACKET:
            return Ref((*owner.path, f"[{at}]"))
        if type(at) is int and isinstance(owner, Octets) and 0 <= at < owner.stop - owner.start:
            return Ref((*owner.of.path, f"[{owner.start + at}]"))
        if type(at) is int and isinstance(owner, Items) and -len(owner.items) <= at < len(owner.items):
            return owner.items[at]
        held = owner.value if isinstance(owner, Static | Const) else None
        if type(at) is int and isinstance(held, tuple | list | bytes) and -len(held) <= at < len(held):
            return scalar(held[at]) or Static(held[at])
        hint = HINT_PACKET if owner == PACKET else "items are taken by a constant number"
        raise self.refuse(node, f"takes an item of {describe(owner)}", hint)

    def slice(self, owner: Value, part: ast.Slice, env: Env, node: ast.AST) -> Value:
        """``owner[start:stop]``."""
        bounds = [Const(0) if n is None else self.e(n, env) for n in (part.lower, part.upper or part.lower)]
        at = [b.value for b in bounds if isinstance(b, Const) and type(b.value) is int and b.value >= 0]
        if part.upper is None or part.step is not None or len(at) != 2:
            raise self.refuse(node, "takes a slice without constant ends", "write data[0:2]")
        if not isinstance(owner, Ref) or owner == PACKET:
            raise self.refuse(node, f"takes a slice of {describe(owner)}")
        return Octets(owner, int(at[0] or 0), max(int(at[0] or 0), int(at[1] or 0)))
