# SPDX-License-Identifier: GPL-2.0-or-later
"""``hashret()`` of a response and its request, as values that must be equal.

The octets that ``hashret()`` gives mean nothing but that they are the same on both sides.  So
``struct.pack("BI", self.version, self.seq) + self.payload.hashret()`` is the values ``version`` and ``seq``; what the
payloads have to say is compared there.
"""

from __future__ import annotations

import ast
import itertools
import struct
from collections.abc import Sequence

from dissector.errors import Refused
from dissector.frontend.packets.bodies import PacketBody
from dissector.frontend.packets.methods import field_names, own_method
from dissector.frontend.scope import Env, Session
from dissector.frontend.values import PACKET, Items, Value
from dissector.ir.expr import Const, Expr, If, Ref, refs
from dissector.ir.simplify import simplify


def hashed(answer: type, request: type) -> tuple[tuple[Expr, Expr], ...]:
    """The values of *answer* and of *request* that ``hashret()`` wants to be equal; Refused when it cannot be told."""
    mine, theirs = _values(answer), _values(request)
    if mine is None or theirs is None or not (mine and theirs):
        return ()
    if len(mine) != len(theirs):
        where = own_method(answer, "hashret")
        name = where.owner.__name__ if where else answer.__name__
        raise Refused(f"{answer.__module__}.{name}", "hashret() of request and response have different parts")
    return tuple(zip(mine, theirs, strict=True))


def _values(layer: type) -> tuple[Expr, ...] | None:
    """What ``hashret()`` of *layer* puts together; None when it has none of its own."""
    method = own_method(layer, "hashret")
    if method is None:
        return None
    body = _Hash(method.function, Session(layer))
    node = body.located.node
    value = body.run(body.bind(method.function, (PACKET,), {}, node))
    items = value.items if isinstance(value, Items) else (value,)
    out = tuple(simplify(body.bounded(body.expr(v, node), node)) for v in items)
    for path in (p for e in out for p in refs(e)):
        if len(path) != 2 or path[1] not in field_names(layer):
            raise body.refuse(node, f"hashret() looks at {'.'.join(path[1:])}, which is no field of the layer")
    return out


class _Hash(PacketBody):
    """Translation of a function that puts octets together of which only the equality counts."""

    def enter(self, fn: object, env: Env) -> Value:
        return _Hash(fn, self.session, self.depth + 1).run(env)  # type: ignore[arg-type]  # as in Body

    def builtin(self, function: object, args: tuple[Value, ...], node: ast.Call) -> Value | None:
        if function is struct.pack and args:
            return Items(args[1:])
        return super().builtin(function, args, node)

    def arithmetic(self, op: ast.operator, left: Value, right: Value, node: ast.AST) -> Expr:
        if isinstance(op, ast.Add) and (isinstance(left, Items) or isinstance(right, Items)):
            both = [v.items if isinstance(v, Items) else (v,) for v in (left, right)]
            return Items((*both[0], *both[1]))  # type: ignore[return-value]  # a list, on its way to `_values`
        return super().arithmetic(op, left, right, node)

    def branch(self, s: ast.If, rest: Sequence[ast.stmt], env: Env) -> Value | None:
        """Two lists are a list of decisions; what only one of them has is None in the other."""
        c = self.condition(s.test, env)
        t = self.block([*s.body, *rest], dict(env))
        f = self.block([*s.orelse, *rest], dict(env))
        one, two = (v.items if isinstance(v, Items) else (v,) for v in (t, f))
        pairs = itertools.zip_longest(one, two, fillvalue=Const(None))
        return Items(tuple(If(c, self.expr(a, s), self.expr(b, s)) for a, b in pairs))

    def method(
        self, owner: Ref, name: str, args: tuple[Value, ...], keywords: dict[str, Value], node: ast.Call
    ) -> Value:
        """``self.payload.hashret()`` is compared where the payloads are."""
        if name == "hashret" and owner.path == ("F", "payload"):
            return Items(())
        return super().method(owner, name, args, keywords, node)
