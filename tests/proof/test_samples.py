# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import random

import pytest
from scapy.contrib.bfd import BFD
from scapy.fields import ByteEnumField, ByteField, FieldLenField, PacketListField, ShortField, StrLenField
from scapy.packet import Packet, bind_layers

from dissector.proof.build import Builder, classes_in, hosts, known_classes
from dissector.proof.record import readings
from dissector.proof.samples import CUT, samples


class Item(Packet):
    fields_desc = [
        ByteEnumField("kind", 1, {1: "one", 7: "seven"}),
        FieldLenField("size", None, length_of="data", fmt="B"),
        StrLenField("data", b"", length_from=lambda pkt: pkt.size),
    ]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        return b"", s


class Needy(Packet):
    """Cannot be read without the packet that carries it."""

    fields_desc = [StrLenField("text", b"", length_from=lambda pkt: pkt.underlayer.size), ShortField("tail", 0)]


class Host(Packet):
    fields_desc = [
        ByteField("size", 3),
        PacketListField("items", [], Item, count_from=lambda pkt: pkt.size & 1),
    ]


def choose(octets: bytes) -> Packet:
    return {0: Item, 1: Host}.get(octets[0], Item)(octets)


bind_layers(Host, Needy, size=2)


class TestSamples:
    def test_there_are_as_many_as_wanted(self) -> None:
        """All different, all read by Scapy, most of them built by it."""
        found = samples(BFD)

        assert (50, CUT) == (len(found.whole), len(found.cut))
        assert not any(r.broken for r in found.whole.values())
        assert found.built >= 30

    def test_a_seed_gives_the_same(self) -> None:
        """A difference that was seen once can be seen again."""
        assert list(samples(Item, seed=3).whole) == list(samples(Item, seed=3).whole)
        assert list(samples(Item, seed=3).whole) != list(samples(Item, seed=4).whole)

    def test_the_callers_random_numbers_are_left_alone(self) -> None:
        """Scapy draws from the one generator that everybody has."""
        random.seed(1)
        expected = random.random()
        random.seed(1)
        samples(Item, wanted=5)

        assert expected == random.random()

    def test_a_class_that_needs_another(self) -> None:
        """It is looked for inside those that carry it."""
        found = samples(Needy, hosts([Host, Needy, Item])[Needy])

        assert Host is found.entry
        assert len(found.whole) >= 50
        assert all(Needy in {r.layer for r in readings(reading)} for reading in found.whole.values())


class TestBuilder:
    def test_values_come_from_the_table(self) -> None:
        """Enumerations are mostly what they list."""
        builder = Builder(random.Random(1))
        kinds = [builder.packet(Item).kind for _ in range(100)]

        assert sum(kind in {1, 7} for kind in kinds) > 70

    def test_lengths_are_left_to_scapy(self) -> None:
        """Mostly, since wrong ones must be read as well."""
        builder = Builder(random.Random(1))
        right = [len(p.data) == bytes(p)[1] for p in (builder.packet(Item) for _ in range(100))]

        assert sum(right) > 70

    def test_classes_of_a_selector(self) -> None:
        """A function's classes are those that it names, in a table or not."""
        assert [Item, Host] == classes_in(choose)
        assert [Item, Host] == known_classes(PacketListField("x", [], choose))


@pytest.mark.parametrize("cls", [Item, Host])
def test_cut_samples_are_shorter_than_a_whole_one(cls: type[Packet]) -> None:
    """Each is the beginning of a sample, and none of the samples itself."""
    found = samples(cls)

    assert all(any(w.startswith(c) and w != c for w in found.whole) for c in found.cut)
