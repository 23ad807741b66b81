# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows for numbers, times and addresses: whatever ``struct`` reads, and the few widths that it does not know."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scapy import fields as sf

from ...errors import Refused
from ...ir.expr import Cmp, Const, Expr
from ...ir.packets import Item, Leaf, Names, Scaling
from .registry import Row, register
from .subject import Subject

MAX_NAMES = 4096
"""So many names of values are kept; a table of more is of no use to a reader."""

_KINDS = {**dict.fromkeys("BHILQ", "uint"), **dict.fromkeys("bhilq", "int"), "f": "float", "d": "float", "?": "bool"}


def number(subject: Subject) -> Leaf:
    """A field that ``struct`` reads: its ``fmt`` says everything."""
    fmt = str(subject.fld.fmt)
    try:
        octets = struct.calcsize(fmt)
    except struct.error as exc:
        raise subject.refuse(f"{fmt!r} is no format: {exc}") from exc
    order, code = fmt[:1], fmt[1:]
    if order in "@=" and octets > 1:
        raise subject.refuse(f"the format {fmt!r} depends on the machine", "begin it with ! or <")
    if code in _KINDS:
        return subject.leaf(kind=_KINDS[code], size=Const(octets), little=order == "<", **shown(subject))
    if code.endswith(("s", "c")):
        return subject.leaf(kind="bytes", size=Const(octets), texts=texts(subject))
    raise subject.refuse(f"the format {fmt!r} is not one value", "use one field for each value")


def sized(octets: int, *, little: bool = False) -> Row:
    """An unsigned integer of so many octets."""

    def row(subject: Subject) -> Item:
        return subject.leaf(kind="uint", size=Const(octets), little=little, **shown(subject))

    return row


def shown(subject: Subject) -> dict[str, Any]:
    """How an integer is shown: hexadecimal, names of its values."""
    return {"hex": is_hex(subject.fld), "names": names(subject)}


def is_hex(fld: Any) -> bool:
    """True for the classes that show hexadecimal digits; all of Scapy's begin with an X."""
    return any(b.__name__.startswith("X") or b.__name__ == "OUIField" for b in type(fld).__mro__)


def names(subject: Subject) -> tuple[tuple[Expr | None, Names], ...]:
    """The names of a field's values."""
    fld = subject.fld
    multi = getattr(fld, "i2s_multi", None)
    if isinstance(multi, Mapping):
        try:
            key = subject.expr(fld.depends_on, "depends_on")
        except Refused:
            return ()  # names only
        return tuple((Cmp("==", key, Const(k)), table(v)) for k, v in multi.items() if isinstance(k, int))
    found = table(getattr(fld, "i2s", None)) or _called(fld)
    return ((None, found),) if found else ()


def table(names: object) -> Names:
    """A mapping of integers to names, in order."""
    if not isinstance(names, Mapping):
        return ()
    pairs = {int(k): str(v) for k, v in names.items() if isinstance(k, int)}
    return tuple(sorted(pairs.items()))[:MAX_NAMES]


def _called(fld: Any) -> Names:
    """The names that a function gives to the values of one octet; wider ones are too many to ask for."""
    call = getattr(fld, "i2s_cb", None)
    if not callable(call) or fld.sz > 1:
        return ()
    out = []
    for value in range(256):
        try:
            name = call(value)
        except Exception:  # noqa: BLE001  a function for names may fail as it likes
            return ()
        if name is not None:
            out.append((value, str(name)))
    return tuple(out)


def texts(subject: Subject) -> tuple[tuple[bytes, str], ...]:
    """The names of values that are octets or text."""
    found = getattr(subject.fld, "i2s", None) or getattr(subject.fld, "enum", None)
    if not isinstance(found, Mapping):
        return ()
    pairs = [(k.encode() if isinstance(k, str) else k, str(v)) for k, v in found.items() if isinstance(k, str | bytes)]
    return tuple(pairs)[:MAX_NAMES]


# ---------------------------------------------------------------------------------------- values with a meaning


def scaled(subject: Subject) -> Item:
    """A number with a factor, an offset and a unit."""
    fld = subject.fld
    leaf = number(subject)
    return _scaled(leaf, fld)


def _scaled(leaf: Leaf, fld: Any) -> Leaf:
    meaning = Scaling(fld.scaling, fld.offset, str(fld.unit), fld.ndigits)
    return replace(leaf, scaling=meaning, unit=str(fld.unit), names=())


def seconds(subject: Subject) -> Item:
    """A number of seconds, or of parts of them."""
    fld = subject.fld
    unit = "ms" if fld.use_msec else "us" if fld.use_micro else "ns" if fld.use_nano else "s"
    leaf = number(subject)
    return replace(leaf, unit=unit)


def moment(subject: Subject) -> Item:
    """A point in time: so many seconds, or parts of them, since an epoch."""
    fld = subject.fld
    parts = 10**3 if fld.use_msec else 10**6 if fld.use_micro else 10**9 if fld.use_nano else fld.custom_scaling or 1
    leaf = number(subject)
    return replace(leaf, kind="time", scaling=Scaling(1 / parts, float(fld.delta), "s"))


def fixed(subject: Subject) -> Item:
    """A number whose lower eight bits are behind the point."""
    return replace(number(subject), scaling=Scaling(1 / 256, 0.0, "", 8))


def simple(kind: str, octets: int, *, little: bool = False) -> Row:
    """An address."""

    def row(subject: Subject) -> Item:
        return subject.leaf(kind=kind, size=Const(octets), little=little)

    return row


def uuid(subject: Subject) -> Item:
    """A UUID in its usual form, with its first three parts in little-endian order, or turned round as a whole."""
    form = subject.fld.uuid_fmt
    if form == sf.UUIDField.FORMAT_REV:
        return subject.leaf(kind="uuid", size=Const(16), little=True, template="reversed")
    return subject.leaf(kind="uuid", size=Const(16), little=form == sf.UUIDField.FORMAT_LE)


def yes_no(subject: Subject) -> Item:
    """An octet whose values all have names."""
    pairs = ((v, subject.fld.eval_fn(v)) for v in range(256))
    named = tuple((v, n) for v, n in pairs if isinstance(n, str))
    return subject.leaf(kind="uint", size=Const(1), names=((None, named),))


def several(subject: Subject) -> Item:
    """An unsigned big-endian integer of any number of octets; more than eight are octets to everybody but Scapy."""
    octets = int(subject.fld.sz)
    kind = "uint" if octets <= 8 else "bytes"
    return subject.leaf(kind=kind, size=Const(octets), hex=is_hex(subject.fld))


register(sf.Field, number)
register(sf.ThreeBytesField, sized(3))
register(sf.LEThreeBytesField, sized(3, little=True))
register(sf.NBytesField, several)
register(sf.ScalingField, scaled)
register(sf.SecondsIntField, seconds)
register(sf.UTCTimeField, moment)
register(sf.BCDFloatField, fixed)
register(sf.MACField, simple("ether", 6))
register(sf.LEMACField, simple("ether", 6, little=True))
register(sf.IPField, simple("ipv4", 4))
register(sf.IP6Field, simple("ipv6", 16))
register(sf.UUIDField, uuid)
register(sf.YesNoByteField, yes_no)
