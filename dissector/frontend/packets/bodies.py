# SPDX-License-Identifier: GPL-2.0-or-later
"""The translator of callables for packets: what :mod:`dissector.frontend.callables` understands, and more.

A stream's layers are written for this project; Scapy's are not, and they use what a protocol's author had at hand:

* ``conf.raw_layer`` and ``conf.padding_layer``, which are names for octets without a meaning;
* other configuration: it is taken as it is now, and the translation says so (``settings``);
* tables in which layers enter themselves when they are defined: they are complete when a plugin is generated;
* ``Packet.guess_payload_class(self, payload)`` and the like, also through ``super()``: Scapy's own choice of a payload,
  which stands in the expression as :data:`GUESS` until the layer's bindings replace it;
* ``raise`` and ``assert``: a packet on which Scapy fails has no meaning to agree with, so the other branch is the
  answer for it as well.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from ...errors import Refused
from ...ir.expr import Case, Const, Expr, If
from ..scope import Env
from ..values import Value
from .questions import GUESS, NEVER, Questions
from .unfolding import Pick, guarded


class PacketBody(Questions):
    """Translation of a function that belongs to a packet."""

    def block(self, body: Sequence[ast.stmt], env: Env) -> Value:
        """What *body* returns; a path that raises has no value."""
        for i, s in enumerate(body):
            if isinstance(s, ast.Raise):
                return NEVER
            if isinstance(s, ast.Try):
                return self.attempt(s, body[i + 1 :], env)
            if isinstance(s, ast.For):
                return self.block([*self.unrolled(s, env), *body[i + 1 :]], env)
            if isinstance(s, ast.Assign) and (found := self.several(s, env)) is not None:
                return self.split(*found, body[i + 1 :], env, s)
            if isinstance(s, ast.Return | ast.If):
                return super().block(body[i:], env)
            if not isinstance(s, ast.Assert):
                self.step(s)
                self.statement(s, env)
        return Const(None)

    def several(self, s: ast.Assign, env: Env) -> tuple[str, Pick] | None:
        """A name that stands for one of several tables or lists from here on."""
        target = s.targets[0]
        if not isinstance(target, ast.Name) or not isinstance(s.value, ast.Subscript | ast.Call):
            return None
        if isinstance(s.value, ast.Call) and not (
            isinstance(s.value.func, ast.Attribute) and s.value.func.attr == "get"
        ):
            return None
        try:
            value = self.e(s.value, env)
        except Refused:
            return None  # whoever translates the statement says so
        if isinstance(value, Pick) and not all(isinstance(v, tuple) for _, v in value.ways):
            return self.own(target.id), value
        return None

    def statement(self, s: ast.stmt, env: Env) -> None:
        """``p.name = ...`` of a packet that is made: how it is called is not how it is read."""
        if isinstance(s, ast.Assign) and isinstance(target := s.targets[0], ast.Attribute) and target.attr == "name":
            owner = self.e(target.value, env)
            if isinstance(owner, Expr) and self.is_class(owner):
                return
        super().statement(s, env)

    def assign(self, target: ast.expr, value: Value, env: Env) -> None:
        """``a, b = entry``."""
        if isinstance(value, Pick) and isinstance(target, ast.Tuple):
            for t, v in zip(target.elts, self.parts(value, len(target.elts), target), strict=True):
                self.assign(t, v, env)
            return
        super().assign(target, value, env)

    def attempt(self, s: ast.Try, rest: Sequence[ast.stmt], env: Env) -> Value:
        """``try``: look-ups in tables, whose misses the handler answers."""
        if len(s.handlers) != 1 or s.finalbody or s.orelse:
            self.statement(s, env)
        if _gives_up(s.handlers[0]):
            other = self.expr(self.block(s.handlers[0].body, dict(env)), s)
            return guarded(self.expr(self.block([*s.body, *rest], env), s), other)
        if not _only_lookup(s):
            self.statement(s, env)
        handler = self.block([*s.handlers[0].body, *rest], dict(env))
        value = self.block([*s.body, *rest], env)
        return value if handler == NEVER else self.missed(value, handler, s)

    def missed(self, value: Value, handler: Value, node: ast.AST) -> Value:
        """*value* with *handler*'s in place of what a table has no entry for."""
        other = self.expr(handler, node)
        if isinstance(value, Case) and value.default == Const(None):
            return Case(value.x, value.entries, other)
        if isinstance(value, If) and value.f == Const(None):
            return If(value.c, value.t, other)
        raise self.refuse(node, "catches errors (try)", "test for what would go wrong instead")

    def branch(self, s: ast.If, rest: Sequence[ast.stmt], env: Env) -> Value | None:
        """An ``if`` of which one side may raise."""
        for side, other in ((s.body, s.orelse), (s.orelse, s.body)):
            if _always_raises(side):
                return self.block([*other, *rest], env)
        raises = [
            any(isinstance(n, ast.Raise | ast.Try) for x in side for n in ast.walk(x)) for side in (s.body, s.orelse)
        ]
        if not any(raises):
            return super().branch(s, rest, env)
        c = self.condition(s.test, env)
        if isinstance(c, Const):
            return self.block([*(s.body if c.value else s.orelse), *rest], env)
        t = self.block([*s.body, *rest], dict(env))
        f = self.block([*s.orelse, *rest], dict(env))
        if NEVER in (t, f):
            return f if t == NEVER else t
        return self.bounded(If(c, self.expr(t, s), self.expr(f, s)), s)

    def expr(self, value: Value, node: ast.AST) -> Expr:
        """*value* as a value of the IR."""
        if value == NEVER:
            raise self.refuse(node, "always raises an error", "return a value")
        return super().expr(value, node)


def _always_raises(side: Sequence[ast.stmt]) -> bool:
    """True for statements that end in an error whatever they do before."""
    returns = any(isinstance(n, ast.Return) for s in side for n in ast.walk(s))
    return bool(side) and isinstance(side[-1], ast.Raise) and not returns


def _gives_up(handler: ast.ExceptHandler) -> bool:
    """True for a handler that returns plain octets when octets are missing: there is nothing to read in either case."""
    caught = isinstance(handler.type, ast.Name) and handler.type.id in ("IndexError", "struct.error")
    last = handler.body[-1]
    raw = (
        isinstance(last, ast.Return) and last.value is not None and ast.unparse(last.value) in ("conf.raw_layer", "Raw")
    )
    return caught and raw and len(handler.body) == 1


def _only_lookup(s: ast.Try) -> bool:
    """True when all that the handler answers for is the look-up that the body returns."""
    *before, last = s.body
    caught = s.handlers[0].type
    return (
        all(isinstance(x, ast.Assign) for x in before)
        and isinstance(last, ast.Return)
        and isinstance(last.value, ast.Subscript)
        and isinstance(caught, ast.Name)
        and caught.id == "KeyError"
    )


__all__ = ["GUESS", "NEVER", "PacketBody"]
