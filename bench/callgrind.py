# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions instead of seconds: the firm figures, the same on a quiet machine and on a busy one.

tshark is run under ``valgrind --tool=callgrind`` over a short and a long capture of the same kind.  The difference of
the two counts, by the difference in segments, is what one segment costs: program start, plugin load and tables that
grow with nothing cancel out.  "A segment" is one that carries payload, with its share of the acknowledgements.

Zero pages are counted by record: what the plugin takes above the no-op, which is called for the same segments.  Pages
are counted in the other ways, too, that pages are timed in: NBD on as many writes, and ``-T fields``.

A run takes fifty times as long as without valgrind, so the captures are small; the count of a run repeats to a few
parts in a hundred thousand (hash tables are seeded at random), and the slope to a few parts in a thousand.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.inputs import NBD, NBD_ALIKE, Made
from bench.rivals import ASKED
from bench.runs import WAYS, Loads
from dissector.errors import DissectorError

SIZES = {1448: (4, 24), 32 * 1024: (20, 120)}
"""Megabytes of the short and the long capture of pages, by segment size: so many segments between them that Lua's
collector, which works in bursts, does not show."""

ZERO_SIZES = {1448: (3, 9), 32 * 1024: (3, 9)}
"""The same for zero pages, of which a megabyte holds a hundred thousand."""

TREE_SIZES = {1448: (2, 8), 32 * 1024: (8, 40)}
"""The same for ``-T fields``: a tree of each frame takes its time."""


FIELDS, FIELDS_TCP = "fields", "fields-tcp"
"""Ways beside those of WAYS, for pages only, like NBD on as many writes: see rivals.py."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Instructions a segment in each way, and the records in a segment."""

    kind: str
    segment: int
    instructions: dict[str, float]
    records: float

    @property
    def per_record(self) -> float:
        """What the plugin takes for a record, above the no-op."""
        return (self.instructions["plugin"] - self.instructions["noop"]) / self.records

    @property
    def ratios(self) -> dict[str, float]:
        """One way by another, for all that were counted."""
        pairs = {f"plugin/{way}": ("plugin", way) for way in ("tcp", "noop", NBD, NBD_ALIKE)}
        pairs["fields/tcp"] = FIELDS, FIELDS_TCP
        found = self.instructions
        return {name: found[a] / found[b] for name, (a, b) in pairs.items() if b in found}


def find_valgrind() -> str:
    """Where it is."""
    found = shutil.which("valgrind")
    if found is None:
        raise DissectorError("valgrind", "not installed", "Debian, Ubuntu: sudo apt-get install valgrind")
    return found


def count(loads: Loads, command: list[str]) -> int:
    """Instructions of one run."""
    prefix = [find_valgrind(), "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    with tempfile.TemporaryFile() as said:
        process = loads.box.start([*prefix, *command], stdout=subprocess.DEVNULL, stderr=said)
        code = process.wait()
        said.seek(0)
        text = said.read().decode(errors="replace")
    found = re.search(r"Collected : (\d+)", text)
    if code or not found:
        raise DissectorError("valgrind", f"ended with code {code}: {text.strip()[-200:]}")
    return int(found[1])


Make = Callable[[str, int, float], tuple[Path, Made]]


Runs = Callable[[float], dict[str, list[str]]]
"""The commands for a capture of so many megabytes, by way."""


def commands(loads: Loads, make: Make, kind: str, segment: int) -> Runs:
    """What is to be counted for captures of that shape, and for pages also for the same pages as NBD writes."""

    def runs(size: float) -> dict[str, list[str]]:
        path, _ = make(kind, segment, size)
        found = {way: loads.command(way, path) for way in WAYS}
        if kind == "pages":
            found |= {each: loads.command("nbd", make(each, segment, size)[0]) for each in (NBD, NBD_ALIKE)}
        return found

    return runs


def trees(loads: Loads, make: Make, kind: str, segment: int) -> Runs:
    """The same with fields asked for."""

    def runs(size: float) -> dict[str, list[str]]:
        path, _ = make(kind, segment, size)
        ways = {FIELDS: "plugin", FIELDS_TCP: "tcp"}
        return {name: loads.command(way, path, *ASKED[way]) for name, way in ways.items()}

    return runs


def slopes(loads: Loads, make: Make, kinds: Sequence[str], segments: Sequence[int]) -> Iterator[Slope]:
    """All figures; *make* gives a capture of kind, segment size and megabytes, and what it holds.

    Two at a time: other work on the machine changes nothing in a count.
    """
    for kind, segment in product(kinds, segments):
        sizes = (ZERO_SIZES if kind == "zero" else SIZES)[segment]
        few, many = (make(kind, segment, size)[1] for size in sizes)
        more = many.segments - few.segments
        found = increase(loads, commands(loads, make, kind, segment), sizes, more)
        if kind == "pages":
            sizes = TREE_SIZES[segment]
            short, long = (make(kind, segment, size)[1].segments for size in sizes)
            found |= increase(loads, trees(loads, make, kind, segment), sizes, long - short)
        yield Slope(kind, segment, found, (many.records - few.records) / more)


def increase(loads: Loads, runs: Runs, sizes: tuple[int, int], segments: int) -> dict[str, float]:
    """Instructions a segment, by way, between captures of these two sizes, one of which has so many segments more."""
    short, long = map(runs, sizes)
    counts = counted(loads, [each[way] for way in short for each in (short, long)])
    return {way: (counts[2 * i + 1] - counts[2 * i]) / segments for i, way in enumerate(short)}


def counted(loads: Loads, runs: Sequence[list[str]]) -> list[int]:
    """Instructions of several runs."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda run: count(loads, run), runs))


def beyond(loads: Loads, runs: Mapping[str, list[str]], empty: Mapping[str, list[str]]) -> dict[str, int]:
    """Instructions of each run beyond the same way's over a capture without a packet."""
    counts = counted(loads, [each[way] for way in runs for each in (empty, runs)])
    return {way: counts[2 * i + 1] - counts[2 * i] for i, way in enumerate(runs)}
