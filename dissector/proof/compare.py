# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy's reading against the tree of a plugin, field by field and in order."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scapy.fields import FlagValue

from dissector.ir.packets import leaves
from dissector.proof.expect import Begun, Boundary, Expectation, Expected, Names, Rest, Step
from dissector.proof.values import differs, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dissector.proof.record import Reading
    from dissector.tshark.tree import Node


FAMILIES = ("uint", "int", "bytes", "string", "float", "time", "bool", "ipv4", "ipv6", "ether", "uuid")
"""What stands behind the name of a field whose type is not that of the first field with the name."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not the same: ``kind`` in a word, the place in Scapy's packet, and both sides.

    ``loud``: the plugin says itself, by an expert item, that something is amiss in this frame.
    """

    kind: str
    path: str
    what: str
    loud: bool

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: {self.what}{' (with an expert item)' if self.loud else ''}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A node of the plugin's that is a layer or a value."""

    name: str
    show: str
    start: int
    length: int
    is_layer: bool
    children: list[Node]


class Comparison:
    """One datagram."""

    def __init__(self, names: Names, octets: bytes, ahead: int, tree: Iterable[Node]) -> None:
        self.names, self.octets, self.ahead = names, octets, ahead
        self.experts: list[str] = []
        self.shown: list[Shown] = []
        self.at = 0
        leaf_names, layer_names = known_leaves(names), known_layers(names)
        for top in tree:
            self.experts += top.experts()
            self.shown += self.flat(top, leaf_names, layer_names)

    def flat(self, node: Node, leaf_names: set[str], layer_names: set[str]) -> Iterator[Shown]:
        """Give what counts of a tree, from top to bottom."""
        if node.name in leaf_names or node.name in layer_names:
            start, length = node.pos or (-1, 0)
            is_layer = node.name not in leaf_names
            yield Shown(node.name, node.show, start - self.ahead, length, is_layer, node.children)
        for child in node.children:
            yield from self.flat(child, leaf_names, layer_names)

    def first_difference(self, reading: Reading) -> Difference | None:
        """Go through both, and stop where they part."""
        steps = Expectation(self.names).of(reading)
        if self.shown and self.shown[0].name == self.names.suite.prefix and not isinstance(steps[0], Begun):
            self.at = 1  # the protocol itself, where Scapy's layer turned out to be another
        found = self.first_of(steps)
        if found:
            return found
        if self.at < len(self.shown):
            more = self.shown[self.at]
            what = f"{more.name} at {more.start} is shown, and Scapy has nothing there"
            return Difference("more", reading.layer.__name__, what, bool(self.experts))
        return None

    def first_of(self, steps: Iterable[Step]) -> Difference | None:
        """Give the first of *steps* that is not the same."""
        for step in steps:
            if isinstance(step, Rest):
                shown = self.next()
                found = self.first_of(step.steps) if shown is not None and shown.start < step.stop else None
                if found:
                    return found
                continue
            wrong = self.step(step)
            if wrong:
                return Difference(wrong[0], step.path, wrong[1], bool(self.experts))
        return None

    def step(self, step: Step) -> tuple[str, str] | None:
        """Compare one step; (kind, both sides) when it differs."""
        if isinstance(step, Begun):
            return self.begun(step)
        if isinstance(step, Expected):
            return self.expected(step)
        return self.boundary(step) if isinstance(step, Boundary) else None

    def next(self) -> Shown | None:
        """Give what the plugin shows next."""
        return self.shown[self.at] if self.at < len(self.shown) else None

    def begun(self, step: Begun) -> tuple[str, str] | None:
        """Compare the beginning of a layer."""
        shown = self.next()
        if shown is None or shown.name not in {step.name, *((self.names.suite.prefix,) if not step.depth else ())}:
            if step.start == step.stop:
                return None
            return "layer", f"{step.name} at {step.start} is missing; {said(shown)}"
        self.at += 1
        if step.start not in {shown.start, step.stop}:
            return "place of layer", f"{step.name} is at {step.start}, and is shown at {shown.start}"
        return None

    def expected(self, step: Expected) -> tuple[str, str] | None:
        """Compare a value."""
        shown = self.next()
        until = len(step.leaf.until) if step.leaf is not None else 0  # a mark with nothing in front of it is not shown
        empty = step.optional or step.octets is None or step.octets[1] in {0, until}
        if shown is None or not is_one_of(shown.name, step.names):
            if empty:
                return None
            return "missing", f"{'/'.join(sorted(step.names))} = {step.value!r:.60} is missing; {said(shown)}"
        self.at += 1
        octets = self.octets[max(shown.start, 0) : max(shown.start, 0) + shown.length]
        value = wire_bits(self.octets, step) if step.leaf is not None and step.leaf.raw and step.leaf.bits else None
        wrong = differs(step.value, shown.show, octets, step.leaf, value) or flag_differs(step, shown)
        if wrong:
            return "value", f"{shown.name}: {wrong}"
        return None if empty else self.placed(step, shown)

    def placed(self, step: Expected, shown: Shown) -> tuple[str, str] | None:
        """Compare the octets of a value; the end of a text may be shown with it."""
        assert step.octets is not None
        first, number = step.octets
        until = len(step.leaf.until) if step.leaf is not None else 0
        if shown.start != first or shown.length not in {number, number - until}:
            return "octets", f"{shown.name}: octets {first}+{number}, shown at {shown.start}+{shown.length}"
        return None

    def boundary(self, step: Boundary) -> tuple[str, str] | None:
        """Pass over what need not be the same."""
        if step.why == "raw":
            return None
        if step.why == "broken" and not self.experts:
            return "silent", f"Scapy gives up ({step.what:.80}), and the plugin says nothing"
        while (shown := self.next()) and (
            step.start <= shown.start < step.stop or (shown.start == step.start and not shown.length)
        ):
            self.at += 1
        return None


def wire_bits(octets: bytes, step: Expected) -> int:
    """Give the number that the bits of a value are on the wire."""
    begin, end, swapped = step.bits
    if swapped:
        first, number = swapped
        octets = octets[:first] + octets[first : first + number][::-1] + octets[first + number :]
    return int.from_bytes(octets, "big") >> (8 * len(octets) - end) & ((1 << (end - begin)) - 1)


def is_one_of(name: str, names: frozenset[str]) -> bool:
    """Tell a field of one of *names*; one of another type than the first of that name has the type behind it."""
    stem, _, last = name.rpartition(".")
    return name in names or (last in FAMILIES and stem in names)


def flag_differs(step: Expected, shown: Shown) -> str:
    """Compare the flags below a value with the bits of the value, each on its own."""
    if step.leaf is None or not step.leaf.flags or not isinstance(step.value, int | FlagValue):
        return ""
    found = {child.name.rpartition(".")[2]: child for child in shown.children}
    for flag in step.leaf.flags:
        child = found.get(flag.name)
        if child is None:
            return f"flag {flag.name} is not shown"
        if child.as_bool() != bool(int(step.value) & flag.mask):
            return f"flag {flag.name} of {int(step.value):#x} is shown as {child.show}"
    return ""


def said(shown: Shown | None) -> str:
    """Say what the plugin shows instead."""
    return f"{shown.name} at {shown.start} comes next" if shown else "nothing comes any more"


@functools.lru_cache(maxsize=1)
def known_layers(names: Names) -> set[str]:
    """Give the names of all layers."""
    return {names.suite.prefix, *(names.of_layer(layer) for layer in names.suite.layers)}


@functools.lru_cache(maxsize=1)
def known_leaves(names: Names) -> set[str]:
    """Give the names of all values."""
    found: set[str] = set()
    for layer in names.suite.layers:
        for leaf in leaves(layer.items):
            found |= names.of_item(leaf)
    for layer in names.suite.layers:
        for item in layer.items:
            found |= names.of_item(item) if not hasattr(item, "layer") and not is_packets(item) else set()
    return found | {f"{name}.{family}" for name in found for family in FAMILIES}


def is_packets(item: object) -> bool:
    """Tell a list of packets, whose name is no value's."""
    return hasattr(item, "of") and (getattr(item, "next", None) is not None or not hasattr(item.of, "abbrev"))


__all__ = ["Comparison", "Difference", "short"]
