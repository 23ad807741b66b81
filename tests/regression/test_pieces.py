# SPDX-License-Identifier: GPL-2.0-or-later
"""However the octets reach the decoder, it says the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dissector.regression.compare import Sides, compare
from dissector.regression.decoder import Decoder
from dissector.regression.seen import Fault, Sight
from tests.support.covering import cover
from tests.support.recordings import name_of

SIZES = (1, 2, 3, 7, 8, 9, 40, 600, 4096, 4104, 9000)

each_of_the_few = pytest.mark.parametrize("capture", cover(), ids=name_of)


def at_random(seed: int) -> object:
    rng = random.Random(seed)

    def pieces(data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            size = rng.choice(SIZES)
            yield data[at : at + size]
            at += size

    return pieces


def octets(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


@each_of_the_few
@pytest.mark.parametrize("pieces", [at_random(1), at_random(2), octets], ids=["random-1", "random-2", "octets"])
def test_any_pieces(capture: Path, pieces: object) -> None:
    """Fed in random pieces or octet by octet, the PDUs, their fields and the faults are the same."""
    whole: list[str] = []
    cut: list[str] = []

    left, right = Decoder(capture), Decoder(capture, pieces=pieces)  # type: ignore[arg-type]

    assert compare(noting(left, whole), noting(right, cut), Sides("whole", "in pieces")) > 0
    assert whole == cut


def noting(reading: Decoder, faults: list[str]) -> Iterator[Sight | Fault]:
    """The reading, and on the way its faults into a list."""
    for each in reading:
        if isinstance(each, Fault):
            faults.append(each.text)
        yield each
