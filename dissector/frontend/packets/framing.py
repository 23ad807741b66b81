# SPDX-License-Identifier: GPL-2.0-or-later
"""How the messages of a layer follow each other in a TCP stream: after so many octets, it is known how long one is.

Four ways to know, in this order:

* ``tcp_reassemble(cls, data, metadata, session)``, with which Scapy asks whether a packet is complete: what it compares
  ``len(data)`` with is the length of a message.
* What the layer computes when it is built (:mod:`…built`): a length field that is the size of the whole, or of the
  payload behind a header of fixed size, says it backwards.
* ``extract_padding``, which says how much behind the header is payload.
* The sizes of all items, when they depend on fields at places that are always the same.

And a text, for whoever knows better: ``4:F.length + 4``, with 4 octets at hand the message has ``F.length + 4``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...errors import Refused
from ...ir.evaluate import BIN, evaluate
from ...ir.expr import FALSE, Bin, Cmp, Const, Expr, If, IsNone, Ref, Size, Un, refs, rewrite
from ...ir.packets import Either, Framing, Item, Layer, Leaf, List, Sub, Verify
from ...ir.simplify import simplify, truth
from ..scope import Env, Session, describe
from ..values import Static, Value
from .bodies import PacketBody
from .layout import Place, places
from .methods import own_method
from .octets import HEAD, PAY
from .tables import results

OCTETS = Ref(("octets",))
EMPTY = Static({})
ALL = Const(0)
"""A size that means: all that is at hand."""

HINT = 'say it: --framing "HEADER:SIZE", for instance --framing "4:F.length+4", or "segment" for one message a segment'


def framing_of(layer: Layer, others: Mapping[str, Layer]) -> Framing | None:
    """How messages of *layer* follow each other; None when each is what a segment holds.

    Refused when the layer does not tell.  *others* are the layers that it may turn out to be (``dispatch``), by name.
    """
    cls = layer.origin
    refused: Refused | None = None
    if isinstance(cls, type) and own_method(cls, "tcp_reassemble"):
        try:
            return reassembled(cls)
        except Refused as error:
            refused = error
    known = {p.name: p for p in places(cls)[0] if p.first >= 0} if isinstance(cls, type) else {}
    total = _by_checks(layer, known) or _by_sizes(layer, known)
    if total is not None:
        return _framing(total)
    if layer.dispatch is not None:
        names = {v for v in results(layer.dispatch) if isinstance(v, str)} - {layer.name}
        found = {framing_of(replace(others[n], dispatch=None), others) for n in sorted(names) if n in others}
        if len(found) == 1 and names <= set(others):
            return found.pop()
    if refused is not None:
        raise Refused(refused.where, f"tcp_reassemble: {refused.what}", HINT)
    where = str(layer.source) if layer.source.file else layer.name
    raise Refused(where, f"{layer.label}: nothing tells where a message ends in a TCP stream", HINT)


def _framing(total: Expr) -> Framing:
    """A framing that has all the octets which *total* looks at."""
    looked = [int(p[1][1:-1]) for p in refs(total, "octets") if len(p) == 2]
    return Framing(max(looked, default=0) + 1, simplify(total))


# ---------------------------------------------------------------------------------------------- tcp_reassemble


@dataclass(frozen=True, slots=True)
class First(Expr):
    """``data[:size]``."""

    size: Expr


@dataclass(frozen=True, slots=True)
class Taken(Expr):
    """A packet made of that."""

    size: Expr


def reassembled(cls: type) -> Framing | None:
    """What ``tcp_reassemble`` of *cls* says."""
    method = own_method(cls, "tcp_reassemble")
    assert method is not None  # framing_of has looked
    body = _Reassembly(method.function, Session(cls, "cls"))
    node = body.located.node
    names = method.function.__code__.co_argcount
    values = (Static(cls), OCTETS, EMPTY, EMPTY)[: max(names, 2)] if names else (OCTETS,)
    tree = body.expr(body.run(body.bind(method.function, values, {}, node)), node)
    waits = _Waits(body, node)
    size = waits.size(simplify(tree))
    if size == ALL:
        return None
    framing = _framing(size)
    return Framing(max(framing.header, waits.header), framing.size)


class _Reassembly(PacketBody):
    """Translation of a function that makes a packet of the first octets, or says that there are too few."""

    def slice(self, owner: Value, part: ast.Slice, env: Env, node: ast.AST) -> Value:
        """``data[:length]``, whose end depends on the packet."""
        if owner == OCTETS and part.lower is None and part.upper is not None:
            end = self.x(part.upper, env)
            return super().slice(owner, part, env, node) if isinstance(end, Const) else First(end)
        if owner == OCTETS and part.upper is None and part.lower is not None and part.step is None:
            return OCTETS  # what is left; only what is taken counts
        return super().slice(owner, part, env, node)

    def choose(self, layer: Expr, args: tuple[Value, ...], node: ast.Call) -> Expr:
        """``cls(data[:length])``."""
        if len(args) == 1 and isinstance(args[0], First):
            return Taken(args[0].size)
        return super().choose(layer, args, node)

    def arithmetic(self, op: ast.operator, left: Value, right: Value, node: ast.AST) -> Expr:
        """``packet / padding``: what is put behind is not part of the message."""
        if isinstance(op, ast.Div) and isinstance(left, Taken | Const):
            return left
        return super().arithmetic(op, left, right, node)


class _Waits:
    """From a decision tree to the size of a message: a way that ends with None waits for more octets."""

    def __init__(self, body: PacketBody, node: ast.AST) -> None:
        self.body, self.node, self.header = body, node, 0

    def size(self, e: Expr) -> Expr:
        """The size that *e* says, :data:`ALL` for all octets at hand."""
        if isinstance(e, Taken):
            return e.size
        if isinstance(e, Const) and isinstance(e.value, str):
            return ALL
        if isinstance(e, If):
            asked = _least(e.c)
            if asked is not None:
                least, enough = asked
                return self.waiting(least, *((e.t, e.f) if enough else (e.f, e.t)))
            return If(e.c, self.size(e.t), self.size(e.f))
        raise self.body.refuse(self.node, f"tcp_reassemble() ends with {describe(e)}, which is no packet")

    def waiting(self, least: Expr, enough: Expr, less: Expr) -> Expr:
        """The size when *least* octets are waited for."""
        if less != Const(None):
            raise self.body.refuse(self.node, "tcp_reassemble() makes different packets of more and of fewer octets")
        size = self.size(enough)
        if isinstance(least, Const):
            self.header = max(self.header, int(least.value or 0))
            return size
        return least if size == ALL else size


def _least(c: Expr) -> tuple[Expr, bool] | None:
    """Of ``len(data) < n`` and the like: n, and whether it holds when there are enough."""
    if isinstance(c, Un) and c.op == "not":
        found = _least(c.x)
        return None if found is None else (found[0], not found[1])
    if not isinstance(c, Cmp):
        return None
    mirrored = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
    op, a, b = (c.op, c.a, c.b) if c.a == Size(OCTETS) else (mirrored.get(c.op, ""), c.b, c.a)
    if a != Size(OCTETS) or Size(OCTETS) == b:
        return None
    more = simplify(Bin("+", b, Const(1)))
    return {"<": (b, False), ">=": (b, True), "<=": (more, False), ">": (more, True)}.get(op)


# ------------------------------------------------------------------------------------------------- length fields


def _by_checks(layer: Layer, known: Mapping[str, Place]) -> Expr | None:
    """The size from a field that is the size of the whole, or of the payload behind a fixed header."""
    whole = places(layer.origin)[1] if isinstance(layer.origin, type) else None
    for check in layer.verify:
        place = known.get(check.item)
        if check.want is None or check.when is not None or place is None:
            continue
        total = _solved(check, check.want, whole, value_at(place), known, none=layer.payload.size == Const(0))
        if total is not None:
            return total
    return None


def _solved(
    check: Verify, want: Expr, whole: int | None, value: Expr, known: Mapping[str, Place], *, none: bool
) -> Expr | None:
    """*want* solved for the number of octets of the message, where the field is *value*."""
    if isinstance(want, If):
        c = at_places(want.c, known)
        t = _solved(check, want.t, whole, value, known, none=none)
        f = _solved(check, want.f, whole, value, known, none=none)
        return None if c is None or t is None or f is None else If(truth(c), t, f)
    if refs(want) - {HEAD.path, PAY.path}:
        return None

    def said(head: int, pay: int) -> int:
        return int(evaluate(want, {"F": {"#head": head, "#pay": pay}}))

    start = said(50, 100)
    by_head, by_pay = said(51, 100) - start, said(50, 101) - start
    if (said(60, 130) - start) != 10 * by_head + 30 * by_pay:
        return None
    if (by_head, by_pay) == (1, 1) or ((by_head, by_pay) == (1, 0) and none):
        other = start - 150 if by_pay else start - 50
    elif (by_head, by_pay) == (0, 1) and whole is not None:
        other = start - 100 - whole
    else:
        return None
    return value if not other else Bin("-" if other > 0 else "+", value, Const(abs(other)))


def _by_sizes(layer: Layer, known: Mapping[str, Place]) -> Expr | None:
    """The sizes of all items and of the payload, if each is told by fields that are always at the same place."""
    fixed, bits, octets = 0, Const(0), layer.payload.size  # type: tuple[int, Expr, Expr | None]
    for item in layer.items:
        there = None if item.present is None else at_places(item.present, known)
        found = _extent(item)
        if octets is None or found is None or (there is None and item.present is not None):
            return None
        size, of_bits = found
        if there is None and isinstance(size, Const):
            fixed += int(size.value or 0) * (1 if of_bits else 8)
            continue
        size = size if there is None else If(truth(there), size, ALL)
        bits, octets = (Bin("+", bits, size), octets) if of_bits else (bits, Bin("+", octets, size))
    total = None if octets is None else at_places(octets, known)
    if total is None or not refs(total, "octets"):
        return None
    whole = Bin("//", Bin("+", bits, Const(fixed)), Const(8)) if bits != Const(0) else Const(fixed // 8)
    return simplify(Bin("+", total, whole))


def _extent(item: Item) -> tuple[Expr, bool] | None:
    """The size of an item, and whether it is in bits; None if it is not told."""
    if item.align is not None or item.may_end or isinstance(item, Either):
        return None
    if isinstance(item, Leaf):
        if item.bits is not None:
            return (item.bits, True) if isinstance(item.bits, Const) else None
        return None if item.template or item.until or item.size is None else (item.size, False)
    size = item.size if isinstance(item, Sub | List) else None
    return None if size is None else (size, False)


# -------------------------------------------------------------------------------------------------------- octets


def value_at(place: Place) -> Expr:
    """The number at *place*, from the octets."""
    first, last = place.first // 8, (place.first + place.bits - 1) // 8
    octets: list[Expr] = [Ref(("octets", f"[{i}]"), "int") for i in range(first, last + 1)]
    if place.little:
        octets.reverse()
    out = octets[0]
    for octet in octets[1:]:
        out = Bin("|", Bin("<<", out, Const(8)), octet)
    behind = (last + 1) * 8 - place.first - place.bits
    if behind:
        out = Bin(">>", out, Const(behind))
    return out if place.bits == 8 * len(octets) else Bin("&", out, Const((1 << place.bits) - 1))


def at_places(e: Expr, known: Mapping[str, Place]) -> Expr | None:
    """*e* with the octets in place of the fields; None if it looks at anything else."""
    if any(p[0] != "octets" and (p[0] != "F" or len(p) != 2 or p[1] not in known) for p in refs(e)):
        return None
    fields = {("F", name): place for name, place in known.items()}

    def there(n: Expr) -> Expr | None:
        if isinstance(n, IsNone) and refs(n):
            return FALSE  # a field that is always there
        return value_at(fields[n.path]) if isinstance(n, Ref) and n.path in fields else None

    return rewrite(e, there)


# -------------------------------------------------------------------------------------------------------- a text


def framing_from(text: str, layer: Layer, where: str) -> Framing | None:
    """The framing that *text* says; None for ``segment``."""
    if text.strip() == "segment":
        return None
    header, colon, size = text.partition(":")
    if not colon or not header.strip().isdigit() or not 0 < int(header) <= 65535:
        raise Refused(where, f"{text!r} is no framing", HINT)
    try:
        tree = ast.parse(size.strip(), mode="eval").body
    except SyntaxError as exc:
        raise Refused(where, f"{size.strip()!r} is no expression", HINT) from exc
    known = {p.name: p for p in places(layer.origin)[0] if p.first >= 0} if isinstance(layer.origin, type) else {}
    total = simplify(_parsed(tree, known, where))
    looked = _framing(total).header if refs(total) else 1
    if looked > int(header):
        what = f"the size looks at {looked} octets, and the header has {header.strip()}"
        raise Refused(where, what, f"write {looked}:{size.strip()}")
    return Framing(int(header), total)


_OPERATORS: dict[type[ast.operator], str] = {
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
assert set(_OPERATORS.values()) <= set(BIN)


def _parsed(node: ast.expr, known: Mapping[str, Place], where: str) -> Expr:
    """An expression of ``F.field``, ``octets[i]``, numbers and operators."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Const(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        a, b = _parsed(node.left, known, where), _parsed(node.right, known, where)
        return Bin(_OPERATORS[type(node.op)], a, b)
    if isinstance(node, ast.IfExp) and isinstance(node.test, ast.Compare) and len(node.test.ops) == 1:
        op = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.Gt: ">", ast.LtE: "<=", ast.GtE: ">="}.get(
            type(node.test.ops[0])
        )
        if op is not None:
            a, b = (_parsed(n, known, where) for n in (node.test.left, node.test.comparators[0]))
            return If(Cmp(op, a, b), _parsed(node.body, known, where), _parsed(node.orelse, known, where))
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "octets":
        index = node.slice
        if isinstance(index, ast.Constant) and type(index.value) is int and index.value >= 0:
            return Ref(("octets", f"[{index.value}]"), "int")
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "F":
        if node.attr in known:
            return value_at(known[node.attr])
        from difflib import get_close_matches  # noqa: PLC0415  only for the message

        near = get_close_matches(node.attr, known, 1)
        hint = f"did you mean F.{near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
        raise Refused(where, f"{node.attr!r} is no field that always stands at the same place", hint)
    raise Refused(
        where, f"{ast.unparse(node)!r} is not understood", "numbers, F.field, octets[i], + - * // % & | << >>"
    )


__all__ = ["HINT", "at_places", "framing_from", "framing_of", "reassembled", "value_at"]
