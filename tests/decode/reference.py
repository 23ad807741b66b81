# SPDX-License-Identifier: GPL-2.0-or-later
"""The decoder once more, written to be read beside ``docs/executors.md``.

It has the whole stream in its hands, takes the model as it was declared (nothing is lowered, nothing compiled), and
evaluates every expression with the reference evaluator.  So it shares with the decoder neither the lowering nor the
segmentation, which is what there is to get wrong.  What it finds is a list of tuples; :func:`told` makes the same of
the decoder's events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dissector.decode import Event, Gap, Lost, Malformed, PduSeen, Resynced
from dissector.decode.events import text_of
from dissector.decode.registers import initial
from dissector.ir.evaluate import NeedMore, evaluate
from dissector.ir.expr import Expr
from dissector.ir.findings import DEPTH, LONGEST, MAP_FULL, OVERRUN, SHORT_REGION, TOO_LONG, TRUNCATED
from dissector.ir.model import Assign, Rule, Stream
from dissector.ir.pdus import Field, Finding, Message, Pdu, Scan

Told = tuple[Any, ...]


class TooLong(Exception):
    """A header is longer than anybody waits for."""


def told(events: Iterable[Event]) -> list[Told]:
    """What the decoder's events say, as the reference says it."""
    out: list[Told] = []
    for e in events:
        if isinstance(e, PduSeen):
            texts = tuple((f.name, f.text) for f in e.findings)
            out.append((e.name, e.offset, e.length, e.header, e.depth, e.fields, dict(e.notes), texts, e.info, e.state))
        elif isinstance(e, Malformed):
            out.append((e.finding.name, e.offset, e.finding.text, e.state, e.octets))
        elif isinstance(e, Resynced):
            out.append(("resync", e.offset, e.state, e.skipped))
        elif isinstance(e, Lost):
            out.append(("lost", e.offset))
        else:
            assert not isinstance(e, Gap)
    return out


class Reference:
    """Decodes *octets* at once; the result is in ``told``, ``registers`` and ``counts``."""

    def __init__(self, stream: Stream, parameters: Mapping[str, int], octets: bytes) -> None:
        self.stream, self.parameters, self.octets = stream, dict(parameters), octets
        self.rules = {s.name: s.rules for s in stream.states}
        self.limits = {r.name: r.limit for r in stream.registers}
        self.registers: dict[str, Any] = {r.name: initial(r, self.parameters) for r in stream.registers}
        self.state, self.pos, self.regions = stream.start, 0, list[tuple[int, str, str]]()
        self.told: list[Told] = []
        self.counts: dict[str, int] = {}
        self.full = self.lost = False
        self.open = ""
        try:
            while self.turn():
                pass
        except NeedMore:
            self.open = self.open or self.state
        if (self.open or self.regions) and not self.lost:
            label = self.open or self.regions[-1][2]
            self.fault(TRUNCATED, (label,), self.octets[self.pos : self.pos + 32])

    # ------------------------------------------------------------------------------------------------- looking

    @property
    def limit(self) -> int:
        """Where the region ends; far away when there is none."""
        return self.regions[-1][0] if self.regions else 1 << 62

    def ahead(self, at: int | None = None) -> bytes:
        """The octets from the cursor on, up to the end of the region."""
        start = self.pos if at is None else at
        return self.octets[start : min(self.limit, len(self.octets))]

    def value(self, e: Expr, fields: Mapping[str, Any], ahead: bytes) -> Any:
        """An expression's value."""
        return evaluate(e, {"F": fields, "S": self.registers, "P": self.parameters}, ahead)

    def natural(self, e: Expr, fields: Mapping[str, Any], ahead: bytes) -> int:
        """A length is never negative."""
        return max(0, int(self.value(e, fields, ahead)))

    def fault(self, finding: Finding, args: tuple[Any, ...], octets: bytes, offset: int | None = None) -> None:
        """Say what cannot be read."""
        text = text_of(finding.message.format, args)
        self.told.append((finding.name, self.pos if offset is None else offset, text, self.state, octets))

    # -------------------------------------------------------------------------------------------------- a turn

    def turn(self) -> bool:
        """One PDU, decision or fault; False when the stream has ended, :class:`NeedMore` when it ends inside."""
        while self.regions and self.regions[-1][0] <= self.pos:
            self.state = self.regions.pop()[1]
        if self.pos >= len(self.octets):
            return False
        ahead = self.ahead()
        try:
            for rule in self.rules[self.state]:
                fields = self.holds(rule, ahead)
                if fields is not None:
                    self.apply(rule, fields, ahead)
                    return True
        except NeedMore as need:
            if self.pos + need.octets <= self.limit:
                raise
            self.fault(SHORT_REGION, (self.limit - self.pos,), ahead[:32])
            return self.behind_region()
        except TooLong as need:
            return self.give_up(TOO_LONG, (need.args[0], LONGEST), ahead)
        return self.give_up(self.stream.unknown, self.args(self.stream.unknown.message, {}, ahead), ahead)

    def args(self, message: Message, fields: Mapping[str, Any], ahead: bytes) -> tuple[Any, ...]:
        """The values of a message."""
        return tuple(self.value(a, fields, ahead) for a in message.args)

    def holds(self, rule: Rule, ahead: bytes) -> dict[str, Any] | None:
        """The fields matched, when the rule holds."""
        fields: dict[str, Any] = {}
        wanted = {m.field: m.values for m in rule.match}
        offset = 0
        for f in rule.pdu.fields if rule.pdu else ():
            if not wanted:
                break
            values = wanted.pop(f.name, None)
            if values is not None:
                fields[f.name] = self.read(f, offset, fields, ahead)
                if fields[f.name] not in values:
                    return None
            offset += f.size.value if f.advance else 0  # type: ignore[attr-defined]  # what is matched lies at fixed places
        if rule.when is not None and not self.value(rule.when, {}, ahead):
            return None
        return fields

    def read(self, f: Field, offset: int, fields: Mapping[str, Any], ahead: bytes) -> Any:
        """A field's value."""
        size = self.natural(f.size, fields, ahead)
        if offset + size > LONGEST and self.pos + offset + size <= self.limit:
            raise TooLong(offset + size)
        if offset + size > len(ahead):
            raise NeedMore(offset + size)
        octets = ahead[offset : offset + size]
        if f.type != "uint":
            return octets
        value = int.from_bytes(octets, "little" if f.little else "big")
        if f.bits is not None:
            return value >> f.bits[0] & ((1 << f.bits[1]) - 1)
        if f.part is not None:
            low = value % self.value(f.part.modulus, fields, ahead)
            return low if f.part.which == "low" else value - low
        return value

    def header(self, pdu: Pdu, ahead: bytes) -> tuple[dict[str, Any], dict[str, Any], int, int]:
        """(fields that are there, fields for expressions, octets of the header, of the payload)."""
        shown: dict[str, Any] = {}
        known: dict[str, Any] = {}
        offset = 0
        for f in pdu.fields:
            present = f.present is None or self.value(f.present, known, ahead)
            if f.lazy:
                return shown, known, offset, self.natural(f.size, known, ahead) if present else 0
            if not present:
                known[f.name] = f.absent
                continue
            shown[f.name] = known[f.name] = self.read(f, offset, known, ahead)
            offset += self.natural(f.size, known, ahead) if f.advance else 0
        return shown, known, offset, 0

    # ------------------------------------------------------------------------------------------ what follows

    def apply(self, rule: Rule, fields: dict[str, Any], ahead: bytes) -> None:
        """The rule holds."""
        if rule.fault is not None:
            args = self.args(rule.fault.message, fields, ahead)
            self.give_up(rule.fault, args, ahead)
        elif rule.pdu is None:
            for f in rule.findings:
                if f.when is None or self.value(f.when, {}, ahead):
                    self.fault(f, self.args(f.message, {}, ahead), b"")
            self.count(rule)
            self.assign(rule.do, {}, ahead)
            self.state = rule.goto
        elif rule.pdu.scan is not None:
            self.body(rule, rule.pdu, rule.pdu.scan, ahead)
        else:
            self.pdu(rule, rule.pdu, ahead)

    def pdu(self, rule: Rule, pdu: Pdu, ahead: bytes) -> None:
        """A PDU with a header."""
        shown, known, header, payload = self.header(pdu, ahead)
        if rule.enter and len(self.regions) >= self.stream.depth:
            self.give_up(DEPTH, (self.stream.depth,), ahead)
            return
        found = self.findings(rule, known, ahead)
        stop = self.pos + header + payload
        if stop > self.limit:
            found += (("overrun", text_of(OVERRUN.message.format, (payload, self.limit - self.pos - header))),)
            stop = self.limit
        inside = self.natural(rule.size, known, ahead) if rule.size is not None else 0
        if rule.enter and stop + inside > self.limit:
            found += (("overrun", text_of(OVERRUN.message.format, (inside, self.limit - stop))),)
            inside = self.limit - stop
        self.tell(rule, (self.pos, header + payload, header), shown, known, found)
        self.assign(rule.do, known, ahead)
        self.state = rule.enter or rule.goto
        if rule.enter:
            self.regions.append((stop + inside, rule.goto, pdu.label))
        self.pos = stop
        if stop > len(self.octets):
            self.open = pdu.label
            self.pos = len(self.octets)
            raise NeedMore(0)

    def findings(self, rule: Rule, known: Mapping[str, Any], ahead: bytes) -> Told:
        """(name, text) of what is found."""
        met = (f for f in rule.findings if f.when is None or self.value(f.when, known, ahead))
        return tuple((f.name, text_of(f.message.format, self.args(f.message, known, ahead))) for f in met)

    def tell(self, rule: Rule, place: tuple[int, int, int], shown: Any, known: Any, found: Told) -> None:
        """Report a PDU."""
        ahead = self.ahead()
        assert rule.pdu is not None
        notes = {
            n.abbrev: self.value(n.value, known, ahead)
            for n in rule.notes
            if n.when is None or self.value(n.when, known, ahead)
        }
        info = text_of(rule.info.format, self.args(rule.info, known, ahead)) if rule.info else ""
        self.told.append((rule.pdu.name, *place, len(self.regions), shown, notes, found, info, self.state))
        self.count(rule)

    def count(self, rule: Rule) -> None:
        """One more."""
        if rule.count:
            self.counts[rule.count] = self.counts.get(rule.count, 0) + 1

    def assign(self, do: tuple[Assign, ...], known: Mapping[str, Any], ahead: bytes) -> None:
        """Remember."""
        for a in do:
            value = self.value(a.value, known, ahead)
            value = max(0, int(value)) if isinstance(value, int) else value
            if a.key is None:
                self.registers[a.register] = value
                continue
            entries, key = self.registers[a.register], self.value(a.key, known, ahead)
            if key in entries or len(entries) < self.limits[a.register]:
                entries[key] = value
            elif not self.full:
                self.full = True
                self.fault(MAP_FULL, (self.limits[a.register],), b"")

    def give_up(self, finding: Finding, args: tuple[Any, ...], ahead: bytes) -> bool:
        """A fault."""
        self.fault(finding, args, ahead[:32])
        if self.regions:
            return self.behind_region()
        lost = self.pos
        self.told.append(("lost", lost))
        self.lost = True
        self.pos += 1
        while self.pos < len(self.octets):
            for way in self.stream.resync:
                if self.accepts(way.scan, self.pos):
                    self.assign(way.do, {}, b"")
                    self.state, self.lost = way.goto, False
                    self.told.append(("resync", self.pos, self.state, self.pos - lost))
                    return True
            self.pos += 1
        return False

    def behind_region(self) -> bool:
        """Skip the rest of the region."""
        self.pos = self.limit
        if self.pos > len(self.octets):
            self.open, self.pos = self.regions[-1][2], len(self.octets)
            raise NeedMore(0)
        return True

    # --------------------------------------------------------------------------------------------------- scans

    def accepts(self, scan: Scan, at: int) -> bool:
        """Whether a scan accepts at *at*; :class:`NeedMore` when that cannot be told."""
        offset, values = scan.anchor
        ahead = self.ahead(at)
        if not values:
            return False
        if offset >= len(ahead):
            return self.or_wait(at + offset + 1)
        if ahead[offset] not in values:
            return False
        try:
            return scan.accept is None or bool(self.value(scan.accept, {}, ahead[: scan.window]))
        except NeedMore as need:
            return need.octets <= scan.window and self.or_wait(at + need.octets)

    def or_wait(self, end: int) -> bool:
        """False when octets up to *end* will never be there."""
        if end > self.limit:
            return False
        raise NeedMore(0)

    def body(self, rule: Rule, pdu: Pdu, scan: Scan, ahead: bytes) -> None:
        """A body without a length."""
        at = self.pos
        self.open = pdu.label
        while at < min(self.limit, len(self.octets)):
            try:
                accepted = self.accepts(scan, at)
            except NeedMore:
                self.pos = at
                raise
            if accepted:
                break
            at += 1
        else:
            if at < self.limit:
                self.pos = at
                raise NeedMore(0)
            self.fault(SHORT_REGION, (self.limit - self.pos,), b"")
            self.open, self.pos = "", self.limit
            return
        self.open = ""
        if at > self.pos:
            found = self.findings(rule, {}, ahead)
            self.tell(rule, (self.pos, at - self.pos, 0), {}, {}, found)
        self.assign(rule.do, {}, ahead)
        self.pos, self.state = at, rule.goto
