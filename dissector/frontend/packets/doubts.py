# SPDX-License-Identifier: GPL-2.0-or-later
"""What a set of layers says that Scapy accepts and that cannot be meant.

Each is a :class:`~dissector.errors.Refused` that is returned, not raised: a plugin would do what Scapy does, so it
depends on who asks whether it is an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from scapy.packet import Packet

from ...errors import Refused
from ...ir.expr import Const, Expr, walk
from ...ir.packets import Either, Item, Layer, Leaf, List, Sub, Suite
from ..layers import class_source


def doubts(classes: Iterable[Any], suite: Suite) -> Iterator[Refused]:
    """Look at *classes*, and at the layers of the *suite* that they were translated to."""
    for cls in classes:
        yield from contradictions(cls)
    yield from circles(suite)


def contradictions(cls: Any) -> Iterator[Refused]:
    """Bindings with the same values to different layers, of which Scapy never takes but the first.

    A layer with a ``guess_payload_class`` of its own has bindings only for what it builds; those may be the same.
    """
    if inspect.getattr_static(cls, "guess_payload_class") is not Packet.guess_payload_class:
        return
    first: dict[tuple[tuple[str, str], ...], Any] = {}
    for values, upper in cls.payload_guess:
        key = tuple(sorted((name, repr(value)) for name, value in values.items()))
        known = first.setdefault(key, upper)
        if known is not upper:
            said = ", ".join(f"{name} == {value}" for name, value in key) or "any values"
            what = (
                f"{cls.__name__} with {said} is bound to {known.__name__} and to {upper.__name__}, which is never used"
            )
            yield Refused(str(class_source(cls)), what, "bind_layers with different values, or take one of them away")


def circles(suite: Suite) -> Iterator[Refused]:
    """Layers that hold themselves before an octet is read: Scapy goes round until Python stops it."""
    inside = {layer.name: set(before_octets(layer)) for layer in suite.layers}
    told: set[str] = set()
    for layer in suite.layers:
        path = circle(layer.name, inside)
        if path and not told & set(path):
            told |= set(path)
            round_ = " -> ".join(name.rpartition(".")[2] for name in path)
            yield Refused(
                str(layer.source),
                f"{layer.name.rpartition('.')[2]} holds itself before any octet is read: {round_}",
                "put a field in front of the list or packet, for instance its type",
            )


def circle(start: str, inside: dict[str, set[str]]) -> list[str]:
    """Give a way from *start* back to it; [] when there is none."""
    waiting: list[list[str]] = [[start]]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        for name in sorted(inside.get(path[-1], ())):
            if name == start:
                return [*path, name]
            if name not in seen:
                seen.add(name)
                waiting.append([*path, name])
    return []


def before_octets(layer: Layer) -> Iterator[str]:
    """Give the names of the layers that may begin where *layer* begins."""
    for item in layer.items:
        yield from begun_by(item)
        if takes_octets(item):
            return
    if layer.payload.layer is not None:
        yield from named(layer.payload.layer)


def begun_by(item: Item | None) -> Iterator[str]:
    """Give the names of the layers that an item may begin with."""
    if isinstance(item, Sub) and item.layer is not None:
        yield from named(item.layer)
    elif isinstance(item, List):
        for choice in (item.of, item.next):
            if isinstance(choice, Expr):
                yield from named(choice)
    elif isinstance(item, Either):
        for option in (*(i for _, i in item.options), item.default):
            yield from begun_by(option)


def named(choice: Expr) -> Iterator[str]:
    """Give the names that a choice can have."""
    for node in walk(choice):
        if isinstance(node, Const) and isinstance(node.value, str):
            yield node.value


def takes_octets(item: Item | None) -> bool:
    """Tell an item that is never without octets."""
    if item is None or item.present is not None:
        return False
    if isinstance(item, Either):
        return all(takes_octets(i) for i in (*(i for _, i in item.options), item.default))
    if not isinstance(item, Leaf):
        return False
    size = item.bits if item.bits is not None else item.size
    return bool(item.until and item.terminated) or (
        isinstance(size, Const) and isinstance(size.value, int) and size.value > 0
    )
