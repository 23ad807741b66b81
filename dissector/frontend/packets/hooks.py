# SPDX-License-Identifier: GPL-2.0-or-later
"""What a layer does in code around its fields: where its payload ends, what the payload is, which class it becomes.

``extract_padding`` returns two slices; the first one's length is the payload's.  ``guess_payload_class`` returns a
class; what Scapy does by itself, the bindings of ``bind_layers``, becomes the same kind of decision.  A layer that
takes the dissection into its own hands is refused, unless its code is known to leave the octets alone.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any

from scapy import fields as sf
from scapy.packet import NoPayload, Packet, Padding, Raw

from ...errors import Refused
from ...ir.expr import Case, Cmp, Const, Expr, If, IsNone, Logic, Ref, Size
from ...ir.packets import Payload
from ...ir.pdus import NOWHERE
from ...ir.simplify import simplify
from ..callables import Translation
from ..oracle import check
from ..scope import inner
from ..values import class_name
from .around import before, only_options, passes_through
from .bodies import GUESS
from .extent import extent_of
from .registry import place_of
from .subject import Context, scoped, translated, visible
from .tables import decision, joined, mapped, results

TAKES_OVER = ("dissect", "do_dissect", "do_dissect_payload", "getfield_and_val", "getfieldval", "__getattr__")
AROUND = ("pre_dissect", "post_dissect", "__init__", "add_payload", "add_parent", "add_underlayer")
RAW, PADDING, NOTHING = class_name(Raw), class_name(Padding), class_name(NoPayload)
NO_PAYLOAD = Payload(size=Const(0))


def check_hooks(context: Context) -> None:
    """Refuse a layer that dissects in code; learn what harmless code keeps in the packet."""
    layer = context.layer
    for hook in (*TAKES_OVER, *AROUND):
        for owner in (c for c in layer.__mro__ if hook in vars(c)):
            if owner in (Packet, object) or owner.__module__ in ("scapy.packet", "scapy.base_classes"):
                break
            if hook in AROUND and harmless(context, inspect.getattr_static(owner, hook), hook):
                continue
            what = f"{layer.__name__}.{hook}() takes part in the dissection ({place_of(owner, hook)})"
            raise Refused(_where(owner, hook), what, "say it with fields, or replace the layer with an override file")


def _where(owner: type, hook: str) -> str:
    return place_of(owner, hook).rpartition(", ")[2]


def harmless(context: Context, function: Any, hook: str) -> bool:
    """True for a hook that gives the octets on as they are."""
    if hook == "__init__":
        return only_options(context.layer, function)
    if hook not in ("pre_dissect", "post_dissect"):
        return False
    kept = passes_through(context.layer, function)
    if kept and hook == "pre_dissect":
        context.kept.update({name: before(e) for name, e in kept.items()})
    return kept is not None


# -------------------------------------------------------------------------------------------------------- payload


def payload_of(context: Context) -> Payload:
    """What is behind the items of a layer."""
    size = extent_of(context)
    if size == Const(0):
        return NO_PAYLOAD
    chosen = chosen_payload(context)
    if PADDING in results(chosen):
        names: dict[Any, Expr] = {v: size or Const(None) for v in results(chosen) if isinstance(v, str)}
        size = simplify(mapped(chosen, {**names, PADDING: _as_padding(size)}))
        size = joined(size)
        if size == Const(0):
            return NO_PAYLOAD
    return Payload(without_raw(chosen), size)


def _as_padding(size: Expr | None) -> Expr:
    """How much of what is padding is kept: Scapy gives the last padding back, and there is one more behind *size*."""
    if size is None:
        return Const(0)
    return If(IsNone(size), Const(0), If(Cmp(">", Size(Ref(("octets",))), size), size, Const(0)))


def without_raw(e: Expr | None) -> Expr | None:
    """A choice with None for Scapy's layers of plain octets."""
    if e is None:
        return None
    out = decision(simplify(mapped(e, {RAW: Const(None), PADDING: Const(None), NOTHING: Const(None)})))
    return None if set(results_of(out)) <= {None} else out


def results_of(e: Expr) -> Iterator[Any]:
    """What a choice can come to."""
    if isinstance(e, If):
        yield from results_of(e.t)
        yield from results_of(e.f)
    elif isinstance(e, Case):
        yield from (v for _, v in e.entries)
        yield from results_of(e.default)
    elif isinstance(e, Const):
        yield e.value
    else:
        yield e


def chosen_payload(context: Context) -> Expr:
    """The choice of the payload's layer."""
    layer = context.layer
    guess = inspect.getattr_static(layer, "guess_payload_class")
    if guess is Packet.guess_payload_class:
        return bindings(context)
    chosen = _callable(context, guess, "guess_payload_class")
    if GUESS not in results(chosen):
        return chosen
    chosen = mapped(chosen, {GUESS: bindings(context)})
    whole = Translation(chosen, ("F", "octets"), NOWHERE, context.classes)
    verdict = check(guess, whole, "", layer, none_rate=0.0)
    if verdict.mismatch is not None:
        raise Refused("", f"guess_payload_class: {verdict.mismatch}", "this is a mistake of the translator")
    return chosen


def bindings(context: Context) -> Expr:
    """What ``bind_layers`` says, in Scapy's order: the first binding whose values are all there."""
    layer = context.layer
    found: list[tuple[Expr, str]] = []
    seen: set[int] = set()
    for alias in layer.aliastypes:
        if id(alias.payload_guess) in seen:
            continue
        seen.add(id(alias.payload_guess))
        for values, cls in alias.payload_guess:
            condition = _bound(context, values)
            if condition is None:
                continue
            found.append((condition, context.name(cls)))
    default = inspect.getattr_static(layer, "default_payload_class")
    out = (
        Const(RAW) if default is Packet.default_payload_class else _callable(context, default, "default_payload_class")
    )
    for condition, name in reversed(found):
        out = simplify(If(condition, Const(name), out))
    return out


def _bound(context: Context, values: dict[str, Any]) -> Expr | None:
    """The condition under which a binding holds; None when it never does."""
    out: Expr = Const(True)
    for name, value in values.items():
        fld = next((f for f in context.layer.fields_desc if f.name == name), None)
        if fld is None:
            return None  # an AttributeError, which Scapy takes for no
        want = _wanted(inner(fld), value)
        item = context.read.get(name)
        if want is None or item is None:
            what = f"is bound by {name}={value!r}, which cannot be compared"
            raise Refused("", what, "bind layers by numbers")
        got = visible(context, Ref(("F", name)))
        if isinstance(fld, sf.ConditionalField):
            default = _default(fld)
            equal: Expr = Const(default == want.value)
            equal = If(IsNone(got), equal, Cmp("==", got, want))
        else:
            equal = IsNone(got) if want.value is None else Cmp("==", got, want)
        out = Logic("and", out, equal)
    return simplify(out)


def _default(fld: Any) -> Any:
    value = fld.default
    return int(value) if isinstance(value, sf.FlagValue) else value


def _wanted(fld: Any, value: Any) -> Const | None:
    if isinstance(fld, sf.FlagsField) and isinstance(value, str | int | sf.FlagValue):
        return Const(int(sf.FlagValue(int(value) if isinstance(value, sf.FlagValue) else value, fld.names)))
    if hasattr(value, "value") and isinstance(value, int):
        return Const(int(value))
    return Const(value) if type(value) in (int, bytes, bool) or value is None else None


def dispatched(context: Context) -> Expr | None:
    """The choice of another layer for octets of this one."""
    hook = vars(context.layer).get("dispatch_hook")
    if hook is None:
        return None
    fn = context.layer.dispatch_hook
    try:
        translation = translated(fn, context.layer, "cls")
    except Refused as exc:
        raise Refused(exc.where, f"{context.layer.__name__}.dispatch_hook: {exc.what}", exc.hint) from exc
    context.learn(translation)
    return scoped(translation, "cls")


def _callable(context: Context, fn: Any, name: str) -> Expr:
    """What a method of the layer chooses."""
    fn = fn.__func__ if isinstance(fn, staticmethod | classmethod) else fn
    if not isinstance(fn, types.FunctionType):
        raise Refused("", f"{context.layer.__name__}.{name} is no function", "write it as a method")
    try:
        translation = translated(fn, context.layer, "payload")
        context.learn(translation)
        return visible(context, scoped(translation, "payload"))
    except Refused as exc:
        raise Refused(exc.where, f"{context.layer.__name__}.{name}: {exc.what}", exc.hint) from exc
