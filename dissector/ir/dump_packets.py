# SPDX-License-Identifier: GPL-2.0-or-later
"""Layers of packets as text: one line an item, each expression as it would be written in Python.

For reading, for diffs in review, and for tests.  What an item does not say is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from .dump import show
from .expr import Expr
from .packets import Either, Item, Layer, Leaf, List, Names, Sub, Suite


def dump_suite(suite: Suite) -> str:
    """The whole suite."""
    lines = [f"suite {suite.name}, filter prefix {suite.prefix}"]
    lines += [f"external {x.name}: {x.dissector}" for x in suite.externals]
    lines += [f"opaque {x.name}: {x.what} ({x.where})" for x in suite.opaques]
    return "\n\n".join(["\n".join(lines), *(dump_layer(layer) for layer in suite.layers)]) + "\n"


def dump_layer(layer: Layer) -> str:
    """One layer."""
    lines = [f"{layer.name} ({layer.label})"]
    if layer.dispatch is not None:
        lines.append(f"  dispatch {show(layer.dispatch)}")
    for item in layer.items:
        lines += [f"  {line}" for line in _item(item)]
    size = f" of {show(layer.payload.size)} octets" if layer.payload.size is not None else ""
    kind = show(layer.payload.layer) if layer.payload.layer is not None else "octets"
    lines.append(f"  payload{size}: {kind}")
    lines += [f"  setting {name} = {value}" for name, value in layer.settings]
    return "\n".join(lines)


def _item(item: Item) -> Iterator[str]:
    common = "".join(_common(item))
    if isinstance(item, Leaf):
        yield f"{item.name}: {_leaf(item)}{common}"
    elif isinstance(item, Sub):
        yield f"{item.name}: packet {_choice(item.layer)}{_extent(item.size)}{common}"
    elif isinstance(item, List):
        of = _leaf(item.of) if isinstance(item.of, Leaf) else _choice(item.of)
        of = f"next {show(item.next)}" if item.next is not None else of
        count = f", {show(item.count)} times" if item.count is not None else ""
        yield f"{item.name}: list of {of}{_extent(item.size)}{count}, at most {item.limit}{common}"
    elif isinstance(item, Either):
        yield f"{item.name}: one of{common}"
        for when, option in item.options:
            yield from (f"  if {show(when)}: {line}" for line in _item(option))
        if item.default is not None:
            yield from (f"  else: {line}" for line in _item(item.default))


def _common(item: Item) -> Iterator[str]:
    if item.align is not None:
        yield f", padded to {show(item.align)}"
    if item.may_end:
        yield ", may end"
    if item.present is not None:
        yield f", if {show(item.present)}"


def _choice(choice: Expr | None) -> str:
    return show(choice) if choice is not None else "octets"


def _extent(size: Expr | None) -> str:
    return f" in {show(size)} octets" if size is not None else ""


def _leaf(leaf: Leaf) -> str:
    out: str = leaf.kind
    if leaf.bits is not None:
        out += f" of {show(leaf.bits)} bits" + (f" at {leaf.place}" if leaf.place else "")
        out += f" in {leaf.swapped} octets turned round" if leaf.swapped else ""
    elif leaf.until:
        out += f" until {leaf.until!r}" + (f" and {leaf.beyond} octets on" if leaf.beyond else "")
    else:
        out += " of the rest" if leaf.size is None and not leaf.template else ""
        out += f" of {show(leaf.size)} octets" if leaf.size is not None else ""
    words = [w for w in ("little", "hex", "utf16", "raw") if getattr(leaf, w)]
    out += "".join(f", {w}" for w in words)
    if leaf.template:
        out += f", template {leaf.template}{dict(leaf.arguments) or ''}"
    if leaf.scaling is not None:
        out += f", * {leaf.scaling.factor:g} + {leaf.scaling.offset:g}"
    out += f", in {leaf.unit}" if leaf.unit else ""
    out += "".join(f", names {_names(names)}{f' if {show(when)}' if when else ''}" for when, names in leaf.names)
    out += f", texts {dict(leaf.texts)}" if leaf.texts else ""
    return out + (f", flags {' '.join(f'{f.mask:#x}={f.name}' for f in leaf.flags)}" if leaf.flags else "")


def _names(names: Names) -> str:
    return "{" + ", ".join(f"{k}: {v}" for k, v in names) + "}"
