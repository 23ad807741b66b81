# SPDX-License-Identifier: GPL-2.0-or-later
"""A layer as one Lua function: its items in their order, then its payload.

Neighbours that are there under the same condition share one ``if``, as long as nothing in between changes what it
looks at.  Bit fields of one group stand at constant distances from its first octet; only where what is present
decides where they lie, the cursor moves bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...errors import Refused
from ...ir.expr import Const, Expr, Peek, PeekBytes, Ref, refs, walk
from ...ir.packets import Either, Item, Layer, Leaf, List, Sub
from ..lua.printer import string
from .fields import Fields, constant
from .leaves import Leaves, into
from .printer import PacketPrinter, slot
from .values import Values, certain

Lines = list[str]


def indented(lines: Lines) -> Lines:
    """*lines* two columns further to the right."""
    return ["  " + x for x in lines]


class LayerPrinter:
    """Prints one layer."""

    def __init__(
        self, layer: Layer, fields: Fields, values: Values, tables: dict[str, str], names: Mapping[str, str]
    ) -> None:
        self.layer, self.fields, self.names = layer, fields, names
        self.kept: Callable[[str], bool] = lambda name: values.kept(layer, name)
        self.printer = PacketPrinter(certain(layer), tables, names)
        self.leaves = Leaves(fields, self.printer, self.kept)
        self.replaced = dict(layer.replaced)
        self.leaves.checked = {v.item for v in layer.verify}

    def function(self) -> Lines:
        """The whole function."""
        body = self._items(list(self.layer.items)) + self._payload()
        name = self.names[self.layer.name]
        first = [f"-- {self.layer.label}" + (f" ({self.layer.source})" if self.layer.source.file else "")]
        return [
            *first,
            f"layer({string(name)}, {string(self.layer.label)}, {self.fields.layer(self.layer)})",
            f"{slot('read', name)} = function(t, pos, stop, F)",
            *indented(self._locals(self.leaves.used) + body),
            "end",
        ]

    @staticmethod
    def _locals(used: set[str]) -> Lines:
        plain = sorted(used - {"bn"})
        return ([f"local {', '.join(plain)}"] if plain else []) + (["local bn = 0"] if "bn" in used else [])

    def dispatch(self) -> Lines:
        """The function that chooses another layer by the octets."""
        if self.layer.dispatch is None:
            return []
        name = self.names[self.layer.name]
        return [
            f"{slot('choose', name)} = function(pos, stop)",
            f"  return {self.printer.choice(self.layer.dispatch)}",
            "end",
        ]

    # ------------------------------------------------------------------------------------------------------- items

    def _items(self, items: list[Item]) -> Lines:
        out: Lines = []
        at = 0
        while at < len(items):
            group = _group(items, at)
            if group:
                out += self._bits(group)
                at += len(group)
                continue
            same = self._same_condition(items, at)
            out += self._conditional(items[at].present, [x for i in items[at : at + same] for x in self._ended(i)])
            out += self._absent(items, at, same)
            at += same
        return out

    def _same_condition(self, items: list[Item], at: int) -> int:
        """How many items from *at* on are there under one condition."""
        condition = items[at].present
        if condition is None or _looks_ahead(condition):
            return 1
        number = 1
        while at + number < len(items):
            item, before = items[at + number], items[at + number - 1]
            if (
                item.present != condition
                or ("F", before.name) in {r[:2] for r in refs(condition)}
                or _group(items, at + number)
            ):
                break
            number += 1
        return number

    def _conditional(self, condition: Expr | None, lines: Lines) -> Lines:
        if condition is None:
            return lines
        return [f"if {self.printer.cond(condition)} then", *indented(lines), "end"]

    def _absent(self, items: list[Item], at: int, number: int) -> Lines:
        """A later item of the same name takes the value away when it is not present."""
        earlier = {i.name for i in items[:at]}
        again = [i.name for i in items[at : at + number] if i.name in earlier and i.present is not None]
        return [
            f"if not ({self.printer.cond(items[at].present or Const(True))}) then {into(n)} = nil end"
            for n in again
            if self.kept(n)
        ]

    def _ended(self, item: Item) -> Lines:
        lines = self._aligned(item)
        if item.may_end:
            lines = [*lines, "if pos >= stop then return pos end"]
        return lines

    def _aligned(self, item: Item) -> Lines:
        lines = self._item(item)
        if item.align is None:
            return lines
        align = self.printer.value(item.align)
        return ["do", "  local start = pos", *indented(lines), f"  pos = aligned(start, pos, {align}, stop)", "end"]

    def _item(self, item: Item) -> Lines:
        target = into(item.name) if self.kept(item.name) else None
        if item.name in self.replaced:
            return self._replacement(item, target)
        if isinstance(item, Leaf):
            return self.leaves.leaf(item, target)
        if isinstance(item, Sub):
            return self._sub(item, target)
        if isinstance(item, List):
            return self._list(item, target)
        if isinstance(item, Either):
            return self._either(item)
        raise Refused(str(item.source), f"no Lua for an item of the kind {type(item).__name__}")

    def _either(self, item: Either) -> Lines:
        out: Lines = []
        for i, (when, option) in enumerate(item.options):
            out += [f"{'else' if i else ''}if {self.printer.cond(when)} then", *indented(self._ended(option))]
        if item.default is not None:
            default = self._ended(item.default)
            out += ["else", *indented(default)] if out else default
        return [*out, "end"] if item.options else out

    def _sub(self, item: Sub, target: str | None) -> Lines:
        targets = f"pos, {target}" if target else "pos"
        size = self.printer.value(item.size) if item.size is not None else None
        if item.layer is None or item.layer == Const(None):
            return [f"{targets} = octets(t, {self.fields.sub(item)}, pos, {size or 'nil'}, stop)"]
        choice = self.chosen(item.layer)
        title = string(item.label + ": ")
        if size is None:
            return [f"{targets} = packet(t, {choice}, pos, stop, F, {title})"]
        return [f"{targets} = packet_of(t, {choice}, pos, {size}, stop, F, {title})"]

    def chosen(self, choice: Expr) -> str:
        """A choice, as a function when it looks at the octets."""
        text = self.printer.choice(choice)
        return f"function(pos, stop) return {text} end" if _looks_ahead(choice) else text

    def _list(self, item: List, target: str | None) -> Lines:
        end = f"upto(t, pos, {self.printer.value(item.size)}, stop)" if item.size is not None else "stop"
        most = self.printer.value(item.count) if item.count is not None else "nil"
        head = f"elements(t, {self.fields.sequence(item)}, {string(item.label)}, pos, {end}, {most}, {item.limit}"
        return [
            f"{f'pos, {target}' if target else 'pos'} = {head}, function(t, pos, stop, list)",
            *self._each(item),
            "end)",
        ]

    def _each(self, item: List) -> Lines:
        if isinstance(item.of, Leaf):
            outer, self.leaves.used = self.leaves.used, set()
            lines = self._aligned_leaf(item.of)
            used = self._locals(self.leaves.used | {"value"})
            self.leaves.used = outer
            return indented([*used, *lines, "return pos, value"])
        title = 'format("[%d] ", list.n)'
        if item.next is not None:
            lines = [f"local name = {self.printer.choice(item.next)}", 'if name == "" then return nil end']
            return indented([*lines, f"return guarded(t, name, pos, stop, nil, F, {title})"])
        assert isinstance(item.of, Expr)
        return indented([f"return guarded(t, {self.chosen(item.of)}, pos, stop, nil, F, {title})"])

    def _aligned_leaf(self, leaf: Leaf) -> Lines:
        lines = self.leaves.leaf(leaf, "value")
        if leaf.align is None:
            return lines
        return ["local start = pos", *lines, f"pos = aligned(start, pos, {self.printer.value(leaf.align)}, stop)"]

    def _replacement(self, item: Item, target: str | None) -> Lines:
        field = self.fields.leaf(item) if isinstance(item, Leaf) else "nil"
        body = self.replaced[item.name].rstrip().splitlines()
        targets = f"pos, {target}" if target else "pos"
        return [f"{targets} = (function(t, field, pos, stop, F)", *indented(body), f"end)(t, {field}, pos, stop, F)"]

    # -------------------------------------------------------------------------------------------------- bit fields

    def _bits(self, group: list[Item]) -> Lines:
        """A group of bit fields: at constant places, or bit by bit."""
        leaves = [item for item in group if isinstance(item, Leaf)]
        if len(leaves) == len(group) and all(x.place is not None and (x.present is None or x.swapped) for x in leaves):
            return self._placed(leaves)
        out: Lines = []
        for item in group:
            out += self._conditional(item.present, self._ended(item))
        return out

    def _placed(self, group: list[Leaf]) -> Lines:
        out: Lines = []
        for leaf in group:
            lines = self.leaves.placed(leaf, into(leaf.name) if self.kept(leaf.name) else None)
            out += self._conditional(leaf.present, lines)
        total = group[0].swapped or sum(constant(leaf.bits) or 0 for leaf in group) // 8
        return [*out, f"pos = pos + {total}", *(["if pos >= stop then return pos end"] if group[-1].may_end else [])]

    # ----------------------------------------------------------------------------------------------------- payload

    def _payload(self) -> Lines:
        p = self.layer.payload
        choice = self.chosen(p.layer) if p.layer is not None else '""'
        if p.size is None:
            return [f"return payload(t, {choice}, pos, stop, stop, F)"]
        if p.size == Const(0):
            return ['return payload(t, "", pos, pos, stop, F)']
        return [f"return payload(t, {choice}, pos, upto(t, pos, {self.printer.value(p.size)}, stop), stop, F)"]


def _group(items: list[Item], at: int) -> list[Item]:
    """The bit fields from *at* on that fill whole octets together; those of which nobody knows where they end, all."""
    group: list[Item] = []
    bits: int | None = 0
    while at < len(items) and _is_bits(items[at]):
        item = items[at]
        group.append(item)
        width = constant(item.bits) if isinstance(item, Leaf) else None
        swapped = item.swapped if isinstance(item, Leaf) else 0
        bits = None if bits is None or width is None or (item.present and not swapped) else bits + width
        at += 1
        if bits is not None and (bits == 8 * swapped if swapped else bits % 8 == 0):
            break
    return group


def _is_bits(item: Item) -> bool:
    """True for a bit field, and for a choice of bit fields."""
    if isinstance(item, Either):
        options = [option for _, option in item.options] + ([item.default] if item.default else [])
        return bool(options) and all(_is_bits(option) for option in options)
    return isinstance(item, Leaf) and item.bits is not None


def _looks_ahead(e: Expr) -> bool:
    return any(isinstance(n, (Peek, PeekBytes)) or (isinstance(n, Ref) and n.path[0] == "octets") for n in walk(e))
