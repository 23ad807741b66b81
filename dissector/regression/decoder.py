# SPDX-License-Identifier: GPL-2.0-or-later
"""The first executor: the streaming decoder, and the octets of each of its PDUs for whoever wants to read them again.

A PDU is reported when its header is complete, its payload follows.  So the octets of a direction are kept from the
first PDU on whose payload is not there yet, which is little, however long the capture is.  Where the position is lost
nothing is reported and octets pile up; from ``MOST`` on all but the last ``MARGIN`` of them are given up.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from dissector.capture import Chunk, Closed, Gap, Opened, conversations, read_packets
from dissector.decode import PduSeen, Recognised, Session, Unrecognised
from dissector.regression.model import protocol
from dissector.regression.seen import Fault, Key, Seen, Sight, as_text

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from dissector.decode import Event

    Inspect = Callable[[Sight, PduSeen, bytes], None]
    Pieces = Callable[[bytes], Iterator[bytes]]

MOST, MARGIN = 64 << 20, 1 << 20


@dataclass(slots=True)
class Window:
    """The octets of one direction from ``base`` on, and the PDUs that wait for theirs."""

    base: int = 0
    octets: bytearray = field(default_factory=bytearray)
    waiting: deque[tuple[Sight, PduSeen]] = field(default_factory=deque)

    def add(self, offset: int, data: bytes) -> None:
        """Take octets; behind a hole nothing waits any more."""
        if offset != self.base + len(self.octets):
            self.waiting.clear()
            self.octets.clear()
            self.base = offset
        self.octets += data
        if len(self.octets) > MOST:
            self.waiting.clear()
            self._drop(self.base + len(self.octets) - MARGIN)

    def complete(self) -> Iterator[tuple[Sight, PduSeen, bytes]]:
        """Give the PDUs whose octets are all there, and forget those octets."""
        end = self.base + len(self.octets)
        while self.waiting and self.waiting[0][1].offset + self.waiting[0][1].length <= end:
            sight, pdu = self.waiting.popleft()
            start = pdu.offset - self.base
            if start >= 0:
                yield sight, pdu, bytes(self.octets[start : start + pdu.length])
            self._drop(self.waiting[0][1].offset if self.waiting else pdu.offset + pdu.length)

    def _drop(self, until: int) -> None:
        if until > self.base:
            del self.octets[: until - self.base]
            self.base = until


class Decoder:
    """The decoder's reading of a capture, as an iterable that reads anew each time.

    ``pieces`` cuts what the decoder is fed with; ``inspect`` is called with every PDU whose octets the capture has.
    """

    def __init__(
        self, capture: str | os.PathLike[str], *, pieces: Pieces | None = None, inspect: Inspect | None = None
    ) -> None:
        self.capture, self._pieces, self._inspect = capture, pieces, inspect
        self._forward: dict[int, int] = {}
        self._windows: dict[Key, Window] = defaultdict(Window)

    def __iter__(self) -> Iterator[Sight | Fault]:
        self._forward.clear()
        self._windows.clear()
        session = Session(protocol())
        for what in conversations(read_packets(self.capture)):
            if not isinstance(what, Chunk):
                yield from self._told(rare(session, what))
                continue
            key, data = (what.connection.index, what.direction), bytes(what.data)
            if self._inspect:
                self._windows[key].add(what.offset, data)
            at = what.offset
            for piece in self._pieces(data) if self._pieces else (data,):
                yield from self._told(session.data(*key, piece, offset=at, frame=what.frame, time_ns=what.time_ns))
                at += len(piece)
            if self._inspect:
                for complete in self._windows[key].complete():
                    self._inspect(*complete)

    def _told(self, events: list[Event]) -> Iterator[Sight | Fault]:
        for e in events:
            if isinstance(e, PduSeen):
                sight = Sight(self._key(e), seen_by_decoder(e), e.frame)
                if self._inspect:
                    self._windows[sight.key].waiting.append((sight, e))
                yield sight
            elif isinstance(e, Recognised):
                self._forward[cast("int", e.source.connection)] = int(e.destination == e.client)
            elif not isinstance(e, Unrecognised):
                yield Fault(e.frame, f"{e.source.channel} {e.offset}: {e.finding.text}")

    def _key(self, e: PduSeen) -> Key:
        connection = cast("int", e.source.connection)
        forward = self._forward[connection]
        return connection, forward if e.direction == "forward" else 1 - forward


def rare(session: Session, what: Opened | Gap | Closed) -> list[Event]:
    """Hand on everything that is not octets."""
    key = what.connection.index
    if isinstance(what, Opened):
        client, server = ((end.address, end.port) for end in (what.connection.client, what.connection.server))
        return session.opened(key, client, server)
    if isinstance(what, Gap):
        return session.gap(key, what.direction, what.length, frame=what.frame)
    return session.closed(key, what.direction, frame=what.frame)


def seen_by_decoder(e: PduSeen) -> Seen:
    """Bring an event to the common form."""
    kinds = {f.name: f.type for f in e.kind.pdu.fields}
    fields = [(e.abbrevs[n], as_text(v, kinds[n])) for n, v in e.fields.items() if v != b""]
    fields += [(n, as_text(v, "string")) for n, v in e.notes.items()]
    return Seen(e.name, e.offset, e.length, tuple(fields))
