# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets to what was said: the octets of every TCP connection, in order, as soon as they can be delivered.

:func:`said` is a fast path with a careful road beside it.  The fast path is taken by a segment in a simple packet
that has the expected sequence number, is all there, and carries no SYN, FIN or RST, while nothing is held;
that is nearly every segment with octets in it.  Pure acknowledgments are dropped right there too.
Everything else goes to ``_Tracker``.  Up to there a packet is a tuple: a gigabyte of small segments is a million turns
of this loop, and each call or object in it would be a tenth of the whole.

**Joined chunks.**  Who only counts need not know which packet carried which octets.  Segments of one direction that
come one after the other in a few blocks of the file, with nothing but acknowledgments between them, are one chunk
then: sixty calls of the decoder fewer, and its runs (:mod:`dissector.decode.runs`) are no longer cut into pieces.  And
small segments of one length are not even looked at one by one (:mod:`.alike`).

**Which connection.**  Connections are numbered as Wireshark numbers ``tcp.stream``: in order of first
appearance, and a SYN whose sequence number is not the known one begins a new connection on the same
addresses and ports.

**When a hole is lost.**  A hole is usually filled by a retransmission a moment later.  It is given up, as a
``Gap``, when the octets held behind it exceed a limit; when the other end acknowledges a FIN behind it
(whoever acknowledged it had all octets, so the capture lost them, not the network); when the connection is
reset; when its ports are used again; when the capture ends.

**What closes.**  A direction is closed by its FIN, once all before it was delivered or lost.  A connection
is closed by an RST that has exactly the expected sequence number (RFC 9293 section 3.10.7.4: one that is
merely in the window is answered with a challenge and may be forged) or whose direction never said anything.
An RST further ahead is believed in the end if nothing followed it.

**Memory.**  Held octets are limited per direction, and for all together; delivered octets are not kept.  Of
65,536 connections the dullest are forgotten: those closed first, then those that never carried an octet,
then the oldest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dissector.capture.alike import OFTEN, Alike
from dissector.capture.flow import Flow, Piece, Pile
from dissector.capture.link import ACK, ETHERNET, FIN, RST, SIMPLE, SYN, Segment, endpoints, reverse, tcp_segment
from dissector.capture.packet import (
    Chunk,
    Closed,
    Connection,
    Event,
    Frame,
    Ignored,
    Opened,
    Packet,
    frame_of,
    packet_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIMIT = 4 << 20
"""Octets held behind a hole before it is given up: more than most receivers would buffer."""

_ALL_TOGETHER = 16
"""Times the limit, for all connections together."""
_PIECES = 1024
"""Pieces that may wait in one direction, however small ..."""
_PIECE = 256
"""... and one more for so many octets of the limit, since each is an object."""
_REMEMBERED = 65536
_SERIAL = 0xFFFFFFFF


def conversations(packets: Iterable[Packet], *, limit: int = LIMIT, ignored: Ignored | None = None) -> Iterator[Event]:
    """Yield what the connections in these packets said, in the order in which it became known.

    Each connection begins with ``Opened`` and ends with ``Closed``, for each direction or for both at once.
    Between them, the ``Chunk`` and ``Gap`` events of a direction follow each other without overlap and
    without anything missing.  ``limit`` is how many octets of a direction may wait for a hole to be filled.
    What is left out (other protocols, fragments, unknown link types) is counted in ``ignored``.
    """
    return said(map(frame_of, packets), limit=limit, ignored=ignored)


def said(
    frames: Iterable[Frame],
    *,
    limit: int = LIMIT,
    ignored: Ignored | None = None,
    joined: int = 0,
    alike: Alike | None = None,
) -> Iterator[Event]:
    """Yield the same for packets that are still tuples; with *joined*, in chunks of about that many octets.

    Then the reader of the packets may have an *alike*, by which many of them need not be looked at one by one.
    """
    ignored, alike = Ignored() if ignored is None else ignored, alike or Alike()
    tracker = _Tracker(limit, ignored)
    flows, pile, frame = tracker.flows, Pile(), None
    for frame in frames:
        number, time_ns, linktype, view, start, stop, _ = frame
        segment, kind = None, 0
        if linktype == ETHERNET and stop - start >= 54:
            kind, version, total, fragment, protocol, key, sequence, acknowledgment, offset, flags = SIMPLE(view, start)
            first, end = start + 34 + (offset >> 4) * 4, start + 14 + total
            length = end - first
        # IPv4 without options, no fragment, TCP, all there
        if (
            kind != 0x0800
            or version != 0x45
            or protocol != 6
            or fragment & 0x3FFF
            or offset < 0x50
            or not first <= end <= stop
        ):
            segment = tcp_segment(packet_of(frame), ignored)
            if segment is None:
                continue
            key, sequence, acknowledgment, flags, first, end, length = segment
            first, end = start + first, start + end
        flow = flows.get(key)
        if flow is not None and not flags & 7:  # FIN, SYN, RST
            if not length:
                if flow.peer.expected >= 0 or not flow.peer.waits:
                    alike.acknowledged = frame if segment is None else None
                    continue
            elif sequence == flow.expected and length == end - first:
                flow.next, flow.expected = flow.next + length, sequence + length & _SERIAL
                if joined:
                    if flow is not pile.flow or view is not pile.view or pile.size > joined:
                        yield from pile.move(flow, view, flow.next - length, joined)
                    pile.parts.append(view[first:end])
                    pile.size += length
                    pile.last = frame
                    if not len(pile.parts) % OFTEN and segment is None:
                        alike.take(flow, pile, frame, joined)
                else:
                    yield Chunk(flow.connection, flow.direction, flow.next - length, view[first:end], number, time_ns)
                continue
        yield from pile.take()
        simple = key, sequence, acknowledgment, flags, first - start, end - start, length
        yield from tracker.take(packet_of(frame), segment or simple, flow)
    yield from pile.take()
    yield from tracker.finish(frame)


class _Tracker:
    """All connections, and the careful road for segments that are out of the ordinary."""

    def __init__(self, limit: int, ignored: Ignored) -> None:
        self.flows: dict[bytes, Flow] = {}
        """Both directions of every connection, each by the key of its segments, oldest first."""
        self._limit = limit
        self._ignored = ignored
        self._held = 0
        self._opened = 0

    def take(self, packet: Packet, segment: Segment, flow: Flow | None) -> Iterator[Event]:
        """Take any segment of the connection that ``flow`` belongs to, or of a new one."""
        key, sequence, acknowledgment, flags, _, _, length = segment
        called = flags & (SYN | ACK) == SYN
        if flow is None or (called and _is_another(flow, sequence)):
            if flow is not None:
                yield from self._end(flow, "end", packet)
            yield from self._make_room(packet)
            flow = self._open(key, flags)
            yield Opened(flow.connection, packet.number, packet.time_ns)
        elif called and flow.refused:
            # Windows calls again, with the same numbers, where Linux tells the program.
            flow.reopen()
            yield Opened(flow.connection, packet.number, packet.time_ns)
        peer = flow.peer
        if peer.waits and flags & ACK and peer.acknowledged(acknowledgment):
            yield from self._give_up(peer)
        if flags & RST:
            yield from self._reset(flow, sequence, packet)
            return
        if flags & SYN:
            sequence += 1
            if flow.base is None:
                flow.begin(sequence)
            if flags & ACK and peer.base is None:
                peer.begin(acknowledgment)
        if length or flags & FIN:
            yield from self._octets(flow, sequence, packet, segment)

    def finish(self, last: Frame | None) -> Iterator[Event]:
        """Close everything: the capture has ended with this packet, if it had any."""
        if last is not None:
            for flow in self._clients():
                yield from self._end(flow, "end", packet_of(last))

    def _clients(self) -> list[Flow]:
        """Return one flow of each connection, oldest first."""
        return [flow for flow in self.flows.values() if flow.direction == 0]

    def _open(self, key: bytes, flags: int) -> Flow:
        source, destination = endpoints(key)
        other = reverse(key)
        begins = bool(flags & SYN) and not flags & RST
        answered = begins and bool(flags & ACK)
        client, server = (destination, source) if answered else (source, destination)
        connection = Connection(self._opened, client, server, begins)
        self._opened += 1
        sender, receiver = Flow(key, connection, int(answered)), Flow(other, connection, int(not answered))
        sender.peer, receiver.peer = receiver, sender
        # The sender comes last, since a socket that is connected to itself has but one key.
        for flow in (receiver, sender):
            self.flows.pop(flow.key, None)
            self.flows[flow.key] = flow
        return sender

    def _octets(self, flow: Flow, sequence: int, packet: Packet, segment: Segment) -> Iterator[Event]:
        """Take a segment with octets or a FIN; ``sequence`` is that of its first octet."""
        _, _, _, flags, start, stop, length = segment
        if flow.base is None:
            flow.begin(sequence)
        first = flow.offset(sequence)
        end = first + length
        if flags & FIN and flow.fin is None and end >= flow.end() and not flow.closed:
            flow.fin = Piece(end, end, packet.data[:0], packet.number, packet.time_ns)
        last = flow.next if flow.closed or flow.fin is None else flow.fin.start
        if end > last and (flow.closed or flow.fin is not None):
            self._ignored.after_close += end - max(first, last)
            end = last
        flow.reset = None
        if first < end:
            data = packet.data[start : min(stop, start + end - first)]
            flow.hold(Piece(first, end, data, packet.number, packet.time_ns))
        yield from flow.deliver()
        self._weigh(flow)
        while flow.held and self._too_much(flow):
            yield from flow.lose()
            self._weigh(flow)
        yield from self._settle(flow)

    def _reset(self, flow: Flow, sequence: int, packet: Packet) -> Iterator[Event]:
        """Believe a reset where the other end must: at the expected number (a FIN has a number, too)."""
        if flow.base is not None:
            ahead = flow.offset(sequence) - flow.next
            if ahead > flow.closed:
                flow.reset = Piece(0, 0, packet.data[:0], packet.number, packet.time_ns)
                flow.settle()
            if ahead not in {0, int(flow.closed)}:
                return
        yield from self._end(flow, "rst", packet)

    def _end(self, flow: Flow, how: Literal["rst", "end"], packet: Packet) -> Iterator[Event]:
        """Close what is still open of a connection."""
        pair = (flow, flow.peer) if flow.direction == 0 else (flow.peer, flow)
        for each in pair:
            yield from self._give_up(each)
        if flow.closed and flow.peer.closed:
            return
        for each in pair:
            each.closed = True
            each.settle()
        seen = flow.reset or flow.peer.reset
        if how == "end" and seen is not None:
            yield Closed(flow.connection, None, "rst", seen.frame, seen.time_ns)
        else:
            yield Closed(flow.connection, None, how, packet.number, packet.time_ns)

    def _give_up(self, flow: Flow) -> Iterator[Event]:
        """Declare all holes lost."""
        while flow.incomplete:
            yield from flow.lose()
        self._weigh(flow)
        yield from self._settle(flow)

    def _settle(self, flow: Flow) -> Iterator[Event]:
        """Close the direction if its end is reached, and open or close the fast path."""
        if flow.fin is not None and not flow.closed and flow.next >= flow.fin.start:
            flow.closed = True
            yield Closed(flow.connection, flow.direction, "fin", flow.fin.frame, flow.fin.time_ns)
        flow.settle()

    def _weigh(self, flow: Flow) -> None:
        self._held += flow.octets - flow.weighed
        flow.weighed = flow.octets

    def _too_much(self, flow: Flow) -> bool:
        return (
            flow.octets > self._limit
            or len(flow.held) > _PIECES + self._limit // _PIECE
            or self._held > self._limit * _ALL_TOGETHER
        )

    def _make_room(self, packet: Packet) -> Iterator[Event]:
        """Forget a quarter of all connections when there are too many; one by one is a search each."""
        if len(self.flows) < 2 * _REMEMBERED:
            return
        for flow in sorted(self._clients(), key=_interest)[: _REMEMBERED // 4]:
            yield from self._end(flow, "end", packet)
            for each in (flow, flow.peer):
                self.flows.pop(each.key, None)


def _is_another(flow: Flow, sequence: int) -> bool:
    """Tell whether a SYN on known addresses and ports begins another connection, as Wireshark decides it."""
    if flow.base is not None:
        return flow.base != sequence + 1 & _SERIAL
    # Both ends may call each other at once; the second SYN belongs to the same connection.
    return flow.closed or not flow.connection.syn_seen


def _interest(flow: Flow) -> int:
    """Order by what to forget first: the closed, then those that carried nothing, then all others."""
    if flow.closed and flow.peer.closed:
        return 0
    return 2 if flow.next or flow.peer.next else 1
