# SPDX-License-Identifier: GPL-2.0-or-later
"""Where packets of a layer begin: what ``bind_layers`` says of the layers that Wireshark has itself.

``bind_layers(UDP, BFD, dport=3784)`` puts the layer into a list of UDP's, under the values of UDP's fields.  Where
these are a single number that Wireshark has a table for, it is an entry.  A port may lead to one layer for packets that
are sent to it and to another for those that are sent from it, as Modbus has it for requests and responses; a layer that
is bound for one direction only is taken for both, because that is what a port means to Wireshark.

Other bindings (to several fields at once, to other layers) make no entry: there *Decode As* is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from scapy.layers import inet, inet6, l2, sctp

from ...ir.packets import Entry
from ..values import class_name

Side = Literal["", "to", "from"]
SIDES: tuple[Side, ...] = ("to", "from")


@dataclass(frozen=True, slots=True)
class Place:
    """The field of a layer below that chooses its payload, and Wireshark's table for it."""

    lower: Any
    field: str
    table: str
    side: Side = ""


PLACES = (
    Place(inet.UDP, "dport", "udp.port", "to"),
    Place(inet.UDP, "sport", "udp.port", "from"),
    Place(inet.TCP, "dport", "tcp.port", "to"),
    Place(inet.TCP, "sport", "tcp.port", "from"),
    Place(sctp.SCTP, "dport", "sctp.port", "to"),
    Place(sctp.SCTP, "sport", "sctp.port", "from"),
    Place(sctp.SCTPChunkData, "proto_id", "sctp.ppi"),
    Place(inet.IP, "proto", "ip.proto"),
    Place(inet6.IPv6, "nh", "ip.proto"),
    Place(l2.Ether, "type", "ethertype"),
    Place(l2.Dot1Q, "type", "ethertype"),
    Place(l2.CookedLinux, "proto", "ethertype"),
    Place(l2.GRE, "proto", "gre.proto"),
)


@dataclass(frozen=True, slots=True)
class Bound:
    """A layer at a number of a table; *side* is the direction that Scapy says."""

    cls: Any
    table: str
    value: int
    side: Side


def bound_entries(classes: Iterable[Any]) -> tuple[Entry, ...]:
    """The entries that Scapy's bindings make of *classes*, in the order of the tables."""
    wanted = set(classes)
    found: dict[tuple[str, int], dict[Side, Any]] = {}
    for bound in _bindings():
        if bound.cls in wanted:
            sides = (bound.side,) if bound.side else SIDES
            here = found.setdefault((bound.table, bound.value), {})
            for side in sides:
                here.setdefault(side, bound.cls)  # as in Scapy, the first one counts
    return tuple(entry for (table, value), here in sorted(found.items()) for entry in _entries(table, value, here))


def _entries(table: str, value: int, here: dict[Side, Any]) -> Iterator[Entry]:
    classes = dict.fromkeys(here.values())
    if len(classes) == 1:
        yield from (Entry(class_name(cls), table, value) for cls in classes)
        return
    yield from (Entry(class_name(here[side]), table, value, side=side) for side in SIDES)


def _bindings() -> Iterator[Bound]:
    """Every binding by which Wireshark could choose, both directions of a port in their order."""
    for place in PLACES:
        ports = place.side != ""
        for values, cls in place.lower.payload_guess:
            both = {place.field, "sport" if place.field == "dport" else "dport"} if ports else {place.field}
            number = values.get(place.field)
            if not isinstance(number, int) or isinstance(number, bool) or number < 0 or not set(values) <= both:
                continue
            if len(values) == 1 or len(set(values.values())) == 1:
                yield Bound(cls, place.table, int(number), "" if len(values) > 1 else place.side)
