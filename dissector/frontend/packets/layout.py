# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the fields of a layer stand, as far as that is always the same.

From the first octet on until something has a size that depends on the packet, and from the last octet back until the
same.  ``post_build`` writes by number what the fields call by name.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from scapy.fields import (
    ConditionalField,
    Emph,
    Field,
    FieldListField,
    LEThreeBytesField,
    MultipleTypeField,
    PacketField,
    PacketListField,
    StrFixedLenField,
    ThreeBytesField,
    _BitField,
)

from dissector.errors import Refused
from dissector.frontend.callables import translate
from dissector.ir.expr import Const


@dataclass(frozen=True, slots=True)
class Place:
    """*bits* from bit *first* on, counted from the most significant of the first octet; negative: from the end."""

    name: str
    first: int
    bits: int
    little: bool


def places(layer: type) -> tuple[tuple[Place, ...], int | None]:
    """The fields whose place is known, and the number of octets of them all, None if it depends."""
    fields = [(f, _bits(layer, f)) for f in getattr(layer, "fields_desc", None) or ()]
    out: list[Place] = []
    at = 0
    for f, bits in fields:
        if bits is None:
            break
        out.append(Place(f.name, at, bits, _little(f)))
        at += bits
    if len(out) == len(fields):
        return tuple(out), at // 8
    back = 0
    for f, bits in reversed(fields):
        if bits is None:
            break
        back -= bits
        out.append(Place(f.name, back, bits, _little(f)))
    return tuple(out), None


def at(known: tuple[Place, ...], octet: int, octets: int, mask: int | None = None) -> Place | None:
    """The field that fills *octets* from *octet* on, or of one octet the bits of *mask*."""
    first, bits = octet * 8, octets * 8
    if mask is not None:
        bits = mask.bit_count()
        if mask >> (mask.bit_length() - bits) != (1 << bits) - 1:
            return None
        first += 8 - mask.bit_length()
    return next((p for p in known if p.first == first and p.bits == bits), None)


def bare(field: object) -> object:
    """A field without what only says how it is shown."""
    while isinstance(field, Emph):
        field = field.fld
    return field


def is_number(field: object) -> bool:
    """True for a field that is one integer on the wire and is always there."""
    field = bare(field)
    if isinstance(field, _BitField):
        return True
    form = getattr(field, "fmt", "")
    return isinstance(field, Field) and not isinstance(field, ConditionalField) and form[-1:] in "bBhHiIlLqQ"


def _bits(layer: type, field: object) -> int | None:
    """How many bits a field takes, None if that depends on the packet."""
    field = bare(field)
    if isinstance(field, _BitField):
        plain = type(field).getfield is _BitField.getfield and (not field.rev or _alone(field))
        return int(field.size) if plain else None
    if isinstance(field, MultipleTypeField):
        sizes = {_bits(layer, f) for f in (field.dflt, *(f for f, _ in field.flds))}
        return sizes.pop() if len(sizes) == 1 else None
    if isinstance(field, StrFixedLenField):
        try:
            length = translate(field.length_from, layer, "length_from").expr
        except Refused:
            return None
        return length.value * 8 if isinstance(length, Const) and type(length.value) is int else None
    if isinstance(field, ConditionalField | PacketField | PacketListField | FieldListField):
        return None
    if isinstance(field, ThreeBytesField | LEThreeBytesField):
        return 24
    if not isinstance(field, Field) or type(field).getfield is not Field.getfield:
        return None
    try:
        return struct.calcsize(field.fmt) * 8
    except struct.error:
        return None


def _alone(field: object) -> bool:
    """True for a bit field with the octets swapped that is a number of octets by itself."""
    octets, rest = divmod(int(getattr(field, "size", 1)), 8)
    return not rest and getattr(field, "tot_size", 0) == getattr(field, "end_tot_size", 0) == octets


def _little(field: object) -> bool:
    field = bare(field)
    return bool(field.rev) if isinstance(field, _BitField) else str(getattr(field, "fmt", "")).startswith("<")
