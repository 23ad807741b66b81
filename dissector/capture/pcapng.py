# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures to packets: the pcapng format.

A pcapng file is a row of blocks: type, length, body padded to four octets, length again.  A section header
(SHB) fixes the byte order and forgets all interfaces; an interface description (IDB) adds one, with its
link type and with the unit of its time stamps; packets come in enhanced (EPB), simple (SPB) or, in files
from before 2010, obsolete packet blocks (PB).  All other blocks -- names, statistics, TLS keys, anything a
vendor thought of -- are stepped over by their length.  That is the format's own rule, and it is why the
length is checked so carefully: it is all there is to hold on to.

Enhanced packet blocks are what every writer writes, so they are read in the loop of :func:`frames`; all
else is rare and goes through ``_Section``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dissector.capture.alike import Alike
from dissector.capture.packet import Frame, Packet, frame_of
from dissector.capture.source import MAX_RECORD, Source

if TYPE_CHECKING:
    from dissector.errors import CaptureError

MAGIC = b"\x0a\x0d\x0d\x0a"
"""The type of a section header block: the same four octets in either byte order."""

_SHB = 0x0A0D0D0A
_IDB = 1
_PB = 2
_SPB = 3
_EPB = 6
_FRAMES = {_PB, _SPB, 9, 0xBAD, 0x40000BAD}
"""Blocks, beside enhanced packets, with a frame number in Wireshark: also systemd's journal, custom blocks."""

_IF_TSRESOL = 9
_IF_TSOFFSET = 14
_SECOND = 1_000_000_000

_Unpack = Callable[[memoryview, int], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Interface:
    """How to read packets of one interface; nanoseconds are ``units * multiplier // divisor + origin``."""

    linktype: int
    snaplen: int
    multiplier: int
    divisor: int
    origin: int

    def nanoseconds(self, high: int, low: int) -> int:
        return (high << 32 | low) * self.multiplier // self.divisor + self.origin


class _Section:
    """What the blocks read so far say about those that follow."""

    def __init__(self, capture: Source) -> None:
        self.capture = capture
        self.begin("<")

    def begin(self, order: str) -> None:
        """Start over: a section has its own byte order and its own interfaces."""
        self.order = order
        self.interfaces: list[_Interface] = []
        self.words: _Unpack = struct.Struct(order + "7I").unpack_from
        self.word: _Unpack = struct.Struct(order + "I").unpack_from

    def length(self, view: memoryview, position: int) -> int:
        """Return the length of the block at ``position``; if it is a section header, enter the section."""
        if view[position : position + 4] == MAGIC:
            self.begin(_byte_order(self.capture, view, position))
        kind, length = struct.unpack_from(self.order + "II", view, position)
        if length % 4 or not _SHORTEST.get(kind, 12) <= length <= MAX_RECORD:
            raise self.capture.corrupt(position, f"a block of type {kind:#x} with a length of {length} octets")
        return int(length)

    def interface(self, index: int, position: int) -> _Interface:
        """Return the interface with this number."""
        if index < len(self.interfaces):
            return self.interfaces[index]
        known = len(self.interfaces)
        raise self.capture.corrupt(position, f"a packet of interface {index}, where only {known} are described,")

    def around(self, view: memoryview, start: int, stop: int) -> tuple[int, int, bytes, bytes] | None:
        """Tell :mod:`.alike` of an enhanced packet block; its time, padding and options may be any."""
        begin = start - 28
        if begin < 0:  # of another kind of block, see frame_of()
            return None
        end = begin + self.word(view, begin + 4)[0]
        head, length, tail = (
            re.escape(bytes(view[a:b])) for a, b in ((begin, begin + 12), (start - 8, start), (end - 4, end))
        )
        return begin, end, head + b".{8}" + length, b".{%d}" % (end - 4 - stop) + tail

    def block(self, view: memoryview, position: int, stop: int, number: int) -> Packet | None:
        """Read any whole block but an enhanced packet; return its packet, numbered so, if it has one."""
        if self.word(view, stop - 4)[0] != stop - position:
            raise self.capture.corrupt(position, "a block whose two lengths differ")
        kind = self.word(view, position)[0]
        body = view[position + 8 : stop - 4]
        if kind == _IDB:
            self.interfaces.append(self._describe(body, position))
        elif kind == _SPB:
            return self._simple(body, position, number)
        elif kind == _PB:
            return self._obsolete(body, position, number)
        return None

    def _describe(self, body: memoryview, position: int) -> _Interface:
        linktype, _, snaplen = struct.unpack_from(self.order + "HHI", body)
        multiplier, divisor, origin = 1000, 1, 0
        for code, value in self._options(body[8:], position):
            if code == _IF_TSRESOL and len(value) >= 1:
                units = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
                multiplier, divisor = (_SECOND // units, 1) if _SECOND % units == 0 else (_SECOND, units)
            elif code == _IF_TSOFFSET and len(value) >= 8:
                origin = struct.unpack_from(self.order + "q", value)[0] * _SECOND
        return _Interface(linktype, snaplen, multiplier, divisor, origin)

    def _options(self, rest: memoryview, position: int) -> Iterator[tuple[int, memoryview]]:
        """Yield (code, value) up to the end of options, which may be left out where the block ends anyway."""
        while len(rest) >= 4:
            code, length = struct.unpack_from(self.order + "HH", rest)
            if code == 0:
                return
            if 4 + length > len(rest):
                raise self.capture.corrupt(position, f"option {code} of {length} octets, more than its block has,")
            yield code, rest[4 : 4 + length]
            rest = rest[4 + (length + 3 & ~3) :]

    def _simple(self, body: memoryview, position: int, number: int) -> Packet:
        """Read a simple packet, which is of the first interface and has neither time nor captured length."""
        interface = self.interface(0, position)
        original = self.word(body, 0)[0]
        captured = min(original, interface.snaplen or original, len(body) - 4)
        return Packet(number, 0, interface.linktype, body[4 : 4 + captured], original)

    def _obsolete(self, body: memoryview, position: int, number: int) -> Packet:
        index, _, high, low, captured, original = struct.unpack_from(self.order + "HHIIII", body)
        interface = self.interface(index, position)
        if 20 + captured > len(body):
            raise self.capture.corrupt(position, f"a packet of {captured} octets, more than its block has,")
        return Packet(number, interface.nanoseconds(high, low), interface.linktype, body[20 : 20 + captured], original)


_SHORTEST = {_SHB: 28, _IDB: 20, _PB: 32, _SPB: 16, _EPB: 32}
"""Block lengths below these have no room for the fixed fields."""


def _byte_order(capture: Source, view: memoryview, position: int) -> str:
    mark = bytes(view[position + 8 : position + 12])
    if mark == b"\x4d\x3c\x2b\x1a":
        return "<"
    if mark == b"\x1a\x2b\x3c\x4d":
        return ">"
    raise capture.corrupt(position, f"a section header whose byte order mark is {mark.hex(' ')}")


def frames(capture: Source, view: memoryview, alike: Alike) -> Iterator[Frame]:
    """Yield the packets of all sections; ``view`` holds at least the first 12 octets of the file.

    Those that *alike* has taken are passed over.
    """
    section = _Section(capture)
    alike.around = section.around
    number = position = 0
    while True:
        end = len(view)
        words, word, interfaces = section.words, section.word, section.interfaces
        while end - position >= 28:
            kind, length, index, high, low, captured, original = words(view, position)
            stop = position + length
            if kind != _EPB or stop > end:
                break
            if captured + 32 > length or length & 3 or word(view, stop - 4)[0] != length:
                section.length(view, position)
                raise _wrong_packet(capture, position, captured, length)
            if index >= len(interfaces):
                section.interface(index, position)
            interface = interfaces[index]
            number += 1
            time_ns = (high << 32 | low) * interface.multiplier // interface.divisor + interface.origin
            yield number, time_ns, interface.linktype, view, position + 28, position + 28 + captured, original
            position = stop
            if alike.octets:
                position, number, alike.octets = stop + alike.octets, number + alike.packets, 0
        view, position = capture.more(view, position, 12), 0
        length = section.length(view, 0) if len(view) >= 12 else 12
        view = capture.more(view, 0, length)
        if len(view) < length:
            if view:
                capture.cut_short(0, "in the middle of a block")
            return
        kind = section.word(view, 0)[0]
        if kind != _EPB:
            position = length
            number += kind in _FRAMES
            packet = section.block(view, 0, length, number)
            if packet is not None:
                yield frame_of(packet)


def _wrong_packet(capture: Source, position: int, captured: int, length: int) -> CaptureError:
    if captured + 32 > length:
        return capture.corrupt(position, f"a packet of {captured} octets in a block of {length}")
    return capture.corrupt(position, "a block whose two lengths differ")
