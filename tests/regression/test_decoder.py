# SPDX-License-Identifier: GPL-2.0-or-later
"""The decoder's reading, the octets of its PDUs, and what Scapy is asked about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dissector.decode import PduSeen
from dissector.regression import decoder
from dissector.regression.compare import Different
from dissector.regression.decoder import Decoder, Window
from dissector.regression.layers import check_with_scapy
from dissector.regression.seen import Sight
from tests.support.recordings import recorded

Complete = tuple[Sight, PduSeen, bytes]


def complete(name: str) -> tuple[int, list[Complete]]:
    """How many PDUs there are, and those whose octets are all there."""
    found: list[Complete] = []
    reading = Decoder(recorded(name), inspect=lambda *each: found.append(each))
    return sum(isinstance(each, Sight) for each in reading), found


class TestOctets:
    def test_of_every_pdu(self) -> None:
        """In a whole capture each PDU gets as many octets as it has, and the header's are among them."""
        count, found = complete("qemu-7.2-preempt")

        assert count == len(found)
        assert all(len(octets) == pdu.length and octets.startswith(pdu.raw) for _, pdu, octets in found)

    def test_not_of_one_that_is_cut_off(self) -> None:
        """Where the capture ends in a PDU, that one is reported, and has no octets."""
        count, found = complete("qemu-7.2-failure")

        assert 0 <= count - len(found) <= 1

    def test_nothing_waits_behind_a_hole(self) -> None:
        """Octets on both sides of a gap are never taken for one PDU's."""
        _, found = complete("qemu-7.2-failure")
        window = Window()
        window.add(0, b"x" * 4)
        window.waiting.append(found[0][:2])
        window.add(5, b"x" * 100)

        assert [] == list(window.complete())

    def test_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nothing is reported, only the last octets are kept."""
        monkeypatch.setattr(decoder, "MOST", 1000)
        monkeypatch.setattr(decoder, "MARGIN", 10)
        window = Window()
        for offset in range(0, 100_000, 100):
            window.add(offset, b"x" * 100)

            assert len(window.octets) <= 1000

    def test_read_again(self) -> None:
        """A reading can be looped over twice, and is the same."""
        reading = Decoder(recorded("qemu-7.2-cancel"))

        assert list(reading) == list(reading)


class TestScapy:
    @pytest.fixture
    def start(self) -> Complete:
        """Give a PDU with more than one field."""
        return next(each for each in complete("qemu-7.2-failure")[1] if each[1].name == "SectionStart")

    def test_agrees(self, start: Complete) -> None:
        """What was recorded passes."""
        check_with_scapy(*start)

    def test_other_fields(self, start: Complete) -> None:
        """A field that Scapy reads differently is named with both values."""
        sight, pdu, octets = start
        wrong = replace(sight, seen=replace(sight.seen, fields=(("section.type", "9"), *sight.seen.fields[1:])))

        with pytest.raises(Different, match=r"SectionStart:\n  section.type: decoder '9', scapy '1'"):
            check_with_scapy(wrong, pdu, octets)

    def test_octets_left_over(self, start: Complete) -> None:
        """A PDU that is shorter for Scapy than for the decoder is a difference."""
        sight, pdu, octets = start

        with pytest.raises(Different, match="leaves 1 of"):
            check_with_scapy(sight, pdu, octets + b"x")

    def test_other_octets(self, start: Complete, monkeypatch: pytest.MonkeyPatch) -> None:
        """A PDU that Scapy builds otherwise is a difference."""
        sight, pdu, octets = start
        monkeypatch.setattr(pdu.kind.pdu.origin, "__bytes__", lambda _: b"other")

        with pytest.raises(Different, match="scapy builds other octets"):
            check_with_scapy(sight, pdu, octets)
