# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import io
import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from dissector.decode import Event, Gap, PduSeen, Recognised
from dissector.errors import CaptureError
from dissector.protocols.qemu_migration.builder import MainChannel
from dissector.reading import Reading
from dissector.regression.model import protocol
from dissector.regression.wire import Segment, cut, fixed, random_sizes, write_capture

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON = b'{"page_size": 4096, "devices": []}' + b" " * 5000


def stream(pages: int = 3) -> MainChannel:
    """Give a precopy migration with a long description behind it."""
    main = MainChannel()
    main.header()
    main.configuration(b"pc-q35-10.0")
    main.start_ram({b"pc.ram": 1 << 30})
    main.part_ram(*((b"pc.ram", 4096 * number, b"\1" * 4096) for number in range(1, pages + 1)))
    main.end_ram()
    main.full(b"timer", bytes(24), version_id=2)
    main.eof(JSON)
    return main


def capture(segments: Iterable[Segment], *, fin: bool = True) -> io.BytesIO:
    """Give a capture of these segments."""
    out = io.BytesIO()
    write_capture(out, segments, fin=fin)
    out.seek(0)
    return out


class TestPayload:
    @pytest.mark.parametrize("size", [1, 7, 1448, 65160])
    def test_it_is_cut_out_however_it_arrives(self, size: int) -> None:
        """The payload of a PDU that was named is handed over once, whole."""
        taken: list[tuple[PduSeen, bytes]] = []

        def take(pdu: PduSeen, octets: bytes) -> list[Event]:
            taken.append((pdu, octets))
            return []

        segments = cut(bytes(stream()), fixed(size))
        reading = Reading(protocol(), capture(segments), wanted={"VmDescription"}, payload=take)
        names = [event.name for event in reading.events() if isinstance(event, PduSeen)]

        assert [("VmDescription", JSON)] == [(pdu.name, octets) for pdu, octets in taken]
        assert "VmDescription" == names[-1]

    def test_what_is_returned_is_handed_on(self) -> None:
        """Events of the caller stand behind the PDU, and whoever watches sees them, too."""
        watched: list[Event] = []
        segments = cut(bytes(stream()), random_sizes(3))
        reading = Reading(
            protocol(), capture(segments), wanted={"VmDescription"}, payload=lambda pdu, _: [pdu], watch=watched.append
        )
        events = list(reading.events())

        assert events[-1] is events[-2]
        assert events == watched


class TestPassing:
    @pytest.mark.parametrize("size", [61, 1448, 65160])
    def test_every_payload_however_it_arrives(self, size: int) -> None:
        """Payloads go by in pieces, each with its PDU, and are handed over whole where that was asked for."""
        pieces: dict[int, bytes] = {}
        whole: dict[int, bytes] = {}

        def passing(pdu: PduSeen, octets: memoryview) -> None:
            pieces[pdu.offset] = pieces.get(pdu.offset, b"") + bytes(octets)

        def payload(pdu: PduSeen, octets: bytes) -> list[Event]:
            whole[pdu.offset] = octets
            return []

        known = {"MappedRamBitmap": passing}
        source = capture(cut(mapped(), fixed(size)))
        reading = Reading(protocol(), source, wanted=known, payload=payload, passing=known)
        for _ in reading.events():
            pass

        assert [bytes([n]) * 8 * n for n in (1, 2, 3)] == list(pieces.values())
        assert pieces == whole


def mapped() -> bytes:
    """Give a stream with mapped-ram, whose blocks have bitmaps of one, two and three words."""
    main = MainChannel()
    main.header()
    main.configuration(b"pc-q35-10.0", capabilities=[b"mapped-ram"])
    start = bytes.fromhex("01 00000002 03 72616d 00000000 00000004 0000000000180004")
    blocks = b""
    for n in (1, 2, 3):
        header = struct.pack(">IQQQ", 1, 4096, n << 20, (n << 20) + 8 * n)
        blocks += bytes([1, n]) + struct.pack(">Q", n << 18) + header + bytes([n]) * 8 * n + bytes(n << 18)
    return bytes(main) + start + blocks + bytes.fromhex("0000000000000010 7e 00000002")


class TestFacts:
    def test_octets_gaps_and_closing(self) -> None:
        """What no event tells is in ``wires``: octets with gaps, missing octets, who closed first and how."""
        segments = list(cut(bytes(stream()), fixed(1000)))
        size = sum(len(segment.data) for segment in segments)
        segments[2] = Segment(segments[2].data, segments[2].offset, lost=True)
        reading = Reading(protocol(), capture(segments))
        events = list(reading.events())
        wire = reading.wires[0]

        assert [1000] == [event.length for event in events if isinstance(event, Gap)]
        assert ([size, 0], [1000, 0]) == (wire.octets, wire.missing)
        assert {0: "fin", 1: "fin"} == wire.closed
        assert wire.first_ns < wire.last_ns

    def test_a_capture_that_ends_closes_nothing(self) -> None:
        """The end of the recording is not the end of a connection."""
        reading = Reading(protocol(), capture(cut(bytes(stream()), fixed(1448)), fin=False))
        list(reading.events())

        assert {} == reading.wires[0].closed

    def test_damage_comes_last(self) -> None:
        """All events of what is there come before the error."""
        whole = capture(cut(bytes(stream()), fixed(1448))).getvalue()
        seen: list[Event] = []
        reading = Reading(protocol(), io.BytesIO(whole[:-2000]), watch=seen.append)
        with pytest.raises(CaptureError, match="cut short"):
            list(reading.events())

        assert isinstance(seen[0], Recognised)
        assert any(isinstance(event, PduSeen) and event.name == "RamPage" for event in seen)


def test_memory_does_not_depend_on_the_length() -> None:
    """Ten times the pages need no more memory, when they are only counted: no more than the reader's blocks."""
    main = MainChannel()
    main.header()
    main.start_ram({b"pc.ram": 1 << 30})
    head = bytes(main)
    main.part_ram(*((b"pc.ram", 4096 * number, b"\1" * 4096) for number in range(14)))
    part = bytes(main)[len(head) :]

    def peak(parts: int) -> int:
        offsets = range(len(head), len(head) + parts * len(part), len(part))
        source = capture([Segment(head), *(Segment(part, at) for at in offsets)], fin=False)
        reading = Reading(protocol(), source, events=False)
        tracemalloc.start()
        for _ in reading.events():
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(600) < peak(60) + (1 << 19)
