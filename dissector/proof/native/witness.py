# SPDX-License-Identifier: GPL-2.0-or-later
"""What Scapy reads in a packet, in the form that :mod:`.reading` has for Wireshark.

A field is called by its class and its name.  What Scapy shows in words is taken back to what stands on the wire: an
address is its octets, an enumeration its number.  Bits with names are parts of the field that they are in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from scapy.fields import FlagsField
from scapy.packet import Packet, Padding, Raw

from dissector.proof.record import Reading, bare, read

from .reading import Frame, Seen, Value

UNNAMED = (Raw, Padding)
UNNAMED_BITS = ("bit_", "?")
EXTERNAL = ("scapy.layers.inet", "scapy.layers.inet6", "scapy.layers.l2")
"""Layers that are Wireshark's on both sides."""


def witness(classes: tuple[type[Packet], ...], octets: bytes, at: int) -> Frame:
    """Read *octets*, which begin at *at* in their frame, as the first of *classes* that Scapy does not give up."""
    found = [read(cls, octets) for cls in classes]
    reading = next((each for each in found if not each.broken), found[0])
    frame = Frame(0, (), malformed=bool(reading.broken))
    frame.fields = [seen for seen in flat(reading, at) if seen.spans[0][0] < seen.spans[0][1]]
    return frame


def flat(reading: Reading, at: int) -> Iterator[Seen]:
    """The fields of a packet and of those in it, as they follow each other."""
    if reading.layer.__module__ in EXTERNAL:
        return
    if not issubclass(reading.layer, UNNAMED):
        for value in reading.values:
            if value.packets is not None:
                for packet in value.packets:
                    yield from flat(packet, at)
            else:
                for each in value.elements if value.elements is not None else (value,):
                    yield seen(reading.layer, each, at)
    if reading.payload:
        yield from flat(reading.payload, at)


def seen(layer: type[Packet], value: Any, at: int) -> Seen:
    """A field, with the bits that have names in it."""
    first, last, loose = value.begin + at * 8, value.end + at * 8, bool(value.swapped)
    if value.swapped:
        start, size = value.swapped
        begin, end = value.begin // 8, (value.end + 7) // 8
        first, last = (at + start + size - (end - start)) * 8, (at + start + size - (begin - start)) * 8
    field = bare(value.field, layer())
    name = f"{layer.__name__}.{value.name}"
    found = Seen(name, ((first, last),), wire(field, value.value), loose)
    if isinstance(field, FlagsField) and isinstance(found.value, int):
        found.parts = [
            Seen(f"{name}.{bit}", ((last - index - 1, last - index),), found.value >> index & 1, loose)
            for index, bit in names(field)
        ]
    return found


def names(field: Any) -> Iterator[tuple[int, str]]:
    """The bits that have a name, from the lowest."""
    for index in range(abs(field.size)):
        name = str(field.i2h(None, 1 << index))
        if name and not name.startswith(UNNAMED_BITS):
            yield index, name


def wire(field: Any, value: Any) -> Value:
    """What stands on the wire for a value."""
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, bytes | float):
        return value
    try:
        number = int(value)
        return number if number == value else float(value)
    except (TypeError, ValueError):
        return text(field, value)


def text(field: Any, value: Any) -> Value:
    """An address as its octets; other words as the field would write them."""
    words = str(value)
    try:
        return bytes.fromhex(words.replace(":", "")) if MAC.fullmatch(words) else ipaddress.ip_address(words).packed
    except ValueError:
        pass
    try:
        found = field.i2m(None, value)
    except Exception:  # noqa: BLE001 - a field of somebody else's may raise anything
        return words
    return found if isinstance(found, bytes | int) else words


MAC = re.compile(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}")
