# SPDX-License-Identifier: GPL-2.0-or-later
"""One direction of a connection: octets in, events out, no I/O.

The contract is h11's.  :meth:`Machine.feed` takes any piece of the stream, consumes what it can, reports what became
complete, and keeps the rest; while octets are lacking nothing else has changed.  The events are the same however the
octets are cut.  ``docs/executors.md`` says in words what happens in which order; this file follows it.

**Memory** does not depend on the length of the stream.  A payload is passed over by count and a scanned body is not
kept, unless payloads were asked for, and then no longer one than ``max_payload``.  What is kept between two calls
(``carry``) is less than a header, and no header is longer than ``LONGEST``.

**Time** does not depend on how the octets arrive.  Whoever waits says for how many octets, and is not asked again
before they are there, so feeding a stream octet by octet is slow but not quadratic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import DissectorError
from ..ir.findings import GAP, RESYNC, TRUNCATED
from ..ir.model import Rule
from .events import Event, Found, Gap, Resynced
from .reader import NOWHERE, SHOWN, Reader
from .search import Search

Data = bytes | bytearray | memoryview

PATIENCE = 100
"""Rules in a row that consume nothing.  A verified table has no circle of such rules; this is for the others."""

FEW = 64
"""Octets that are copied to those carried when these alone did not do; twice as many each time."""


def whole(data: Data) -> bytes:
    """These octets as bytes; without copying where they are all of a bytes object."""
    if isinstance(data, memoryview):
        held = data.obj
        return held if isinstance(held, bytes) and data.c_contiguous and len(held) == data.nbytes else bytes(data)
    return bytes(data)  # which gives bytes as they are


class Machine(Reader):
    """A stream being decoded.

    *parameters* are those that the stream refers to, 0 where left out; *registers* those of the conversation.
    *events* says which PDUs are reported: all (True), those with findings only (False), or these beside them (names).
    With *payload*, payloads are collected and are in ``fields``, up to *max_payload* octets.  *midway*: the beginning
    of the stream is missing.  *on_event* is called with every event, instead of handing them back in lists.
    """

    __slots__ = ()

    # ------------------------------------------------------------------------------------------------- looking at it

    @property
    def registers(self) -> Mapping[str, Any]:
        """All registers as they are now; a snapshot."""
        return self.look()

    @property
    def is_lost(self) -> bool:
        """Whether octets are being passed over in search of a place to go on."""
        return self.lost >= 0

    @property
    def counts(self) -> dict[str, int]:
        """Counter name -> how often a rule that counts it has held."""
        return self._sums(lambda rule: rule.count)

    @property
    def pdus(self) -> dict[str, int]:
        """Name of a PDU -> how many of them there were."""
        return self._sums(lambda rule: rule.pdu.name if rule.pdu and not rule.fault else None)

    def _sums(self, name_of: Callable[[Rule], str | None]) -> dict[str, int]:
        out: dict[str, int] = {}
        for rule, n in zip(self.code.rules, self.tally, strict=True):
            name = name_of(rule)
            if name is not None:
                out[name] = out.get(name, 0) + n
        return out

    # ----------------------------------------------------------------------------------------------- octets, gaps, end

    def feed(self, data: Data) -> list[Event]:
        """Take the next octets of the stream; returns what they completed."""
        events = self._begin()
        n = len(data)
        if n < self.skip and self.pending is None:
            self.skip -= n
            self.pos += n
            return events
        b = whole(data)
        at = extra = 0
        while self.carry:
            # The first time no more than is needed: what follows is read where it is, not copied.
            piece = b[at : at + self.need - len(self.carry) + extra]
            self.carry += piece
            at += len(piece)
            if len(self.carry) < self.need:
                return events
            head = bytes(self.carry)
            self.carry.clear()
            self._run(head, 0)
            extra = 2 * extra or FEW
        if at < n:
            self._run(b, at)
        return events

    def gap(self, length: int | None = None) -> list[Event]:
        """So many octets are missing here; None: nobody knows how many."""
        events = self._begin()
        self._settle()
        self.pos += len(self.carry)
        self.carry.clear()
        self._abandon()
        some = Found(GAP.name, GAP.severity, GAP.group, UNKNOWN_GAP)
        found = some if length is None else Found.of(GAP, (length,))
        self.out(Gap(self.source, found, self.pos, length, self.frame, self.time_ns))
        if length is None:
            self.skip = 0
            self.regions.clear()
            self.lose(self.pos)
        elif length:
            self._jump(self.pos + length)
        return events

    def _jump(self, end: int) -> None:
        """Octets up to *end* are missing: in a payload that does not matter, in a region no more than its rest does."""
        swallowed = min(self.skip, end - self.pos)
        self.skip -= swallowed
        self.pos += swallowed
        if self.pos == end:
            return
        self.pos, self.inside, self.body = end, "", -1
        while self.regions and self.regions[-1].end < end:
            self.regions.pop()
        if self.regions:
            self.skip = self.regions[-1].end - end
        else:
            self.lose(end)

    def close(self) -> list[Event]:
        """The stream has ended; returns what can be said about that."""
        events = self._begin()
        self._settle()
        self.closed = True
        inside = self._open_end()
        self._abandon()
        if inside and self.lost < 0:
            self.malformed(TRUNCATED, (inside,), self.pos, bytes(self.carry[:SHOWN]))
        return events

    def _open_end(self) -> str:
        """What the stream ends inside of, if anything."""
        if self.skip and self.inside:
            return self.inside
        if self.body >= 0:
            return self.code.bodies[self.scanned].label
        if self.carry:
            return self.state
        return self.regions[-1].label if self.regions else ""

    def _begin(self) -> list[Event]:
        if self.closed:
            raise DissectorError(f"stream {self.stream.name}", "it has ended", "a new connection needs a new machine")
        events: list[Event] = []
        self.out = self.on_event or events.append
        if self.seen != self.shared.version:
            self.seen, self.snap = self.shared.version, None
        return events

    def _settle(self) -> None:
        """No more octets will come to those carried: whoever waits for some to show need not."""
        head = bytes(self.carry)
        self.carry.clear()
        self.final = True
        self._run(head, 0)
        self.final = False

    def _abandon(self) -> None:
        """What is being collected will not be complete: a PDU is reported without its payload."""
        if self.pending is not None:
            self.out(self.pending.event)
        self.pending = self.collected = None

    # ------------------------------------------------------------------------------------------------------ the loop

    def _run(self, b: bytes, at: int) -> None:
        """Apply rules to *b* from *at* on, as far as possible; the rest is carried."""
        self.base = base = self.pos - at
        size, idle = len(b), 0
        while True:
            while self.regions and not self.skip and self.regions[-1].end <= base + at:
                self.step = self.regions.pop().resume
            if self.skip:
                at = self._pass_over(b, at, size)
                if self.skip:
                    break
                continue
            if at >= size:
                break
            before, at = at, self._read(b, at, size)
            if self.need:
                break
            if at > size:
                self.skip, at = at - size, size
            idle = idle + 1 if at == before else 0
            if idle > PATIENCE:
                at = self.stuck(at)
        self.pos = base + at
        if at < size:
            self.carry += b[at:]

    def _read(self, b: bytes, at: int, size: int) -> int:
        """Read on from *at* in whatever way the stream is being read now; ``need`` says that octets are lacking."""
        limit = self.limit = self.regions[-1].end - self.base if self.regions else NOWHERE
        end = min(limit, size)
        self.need = 0
        if self.lost >= 0:
            return self._search(b, at, end)
        if self.body >= 0:
            return self._scan(b, at, end, limit)
        at = self.step(self, b, at, end)
        if self.need:
            if at >= end:
                self.need = 0
            elif at + self.need > limit:
                return self.short_region(b, at, at)
        return at

    def _pass_over(self, b: bytes, at: int, size: int) -> int:
        n = min(self.skip, size - at)
        self.skip -= n
        if self.pending is not None:
            self.pending.octets += b[at : at + n]
            if not self.skip:
                self.complete()
        return at + n

    def _search(self, b: bytes, at: int, end: int) -> int:
        """Position lost: look for a way back."""
        at, way, self.need = self._searching(-1).find(self, b, at, end, NOWHERE)
        if way is not None:
            offset = self.base + at
            skipped, self.lost = offset - self.lost, -1
            way.done(self, at, 0, b"")
            self.out(Resynced(self.source, Found.of(RESYNC), offset, self.state, skipped, self.frame, self.time_ns))
        return at

    def _scan(self, b: bytes, at: int, end: int, limit: int) -> int:
        """Inside a body without a length: look for its end."""
        start = at
        at, way, self.need = self._searching(self.scanned).find(self, b, at, end, limit)
        if self.collected is not None:
            self.collected += b[start:at]
            if len(self.collected) > self.max_payload:
                self.collected = None
        if way is not None:
            raw, length = bytes(self.collected or b""), self.base + at - self.body
            way.done(self, at, length, raw)
            self.body, self.collected = -1, None
        elif at == limit:
            return self.short_region(b, at, self.body - self.base)
        return at

    def _searching(self, index: int) -> Search:
        search: Search | None = self.searches.get(index)
        if search is None:
            ways = self.code.resync if index < 0 else (self.code.bodies[index],)
            search = self.searches[index] = Search(ways)
        return search


UNKNOWN_GAP = "an unknown number of octets is missing from the capture"
