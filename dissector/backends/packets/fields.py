# SPDX-License-Identifier: GPL-2.0-or-later
"""Declarations of a packet plugin: the ProtoField of every item, its names and flags, and how they are called in Lua.

Wireshark allows several fields of one name when their types are related, and that is what two items of one name become
that differ in width, base or names.  Where the types are not related (a number here, octets there), the later one has
its type behind the name: ``prefix.layer.value`` and ``prefix.layer.value.bytes``.

A bit field of at most four octets is declared with its mask, so that Wireshark shows ``0001 .... = Version: 1``; masks
of more than 32 bits are cut off without a word by Wireshark's Lua up to 4.0, so a wider one is shown by value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...ir.expr import Const, Expr
from ...ir.packets import Either, Item, Layer, Leaf, List, Sub, Suite
from ...ir.pdus import Flag
from ..lua.fields import identifier
from ..lua.printer import string

MASKED = 4
"""Octets that a mask may cover."""
FIXED = {"ipv4": 4, "ipv6": 16, "ether": 6, "uuid": 16}
FAMILIES = {"guid": "uuid", "double": "float", "absolute_time": "time"}
OWN = (
    ("_data", "bytes", "data", "Data"),
    ("_padding", "bytes", "padding", "Padding"),
    ("_undecoded", "bytes", "undecoded", "Octets that could not be read"),
)
LINKS = (
    ("_request_in", "framenum", "request_in", "Request in", ", base.NONE, frametype.REQUEST"),
    ("_response_in", "framenum", "response_in", "Response in", ", base.NONE, frametype.RESPONSE"),
    ("_response_time", "relative_time", "response_time", "Response time", ""),
)
Names = tuple[tuple[int, str], ...]


def constant(e: Expr | None) -> int | None:
    """The number that *e* is, if it is one."""
    if isinstance(e, Const) and isinstance(e.value, int) and not isinstance(e.value, bool):
        return e.value
    return None


def touched(leaf: Leaf) -> int:
    """Octets that a bit field touches, when its place is known; that of another leaf is its size, 0 if not known."""
    if leaf.bits is not None:
        return leaf.place[0] if leaf.place else 0
    return constant(leaf.size) or 0


def is_masked(leaf: Leaf) -> bool:
    """True for a bit field that is declared with its mask."""
    return leaf.bits is not None and leaf.place is not None and leaf.place[0] <= MASKED and leaf.scaling is None


def is_number(leaf: Leaf) -> bool:
    """True for what is read as a number: also octets have more than eight are none."""
    if leaf.kind not in ("uint", "int", "float", "bool", "time"):
        return False
    width = constant(leaf.bits)
    return width is None and (constant(leaf.size) or 0) <= 8 if leaf.bits is None else (width or 0) <= 64


def _integer(octets: int, signed: bool) -> str:
    width = {1: 8, 2: 16, 3: 24, 4: 32}.get(octets, 64)
    return f"{'int' if signed else 'uint'}{width}"


@dataclass
class Fields:
    """The Lua names of fields, and the lines that declare them."""

    suite: Suite
    lines: list[str] = field(default_factory=list)
    values: dict[Names, str] = field(default_factory=dict)
    texts: dict[tuple[tuple[bytes, str], ...], str] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    """Lists of flags by their Lua text."""
    _known: dict[tuple[str, str], str] = field(default_factory=dict)
    _families: dict[str, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for lua, kind, name, label in OWN:
            self._declare(f"_{name}", kind, label, "", lua)
        if any(layer.answers for layer in self.suite.layers):
            for lua, kind, name, label, rest in LINKS:
                self._declare(name, kind, label, rest, lua)

    # ------------------------------------------------------------------------------------------------ declarations

    def _declare(self, abbrev: str, kind: str, label: str, rest: str = "", lua: str = "") -> str:
        family = _family(kind)
        if self._families.setdefault(abbrev, family) != family:
            abbrev = f"{abbrev}.{family}"
            self._families[abbrev] = family
        label = label.strip() or abbrev.rpartition(".")[2]
        definition = f"ProtoField.{kind}({string(f'{self.suite.prefix}.{abbrev}')}, {string(label)}{rest})"
        known = self._known.get((abbrev, definition))
        if known is not None:
            return known
        name = own = lua or identifier(abbrev)
        number = 2
        while name in self._taken:
            name, number = f"{own}_{number}", number + 1
        self._taken.add(name)
        self._known[abbrev, definition] = f"f.{name}"
        self.lines.append(f"f.{name} = {definition}")
        return f"f.{name}"

    def layer(self, layer: Layer) -> str:
        """The field of the item of a whole layer."""
        return self._declare(layer.abbrev or identifier(layer.name.rpartition(".")[2].lower()), "none", layer.label)

    def sub(self, item: Sub) -> str:
        """The field of octets in which no layer is known."""
        return self._declare(item.abbrev, "bytes", item.label)

    def sequence(self, item: List) -> str:
        """The field of a list; that of plain values has their name already."""
        return self._declare(f"{item.abbrev}.list" if isinstance(item.of, Leaf) else item.abbrev, "none", item.label)

    def status(self, leaf: Leaf) -> str:
        """The field that says whether a value is what it should be."""
        rest = ", base.DEC, status_names"
        return self._declare(f"{leaf.abbrev}.status", "uint8", f"{leaf.label or leaf.name} status", rest)

    def leaf(self, leaf: Leaf) -> str:
        """The field of a value."""
        kind, rest = self._type(leaf)
        return self._declare(leaf.abbrev, kind, leaf.label, rest)

    def _type(self, leaf: Leaf) -> tuple[str, str]:
        if leaf.template == "extended":
            return "uint64", f", {'base.HEX' if leaf.hex else 'base.DEC'}"
        if leaf.template == "reversed":
            return ("string" if leaf.kind in FIXED else "bytes"), ""
        if leaf.kind == "time":
            return "absolute_time", ", base.UTC"
        if is_number(leaf) and leaf.scaling is not None:
            return "double", ""
        if leaf.kind == "float":
            return "double", ""  # also of four octets: Wireshark shows six digits of a float
        if is_number(leaf):
            return self._number(leaf)
        known = {"ipv4": "ipv4", "ipv6": "ipv6", "ether": "ether", "uuid": "guid", "string": "string"}
        return known.get(leaf.kind, "bytes"), ""

    def _number(self, leaf: Leaf) -> tuple[str, str]:
        width = constant(leaf.bits)
        octets = touched(leaf) if is_masked(leaf) else (width or 64) // 8 + (1 if (width or 64) % 8 else 0)
        octets = octets if leaf.bits is not None else touched(leaf) or 8
        mask = f", {hex(((1 << (width or 0)) - 1) << leaf.place[1])}" if is_masked(leaf) and leaf.place else ""
        if leaf.kind == "bool":
            return "bool", f", {8 * (octets if octets <= MASKED else 8)}, nil{mask}" if mask else ""
        base = "base.HEX" if leaf.hex and leaf.kind == "uint" else "base.DEC"
        only = leaf.names[0][1] if len(leaf.names) == 1 and leaf.names[0][0] is None else ()
        names = f", {self.value_string(only)}" if only else ", nil" if mask else ""
        return _integer(octets, leaf.kind == "int"), f", {base}{names}{mask}"

    # --------------------------------------------------------------------------------------------- names and flags

    def value_string(self, names: Names) -> str:
        """The table of the names of numbers."""
        return f"vs[{self.values.setdefault(names, str(len(self.values) + 1))}]"

    def text_table(self, texts: tuple[tuple[bytes, str], ...]) -> str:
        """The table of the names of octets."""
        return f"texts[{self.texts.setdefault(texts, str(len(self.texts) + 1))}]"

    def flag_list(self, leaf: Leaf) -> tuple[str, str]:
        """The list of the flags of a field, and how they lie: ``in`` it, in octets ``apart``, or ``of`` its value."""
        octets, shift = touched(leaf), leaf.place[1] if leaf.place else 0
        way = "in" if octets <= MASKED else "apart"
        if not octets or (leaf.bits is None and octets > 8):
            way = "of"
        rows = [self._flag(leaf, x, way, octets, shift) for x in leaf.flags]
        text = "{ " + ", ".join(rows) + " }"
        return f"flag_lists[{self.flags.setdefault(text, str(len(self.flags) + 1))}]", way

    def _flag(self, leaf: Leaf, flag: Flag, way: str, octets: int, shift: int) -> str:
        abbrev = f"{leaf.abbrev}.{flag.name or f'bit_{flag.mask.bit_length() - 1}'}"
        mask = flag.mask << shift
        if way == "in":
            return self._declare(abbrev, "bool", flag.label, f", {8 * octets}, nil, {hex(mask)}")
        bit = mask.bit_length() - 1
        if way == "of":
            return self._declare(abbrev, "bool", flag.label, f", 32, nil, {hex(flag.mask & 0xFFFFFFFF)}")
        at = bit // 8 if leaf.little or leaf.swapped else octets - 1 - bit // 8
        own = self._declare(abbrev, "bool", flag.label, f", 8, nil, {hex(1 << bit % 8)}")
        return f"{{ {own}, {at} }}"

    def table_lines(self) -> list[str]:
        """The tables of names and flags; the former stand before the fields, the latter behind them."""
        out = []
        for names, number in self.values.items():
            rows = ", ".join(f"[{v if abs(v) < 1024 else hex(v)}] = {string(t)}" for v, t in names)
            out.append(f"vs[{number}] = {{ {rows} }}")
        for texts, number in self.texts.items():
            rows = ", ".join(f"[{string(v)}] = {string(t)}" for v, t in texts)
            out.append(f"texts[{number}] = {{ {rows} }}")
        return out

    def flag_lines(self) -> list[str]:
        """The lists of flags."""
        return [f"flag_lists[{number}] = {text}" for text, number in self.flags.items()]


def _family(kind: str) -> str:
    if kind.startswith(("uint", "int")):
        return kind.rstrip("0123468")
    return FAMILIES.get(kind, kind)


def deep(items: tuple[Item, ...]) -> list[Item]:
    """*items* and those in their choices."""
    out: list[Item] = []
    for item in items:
        out.append(item)
        if isinstance(item, Either):
            out += deep(tuple(o for _, o in item.options) + ((item.default,) if item.default else ()))
    return out
