# SPDX-License-Identifier: GPL-2.0-or-later
"""Function bodies: assignments, ``if`` and ``return`` as one expression.

A body without loops is a decision tree.  Names are substituted where they are used, so an assignment costs nothing and
the order of evaluation does not matter: nothing in the IR has an effect.  What happens after an ``if`` decides whether
the result stays small:

* a branch that always returns takes the rest of the body as its other side;
* branches without any ``return`` are merged: each name that differs becomes ``If(condition, this, that)``, so twenty
  of them in a row stay twenty and do not become a million;
* only a branch that returns sometimes is followed by the rest twice.

A path on which Python would raise an error has no value, and the translation is free to have one there: a packet that
makes Scapy raise is shown as data, and there is nothing to agree with.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import types
from collections.abc import Sequence

from dissector.frontend.calls import Calls
from dissector.frontend.expressions import folded
from dissector.frontend.scope import HINT_LOOP, HINT_PLAIN, HINT_STATE, Env, describe
from dissector.frontend.values import Items, Static, Value, scalar
from dissector.ir.expr import Const, Expr, If

_REFUSED: dict[type[ast.stmt], tuple[str, str]] = {
    ast.For: ("loops (for)", HINT_LOOP),
    ast.While: ("loops (while)", HINT_LOOP),
    ast.Try: ("catches errors (try)", "test for what would go wrong instead"),
    ast.With: ("uses a context (with)", HINT_PLAIN),
    ast.Raise: ("raises an error", "return a length that cannot be, or test it in a condition"),
    ast.Assert: ("asserts", "return a length that cannot be, or test it in a condition"),
    ast.Expr: ("does something for its effect", "a callable gives a value and changes nothing"),
    ast.Global: ("changes a global variable", HINT_STATE),
    ast.Nonlocal: ("changes a variable of another function", HINT_STATE),
    ast.Delete: ("deletes something", HINT_STATE),
    ast.FunctionDef: ("defines a function inside", "define it at the top of the module"),
    ast.ClassDef: ("defines a class inside", "define it at the top of the module"),
}


class Body(Calls):
    """Translation of a whole function."""

    def enter(self, fn: types.FunctionType, env: Env) -> Value:
        """The value of *fn*'s body with the parameters *env*."""
        return type(self)(fn, self.session, self.depth + 1).run(env)

    def run(self, env: Env) -> Value:
        """The value that the function returns."""
        node = self.located.node
        if isinstance(node, ast.Lambda):
            return self.e(node.body, env)
        return self.block(node.body, dict(env))

    def block(self, body: Sequence[ast.stmt], env: Env) -> Value:
        """What *body* returns; *env* is changed on the way."""
        for i, s in enumerate(body):
            self.step(s)
            if isinstance(s, ast.Return):
                return self.e(s.value, env) if s.value else Const(None)
            if isinstance(s, ast.If):
                result = self.branch(s, body[i + 1 :], env)
                if result is not None:
                    return result
            else:
                self.statement(s, env)
        return Const(None)

    def branch(self, s: ast.If, rest: Sequence[ast.stmt], env: Env) -> Value | None:
        """An ``if``: what it and the rest of the body return, or None when the rest goes on with *env*."""
        c = self.condition(s.test, env)
        if isinstance(c, Const):
            return self.block([*(s.body if c.value else s.orelse), *rest], env)
        if _returns(s.body) or _returns(s.orelse):
            t = self.block([*s.body, *rest], dict(env))
            f = self.block([*s.orelse, *rest], dict(env))
            return self.bounded(If(c, self.expr(t, s), self.expr(f, s)), s)
        one, other = dict(env), dict(env)
        self.block(s.body, one)
        self.block(s.orelse, other)
        self.merge(c, one, other, env, s)
        return None

    def merge(self, c: Expr, one: Env, other: Env, env: Env, node: ast.AST) -> None:
        """Set *env* to what the names stand for after either branch; a name that only one of them has is forgotten."""
        for name in sorted({*one, *other}):
            a, b = one.get(name), other.get(name)
            if a is not None and b is not None:
                env[name] = a if a == b else self.bounded(If(c, self.expr(a, node), self.expr(b, node)), node)
            else:
                env.pop(name, None)

    def statement(self, s: ast.stmt, env: Env) -> None:
        """A statement that neither decides nor returns."""
        if isinstance(s, ast.Pass):
            return
        if isinstance(s, ast.Expr) and (isinstance(s.value, ast.Constant) or self.is_log(s.value, env)):
            return
        if isinstance(s, ast.Assign):
            value = self.value(s.value, env)
            for target in s.targets:
                self.assign(target, value, env)
        elif isinstance(s, ast.AnnAssign):
            if s.value is not None:
                self.assign(s.target, self.value(s.value, env), env)
        elif isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Name):
            left = self.name(s.target.id, env, s)
            env[self.own(s.target.id)] = self.bounded(self.arithmetic(s.op, left, self.e(s.value, env), s), s)
        elif isinstance(s, ast.Import | ast.ImportFrom):
            self.importing(s, env)
        else:
            what, hint = _REFUSED.get(
                type(s), (f"has a statement that is not understood ({type(s).__name__})", HINT_PLAIN)
            )
            raise self.refuse(s, what, hint)

    def value(self, node: ast.expr, env: Env) -> Value:
        """The right side of an assignment, not too large to be written wherever the name is used."""
        value = self.e(node, env)
        return self.bounded(folded(value), node) if isinstance(value, Expr) else value

    def assign(self, target: ast.expr, value: Value, env: Env) -> None:
        """``target = value``."""
        if isinstance(target, ast.Name):
            env[self.own(target.id)] = value
            return
        if not isinstance(target, ast.Tuple | ast.List):
            raise self.refuse(target, "stores into an object", HINT_STATE)
        items: tuple[Value, ...] = value.items if isinstance(value, Items) else ()
        if isinstance(value, Static) and isinstance(value.value, tuple):
            items = tuple(scalar(v) or Static(v) for v in value.value)
        if len(items) != len(target.elts):
            raise self.refuse(target, f"unpacks {describe(value)}")
        for t, v in zip(target.elts, items, strict=True):
            self.assign(t, v, env)

    def importing(self, s: ast.Import | ast.ImportFrom, env: Env) -> None:
        """An import inside a function, the usual way round a circular one."""
        package = str(self.globals.get("__package__") or "")
        for alias in s.names:
            try:
                if isinstance(s, ast.ImportFrom):
                    origin = importlib.util.resolve_name("." * s.level + (s.module or ""), package)
                    value = _of_module(origin, alias.name)
                else:
                    origin = alias.name
                    value = importlib.import_module(alias.name if alias.asname else alias.name.partition(".")[0])
            except (ImportError, AttributeError) as exc:
                raise self.refuse(s, f"imports {alias.name!r}, which is not there") from exc
            places = ((origin, alias.name),) if isinstance(s, ast.ImportFrom) else ()
            env[alias.asname or alias.name.partition(".")[0]] = self.constant(value, alias.name, places, s)


def _returns(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(n, ast.Return) for s in body for n in ast.walk(s))


def _of_module(origin: str, name: str) -> object:
    """What ``from origin import name`` gives: a module that is not loaded yet is loaded."""
    module = importlib.import_module(origin)
    if not hasattr(module, name) and hasattr(module, "__path__"):
        return importlib.import_module(f"{origin}.{name}")
    value: object = getattr(module, name)
    return value
