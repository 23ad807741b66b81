# SPDX-License-Identifier: GPL-2.0-or-later
"""One direction of a TCP connection: sequence numbers to stream offsets, and octets into order.

The wire numbers octets modulo 2**32 and starts anywhere; a stream of a gigabyte wraps about every fourth
time.  So nothing here compares sequence numbers.  A segment's number is compared *once*, with the one
expected next: the difference, read as a signed 32-bit number, is the segment's distance from the stream
offset expected next, and offsets are plain integers that never wrap (RFC 1982, RFC 9293 section 3.4).

Octets that came too early are held as pieces in a list, sorted by offset and never overlapping.  What is
already held, or delivered, is not taken again: the first octets seen at an offset win, as in most
receivers.  A piece knows how long it was on the wire, which is more than it has octets when a snapshot
length cut it: the missing end is a gap that nothing will fill, but everything behind it still has its
place.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from dissector.capture.packet import Chunk, Connection, Direction, Frame, Gap

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERIAL = 0xFFFFFFFF
_HALF = 0x80000000

_start = attrgetter("start")


@dataclass(slots=True)
class Piece:
    """Octets on their way: ``data`` begins at ``start``; on the wire they went on to ``end``."""

    start: int
    end: int
    data: memoryview
    frame: int
    time_ns: int

    def cut(self, start: int, end: int) -> Piece:
        """Return the part between two offsets."""
        return Piece(start, end, self.data[start - self.start : end - self.start], self.frame, self.time_ns)


class Flow:
    """The state of one direction.

    ``expected`` is what the fast path of :mod:`.reassembly` looks at: the sequence number with which a
    segment may be delivered as it stands, or -1 while there is any reason (an unknown start, held pieces, a
    FIN that waits for them, a doubtful reset, the end of the stream) to look closer.
    """

    __slots__ = (
        "base",
        "closed",
        "connection",
        "direction",
        "expected",
        "fin",
        "held",
        "key",
        "next",
        "octets",
        "peer",
        "reset",
        "weighed",
    )

    def __init__(self, key: bytes, connection: Connection, direction: Direction) -> None:
        self.key = key
        self.connection = connection
        self.direction = direction
        self.peer = self
        self.base: int | None = None
        """Sequence number of the octet at offset 0, where known."""
        self.next = 0
        """Offset of the first octet that was not delivered yet."""
        self.expected = -1
        self.held: list[Piece] = []
        self.octets = 0
        """Octets in ``held``."""
        self.weighed = 0
        """The part of ``octets`` that the account of all connections knows of."""
        self.fin: Piece | None = None
        """Where the stream ends (``start``), and the frame that said so."""
        self.reset: Piece | None = None
        """A reset that came too early to be believed."""
        self.closed = False

    @property
    def waits(self) -> bool:
        """Whether the end of the stream is known, but not yet all that comes before it."""
        return self.fin is not None and not self.closed

    def begin(self, sequence: int) -> None:
        """Let the octet with this sequence number be the first one."""
        self.base = sequence & _SERIAL
        self.settle()

    @property
    def refused(self) -> bool:
        """Whether the whole connection was reset before anything was said."""
        return self.closed and self.peer.closed and not (self.next or self.peer.next or self.fin or self.peer.fin)

    def reopen(self) -> None:
        """Let a refused connection be tried once more; the other end will choose its numbers anew."""
        self.closed = self.peer.closed = False
        self.peer.base = None
        self.settle()
        self.peer.settle()

    def offset(self, sequence: int) -> int:
        """Return the stream offset nearest to the expected one that has this sequence number."""
        assert self.base is not None
        distance = sequence - self.base - self.next & _SERIAL
        return self.next + (distance ^ _HALF) - _HALF

    def acknowledged(self, sequence: int) -> bool:
        """Tell whether this acknowledgment says that the other end has everything up to and with our FIN."""
        return self.fin is not None and sequence - 1 - (self.base or 0) - self.fin.start & _SERIAL == 0

    def hold(self, piece: Piece) -> None:
        """Keep those parts of a piece that are new.

        Those that must wait are copied: a view would keep the whole block it was read with.
        """
        start = max(piece.start, self.next)
        index = bisect_right(self.held, start, key=_start)
        if index:
            start = max(start, self.held[index - 1].end)
        while start < piece.end:
            after = self.held[index] if index < len(self.held) else None
            end = piece.end if after is None else min(piece.end, after.start)
            if start < end:
                part = piece.cut(start, end)
                if start > self.next:
                    part.data = memoryview(bytes(part.data))
                self.held.insert(index, part)
                self.octets += len(part.data)
                index += 1
            start = piece.end if after is None else after.end
            index += after is not None

    def deliver(self) -> Iterator[Chunk | Gap]:
        """Yield what is held without a hole in front of it."""
        count = 0
        for piece in self.held:
            if piece.start != self.next:
                break
            count += 1
            size = len(piece.data)
            self.octets -= size
            self.next = piece.end
            if size:
                yield self._chunk(piece)
            if piece.start + size < piece.end:
                yield self._gap(piece.start + size, piece.end, piece)
        del self.held[:count]

    @property
    def incomplete(self) -> bool:
        """Whether something behind a hole is known: octets or the end."""
        return bool(self.held) or (self.fin is not None and self.fin.start > self.next)

    def lose(self) -> Iterator[Chunk | Gap]:
        """Give up the first hole: yield the gap and what was waiting behind it."""
        behind = self.held[0] if self.held else self.fin
        if behind is not None and behind.start > self.next:
            start, self.next = self.next, behind.start
            yield self._gap(start, behind.start, behind)
        yield from self.deliver()

    def settle(self) -> None:
        """After any of the above, see whether the fast path is open."""
        closer = self.base is None or self.held or self.fin or self.reset or self.closed
        self.expected = -1 if closer else (self.base or 0) + self.next & _SERIAL

    def end(self) -> int:
        """Return the offset behind the last octet that is known."""
        return self.held[-1].end if self.held else self.next

    def _chunk(self, piece: Piece) -> Chunk:
        return Chunk(self.connection, self.direction, piece.start, piece.data, piece.frame, piece.time_ns)

    def _gap(self, start: int, end: int, piece: Piece) -> Gap:
        return Gap(self.connection, self.direction, start, end - start, piece.frame, piece.time_ns)


class Pile:
    """Segments of one flow that lie in few blocks, on their way to be one chunk."""

    __slots__ = ("flow", "kept", "last", "parts", "place", "size", "view")

    def __init__(self) -> None:
        self.flow: Flow | None = None
        self.view: memoryview | None = None
        """The block with the last segment."""
        self.place = self.size = self.kept = 0
        self.parts: list[memoryview] = []
        self.last: Frame | None = None

    def move(self, flow: Flow, view: memoryview, place: int, most: int) -> Iterator[Chunk]:
        """Go on in this block; what lies here is yielded if it is another flow's, or too much.

        It is too much if there are more than *most* octets, or if they keep more than twice as many in memory.
        """
        if flow is not self.flow or self.size > most or self.kept + len(view) > 2 * most:
            yield from self.take()
            self.flow, self.place = flow, place
        if view is not self.view:
            self.view = view
            self.kept += len(view)

    def take(self) -> Iterator[Chunk]:
        """Yield what lies here."""
        flow, last = self.flow, self.last
        if flow is not None and last is not None and self.parts:
            yield Chunk(flow.connection, flow.direction, self.place, b"".join(self.parts), last[0], last[1])
        self.parts.clear()
        self.flow, self.view, self.size, self.kept = None, None, 0, 0
