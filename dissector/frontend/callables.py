# SPDX-License-Identifier: GPL-2.0-or-later
"""A Scapy callable as an expression: ``length_from=lambda pkt: pkt.len - 4`` as ``F.len - 4``.

Scapy hides lengths, conditions and counts in Python functions.  They are translated from their source, never by
running them: running a lambda on recorder objects was tried first and is silently wrong wherever a value may be None or
a comparison ends in ``bool()``.  What cannot be translated is refused with its place and reason; a translation that
exists means what the function means, and :mod:`dissector.frontend.oracle` checks that on sampled packets.

Who calls a function decides what its parameters are, and Scapy has a convention for each role.  It matters for
defaults: ``lambda pkt, n=4`` as a length has the constant 4, but the second parameter of an ``adjust`` is filled by
Scapy whether it has a default or not.  The packet is the scope ``F`` whatever the function calls it; other parameters
keep their names.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Mapping
from dataclasses import dataclass, field

from dissector.declare import E
from dissector.errors import Refused
from dissector.frontend.scope import Session
from dissector.frontend.statements import Body
from dissector.frontend.values import PACKET, Static, Value, scalar
from dissector.ir.expr import Expr, Ref
from dissector.ir.pdus import NOWHERE, SourceRef
from dissector.ir.simplify import simplify

ROLES: Mapping[str, tuple[str, ...]] = {
    "cond": ("F",),
    "multi_cond": ("F",),
    "length_from": ("F",),
    "count_from": ("F",),
    "max_count": ("F",),
    "adjust": ("F", "x"),
    "next_cls_cb": ("F", "lst", "cur", "remain"),
    "cls": ("octets",),
}
"""What Scapy passes, by position; ``F`` is the packet."""

_SCOPES = frozenset("FSPL")
_HINT = "write a function or a lambda in a source file"


@dataclass(frozen=True, slots=True)
class Translation:
    """What a callable means."""

    expr: Expr
    args: tuple[str, ...]
    """The scopes of *expr*, in the order of the callable's arguments: ``dict(zip(args, arguments))`` evaluates it."""
    source: SourceRef
    classes: Mapping[str, type] = field(default_factory=dict)
    """The layers that *expr* chooses from, by the name that stands for them in it."""
    absent: frozenset[str] = frozenset()
    """Attributes that the callable asks for and that a packet of the layer does not have while it is dissected."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """What was taken from Scapy's configuration, by name, with its value."""


def translate(fn: object, layer: type | None = None, role: str = "", kind: type[Body] = Body) -> Translation:
    """The meaning of *fn* on a field of *layer*, or :class:`dissector.errors.Refused`.

    *role* is the name under which Scapy keeps the callable, a key of :data:`ROLES`.  Without it, *fn* gets the packet
    and whatever else has no default.  *kind* is the translator, for those who understand more.
    """
    if isinstance(fn, E):
        return Translation(fn.node, ("F",), NOWHERE)
    function, bound, keywords = _unwrapped(fn, layer)
    session = Session(layer, role)
    try:
        body = kind(function, session)
        node = body.located.node
        args = _arguments(function, len(bound), keywords, role)
        values = (*bound, *(PACKET if a == "F" else Ref((a,)) for a in args))
        result = body.run(body.bind(function, values, keywords, node))
        expr = simplify(body.bounded(body.expr(result, node), node))
    except RecursionError as exc:
        raise Refused(_place(layer), "a function that is nested deeper than can be followed", _HINT) from exc
    return Translation(
        expr, args, body.located.ref, dict(session.classes), frozenset(session.absent), dict(session.settings)
    )


def _unwrapped(fn: object, layer: type | None) -> tuple[types.FunctionType, tuple[Value, ...], dict[str, Value]]:
    """The plain function behind partial objects and bound methods, and the arguments that are known already."""
    bound: tuple[Value, ...] = ()
    keywords: dict[str, Value] = {}
    while not isinstance(fn, types.FunctionType):
        if isinstance(fn, functools.partial):
            keywords = {**{k: _known(v) for k, v in fn.keywords.items()}, **keywords}
            bound, fn = (*(_known(v) for v in fn.args), *bound), fn.func
        elif isinstance(fn, types.MethodType):
            bound, fn = (Static(fn.__self__), *bound), fn.__func__
        elif isinstance(fn, staticmethod):
            fn = fn.__func__
        else:
            raise Refused(
                _place(layer), f"calls something that is no function written in Python ({type(fn).__name__})", _HINT
            )
    return fn, bound, keywords


def _known(value: object) -> Value:
    return scalar(value) or Static(value)


def _arguments(fn: types.FunctionType, bound: int, keywords: Mapping[str, Value], role: str) -> tuple[str, ...]:
    """The scopes of the arguments that Scapy passes."""
    parameters = inspect.signature(fn, follow_wrapped=False).parameters.values()
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in parameters if p.kind in places and p.name not in keywords][bound:]
    open_ended = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    required = [p for p in positional if p.default is p.empty]
    if role not in ROLES:
        return tuple("F" if i == 0 else _scope(p.name) for i, p in enumerate(required))
    passed = ROLES[role]
    if role == "adjust" and len(positional) == 1 and not open_ended:
        passed = passed[1:]  # LenField passes only the length
    if role == "cls" and [p.name for p in required[1:]] == ["_parent"]:
        passed = (*passed, "F")
    if role == "next_cls_cb" and len(positional) == 1 and not open_ended:
        passed = passed[:1]  # ASN.1 fields pass only the packet
    names = [p.name for p in positional] + list(passed[len(positional) :])
    return tuple("F" if scope == "F" else _scope(name) for scope, name in zip(passed, names, strict=False))


def _scope(name: str) -> str:
    """A parameter's name as a scope; the four letters that are scopes of the IR are not free."""
    return name + "_" if name in _SCOPES else name


def _place(layer: type | None) -> str:
    return f"{layer.__module__}.{layer.__qualname__}" if layer is not None else "a callable"
