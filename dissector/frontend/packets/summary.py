# SPDX-License-Identifier: GPL-2.0-or-later
"""``mysummary()``: one line about a packet, for the Info column.

Scapy's layers say it in four ways, and mix them: ``self.sprintf("BFD %BFD.sta%")``, ``"%d items" % len(self.items)``,
f-strings, and text that grows in ``if`` after ``if``.  All become parts, each with the condition under which it is
said.  While a function is translated a text is an expression of its own kind (:class:`Text`, :class:`Join`), so that
assignments and decisions need no rules of their own.

``sprintf`` shows a field as Scapy does, with the name of its value, ``%d`` the number.  The same is meant by ``%s``
and ``%d`` in a :class:`~dissector.ir.pdus.Message`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from scapy.fields import IP6Field, IPField, MACField, StrField

from dissector.errors import Refused
from dissector.frontend.packets.bodies import PacketBody
from dissector.frontend.packets.methods import PSEUDO, field_names, own_method
from dissector.frontend.scope import Env, Session
from dissector.frontend.values import PACKET, Items, Static, Value
from dissector.ir.expr import FALSE, TRUE, Const, Expr, If, Logic, Ref, Un, refs
from dissector.ir.packets import Layer
from dissector.ir.pdus import Message
from dissector.ir.simplify import simplify, truth

Part = tuple[Expr | None, str, tuple[Expr, ...]]

DIRECTIVE = re.compile(r"%(?:(?P<form>[^,%]*),)?(?:(?P<cls>\w+)(?::(?P<nb>\d+))?\.)?(?P<name>\w+)%")
PRINTF = re.compile(r"%(?P<flags>[-#0 ]*)(?P<width>\d*)(?P<kind>[a-zA-Z%])")
AS_TEXT = ("decode", "strip", "rstrip", "lstrip")
TEXTUAL = (StrField, IPField, IP6Field, MACField)
MAX_PARTS = 64


@dataclass(frozen=True, slots=True)
class Text(Expr):
    """A piece of text with values in it."""

    format: str
    args: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Join(Expr):
    """One text behind another."""

    a: Expr
    b: Expr


def with_summary(layer: Layer) -> Layer:
    """Give *layer* with the text that its ``mysummary()`` makes; what is refused goes to ``unchecked``."""
    if not isinstance(layer.origin, type):
        return layer
    try:
        return replace(layer, info=info_of(layer.origin))
    except Refused as error:
        return replace(layer, unchecked=(*layer.unchecked, f"{error.where}: {error.what}"))


def info_of(layer: type) -> tuple[tuple[Expr | None, Message], ...]:
    """The text of *layer*'s ``mysummary()`` in parts; none when it has none of its own."""
    method = own_method(layer, "mysummary")
    if method is None:
        return ()
    body = _Summary(method.function, Session(layer))
    node = body.located.node
    try:
        said = body.run(body.bind(method.function, (PACKET,), {}, node))
        if isinstance(said, Static) and isinstance(said.value, tuple):
            said = Const(said.value[0])
        text = body.expr(said.items[0] if isinstance(said, Items) else said, node)
        parts = _parts(text)
    except RecursionError as exc:
        raise body.refuse(node, "mysummary() is nested deeper than can be followed") from exc
    if parts is None:
        raise body.refuse(node, "mysummary() gives something that is no text")
    if len(parts) > MAX_PARTS:
        raise body.refuse(node, f"mysummary() has more than {MAX_PARTS} parts")
    known = field_names(layer) | PSEUDO
    for path in (p for c, _, args in parts for e in (*args, *([c] if c else [])) for p in refs(e)):
        if len(path) != 2 or path[1] not in known:
            raise body.refuse(node, f"mysummary() looks at {'.'.join(path[1:])}, which is no field of the layer")
    return tuple((c, Message(form, args)) for c, form, args in _together(parts))


class _Summary(PacketBody):
    """Translation of a function that makes text."""

    def enter(self, fn: object, env: Env) -> Value:
        return _Summary(fn, self.session, self.depth + 1).run(env)  # type: ignore[arg-type]  # as in Body

    def method(
        self, owner: Ref, name: str, args: tuple[Value, ...], keywords: dict[str, Value], node: ast.Call
    ) -> Value:
        if owner == PACKET and name == "sprintf" and args:
            return self.directives(self.expr(args[0], node), node)
        if name in AS_TEXT and isinstance(self.field_of(owner), TEXTUAL):
            return owner
        return super().method(owner, name, args, keywords, node)

    def on_call(self, node: ast.Call, env: Env) -> Value:
        """Also ``self.uid.decode("ascii", errors="replace").rstrip("…")``, which is the text of the field."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in AS_TEXT:
            owner = self.e(node.func.value, env)
            if isinstance(owner, Ref):
                return self.method(owner, node.func.attr, (), {}, node)
        return super().on_call(node, env)

    def on_joinedstr(self, node: ast.JoinedStr, env: Env) -> Value:
        """An f-string."""
        out: Expr = Const("")
        for piece in node.values:
            if isinstance(piece, ast.Constant):
                out = Join(out, Const(str(piece.value)))
                continue
            assert isinstance(piece, ast.FormattedValue)  # there is nothing else in an f-string
            spec = piece.format_spec
            form = "".join(str(getattr(v, "value", "?")) for v in getattr(spec, "values", ()))
            found = re.fullmatch(r"(#?0?)(\d*)([dxXs]?)", form)
            if found is None or piece.conversion not in (-1, ord("s")):
                raise self.refuse(node, f"formats a value as {form or 'repr()'}")
            flags, width, kind = found.groups()
            width = str(int(width) - 2) if "#" in flags and width else width
            text = self.formatted(flags.replace("#", ""), width, kind or "s", self.x(piece.value, env))
            out = Join(Join(out, Const("0x" if "#" in flags else "")), text)
        return out

    def arithmetic(self, op: ast.operator, left: Value, right: Value, node: ast.AST) -> Expr:
        if isinstance(op, ast.Add) and (_is_text(left) or _is_text(right)):
            return Join(self.expr(left, node), self.expr(right, node))
        if isinstance(op, ast.Mod) and isinstance(left, Const) and isinstance(left.value, str):
            return self.percent(left.value, right, node)
        return super().arithmetic(op, left, right, node)

    def percent(self, form: str, right: Value, node: ast.AST) -> Expr:
        """``form % (values)``."""
        values: list[Expr]
        if isinstance(right, Items):
            values = [self.expr(v, node) for v in right.items]
        elif isinstance(right, Static) and isinstance(right.value, tuple):
            values = [self.expr(Static(v), node) for v in right.value]
        else:
            values = [self.expr(right, node)]
        out, at = Const(""), 0  # type: tuple[Expr, int]
        for found in PRINTF.finditer(form):
            out, at = Join(out, Const(form[at : found.start()])), found.end()
            flags, width, kind = found["flags"], found["width"], found["kind"]
            if kind == "%":
                out = Join(out, Const("%"))
                continue
            if kind not in "dsxXiu" or not values:
                raise self.refuse(node, f"formats a value with {found[0]}")
            if "#" in flags:
                out, flags = Join(out, Const("0x")), flags.replace("#", "")
                width = str(max(0, int(width) - 2)) if width else width
            out = Join(out, self.formatted(flags, width, "d" if kind in "iu" else kind, values.pop(0)))
        return Join(out, Const(form[at:]))

    def formatted(self, flags: str, width: str, kind: str, value: Expr) -> Expr:
        """A value in a text: what Python shows of a number is the number, and not what it is called."""
        if kind == "s" and not _is_text(value):
            textual = isinstance(value, Ref) and isinstance(self.field_of(value), TEXTUAL)
            kind = "s" if textual or (value.type == "any" and not isinstance(value, Ref)) else "d"
        if kind == "s" and (isinstance(value, Text | Join | If) or _is_text(value)):
            return value
        return Text(f"%{flags}{width}{kind}", (value,))

    def directives(self, e: Expr, node: ast.AST) -> Expr:
        """``self.sprintf(e)``."""
        if isinstance(e, Join):
            return Join(self.directives(e.a, node), self.directives(e.b, node))
        if isinstance(e, If):
            return If(e.c, self.directives(e.t, node), self.directives(e.f, node))
        if not (isinstance(e, Const) and isinstance(e.value, str)):
            raise self.refuse(node, "calls sprintf() with something that is no constant text")
        if "{" in e.value:
            raise self.refuse(node, "sprintf() with a condition on layers ({…})", "say it with if")
        out, rest = Const(""), e.value  # type: tuple[Expr, str]
        while "%" in rest:
            before, _, rest = rest.partition("%")
            out = Join(out, Const(before))
            if rest[:1] in ("%", "(", ")"):
                out, rest = Join(out, Const({"(": "{", ")": "}"}.get(rest[0], "%"))), rest[1:]
                continue
            found = DIRECTIVE.match("%" + rest)
            if found is None:
                raise self.refuse(node, f"sprintf() with a directive that cannot be read (%{rest[:20]})")
            out, rest = Join(out, self.directive(found, node)), rest[found.end() - 1 :]
        return Join(out, Const(rest))

    def directive(self, found: re.Match[str], node: ast.AST) -> Expr:
        """One ``%form,layer.field%``."""
        mine = self.layer is not None and found["cls"] in (None, self.layer.__name__)
        if not mine or found["nb"] not in (None, "1") or found["name"] == "time":
            raise self.refuse(node, f"sprintf() looks at another layer ({found[0]})")
        form = PRINTF.fullmatch("%" + (found["form"] or "s").removesuffix("r") + ("" if found["form"] != "r" else "s"))
        if form is None or form["kind"] not in "sdxX":
            raise self.refuse(node, f"sprintf() with a format that is not understood ({found[0]})")
        ref = Ref(("F", self.current(found["name"])))
        if (found["form"] or "").endswith("r") and form["kind"] == "s":
            return self.formatted(form["flags"], form["width"], "s", ref)
        return Text(f"%{form['flags'].replace('#', '')}{form['width']}{form['kind']}", (ref,))

    def merge(self, c: Expr, one: Env, other: Env, env: Env, node: ast.AST) -> None:
        """Text that one branch goes on with is said once, with the branch's condition on what is new."""
        for name in {*one} & {*other}:
            a, b = one[name], other[name]
            if isinstance(a, Join) and isinstance(b, Expr) and a != b and (new := _behind(a, b)) is not None:
                one[name] = other[name] = Join(b, If(c, new, Const("")))
        super().merge(c, one, other, env, node)

    def truth_of(self, value: Value, node: ast.expr) -> Expr:
        """Whether a text is there at all."""
        return _there(value) if isinstance(value, Text | Join) else super().truth_of(value, node)


def _is_text(value: Value) -> bool:
    if isinstance(value, If):
        return _is_text(value.t) or _is_text(value.f)
    return isinstance(value, Text | Join) or (isinstance(value, Const) and isinstance(value.value, str))


def _behind(whole: Expr, start: Expr) -> Expr | None:
    """What *whole* has behind *start*, None if it does not begin with it."""
    if whole == start:
        return Const("")
    if not isinstance(whole, Join):
        return None
    before = _behind(whole.a, start)
    return None if before is None else Join(before, whole.b)


def _there(e: Expr) -> Expr:
    if isinstance(e, Const):
        return Const(bool(e.value))
    if isinstance(e, Join):
        return simplify(truth(Logic("or", _there(e.a), _there(e.b))))
    if isinstance(e, If):
        return simplify(truth(If(e.c, _there(e.t), _there(e.f))))
    return TRUE if isinstance(e, Text) else FALSE


# ---------------------------------------------------------------------------------------------------- into parts


def _parts(e: Expr) -> list[Part] | None:
    """A text as what is said under which condition; None if it is no text."""
    if isinstance(e, Const) and isinstance(e.value, str):
        return [(None, e.value.replace("%", "%%"), ())] if e.value else []
    if isinstance(e, Text):
        return [(None, e.format, e.args)]
    if isinstance(e, Ref):
        return [(None, "%s", (e,))]
    if isinstance(e, Join):
        a, b = _parts(e.a), _parts(e.b)
        return None if a is None or b is None else [*a, *b]
    if not isinstance(e, If):
        return None
    t, f = _parts(e.t), _parts(e.f)
    if t is None or f is None:
        return None
    t, f = _together(t), _together(f)
    same = 0
    while same < min(len(t), len(f)) and t[same] == f[same]:
        same += 1
    return [*t[:same], *_under(e.c, t[same:]), *_under(simplify(Un("not", e.c)), f[same:])]


def _under(c: Expr, parts: Iterable[Part]) -> list[Part]:
    return [(c if own is None else Logic("and", c, own), form, args) for own, form, args in parts]


def _together(parts: Sequence[Part]) -> list[Part]:
    """Neighbours under the same condition as one."""
    out: list[Part] = []
    for c, form, args in parts:
        if out and out[-1][0] == c:
            out[-1] = (c, out[-1][1] + form, (*out[-1][2], *args))
        else:
            out.append((c, form, args))
    return out
