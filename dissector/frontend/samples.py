# SPDX-License-Identifier: GPL-2.0-or-later
"""Stand-ins for packets: objects that answer whatever a Scapy callable asks, at random but always the same.

A real packet would answer too few questions: callables ask for the underlayer, for fields that a constructor fills, for
the length of data that is not there.  A :class:`Wire` is an integer that has every attribute, every item and a length,
each drawn when it is first asked for and then remembered, so that the original and the translation see one world.  A
:class:`Sample` is the packet itself and keeps Python's order: what the layer's class defines comes first.

What is drawn is what decides: for a value that the translation compares with constants, those and their neighbours;
otherwise numbers that lengths and types tend to be, and texts that only the original speaks of.  One difference between
the two worlds is on purpose: the original gets a ``FlagValue`` for a ``FlagsField``, as in Scapy, and the translation
gets the integer, as in Wireshark.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import random
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from scapy.fields import FlagsField, FlagValue

from dissector.frontend.scope import inner
from dissector.ir.expr import Bin, Cmp, Const, Expr, InSet, Ref, Size, walk

Path = tuple[str, ...]
Plain = int | str | bytes

USUAL = (*range(9), 16, 17, 20, 31, 32, 53, 63, 64, 100, 127, 128, 200, 254, 255, 256, 300, 1024, 65535)
LENGTHS = (0, 1, 1, 2, 3, 4, 5, 8, 12, 20)
_MISSING = object()


class Source:
    """Where values come from: the constants of one translation and a random number generator."""

    def __init__(self, e: Expr, more: Iterable[object], rng: random.Random) -> None:
        self.rng, self.none_rate = rng, 0.0
        self.integers: set[Path] = set()
        self.near: dict[Path, list[Plain]] = {}
        self._turns: dict[Path, Iterator[Plain]] = {}
        self.sizes: dict[Path, list[int]] = {}
        found = {x for x in more if type(x) is int}
        texts = {x for x in more if isinstance(x, str | bytes)}
        for n in walk(e):
            if isinstance(n, Const):
                texts.discard(n.value)
            if isinstance(n, Const) and type(n.value) is int:
                found.add(n.value)
            if isinstance(n, Cmp):
                self._learn(n.a, (n.b.value,) if isinstance(n.b, Const) else ())
                self._learn(n.b, (n.a.value,) if isinstance(n.a, Const) else ())
            elif isinstance(n, InSet):
                self._learn(n.x, n.values)
                found.update(v for v in n.values if type(v) is int)
        around = [x + d for x in sorted(found) for d in (-1, 0, 1) if x + d >= 0]
        self.numbers: tuple[Plain, ...] = (*USUAL, *around, *around, *around, *sorted(texts, key=repr))

    def _learn(self, x: Expr, values: tuple[object, ...]) -> None:
        numbers = [v for v in values if isinstance(v, int)]
        if isinstance(x, Size) and isinstance(x.of, Ref):
            self.sizes.setdefault(x.of.path, []).extend(v + d for v in numbers for d in (-1, 0, 1) if v + d >= 0)
            return
        while isinstance(x, Bin) and isinstance(x.b, Const):
            x = x.a
        if isinstance(x, Ref) and values:
            near = self.near.setdefault(x.path, [])
            near.extend(v + d for v in numbers for d in (0, 1, -1) if v + d >= 0)
            near.extend(v for v in values if isinstance(v, str | bytes))

    def number(self, path: Path) -> Plain:
        """A plain value for *path*."""
        near = path in self.near and self.rng.random() < 0.7
        value: Plain = next(self._turn(path)) if near else self.rng.choice(self.numbers)
        item = path[-1].startswith("[")
        if not isinstance(value, int) and not near and (item or path in self.integers):
            value = self.rng.choice(USUAL)
        if item and isinstance(value, int) and not any(isinstance(v, int) and v > 256 for v in self.near.get(path, ())):
            return value & 0xFF  # an octet, as far as anybody asks
        return value

    def _turn(self, path: Path) -> Iterator[Plain]:
        """The values near *path*'s constants, each in its turn: few samples then meet all of them."""
        if path not in self._turns:
            values = list(dict.fromkeys(self.near[path]))
            self.rng.shuffle(values)
            self._turns[path] = itertools.cycle(values)
        return self._turns[path]

    def value(self, path: Path) -> object:
        """A value for *path*: None now and then, text where text is expected, otherwise an integer with attributes."""
        if self.none_rate and not path[-1].startswith("[") and self.rng.random() < self.none_rate:
            return None
        plain = self.number(path)
        return Wire(plain, self, path) if isinstance(plain, int) else plain

    def length(self, path: Path) -> int:
        """The length of what *path* leads to."""
        near = self.sizes.get(path)
        return self.rng.choice(near) if near and self.rng.random() < 0.7 else self.rng.choice(LENGTHS)

    def octets(self, name: str) -> bytes:
        """Octets for an argument; those that are compared with something are drawn near it."""
        at = (self.number((name, f"[{i}]")) for i in range(self.length((name,))))
        return bytes(v & 0xFF if isinstance(v, int) else 0 for v in at)


class Wire(int):
    """An integer with any attribute, any item and a length."""

    source: Source
    path: Path
    known: dict[object, object]

    def __new__(cls, value: int, source: Source, path: Path) -> Self:
        self = super().__new__(cls, value)
        self.source, self.path, self.known = source, path, {}
        return self

    def ask(self, name: str) -> object:
        """The attribute *name*."""
        if name not in self.known:
            self.known[name] = self.source.value((*self.path, name))
        return self.known[name]

    def asked(self) -> Iterator[tuple[str, object]]:
        """What was asked for so far, by its path."""
        for name, value in self.known.items():
            yield (".".join((*self.path, name)) if isinstance(name, str) else f"len({'.'.join(self.path)})"), value
            if isinstance(value, Wire):
                yield from value.asked()

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or name in ("source", "path", "known"):
            raise AttributeError(name)
        return self.ask if name == "getfieldval" else self.ask(name)

    def __len__(self) -> int:
        size = self.known.setdefault(len, self.source.length(self.path))
        return size if isinstance(size, int) else 0

    def __getitem__(self, at: int | slice) -> object:
        size = len(self)
        if isinstance(at, slice):
            items = (self.ask(f"[{i}]") for i in range(*at.indices(size)))
            return bytes(int(v) & 0xFF for v in items if isinstance(v, int))
        if not -size <= at < size:
            raise IndexError(at)
        return self.ask(f"[{at % size}]")


class Sample:
    """The packet: an instance of its layer, as far as ``isinstance`` can tell, with its methods and constants."""

    def __init__(self, layer: type | None, source: Source, absent: frozenset[str] = frozenset()) -> None:
        self._layer, self._wire = layer, Wire(0, source, ("F",))
        self._flags, self._absent = flag_fields(layer), absent
        source.integers.update(("F", name) for name in self._flags)

    @property  # type: ignore[misc]  # a lie on purpose
    def __class__(self) -> type:
        return self._layer or Sample

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self._wire)

    def __getattr__(self, name: str) -> object:
        if name in ("_layer", "_wire", "_flags", "_absent") or name in self._absent:
            raise AttributeError(name)
        if name == "getfieldval":
            return self._field
        member = _MISSING if self._layer is None else inspect.getattr_static(self._layer, name, _MISSING)
        if isinstance(member, property) and member.fget is not None:
            return member.fget(self)
        if isinstance(member, types.FunctionType):
            return types.MethodType(member, self)
        if isinstance(member, staticmethod | classmethod):
            return getattr(self._layer, name)
        if member is _MISSING or inspect.isdatadescriptor(member):
            return self._field(name)
        return member

    def _field(self, name: str) -> object:
        """A field as Scapy gives it: flags are a set with names."""
        if name.startswith("__"):
            raise AttributeError(name)
        renamed = getattr(self._layer, "deprecated_fields", None) or {}
        name = renamed[name][0] if name in renamed else name
        value = self._wire.ask(name)
        return FlagValue(int(value), self._flags[name]) if name in self._flags and isinstance(value, int) else value

    def asked(self) -> Iterator[tuple[str, object]]:
        """What was asked for so far, by its path."""
        return self._wire.asked()


class View:
    """The same packet as the translation sees it: numbers."""

    def __init__(self, sample: Sample) -> None:
        self._wire = sample._wire  # noqa: SLF001  two sides of one thing

    def __getattr__(self, name: str) -> object:
        return self._wire.ask(name)

    def __len__(self) -> int:
        return len(self._wire)


@functools.cache
def flag_fields(layer: type | None) -> Mapping[str, list[str] | str]:
    """The flag fields of a layer, with the names of their bits."""
    out: dict[str, list[str] | str] = {}
    for fld in getattr(layer, "fields_desc", None) or ():
        f = inner(fld)
        if isinstance(f, FlagsField):
            out.setdefault(f.name, f.names)
    return out
