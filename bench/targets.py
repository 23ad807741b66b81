# SPDX-License-Identifier: GPL-2.0-or-later
"""What is promised, row by row, and where in a result its figure stands.

A row has up to two figures.  The firm one is counted in instructions and is the same on every machine with the same
tshark; the timed one is the middle of several rounds, with the smallest and the greatest.  Either may be missing: a
part was not asked for, a program is not there, or the row is of one kind only.

``portable`` rows are ratios, counts and octets, which two machines can compare; they come first in the table and go
into history.csv.  The others are seconds and octets a second, which say as much about the machine as about us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.inputs import MEGABYTE, NBD, NBD_ALIKE

Result = Mapping[str, Any]
Spread = Mapping[str, float]

LARGE, SMALL = 32 * 1024, 1448
MOST, LEAST = "≤", "≥"


@dataclass(frozen=True, slots=True)
class Target:
    """One row: its name in history.csv, its words, its limit, and how to find its figures."""

    key: str
    label: str
    sign: str
    limit: float
    timed: Callable[[Result], Spread | None]
    firm: Callable[[Result], float | None]
    unit: str = ""
    portable: bool = True

    def met(self, result: Result) -> bool | None:
        """Whether every figure that there is keeps the promise; nothing if there is none."""
        spread, count = self.timed(result), self.firm(result)
        timed = [] if spread is None else [spread["median"]]
        values = timed if count is None else [count, *timed]
        if not values:
            return None
        return all(each <= self.limit if self.sign == MOST else each >= self.limit for each in values)


def row_of(result: Result, part: str, **where: object) -> Mapping[str, Any] | None:
    """The first row of *part* with these values; a part that is one row is a list of one."""
    found = result.get(part, ())
    for row in [found] if isinstance(found, Mapping) else found:
        if all(row.get(name) == value for name, value in where.items()):
            return row
    return None


def value(part: str, *path: str, factor: float = 1.0, **where: Any) -> Callable[[Result], Any]:
    """A function that finds what lies along *path* in a row: a number, or a spread of numbers."""

    def find(result: Result) -> Any:
        found: Any = row_of(result, part, **where)
        for name in path:
            found = found.get(name) if found is not None else None
        if found is None or factor == 1.0:
            return found
        return {k: v * factor for k, v in found.items()} if isinstance(found, Mapping) else found * factor

    return find


def nothing(_: Result) -> None:
    """No figure of this kind."""


def loads() -> Iterator[Target]:
    """tshark's first pass over whole pages."""
    limits = {LARGE: (1.30, 1.40, 0.85, 8), SMALL: (1.20, 1.35, 0.80, 40)}
    for segment, (noop, tcp, nbd, memory) in limits.items():
        shape: Mapping[str, Any] = {"kind": "pages", "segment": segment}
        for other, name, limit in (("noop", "no-op in Lua", noop), ("tcp", "TCP only", tcp)):
            ratio = f"plugin/{other}"
            yield Target(
                f"{ratio} {segment}",
                f"pages, segments of {segment:,}: plugin / {name}",
                *(MOST, limit, value("load", ratio, **shape), value("instructions", ratio, **shape)),
            )
        best = value("nbd", "plugin/nbd", segment=segment)
        for way, name, timed in ((NBD_ALIKE, "cut alike", nothing), (NBD, "NBD at its best", best)):
            yield Target(
                f"plugin/{way} {segment}",
                f"pages, segments of {segment:,}: plugin / NBD on as many writes, {name}",
                *(MOST, nbd, timed, value("instructions", f"plugin/{way}", **shape)),
            )
        yield Target(
            f"MB per GB {segment}",
            f"pages, segments of {segment:,}: memory beyond TCP only, per GB",
            *(MOST, memory, value("load", "memory", "beyond_tcp_per_gb", factor=1 / MEGABYTE, **shape), nothing),
            unit=" MB",
        )


def more() -> Iterator[Target]:
    """Everything else that two machines can compare."""
    zero = value("instructions", "per_record", kind="zero", segment=LARGE)
    yield Target("instructions per zero page", "zero pages: instructions for a record", MOST, 300, nothing, zero)
    for segment in (LARGE, SMALL):
        counted = value("instructions", "fields/tcp", kind="pages", segment=segment)
        yield Target(
            f"fields/tcp {segment}",
            f"-T fields, segments of {segment:,}: three of ours / three of TCP's",
            *(MOST, 2.0, value("fields", "fields/tcp", segment=segment), counted),
        )
    for kind in ("pages", "zero", "mix"):
        timed = value("analyze", "script/summary", kind=kind)
        label = f"{words(kind)}: analyze-migration.py / dissector summary, beyond the start"
        yield Target(f"script/summary {kind}", label, LEAST, 10, timed, nothing)
    for kind in ("pages", "zero"):
        timed = value("summary", "peak", factor=1 / MEGABYTE, kind=kind, segment=LARGE)
        yield Target(
            f"summary MB {kind}", f"{words(kind)}: dissector summary, peak memory", MOST, 150, timed, nothing, " MB"
        )
    for work, name in (("plugin", "plugin"), ("summary", "dissector summary")):
        timed, counted = (value("growth", figure, work=work) for figure in ("exponent", "counted"))
        yield Target(f"exponent {work}", f"growth, {name}: exponent", MOST, 1.05, timed, counted)


def speeds() -> Iterator[Target]:
    """What a person waits for, on the machine that was measured."""
    frame = value("frame", "milliseconds")
    yield Target("frame ms", "one frame's whole tree, 64 KiB of pages", MOST, 5, frame, nothing, " ms", portable=False)
    pages = value("summary", "gigabytes/s", kind="pages", segment=LARGE)
    yield Target(
        "summary GB/s",
        "dissector summary, pages, with its start",
        LEAST,
        1.5,
        pages,
        nothing,
        " GB/s",
        portable=False,
    )
    zero = value("summary", "million records/s", kind="zero", segment=LARGE)
    yield Target(
        "summary million/s",
        "dissector summary, zero pages, with its start",
        LEAST,
        5,
        zero,
        nothing,
        " million/s",
        portable=False,
    )
    wall = value("generate", "wall")
    yield Target("generate s", "dissector generate, cold start", MOST, 1.5, wall, nothing, " s", portable=False)


def words(kind: str) -> str:
    """A kind of stream in words."""
    return {"zero": "zero pages"}.get(kind, kind)


TARGETS: tuple[Target, ...] = (*loads(), *more(), *speeds())
"""Every row, in the order of the table."""
