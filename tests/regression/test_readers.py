# SPDX-License-Identifier: GPL-2.0-or-later
"""Three readers, one truth: the decoder, Scapy and Wireshark give the same PDUs of every capture, field by field."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dissector.decode import PduSeen
from dissector.tshark import Tshark
from tests.support.readers import (
    CAPTURES,
    Seen,
    decoded,
    difference,
    key_of,
    seen_by_decoder,
    seen_by_scapy,
    wireshark,
)

each_capture = pytest.mark.parametrize("capture", CAPTURES, ids=lambda p: p.name.split(".pcap")[0])


@each_capture
class TestEveryCapture:
    @pytest.mark.needs_tshark
    def test_decoder_and_wireshark(self, capture: Path, tshark: Tshark, plugin: Path) -> None:
        """The streaming decoder and the generated plugin see the same PDUs at the same places with the same fields."""
        ours, theirs = decoded(capture), wireshark(capture, tshark, plugin)

        assert any(ours.pdus.values())
        assert not difference(ours.pdus, theirs.pdus)

    def test_decoder_and_scapy(self, capture: Path) -> None:
        """Scapy dissects each PDU's octets to the same fields, builds them again, and has none left over."""
        reading = decoded(capture)
        for e in reading.events:
            if isinstance(e, PduSeen):
                octets = bytes(reading.octets[key_of(e, reading)][e.offset : e.offset + e.length])
                if len(octets) == e.length:  # the last PDU of a stream that was cut off is not all there
                    assert on_the_wire(e) == seen_by_scapy(e, octets)

    @pytest.mark.parametrize("seed", [1, 2])
    def test_random_pieces(self, capture: Path, seed: int) -> None:
        """However the octets are cut, the events are the same."""
        rng = random.Random(seed)

        def pieces(data: bytes) -> Iterator[bytes]:
            at = 0
            while at < len(data):
                size = rng.choice([1, 2, 3, 7, 8, 9, 40, 600, 4096, 4104, 9000])
                yield data[at : at + size]
                at += size

        assert_same_events(capture, pieces)

    def test_octet_by_octet(self, capture: Path) -> None:
        """Fed one octet at a time the events are the same."""

        def pieces(data: bytes) -> Iterator[bytes]:
            return (data[i : i + 1] for i in range(len(data)))

        assert_same_events(capture, pieces)


def assert_same_events(capture: Path, pieces: object) -> None:
    whole, cut = decoded(capture), decoded(capture, pieces)  # type: ignore[arg-type]

    assert not difference(whole.pdus, cut.pdus)
    assert whole.faults == cut.faults


def on_the_wire(e: PduSeen) -> Seen:
    """A PDU without what is only noted beside it."""
    seen = seen_by_decoder(e)
    return replace(seen, fields=seen.fields[: len(seen.fields) - len(e.notes)])
