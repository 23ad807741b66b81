# SPDX-License-Identifier: GPL-2.0-or-later
"""Two readings held against each other: what is a difference, and how it is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dissector.regression.compare import Different, Sides, compare
from dissector.regression.seen import Fault, Seen, Sight

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

    def test_an_excuse_is_for_the_end_only(self) -> None:
        """What is known to be missing may be missing; what is there must still be right."""
        assert 1 == compare([page(0), page(1), page(2)], [page(0)], SIDES, lambda _key, sight: sight.seen.offset == 10)
        with pytest.raises(Different):
            compare([page(0), page(1)], [page(0), page(2)], SIDES, lambda *_: True)
        with pytest.raises(Different):
            compare([page(0), page(1)], [page(0)], SIDES, lambda *_: False)
