# SPDX-License-Identifier: GPL-2.0-or-later
"""What every executor's reading of a capture is brought to, so that readings can be held against each other.

A PDU is compared by connection, direction, offset and length in the stream, name, and every field: those on the wire
and those that are only noted.  A payload that is passed over by count has no value in two of the three; its length is
in the PDU's.  The frame is told, but not compared: it is where a reader was when the PDU was complete.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Key = tuple[int, int]
"""Number of the TCP connection as Wireshark counts, and 0 for what its client says, 1 for its server."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One PDU, as any of the readers gives it; ``fields`` are (display-filter name, value as text) in wire order."""

    name: str
    offset: int
    length: int
    fields: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Sight:
    """A PDU, and where it was met."""

    key: Key
    seen: Seen
    frame: int = 0


@dataclass(slots=True)
class Fault:
    """Something that a reader has to say against a capture."""

    frame: int
    text: str


def as_text(value: int | bytes, kind: str) -> str:
    """A value as all readers can give it: numbers in decimal, octets in hexadecimal, text as it is."""
    if isinstance(value, int):
        return str(value)
    if kind == "string":
        return value.split(b"\0")[0].decode("ascii", "replace")  # padded with zeros, which no reader shows
    return value.hex()


def listing(sights: Iterable[Sight | Fault]) -> tuple[dict[Key, list[Seen]], list[str]]:
    """Give all PDUs by connection and side, and the texts of all faults, for captures that fit into the memory."""
    pdus: dict[Key, list[Seen]] = defaultdict(list)
    faults = []
    for sight in sights:
        if isinstance(sight, Sight):
            pdus[sight.key].append(sight.seen)
        else:
            faults.append(sight.text)
    return pdus, faults
