# SPDX-License-Identifier: GPL-2.0-or-later
"""Field classes that read octets in their own way, as far as *how many* octets that are can be said.

``getfield`` returns what is left and the value.  What is left is nearly always ``s[n:]`` with an ``n`` that can be
translated like any other length, while the value is something that only Python makes: a list of labels, a decoded
name.  Such a field becomes octets (``raw``): where it is and how long it is are known, what it means is not.
"""

from __future__ import annotations

import ast
import functools
import inspect
import random
import types
from collections.abc import Sequence
from typing import Any

from scapy import fields as sf

from ...errors import Refused
from ...ir.evaluate import evaluate
from ...ir.expr import Bin, Cmp, Const, Expr, If, Size
from ...ir.packets import Item
from ...ir.simplify import simplify
from ..callables import Translation
from ..oracle import check
from ..samples import Sample, Source, View
from ..scope import Env, Session
from ..values import PACKET, Items, Static, Value
from .around import OCTETS
from .bodies import PacketBody
from .extent import Part
from .subject import Subject

SAMPLES = 24
UNKNOWN = Static(type("Unknown", (), {})())
"""A value that is only of use for the field's value."""


class Reading(PacketBody):
    """Translation of ``getfield``."""

    def slice(self, owner: Value, part: ast.Slice, env: Env, node: ast.AST) -> Value:
        """``s[n:]``."""
        if owner == OCTETS and part.step is None and part.upper is None and part.lower is not None:
            return Part(False, self.x(part.lower, env))  # type: ignore[return-value]
        return super().slice(owner, part, env, node)

    def on_tuple(self, node: ast.Tuple | ast.List | ast.Set, env: Env) -> Value:
        """What is left and the value: how many octets were read."""
        if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
            return super().on_tuple(node, env)
        left: Any = self.e(node.elts[0], env)
        if self.depth:
            return Items((left, UNKNOWN)) if isinstance(left, Part) or left == OCTETS else super().on_tuple(node, env)
        if isinstance(left, Part):
            return left.at
        if left == OCTETS:
            return Const(0)
        if isinstance(left, Const) and left.value in (b"", ""):
            return Size(OCTETS)
        raise self.refuse(node, "leaves something else than the end of the octets", "return s[n:], value")

    def statement(self, s: ast.stmt, env: Env) -> None:
        """An assignment of something that cannot be said is forgotten, unless somebody asks for it."""
        try:
            super().statement(s, env)
        except Refused:
            targets = s.targets if isinstance(s, ast.Assign) else []
            if not targets or not all(isinstance(t, ast.Name) for t in targets):
                raise
            for t in targets:
                assert isinstance(t, ast.Name)
                env[self.own(t.id)] = UNKNOWN

    def branch(self, s: ast.If, rest: Sequence[ast.stmt], env: Env) -> Value | None:
        """A decision that only matters for the value."""
        try:
            return super().branch(s, rest, env)
        except Refused:
            one, other = (self.block([*side, *rest], dict(env)) for side in (s.body, s.orelse))
            if one != other:
                raise
            return one

    def expr(self, value: Value, node: ast.AST) -> Expr:
        """*value* as a value of the IR."""
        if value == UNKNOWN:
            raise self.refuse(node, "uses a value that cannot be translated", "compute the length from octets")
        return super().expr(value, node)


def octets_of(subject: Subject) -> Item | None:
    """The octets of a field whose class has a ``getfield`` of its own; None when nobody can say how many."""
    fld = subject.fld
    fn = inspect.getattr_static(type(fld), "getfield", None)
    if not isinstance(fld, sf.Field) or isinstance(fld, sf._BitField) or not isinstance(fn, types.FunctionType):  # noqa: SLF001
        return None
    if fn.__module__ == "scapy.fields" and not isinstance(fld, sf._IPPrefixFieldBase):  # noqa: SLF001
        return None
    session = Session(subject.layer, "getfield")
    try:
        body = Reading(fn, session)
        node = body.located.node
        found = body.run(body.bind(fn, (Static(fld), PACKET, OCTETS), {}, node))
        size = subject.seen(simplify(body.expr(found, node)))
    except Refused:
        return None
    if not _agrees(subject, fn, size):
        return None
    subject.context.settings.update(session.settings)
    if isinstance(fld, sf._IPPrefixFieldBase):  # noqa: SLF001
        # An address of more octets than there are in one is an error in Scapy, and so is arithmetic with nothing.
        size = If(Cmp("<=", size, Const(fld.maxbytes)), size, Bin("+", Const(None), Const(0)))
    whole = isinstance(size, Size)
    return subject.leaf(kind="bytes", size=None if whole else size, raw=True)


def chosen_by(subject: Subject) -> Expr | None:
    """The layer that a field of packets makes of its octets in an ``m2i`` of its own; None when it cannot be said."""
    fn = inspect.getattr_static(type(subject.fld), "m2i")
    if not isinstance(fn, types.FunctionType):
        return None
    session = Session(subject.layer, "m2i")
    try:
        body = PacketBody(fn, session)
        node = body.located.node
        found = body.run(body.bind(fn, (Static(subject.fld), PACKET, OCTETS), {}, node))
        chosen = subject.seen(simplify(body.expr(found, node)))
    except Refused:
        return None
    translation = Translation(chosen, ("F", "octets"), body.located.ref, session.classes)
    bound = functools.partial(fn, subject.fld)
    if not body.is_class(chosen) or check(bound, translation, "", subject.layer, none_rate=0.0).mismatch is not None:
        return None
    for cls in session.classes.values():
        subject.context.name(cls)
    subject.context.settings.update(session.settings)
    return chosen


def _agrees(subject: Subject, fn: Any, size: Expr) -> bool:
    """Compare the size with what ``getfield`` does on sampled packets."""
    source = Source(size, (), random.Random(1))  # noqa: S311  samples, not secrets
    compared = 0
    for _ in range(SAMPLES):
        packet = Sample(subject.layer, source)
        octets = bytes(source.rng.randrange(256) for _ in range(source.rng.choice((4, 12, 40, 300))))
        try:
            left, _value = fn(subject.fld, packet, octets)
        except Exception:  # noqa: BLE001, S112  then there is no answer
            continue
        try:
            got = evaluate(size, {"F": View(packet), "octets": octets})
        except IndexError:
            continue
        compared += 1
        if len(octets[got:]) != len(left):
            return False
    return compared > 0
