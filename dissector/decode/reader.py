# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of one direction, and what a printed function may do to it.

A printed function (:mod:`.compile`) sees a :class:`Reader`: it looks at the registers and the region around the
cursor, moves ``step`` to the next state, and calls the methods below for whatever is not hot.  The loop that calls the
functions is the :class:`~dissector.decode.machine.Machine`, which is a reader with octets.

A fault is reported with the octets that follow it, at most 32.  So that these are the same for every way to cut the
stream, a fault waits for them like any reader; the end of the stream, or a gap, ends the waiting (``final``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DissectorError
from ..ir.findings import DEPTH, LONGEST, LOST, MAP_FULL, OVERRUN, SHORT_REGION, TOO_LONG
from ..ir.model import Stream
from ..ir.pdus import Finding
from .compile import Code, Step, compile_stream
from .events import Builder, Event, Found, Lost, Malformed, PduSeen, Source
from .registers import Registers, nearest, snapshot

SHOWN = 32
"""Octets that a fault is reported with."""

NOWHERE = 1 << 80
"""The end of a region where there is none: behind any sum of 64-bit sizes."""


@dataclass(slots=True)
class Region:
    """Octets of the stream up to ``end`` that are read by themselves; ``resume`` is what comes after."""

    end: int
    resume: Step
    label: str


@dataclass(slots=True)
class Pending:
    """A PDU whose payload is being collected."""

    event: PduSeen
    field: str
    octets: bytearray


class Reader:
    """See the head of this file, and :class:`~dissector.decode.machine.Machine` for the arguments."""

    __slots__ = (
        "base", "body", "carry", "closed", "code", "collected", "facts", "final", "frame", "full", "held", "info",
        "inside", "keep", "limit", "lost", "max_payload", "need", "on_event", "out", "own", "parameters", "pending",
        "pos", "regions", "scanned", "searches", "seen", "shared", "skip", "snap", "source", "step", "tally",
        "time_ns",
    )  # fmt: skip

    def __init__(
        self,
        stream: Stream,
        parameters: Mapping[str, int] | None = None,
        *,
        registers: Registers | None = None,
        source: Source | None = None,
        builder: Builder | None = None,
        events: bool | Collection[str] = True,
        payload: bool = False,
        max_payload: int = 1 << 20,
        midway: bool = False,
        on_event: Callable[[Event], None] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.code: Code = compile_stream(stream, events)
        self.parameters = _settled(self.code, parameters or {})
        self.own, self.shared = Registers(), Registers() if registers is None else registers
        self.own.declare((r for r in stream.registers if r.scope == "direction"), self.parameters)
        self.shared.declare((r for r in stream.registers if r.scope == "conversation"), self.parameters)
        self.snap: Mapping[str, Any] | None = None
        self.facts: dict[str, Any] = {} if facts is None else facts
        self.source = source or Source(stream.name, builder=builder)
        self.keep, self.max_payload, self.on_event = payload, max_payload, on_event
        events_so_far: list[Event] = []
        self.out: Callable[[Event], None] = on_event or events_so_far.append
        self.tally = [0] * len(self.code.rules)
        self.info = ""
        self.full = False
        self.frame = self.time_ns = 0
        self._set_out(midway)

    def _set_out(self, midway: bool) -> None:
        """Stand at the beginning."""
        self.step = self.code.start
        self.pos = self.base = self.skip = self.need = self.seen = 0
        self.limit = NOWHERE
        self.carry = bytearray()
        self.regions: list[Region] = []
        self.inside = ""
        self.lost, self.body, self.scanned = 0 if midway else -1, -1, -1
        self.held: tuple[Any, ...] = ()
        self.pending: Pending | None = None
        self.collected: bytearray | None = None
        self.searches: dict[int, Any] = {}
        self.final = self.closed = False

    @property
    def stream(self) -> Stream:
        """What is being decoded."""
        return self.code.stream

    @property
    def state(self) -> str:
        """The state that the next PDU is read in, or would be if the position were known."""
        return self.code.names[self.step]

    # --------------------------------------------------------------------------------------- registers, regions

    def look(self) -> Mapping[str, Any]:
        """The registers as they are now, for good."""
        if self.snap is None:
            self.snap = snapshot(self.own, self.shared)
        return self.snap

    def has_room(self, store: Registers, name: str, key: Any, limit: int, at: int) -> bool:
        """Whether a map register takes this key; that it does not is said once."""
        entries = store.values[name]
        if key in entries or len(entries) < limit:
            return True
        if not self.full:
            self.full = True
            self.malformed(MAP_FULL, (limit,), self.base + at, b"")
        return False

    def enter(self, start: int, size: int, resume: Step, label: str) -> None:
        """A region of *size* octets begins at *start*."""
        self.regions.append(Region(self.base + start + size, resume, label))

    def clip(self, start: int, stop: int, found: tuple[Found, ...]) -> tuple[int, tuple[Found, ...]]:
        """A payload from *start* to *stop* reaches past the region around it: it ends with the region."""
        return self.limit, (*found, Found.of(OVERRUN, (stop - start, self.limit - start)))

    def clip_region(self, start: int, size: int, found: tuple[Found, ...]) -> tuple[int, tuple[Found, ...]]:
        """A region of *size* octets from *start* on reaches past the region around it: it ends with that one."""
        left = self.limit - start
        return left, (*found, Found.of(OVERRUN, (size, left)))

    # --------------------------------------------------------------------------------- bodies and payloads

    def begin(self, at: int, index: int, held: tuple[Any, ...]) -> int:
        """A body without a length begins here."""
        self.body, self.scanned, self.held = self.base + at, index, held
        self.collected = bytearray() if self.keep else None
        return at

    def hold(self, event: PduSeen, field: str, octets: bytes, length: int) -> None:
        """Report a PDU when its payload of *length* octets is complete; *octets* are those at hand."""
        if length > self.max_payload:
            self.out(event)
            return
        self.pending = Pending(event, field, bytearray(octets))
        if len(octets) == length:
            self.complete()

    def complete(self) -> None:
        """The payload that was being collected is complete."""
        p, self.pending = self.pending, None
        if p is not None:
            octets = bytes(p.octets)
            p.event.fields[p.field] = octets
            p.event.raw += octets
            self.out(p.event)

    # -------------------------------------------------------------------------------------------------- faults

    def remark(self, at: int, found: Found) -> None:
        """A finding of a rule that reads nothing."""
        self.out(Malformed(self.source, found, self.base + at, self.state, b"", self.frame, self.time_ns))

    def too_deep(self, b: bytes, at: int) -> int:
        """A region would open inside too many others."""
        return self.fault(b, at, DEPTH, (self.stream.depth,))

    def too_long(self, b: bytes, at: int, need: int) -> int:
        """A header is longer than anybody waits for, or than its region, which is the simpler explanation."""
        if at + need > self.limit:
            self.need = need
            return at
        return self.fault(b, at, TOO_LONG, (need, LONGEST))

    def stuck(self, at: int) -> int:
        """Rule after rule holds and nothing is consumed."""
        finding = self.stream.unknown
        self.malformed(finding, (0,) * len(finding.message.args), self.base + at, b"")
        return self.give_up(at)

    def fault(self, b: bytes, at: int, finding: Finding, args: tuple[Any, ...], index: int = -1) -> int:
        """What is here cannot be read.  Waits for the octets to show; then it goes on behind the region, or is lost."""
        want = min(SHOWN, self.limit - at)
        octets = b[at : at + want]
        if len(octets) < want and not self.final:
            self.need = want
            return at
        if index >= 0:
            self.tally[index] += 1
        self.malformed(finding, args, self.base + at, octets)
        return self.give_up(at)

    def short_region(self, b: bytes, at: int, start: int) -> int:
        """The region ends before what began at *start* does; the octets of a body are not there to be shown."""
        want = min(SHOWN, self.limit - at) if start == at else 0
        octets = b[at : at + want]
        if len(octets) < want and not self.final:
            self.need = want
            return at
        self.need = 0
        self.malformed(SHORT_REGION, (self.limit - start,), self.base + start, octets)
        return self.give_up(at)

    def give_up(self, at: int) -> int:
        """Go on behind the region, if there is one; else the position is lost, and this octet is passed over."""
        self.body, self.collected, self.inside = -1, None, ""
        if self.regions:
            self.skip = self.limit - at
            return at
        self.lose(self.base + at)
        return at + 1

    def lose(self, offset: int) -> None:
        """The position is lost."""
        if self.lost < 0:
            self.lost, self.body = offset, -1
            self.out(Lost(self.source, Found.of(LOST), offset, self.frame, self.time_ns))

    def malformed(self, finding: Finding, args: tuple[Any, ...], offset: int, octets: bytes) -> None:
        """Report what cannot be read."""
        found = Found.of(finding, args)
        self.out(Malformed(self.source, found, offset, self.state, octets, self.frame, self.time_ns))


def _settled(code: Code, given: Mapping[str, int]) -> dict[str, int]:
    """The parameters that a stream refers to, all with a value; 0 is what every parameter reads as "automatic"."""
    known = dict.fromkeys(code.parameters, 0)
    for name in given:
        if name not in known:
            raise DissectorError(f"stream {code.stream.name}", f"there is no parameter {name!r}", nearest(name, known))
    return {**known, **given}
