# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows for bit fields, and where the fields of a group lie.

Neighbours share octets, and Scapy may turn the octets of a group round first (``tot_size=-4``).  A row only says how
wide the field is; :func:`laid_out` then looks at the whole layer: fields of whole octets become plain integers, the
others get their place in the group.  A group ends at the first field behind which all bits fill octets; bits before a
field of octets that cannot fill them are refused, because Scapy fails there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from scapy import fields as sf

from ...errors import Refused
from ...ir.expr import Cmp, Const, Expr, Un
from ...ir.packets import Either, Item, Leaf, Scaling
from ...ir.pdus import Flag
from .names import unique, word
from .numbers import shown
from .registry import register
from .subject import Subject

MAX_CONDITIONS = 6
LOWEST_FIRST = -1
"""In place of the number of octets that are turned round: all of the group, and its bits are given out from below."""
HINT = "pad them to whole octets"


def bits(subject: Subject) -> Leaf:
    """So many bits."""
    fld = subject.fld
    width = fld.size
    if type(width) is not int or width < 1:
        raise subject.refuse(f"a bit field of {width!r} bits", "use a width of at least one bit")
    turned = fld.tot_size if fld.rev and fld.tot_size > 1 else 0
    return subject.leaf(kind="uint", bits=Const(width), swapped=turned, **shown(subject))


def flags(subject: Subject) -> Leaf:
    """Bits with a name each."""
    labels = [str(n) for n in subject.fld.names]
    found: list[Flag] = []
    for i, name in enumerate(labels[: subject.fld.size]):
        if name and name != f"bit_{i}":
            found.append(Flag(1 << i, unique(word(name), (f.name for f in found)), name))
    return replace(bits(subject), flags=tuple(found), hex=True, names=())


def multi_flags(subject: Subject) -> Leaf:
    """Bits whose names depend on another field; Scapy's value is the set of the names."""
    return replace(bits(subject), hex=True, names=(), raw=True)


def scaled(subject: Subject) -> Leaf:
    """Bits that stand for a number with a factor and an offset."""
    fld = subject.fld
    meaning = Scaling(fld.scaling, fld.offset, str(fld.unit), fld.ndigits)
    return replace(bits(subject), scaling=meaning, unit=str(fld.unit), names=())


def point(subject: Subject) -> Leaf:
    """Bits of which so many are behind the point."""
    digits = subject.fld.frac_bits
    return replace(bits(subject), scaling=Scaling(2.0**-digits, 0.0, "", digits))


register(sf.BitField, bits)
register(sf.BitEnumField, bits)
register(sf.BitMultiEnumField, bits)
register(sf.FlagsField, flags)
register(sf.MultiFlagsField, multi_flags)
register(sf.BitScalingField, scaled)
register(sf.FixedPointField, point)


# --------------------------------------------------------------------------------------------------------- groups


def laid_out(items: Sequence[Item]) -> Iterator[Item]:
    """*items* with every bit field in its place."""
    group: list[Item] = []
    for item in items:
        leaf = bit_leaf(item)
        if leaf is None:
            if group and not _aligned(group, some=True):
                raise _refuse(group[-1], f"bit fields before {item.name!r} do not fill whole octets")
            yield from _placed(group)
            group = []
            yield item
            continue
        whole = None if group else _whole(item)
        if whole is not None:
            yield whole
            continue
        group.append(item)
        if _aligned(group):
            yield from _placed(group)
            group = []
    if group and not _aligned(group, some=True):
        raise _refuse(group[-1], "bit fields do not fill whole octets")
    yield from _placed(group)


def _refuse(item: Item, what: str) -> Refused:
    return Refused(str(item.source), f"{item.name}: {what}", HINT)


def bit_leaf(item: Item | None) -> Leaf | None:
    """The bit field that *item* is; of a choice among fields of one width, the first."""
    if isinstance(item, Leaf):
        return item if item.bits is not None else None
    if isinstance(item, Either):
        all_of = [bit_leaf(i) for i in (*(i for _, i in item.options), item.default)]
        first = all_of[0]
        if first is None or any(x is None or (x.bits, x.swapped) != (first.bits, first.swapped) for x in all_of):
            if any(x is not None for x in all_of):
                return None if all(x is None or width(x) % 8 == 0 for x in all_of) else first
            return None
        return first
    return None


def width(leaf: Leaf) -> int:
    """The bits of a leaf."""
    value = leaf.bits.value if isinstance(leaf.bits, Const) else 0
    return value if isinstance(value, int) else 0


def on_leaves(item: Item, change: Any) -> Item:
    """*item* with *change* applied to its leaf, or to each leaf that it chooses from."""
    if isinstance(item, Leaf):
        out: Item = change(item)
        return out
    assert isinstance(item, Either)
    options = tuple((when, on_leaves(option, change)) for when, option in item.options)
    return replace(item, options=options, default=on_leaves(item.default, change) if item.default else None)


def _whole(item: Item) -> Item | None:
    """A field of whole octets at the beginning of an octet, as a plain value; None for any other."""
    leaf = bit_leaf(item)
    if leaf is None or width(leaf) % 8 or leaf.swapped not in (LOWEST_FIRST, 0, width(leaf) // 8):
        return None
    return on_leaves(item, plain_value)


def plain_value(leaf: Leaf) -> Leaf:
    """A bit field of whole octets as a value that is not one."""
    if leaf.bits is None:
        return leaf
    octets = width(leaf) // 8
    kind = leaf.kind if octets <= 8 else "bytes"
    return replace(leaf, kind=kind, bits=None, swapped=0, size=Const(octets), little=bool(leaf.swapped) and octets > 1)


def _aligned(group: list[Item], *, some: bool = False) -> bool:
    """True when the fields fill whole octets whatever is present (*some*: when it can be)."""
    total = max(_turned(group), 0)
    sums = list(_sums(group))
    fills = [s % 8 == 0 and (not total or s >= 8 * total) for s in sums]
    return any(fills) if some else all(fills)


def _sums(group: list[Item]) -> Iterator[int]:
    """How many bits there are, for every way in which the conditions may hold."""
    known = {_condition(i.present)[0] for i in group if i.present is not None}
    conditions = sorted(known, key=repr)
    if len(conditions) > MAX_CONDITIONS:
        raise _refuse(group[-1], f"bit fields depend on {len(conditions)} conditions")
    for holds in product((False, True), repeat=len(conditions)):
        truth = dict(zip(conditions, holds, strict=True))
        total = 0
        for item in group:
            there, positive = True, True
            if item.present is not None:
                condition, positive = _condition(item.present)
                there = truth[condition] == positive
            leaf = bit_leaf(item)
            total += width(leaf) if there and leaf is not None else 0
        yield total


def _condition(e: Expr) -> tuple[Expr, bool]:
    """A condition without its negation, and whether it is meant as it stands."""
    if isinstance(e, Un) and e.op == "not":
        return e.x, False
    if isinstance(e, Cmp) and e.op == "!=":
        return Cmp("==", e.a, e.b), False
    return e, True


def _placed(group: list[Item]) -> Iterator[Item]:
    """The fields of a group with their places, as far as these are known."""
    turned = _turned(group)
    if turned == LOWEST_FIRST:
        yield from _from_below(group)
        return
    total, known = 0, True
    for i, item in enumerate(group):
        leaf = bit_leaf(item)
        assert leaf is not None
        again = i > 0 and leaf.swapped > 0 and total % 8 == 0
        if again or (turned and item.present is not None):
            raise _refuse(item, "octets are turned round in a way that depends on the packet, or twice")
        known = known and item.present is None
        place = _place(total, width(leaf), turned) if known else None
        total += width(leaf)
        if turned and total > 8 * turned:
            raise _refuse(item, f"more bits than the {turned} octets that are turned round")
        if width(leaf) > 64 or (place is None and width(leaf) > 57) or (place and place[0] > 8):
            raise _refuse(item, f"a field of {width(leaf)} bits that does not begin at an octet")
        yield on_leaves(item, lambda each, place=place: replace(each, place=place, swapped=turned))


def _from_below(group: list[Item]) -> Iterator[Item]:
    """The fields of a group of little-endian octets whose bits are given out from the lowest on."""
    total = sum(width(leaf) for i in group if (leaf := bit_leaf(i)))
    used = 0
    for item in group:
        leaf = bit_leaf(item)
        assert leaf is not None
        if item.present is not None or leaf.swapped != LOWEST_FIRST or total > 64:
            raise _refuse(item, "bits of both orders, or under a condition, in one group")
        place = _place(total - used - width(leaf), width(leaf), total // 8)
        used += width(leaf)
        yield on_leaves(item, lambda each, place=place: replace(each, place=place, swapped=total // 8))


def _turned(group: list[Item]) -> int:
    """How many octets the first field of a group turns round."""
    leaf = bit_leaf(group[0]) if group else None
    return leaf.swapped if leaf is not None else 0


def _place(start: int, wide: int, turned: int) -> tuple[int, int, int]:
    first, end = start // 8, (start + wide + 7) // 8
    shift = 8 * end - start - wide
    return end - first, shift, turned - end if turned else first
