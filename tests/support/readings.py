# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole reading of a small capture, kept in memory, for tests that ask more of it than whether readers agree.

What it is made of is the product's (:mod:`dissector.regression`), which compares while it reads.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dissector.capture import Chunk, Opened, conversations, read_packets
from dissector.decode import Conversation, Event, Lost, Malformed, PduSeen, Recognised, Resynced, Session, Unrecognised
from dissector.regression.decoder import rare, seen_by_decoder
from dissector.regression.layers import check_with_scapy
from dissector.regression.model import protocol
from dissector.regression.seen import Key, Seen, Sight, listing
from dissector.regression.wireshark import Wireshark

if TYPE_CHECKING:
    from dissector.tshark import Tshark

Pdus = dict[Key, list[Seen]]


@dataclass(slots=True)
class Reading:
    """What the decoder made of a capture."""

    pdus: Pdus = field(default_factory=lambda: defaultdict(list))
    events: list[Event] = field(default_factory=list)
    octets: dict[Key, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    faults: list[str] = field(default_factory=list)
    forward: dict[int, int] = field(default_factory=dict)
    """Connection -> the side that sends its forward stream."""
    conversations: list[Conversation] = field(default_factory=list)

    def key_of(self, e: PduSeen) -> Key:
        """Connection and side of a PDU."""
        connection = cast("int", e.source.connection)
        forward = self.forward[connection]
        return connection, forward if e.direction == "forward" else 1 - forward

    def octets_of(self, e: PduSeen) -> bytes:
        """A PDU's octets, as far as they were recorded."""
        return bytes(self.octets[self.key_of(e)][e.offset : e.offset + e.length])


def decoded(capture: Path) -> Reading:
    """The decoder's reading."""
    out, session = Reading(), Session(protocol())
    for event in conversations(read_packets(capture)):
        if isinstance(event, Chunk):
            key = event.connection.index, event.direction
            out.octets[key] += event.data
            where = {"offset": event.offset, "frame": event.frame, "time_ns": event.time_ns}
            out.events += session.data(*key, event.data, **where)
        else:
            assert not isinstance(event, Opened) or event.connection.index >= 0
            out.events += rare(session, event)
    for e in out.events:
        if isinstance(e, Recognised):
            out.forward[cast("int", e.source.connection)] = int(e.destination == e.client)
        elif isinstance(e, PduSeen):
            out.pdus[out.key_of(e)].append(seen_by_decoder(e))
        elif not isinstance(e, Unrecognised):
            out.faults.append(f"{e.source.channel} {e.offset}: {e.finding.text}")
    out.conversations = session.conversations
    return out


def shown(capture: Path, tshark: Tshark, plugin: Path, **options: Any) -> tuple[Pdus, list[str]]:
    """Wireshark's PDUs, and the texts of its expert items."""
    return listing(Wireshark(capture, tshark, plugin, **options))


def findings(e: Event) -> list[str]:
    """What an event has to say against the stream."""
    found = e.findings if isinstance(e, PduSeen) else (e.finding,) if isinstance(e, Malformed | Lost | Resynced) else ()
    return [f.text for f in found]


def check_scapy(reading: Reading) -> None:
    """Scapy dissects each PDU's octets to the same fields, builds them again, and has none left over."""
    for e in reading.events:
        if isinstance(e, PduSeen) and len(reading.octets_of(e)) == e.length:
            check_with_scapy(Sight(reading.key_of(e), seen_by_decoder(e), e.frame), e, reading.octets_of(e))


def difference(a: Pdus, b: Pdus) -> str:
    """The first place where two lists part, readably; nothing when they are the same."""
    for key in sorted({*a, *b}):
        left, right = a.get(key, []), b.get(key, [])
        for i, (x, y) in enumerate(zip(left, right, strict=False)):
            if x != y:
                return f"connection {key[0]} side {key[1]}, PDU {i}:\n  {x}\n  {y}"
        if len(left) != len(right):
            rest = (left if len(left) > len(right) else right)[min(len(left), len(right))]
            return f"connection {key[0]} side {key[1]}: {len(left)} and {len(right)} PDUs, first one over:\n  {rest}"
    return ""
