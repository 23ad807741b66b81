# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from scapy.fields import (
    BitField,
    ByteField,
    ConditionalField,
    FieldListField,
    PacketListField,
    PadField,
    ShortField,
    StrField,
    StrLenField,
)
from scapy.packet import Packet, Raw, bind_layers

from dissector.proof.record import Octets, Reading, read, readings, recording


class Element(Packet):
    fields_desc = [ByteField("a", 0), ShortField("b", 0)]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        return b"", s


class Load(Packet):
    fields_desc = [ByteField("kind", 0), ShortField("rest", 0)]


class Outer(Packet):
    fields_desc = [
        ByteField("n", 0),
        BitField("x", 0, 4, tot_size=-2),
        BitField("y", 0, 12, end_tot_size=-2),
        PadField(StrLenField("s", b"", length_from=lambda _: 2), 4),
        PacketListField("list", [], Element, count_from=lambda pkt: pkt.n),
        ConditionalField(ByteField("sometimes", 0), lambda pkt: pkt.n == 9),
        FieldListField("numbers", [], ShortField("", 0), count_from=lambda _: 2),
    ]


bind_layers(Outer, Load)
OCTETS = bytes.fromhex("02 3412 61620000 01 0002 03 0004 0005 0006 07 0008")


def places(reading: Reading) -> dict[str, tuple[float, float]]:
    return {v.name: (v.begin / 8, v.end / 8) for v in reading.values}


class TestOctets:
    def test_a_slice_knows_its_place(self) -> None:
        """Slices of slices count from the first octet of all."""
        assert 5 == Octets(b"0123456789", 2)[1:][2:4].at

    def test_an_octet_is_a_number(self) -> None:
        """One octet is what it is in bytes."""
        assert 0x31 == Octets(b"0123", 0)[1]

    def test_a_reversed_slice_has_no_place(self) -> None:
        """Whoever turns octets round gets plain ones."""
        assert type(Octets(b"0123", 0)[::-1]) is bytes


class TestReading:
    def test_places(self) -> None:
        """Each field has its bits, padding and what is not there left out."""
        found = places(read(Outer, OCTETS))

        assert {
            "n": (0, 1),
            "x": (1, 1.5),
            "y": (1.5, 3),
            "s": (3, 5),
            "list": (7, 13),
            "numbers": (13, 17),
        } == found

    def test_a_reversed_group_is_told(self) -> None:
        """Bits of octets that are read in reverse order carry the octets."""
        found = {v.name: v.swapped for v in read(Outer, OCTETS).values}

        assert ((1, 2), (1, 2), None) == (found["x"], found["y"], found["s"])

    def test_elements(self) -> None:
        """Elements of lists have places of their own, packets and values alike."""
        by_name = {v.name: v for v in read(Outer, OCTETS).values}
        packets, numbers = by_name["list"].packets, by_name["numbers"].elements

        assert packets is not None
        assert numbers is not None
        assert [(7, 10), (10, 13)] == [(p.start, p.stop) for p in packets]
        assert [(13, 15, 5), (15, 17, 6)] == [(n.begin // 8, n.end // 8, n.value) for n in numbers]

    def test_payload_and_what_is_behind_it(self) -> None:
        """The payload begins where the fields end."""
        payload = read(Outer, OCTETS).payload

        assert payload is not None
        assert (Load, 17, 20) == (payload.layer, payload.start, payload.stop)

    def test_values_are_the_same_as_without(self) -> None:
        """Scapy reads the same as when nobody looks, and afterwards everything is as it was."""
        before = Packet.do_dissect
        found = {v.name: v.value for v in read(Outer, OCTETS).values}

        assert Packet.do_dissect is before
        assert Outer(OCTETS).fields == found

    def test_a_payload_that_fails(self) -> None:
        """What Scapy makes Raw of, with what it had read before it failed."""
        payload = read(Outer, OCTETS[:-1]).payload

        assert payload is not None
        assert Raw is payload.layer
        assert [(Load, {"kind": (17, 18)})] == [(t.layer, places(t)) for t in payload.tried]
        assert payload.tried[0].broken.startswith("error: unpack requires")

    def test_an_element_that_fails(self) -> None:
        """The last element is Raw, and the attempt is kept."""
        last = list(readings(read(Outer, OCTETS[:11])))[-1]

        assert (Raw, 10, 11) == (last.layer, last.start, last.stop)
        assert [Element] == [t.layer for t in last.tried]

    def test_a_packet_that_fails(self) -> None:
        """A datagram that Scapy refuses is no exception here."""
        found = read(Outer, OCTETS[:1])

        assert ["n"] == [v.name for v in found.values]
        assert found.broken.startswith("error: unpack requires a buffer of ")

    def test_padding(self) -> None:
        """What belongs to nobody is padding of the outermost packet."""
        assert (3, 5) == read(Element, bytes(5)).padding

    def test_recordings_may_nest(self) -> None:
        """A reading inside a recording leaves the outer one in place."""
        with recording() as outer:
            read(Element, bytes(3))
            Element(bytes(3))

        assert 1 == len(outer.attempts)


@pytest.mark.parametrize("octets", [OCTETS[:n] for n in range(1, len(OCTETS))])
def test_every_beginning_is_read_or_broken(octets: bytes) -> None:
    """However short the octets, the reading ends as Scapy's own does."""
    said = False
    try:
        Outer(octets)
    except Exception:  # noqa: BLE001 - whatever Scapy says
        said = True

    assert said == bool(read(Outer, octets).broken)


class Greedy(Packet):
    fields_desc: Any = [StrField("all", b"")]


def test_a_field_that_takes_everything() -> None:
    """A value up to the end has a place, too."""
    assert {"all": (0, 4)} == places(read(Greedy, b"1234"))
