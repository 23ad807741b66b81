# SPDX-License-Identifier: GPL-2.0-or-later
"""Layers written by hand, and what Wireshark makes of them: many small packets in one plugin, one capture, one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dissector.backends.packets import generate
from dissector.ir.expr import Const, Ref
from dissector.ir.packets import Entry, Item, Layer, Leaf, Payload, Suite
from dissector.proof.capture import HEADERS, write
from dissector.tshark import frames

if TYPE_CHECKING:
    from dissector.tshark import Node, Tshark

PREFIX = "tt"
FIRST = 20000
WIRESHARKS = ("_ws.expert", "_ws.malformed", "_ws.lua.error")


def F(*path: str) -> Ref:
    """A value of the layer that is read."""
    return Ref(("F", *path))


def leaf(name: str, size: int | Any = None, **more: Any) -> Leaf:
    """A value; a number as its size is a constant."""
    size = Const(size) if isinstance(size, int) else size
    return Leaf(name, name, name.capitalize(), size=size, **more)


def bits(name: str, width: int, place: tuple[int, int, int] | None, **more: Any) -> Leaf:
    """A bit field."""
    return Leaf(name, name, name.capitalize(), bits=Const(width), place=place, **more)


def layer(name: str, *items: Item, **more: Any) -> Layer:
    """A layer whose fields have its name before theirs; behind its items, all is left to whoever asked for it."""
    more.setdefault("payload", Payload(size=Const(0)))
    return Layer(name, name.lower(), name, tuple(_prefixed(item, name.lower()) for item in items), **more)


def _prefixed(item: Any, prefix: str) -> Any:
    changed: dict[str, Any] = {"abbrev": f"{prefix}.{item.abbrev}"}
    if isinstance(getattr(item, "of", None), Leaf):
        changed["of"] = _prefixed(item.of, prefix)
    if getattr(item, "options", None):
        changed["options"] = tuple((when, _prefixed(option, prefix)) for when, option in item.options)
        changed["default"] = _prefixed(item.default, prefix) if item.default else None
    return replace(item, **changed)


def suite(layers: Sequence[Layer], entries: Sequence[Entry] = (), **more: Any) -> Suite:
    """A plugin of these layers, each of which is found at a port of its own unless *entries* are given."""
    at = tuple(Entry(each.name, "udp.port", FIRST + i) for i, each in enumerate(layers))
    return Suite("tt", PREFIX, "Test", tuple(layers), tuple(entries) or at, **more)


@dataclass(frozen=True)
class Case:
    """A layer (with those that it leads to), octets, and what Wireshark shows: (name, value, first octet, octets)."""

    items: tuple[Item, ...] = ()
    octets: bytes = b""
    shown: tuple[tuple[str, str, int, int], ...] = ()
    experts: tuple[str, ...] = ()
    others: tuple[Layer, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What Wireshark showed of a packet."""

    shown: tuple[tuple[str, str, int, int], ...]
    experts: tuple[str, ...]
    tree: tuple[Node, ...]


def flat(node: Node, path: str) -> list[tuple[str, str, int, int]]:
    """Everything below *node*, with names behind *path* where they begin with it."""
    out = []
    for child in node.children:
        if child.name in WIRESHARKS:
            continue
        name = child.name.removeprefix(f"{PREFIX}.").removeprefix(f"{path}.")
        start, length = child.pos or (HEADERS - 1, 0)
        out += [(name, child.show, start - HEADERS, length), *flat(child, path)]
    return out


def run(tshark: Tshark, folder: Path, given: Suite, packets: Sequence[tuple[bytes, int]]) -> list[Seen]:
    """What Wireshark shows of each of (octets, port)."""
    plugin, capture = folder / "t.lua", folder / "t.pcap"
    plugin.write_text(generate(given), encoding="utf-8")
    write(capture, packets)
    names = {FIRST + i: each.name.lower() for i, each in enumerate(given.layers)}
    out = [Seen((), (), ())] * len(packets)
    for frame in frames(tshark, capture, plugin, PREFIX, positions=True, registers=PREFIX):
        path = names.get(packets[frame.number - 1][1], "")
        shown = tuple(x for top in frame.layers for x in flat(top, path))
        experts = tuple(text for top in frame.layers for text in top.experts())
        out[frame.number - 1] = Seen(shown, experts, tuple(frame.layers))
    return out


def run_cases(tshark: Tshark, folder: Path, cases: Mapping[str, Case]) -> dict[str, Seen]:
    """All *cases* in one run."""
    layers = [layer(name, *case.items, **case.more) for name, case in cases.items()]
    others = [each for case in cases.values() for each in case.others]
    seen = run(tshark, folder, suite([*layers, *others]), [(c.octets, FIRST + i) for i, c in enumerate(cases.values())])
    return dict(zip(cases, seen, strict=True))
