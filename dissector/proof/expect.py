# SPDX-License-Identifier: GPL-2.0-or-later
"""What a plugin has to show for a reading of Scapy's: a list of leaves, in order.

The tree of a plugin may have branches of its own; what counts is which values stand in it, one behind the other, with
which octets, and in which layer.  So both sides are made flat: Scapy's here, the plugin's in ``compare``.

Three things are passed over, since nobody promised more: a layer that Wireshark dissects itself
(:class:`~dissector.ir.packets.External`), one that was refused (``Opaque``), and octets that Scapy gave up.  Of these
a plugin has to say that something is amiss; what it shows of them before must be what Scapy had read before.

``rejected`` is a packet of which Scapy had read all fields when a check of the layer's own (an exception in
``post_dissect``) threw it away.  Such checks are not translated: the fields have to be the same, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from scapy.packet import NoPayload, Packet, Padding, Raw

from dissector.frontend.values import class_name
from dissector.ir.expr import Const
from dissector.ir.packets import Either, Item, Layer, Leaf, List, Sub, Suite
from dissector.proof.record import NOWHERE, Reading, Value


@dataclass(frozen=True, slots=True)
class Expected:
    """A value: the names that the field may have in the plugin, its octets (first, number), and what Scapy has.

    ``octets`` None: Scapy's reading has no place for it.  ``leaf`` is how the plugin was told to read it.
    """

    names: frozenset[str]
    path: str
    octets: tuple[int, int] | None
    value: Any
    leaf: Leaf | None
    layer: str
    bits: tuple[int, int, tuple[int, int] | None] = (0, 0, None)
    """First bit, the one behind the last, and the octets that are turned round first: see ``record.Value``."""
    optional: bool = False
    """The plugin may leave it out: of no octets, or of a group of bits whose octets are not all there."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A layer begins, ``depth`` layers inside the first."""

    name: str
    path: str
    start: int
    stop: int
    depth: int


@dataclass(frozen=True, slots=True)
class Boundary:
    """Octets of which the plugin need not know what Scapy knows; ``why`` says which kind."""

    why: Literal["raw", "external", "opaque", "replaced", "broken", "rejected"]
    path: str
    start: int
    stop: int
    what: str = ""


@dataclass(frozen=True, slots=True)
class Rest:
    """What follows a layer in a list up to octet ``stop``, unless the plugin had to take that layer for the last."""

    path: str
    stop: int
    steps: tuple[Step, ...]


Step = Expected | Begun | Boundary | Rest


class Names:
    """The layers of a suite by Scapy's class, and the display-filter names of their items."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.layers: dict[Any, Layer] = {layer.origin: layer for layer in suite.layers}
        self.by_name = {layer.name: layer for layer in suite.layers}
        self.externals = {e.name for e in suite.externals}
        self.opaques = {o.name: o for o in suite.opaques}
        self.single = len({e.layer for e in suite.entries}) == 1

    def layer(self, cls: type[Packet]) -> Layer | None:
        """Give the layer of a class; None for what the suite has only the name of."""
        return self.layers.get(cls) or self.by_name.get(class_name(cls))

    def of_layer(self, layer: Layer) -> str:
        """Give the display-filter name of a layer."""
        return f"{self.suite.prefix}.{layer.abbrev}" if layer.abbrev else self.suite.prefix

    def of_item(self, item: Item) -> frozenset[str]:
        """Give the names that an item may have: each of its options may have its own."""
        return frozenset(f"{self.suite.prefix}.{name}" for name in abbrevs(item))


def abbrevs(item: Item) -> Iterator[str]:
    """Give the names of an item, behind the prefix."""
    yield item.abbrev
    if isinstance(item, Either):
        for option in (*(i for _, i in item.options), *((item.default,) if item.default else ())):
            yield from abbrevs(option)
    if isinstance(item, List) and isinstance(item.of, Leaf):
        yield item.of.abbrev


def leaves_of(item: Item) -> list[Leaf]:
    """Give the leaves that an item may be."""
    if isinstance(item, Leaf):
        return [item]
    if isinstance(item, List):
        return [item.of] if isinstance(item.of, Leaf) else []
    if isinstance(item, Either):
        options = [i for _, i in item.options] + ([item.default] if item.default else [])
        return [leaf for option in options for leaf in leaves_of(option)]
    return []


class Expectation:
    """Makes a reading flat."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.steps: list[Step] = []

    def of(self, reading: Reading) -> list[Step]:
        """Give the steps of a whole datagram."""
        self.packet(reading, "", 0)
        return self.steps

    def packet(self, reading: Reading, path: str, depth: int) -> None:
        """Add a packet, what is in it, and what it carries."""
        cls = reading.layer
        path = f"{path}/{cls.__name__}" if path else cls.__name__
        layer = self.names.layer(cls)
        if layer is None:
            self.unknown(reading, path, depth)
            return
        if reading.start == NOWHERE and not reading.values and not reading.broken:
            return
        self.steps.append(Begun(self.names.of_layer(layer), path, reading.start, reading.stop, depth))
        self.values(reading, layer, path, depth)
        if reading.broken:
            self.broken(reading, path, depth)
        elif reading.payload:
            self.packet(reading.payload, path, depth + 1)

    def unknown(self, reading: Reading, path: str, depth: int) -> None:
        """Add octets of which only the extent is known."""
        cls = reading.layer
        if cls in {NoPayload, Padding}:
            return
        if reading.tried and class_name(reading.tried[0].layer) in self.names.externals:
            self.steps.append(Boundary("external", path, reading.start, reading.stop))
        elif reading.tried and self.names.layer(reading.tried[0].layer) is None:
            self.steps.append(Boundary("opaque", path, reading.start, reading.stop))
        elif reading.tried:
            self.packet(reading.tried[0], path, depth)
            tried = reading.tried[0]
            why: Literal["broken", "rejected"] = "rejected" if tried.header >= 0 else "broken"
            start = tried.header if tried.header >= 0 else reading.start
            self.steps.append(Boundary(why, path, start, reading.stop, tried.broken))
        elif issubclass(cls, Raw):
            if reading.stop > reading.start:
                self.steps.append(Boundary("raw", path, reading.start, reading.stop))
        elif class_name(cls) in self.names.externals:
            self.steps.append(Boundary("external", path, reading.start, reading.stop))
        else:
            self.steps.append(Boundary("opaque", path, reading.start, reading.stop))

    def values(self, reading: Reading, layer: Layer, path: str, depth: int) -> None:
        """Add the fields of a layer."""
        items = list(layer.items)
        known = len(self.steps)
        for value in reading.values:
            item = taken(items, value.name)
            here = f"{path}.{value.name}"
            if item is None:
                self.steps.append(Expected(frozenset(), here, octets_of(value), value.value, None, path))
            elif value.packets is not None:
                self.packets(value, here, depth + 1)
            elif value.elements is not None:
                for number, element in enumerate(value.elements):
                    self.leaf(layer, item, element, f"{here}[{number}]", path)
            else:
                self.leaf(layer, item, value, here, path)

        if reading.broken and reading.header < 0:
            self.last_group(known)

    def last_group(self, known: int) -> None:
        """Make the last bits of a packet that is cut short optional: Scapy reads them one by one, a plugin by group."""
        for number in range(len(self.steps) - 1, known - 1, -1):
            step = self.steps[number]
            if not isinstance(step, Expected) or step.leaf is None or step.leaf.bits is None:
                return
            self.steps[number] = replace(step, optional=True)

    def packets(self, value: Value, here: str, depth: int) -> None:
        """Add the packets of a field.

        Where a layer ends that was refused, or is Wireshark's, only Scapy may know: to a plugin it may be the last.
        """
        for number, packet in enumerate(value.packets or ()):
            known = len(self.steps)
            self.packet(packet, here, depth)
            if any(isinstance(step, Boundary) and step.why in {"opaque", "external"} for step in self.steps[known:]):
                rest = Expectation(self.names)
                rest.packets(replace(value, packets=(value.packets or [])[number + 1 :]), here, depth)
                self.steps.append(Rest(here, value.end // 8, tuple(rest.steps)))
                return

    def leaf(self, layer: Layer, item: Item, value: Value, here: str, path: str) -> None:
        """Add a value."""
        leaves = leaves_of(item)
        if item.name in dict(layer.replaced):
            self.steps.append(Boundary("replaced", here, value.begin // 8, value.end // 8))
            return
        names = self.names.of_item(item)
        leaf = leaves[0] if leaves else None
        bits = value.begin, value.end, value.swapped
        self.steps.append(Expected(names, here, octets_of(value), value.value, leaf, path, bits))

    def broken(self, reading: Reading, path: str, depth: int) -> None:
        """Add what Scapy had read of a packet that it gave up."""
        for each in reading.tried[:1]:
            if self.names.layer(each.layer) is not None:
                self.packet(each, path, depth + 1)
        at = reading.values[-1].whole // 8 if reading.values else reading.start
        why: Literal["broken", "rejected"] = "rejected" if reading.header >= 0 else "broken"
        self.steps.append(Boundary(why, path, at, reading.stop, reading.broken))


def taken(items: list[Item], name: str) -> Item | None:
    """Take the next item called *name*, with all before it; a name may stand for several, of which one is there.

    When several have the name and only a later one is there, Scapy does not say which; so all of them stay possible.
    """
    same = [item for item in items if item.name == name]
    if len(same) < 2:
        return same[0] if same else None
    options = tuple((Const(True), item) for item in same if not isinstance(item, Sub))
    return Either(name, same[0].abbrev, same[0].label, options=options) if options else same[0]


def octets_of(value: Value) -> tuple[int, int] | None:
    """Give the octets that a value touches, as (first, number)."""
    if value.begin < 0:
        return None
    first, last = value.begin // 8, (value.end + 7) // 8
    if value.swapped:
        start, size = value.swapped
        first, last = start + size - (last - start), start + size - (first - start)
    return first, last - first
