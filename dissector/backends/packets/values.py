# SPDX-License-Identifier: GPL-2.0-or-later
"""Which values a layer has to keep because an expression somewhere asks for them, and what is known about each.

A layer that is read keeps nothing that nobody asks for.  Whoever asks from within says so by name; from other layers
(``underlayer``, ``parent``, a packet in a field, the request of an answer) the asker may not know which layer it looks
at, so a name that is asked for from outside is kept wherever it occurs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...ir.expr import Expr, Ref, walk
from ...ir.packets import Either, Item, Layer, Leaf, List, Sub, Suite

NUMBERS = ("uint", "int", "float", "bool", "time")
UPWARDS = ("underlayer", "parent")


def expressions(layer: Layer) -> Iterator[Expr]:
    """Every expression of a layer."""
    for item in layer.items:
        yield from of_item(item)
    for e in (layer.dispatch, layer.payload.layer, layer.payload.size):
        if e is not None:
            yield e
    for check in layer.verify:
        yield Ref(("F", check.item))
        yield from (e for e in (check.want, check.when) if e is not None)
        yield from (e for span in check.spans for e in span)
    for when, message in layer.info:
        yield from ((when,) if when is not None else ())
        yield from message.args
    for finding in layer.findings:
        yield from ((finding.when,) if finding.when is not None else ())
        yield from finding.message.args
    for rule in layer.answers:
        yield from (e for e in (rule.when, rule.both) if e is not None)
        yield from (mine for mine, _ in rule.pairs)


def of_item(item: Item) -> Iterator[Expr]:
    """Every expression of an item and of those in it."""
    found: list[Expr | None] = [item.present, item.align]
    if isinstance(item, Leaf):
        found += [item.size, item.bits, *(when for when, _ in item.names)]
    elif isinstance(item, Sub):
        found += [item.layer, item.size]
    elif isinstance(item, List):
        found += [item.next, item.count, item.size]
        if isinstance(item.of, Leaf):
            yield from of_item(item.of)
        else:
            found.append(item.of)
    elif isinstance(item, Either):
        for when, option in item.options:
            found.append(when)
            yield from of_item(option)
        if item.default is not None:
            yield from of_item(item.default)
    yield from (e for e in found if e is not None)


ASKED = re.compile(r"""\bF((?:\.[A-Za-z_]\w*|\[["'][^"']+["']\])+)""")
NAME = re.compile(r"""\.(\w+)|\[["']([^"']+)["']\]""")


@dataclass
class Values:
    """What has to be kept, by layer, and what is asked for from other layers."""

    suite: Suite
    own: dict[str, set[str]] = field(default_factory=dict)
    anywhere: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for layer in self.suite.layers:
            mine = self.own.setdefault(layer.name, set())
            for e in expressions(layer):
                self._note(e, mine)
            for _, lua in layer.replaced:
                self._note_lua(lua, mine)
            for rule in layer.answers:
                for e in (*(theirs for _, theirs in rule.pairs), *((rule.asks,) if rule.asks is not None else ())):
                    self._note(e, self.anywhere)

        for _, lua in self.suite.templates:
            self._note_lua(lua, self.anywhere)

    def _note_lua(self, lua: str, mine: set[str]) -> None:
        """What the Lua of an override or a template asks for: ``F.name``, ``F["name"]``, ``F.underlayer.name``."""
        for found in ASKED.finditer(lua):
            first, *rest = (a or b for a, b in NAME.findall(found[1]))
            mine.add(first)
            self.anywhere.update(rest)

    def _note(self, e: Expr, mine: set[str]) -> None:
        for node in walk(e):
            if not isinstance(node, Ref):
                continue
            scope, *names = node.path
            names = [n for n in names if not n.startswith(("[", "#"))]
            if scope == "F" and names:
                mine.add(names[0])
                self.anywhere.update(names[1:])
            elif scope in ("cur", "other"):
                self.anywhere.update(names)

    def kept(self, layer: Layer, name: str) -> bool:
        """True when somebody asks for the value."""
        return name in self.own[layer.name] or name in self.anywhere


def certain(layer: Layer) -> dict[str, str]:
    """The kind of each value that is there whenever what stands behind it in the layer is read."""
    known: dict[str, str] = {}
    for item in layer.items:
        if item.present is not None:
            continue
        if isinstance(item, Leaf) and not item.template:
            known[item.name] = "int" if item.kind in NUMBERS and not _is_octets(item) else "bytes"
        elif isinstance(item, List):
            known[item.name] = "list"
    for name, _ in layer.replaced:
        known.pop(name, None)
    return known


def _is_octets(leaf: Leaf) -> bool:
    """A number that is kept as octets because it has more than 64 bits."""
    width = getattr(leaf.bits if leaf.bits is not None else leaf.size, "value", None)
    return isinstance(width, int) and width > (64 if leaf.bits is not None else 8)
