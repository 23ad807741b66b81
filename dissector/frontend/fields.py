# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy field classes, one row each: what a field of that class is in the IR.

A row is a function from a Scapy field to keyword arguments of :class:`dissector.ir.pdus.Field`; it is found by the
nearest base class that has one, but a class that overrides how octets are read (``getfield``, ``m2i``, ``addfield``
and the like) is not its base: it needs a row of its own, or it is refused.  A silent guess would be a wrong dissector.

Bit fields are the one thing that does not fit a row: neighbours share octets.  They are collected by
:mod:`dissector.frontend.layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scapy import fields as sf

from ..declare import UNPACKERS, E, as_expr
from ..errors import Refused
from ..ir.expr import Const, Expr
from ..ir.pdus import Field, Flag, Packed, Part, SourceRef
from ..protocols.fields import HighPart, LowPart, PayloadField
from .callables import ROLES, translate
from .oracle import check

Row = Callable[["Subject"], dict[str, Any]]


class Subject:
    """One field of one layer while it is translated."""

    def __init__(self, layer: type, fld: Any, source: SourceRef) -> None:
        self.layer, self.fld, self.source = layer, fld, source

    @property
    def name(self) -> str:
        return str(self.fld.name)

    def refuse(self, what: str, hint: str = "") -> Refused:
        """The error to raise: where, which field, what and what would do."""
        return Refused(str(self.source), f"{self.layer.__name__}.{self.name}: {what}", hint)

    def expr(self, fn: Any, role: str) -> Expr:
        """What a callable of the field says."""
        if isinstance(fn, E):
            return fn.node
        if fn is None:
            raise self.refuse(f"{role} is missing", f"give the field a {role}")
        try:
            translation = translate(fn, self.layer, role if role in ROLES else "")
        except Refused as exc:
            raise self.refuse(f"{role}: {exc.what} ({exc.where})", exc.hint) from exc
        verdict = check(fn, translation, role, self.layer)
        if verdict.mismatch is not None:
            raise self.refuse(f"{role}: {verdict.mismatch}", "this is a mistake of the translator: please report it")
        return translation.expr


# A class that overrides one of these reads octets in its own way, so its base's row does not speak for it.
WIRE_METHODS = ("getfield", "addfield", "m2i", "i2m", "any2i_one", "extract_padding")


def _uint(subject: Subject) -> dict[str, Any]:
    return {"type": "uint", "size": Const(_octets(subject)), "little": _little(subject), "values": _values(subject)}


def _hex(subject: Subject) -> dict[str, Any]:
    return {**_uint(subject), "hex": True}


def _octets(subject: Subject) -> int:
    size = subject.fld.sz
    if isinstance(size, float) and size.is_integer():
        size = int(size)  # a bit field divides its bits by 8.0
    if not isinstance(size, int) or size < 1:
        raise subject.refuse(f"an integer of {size} octets", "use a field class of 1 to 8 whole octets")
    return size


def _little(subject: Subject) -> bool:
    fmt = str(getattr(subject.fld, "fmt", "!"))
    if getattr(subject.fld, "rev", False):
        return True
    return fmt.startswith(("<", "@", "=")) or type(subject.fld).__name__.startswith(("LE", "XLE"))


def _values(subject: Subject) -> tuple[tuple[int, str], ...]:
    names = getattr(subject.fld, "i2s", None)
    if not isinstance(names, Mapping):
        return ()
    pairs = [(k, str(v)) for k, v in names.items() if isinstance(k, int)]
    return tuple(sorted(pairs))


def _rest(subject: Subject) -> dict[str, Any]:
    raise subject.refuse(
        "a string up to the end of the data has no length in a stream", "give it a length_from, or the layer a scan"
    )


def _str_len(subject: Subject) -> dict[str, Any]:
    kind = "bytes" if isinstance(subject.fld, sf.XStrLenField) else "string"
    return {"type": kind, "size": subject.expr(subject.fld.length_from, "length_from")}


def _str_fixed(subject: Subject) -> dict[str, Any]:
    if not isinstance(subject.fld.sz, int):
        return {"type": "string", "size": subject.expr(subject.fld.length_from, "length_from")}
    kind = "bytes" if isinstance(subject.fld, sf.XStrFixedLenField) else "string"
    return {"type": kind, "size": Const(subject.fld.sz)}


def _payload(subject: Subject) -> dict[str, Any]:
    packed = _packed(subject) if subject.fld.packed is not None else None
    size = subject.expr(subject.fld.length_from, "length_from")
    return {"type": "bytes", "size": size, "lazy": True, "packed": packed}


def _packed(subject: Subject) -> Packed:
    packed = subject.fld.packed
    for method in packed.methods:
        if method not in UNPACKERS:
            raise subject.refuse(f"no way to uncompress {method!r}", f"known: {', '.join(UNPACKERS)}")
    methods = tuple((method, as_expr(when)) for method, when in packed.methods.items())
    return Packed(as_expr(packed.size), packed.label, methods, as_expr(packed.alone))


def _high(subject: Subject) -> dict[str, Any]:
    part = Part("high", subject.expr(subject.fld.modulus, "modulus"))
    return {"type": "uint", "size": Const(8), "hex": True, "part": part, "advance": False}


def _low(subject: Subject) -> dict[str, Any]:
    part = Part("low", subject.expr(subject.fld.modulus, "modulus"))
    return {"type": "uint", "size": Const(8), "hex": True, "part": part, "flags": _flags(subject)}


def _flag_field(subject: Subject) -> dict[str, Any]:
    return {**_uint(subject), "hex": True, "flags": _flags(subject)}


def _flags(subject: Subject) -> tuple[Flag, ...]:
    names = subject.fld.names
    if isinstance(names, Mapping):
        names = [names.get(1 << i, "") for i in range(subject.fld.size)]
    named = ((i, str(n)) for i, n in enumerate(names))
    return tuple(Flag(1 << i, n.lower(), n) for i, n in named if n and n != f"bit{i}")


def _simple(kind: str, octets: int) -> Row:
    return lambda _: {"type": kind, "size": Const(octets)}


ROWS: dict[type, Row] = {
    sf.ByteField: _uint,
    sf.XByteField: _hex,
    sf.ShortField: _uint,
    sf.XShortField: _hex,
    sf.LEShortField: _uint,
    sf.ThreeBytesField: _uint,
    sf.X3BytesField: _hex,
    sf.IntField: _uint,
    sf.XIntField: _hex,
    sf.LEIntField: _uint,
    sf.LongField: _uint,
    sf.XLongField: _hex,
    sf.LELongField: _uint,
    sf.EnumField: _uint,
    sf.FieldLenField: _uint,
    sf.LenField: _uint,
    sf.FlagsField: _flag_field,
    sf.StrField: _rest,
    sf.StrLenField: _str_len,
    sf.XStrLenField: _str_len,
    sf.StrFixedLenField: _str_fixed,
    sf.XStrFixedLenField: _str_fixed,
    sf.IPField: _simple("ipv4", 4),
    sf.IP6Field: _simple("ipv6", 16),
    sf.MACField: _simple("ether", 6),
    sf.UUIDField: _simple("uuid", 16),
    PayloadField: _payload,
    HighPart: _high,
    LowPart: _low,
}


def row_of(subject: Subject) -> Row:
    """The row for a field's class, or :class:`Refused`."""
    cls = type(subject.fld)
    for base in cls.__mro__:
        if base in ROWS:
            return ROWS[base]
        own = [m for m in WIRE_METHODS if m in vars(base)]
        if own and base.__module__ != "scapy.fields":
            raise subject.refuse(
                f"field class {base.__name__} reads octets in its own way ({', '.join(own)})",
                "give the class a row in dissector/frontend/fields.py",
            )
        if base.__module__ == "scapy.fields" and base not in _TRANSPARENT:
            break
    raise subject.refuse(
        f"field class {cls.__name__} is not known", "give the class a row in dissector/frontend/fields.py"
    )


# Enumerations and hexadecimal twins differ from their base in what they show, not in what they read.
_TRANSPARENT = frozenset(
    getattr(sf, n)
    for n in (
        "ByteEnumField",
        "XByteEnumField",
        "ShortEnumField",
        "XShortEnumField",
        "LEShortEnumField",
        "XLEShortField",
        "IntEnumField",
        "XIntEnumField",
        "LEIntEnumField",
        "XLEIntField",
        "LongEnumField",
        "XLELongField",
        "LELongEnumField",
    )
    if hasattr(sf, n)
)


def translate_field(subject: Subject, abbrev: str, label: str, present: Expr | None) -> Field:
    """The IR of one field that is not a bit field."""
    args = row_of(subject)(subject)
    hexadecimal = args.pop("hex", False) or type(subject.fld).__name__.startswith("X")
    return Field(
        name=subject.name,
        abbrev=abbrev,
        label=label,
        present=present,
        hex=bool(hexadecimal and args["type"] == "uint"),
        source=subject.source,
        **args,
    )


def bit_width(fld: Any) -> int | None:
    """The width of a bit field in bits; None for any other field."""
    if isinstance(fld, LowPart | HighPart) or not isinstance(fld, sf.BitField | sf.BitEnumField):
        return None
    if isinstance(fld, sf.FlagsField) and fld.size % 8 == 0:
        return None
    size = fld.size
    return size if isinstance(size, int) else None
