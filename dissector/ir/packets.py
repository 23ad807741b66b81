# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets as data: layers of items, what they carry, and where they begin.

:mod:`dissector.ir.model` says how a *stream* is cut into PDUs.  This file is for everything else that people describe
with layers: a *packet* that is all there when it is looked at, a datagram or a message with a known length, with
packets in its fields, lists of packets, and a payload that is chosen by what the header says.

The reading that an executor has to do, in the words of a machine with a cursor, an end and a table of values:

* a **layer** gets the octets from the cursor to the end.  Its ``dispatch`` may first choose another layer by these
  octets.  Its items are read in order; each puts its value under its name, for the expressions behind it.
* an **item** with ``present`` that does not hold is passed over, and its value is None.  ``may_end``: when nothing is
  left behind this item, the layer has no more items.  ``align``: behind the item, the cursor moves on until the item
  with its padding is a multiple of so many octets.
* a **bit field** begins where the one before it ended, also inside an octet; the item behind the last one begins at
  an octet: a frontend refuses groups that never end there, and where what is present does not, the packet is amiss.
* a layer of **no octets** has no items.  What is read later has no value yet: a frontend puts constants in its place.
* two items may have the same **name**; the value is that of the later one, None when it is not present.
* an integer of more than eight octets is ``bytes``.
* a **size** below zero is amiss; Scapy then counts from the end.
* octets behind the items are the **payload**, as far as ``Payload.size`` says, and the rest is **padding**: it belongs
  to the layer around.  A list that ends nowhere ends where no padding is left, as Scapy has it.

Expressions are :mod:`dissector.ir.expr`'s.  Their scopes here: ``("F", name)`` a value of this layer,
``("F", "underlayer", name)`` one of the layer whose payload this is, ``("F", "parent", name)`` one of the layer in
whose field this is, and so on upwards; ``("F", "original")`` all octets that the layer was given, of which the number
is asked (:class:`~dissector.ir.expr.Size`) or one is taken; ``("F", list)`` of a list only the number of elements;
``("F", "underlayer", "#name")`` the name of that layer;
``("octets",)`` the octets from the cursor to the end, of which ``("octets", "[3]")`` is one; ``("x",)`` in ``adjust``,
the value itself.  When a layer and its payload have been read, in ``verify``, ``answers`` and ``info``, ``F`` has three
values more: ``("F", "#head")`` is how many octets the items took, ``("F", "#pay")`` how many the payload,
``("F", "#below")`` the name of the payload's layer, None when it has none or there is no payload.

A **choice** is an expression whose values are names of layers (``Const("scapy.contrib.bgp.BGPUpdate")``) or None, for
octets without a known meaning.  Whoever makes a layer of octets asks its ``dispatch``, and not that of the one it
chooses.

Everything is frozen, compares by value and knows no protocol and no Scapy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from .expr import Expr
from .pdus import NOWHERE, Finding, Flag, Message, SourceRef

Kind = Literal["uint", "int", "float", "bool", "bytes", "string", "ipv4", "ipv6", "ether", "uuid", "time"]
Names = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Scaling:
    """What a raw integer means: ``raw * factor + offset`` in ``unit``, shown with ``digits`` after the point."""

    factor: float
    offset: float = 0.0
    unit: str = ""
    digits: int = 10


@dataclass(frozen=True, slots=True)
class Item:
    """What all parts of a layer have in common; see the head of this file."""

    name: str
    abbrev: str
    """Behind the prefix of the suite and a dot, this is the display-filter name."""
    label: str
    present: Expr | None = None
    may_end: bool = False
    align: Expr | None = None
    source: SourceRef = NOWHERE


@dataclass(frozen=True, slots=True)
class Leaf(Item):
    """A value.

    ``size`` is in octets, None for all that is left (of a list element: for ``List`` to say).  ``bits`` is the width of
    a bit field; ``size`` is not looked at then.  ``place`` is known when it does not depend on what is present:
    (octets that the field touches, bits between its last bit and the end of them, octets by which the first of them on
    the wire is behind that of the group).  ``swapped``: the octets of a group of bit fields, so many, are read in
    reverse order; all fields of the group say so, and their place is known.  A group begins at an octet, and ends
    behind the first field with which whole octets, or all that are swapped, are filled.
    ``until`` is the octets at which the value ends, which are passed over but not part of it; ``names`` are tables of
    names with the condition under which each is meant, None for the only one.  ``terminated`` False: without its
    ``until``, what is left is the value.
    """

    kind: Kind = "uint"
    size: Expr | None = None
    bits: Expr | None = None
    place: tuple[int, int, int] | None = None
    swapped: int = 0
    little: bool = False
    hex: bool = False
    names: tuple[tuple[Expr | None, Names], ...] = ()
    texts: tuple[tuple[bytes, str], ...] = ()
    """Names of values that are octets or text."""
    flags: tuple[Flag, ...] = ()
    scaling: Scaling | None = None
    unit: str = ""
    until: bytes = b""
    terminated: bool = True
    beyond: int = 0
    """So many octets from the beginning of ``until`` on are part of the value after all."""
    utf16: bool = False
    encoding: str = ""
    raw: bool = False
    """Scapy makes something else of the value; this is what is on the wire."""
    template: str = ""
    """The name of a registered template that reads the item in its own way, see :mod:`dissector.frontend`."""
    arguments: tuple[tuple[str, Any], ...] = ()
    """What the template is told, as (name, number or text)."""


@dataclass(frozen=True, slots=True)
class Sub(Item):
    """A packet in a field: ``size`` octets or all that is left; without ``size``, what it does not take is left."""

    layer: Expr | None = None
    """The choice; None is octets."""
    size: Expr | None = None


@dataclass(frozen=True, slots=True)
class List(Item):
    """Elements one behind the other: as many as ``count`` says, in ``size`` octets, or in all that is left.

    ``of`` is a leaf, or the choice of a layer for each element by what is left (scopes: ``F``, ``octets``).  ``next``
    in place of it is asked before each element and is None when there are no more; its scopes are also
    ``("cur", name)``, the values of the one before, and ``("lst",)``, the elements in front of that one, of which only
    the number is known (:class:`~dissector.ir.expr.Size`).  More than ``limit`` elements are too many.
    """

    of: Leaf | Expr | None = None
    next: Expr | None = None
    count: Expr | None = None
    size: Expr | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Either(Item):
    """One of several items with the same name: the first whose condition holds, else ``default``."""

    options: tuple[tuple[Expr, Item], ...] = ()
    default: Item | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """What is behind the items: ``size`` octets of the layer that ``layer`` chooses, or plain octets.

    Without a ``size``, or when it is None, all octets.
    """

    layer: Expr | None = None
    size: Expr | None = None


@dataclass(frozen=True, slots=True)
class Verify:
    """A value that can be computed from the rest of the packet: a length, a count or a checksum.

    It is looked at when ``when`` holds, after the payload was read.  ``item`` should be ``want``, or the checksum
    ``method`` (:data:`CHECKSUMS`) of the octets of ``spans``, one behind the other, in which the octets of the item
    itself count as zeros.  A span is (from, to), counted from the first octet of the layer; see the head of this file
    for ``#head`` and ``#pay``.
    """

    item: str
    want: Expr | None = None
    method: str = ""
    spans: tuple[tuple[Expr, Expr], ...] = ()
    when: Expr | None = None
    source: SourceRef = NOWHERE


CHECKSUMS = ("internet", "crc32")
"""``internet``: RFC 1071, as it is written into a big-endian field; ``crc32``: that of Ethernet and zip, a number."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A rule by which a layer answers another; any rule of a layer is enough.

    ``request`` is the layer that is answered.  Each of ``pairs`` is equal: the first looks at ``F`` of the answer, the
    second at ``F`` of the request, so that requests can be kept under their values.  What else must hold: ``when``
    looks at ``F`` of the answer, ``asks`` at ``F`` of the request, and ``both`` at ``F`` of the answer and at
    ``("other", name)`` of the request.  ``below``: "payloads", the payload of this layer answers that of the request;
    "payload", the payload of this layer answers the request itself.  There a layer without rules answers one with the
    same name whose payload its payload answers; octets without a layer answer everything, no payload only no payload.

    A packet answers an earlier one of the other side of its conversation when its outermost layer answers that one's,
    and at least one rule was asked on the way.
    """

    request: str
    pairs: tuple[tuple[Expr, Expr], ...] = ()
    when: Expr | None = None
    asks: Expr | None = None
    both: Expr | None = None
    below: Literal["", "payload", "payloads"] = ""
    source: SourceRef = NOWHERE


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer.  ``replaced`` maps an item's name to the Lua that an override file has in its place."""

    name: str
    abbrev: str
    label: str
    items: tuple[Item, ...]
    payload: Payload = Payload()
    dispatch: Expr | None = None
    info: tuple[tuple[Expr | None, Message], ...] = ()
    """The text for the Info column: the parts whose condition holds, one behind the other.

    ``%s`` of an item is what is shown of it (a name, ``0x1f``, an address), ``%d`` and ``%x`` of it are the number.
    """
    verify: tuple[Verify, ...] = ()
    answers: tuple[Answers, ...] = ()
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()
    """What the layer's methods compute and nobody here can, with the place and the reason, in words."""
    replaced: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    """What was taken from Scapy's configuration when the layer was translated: name and value."""
    doc: str = ""
    source: SourceRef = NOWHERE
    origin: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class External:
    """A layer that Wireshark dissects itself: ``dissector`` is its name there."""

    name: str
    dissector: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A layer that could not be translated: its octets are shown, with the reason, and nothing is guessed."""

    name: str
    label: str
    where: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Framing:
    """How messages follow each other in a TCP stream.

    With ``header`` octets at hand, ``size`` (scope ``octets``) is how many the message has together.
    """

    header: int
    size: Expr


@dataclass(frozen=True, slots=True)
class Entry:
    """Where packets begin: in Wireshark's dissector table ``table`` under ``value``, or by heuristic in ``table``.

    A ``table`` is ``udp.port``, ``tcp.port``, ``ethertype``, ``ip.proto``; of a heuristic it is ``udp`` or ``tcp``, and
    ``value`` is None: the packet is taken when all its octets can be read as ``layer`` and nothing in it is amiss.
    ``side`` of a port: ``to``, only packets that are sent to it, or ``from`` it; two entries may share a port so.
    """

    layer: str
    table: str
    value: int | None
    framing: Framing | None = None
    side: Literal["", "to", "from"] = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """Layers that belong together: one plugin.  Every name that a choice can have is in one of the three."""

    name: str
    prefix: str
    title: str
    layers: tuple[Layer, ...]
    entries: tuple[Entry, ...]
    externals: tuple[External, ...] = ()
    opaques: tuple[Opaque, ...] = ()
    sources: tuple[str, ...] = ()
    templates: tuple[tuple[str, str], ...] = ()
    """The Lua of each template that a leaf names: the body of ``function(t, field, pos, stop, F, arguments)``, which
    returns where the item ends, its value and its tree item; ``reversed`` and ``extended`` need none."""
    doc: str = ""

    def layer(self, name: str) -> Layer:
        """The layer called *name*; KeyError when there is none."""
        for each in self.layers:
            if each.name == name:
                return each
        raise KeyError(name)


def leaves(items: tuple[Item, ...]) -> Iterator[Leaf]:
    """Every leaf of *items*, also of lists and choices."""
    for item in items:
        if isinstance(item, Leaf):
            yield item
        elif isinstance(item, List) and isinstance(item.of, Leaf):
            yield item.of
        elif isinstance(item, Either):
            yield from leaves(tuple(o for _, o in item.options) + ((item.default,) if item.default else ()))
