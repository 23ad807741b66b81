# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for any octets: layers lose nothing, streams neither fail nor depend on how they are cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dissector.decode import Event, Gap, Lost, Machine, Malformed, PduSeen, Resynced
from dissector.frontend.streams import translate_protocol
from dissector.protocols import qemu_migration as qm
from tests.qemu_migration.test_builder import main_channel
from tests.qemu_migration.vectors import directions, vectors

STREAMS = {s.name: s for s in translate_protocol(qm.PROTOCOL).streams}
VECTORS = vectors()
DIRECTIONS = directions()
SCANNED = {name for name in {v.layer for v in VECTORS} if getattr(qm, name).scan}
LAYERS = sorted({v.layer for v in VECTORS} - SCANNED)
WELL_FORMED = bytes(main_channel())

# Small values, so that lengths are short and flags are set; any value now and then.
OCTET = st.sampled_from([*range(8), 0x10, 0x20, 0x22, 0x28, 0x40, 0x7E, 0x80]) | st.integers(0, 255)
OCTETS = st.lists(OCTET)


@pytest.mark.parametrize("name", LAYERS)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_a_layer_loses_nothing(name: str, data: st.DataObject) -> None:
    """Built from what was dissected, the octets are the same."""
    layer: Any = getattr(qm, name)
    raw = bytearray(data.draw(st.sampled_from([v.octets for v in VECTORS if v.layer == name])))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(OCTET)
    raw += bytes([data.draw(OCTET)]) * 70000
    pdu = layer(bytes(raw))
    assume(pdu.payload)  # else the last field is cut short
    size = len(raw) - len(bytes(pdu.payload))

    with qm.unchecked():
        assert bytes(layer(**pdu.fields)) == raw[:size]


def pieces(stream: str, octets: bytes, sizes: list[int]) -> list[Event]:
    """All events, with the octets in pieces of these sizes, over and over."""
    m = Machine(STREAMS[stream])
    events: list[Event] = []
    at = i = 0
    while at < len(octets):
        events += m.feed(octets[at : at + sizes[i % len(sizes)]])
        at += sizes[i % len(sizes)]
        i += 1
    return events + m.close()


@pytest.mark.parametrize("name", sorted(STREAMS))
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_octets(name: str, data: st.DataObject) -> None:
    """A stream that somebody has tampered with: no exception, and the same events however it is cut."""
    right = data.draw(st.sampled_from([d.octets for d in DIRECTIONS if d.stream == name]))
    at = data.draw(st.integers(0, len(right)))
    octets = right[:at] + bytes(data.draw(OCTETS)) + right[at + data.draw(st.integers(0, 8)) :]
    sizes = data.draw(st.lists(st.integers(1, 100), min_size=1, max_size=5))

    whole = pieces(name, octets, [len(octets) or 1])

    assert pieces(name, octets, sizes) == whole


@pytest.mark.parametrize("high", [0x40, 0x7F, 0x80, 0xFF])
def test_a_size_of_almost_any_number_of_octets(high: int) -> None:
    """COLO's size of 64 bits, at its largest, is the same however the stream is cut."""
    right, at = next(
        (d.octets, e.offset + 4)
        for d in DIRECTIONS
        if d.stream == "main"
        for e in pieces("main", d.octets, [1 << 20])
        if isinstance(e, PduSeen) and e.name == "ColoVmstateSize"
    )
    octets = right[:at] + bytes([high]) + right[at + 1 :]

    assert pieces("main", octets, [1]) == pieces("main", octets, [len(octets)])


@settings(deadline=None)
@given(at=st.integers(0, len(WELL_FORMED)), length=st.integers(1, 6000))
def test_after_a_gap(at: int, length: int) -> None:
    """Whatever is missing: what is read behind it is what is there, and is complained of by nobody."""
    right = {(e.offset, e.name) for e in pieces("main", WELL_FORMED, [1 << 20]) if isinstance(e, PduSeen)}
    m = Machine(STREAMS["main"])
    events = m.feed(WELL_FORMED[:at]) + m.gap(length) + m.feed(WELL_FORMED[at + length :]) + m.close()
    seen = [e for e in events if isinstance(e, PduSeen)]

    assert {(e.offset, e.name) for e in seen} <= right
    assert [f for e in seen for f in e.findings] == []


def stream_of_pages() -> bytes:
    """Enough of everything that a reader can find its place in it."""
    main = qm.MainChannel()
    main.header()
    main.configuration(b"pc-q35-10.0")
    main.start_ram({b"pc.ram": 0x100000})
    for first in range(0, 0x100, 16):
        pages: list[Any] = [
            (b"pc.ram", page << 12, bytes([1]) * 4096 if page % 3 else 0) for page in range(first, first + 16)
        ]
        main.part_ram(*pages)
    main.end_ram()
    for number in range(20):
        main.full(b"device-%d" % number, bytes(range(7, 200)), version_id=number)
    main.eof(b'{"page_size": 4096}')
    return bytes(main)


PAGES = stream_of_pages()


class TestLostPosition:
    def test_is_found_again_among_pages(self) -> None:
        """Inside a run of pages two heads in a row are enough; the block is not known after that."""
        m = Machine(STREAMS["main"])
        events = m.feed(PAGES[:50000]) + m.gap(10000) + m.feed(PAGES[60000:]) + m.close()
        resynced = [e for e in events if isinstance(e, Resynced)]

        assert [e.state for e in resynced] == ["ram"]
        assert resynced[0].skipped < 2 * 4104
        assert [e.name for e in events if isinstance(e, PduSeen)][-1] == "VmDescription"
        assert m.registers["sections"][1] == b"ram"

    def test_is_found_again_among_devices(self) -> None:
        """A footer in front of a device is enough, even of a section that was never seen."""
        devices = PAGES.index(b"device-3")
        m = Machine(STREAMS["main"])
        events = m.feed(PAGES[: devices - 100]) + m.gap(500) + m.feed(PAGES[devices + 400 :]) + m.close()

        assert [e.state for e in events if isinstance(e, Resynced)] == ["footer"]
        assert not [e for e in events if isinstance(e, Malformed)]
        assert [e.name for e in events if isinstance(e, PduSeen)][-1] == "VmDescription"

    @pytest.mark.parametrize("start", [30, 3000, 100000])
    def test_capture_that_starts_midway(self, start: int) -> None:
        """Without the header nothing is known of the postcopy state, so nothing is complained of."""
        m = Machine(STREAMS["main"], midway=True)
        events = m.feed(PAGES[start:]) + m.close()
        seen = [e for e in events if isinstance(e, PduSeen)]

        assert [type(e) for e in events if isinstance(e, Gap | Lost | Malformed)] == []
        assert [f for e in seen for f in e.findings] == []
        assert [e.name for e in seen][-1] == "VmDescription"

    def test_between_sections(self) -> None:
        """The footer of a known section, then pages that continue a block which is not known any more: no error."""
        main = qm.MainChannel()
        main.header()
        main.start_ram({b"pc.ram": 0x10000})
        main.start(b"dirty-bitmap", b"\x01")
        main.part_ram((b"pc.ram", 0, 0))
        main.part(b"dirty-bitmap", b"\x55" * 300)
        main.part_ram((b"pc.ram", 0x1000, 0), (b"pc.ram", 0x2000, 0))
        main.end_ram()
        main.eof(b"{}")
        octets = bytes(main)
        at = octets.index(b"\x55" * 300)
        m = Machine(STREAMS["main"])
        events = m.feed(octets[: at + 10]) + m.gap(100) + m.feed(octets[at + 110 :]) + m.close()
        seen = [e for e in events if isinstance(e, PduSeen)]

        assert [e.state for e in events if isinstance(e, Resynced)] == ["footer"]
        assert [e.name for e in seen][-8:-5] == ["RamZero", "RamEos", "SectionFooter"]
        assert [f for e in seen for f in e.findings] == []

    @pytest.mark.parametrize("start", [1, 9, 20, 60])
    def test_return_path_that_starts_midway(self, start: int) -> None:
        """The first whole message is the place to go on."""
        back = qm.ReturnPath()
        back.add(qm.RpPong(value=1))
        for page in range(1, 9):
            back.request(b"pc.ram", page << 12)
        back.add(qm.RpShut())
        m = Machine(STREAMS["return_path"], midway=True)
        seen = [e for e in m.feed(bytes(back)[start:]) + m.close() if isinstance(e, PduSeen)]

        assert [e.name for e in seen][-2:] == ["RpReqPages", "RpShut"]
        assert [f for e in seen for f in e.findings] == []
