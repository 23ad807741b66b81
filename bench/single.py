# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person waits for, and how the wait grows: one frame's tree, and captures of three sizes.

A frame's tree is asked of sharkd, which is Wireshark without a window: frames at random places of a capture, each with
45 segments' worth of pages as offloading shows them.  The time is from the question to the answer's last octet, so the
writing of the tree as JSON is in it, with all octets of the payload; reading that JSON is not.  The same frame is asked
of a sharkd whose plugin does nothing: what TCP only takes.

How the cost grows is one number, the exponent: 1 is twice the time for twice the octets, 2 four times.  It is the slope
of a line through the logarithms of three sizes and of what each costs beyond a very small capture: instructions of
tshark, and processor time.  For the time, small and large take turns, the rounds are dealt out to three parts, and the
smallest time of a part's rounds stands for each, since what disturbs a run only ever adds; three parts give three
exponents.  TCP only is measured beside the plugin: what grows there, too, is Wireshark's and the machine's.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench import callgrind
from bench.inputs import SEGMENTS
from bench.plan import Inputs, Missing, Plan, dissector, spread
from bench.runs import NOOP, Loads, Usage, once, rounds
from dissector.errors import TsharkError
from dissector.tshark import Sharkd, Tshark
from dissector.tshark.sharkd import JSON_RPC_SINCE

OFFLOADED = 45 * 1448
FRAME_SIZE = 100.0
"""Megabytes of the capture that frames are asked of."""

QUESTIONS = 100
SMALL = 1.0
STEPS = (0.1, 1.0, 4.0)
"""The three sizes, by the size that was asked for."""

FEW, MANY, SETTLED = 6, 24, 200.0
"""Rounds for a very large capture, for a small one, and the megabytes up to which one is small."""

TSHARK = {"plugin": "plugin", "TCP only": "tcp"}
"""What tshark is looked at in: as it is called, and the way of runs.py."""

PARTS = 3
"""Exponents that the rounds give, each of its own."""


def frame(tshark: Tshark, plan: Plan, inputs: Inputs) -> dict[str, Any]:
    """Milliseconds for one frame's tree."""
    with inputs.borrowed("pages", OFFLOADED, min(plan.size, FRAME_SIZE)) as (path, made):
        inputs.say("sharkd, one frame at a time")
        try:
            with Sharkd(path, plan.plugin, tshark=tshark) as ours, Sharkd(path, NOOP, tshark=tshark) as tcp:
                numbers = [n for n in range(4, ours.count()) if (n - 3) % 3]
                chosen = random.Random(1).choices(numbers, k=QUESTIONS)
                took = list(zip(*(asked(each, tshark, chosen) for each in (ours, tcp)), strict=True))
        except TsharkError as error:
            if error.where == "sharkd" and error.what in ("not found", "not installed"):
                raise Missing("sharkd is not installed") from error
            raise
    return {
        "octets": OFFLOADED,
        "pages": made.records / made.segments,
        "milliseconds": spread([a for a, _ in took]),
        "tcp": spread([b for _, b in took]),
        "beyond": spread([a - b for a, b in took]),
    }


def asked(sharkd: Sharkd, tshark: Tshark, numbers: list[int]) -> Iterator[float]:
    """Milliseconds of wall time for each of these frames; two of these can take turns."""
    wanted: object = True if tshark.version >= JSON_RPC_SINCE else "yes"
    for number in numbers:
        began = time.perf_counter()
        sharkd.answer("frame", frame=number, proto=wanted)
        yield (time.perf_counter() - began) * 1e3


def growth(loads: Loads, plan: Plan, inputs: Inputs) -> Iterator[dict[str, Any]]:
    """The exponents of the plugin, of TCP only and of ``dissector summary``, for pages in large segments."""
    segment = max(SEGMENTS)
    sizes = [plan.size * step for step in STEPS]
    small, made = inputs.capture("pages", segment, SMALL)
    octets: list[float] = []
    seconds: dict[str, list[list[float]]] = {}
    counts: dict[str, list[float]] = {}
    for size in sizes:
        with inputs.borrowed("pages", segment, size) as (path, big):
            inputs.say(f"growth, {size:g} MB")
            for name, each in beyond(loads, path, small, many(size)).items():
                seconds.setdefault(name, []).append(each)
            if plan.counting:
                for name, count in counted(loads, path, small).items():
                    counts.setdefault(name, []).append(count)
        octets.append(big.octets - made.octets)
    for name, by_size in seconds.items():
        parts = [exponent(octets, each) for each in zip(*by_size, strict=True)]
        row: dict[str, Any] = {"work": name, "megabytes": sizes, "seconds": [spread(each) for each in by_size]}
        row["exponent"] = spread(parts)
        if name in counts:
            row |= {"instructions": counts[name], "counted": exponent(octets, counts[name])}
        yield row


def many(size: float) -> int:
    """How many rounds for a capture of that many megabytes: what is short needs more of them, and can have them."""
    return max(FEW, min(MANY, round(MANY * SETTLED / size)))


def beyond(loads: Loads, path: Path, small: Path, count: int) -> dict[str, list[float]]:
    """Seconds of processor time in each way and part, less those for the small capture in the same rounds."""
    pairs = (("", path), (" start", small))
    found = rounds({name + end: way for end, each in pairs for name, way in works(loads, each).items()}, count)
    least = {name: [min(u.cpu for u in used[i::PARTS]) for i in range(PARTS)] for name, used in found.items()}
    names = works(loads, path)
    return {n: [max(a - b, 1e-3) for a, b in zip(least[n], least[n + " start"], strict=True)] for n in names}


def counted(loads: Loads, path: Path, small: Path) -> dict[str, int]:
    """Instructions of tshark in each way, less those for the small capture."""
    runs, start = ({n: loads.command(way, each) for n, way in TSHARK.items()} for each in (path, small))
    return callgrind.beyond(loads, runs, start)


def works(loads: Loads, path: Path) -> dict[str, Callable[[], Usage]]:
    """What is looked at as it grows."""
    command = dissector("summary", "--json", path)
    return {**{name: loads.way(way, path) for name, way in TSHARK.items()}, "summary": partial(once, command)}


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The slope of the line of least squares through the logarithms of those points."""
    xs, ys = ([math.log(each) for each in values] for values in (xs, ys))
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    below = sum((each - x) ** 2 for each in xs)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / below if below else 1.0
