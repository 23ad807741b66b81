# SPDX-License-Identifier: GPL-2.0-or-later
"""A stored migration is read the same by everybody: by the decoder from the file, by all three from its wrapping."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from dissector.capture import Place
from dissector.cli import main
from dissector.decode import PduSeen, Recognised
from dissector.reading import Reading as FileReading
from dissector.regression.decoder import seen_by_decoder
from dissector.regression.model import protocol
from dissector.regression.seen import Key, Seen
from dissector.regression.wire import Cutter, Damage, cut, fixed, random_sizes, reorder, write_capture
from dissector.tshark import Tshark
from tests.qemu_migration.vectors import directions
from tests.support.readings import check_scapy, decoded, difference, findings, shown
from tests.support.stored import RECORDED, Recorded


@pytest.fixture(params=RECORDED, ids=str)
def recorded(request: pytest.FixtureRequest) -> Recorded:
    """Give one of the recorded files."""
    found: Recorded = request.param
    return found


@pytest.fixture
def wrapped(recorded: Recorded, tmp_path: Path) -> Path:
    """Give its wrapping."""
    path = tmp_path / "wrapped.pcapng"
    assert 0 == main(["wrap", str(recorded.plain(tmp_path)), *recorded.place, "-o", str(path)])
    return path


def place(recorded: Recorded) -> Place:
    options: dict[str, Any] = recorded.sidecar["place"]
    return Place(int(options["offset"], 0) if "offset" in options else None, options.get("snapshot"))


@pytest.mark.needs_tshark
def test_decoder_and_wireshark(wrapped: Path, tshark: Tshark, lua_plugin: Path) -> None:
    """Both see the same PDUs at the same places with the same fields and remarks."""
    ours, (theirs, said) = decoded(wrapped), shown(wrapped, tshark, lua_plugin)

    assert any(ours.pdus.values())
    assert not difference(ours.pdus, theirs)
    assert [] == ours.faults
    assert [text for e in ours.events for text in findings(e)] == said


def test_decoder_and_scapy(wrapped: Path) -> None:
    """Scapy dissects each PDU's octets to the same fields, and builds them again."""
    check_scapy(decoded(wrapped))


def test_stored_and_wrapped(recorded: Recorded, wrapped: Path, tmp_path: Path) -> None:
    """The file itself gives the same PDUs, and they follow one another to its last octet without a hole."""
    reading = FileReading(protocol(), str(recorded.plain(tmp_path)), place=place(recorded))
    pdus: dict[Key, list[Seen]] = defaultdict(list)
    at = 0
    for event in reading.events():
        if isinstance(event, PduSeen):
            assert at == event.offset
            at += event.length
            pdus[0, 0].append(seen_by_decoder(event))
        else:
            assert isinstance(event, Recognised)

    assert not difference(pdus, decoded(wrapped).pdus)
    assert [at, 0] == reading.wires[0].octets


def small(name: str) -> bytes:
    """The octets of a direction among the vectors, by what it is about."""
    return next(d.octets for d in directions() if d.about.startswith(name))


@pytest.mark.needs_tshark
@pytest.mark.parametrize(
    "about",
    ["pages at an ordinary page's boundary", "a block that x-ignore-shared leaves out", "the header tells the target"],
)
@pytest.mark.parametrize("cutter", [fixed(7), fixed(4096), random_sizes(5, 1, 900)], ids=["7", "4096", "random"])
@pytest.mark.parametrize("damage", [None, reorder(1)], ids=["in order", "reordered"])
def test_any_segmentation(  # noqa: PLR0917  fixtures and parameters
    about: str, cutter: Cutter, damage: Damage | None, tshark: Tshark, lua_plugin: Path, tmp_path: Path
) -> None:
    """PDUs that are nothing but a payload begin wherever a segment does."""
    capture = tmp_path / "small.pcap"
    segments = list(cut(small(about), cutter))
    write_capture(capture, [segments[0], *(damage(segments[1:]) if damage else segments[1:])])

    ours = decoded(capture)

    assert any(pdu.name == "MappedRamPages" for pdu in ours.pdus[0, 0])
    assert not difference(ours.pdus, shown(capture, tshark, lua_plugin, two_pass=True, read_filter="tcp")[0])
