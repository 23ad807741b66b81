# SPDX-License-Identifier: GPL-2.0-or-later
"""What a layer asks of the layers around it: whether the values there are what its callables take them for.

``pkt.underlayer.len`` is a number to Scapy.  Where the layer below has a ``len`` that is shown as octets here, because
only Scapy's own code makes a number of them, the layer that asks is refused.  Which layers can be around another one is
known once all of a suite are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...ir.expr import Expr, Ref, walk
from ...ir.packets import Either, Item, Layer, Leaf, List, Sub, leaves
from .subject import plain
from .tables import results

Around = Mapping[str, frozenset[str]]


def wrong_values(layers: Iterable[Layer]) -> Iterator[tuple[str, str]]:
    """Names of layers that ask for a value they would not understand, each with what is wrong."""
    known = {layer.name: layer for layer in layers}
    around = {"underlayer": _around(known, _payload), "parent": _around(known, _fields)}
    for layer in known.values():
        for path in sorted(set(_asked(layer))):
            names = {layer.name}
            for step in path[1:-1]:
                names = {up for name in names for up in around.get(step, {}).get(name, ())}
            for name in sorted(names):
                for item in known[name].items:
                    if item.name == path[-1] and not _understood(item):
                        yield layer.name, f"uses {'.'.join(path[1:])}, which in {known[name].label} is no plain number"


def _asked(layer: Layer) -> Iterator[tuple[str, ...]]:
    """The paths to values of other layers."""
    for e in _expressions((layer.items, layer.payload)):
        for n in walk(e):
            if isinstance(n, Ref) and n.path[0] == "F" and len(n.path) > 2 and not n.path[-1].startswith(("[", "#")):
                yield n.path


def _expressions(part: Any) -> Iterator[Expr]:
    if isinstance(part, Expr):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from _expressions(each)
    elif dataclasses.is_dataclass(part) and not isinstance(part, type):
        for f in dataclasses.fields(part):
            yield from _expressions(getattr(part, f.name))


def _understood(item: Item) -> bool:
    return all(plain(leaf) for leaf in leaves((item,))) if isinstance(item, Leaf | Either) else True


def _around(known: Mapping[str, Layer], chosen: Callable[[Layer], Iterator[Expr]]) -> Around:
    """By the name of a layer, the layers that choose it."""
    out: dict[str, set[str]] = {}
    for layer in known.values():
        for choice in chosen(layer):
            for name in _names(choice):
                for meant in (name, *_dispatched(known.get(name))):
                    out.setdefault(meant, set()).add(layer.name)
    return {name: frozenset(n for n in names if n in known) for name, names in out.items()}


def _names(choice: Expr | None) -> Iterator[str]:
    return (v for v in results(choice) if isinstance(v, str)) if choice is not None else iter(())


def _dispatched(layer: Layer | None) -> Iterator[str]:
    return _names(layer.dispatch) if layer is not None else iter(())


def _payload(layer: Layer) -> Iterator[Expr]:
    if layer.payload.layer is not None:
        yield layer.payload.layer


def _fields(layer: Layer) -> Iterator[Expr]:
    for item in _all(layer.items):
        choice = item.layer if isinstance(item, Sub) else None
        if isinstance(item, List):
            choice = item.of if isinstance(item.of, Expr) else item.next
        if choice is not None:
            yield choice


def _all(items: Iterable[Item | None]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Either):
            yield from _all((*(o for _, o in item.options), item.default))
        elif item is not None:
            yield item
