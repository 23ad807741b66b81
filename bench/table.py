# SPDX-License-Identifier: GPL-2.0-or-later
"""A result as a table for eyes, and as one line of history.csv.

``1.31 [1.28-1.40]`` is the median of the rounds with the smallest and the greatest.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from bench.inputs import KINDS, MEGABYTE, SEGMENTS

HISTORY = (
    "release", "tshark", "lua", "python", "megabytes", "rounds",
    *(f"{figure} {kind} {segment}" for figure in ("plugin/noop", "plugin/tcp", "MB per GB")
      for kind in KINDS for segment in SEGMENTS),
    *(f"instructions {figure} pages {segment}" for figure in ("plugin/noop", "plugin/tcp") for segment in SEGMENTS),
    *(f"instructions per record zero {segment}" for segment in SEGMENTS),
)  # fmt: skip
"""The columns of history.csv: ratios and counts only, so that lines from two machines can be compared."""


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The whole table."""
    versions = ", ".join(f"{name} {result[name]}" for name in ("tshark", "lua", "python"))
    yield f"layershark {result['release']}: {versions}; {result['megabytes']:g} MB, {result['rounds']} rounds"
    for title, head, rows in sections(result):
        yield ""
        yield title
        yield from columns([head, *rows])


def sections(result: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str], list[Sequence[str]]]]:
    """Title, head and rows of each part that was measured."""
    for part, (title, head, row_of) in SECTIONS.items():
        if part in result:
            found = result[part]
            yield title, head, [row_of(row) for row in (found if isinstance(found, list) else [found])]


def load_row(row: Mapping[str, Any]) -> Sequence[str]:
    """One capture through tshark."""
    ratios = (interval(row[name]) for name in ("plugin/tcp", "plugin/noop", "noop/tcp"))
    memory = megabytes(row["memory"]["beyond_tcp_per_gb"])
    return (row["kind"], f"{row['segment']:,}", *ratios, memory, f"{row['megabytes/s']:,.0f}")


def count_row(row: Mapping[str, Any]) -> Sequence[str]:
    """Instructions of one shape of capture."""
    counts = (f"{row['per_segment'][way]:,.0f}" for way in ("tcp", "noop", "plugin"))
    ratios = (f"{row[name]:.3f}" for name in ("plugin/tcp", "plugin/noop"))
    return (row["kind"], f"{row['segment']:,}", *counts, *ratios, f"{row['per_record']:,.0f}")


def decoder_row(row: Mapping[str, Any]) -> Sequence[str]:
    """One stream through the decoder."""
    speed, records = row["megabytes/s"], row["records/s"] / 1e6
    return (row["kind"], f"{row['segment']:,}", interval(row["seconds"]), f"{speed:,.0f}", f"{records:,.2f}")


def summary_row(row: Mapping[str, Any]) -> Sequence[str]:
    """One capture through ``dissector summary``."""
    return (*decoder_row(row), megabytes(row["peak"]))


def generate_row(row: Mapping[str, Any]) -> Sequence[str]:
    """``dissector generate``."""
    return (interval(row["seconds"]), megabytes(row["peak"]))


def interval(spread: Mapping[str, float]) -> str:
    """Median, and between which the others lie."""
    return f"{spread['median']:.2f} [{spread['min']:.2f}-{spread['max']:.2f}]"


def megabytes(octets: float) -> str:
    """Octets, for eyes."""
    return f"{octets / MEGABYTE:,.0f} MB"


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows under each other: the first column to the left, all others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  " + "  ".join([row[0].ljust(widths[0]), *cells])


SPEED = ("stream", "segment", "seconds", "MB/s", "million records/s")
SECTIONS: Mapping[str, tuple[str, Sequence[str], Callable[[Mapping[str, Any]], Sequence[str]]]] = {
    "load": (
        "tshark, first pass: processor time, pair by pair",
        ("stream", "segment", "plugin / TCP only", "plugin / no-op", "no-op / TCP only", "memory/GB", "MB/s"),
        load_row,
    ),
    "instructions": (
        "tshark, first pass: instructions per segment",
        ("stream", "segment", "TCP only", "no-op", "plugin", "/ TCP only", "/ no-op", "per record"),
        count_row,
    ),
    "decoder": ("decoder alone", SPEED, decoder_row),
    "summary": ("dissector summary, whole process", (*SPEED, "peak memory"), summary_row),
    "generate": ("dissector generate, cold start", ("seconds", "peak memory"), generate_row),
}
"""Part of the result -> title, head of the table, how a row is made."""


def history(result: Mapping[str, Any]) -> str:
    """A line for history.csv; what was not measured is empty."""
    values: dict[str, object] = {name: result[name] for name in HISTORY[:6]}
    for row in result.get("load", ()):
        shape = f"{row['kind']} {row['segment']}"
        values[f"plugin/noop {shape}"] = f"{row['plugin/noop']['median']:.2f}"
        values[f"plugin/tcp {shape}"] = f"{row['plugin/tcp']['median']:.2f}"
        values[f"MB per GB {shape}"] = f"{row['memory']['beyond_tcp_per_gb'] / MEGABYTE:.0f}"
    for row in result.get("instructions", ()):
        shape = f"{row['kind']} {row['segment']}"
        values[f"instructions plugin/noop {shape}"] = f"{row['plugin/noop']:.3f}"
        values[f"instructions plugin/tcp {shape}"] = f"{row['plugin/tcp']:.3f}"
        values[f"instructions per record {shape}"] = f"{row['per_record']:.0f}"
    return written([[values.get(name, "") for name in HISTORY]])


def written(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
