# SPDX-License-Identifier: GPL-2.0-or-later
"""Which row a field class has.

A row is a function from a :class:`~dissector.frontend.packets.subject.Subject` to an item.  It speaks for the class
that it is registered for and for what derives from it, as long as that reads octets in the same way: a class that has
another ``getfield``, ``m2i`` or what these use needs a row of its own, or it is refused.  A silent guess would be a
wrong dissector.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...errors import Refused
from ...ir.packets import Item, Leaf, List, Sub
from ..values import class_name
from .reading import chosen_by, octets_of
from .subject import Subject

Row = Callable[[Subject], Item]

READS = ("getfield", "m2i", "_find_fld_pkt", "_iterate_fields_cond", "padlen", "_evalcond", "original_length")
"""The methods with which Scapy reads a field from octets."""

VALUE = "m2i"
"""The one of them that does not decide which octets are read."""

HINT = "register a row for the field class: dissector.frontend.packets.register(FieldClass, row)"

_ROWS: dict[str, Row] = {}
TEMPLATES: dict[str, str] = {}
"""The Lua of the templates, by their names."""

INSTEAD: list[Callable[[Subject], Item | None]] = []
"""Who is asked before the rows: an override file, while its layers are translated."""


def register(cls: type | str, row: Row) -> None:
    """Give field class *cls*, or the one of that dotted name, a row."""
    _ROWS[cls if isinstance(cls, str) else class_name(cls)] = row


def register_template(name: str, body: str) -> None:
    """Give the Lua of a template that rows name: see :class:`dissector.ir.packets.Suite`."""
    TEMPLATES[name] = body


def row_for(cls: type | str) -> Callable[[Row], Row]:
    """:func:`register` as a decorator."""

    def decorate(row: Row) -> Row:
        register(cls, row)
        return row

    return decorate


def row_of(subject: Subject) -> Row:
    """The row for the class of the subject's field, or :class:`Refused`."""
    cls = type(subject.fld)
    known = [b for b in cls.__mro__ if class_name(b) in _ROWS]
    if not any(_own_way(cls, b, but=VALUE) is None for b in known) and (item := octets_of(subject)) is not None:
        return lambda _subject: item
    if not known:
        raise subject.refuse(f"field class {cls.__name__} is not known", HINT)
    found = next((b for b in known if _own_way(cls, b) is None), None)
    if found is None and (near := next((b for b in known if _own_way(cls, b, but=VALUE) is None), None)):
        return functools.partial(on_the_wire, _ROWS[class_name(near)])
    if found is None:
        method = _own_way(cls, known[0]) or ""
        owner = next(b for b in cls.__mro__ if method in vars(b))
        what = f"field class {owner.__name__} reads octets in its own way ({place_of(owner, method)})"
        raise subject.refuse(what, HINT)
    return _ROWS[class_name(found)]


def on_the_wire(row: Row, subject: Subject) -> Item:
    """The item of a field whose class only makes something else of the value (``m2i``): what is on the wire."""
    item = row(subject)
    if isinstance(item, Sub | List) and not (isinstance(item, List) and item.next is not None):
        chosen = chosen_by(subject)
        if chosen is not None:
            return replace(item, layer=chosen) if isinstance(item, Sub) else replace(item, of=chosen)
        if item.size is not None:
            return subject.leaf(kind="bytes", size=item.size, raw=True)
    if not isinstance(item, Leaf) or item.scaling is not None:
        owner = next(b for b in type(subject.fld).__mro__ if VALUE in vars(b))
        what = f"field class {owner.__name__} reads octets in its own way ({place_of(owner, VALUE)})"
        raise subject.refuse(what, HINT)
    plain: dict[str, Any] = {
        "raw": True,
        "names": (),
        "texts": (),
        "flags": (),
        "utf16": False,
        "hex": item.bits is not None,
    }
    if item.bits is not None or item.until:
        return replace(item, **plain)
    return replace(item, **plain, kind="bytes", little=False)  # a number or an address would say too much


def _own_way(cls: type, base: type, but: str = "") -> str | None:
    """The first method by which *cls* reads octets in another way than *base*."""
    for method in READS:
        if method != but and inspect.getattr_static(cls, method, None) is not inspect.getattr_static(
            base, method, None
        ):
            return method
    return None


def place_of(owner: type, method: str) -> str:
    """``method, file:line`` of a method."""
    from ..layers import relative  # noqa: PLC0415  which imports the rows

    code = getattr(inspect.getattr_static(owner, method), "__code__", None)
    return f"{method}, {relative(code.co_filename)}:{code.co_firstlineno}" if code is not None else method


def item_of(subject: Subject) -> Item:
    """The item that a field is, or :class:`Refused`."""
    instead = next((item for ask in INSTEAD if (item := ask(subject)) is not None), None)
    if instead is not None:
        return instead
    item = row_of(subject)(subject)
    if not isinstance(item, Item):
        raise Refused(str(subject.source), f"the row for {type(subject.fld).__name__} gives no item", "return an Item")
    return item
