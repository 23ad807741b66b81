# SPDX-License-Identifier: GPL-2.0-or-later
"""The body of ``post_build(self, p, pay)``, translated: which numbers are written where, and what of.

Octets are pieces (:mod:`dissector.frontend.packets.octets`).  A branch whose condition is that a field has to be
filled in is taken; where one cannot be translated, its fields stay unchecked, and the rest is read as if it were not
there.
"""

from __future__ import annotations

import ast
import struct
import types
import zlib
from collections.abc import Sequence
from dataclasses import replace

from scapy import compat, utils
from scapy.fields import FieldListField, PacketListField, StrField
from scapy.layers import inet6
from scapy.packet import NoPayload, Packet

from dissector.errors import Refused
from dissector.frontend.packets.bodies import PacketBody
from dissector.frontend.packets.layout import Place, at, is_number, places
from dissector.frontend.packets.methods import Method, field_names, field_of
from dissector.frontend.packets.octets import (
    LAYER,
    PAY,
    PAYLOAD,
    Check,
    Octs,
    Put,
    Uncut,
    cut,
    joined,
    placed,
    size,
    spans,
)
from dissector.frontend.scope import Env, Session
from dissector.frontend.values import PACKET, Static, Value
from dissector.ir.expr import TRUE, Bin, Cmp, Const, Expr, If, IsNone, Logic, Ref, Un, refs, rewrite, walk
from dissector.ir.packets import Verify
from dissector.ir.simplify import simplify, truth

KEPT = Ref(("(kept)",), "int")
"""In place of a number: the field stays what it is."""

_CHECKSUMS = ((utils.checksum, "internet"), (zlib.crc32, "crc32"))
_SIZES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "l": 4, "L": 4, "q": 8, "Q": 8}


class Build(PacketBody):
    """Translation of ``post_build(self, p, pay)``."""

    owner: type = Packet

    def __init__(self, fn: types.FunctionType, session: Session, depth: int = 0) -> None:
        super().__init__(fn, session, depth)
        self.failed: list[Refused] = []

    def enter(self, fn: types.FunctionType, env: Env) -> Value:
        body = Build(fn, self.session, self.depth + 1)
        body.owner = self.owner
        value = body.run(env)
        self.failed += body.failed
        return value

    # ------------------------------------------------------------------------------------------- statements

    def statement(self, s: ast.stmt, env: Env) -> None:
        """What neither changes a name nor returns changes nothing here."""
        stored = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Raise, ast.Delete)
        if isinstance(s, ast.Assert) or (
            isinstance(s, ast.For | ast.While) and not any(isinstance(n, stored) for n in ast.walk(s))
        ):
            return
        super().statement(s, env)

    def branch(self, s: ast.If, rest: Sequence[ast.stmt], env: Env) -> Value | None:
        """A field that is to be filled in is; if that cannot be told, it stays."""
        if s.body and isinstance(s.body[-1], ast.Raise):
            return self.block([*s.orelse, *rest], env)
        test = simplify(rewrite(self.condition(s.test, env), self.unset))
        if test != TRUE or any(isinstance(n, ast.Return) for x in s.body for n in ast.walk(x)):
            return self.decide(test, s, rest, env)
        kept = dict(env)
        try:
            self.block(s.body, env)
        except Refused as error:
            self.failed.append(error)
            env.clear()
            env.update(kept)
        return None

    def decide(self, c: Expr, s: ast.If, rest: Sequence[ast.stmt], env: Env) -> Value | None:
        """A condition on the packet, whose two branches may write other numbers."""
        c = truth(c)
        if isinstance(c, Const):
            return self.block([*(s.body if c.value else s.orelse), *rest], env)
        if any(isinstance(n, ast.Return) for x in (*s.body, *s.orelse) for n in ast.walk(x)):
            t = self.block([*s.body, *rest], dict(env))
            f = self.block([*s.orelse, *rest], dict(env))
            return self.either_of(c, t, f, s)
        one, other = dict(env), dict(env)
        self.block(s.body, one)
        self.block(s.orelse, other)
        for name in sorted({*one} & {*other}):
            env[name] = self.either_of(c, one[name], other[name], s)
        return None

    def either_of(self, c: Expr, t: Value, f: Value, node: ast.AST) -> Value:
        """*t* where *c* holds, else *f*; octets differ in numbers only."""
        if t == f:
            return t
        if not (isinstance(t, Octs) and isinstance(f, Octs)):
            return self.bounded(If(c, self.expr(t, node), self.expr(f, node)), node)
        _, whole = places(self.layer or Packet)
        one, two = placed(t, whole), placed(f, whole)
        if one is None or two is None or (t.pieces[-1:] == PAYLOAD.pieces) != (f.pieces[-1:] == PAYLOAD.pieces):
            raise self.refuse(node, "post_build() gives other octets in one case than in another")
        here, there = dict(one), dict(two)
        out = LAYER
        for start in sorted({*here, *there}):
            a, b = here.get(start), there.get(start)
            kind = a or b
            assert kind is not None  # it came from one of them
            if a and b and (a.size, a.little) != (b.size, b.little):
                raise self.refuse(node, "post_build() writes numbers of different size")
            value = If(c, a.value if a else KEPT, b.value if b else KEPT)
            put = replace(kind, value=a.value if a == b and a else value)
            end = start + put.size
            front = joined(self.slice_of(out, 0, start or None, node) if start else Octs(()), Octs((put,)))
            out = joined(front, self.slice_of(out, end, None, node)) if end else front
        return joined(out, PAYLOAD) if t.pieces[-1:] == PAYLOAD.pieces else out

    def unset(self, n: Expr) -> Expr | None:
        """``self.len is None`` and ``not self.len`` of a number hold, and octets are there."""
        asked = n.x if isinstance(n, IsNone) or (isinstance(n, Un) and n.op == "not") else None
        if isinstance(asked, Ref) and len(asked.path) == 2 and asked.path[0] == "F":
            return TRUE if is_number(field_of(self.layer, asked.path[1])) else None
        return TRUE if isinstance(n, Octs) else None

    # ------------------------------------------------------------------------------------------ octet strings

    def truth_of(self, value: Value, node: ast.expr) -> Expr:
        """Octets are there: where there are none, their length is 0 anyway."""
        return TRUE if isinstance(value, Octs) else super().truth_of(value, node)

    def arithmetic(self, op: ast.operator, left: Value, right: Value, node: ast.AST) -> Expr:
        if isinstance(op, ast.Add) and (isinstance(left, Octs) or isinstance(right, Octs)):
            left, right = (Octs(()) if v == Const(b"") else v for v in (left, right))
            if not (isinstance(left, Octs) and isinstance(right, Octs)):
                raise self.refuse(node, "post_build() adds octets of its own")
            return joined(left, right)
        whole = {ast.Mod: Const(2**32), ast.BitAnd: Const(2**32 - 1)}.get(type(op))
        if isinstance(left, Check) and right == whole:
            return left
        return super().arithmetic(op, left, right, node)

    def on_subscript(self, node: ast.Subscript, env: Env) -> Value:
        owner = self.e(node.value, env)
        if isinstance(owner, Octs):
            if isinstance(node.slice, ast.Slice) and node.slice.step is None:
                ends = [None if n is None else self.e(n, env) for n in (node.slice.lower, node.slice.upper)]
                if all(e is None or (isinstance(e, Const) and type(e.value) is int) for e in ends):
                    start, stop = (e.value if isinstance(e, Const) else None for e in ends)
                    return self.slice_of(owner, start or 0, stop, node)  # type: ignore[arg-type]  # the line above
                raise self.refuse(node, "post_build() cuts where the packet says")
            key = self.e(node.slice, env)
            if isinstance(key, Const) and isinstance(key.value, int) and owner == LAYER:
                return Ref(("(octet)", str(key.value)), "int")
        return super().on_subscript(node, env)

    def slice_of(self, octets: Octs, start: int, stop: int | None, node: ast.AST) -> Octs:
        try:
            return cut(octets, start, stop)
        except Uncut as exc:
            raise self.refuse(node, "post_build() cuts octets whose number depends on the packet") from exc

    def call_len(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        x = args[0] if len(args) == 1 else None
        if isinstance(x, Octs):
            return simplify(size(x))
        if x == Ref(("F", "payload")):
            return PAY
        if isinstance(x, Ref) and not isinstance(self.field_of(x), StrField | PacketListField | FieldListField):
            raise self.refuse(node, f"takes the length of {'.'.join(x.path[1:])}, which is a packet")
        return super().call_len(args, node)

    def builtin(self, function: object, args: tuple[Value, ...], node: ast.Call) -> Value | None:
        if function is struct.pack:
            return self.packed(args, node)
        if function in (compat.chb, compat.bytes_encode, bytes) and len(args) == 1:
            return args[0] if isinstance(args[0], Octs) else Octs((Put(1, self.expr(args[0], node)),))
        method = next((name for known, name in _CHECKSUMS if known is function), None)
        if method is not None and len(args) == 1 and isinstance(args[0], Octs):
            return Check(method, args[0].pieces)
        if function is inet6.in6_chksum:
            raise self.refuse(node, "computes a checksum with the addresses of IPv6")
        return super().builtin(function, args, node)

    def packed(self, args: tuple[Value, ...], node: ast.AST) -> Octs:
        """``struct.pack(form, …)`` of integers."""
        form = args[0].value if args and isinstance(args[0], Const) else None
        plain = form if isinstance(form, str) else "?"
        order, letters = (plain[0], plain[1:]) if plain[:1] in ("!", "<", ">", "=", "@") else ("@", plain)
        letters = "".join(c * int(n or 1) for n, c in _letters(letters))
        if len(letters) != len(args) - 1 or any(c not in _SIZES for c in letters):
            raise self.refuse(node, f"packs something else than integers ({form!r})")
        out = Octs(())
        for letter, value in zip(letters, args[1:], strict=True):
            n = _SIZES[letter]
            put = Put(n, self.expr(value, node), None if n == 1 else order in "<=@")
            out = joined(out, Octs((put,)))
        return out

    def on_call(self, node: ast.Call, env: Env) -> Value:
        """Also the ``post_build`` of a class above."""
        if isinstance(node.func, ast.Attribute) and node.func.attr == "post_build":
            args = [self.e(n, env) for n in node.args]
            above = self.inherited(node.func.value, env)
            octets = args[-2:]
            if above is None and all(isinstance(v, Octs) for v in octets) and len(octets) == 2:
                return self.arithmetic(ast.Add(), octets[0], octets[1], node)
            if above is not None:
                kept, self.owner = self.owner, above.owner
                value = self.inline(above.function, (PACKET, *octets), {}, node)
                self.owner = kept
                return value
        return super().on_call(node, env)

    def inherited(self, node: ast.expr, env: Env) -> Method | None:
        """The method that ``super()`` or a class means; None for that of Packet."""
        layer = self.layer or Packet
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super":
            mro: tuple[type, ...] = layer.__mro__[layer.__mro__.index(self.owner) + 1 :]
        else:
            named = self.e(node, env)
            mro = named.value.__mro__ if isinstance(named, Static) and isinstance(named.value, type) else (Packet,)
        for cls in mro:
            if cls in (Packet, NoPayload, object):
                return None
            found = cls.__dict__.get("post_build")
            if isinstance(found, types.FunctionType):
                return Method(found, cls, bound=False)
        return None

    # ------------------------------------------------------------------------------------------------ results

    def verified(self, known: tuple[Place, ...], start: int, put: Put, where: dict[Put, int]) -> list[Verify]:
        """What a number at octet *start* says of the field there."""
        node = self.located.node
        value, mask = _masked(put, start)
        place = at(known, start, put.size, mask)
        last = f" to {start + put.size - 1}" if put.size > 1 else ""
        if place is None:
            raise self.refuse(
                node, f"post_build() writes octets {start}{last}, which are no field that is always there"
            )
        if put.little is not None and put.little != place.little:
            raise self.refuse(node, f"post_build() writes {place.name} in the wrong order of octets")
        when, value = _kept(value)
        value = simplify(_without_zero(value))
        rule = Verify(place.name, when=when, source=self.located.ref)
        if isinstance(value, Check):
            try:
                ranges = spans(value.pieces, where)
            except (Uncut, KeyError) as exc:
                raise self.refuse(node, f"{place.name} is a checksum of octets that are elsewhere") from exc
            return [replace(rule, method=value.method, spans=ranges)]
        if any(isinstance(n, Check | Octs) for n in walk(value)):
            raise self.refuse(node, f"{place.name} is computed from a checksum")
        names = field_names(self.layer or Packet) | {"#head", "#pay"}
        strange = next((p for p in refs(value) if p[0] != "F" or len(p) != 2 or p[1] not in names), None)
        if strange is not None or (value.type != "int" and not isinstance(value, If | Ref)):
            raise self.refuse(node, f"{place.name} is not computed from the packet alone")
        return [replace(rule, want=value)]


def _letters(form: str) -> list[tuple[str, str]]:
    out, number = [], ""
    for c in form:
        if c.isdigit():
            number += c
        else:
            out.append((number, c))
            number = ""
    return out


def _masked(put: Put, start: int) -> tuple[Expr, int | None]:
    """``(p[0] & 0xc0) | (n & 0x3f)``: some bits of an octet, the others stay."""
    e = put.value
    if put.size == 1 and isinstance(e, Bin) and e.op == "|":
        for kept, new in ((e.a, e.b), (e.b, e.a)):
            if not (isinstance(kept, Bin) and isinstance(new, Bin) and kept.op == new.op == "&"):
                continue
            a, b = kept.b, new.b
            one, two = (n.value if isinstance(n, Const) and isinstance(n.value, int) else 0 for n in (a, b))
            if kept.a == Ref(("(octet)", str(start)), "int") and one ^ two == one | two == 255:
                return new, two
    return e, None


def _kept(e: Expr) -> tuple[Expr | None, Expr]:
    """The condition under which a number is written at all, and the number."""
    if not isinstance(e, If):
        return None, e
    for kept, other, c in ((e.f, e.t, e.c), (e.t, e.f, simplify(Un("not", e.c)))):
        if kept == KEPT:
            when, value = _kept(other)
            return (c if when is None else Logic("and", c, when)), value
    return None, e


def _without_zero(e: Expr) -> Expr:
    """``0xffff if ck == 0 else ck``: the Internet checksum has two zeros, and both are right."""
    if isinstance(e, If) and isinstance(e.f, Check) and e.c == Cmp("==", e.f, Const(0)) and e.t == Const(0xFFFF):
        return e.f
    return e
