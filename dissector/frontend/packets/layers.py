# SPDX-License-Identifier: GPL-2.0-or-later
"""A Scapy layer as a :class:`dissector.ir.packets.Layer`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scapy.packet import Packet

from ...errors import Refused
from ...ir.expr import Const, Expr
from ...ir.packets import Either, Item, Layer, List, Payload, Sub
from ..layers import class_source, field_source
from ..scope import inner
from ..values import class_name
from . import bits, contrib, lists, numbers, strings, wrappers  # noqa: F401  they register their rows
from .hooks import NOTHING, PADDING, RAW, check_hooks, dispatched, payload_of, results_of, without_raw
from .names import snake
from .registry import item_of
from .subject import Context, Subject
from .tables import mapped

ENTRY_POINT = "dissector.frontend"


@dataclass(frozen=True, slots=True)
class Translated:
    """A layer and the classes that its choices name."""

    layer: Layer
    classes: Mapping[str, type]


def translate_packet(cls: Any) -> Layer:
    """The IR of a layer, or :class:`dissector.errors.Refused`."""
    return translated_packet(cls).layer


@functools.cache
def translated_packet(cls: Any, abbrev: str | None = None) -> Translated:
    """The IR of a layer with what it names; *abbrev* goes before the names of its fields."""
    source = class_source(cls)
    if not (isinstance(cls, type) and issubclass(cls, Packet)):
        raise Refused(str(source), f"{cls!r} is not a Scapy layer", "a layer is a subclass of scapy.packet.Packet")
    layer: Any = cls
    prefix = snake(layer.__name__) if abbrev is None else abbrev
    context = Context(layer, prefix)
    try:
        check_hooks(context)
        dispatch = dispatched(context)
        items = _items(context)
        payload = payload_of(context)
    except Refused as exc:
        if exc.where:
            raise
        raise Refused(str(source), f"{layer.__name__}: {exc.what}", exc.hint) from exc
    out = Layer(
        name=class_name(layer),
        abbrev=prefix,
        label=str(getattr(layer, "_name", None) or layer.__name__),
        items=items,
        payload=payload,
        dispatch=without_raw(only_layers(context, dispatch)),
        settings=tuple((name, repr(value)) for name, value in sorted(context.settings.items())),
        doc=inspect.cleandoc(layer.__doc__ or "") if layer.__doc__ != Packet.__doc__ else "",
        source=source,
        origin=layer,
    )
    return Translated(out, dict(context.classes))


def only_layers(context: Context, dispatch: Expr | None) -> Expr | None:
    """A dispatch without results that are no layer (the name of one, for instance): Scapy makes octets of those."""
    if dispatch is None:
        return None
    known = {*context.classes, RAW, PADDING, NOTHING}
    wrong: dict[Any, Expr] = {r: Const(None) for r in results_of(dispatch) if isinstance(r, str) and r not in known}
    return mapped(dispatch, wrong) if wrong else dispatch


def _items(context: Context) -> tuple[Item, ...]:
    items: list[Item] = []
    for i, fld in enumerate(context.layer.fields_desc):
        context.at = i
        source = field_source(context.layer, fld.name)
        subject = Subject(context, fld, source, context.abbrev(fld.name))
        item = _plain_choices(item_of(subject))
        items.append(item)
        context.read[item.name] = item
        if shown_otherwise(fld):
            context.odd.add(item.name)
    context.at = len(items)
    return tuple(bits.laid_out(items))


def shown_otherwise(fld: Any) -> bool:
    """True for a field whose value in a callable is not what was read, because its class says so (``i2h``)."""
    here = inner(fld)
    for each in (here, *(f for f, _ in getattr(here, "flds", ())), getattr(here, "dflt", here)):
        owner = next((c for c in type(inner(each)).__mro__ if "i2h" in vars(c)), None)
        if owner is not None and owner.__module__ != "scapy.fields":
            return True
    return False


def _plain_choices(item: Item) -> Item:
    """*item* with None for plain octets in its choices."""
    if isinstance(item, Sub):
        return replace(item, layer=without_raw(item.layer))
    if isinstance(item, List) and item.of is not None and not isinstance(item.of, Item):
        return replace(item, of=without_raw(item.of))
    if isinstance(item, Either):
        options = tuple((when, _plain_choices(option)) for when, option in item.options)
        return replace(item, options=options, default=_plain_choices(item.default) if item.default else None)
    return item


__all__ = ["Payload", "Translated", "translate_packet", "translated_packet"]
