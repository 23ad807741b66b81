# SPDX-License-Identifier: GPL-2.0-or-later
"""Two readings held against each other: what is a difference, and how it is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dissector.regression.compare import Different, Sides, compare
from dissector.regression.seen import Fault, Key, Seen, Sight
from dissector.regression.versions import KNOWN, applies, disorder, excuse_for
from dissector.regression.wire import cut, fixed, write_capture
from dissector.tshark import Tshark

SIDES = Sides("decoder", "tshark")


def page(number: int, *, side: int = 0, frame: int = 7, **fields: str) -> Sight:
    seen = Seen("RamPage", number * 10, 10, tuple(({"addr": str(number)} | fields).items()))
    return Sight((0, side), seen, frame)


def text(left: list[Sight], right: list[Sight]) -> str:
    with pytest.raises(Different) as error:
        compare(left, right, SIDES)
    return str(error.value)


class TestSame:
    def test_sides_in_any_order(self) -> None:
        """Only the order within one side of a connection counts, and not the frame."""
        left = [page(0), page(1), page(0, side=1)]
        right = [page(0, side=1), page(0, frame=9), page(1)]

        assert 3 == compare(left, right, SIDES)

    def test_faults_are_nobodys_pdus(self) -> None:
        """What a reader has to say is not compared."""
        assert 1 == compare([Fault(1, "late"), page(0)], [page(0), Fault(2, "other")], SIDES)

    def test_keeps_step(self) -> None:
        """One reading is taken no further than the other has come."""
        taken = 0

        def reading() -> Iterator[Sight]:
            nonlocal taken
            for number in range(1000):
                taken += 1
                yield page(number)

        def other() -> Iterator[Sight]:
            for number in range(1000):
                yield page(number)
                assert taken <= number + 1

        assert 1000 == compare(other(), reading(), SIDES)


class TestDifferent:
    def test_a_field(self) -> None:
        """Frame, offset, PDU, field and both values are named."""
        assert (
            "connection 0, client's PDU 1: frame 7 (the other: 8), offset 10, RamPage:\n  addr: decoder '1', tshark '2'"
        ) == text([page(0), page(1)], [page(0), page(1, frame=8, addr="2")])

    def test_a_field_that_one_has_not(self) -> None:
        """An absent field is none with an empty value."""
        assert "block: decoder absent, tshark ''" in text([page(0)], [page(0, block="")])

    def test_the_order_of_fields(self) -> None:
        """The same fields in another order are a difference too."""
        swapped = Sight((0, 0), Seen("RamPage", 0, 10, (("b", "1"), ("addr", "0"))), 7)

        assert "order of fields" in text([page(0, b="1")], [swapped])

    @pytest.mark.parametrize("side", [0, 1])
    def test_one_ends_early(self, side: int) -> None:
        """What one reading has and the other has not is named, whichever it is."""
        readings = [[page(0), page(1)], [page(0)]]

        assert f"{('tshark', 'decoder')[side]} has nothing here" in text(readings[side], readings[1 - side])

    def test_what_is_known(self) -> None:
        """An excuse is asked about the first difference of a side, and is for that side only."""
        asked = []

        def excuse(key: Key, ours: Sight, theirs: Sight | None) -> bool:
            asked.append((key, ours.seen.offset, theirs))
            return key == (0, 0)

        left = [page(0), page(1), page(2), page(0, side=1)]
        assert 2 == compare(left, [page(0), page(0, side=1)], SIDES, excuse)
        assert 2 == compare(left, [page(0), page(3), page(4), page(0, side=1)], SIDES, excuse)
        assert [((0, 0), 10, None), ((0, 0), 10, page(3))] == asked
        with pytest.raises(Different, match="server"):
            compare(left, [page(0), page(1, side=1)], SIDES, excuse)


class TestVersions:
    @pytest.mark.needs_tshark
    def test_places(self, tshark: Tshark, tmp_path: Path) -> None:
        """Where a segment is late or comes again is told for each side, by the octet."""
        path = tmp_path / "disorder.pcap"
        a, b, c = cut(b"x" * 30, fixed(10))
        write_capture(path, [a, c, b, replace(a, direction=1), replace(b, direction=1), replace(a, direction=1)])

        assert {"late": {(0, 0): 10}, "again": {(0, 0): 10, (0, 1): 0}} == disorder(path, tshark)

    def test_only_what_is_declared(self) -> None:
        """A release that is not named in a row is held to everything, and so is a run without the preference."""
        old, new = Tshark("old", (3, 4, 10), "5.2"), Tshark("new", (4, 0, 17), "5.2")
        off = {"prefs": {"tcp.reassemble_out_of_order": "FALSE"}}

        assert {"late", "again"} == {known.name for known in KNOWN if applies(known, old, {})}
        assert {"again"} == {known.name for known in KNOWN if applies(known, old, off)}
        assert excuse_for(Path("none"), new, {}) is None
