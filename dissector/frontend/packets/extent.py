# SPDX-License-Identifier: GPL-2.0-or-later
"""``extract_padding`` as a size: of what is behind the items, how much is the payload.

The method returns two slices of what it is given.  ``return s[:n], s[n:]`` is a payload of ``n`` octets,
``return "", s`` is none, ``return s, None`` is everything.  Its body is translated like any other callable's; only
slices and pairs of slices mean something else in it.
"""

from __future__ import annotations

import ast
import inspect
import random
from dataclasses import dataclass
from typing import Any

from scapy.packet import Packet

from ...errors import Refused
from ...ir.evaluate import evaluate
from ...ir.expr import Const, Expr, Ref
from ...ir.simplify import simplify
from ..samples import Sample, Source, View
from ..scope import Env, Session
from ..values import PACKET, Value
from .bodies import PacketBody
from .subject import Context, visible

OCTETS = Ref(("octets",))
SAMPLES = 24


@dataclass(frozen=True, slots=True)
class Part:
    """``s[:at]`` or ``s[at:]`` of the octets that the method is given."""

    head: bool
    at: Expr


class Extent(PacketBody):
    """Translation of ``extract_padding``."""

    def slice(self, owner: Value, part: ast.Slice, env: Env, node: ast.AST) -> Value:
        """A slice of the octets, whose end may be anything."""
        if owner == OCTETS and part.step is None and (part.lower is None) != (part.upper is None):
            bound = part.upper or part.lower
            assert bound is not None
            return Part(part.lower is None, self.x(bound, env))  # type: ignore[return-value]
        return super().slice(owner, part, env, node)

    def on_tuple(self, node: ast.Tuple | ast.List | ast.Set, env: Env) -> Value:
        """A pair of slices: the length of the first."""
        if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
            return super().on_tuple(node, env)
        first, second = (self.e(n, env) for n in node.elts)
        size = _size(first, second)
        if size is None:
            raise self.refuse(node, "returns something else than payload and padding", "return s[:n], s[n:]")
        return size

    def enter(self, fn: Any, env: Env) -> Value:
        """Methods of base classes mean the same as this one."""
        if fn is Packet.extract_padding:
            return Const(None)
        return super().enter(fn, env)


def _size(first: Any, second: Any) -> Expr | None:
    if _empty(first) and second == OCTETS:
        return Const(0)
    if _empty(second) and (first == OCTETS or _empty(first)):
        return Const(None)  # Scapy drops what is in neither; here it is octets without a meaning
    if isinstance(first, Part) and isinstance(second, Part) and first.head and not second.head:
        return first.at if first.at == second.at else None
    return None


def _empty(value: Any) -> bool:
    return isinstance(value, Const) and value.value in (None, b"", "")


def extent_of(context: Context) -> Expr | None:
    """The size of the payload; None when it is all that is there."""
    layer = context.layer
    fn: Any = inspect.getattr_static(layer, "extract_padding")
    if fn is Packet.extract_padding:
        return None
    fn = fn.__func__ if isinstance(fn, staticmethod | classmethod) else fn
    session = Session(layer, "payload")
    try:
        body = Extent(fn, session)
        node = body.located.node
        found = body.expr(body.run(body.bind(fn, (PACKET, OCTETS), {}, node)), node)
        out = visible(context, simplify(found))
    except Refused as exc:
        raise Refused(exc.where, f"{layer.__name__}.extract_padding: {exc.what}", exc.hint) from exc
    context.settings.update(session.settings)
    wrong = disagrees(layer, fn, out)
    if wrong:
        raise Refused(str(body.located.ref), f"{layer.__name__}.extract_padding: {wrong}", "this is our mistake")
    return None if out == Const(None) else out


def disagrees(layer: Any, fn: Any, size: Expr) -> str:
    """How *size* differs from what the method does on sampled packets; empty when it does not."""
    source = Source(size, (), random.Random(1))  # noqa: S311  samples, not secrets
    for _ in range(SAMPLES):
        packet, octets = Sample(layer, source), source.octets("octets")
        try:
            payload, _padding = fn(packet, octets)
        except Exception:  # noqa: BLE001, S112  then there is no answer
            continue
        if payload is None or not isinstance(payload, bytes):
            payload = payload or b""
        got = evaluate(size, {"F": View(packet), "octets": octets})
        if len(octets[: None if got is None else int(got)]) != len(payload) and not (got is None and not payload):
            return f"of {len(octets)} octets it takes {len(payload)}, its translation {got}"
    return ""
