# SPDX-License-Identifier: GPL-2.0-or-later
"""Two kinds of PDUs in any order are counted together as they are one by one."""

from __future__ import annotations

import random
import struct
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.decode import Machine, PduSeen
from dissector.decode.mixed import Mix, Pair
from dissector.decode.runs import Run
from dissector.ir.lower import lower
from tests.decode import toy
from tests.decode.test_machine import feed

MAIN = toy.STREAMS["main"]
VALUES = {"unit": 64, "bound": 1 << 52}
BOUND = {"bound": 1 << 52}
START = toy.HELLO + b"\x05"


def mix_of(state: str) -> Mix:
    """The kinds of a state that have runs, numbered as its rules are."""
    lowered = next(s for s in lower(MAIN) if s.state.name == state)
    return Mix.of({j: run for j, b in enumerate(lowered.blocks) if (run := Run.of(lowered, b)) is not None})


def counted(octets: bytes, end: int | None = None, **changed: int) -> tuple[list[int], int]:
    """What is counted of words, small and big ones, and where it ends."""
    mix, tally = mix_of("words"), [0, 0]
    values = [{**VALUES, **changed}[r.path[1]] for r in mix.refs]
    at = mix(tally, (1, 0), octets, 0, len(octets) if end is None else end, *values)
    return tally, at


def shuffled(seed: int, smalls: int, bigs: int) -> list[bytes]:
    """So many words of either kind."""
    words = [toy.small(1)] * smalls + [toy.big(2)] * bigs
    random.Random(seed).shuffle(words)
    return words


_word = (
    st.builds(toy.small, st.integers(0, 9))
    | st.builds(toy.big, st.integers(0, 9))
    | st.builds(lambda w, n: w * n, st.builds(toy.small, st.integers(0, 9), st.integers(0, 4)), st.integers(1, 30))
)
_other = st.builds(lambda a, b: struct.pack(">IIB", a, b, 0), st.integers(0, 1 << 31), st.just(0x22))


class TestMixed:
    @settings(max_examples=150, deadline=None)
    @given(
        words=st.lists(st.lists(_word, max_size=40).map(b"".join) | _other, max_size=6),
        bound=st.sampled_from([0, 130, 256, 1 << 32, 1 << 52]),
        size=st.integers(1, 3000),
        end=st.sampled_from([b"", toy.END, toy.END + toy.say(b"more")]),
        short=st.integers(0, 80),
    )
    def test_same_counts_and_findings(self, words: list[bytes], bound: int, size: int, end: bytes, short: int) -> None:
        """In any order, whatever comes between, wherever the octets are cut, and where they end too early."""
        octets = START + b"".join(words) + end
        octets = octets[: max(len(START), len(octets) - short)]
        pieces = [octets[i : i + size] for i in range(0, len(octets), size)]
        loud, quiet = Machine(MAIN, {"bound": bound}), Machine(MAIN, {"bound": bound}, events=False)

        told = [*feed(loud, pieces), *loud.close()]
        assert [e for e in told if not isinstance(e, PduSeen) or e.findings] == [*feed(quiet, pieces), *quiet.close()]
        assert (loud.tally, loud.pos, loud.state) == (quiet.tally, quiet.pos, quiet.state)

    def test_it_is_used(self) -> None:
        """Most of a mix is read together, so that the test above is about that at all."""
        together: list[int] = []

        def count(pair: Pair, tally: list[int], b: bytes, at: int, end: int) -> int:
            stop = original(pair, tally, b, at, end)
            together.append(stop - at)
            return stop

        original, octets = Pair.count, b"".join(shuffled(1, 700, 300))
        with mock.patch.object(Pair, "count", count):
            m = Machine(MAIN, BOUND, events=False)
            m.feed(START + octets)

        assert {"small": 700, "big": 300} == {k: n for k, n in m.counts.items() if k in {"small", "big"}}
        assert sum(together) > len(octets) * 0.9

    def test_in_a_region(self) -> None:
        """It ends with its region, also where that ends inside a word."""
        mixed = b"\x05" + b"".join(shuffled(2, 60, 40))
        for cut in (0, 1, 30, 71):
            octets = toy.HELLO + toy.package(mixed[: len(mixed) - cut]) + mixed
            loud, quiet = Machine(MAIN, BOUND), Machine(MAIN, BOUND, events=False)

            told = [e for e in loud.feed(octets) if not isinstance(e, PduSeen) or e.findings]
            assert told == quiet.feed(octets)
            assert (loud.tally, loud.pos) == (quiet.tally, quiet.pos)

    @pytest.mark.parametrize(("smalls", "bigs"), [(7, 3), (70, 30), (300, 700), (0, 50), (6, 1), (1, 6)])
    @pytest.mark.parametrize("seed", range(4))
    def test_counts_both(self, seed: int, smalls: int, bigs: int) -> None:
        """However many there are of either kind, and more than a match has; seven short ones in a row may end it."""
        words = shuffled(seed, smalls, bigs)
        tally, at = counted(b"".join(words) + toy.END)
        read = words[: sum(tally)]

        assert b"".join(read) == b"".join(words)[:at]
        assert tally == [read.count(toy.small(1)), read.count(toy.big(2))]
        assert read == words or read[-7:] == [toy.small(1)] * 7

    def test_ends_with_what_is_neither(self) -> None:
        """Up to the first that is of another kind, has a finding, or is not there in full."""
        two = toy.small(1) + toy.big(2)

        assert ([3, 3], 243) == counted(two * 3 + toy.END + two)
        assert ([3, 3], 243) == counted(two * 3 + toy.small(1, fill=9) + two)
        assert ([3, 3], 243) == counted(two * 3 + toy.big(4) + two, bound=200)
        assert ([4, 3], 252) == counted(two * 4, 4 * 81 - 1)
        assert ([0, 0], 0) == counted(toy.END + two)
        assert ([0, 0], 0) == counted(two, 8)
        assert ([0, 0], 0) == counted(b"")

    def test_part_of_a_word_is_not_passed_over(self) -> None:
        """The part of a PDU that does match is not counted (a possessive repetition would, up to Python 3.11.4)."""
        two = toy.small(1) + toy.big(2)

        assert ([2, 2], 162) == counted(two * 2 + struct.pack(">Q", 0x4028) + b"x" * 63)
        assert ([2, 2], 162) == counted(two * 2 + toy.small(1, fill=9) * 9)

    def test_a_row_of_short_ones_is_left_to_runs(self) -> None:
        """These are counted faster by slices."""
        tally, at = counted(toy.big(1) + toy.small(1) * 500)

        assert [13, 1] == tally
        assert 72 + 13 * 9 == at

    def test_none_where_lengths_do_not_tell_the_number(self) -> None:
        """A modulus that makes both about as long, or one that is no power of two."""
        assert ([0, 0], 0) == counted(toy.small(1, unit=16) + toy.big(1, unit=16), unit=16)
        assert ([0, 0], 0) == counted(toy.small(1, unit=100) + toy.big(1, unit=100), unit=100)

    def test_pairs_do_not_pile_up(self) -> None:
        """A stream that changes its registers all the time does not fill the memory with expressions."""
        mix = mix_of("words")
        for bound in range(300):
            mix([0, 0], (0, 1), toy.big(1), 0, 72, *[{"unit": 64, "bound": bound}[r.path[1]] for r in mix.refs])

        assert len(mix.pairs) <= 64
