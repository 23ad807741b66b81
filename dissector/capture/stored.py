# SPDX-License-Identifier: GPL-2.0-or-later
"""What a file says, whichever kind it is: a capture, or a stream that was stored instead of sent.

A stored stream is told as if it had been captured without a fault: one connection, whose client says everything and
whose server is silent.  It has no packets and no clock, so its frame numbers are 0, which no packet of a capture has.

A file is a capture if it begins like one, and a stored stream if the caller knows it by its first octets.  A
place that the caller names decides by itself: an offset, where the file has something else in front of the stream, or
the name of a snapshot in a disk image (:mod:`.qcow2`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from dissector.capture import qcow2
from dissector.capture.alike import Alike
from dissector.capture.files import MODIFIED, frames_of, is_capture
from dissector.capture.packet import Chunk, Closed, Connection, Endpoint, Event, Ignored, Opened
from dissector.capture.reassembly import said
from dissector.capture.source import BLOCK, Progress, Source
from dissector.errors import CaptureError

if TYPE_CHECKING:
    import os

HEAD = 64
"""Octets that tell what a file is."""

SEARCHED = 1 << 16
"""Octets at the beginning of a file in which a stream is looked for, to give a hint."""


@dataclass(frozen=True, slots=True)
class Known:
    """The streams that the caller knows: what to call them, and whether one can begin with some octets."""

    title: str
    begins: Callable[[bytes], bool]


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the file the stream is: behind so many octets, or in the snapshot of that name or id."""

    offset: int | None = None
    snapshot: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether somebody has said that there is a stream."""
        return self.offset is not None or self.snapshot is not None


ANYWHERE = Place()


def read_events(
    source: str | os.PathLike[str] | BinaryIO,
    known: Known,
    *,
    place: Place = ANYWHERE,
    progress: Progress | None = None,
    ignored: Ignored | None = None,
    damage: list[CaptureError] | None = None,
    joined: int = 0,
) -> Iterator[Event]:
    """Yield what the connections in a capture said, or the one connection that a stored stream is.

    *joined*: chunks of a direction may be put together up to so many octets.

    Damage behind the beginning of the file ends it like its end, and is appended to *damage*.
    """
    damage = [] if damage is None else damage
    opened = Source(source, progress=progress, strict=True)
    try:
        view = opened.more(memoryview(b""), 0, HEAD)
        if not place.is_given and (is_capture(view) or not len(view)):
            alike = Alike()
            frames = frames_of(opened, view, alike)
            del view  # or its mebibyte would be kept to the end
            yield from said(until_damage(frames, damage), ignored=ignored, joined=joined, alike=alike)
            return
        blocks, name = stream_of(source, opened, view, known, place), opened.name
        del view
        connection = Connection(0, Endpoint(name, 0), Endpoint("", 0), syn_seen=True)
        offset = 0
        for block in until_damage(blocks, damage):
            if not offset:
                yield Opened(connection, 0, 0)
            yield Chunk(connection, 0, offset, block, 0, 0)
            offset += len(block)
        yield Closed(connection, None, "end", 0, 0)
    finally:
        opened.close()


def read_stored(
    source: str | os.PathLike[str] | BinaryIO,
    known: Known,
    *,
    place: Place = ANYWHERE,
    progress: Progress | None = None,
) -> Iterator[memoryview]:
    """Yield the octets of a stored stream, in blocks of no particular size; never none at all."""
    opened = Source(source, progress=progress, strict=True)
    try:
        view = opened.more(memoryview(b""), 0, HEAD)
        if is_capture(view) and not place.is_given:
            raise CaptureError(opened.name, "a capture already", "Wireshark opens it as it is")
        yield from stream_of(source, opened, view, known, place)
    finally:
        opened.close()


def until_damage(items: Iterable[T], damage: list[CaptureError]) -> Iterator[T]:
    """Give the items; damage behind the first one ends them and is kept for later."""
    rest = iter(items)
    for first in rest:
        yield first
        try:
            yield from rest
        except CaptureError as error:
            damage.append(error)


def stream_of(
    source: str | os.PathLike[str] | BinaryIO, opened: Source, view: memoryview, known: Known, place: Place
) -> Iterator[memoryview]:
    """Yield the octets of the stream at *place* of a file whose first octets are *view*."""
    if place.snapshot is not None or (place.offset is None and qcow2.is_image(view)):
        blocks = qcow2.snapshot(source, opened.name, place.snapshot)
        first = next(blocks, memoryview(b""))
        if not known.begins(bytes(first[:HEAD])):
            raise CaptureError(opened.name, f"no {known.title} in this snapshot ({starts(bytes(first[:4]))})")
        yield first
        yield from blocks
        return
    if not len(view):
        raise CaptureError(opened.name, "empty file", "was it written to its end?")
    at = place.offset or 0
    view = skipped(opened, view, at)
    if not known.begins(bytes(view[:HEAD])):
        raise nothing(opened, view, known, at)
    while len(view):
        yield view
        view = opened.more(view, len(view), 1)


def skipped(opened: Source, view: memoryview, octets: int) -> memoryview:
    """Pass over so many octets; what is returned begins behind them."""
    while octets > len(view):
        octets -= len(view)
        view = opened.more(view, len(view), 1)
        if not len(view):
            what = f"the file ends {octets} octets before the place where the stream is to begin"
            raise CaptureError(opened.name, what, "--offset counts from the first octet of the file, unpacked")
    return opened.more(view, octets, HEAD)


def nothing(opened: Source, view: memoryview, known: Known, offset: int) -> CaptureError:
    """Say that no stream begins here, and where one does, if there is one near."""
    start = bytes(view[:4])
    if not offset and start in MODIFIED:
        return CaptureError(
            opened.name,
            f"a modified pcap file (starts with {start.hex(' ')}), which nobody has written for 20 years",
            "convert it: editcap -F pcap OLD NEW",
        )
    found = nearby(opened, view, known)
    if offset:
        hint = f"one begins at octet {offset + found}" if found else "offsets are in octets; 0x1000 and 4KiB are, too"
        return CaptureError(opened.name, f"no {known.title} at octet {offset} ({starts(start)})", hint)
    hint = "dumpcap, tcpdump and Wireshark write captures; editcap -F pcapng OLD NEW converts most others"
    if found:
        hint = f"a stream begins at octet {found}: --offset {found}"
    return CaptureError(
        opened.name, f"neither a pcap or pcapng file nor a stream of {known.title} ({starts(start)})", hint
    )


def starts(octets: bytes) -> str:
    """Say what a file starts with."""
    return f"starts with {octets.hex(' ')}" if octets else "there is nothing"


def nearby(opened: Source, view: memoryview, known: Known) -> int:
    """Give the place of the first stream in the next octets, or 0."""
    ahead = bytes(opened.more(view, 0, min(SEARCHED, BLOCK))[:SEARCHED])
    return next((at for at in range(1, len(ahead) - 8) if known.begins(ahead[at : at + HEAD])), 0)
