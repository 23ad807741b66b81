# SPDX-License-Identifier: GPL-2.0-or-later
"""What was asked for, the inputs that it takes, and the few words that every part uses."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.inputs import KINDS, SEGMENTS, Made
from bench.runs import ROOT, Spread, Usage, read

ROWS = (
    "instructions", "load", "nbd", "fields", "real", "frame", "decoder", "summary", "analyze", "generate", "growth",
)  # fmt: skip
"""What can be asked for alone: a row or a few rows of the table each, in the order in which they are measured."""

PLUGIN = ROOT / "lua_out" / "qemu_migration.lua"


class Missing(Exception):
    """A part cannot be measured here, for want of something that the message names."""


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    size: float = 1000.0
    count: int = 5
    rows: Sequence[str] = ROWS
    kinds: Sequence[str] = KINDS
    counted: Sequence[str] = ("pages", "zero")
    """The kinds whose instructions are counted, which takes minutes each."""
    segments: Sequence[int] = SEGMENTS
    plugin: Path = PLUGIN
    against: Path | None = None
    analyze: Path | None = None

    @property
    def counting(self) -> bool:
        """Whether instructions are asked for, and can be counted."""
        return "instructions" in self.rows and shutil.which("valgrind") is not None


@dataclass
class Inputs:
    """Captures in a folder that is gone afterwards; each is made once, and dropped when it is no longer of use."""

    folder: Path
    say: Callable[[str], None]
    made: dict[Path, Made] = field(default_factory=dict)

    def capture(self, kind: str, segment: int, size: float) -> tuple[Path, Made]:
        """A capture of that kind, segment size and megabytes; segments of 0: the stream in a file."""
        path = self.folder / f"{kind}-{segment}-{size:g}.{'pcap' if segment else 'stream'}"
        if path not in self.made:
            self.say(f"making {path.name}")
            numbers = read("bench.inputs", kind, segment, size, path, self.folder).split()
            path.chmod(0o644)
            self.made[path] = Made(*(int(n) for n in numbers))
        return path, self.made[path]

    @contextmanager
    def borrowed(self, kind: str, segment: int, size: float) -> Iterator[tuple[Path, Made]]:
        """A capture that is removed at the end: six of a gigabyte need not lie there together."""
        path, made = self.capture(kind, segment, size)
        try:
            yield path, made
        finally:
            path.unlink()
            del self.made[path]


def dissector(*words: object) -> list[str]:
    """The command line of the command ``dissector``."""
    return [sys.executable, "-m", "dissector", *(str(word) for word in words)]


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """Smallest, middle and greatest, as JSON wants them."""
    return dataclasses.asdict(Spread.of(values))


def median(found: Sequence[Usage]) -> float:
    """The middle processor time."""
    return Spread.of([u.cpu for u in found]).median


def peak(found: Sequence[Usage]) -> int:
    """The middle of the peaks: one run's allocator may be unlucky."""
    return int(Spread.of([u.peak for u in found]).median)


def beyond_start(found: Sequence[Usage], start: Sequence[Usage]) -> list[float]:
    """Seconds of processor time of each run beyond the middle of the start's: those of one round differ by chance."""
    usual = median(start)
    return [max(used.cpu - usual, 1e-3) for used in found]
