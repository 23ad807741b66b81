# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded migrations, and a few of them that have everything in them.

What is in a capture stands in its golden (tests/regression/__snapshots__), which a test holds against the capture.
From these the few are computed, so nobody keeps a list: each kind of message of each channel and direction is in one
of them, at the least cost.  A capture without a golden is one of them until it has one.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.recordings import PLAIN, name_of

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "regression" / "__snapshots__"
CAPTURES = PLAIN
WAYS = ("forward", "reverse")

Kind = tuple[str, str, str]


def structure(capture: Path) -> dict[str, Any] | None:
    """What its golden says of a capture."""
    path = GOLDEN / "test_readers" / f"test_structure[{name_of(capture)}].json"
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def kinds(told: dict[str, Any]) -> set[Kind]:
    """Which messages of which channel and direction there are."""
    return {(c["channel"], way, name) for c in told["connections"] for way in WAYS for name in c.get(way, {})}


def cost(told: dict[str, Any]) -> int:
    """What it takes to read a capture: a PDU costs tshark about as much as fifty octets cost whoever cuts them."""
    pdus: int = sum(number for c in told["connections"] for way in WAYS for number in c.get(way, {}).values())
    octets: int = sum(sum(c["octets"]) for c in told["connections"])
    return 50 * pdus + octets


@functools.cache
def cover() -> tuple[Path, ...]:
    """Captures that have every kind of message in them: the one with the most that is new for its cost, and again."""
    told = {capture: structure(capture) for capture in CAPTURES}
    chosen = [capture for capture, each in told.items() if each is None]
    known = {capture: each for capture, each in told.items() if each is not None}
    missing: set[Kind] = set().union(*map(kinds, known.values()))
    while missing:
        best = max(known, key=lambda p: (len(kinds(known[p]) & missing) / cost(known[p]), name_of(p)))
        chosen.append(best)
        missing -= kinds(known[best])
    return tuple(sorted(chosen))


def smallest(*wanted: str) -> Path:
    """The cheapest capture that has all these channels and messages."""
    fitting = [
        (cost(told), capture)
        for capture in CAPTURES
        if (told := structure(capture)) and set(wanted) <= {word for kind in kinds(told) for word in kind}
    ]
    return min(fitting)[1]


each_capture = pytest.mark.parametrize("capture", CAPTURES, ids=name_of)
