# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that look alike: the small segments of a long transfer, many at once, without a loop in Python.

A sender fills its segments to one length.  Then the next thousand packets are known but for a few fields: segments of
that length, and acknowledgments between them.  A regular expression made from one packet of either kind,
``(?:(?:ACK)*SEGMENT)+``, says how far that is so; a second one cuts the sequence numbers and the octets out of this
row, and they are taken as far as the numbers are those expected.

It has to be exact: what is passed over here must be what the loops of the readers and of :mod:`.reassembly` would have
done nothing else with.  So every octet that those look at stands in the expression as it was in a packet that they have
read, or as they take it alike (:data:`_WHOLE`, :data:`_CALM`); only those that they do not look at may be any.  Packets
of either kind have one length, and what stands in front of them differs, so there is one way only to cut a row.  The
last segment of a row is left to be read like any other: a chunk has the number and the time of its last packet.

An expression costs as much as hundreds of packets, so a capture must have had many for each.  And as a row may not be
what was expected, no more is looked at than four times what was right before, and after a row that was not worth it
the next ones are not looked for, twice as many each time.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dissector.capture.flow import Flow, Pile
    from dissector.capture.packet import Frame

OFTEN = 16
"""After so many segments of one length a row of them is looked for."""

FIRST_LOOK = 64
"""Segments that are looked at first; half of them are worth it."""

PATIENCE = 64
"""Rows that are not looked for, at most."""

PRICE, MOST = 2048, 64
"""Packets of a capture for each expression, and expressions of a capture."""

_LONG = 1 << 14
"""Octets are copied once more here than elsewhere, so longer segments are better read one by one."""

_WHOLE = rb"[\x00\x40\x80\xc0]\x00"
"""The fragment's offset and flags, of what is none."""

_CALM = b"[%s]" % b"".join(b"\\x%02x" % flags for flags in range(256) if not flags & 7)
"""Flags without FIN, SYN and RST."""

_KEY = slice(26, 38)
_SERIAL = 0xFFFFFFFF

Around = Callable[[memoryview, int, int], "tuple[int, int, bytes, bytes] | None"]
"""Of a packet between two places: where its record begins and ends, and expressions for what stands in front of the
packet and behind it; None for a record of which there are no rows."""


@dataclass(frozen=True, slots=True)
class _Packet:
    """The record of a packet as expressions."""

    end: int
    """Where it ends."""
    size: int
    whole: bytes
    """With all that matters."""
    before: bytes
    """What stands in front of the packet, which is enough in a row to tell its kind."""
    passed: bytes
    """This, and the rest whatever it is."""
    cut: bytes
    """The same, with groups for the sequence number and the octets."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What a row is made of, and how long the record of a segment and that of an acknowledgment is."""

    row: re.Pattern[bytes]
    each: re.Pattern[bytes]
    """Acknowledgments, and the number and the octets of the segment behind them."""
    segment: int
    ack: int

    @classmethod
    def of(cls, segment: _Packet, ack: _Packet | None) -> _Row:
        """Compile what is made of these two."""
        acks, passed = (b"(?:%s)*" % ack.whole, b"(?:%s)*" % ack.passed) if ack else (b"", b"")
        row = re.compile(b"(?:%s%s)+" % (acks, segment.whole), re.DOTALL)
        each = re.compile(b"(%s)%s" % (passed, segment.cut), re.DOTALL)
        return cls(row, each, segment.size, ack.size if ack else 1)


class Alike:
    """What a reader of packets and the reassembly behind it tell each other."""

    __slots__ = ("_look", "_pause", "_rows", "_wait", "acknowledged", "around", "octets", "packets")

    def __init__(self) -> None:
        self.around: Around = lambda *_: None
        """Set by the reader."""
        self.acknowledged: Frame | None = None
        """The last acknowledgment of anything, if it was a simple packet."""
        self.octets = self.packets = 0
        """What was taken here behind the packet that the reader gave last; the reader passes over it."""
        self._look = FIRST_LOOK
        self._pause = self._wait = 0
        self._rows: dict[tuple[bytes, bytes], _Row] = {}

    def take(self, flow: Flow, pile: Pile, frame: Frame, most: int) -> None:
        """Put on the pile what follows its last segment, which is *frame*'s, until there are *most* octets."""
        view, length = frame[3], len(pile.parts[-1])
        if length > _LONG or any(len(part) != length for part in pile.parts[-OFTEN:]):
            return
        if self._wait:
            self._wait -= 1
            return
        self._wait = self._pause = min(2 * self._pause + 1, PATIENCE)
        segment = self._packet(frame, length)
        row = self._row(segment, self._answer(flow, view), frame[0]) if segment else None
        if segment is None or row is None:
            return
        found = row.row.match(view, segment.end, segment.end + min(most, self._look * (row.segment + row.ack)))
        if found is None:
            return
        acks, numbers, parts = zip(*row.each.findall(view, *found.span()), strict=True)
        right = len(numbers)
        seen = struct.unpack(f">{right}I", b"".join(numbers))
        expected = range(flow.expected, flow.expected + right * length, length)
        self._look = min(4 * self._look, most)
        if seen != tuple(expected):
            right = next(i for i, number in enumerate(expected) if number != seen[i])
            self._look = FIRST_LOOK
        count = min(right - 1, (most - pile.size) // length)
        if count >= FIRST_LOOK // 2:
            self._wait = self._pause = 0
        if count <= 0:
            return
        between = sum(map(len, acks[:count]))
        self.octets, self.packets = between + count * row.segment, between // row.ack + count
        pile.parts += parts[:count]
        pile.size += count * length
        flow.next += count * length
        flow.expected = flow.expected + count * length & _SERIAL

    def _row(self, segment: _Packet, ack: _Packet | None, packets: int) -> _Row | None:
        """Return what is made of these two, if it is known or the capture has had enough packets for one more."""
        if ack is not None and ack.before == segment.before:
            ack = None
        key = segment.whole, ack.whole if ack else b""
        row = self._rows.get(key)
        if row is None and len(self._rows) < MOST and packets > PRICE * (len(self._rows) + 1):
            row = self._rows[key] = _Row.of(segment, ack)
        return row

    def _answer(self, flow: Flow, view: memoryview) -> _Packet | None:
        """Return what acknowledges this flow, if the last acknowledgment does.

        In another block of the file there may be another section, and a socket may be connected to itself.
        """
        last = self.acknowledged
        if last is None or last[3] is not view or flow.peer.key == flow.key:
            return None
        return self._packet(last, 0) if view[last[4] :][_KEY] == flow.peer.key else None

    def _packet(self, frame: Frame, length: int) -> _Packet | None:
        """Return the expressions for a simple packet with so many octets; places are those of :data:`.link.SIMPLE`."""
        _, _, _, view, start, stop, _ = frame
        record = self.around(view, start, stop)
        if record is None:
            return None
        begin, end, before, behind = record
        octets = bytes(view[start : start + 54])
        first = 34 + (octets[46] >> 4) * 4
        rest = stop - start - first - length

        def same(places: slice) -> bytes:
            return re.escape(octets[places])

        network = _any(12), same(slice(12, 15)), _any(1), same(slice(16, 18)), _any(2), _WHOLE, _any(1)
        transport = same(slice(23, 24)), _any(2), same(_KEY), _any(8), same(slice(46, 47)), _CALM
        whole = b"".join((before, *network, *transport, _any(first - 48 + length + rest), behind))
        cut = before + _any(38) + b"(....)" + _any(first - 42) + b"(" + _any(length) + b")" + _any(rest) + behind
        return _Packet(end, end - begin, whole, before, before + _any(stop - start) + behind, cut)


def _any(octets: int) -> bytes:
    """So many octets, whatever they are; a few are passed over faster one by one."""
    return b"." * octets if octets < 16 else b".{%d}" % octets
