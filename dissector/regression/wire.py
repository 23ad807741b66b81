# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures made to order: TCP connections written as pcap or pcapng, well formed or damaged on purpose.

A test says what was said (octets per direction), how it was cut into segments (a *cutter*), and what the
network or the recording did to them (a *damage*); :func:`write_capture` makes a file of it that Wireshark
would believe, and :func:`resegment` does the same to the octets of an existing capture:

    segments = [*cut(request, fixed(1448)), *cut(answer, random_sizes(7), direction=1)]
    write_capture(path, reorder(7)(segments), linktype=SLL, version=6, isn=(2**32 - 5, 0))

Only ``struct`` makes the packets here, no Scapy: a capture of a gigabyte, as the benchmark needs it, takes
seconds.  Checksums are zero, as sending machines leave them to the network card; everything else is as it
should be.

A segment says its own place in its stream, so segments may be written in any order, twice, or not at all:
one that is ``lost`` arrived, and counts for acknowledgments and the FIN, but the capture does not have it.
"""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from dissector.capture import Chunk, Endpoint, Opened, conversations, read_packets

if TYPE_CHECKING:
    from collections.abc import Sequence

NULL, ETHERNET, RAW, LOOP, SLL, SLL2 = 0, 1, 101, 108, 113, 276
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

Octets = bytes | memoryview
Ends = tuple[Endpoint, Endpoint]


@dataclass(frozen=True, slots=True)
class Segment:
    """Some octets of one direction of one connection."""

    data: Octets
    offset: int = 0
    direction: int = 0
    connection: int = 0
    time_ns: int = 0
    """When it was sent; if that is earlier than the packet before it, a microsecond after that one."""
    lost: bool = False


Cutter = Callable[[Octets], Iterator[Octets]]
Damage = Callable[[list[Segment]], list[Segment]]


def fixed(size: int) -> Cutter:
    """Cut into pieces of one size, but for the last."""
    return lambda data: (data[at : at + size] for at in range(0, len(data), size))


def random_sizes(seed: int, low: int = 1, high: int = 1448) -> Cutter:
    """Cut into pieces of random sizes, the same ones for the same seed and data."""

    def pieces(data: Octets) -> Iterator[Octets]:
        sizes = random.Random(seed)
        at = 0
        while at < len(data):
            size = sizes.randint(low, high)
            yield data[at : at + size]
            at += size

    return pieces


def explicit(*sizes: int) -> Cutter:
    """Cut into pieces of these sizes; what is left over, if anything, is one more."""

    def pieces(data: Octets) -> Iterator[Octets]:
        at = 0
        for size in (*sizes, len(data)):
            if at < len(data):
                yield data[at : at + size]
            at += size

    return pieces


def cut(
    data: Octets,
    cutter: Cutter,
    *,
    direction: int = 0,
    connection: int = 0,
    offset: int = 0,
    time_ns: int = 0,
) -> Iterator[Segment]:
    """Yield the segments of some octets, the first of which has its place at ``offset``."""
    for piece in cutter(data):
        yield Segment(piece, offset, direction, connection, time_ns)
        offset += len(piece)


def reorder(seed: int, distance: int = 4) -> Damage:
    """Let segments overtake each other, each by fewer than ``distance`` places."""

    def damage(segments: list[Segment]) -> list[Segment]:
        places = random.Random(seed)
        keys = [index + places.uniform(0, distance) for index in range(len(segments))]
        return [segments[index] for index in sorted(range(len(segments)), key=keys.__getitem__)]

    return damage


def duplicate(seed: int, share: float = 0.2) -> Damage:
    """Send some segments again, a few places later."""

    def damage(segments: list[Segment]) -> list[Segment]:
        chance = random.Random(seed)
        result = list(segments)
        for index in range(len(segments) - 1, -1, -1):
            if chance.random() < share:
                result.insert(index + chance.randint(1, 5), segments[index])
        return result

    return damage


def drop(indexes: Iterable[int]) -> Damage:
    """Lose the segments with these places in the list."""
    gone = set(indexes)
    return lambda segments: [replace(each, lost=True) if index in gone else each for index, each in enumerate(segments)]


def default_ends(index: int, version: int = 4) -> Ends:
    """Return client and server of connection ``index``."""
    client, server = ("10.0.0.1", "10.0.0.2") if version == 4 else ("fd00::1", "fd00::2")
    return Endpoint(client, 40000 + index), Endpoint(server, 4444)


class Wire:
    """A capture being written: a container, a link, and a clock."""

    def __init__(
        self,
        stream: BinaryIO,
        *,
        container: Literal["pcap", "pcapng"] = "pcap",
        linktype: int = ETHERNET,
        vlans: Sequence[int] = (),
        snaplen: int = 262144,
        order: Literal["<", ">"] = "<",
    ) -> None:
        self._stream = stream
        self._linktype = linktype
        self._vlans = vlans
        self._snaplen = snaplen
        self._enhanced = container == "pcapng"
        self._clock = 1_700_000_000_000_000_000
        self._record = struct.Struct(order + ("7I" if self._enhanced else "4I"))
        self._word = struct.Struct(order + "I")
        self._headers: dict[tuple[int, int], bytes] = {}
        if self._enhanced:
            stream.write(struct.pack(order + "IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
            nanoseconds = struct.pack(order + "HHBxxxI", 9, 1, 9, 0)
            stream.write(struct.pack(order + "IIHHI", 1, 32, linktype, 0, snaplen) + nanoseconds)
            stream.write(self._word.pack(32))
        else:
            stream.write(struct.pack(order + "IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snaplen, linktype))

    def packet(self, header: bytes, payload: Octets = b"", time_ns: int = 0) -> None:
        """Write one packet, given in two parts, neither of which is copied."""
        self._clock = clock = max(self._clock + 1000, time_ns)
        original = len(header) + len(payload)
        if original > self._snaplen:
            header = header[: self._snaplen]
            payload = payload[: self._snaplen - len(header)]
        captured = len(header) + len(payload)
        write = self._stream.write
        if self._enhanced:
            length = 32 + (captured + 3 & ~3)
            write(self._record.pack(6, length, 0, clock >> 32, clock & 0xFFFFFFFF, captured, original))
        else:
            write(self._record.pack(*divmod(clock, 1_000_000_000), captured, original))
        write(header)
        write(payload)
        if self._enhanced:
            write(bytes(-captured % 4) + self._word.pack(length))

    def tcp(
        self,
        source: Endpoint,
        destination: Endpoint,
        *,
        sequence: int,
        acknowledgment: int = 0,
        flags: int = ACK,
        data: Octets = b"",
        options: bytes = b"",
        time_ns: int = 0,
    ) -> None:
        """Write one TCP packet."""
        sequence &= 0xFFFFFFFF
        acknowledgment &= 0xFFFFFFFF
        ports = source.port, destination.port
        offset = 5 + len(options) // 4 << 4
        tcp = struct.pack(">HHIIBBHHH", *ports, sequence, acknowledgment, offset, flags, 65535, 0, 0) + options
        version = 6 if ":" in source.address else 4
        ip = ip_header(source.address, destination.address, len(tcp) + len(data))
        self.packet(self._link(version) + ip + tcp, data, time_ns)

    def _link(self, version: int) -> bytes:
        header = self._headers.get((self._linktype, version))
        if header is None:
            header = self._headers[self._linktype, version] = link_header(self._linktype, version, self._vlans)
        return header


def ip_header(source: str, destination: str, length: int, protocol: int = 6) -> bytes:
    """Return an IPv4 or IPv6 header for ``length`` octets; too many leave it zero, as offloading does."""
    if ":" in source:
        ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
        return struct.pack(">IHBB", 6 << 28, length if length < 65536 else 0, protocol, 64) + ends
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    total = length + 20 if length < 65516 else 0
    return struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0x4000, 64, protocol, 0) + ends


def link_header(linktype: int, version: int, vlans: Sequence[int] = ()) -> bytes:
    """Return what stands before the IP header."""
    kind = struct.pack(">H", 0x0800 if version == 4 else 0x86DD)
    tags = b"".join(struct.pack(">HH", 0x8100 if vlan is vlans[-1] else 0x88A8, vlan) for vlan in vlans)
    address = bytes.fromhex("020000000001")
    if linktype == ETHERNET:
        return address + bytes.fromhex("020000000002") + tags + kind
    if linktype == SLL:
        return struct.pack(">HHH", 0, 1, 6) + address + b"\0\0" + tags + kind
    if linktype == SLL2:
        return kind + struct.pack(">HIHBB", 0, 1, 1, 0, 6) + address + b"\0\0"
    if linktype in {NULL, LOOP}:
        return struct.pack("<I" if linktype == NULL else ">I", 2 if version == 4 else 30)
    return b""


@dataclass(slots=True)
class _Talk:
    """One connection while it is written: per direction, what was sent and what has arrived without a hole."""

    wire: Wire
    ends: Ends
    isn: tuple[int, int]
    ack_every: int
    options: bytes
    sent: list[int] = field(default_factory=lambda: [0, 0])
    arrived: list[int] = field(default_factory=lambda: [0, 0])
    early: tuple[list[tuple[int, int]], ...] = field(default_factory=lambda: ([], []))
    waiting: list[int] = field(default_factory=lambda: [0, 0])

    def handshake(self) -> None:
        self._write(0, 0, SYN)
        self._write(1, 0, SYN | ACK)
        self._write(0, 1, ACK)

    def send(self, segment: Segment) -> None:
        side = segment.direction
        end = segment.offset + len(segment.data)
        self.sent[side] = max(self.sent[side], end)
        if not segment.lost:
            self._write(side, 1 + segment.offset, PSH | ACK, data=segment.data, time_ns=segment.time_ns)
            self.waiting[side] += 1
        early = self.early[side]
        heappush(early, (segment.offset, end))
        while early and early[0][0] <= self.arrived[side]:
            self.arrived[side] = max(self.arrived[side], heappop(early)[1])
        if self.ack_every and self.waiting[side] >= self.ack_every:
            self.waiting[side] = 0
            self._write(1 - side, 1 + self.sent[1 - side], ACK)

    def finish(self) -> None:
        """Let both ends send a FIN, and have the other acknowledge it."""
        self.arrived = list(self.sent)
        self._write(0, 1 + self.sent[0], FIN | ACK)
        self.arrived[0] += 1
        self._write(1, 1 + self.sent[1], FIN | ACK)
        self.arrived[1] += 1
        self._write(0, 2 + self.sent[0], ACK)

    def _write(self, side: int, place: int, flags: int, *, data: Octets = b"", time_ns: int = 0) -> None:
        self.wire.tcp(
            self.ends[side],
            self.ends[1 - side],
            sequence=self.isn[side] + place,
            acknowledgment=self.isn[1 - side] + 1 + self.arrived[1 - side] if flags & ACK else 0,
            flags=flags,
            data=data,
            options=self.options,
            time_ns=time_ns,
        )


def write_capture(
    out: Path | BinaryIO,
    segments: Iterable[Segment],
    *,
    ends: Sequence[Ends] = (),
    version: int = 4,
    isn: tuple[int, int] = (1000, 5_000_000),
    ack_every: int = 2,
    handshake: bool = True,
    fin: bool = True,
    options: bytes = b"",
    container: Literal["pcap", "pcapng"] = "pcap",
    linktype: int = ETHERNET,
    vlans: Sequence[int] = (),
    snaplen: int = 262144,
    order: Literal["<", ">"] = "<",
) -> None:
    """Write a capture of these segments, as they come, and of what TCP needs around them.

    Connections open in the order of their numbers, so that these are Wireshark's ``tcp.stream``: each when
    it is first needed, or at the end.  ``ends`` names client and server of the first few.  ``ack_every`` 0
    writes no acknowledgments; ``options`` stand in every TCP header.
    """
    with nullcontext(out) if not isinstance(out, Path) else out.open("wb", buffering=1 << 20) as stream:
        wire = Wire(stream, container=container, linktype=linktype, vlans=vlans, snaplen=snaplen, order=order)
        talks: list[_Talk] = []

        def open_up_to(count: int) -> None:
            while len(talks) < count:
                known = len(talks) < len(ends)
                pair = ends[len(talks)] if known else default_ends(len(talks), version)
                talks.append(_Talk(wire, pair, isn, ack_every, options))
                if handshake:
                    talks[-1].handshake()

        for segment in segments:
            open_up_to(segment.connection + 1)
            talks[segment.connection].send(segment)
        open_up_to(len(ends))
        if fin:
            for talk in talks:
                talk.finish()


def read_segments(capture: Path | BinaryIO) -> tuple[list[Segment], list[Ends]]:
    """Return what a capture says, as few large segments as can be: one until another direction speaks."""
    runs: list[tuple[Segment, list[bytes]]] = []
    ends: list[Ends] = []
    behind = -1
    for event in conversations(read_packets(capture)):
        if isinstance(event, Opened):
            ends.append((event.connection.client, event.connection.server))
        elif isinstance(event, Chunk):
            place = event.connection.index, event.direction, event.offset
            last = runs[-1][0] if runs else None
            if last is None or place != (last.connection, last.direction, behind):
                start = Segment(b"", event.offset, event.direction, event.connection.index, event.time_ns)
                runs.append((start, []))
            runs[-1][1].append(bytes(event.data))
            behind = event.offset + len(event.data)
    return [replace(start, data=b"".join(parts)) for start, parts in runs], ends


def resegment(
    capture: Path | BinaryIO,
    out: Path | BinaryIO,
    cutter: Cutter,
    damage: Damage | None = None,
    **options: Any,
) -> None:
    """Write the same octets, directions in the same order, but cut anew; holes stay holes.

    ``options`` are those of :func:`write_capture`.
    """
    runs, ends = read_segments(capture)
    segments = [
        piece
        for run in runs
        for piece in cut(
            run.data,
            cutter,
            direction=run.direction,
            connection=run.connection,
            offset=run.offset,
            time_ns=run.time_ns,
        )
    ]
    write_capture(out, damage(segments) if damage else segments, ends=ends, **options)
