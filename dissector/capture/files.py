# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures to packets: the classic pcap format, and the door to both formats.

A pcap file is a 24-octet header and then records of 16 octets and a frame, in the byte order of the machine
that wrote it.  The magic number says three things at once: it is a capture, this is the byte order, and the
fraction of a second counts microseconds or nanoseconds.  :mod:`.pcapng` reads the other format.

Both readers are one generator each with everything it touches per packet in local variables, because a
gigabyte of capture is up to a million turns of this loop.  A packet's octets are two places in the block they
were read with, or a view into it, which costs the same for 60 octets and for 60,000.  The price is that whoever keeps
a view keeps its whole mebibyte; a consumer that wants to remember octets copies them (``bytes(packet.data)``), as
:mod:`.reassembly` does.

Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from dissector.capture import pcapng
from dissector.capture.alike import Alike
from dissector.capture.packet import Frame, Packet, packet_of
from dissector.capture.source import MAX_RECORD, Progress, Source
from dissector.errors import CaptureError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class _Magic:
    order: str
    nanoseconds: int
    """Nanoseconds in one unit of the fraction."""


_MAGIC = {
    b"\xd4\xc3\xb2\xa1": _Magic("<", 1000),
    b"\xa1\xb2\xc3\xd4": _Magic(">", 1000),
    b"\x4d\x3c\xb2\xa1": _Magic("<", 1),
    b"\xa1\xb2\x3c\x4d": _Magic(">", 1),
}
MODIFIED = {b"\xa1\xb2\xcd\x34", b"\x34\xcd\xb2\xa1"}
"""Kuznetzov's patched libpcap, whose record headers have eight more octets, and not always in one order."""


def read_packets(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    progress: Progress | None = None,
    strict: bool = False,
    warnings: list[str] | None = None,
) -> Iterator[Packet]:
    """Yield the packets of a pcap or pcapng capture, plain, gzipped or zstd-compressed, in the order of the
    file.

    ``source`` is a path, ``"-"`` for standard input, or a stream open for reading octets (which stays open).
    Nothing is opened before the first packet is asked for; a ``CaptureError`` comes from there.

    A capture that was cut short gives all its whole packets.  Then, with ``strict``, it raises
    ``CaptureError``; otherwise it ends, and one sentence that says so is appended to ``warnings``.
    """
    capture = Source(source, progress=progress, strict=strict, warnings=warnings)
    try:
        yield from map(packet_of, frames_of(capture, capture.more(memoryview(b""), 0, 24)))
    finally:
        capture.close()


def is_capture(view: memoryview) -> bool:
    """Tell whether a file with these first octets is in one of the formats."""
    magic = bytes(view[:4])
    return magic in _MAGIC or magic == pcapng.MAGIC


def frames_of(capture: Source, view: memoryview, alike: Alike | None = None) -> Iterator[Frame]:
    """Yield the packets of an open capture, of which *view* has the first 24 octets or more.

    Those that *alike* has taken are passed over.
    """
    alike = alike or Alike()
    if not view:
        raise CaptureError(capture.name, "empty file", "was the recording stopped before its first packet?")
    magic = bytes(view[:4])
    if magic in MODIFIED:
        raise CaptureError(
            capture.name,
            f"a modified pcap file (starts with {magic.hex(' ')}), which nobody has written for 20 years",
            "convert it: editcap -F pcap OLD NEW",
        )
    if not is_capture(view):
        raise CaptureError(
            capture.name,
            f"not a pcap or pcapng file (starts with {magic.hex(' ')})",
            "dumpcap, tcpdump and Wireshark write these; editcap -F pcapng OLD NEW converts most others",
        )
    if len(view) < 24:
        raise CaptureError(
            capture.name, f"only {len(view)} octets, less than a capture's header", "record or copy it again"
        )
    if magic == pcapng.MAGIC:
        return pcapng.frames(capture, view, alike)
    return _pcap(capture, view, _MAGIC[magic], alike)


def _around(view: memoryview, start: int, stop: int) -> tuple[int, int, bytes, bytes]:
    """Tell :mod:`.alike` of a record; its time may be any."""
    return start - 16, stop, b".{8}" + re.escape(bytes(view[start - 8 : start])), b""


def _pcap(capture: Source, view: memoryview, magic: _Magic, alike: Alike) -> Iterator[Frame]:
    # The upper bits tell how many octets of checksum end each frame; IP's own length cuts those off.
    linktype = struct.unpack_from(magic.order + "I", view, 20)[0] & 0x03FFFFFF
    unpack = struct.Struct(magic.order + "IIII").unpack_from
    unit = magic.nanoseconds
    number = 0
    position = 24
    alike.around = _around
    while True:
        end = len(view)
        need = 16
        while end - position >= 16:
            seconds, fraction, captured, original = unpack(view, position)
            start = position + 16
            stop = start + captured
            if stop > end:
                need = 16 + captured
                break
            number += 1
            yield number, seconds * 1_000_000_000 + fraction * unit, linktype, view, start, stop, original
            position = stop
            if alike.octets:
                position, number, alike.octets = stop + alike.octets, number + alike.packets, 0
        if need > MAX_RECORD:
            raise capture.corrupt(position, f"a packet record of {need - 16} octets")
        view = capture.more(view, position, need)
        position = 0
        if len(view) < need:
            if view:
                capture.cut_short(0)
            return
