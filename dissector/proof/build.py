# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets of a class with values drawn at random, but such as the class can be expected to mean.

``scapy.packet.fuzz`` fills in whatever a field can hold, which seldom leads further than the first length.  Here the
lengths are left to Scapy, enumerations are drawn from their tables, lists have up to three elements of the classes that
the selector of the list knows, and a payload is one that the class is bound to, with the values that the binding wants.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from scapy import fields as f
from scapy.packet import NoPayload, Packet, Raw
from scapy.volatile import VolatileValue

if TYPE_CHECKING:
    import random

DEEP = 3
LETTERS = b"abcxyzABC019 .-_/"


class Builder:
    """Builds packets with the values of *rng*; where *prefer* can be, it mostly is."""

    def __init__(self, rng: random.Random, prefer: type[Packet] | None = None) -> None:
        self.rng = rng
        self.prefer = prefer

    def chosen(self, classes: list[type[Packet]]) -> type[Packet]:
        """Choose one of *classes*."""
        wanted = self.prefer in classes and self.rng.random() < 0.8
        return self.prefer if wanted and self.prefer else self.rng.choice(classes)

    def packet(self, cls: type[Packet], depth: int = 0) -> Packet:
        """Build one of *cls*, with what it holds and carries."""
        keep = self.rng.choice((0.0, 0.3, 0.6, 0.9))
        values: dict[str, Any] = {}
        for fld in getattr(cls, "fields_desc", ()):
            if self.rng.random() >= keep:
                value = self.field(fld, depth)
                if value is not None:
                    values[fld.name] = value
        payload, overload = self.payload(cls, depth)
        made = cls(**{**values, **overload})
        return made / payload if payload is not None else made

    def payload(self, cls: type[Packet], depth: int) -> tuple[Packet | None, dict[str, Any]]:
        """Choose what *cls* carries: (it, the values by which *cls* knows it)."""
        choices: list[Any] = list(getattr(cls, "payload_guess", ()))
        choices += [({}, c) for c in classes_in(cls.guess_payload_class)]
        wanted = [c for c in choices if c[1] is self.prefer]
        if depth < DEEP and choices and self.rng.random() < (0.9 if wanted else 0.6):
            overload, bound = self.rng.choice(wanted or choices)
            if isinstance(bound, type) and issubclass(bound, Packet):
                return self.packet(bound, depth + 1), dict(overload)
        if self.rng.random() < 0.3:
            return Raw(self.octets()), {}
        return None, {}

    def field(self, fld: Any, depth: int) -> Any:
        """Choose a value for a field; None is Scapy's to compute, or the default."""
        if isinstance(fld, f.MultipleTypeField):
            return self.field(self.rng.choice([o[0] for o in fld.flds] + [fld.dflt]), depth)
        if isinstance(fld, f._FieldContainer):
            return self.field(fld.fld, depth)
        if isinstance(fld, f.FieldLenField | f.LenField | f.BitFieldLenField):
            return self.integer(8) if self.rng.random() < 0.1 else None
        if isinstance(fld, f.PacketListField):
            return self.packets(fld, depth)
        if isinstance(fld, f._PacketField):
            return self.held(fld, depth)
        if isinstance(fld, f.FieldListField):
            return [self.field(fld.field, depth + 1) for _ in range(self.rng.randrange(4))]
        return self.plain(fld)

    def plain(self, fld: Any) -> Any:
        """Choose a value for a field that holds neither packets nor other fields."""
        names = getattr(fld, "i2s", None)
        if names and self.rng.random() < 0.8:
            return self.rng.choice(list(names))
        if isinstance(fld, f._BitField):
            return self.integer(fld.size)
        if isinstance(fld, f._StrField):
            return self.text(fld)
        if type(fld).randval is f.Field.randval and fld.fmt[-1] in "BHILQ":
            return self.integer(fld.sz * 8)
        value = fld.randval()
        return value._fix() if isinstance(value, VolatileValue) else value

    def integer(self, bits: int) -> int:
        """Choose a number of so many bits: a small one, one at the edge, or any."""
        top = (1 << bits) - 1
        edges = (0, 1, 2, 3, 4, top, top - 1, (top + 1) // 2, top // 2)
        kind = self.rng.random()
        if kind < 0.4:
            return self.rng.choice(edges) & top
        return self.rng.randrange(20) & top if kind < 0.6 else self.rng.getrandbits(bits) if bits else 0

    def text(self, fld: Any) -> bytes:
        """Choose octets for a field of octets."""
        size = None
        if isinstance(fld, f.StrFixedLenField):
            try:
                size = fld.length_from(None)
            except Exception:  # noqa: BLE001 - the length depends on other fields
                size = None
        return self.octets(size)

    def octets(self, size: int | None = None) -> bytes:
        """Choose some octets, more often letters than not."""
        size = self.rng.choice((0, 1, 2, 3, 4, 5, 8, 13)) if size is None else min(size, 64)
        if self.rng.random() < 0.6:
            return bytes(self.rng.choice(LETTERS) for _ in range(size))
        return self.rng.randbytes(size)

    def packets(self, fld: Any, depth: int) -> list[Packet] | None:
        """Choose the elements of a list."""
        choices = known_classes(fld)
        if depth >= DEEP:
            return []
        if not choices:
            return None
        return [self.packet(self.chosen(choices), depth + 1) for _ in range(self.rng.randrange(4))]

    def held(self, fld: Any, depth: int) -> Packet | None:
        """Choose the packet in a field."""
        choices = known_classes(fld)
        return self.packet(self.chosen(choices), depth + 1) if choices and depth < DEEP else None


def known_classes(fld: Any) -> list[type[Packet]]:
    """Give the classes that a field of packets may hold."""
    found: list[type[Packet]] = []
    for source in (getattr(fld, "cls", None), getattr(fld, "next_cls_cb", None)):
        if isinstance(source, type) and is_layer(source):
            found.append(source)
        else:
            found += classes_in(source)
    extra = [c for layer in found for c in classes_in(getattr(layer, "dispatch_hook", None))]
    return list(dict.fromkeys([*found, *extra, *(d for c in found for d in c.__subclasses__())]))


def is_layer(value: Any) -> bool:
    """Tell a class of packets."""
    return isinstance(value, type) and issubclass(value, Packet) and not issubclass(value, NoPayload)


def classes_in(fn: Any) -> list[type[Packet]]:
    """Give the classes that a function names, itself or in a table that it looks into."""
    fn = getattr(fn, "__func__", fn)
    if not isinstance(fn, types.FunctionType) or fn.__module__ == Packet.__module__:
        return []
    inner = [c for c in fn.__code__.co_consts if isinstance(c, types.CodeType)]
    names = [*fn.__code__.co_names, *(name for code in inner for name in code.co_names)]
    values = [fn.__globals__.get(name) for name in names]
    for cell in fn.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:
            continue
    result: list[type[Packet]] = []
    for value in values:
        result += layers_in(value)
        if isinstance(value, types.FunctionType) and value is not fn and value.__module__ == fn.__module__:
            result += [c for c in direct(value) if c not in result]
    return list(dict.fromkeys(result))


def direct(fn: types.FunctionType) -> list[type[Packet]]:
    """Give the classes that a function names itself."""
    return [layer for name in fn.__code__.co_names for layer in layers_in(fn.__globals__.get(name))]


def layers_in(value: Any) -> list[type[Packet]]:
    """Give the classes that a value is, or holds."""
    held = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    return [each for each in held if is_layer(each) and each is not Packet]


def hosts(classes: list[type[Packet]]) -> dict[type[Packet], list[type[Packet]]]:
    """Give, for each class, those of *classes* that can carry or hold it."""
    result: dict[type[Packet], list[type[Packet]]] = {}
    for host in classes:
        inside = [c for _, c in getattr(host, "payload_guess", ())] + classes_in(host.guess_payload_class)
        for fld in getattr(host, "fields_desc", ()):
            inside += [c for each in plain_fields(fld) for c in known_classes(each)]
        for cls in dict.fromkeys(inside):
            if cls is not host:
                result.setdefault(cls, []).append(host)
    return result


def plain_fields(fld: Any) -> list[Any]:
    """Take the wrappers off a field; there may be several fields below."""
    if isinstance(fld, f.MultipleTypeField):
        return [each for option in [o[0] for o in fld.flds] + [fld.dflt] for each in plain_fields(option)]
    if isinstance(fld, f._FieldContainer):
        return plain_fields(fld.fld)
    return plain_fields(fld.field) if isinstance(fld, f.FieldListField) else [fld]
