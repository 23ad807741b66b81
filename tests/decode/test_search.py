# SPDX-License-Identifier: GPL-2.0-or-later
"""Candidates: which octets are asked, and when one is waited for."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.decode.compile import Way
from dissector.decode.search import Search
from dissector.ir.pdus import Scan

FAR = 1 << 62


def way(name: str, anchor: tuple[int, tuple[int, ...]], ahead: bytes, window: int = 16) -> Way:
    """A way that accepts where *ahead* stands."""

    def accept(_: Any, b: bytes, at: int, end: int) -> int:
        if at + len(ahead) > end:
            return len(ahead)
        return 0 if b[at : at + len(ahead)] == ahead else -1

    return Way(Scan(None, anchor, window), accept, lambda *_: None, name)


def find(ways: tuple[Way, ...], b: bytes, at: int = 0, limit: int = FAR) -> tuple[int, str, int]:
    """(where, which, octets needed)."""
    place, found, need = Search(ways).find(None, b, at, min(len(b), limit), limit)
    return place, found.label if found else "", need


A, B = way("a", (0, (1,)), b"\x01\x02"), way("b", (3, (9, 8)), b"\x00\x00\x00\x09")


class TestSearch:
    def test_first_place(self) -> None:
        """The earliest octet at which any way accepts."""
        assert (2, "a", 0) == find((A,), b"\x01\x03\x01\x02")
        assert (1, "b", 0) == find((A, B), b"\x05\x00\x00\x00\x09\x01\x02\x00\x00")

    def test_order_of_ways(self) -> None:
        """At one octet the first way in order."""
        other = way("other", (1, (2,)), b"\x01")

        assert (0, "a", 0) == find((A, other), b"\x01\x02")
        assert (0, "other", 0) == find((other, A), b"\x01\x02")

    def test_waits_for_a_candidate(self) -> None:
        """A candidate that cannot be judged yet."""
        assert (1, "", 2) == find((A,), b"\x00\x01")

    def test_waits_for_an_anchor(self) -> None:
        """An octet is no candidate before its anchor has been seen."""
        assert (2, "", 4) == find((B,), bytes(5))
        assert (0, "", 4) == find((B,), bytes(1))

    def test_no_later_one_meanwhile(self) -> None:
        """While one is waited for, no later one is looked at."""
        assert (0, "", 4) == find((B, A), b"\x00\x01\x02")

    def test_behind_the_limit(self) -> None:
        """What will never be at hand is not waited for."""
        assert (2, "", 0) == find((A,), b"\x00\x01\x02", limit=2)
        assert (3, "", 0) == find((B, A), bytes(5), limit=3)

    def test_window(self) -> None:
        """A way that needs to look too far does not accept."""
        assert (2, "", 0) == find((way("w", (0, (1,)), b"\x01\x02\x03", window=2),), b"\x00\x01")

    def test_no_anchor(self) -> None:
        """No values means nowhere."""
        assert (4, "", 0) == find((way("n", (0, ()), b""),), bytes(4))
        assert (4, "", 0) == find((), bytes(4))

    @settings(max_examples=200, deadline=None)
    @given(b=st.lists(st.sampled_from([0, 1, 2, 8, 9]), max_size=30).map(bytes), cut=st.integers(0, 30))
    def test_any_cut(self, b: bytes, cut: int) -> None:
        """Going on from where it waited finds the same."""
        expected = find((A, B), b)
        place, name, need = find((A, B), b[:cut])
        if name:
            assert expected == (place, name, 0)
        elif len(b) - place >= need:
            assert expected == find((A, B), b, place)
