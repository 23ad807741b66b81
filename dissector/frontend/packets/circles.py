# SPDX-License-Identifier: GPL-2.0-or-later
"""Layers that contain themselves before any octet: a list of lists that never ends.

A packet in a packet is usual, and ends because each takes octets.  A layer whose first item may be itself, directly or
through others, takes none: Scapy recurses until Python stops it, and a plugin would show nothing but its limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...errors import Refused
from ...ir.expr import Const, Expr
from ...ir.packets import Either, Item, Layer, Leaf, List, Sub
from .tables import results


def check_circles(layers: Iterable[Layer]) -> None:
    """Refuse *layers* when one of them can begin with itself."""
    known = {layer.name: layer for layer in layers}
    leads = {name: [n for n in _begins(layer) if n in known] for name, layer in known.items()}
    done: set[str] = set()
    for name in known:
        circle = _circle(name, leads, done, [])
        if circle:
            words = " -> ".join(n.rpartition(".")[2] for n in circle)
            what = f"contains itself before any octet ({words}): dissecting it would never end"
            raise Refused(str(known[circle[0]].source), what, "put a field in front, or give the list a length")


def _circle(name: str, leads: dict[str, list[str]], done: set[str], way: list[str]) -> list[str]:
    """A way from *name* back to where it was."""
    if name in way:
        return [*way[way.index(name) :], name]
    if name in done:
        return []
    for n in leads[name]:
        found = _circle(n, leads, done, [*way, name])
        if found:
            return found
    done.add(name)
    return []


def _begins(layer: Layer) -> Iterator[str]:
    """The layers that *layer* must begin with when it has octets: nothing in front of them takes any."""
    for item in layer.items:
        yield from _inside(item)
        if _takes(item):
            return


def _inside(item: Item | None) -> Iterator[str]:
    """The layers in an item that is always there."""
    if item is None or item.present is not None or isinstance(item, Either):
        return
    choice: object = item.layer if isinstance(item, Sub) else item.of if isinstance(item, List) else None
    if isinstance(choice, Const) and isinstance(choice.value, str):
        yield choice.value
    elif isinstance(choice, Expr) and len(found := set(results(choice))) == 1:
        yield from (n for n in found if isinstance(n, str))


def _takes(item: Item) -> bool:
    """False only for what never takes an octet by itself, or takes what is inside."""
    if isinstance(item, Leaf):
        return item.size != Const(0) and item.present is None
    return False
