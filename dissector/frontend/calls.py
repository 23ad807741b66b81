# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls in a callable: helper functions, methods, and layers; builtins are in :mod:`dissector.frontend.functions`.

A helper written in Python is inlined: its body is translated with the arguments in place of its parameters.  Its
module is that of its definition, so names resolve as Python resolves them.  Calling a layer on the callable's own
octets, as selectors do (``return TYPES.get(s[0], Raw)(s)``), is the choice of that layer; the octets are dissected by
whoever asked.

A call that only writes to a log has no value and is dropped.  Anything else that is not listed here is refused.
"""

from __future__ import annotations

import ast
import inspect
import logging
import types
from collections.abc import Mapping

from scapy import error
from scapy.packet import Packet

from dissector.frontend.functions import Functions
from dissector.frontend.scope import HINT_PACKET, MAX_DEPTH, Env, describe
from dissector.frontend.values import PACKET, Items, Keywords, Static, Value, called, is_table, scalar
from dissector.ir.expr import Const, Expr, Ref


class Calls(Functions):
    """Translation of calls."""

    def on_call(self, node: ast.Call, env: Env) -> Value:
        """``function(arguments)``."""
        args, keywords = self.arguments(node, env)
        if not isinstance(node.func, ast.Attribute):
            return self.apply(self.e(node.func, env), args, keywords, node)
        owner, name = self.e(node.func.value, env), node.func.attr
        if isinstance(owner, Ref):
            return self.method(owner, name, args, keywords, node)
        if isinstance(owner, Static) and is_table(owner.value):
            return self.table_method(owner.value, name, args, node)
        return self.apply(self.attribute(owner, name, node), args, keywords, node)

    def arguments(self, node: ast.Call, env: Env) -> tuple[tuple[Value, ...], dict[str, Value]]:
        """Positional and keyword arguments; ``*args`` is unpacked, ``**kwargs`` of the callable is dropped."""
        args: list[Value] = []
        for n in node.args:
            value = self.e(n.value if isinstance(n, ast.Starred) else n, env)
            if not isinstance(n, ast.Starred):
                args.append(value)
            elif isinstance(value, Items):
                args += value.items
            else:
                raise self.refuse(n, f"unpacks {describe(value)} (*)")
        keywords: dict[str, Value] = {}
        for k in node.keywords:
            value = self.e(k.value, env)
            if k.arg is not None:
                keywords[k.arg] = value
            elif not isinstance(value, Keywords):
                raise self.refuse(node, f"unpacks {describe(value)} (**)")
        return tuple(args), keywords

    def apply(self, function: Value, args: tuple[Value, ...], keywords: dict[str, Value], node: ast.Call) -> Value:
        """The value of calling *function*."""
        if isinstance(function, Expr):
            return self.choose(function, args, node)
        if not isinstance(function, Static):
            raise self.refuse(node, f"calls {describe(function)}")
        f = function.value
        if isinstance(f, types.MethodType):
            args, f = (Static(f.__self__), *args), f.__func__
        known = None if keywords else self.builtin(f, args, node)
        if known is not None:
            return known
        if isinstance(f, types.FunctionType):
            return self.inline(f, args, keywords, node)
        if isinstance(f, type) and issubclass(f, Packet):
            return self.choose(self.class_const(f), args, node)
        raise self.refuse(node, f"calls {called(f)}")

    def choose(self, layer: Expr, args: tuple[Value, ...], node: ast.Call) -> Expr:
        """A layer, made of octets that are an argument of the callable itself."""
        if not self.is_class(layer):
            raise self.refuse(node, "calls something that depends on the packet")
        if len(args) != 1 or not isinstance(args[0], Ref) or len(args[0].path) != 1:
            raise self.refuse(node, "makes a packet of its own", "return the class; Scapy makes the packet")
        return layer

    def is_log(self, node: ast.expr, env: Env) -> bool:
        """True for a call that only writes to Scapy's log."""
        if not isinstance(node, ast.Call):
            return False
        n = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if not isinstance(n, ast.Name) or n.id in env:
            return False
        target = self.globals.get(n.id)
        return isinstance(target, logging.Logger) or target is error.warning

    # ------------------------------------------------------------------------------------------------ methods

    def method(
        self, owner: Ref, name: str, args: tuple[Value, ...], keywords: dict[str, Value], node: ast.Call
    ) -> Value:
        """``pkt.name(arguments)`` or a method of something read from the wire."""
        known = args[0].value if len(args) == 1 and isinstance(args[0], Const) else None
        if name == "getfieldval" and isinstance(known, str):
            return Ref((*owner.path, self.current(known) if owner == PACKET else known))
        if owner != PACKET or self.layer is None:
            raise self.refuse(node, f"calls the method .{name}() of a value that is read from the wire")
        found = inspect.getattr_static(self.layer, name, None)
        if name in vars(Packet) or found is None:
            raise self.refuse(node, f"calls pkt.{name}()", HINT_PACKET)
        if isinstance(found, staticmethod | classmethod):
            return self.apply(Static(getattr(self.layer, name)), args, keywords, node)
        if isinstance(found, types.FunctionType):
            return self.inline(found, (PACKET, *args), keywords, node)
        raise self.refuse(node, f"calls the method .{name}(), which is not written in Python")

    def table_method(self, table: dict[object, object], name: str, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``TABLE.get(key, default)``, ``TABLE.keys()``, ``TABLE.values()``."""
        if name == "get" and len(args) in (1, 2):
            default = self.expr(args[1], node) if len(args) == 2 else Const(None)
            return self.lookup(table, self.expr(args[0], node), default, node)
        if name in ("keys", "values") and not args:
            return Static(tuple(getattr(table, name)()))
        raise self.refuse(node, f"calls the method .{name}() of a table", "a table is for [key], .get() and `in`")

    def inline(
        self, fn: types.FunctionType, args: tuple[Value, ...], keywords: Mapping[str, Value], node: ast.AST
    ) -> Value:
        """The value of calling a function that is written in Python."""
        if self.depth >= MAX_DEPTH:
            raise self.refuse(node, f"functions call each other more than {MAX_DEPTH} deep")
        for value in (*args, *keywords.values()):
            if isinstance(value, Expr):
                self.bounded(value, node)
        return self.enter(fn, self.bind(fn, args, keywords, node))

    def enter(self, fn: types.FunctionType, env: Env) -> Value:
        """The value of *fn*'s body with the parameters *env*; see :mod:`dissector.frontend.statements`."""
        raise NotImplementedError

    def bind(
        self, fn: types.FunctionType, args: tuple[Value, ...], keywords: Mapping[str, Value], node: ast.AST
    ) -> Env:
        """The parameters of *fn* for a call, as Python would bind them."""
        signature = inspect.signature(fn, follow_wrapped=False)
        try:
            bound = signature.bind(*args, **keywords)
        except TypeError as exc:
            raise self.refuse(node, f"calls {called(fn)} with the wrong arguments") from exc
        env: Env = {}
        for p in signature.parameters.values():
            if p.kind is p.VAR_POSITIONAL:
                env[p.name] = Items(tuple(bound.arguments.get(p.name, ())))
            elif p.kind is p.VAR_KEYWORD:
                env[p.name] = Keywords()
            elif p.name in bound.arguments:
                env[p.name] = bound.arguments[p.name]
            else:
                env[p.name] = scalar(p.default) or Static(p.default)
        return env
