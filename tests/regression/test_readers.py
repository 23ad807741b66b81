# SPDX-License-Identifier: GPL-2.0-or-later
"""Three readers, one truth: decoder, Scapy and Wireshark give the same PDUs of every capture, field by field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dissector.regression.pdus import Pdus
from tests.support.covering import CAPTURES, Kind, cover, each_capture, kinds, structure


@each_capture
def test_all_executors_agree(capture: Path, assert_same: Callable[[Path], int]) -> None:
    """Every PDU stands at the same place with the same fields, and Scapy builds its octets again."""
    assert assert_same(capture) > 0


@each_capture
def test_structure(capture: Path, dissect: Callable[[Path], Pdus], golden: Any) -> None:
    """A capture has the connections that it had, and in them as many of each PDU."""
    assert dissect(capture).structure == golden


def test_the_few_have_everything() -> None:
    """What other tests do to a few captures only is done to every kind of message that was recorded."""
    everything = set().union(*map(recorded_kinds, CAPTURES))

    assert everything == set().union(*map(recorded_kinds, cover()))
    assert len(cover()) < len(CAPTURES)


def recorded_kinds(capture: Path) -> set[Kind]:
    told = structure(capture)
    return kinds(told) if told else set()
