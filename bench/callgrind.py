# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions instead of seconds: the firm figures, the same on a quiet machine and on a busy one.

tshark is run under ``valgrind --tool=callgrind`` over a short and a long capture of the same kind.  The difference of
the two counts, by the difference in segments, is what one segment costs: program start, plugin load and tables that
grow with nothing cancel out.  "A segment" is one that carries payload, with its share of the acknowledgements.

Zero pages are counted by record: what the plugin takes above the no-op, which is called for the same segments.

A run takes fifty times as long as without valgrind, so the captures are small; the count of a run repeats to a few
parts in a hundred thousand (hash tables are seeded at random), and the slope to a few parts in a thousand.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.inputs import Made
from bench.runs import WAYS, Loads
from dissector.errors import DissectorError

SIZES = {1448: (3, 15), 32 * 1024: (12, 60)}
"""Megabytes of the short and the long capture, by segment size: some thousand segments between them."""

ZERO_SIZES = {1448: (3, 9), 32 * 1024: (3, 9)}
"""The same for zero pages, of which a megabyte holds a hundred thousand."""


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


def slopes(
    loads: Loads,
    make: Callable[[str, int, float], tuple[Path, Made]],
    kinds: Sequence[str],
    segments: Sequence[int],
) -> Iterator[Slope]:
    """All figures; *make* gives a capture of kind, segment size and megabytes, and what it holds.

    Two at a time: other work on the machine changes nothing in a count.
    """
    for kind, segment in product(kinds, segments):
        sizes = (ZERO_SIZES if kind == "zero" else SIZES)[segment]
        short, long = (make(kind, segment, size) for size in sizes)
        runs = [(way, capture) for way in WAYS for capture in (short, long)]
        with ThreadPoolExecutor(max_workers=2) as pool:
            counts = list(pool.map(lambda run: count(loads, loads.command(run[0], run[1][0])), runs))
        more = long[1].segments - short[1].segments
        instructions = {way: (counts[2 * i + 1] - counts[2 * i]) / more for i, way in enumerate(WAYS)}
        yield Slope(kind, segment, instructions, (long[1].records - short[1].records) / more)
