# SPDX-License-Identifier: GPL-2.0-or-later
"""Hooks around the dissection of a layer, and whether they leave its octets alone.

``pre_dissect`` and ``post_dissect`` get the octets and give them on.  They are translated like a callable: when what
they return is what they were given, they are harmless, and what they keep in the packet on the way
(``self.s_len = len(s)``) is known from then on.  State outside of the packet that they change does not matter here:
a callable that looks at something that changes is refused for it.

``__init__`` is called with the octets before anything is dissected.  It is harmless when it hands its arguments on, and
otherwise only takes options, sets attributes that are no fields, changes defaults, or raises errors.
"""

from __future__ import annotations

import ast
import inspect
import types
from typing import Any

from scapy.packet import Packet

from ...errors import Refused
from ...ir.expr import Expr, Ref, rewrite
from ..scope import Env, Session
from ..source import locate
from ..values import PACKET, Static, Value
from .bodies import NEVER, PacketBody

OCTETS = Ref(("octets",))
ORIGINAL = Ref(("F", "original"))


class Through(PacketBody):
    """Translation of ``pre_dissect`` and ``post_dissect``."""

    kept: dict[str, Expr]

    def statement(self, s: ast.stmt, env: Env) -> None:
        """Statements whose effect is not on the octets."""
        if isinstance(s, ast.Assign) and len(s.targets) == 1 and isinstance(s.targets[0], ast.Attribute):
            return self.store(s.targets[0], s.value, env)
        targets = s.targets if isinstance(s, ast.Assign) else [s.target] if isinstance(s, ast.AugAssign) else []
        if targets and all(isinstance(t, ast.Subscript | ast.Attribute) for t in targets):
            return self.elsewhere(targets[0], env)
        if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) and not self.is_log(s.value, env):
            return self.effect(s.value, env)
        return super().statement(s, env)

    def store(self, target: ast.Attribute, value: ast.expr, env: Env) -> None:
        """``self.name = value``, or the attribute of something that is no packet."""
        owner = self.e(target.value, env)
        if owner != PACKET:
            return self.elsewhere(target, env)
        if any(f.name == target.attr for f in getattr(self.layer, "fields_desc", ())):
            raise self.refuse(target, f"sets the field {target.attr!r} in code")
        kept = self.session.settings.setdefault("#kept", {})
        assert isinstance(kept, dict)
        try:
            kept[target.attr] = self.x(value, env)
        except Refused:
            kept.pop(target.attr, None)
        return None

    def elsewhere(self, target: ast.expr, env: Env) -> None:
        """A store into something that exists now."""
        assert isinstance(target, ast.Subscript | ast.Attribute)
        if not isinstance(self.e(target.value, env), Static):
            raise self.refuse(target, "stores into an object")

    def effect(self, call: ast.Call, env: Env) -> None:
        """A call for its effect: a method of the layer, or one that changes a list or table outside."""
        f = call.func
        if isinstance(f, ast.Attribute):
            owner = self.e(f.value, env)
            if isinstance(owner, Static) and isinstance(owner.value, list | dict | set):
                return
        self.e(call, env)


def passes_through(layer: Any, fn: Any) -> dict[str, Expr] | None:
    """What a hook keeps in the packet when it gives the octets on as they are; None when it does something else."""
    if not isinstance(fn, types.FunctionType):
        return None
    if looks_only(layer, fn):
        return {}
    session = Session(layer, "hook")
    try:
        body = Through(fn, session)
        result = body.run(body.bind(fn, (PACKET, OCTETS), {}, body.located.node))
    except Refused:
        return None
    kept = session.settings.get("#kept") or {}
    assert isinstance(kept, dict)
    return kept if result == OCTETS else None


def looks_only(layer: Any, fn: types.FunctionType, depth: int = 0) -> bool:
    """True for a hook that returns its octets, and otherwise only looks, raises, or changes things outside."""
    try:
        node = locate(fn).node
    except Refused:
        return False
    if not isinstance(node, ast.FunctionDef) or depth > 2:
        return False
    octets = node.args.args[1].arg if len(node.args.args) > 1 else ""
    return all(_looks(s, layer, octets, depth) for s in node.body)


def _looks(s: ast.AST, layer: Any, octets: str, depth: int) -> bool:
    if isinstance(s, ast.Pass | ast.Raise | ast.Assert):
        return True
    if isinstance(s, ast.If | ast.For | ast.Try | ast.ExceptHandler):
        parts = [*s.body, *getattr(s, "orelse", []), *getattr(s, "handlers", []), *getattr(s, "finalbody", [])]
        return all(_looks(x, layer, octets, depth) for x in parts)
    if isinstance(s, ast.Assign | ast.AugAssign):
        targets = s.targets if isinstance(s, ast.Assign) else [s.target]
        return all(_outside(t, octets) for t in targets)
    value = s.value if isinstance(s, ast.Expr | ast.Return) else None
    if isinstance(s, ast.Return):
        given = value is None if not octets else isinstance(value, ast.Name) and value.id == octets
        return given or (isinstance(value, ast.Call) and _hands_on(value, octets))
    if isinstance(value, ast.Constant):
        return True
    return isinstance(value, ast.Call) and _only_call(value, layer, depth)


def _outside(target: ast.expr, octets: str) -> bool:
    """A local name, or something that hangs on no local name: the packet and its octets stay as they are."""
    if isinstance(target, ast.Name):
        return target.id not in ("self", octets)
    while isinstance(target, ast.Attribute | ast.Subscript):
        if isinstance(target, ast.Attribute) and target.attr == "raw_packet_cache":
            return True
        target = target.value
    return isinstance(target, ast.Name) and target.id not in ("self", octets)


def _hands_on(call: ast.Call, octets: str) -> bool:
    """``super().post_dissect(s)``, when that is Scapy's own or one that has been looked at for itself."""
    f, last = call.func, call.args[-1] if call.args else None
    hook = isinstance(f, ast.Attribute) and f.attr in ("pre_dissect", "post_dissect")
    return hook and isinstance(last, ast.Name) and last.id == octets and bool(octets)


def _only_call(call: ast.Call, layer: Any, depth: int) -> bool:
    """A call that leaves the packet alone: a log, a list outside, a method that only looks."""
    f = call.func
    if isinstance(f, ast.Name):
        return f.id in ("warning", "log_runtime", "print")
    if not isinstance(f, ast.Attribute):
        return False
    if isinstance(f.value, ast.Name) and f.value.id == "self":
        fn = inspect.getattr_static(layer, f.attr, None)
        return not call.args and isinstance(fn, types.FunctionType) and looks_only(layer, fn, depth + 1)
    return _outside(f.value, "") and f.attr in ("append", "clear", "pop", "debug", "info", "warning", "error")


def before(e: Expr) -> Expr:
    """An expression of ``pre_dissect`` as one of the fields: its octets are all that the layer was given."""
    return rewrite(
        e, lambda n: Ref((*ORIGINAL.path, *n.path[1:])) if isinstance(n, Ref) and n.path[0] == "octets" else None
    )


# ------------------------------------------------------------------------------------------------------- __init__


def only_options(layer: Any, fn: Any) -> bool:
    """True for an ``__init__`` that hands its arguments on and does nothing else to the dissection."""
    try:
        node = locate(fn).node
    except Refused:
        return False
    if isinstance(node, ast.Lambda):
        return False
    if any(isinstance(n, ast.Assert | ast.Raise) for n in ast.walk(node)):
        return False  # what it does not like it does not read
    return all(_harmless(s, layer, 0) for s in node.body)


def _harmless(s: ast.stmt, layer: Any, depth: int) -> bool:
    if isinstance(s, ast.Pass | ast.Assert | ast.Raise):
        return True
    if isinstance(s, ast.If):
        return all(_harmless(x, layer, depth) for x in (*s.body, *s.orelse))
    if isinstance(s, ast.Delete):
        return all(isinstance(t, ast.Subscript) for t in s.targets)
    if isinstance(s, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = s.targets if isinstance(s, ast.Assign) else [s.target]
        return all(_no_field(t, layer) for t in targets) and (s.value is None or _plain(s.value))
    value = s.value if isinstance(s, ast.Expr | ast.Return) else None
    if isinstance(value, ast.Constant) or (isinstance(s, ast.Return) and value is None):
        return True
    return isinstance(value, ast.Call) and (_handed_on(value) or _checks(value, layer, depth))


def _no_field(target: ast.expr, layer: Any) -> bool:
    """An attribute of the packet that is no field, the default of a field, or a local name."""
    if isinstance(target, ast.Attribute):
        own = isinstance(target.value, ast.Name)
        fields = {f.name for f in layer.fields_desc}
        return target.attr == "default" or (own and target.attr not in fields and target.attr not in Packet.__slots__)
    return isinstance(target, ast.Name)


def _plain(value: ast.expr) -> bool:
    """A value that takes at most an option out of the keywords."""
    calls = [n for n in ast.walk(value) if isinstance(n, ast.Call)]
    return all(isinstance(c.func, ast.Attribute) and c.func.attr in ("pop", "get") for c in calls)


def _handed_on(call: ast.Call) -> bool:
    """``super().__init__(...)`` with what came in."""
    f = call.func
    if not (isinstance(f, ast.Attribute) and f.attr == "__init__"):
        return False
    args = [a.value if isinstance(a, ast.Starred) else a for a in call.args]
    values = [*args, *(k.value for k in call.keywords)]
    same = all(k.arg is None or (isinstance(k.value, ast.Name) and k.value.id == k.arg) for k in call.keywords)
    return same and all(isinstance(v, ast.Name) for v in values)


def _checks(call: ast.Call, layer: Any, depth: int) -> bool:
    """A call of a method of the layer that only raises errors."""
    f = call.func
    if depth > 2 or not (isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and not call.args):
        return False
    fn = inspect.getattr_static(layer, f.attr, None)
    if not isinstance(fn, types.FunctionType):
        return False
    node = locate(fn).node
    return isinstance(node, ast.FunctionDef) and all(_harmless(s, layer, depth + 1) for s in node.body)


__all__ = ["NEVER", "OCTETS", "ORIGINAL", "Through", "Value", "before", "only_options", "passes_through"]
