# SPDX-License-Identifier: GPL-2.0-or-later
"""Three readers of one capture: the decoder, Scapy and Wireshark, each giving the same kind of list.

A PDU is compared by connection, direction, offset and length in the stream, name, and every field: those on the wire
and those that are only noted.  A payload that is passed over by count has no value in two of the three; its length is
in the PDU's.
"""

from __future__ import annotations

import functools
import ipaddress
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dissector.backends.base import create
from dissector.capture import Chunk, Closed, Gap, Opened, conversations, read_packets
from dissector.declare import registers
from dissector.decode import Conversation, PduSeen, Recognised, Session, Unrecognised
from dissector.frontend.streams import translate_protocol
from dissector.ir.model import Protocol
from dissector.protocols.qemu_migration import PROTOCOL
from dissector.tshark import Frame, Node, Tshark, frames
from tests.support.recordings import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Key = tuple[int, int]
"""Number of the TCP connection as Wireshark counts, and 0 for what its client says, 1 for its server."""

GENERATED = ("pdu", "pdu.offset", "pdu.length", "pdu.inside")


@functools.cache
def protocol() -> Protocol:
    return translate_protocol(PROTOCOL)


@functools.cache
def plugin_text() -> str:
    return create("lua").generate(protocol())


@dataclass(frozen=True, slots=True)
class Seen:
    """One PDU, as any of the readers gives it; ``fields`` are (display-filter name, value as text) in wire order."""

    name: str
    offset: int
    length: int
    fields: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Reading:
    """What a reader made of a capture."""

    pdus: dict[Key, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    events: list[Any] = field(default_factory=list)
    octets: dict[Key, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    faults: list[str] = field(default_factory=list)
    forward: dict[int, int] = field(default_factory=dict)
    """Connection -> the side that sends its forward stream."""
    conversations: list[Conversation] = field(default_factory=list)
    """The decoder's."""


def as_text(value: int | bytes, kind: str) -> str:
    """A value as all readers can give it: numbers in decimal, octets in hexadecimal, text as it is."""
    if isinstance(value, int):
        return str(value)
    if kind == "string":
        return value.split(b"\0")[0].decode("ascii", "replace")  # padded with zeros, which no reader shows
    return value.hex()


# ------------------------------------------------------------------------------------------------------- decoder


def decoded(capture: Path, pieces: Callable[[bytes], Iterator[bytes]] | None = None) -> Reading:
    """The streaming decoder's list; *pieces* cuts what it is fed with."""
    out = Reading()
    session = Session(protocol(), builder=scapy_packet)
    for event in conversations(read_packets(capture)):
        if isinstance(event, Chunk):
            data = bytes(event.data)
            at = event.offset
            out.octets[event.connection.index, event.direction] += data
            for piece in pieces(data) if pieces else (data,):
                where = {"offset": at, "frame": event.frame, "time_ns": event.time_ns}
                out.events += session.data(event.connection.index, event.direction, piece, **where)
                at += len(piece)
        elif isinstance(event, Opened):
            c = event.connection
            ends = (c.client.address, c.client.port), (c.server.address, c.server.port)
            session.opened(c.index, *ends)
        elif isinstance(event, Gap):
            out.events += session.gap(event.connection.index, event.direction, event.length)
        elif isinstance(event, Closed):
            out.events += session.closed(event.connection.index, event.direction)
    out.conversations = session.conversations
    for e in out.events:
        if isinstance(e, Recognised):
            out.forward[cast("int", e.source.connection)] = int(e.destination == e.client)
        elif isinstance(e, PduSeen):
            out.pdus[key_of(e, out)].append(seen_by_decoder(e))
        elif not isinstance(e, Unrecognised):
            out.faults.append(f"{e.source.channel} {e.offset}: {e.finding.text}")
    return out


def key_of(e: PduSeen, reading: Reading) -> Key:
    connection = cast("int", e.source.connection)
    forward = reading.forward[connection]
    return connection, forward if e.direction == "forward" else 1 - forward


def seen_by_decoder(e: PduSeen) -> Seen:
    kinds = {f.name: f.type for f in e.kind.pdu.fields}
    fields = [(e.abbrevs[n], as_text(v, kinds[n])) for n, v in e.fields.items() if v != b""]
    fields += [(n, as_text(v, "string")) for n, v in e.notes.items()]
    return Seen(e.name, e.offset, e.length, tuple(fields))


# --------------------------------------------------------------------------------------------------------- Scapy


def scapy_packet(origin: Any, octets: bytes, values: Any) -> Any:
    """What the decoder cannot do without Scapy: the packet of a PDU."""
    with registers(values):
        return origin(octets)


def seen_by_scapy(e: PduSeen, octets: bytes) -> Seen:
    """The same PDU dissected by Scapy alone from its own octets, and built again: octet by octet what it was."""
    with registers(e.registers):
        packet = e.kind.pdu.origin(octets)
        assert octets == bytes(packet), f"{e.name} at {e.offset} does not build what it was made of"
        assert not packet.payload, f"{e.name} at {e.offset} leaves octets over"
        fields = []
        for f in e.kind.pdu.fields:
            present = not f.lazy and (f.present is None or _present(packet, f.name))
            value = octets_or_number(packet.getfieldval(f.name)) if present else b""
            if value != b"":
                fields.append((f.abbrev, as_text(value, f.type)))
    return Seen(e.name, e.offset, len(octets), tuple(fields))


def octets_or_number(value: Any) -> int | bytes:
    """What Scapy's field classes give, as the decoder would."""
    if value is None:
        return b""
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, str):  # an address
        return ipaddress.IPv4Address(value).packed if "." in value else bytes.fromhex(value.replace(":", ""))
    return value if isinstance(value, bytes) else int(value)


def _present(packet: Any, name: str) -> bool:
    return name in packet.fields and packet.fields[name] is not None


# ----------------------------------------------------------------------------------------------------- Wireshark


def wireshark(capture: Path, tshark: Tshark, plugin: Path, **options: Any) -> Reading:
    """Wireshark's list, with the plugin."""
    prefix = protocol().prefix
    streams = connections(capture, tshark)
    out = Reading()
    for frame in frames(tshark, capture, plugin, prefix, **options):
        key = streams[frame.number]
        for node in pdu_nodes(frame, prefix):
            out.pdus[key].append(seen_by_wireshark(node, prefix))
        out.faults += [f"frame {frame.number}: {text}" for text in frame.experts()]
    return out


def connections(capture: Path, tshark: Tshark) -> dict[int, Key]:
    """Frame number -> connection and side, from Wireshark's own columns."""
    fields = ("frame.number", "tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "tcp.dstport")
    first: dict[str, tuple[str, ...]] = {}
    out: dict[int, Key] = {}
    for number, stream, *source in tshark.rows(capture, fields=fields, display_filter="tcp"):
        side = tuple(v for column in source for v in column)
        out[int(number[0])] = int(stream[0]), int(first.setdefault(stream[0], side) != side)
    return out


def pdu_nodes(frame: Frame, prefix: str) -> list[Node]:
    return [n for layer in frame.layers for n in layer.walk() if n.name == f"{prefix}.pdu"]


def seen_by_wireshark(node: Node, prefix: str) -> Seen:
    """A PDU's item: its own children, not those of the PDUs inside it."""
    kinds = field_types()
    fields = []
    place = {"pdu.offset": 0, "pdu.length": 0}
    for child in node.children:
        name = child.name.removeprefix(f"{prefix}.")
        if name in place:
            place[name] = child.as_int()
        elif name in kinds and name not in GENERATED:
            fields.append((name, normal(child.show, kinds[name])))
    return Seen(node.show, place["pdu.offset"], place["pdu.length"], tuple(fields))


def normal(shown: str, kind: str) -> str:
    if kind == "uint":
        return str(int(shown, 0))
    if kind == "ipv4":
        return ipaddress.IPv4Address(shown).packed.hex()
    return shown.split("\0", maxsplit=1)[0] if kind == "string" else shown.replace(":", "").replace("-", "")


@functools.cache
def field_types() -> dict[str, str]:
    """Display-filter name -> type, of everything but payloads."""
    out: dict[str, str] = {f.abbrev: f.type for p in protocol().pdus for f in p.fields if not f.lazy}
    for s in protocol().streams:
        for _, rule in s.rules():
            out.update({n.abbrev: n.type for n in rule.notes if n.abbrev not in out})
    return out


# ----------------------------------------------------------------------------------------------------- comparison


def difference(a: dict[Key, list[Seen]], b: dict[Key, list[Seen]]) -> str:
    """The first place where two lists part, readably; nothing when they are the same."""
    for key in sorted({*a, *b}):
        left, right = a.get(key, []), b.get(key, [])
        for i, (x, y) in enumerate(zip(left, right, strict=False)):
            if x != y:
                return f"connection {key[0]} side {key[1]}, PDU {i}:\n  {x}\n  {y}"
        if len(left) != len(right):
            longer = left if len(left) > len(right) else right
            rest = longer[min(len(left), len(right))]
            return f"connection {key[0]} side {key[1]}: {len(left)} and {len(right)} PDUs, first one over:\n  {rest}"
    return ""


CAPTURES = PLAIN


def capture(name: str) -> Path:
    """A capture of pcaps/ by the beginning of its name."""
    return next(p for p in CAPTURES if p.name.startswith(name + "."))
