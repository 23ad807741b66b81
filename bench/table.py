# SPDX-License-Identifier: GPL-2.0-or-later
"""A result as tables for eyes.

``1.31 [1.28-1.40]`` is the median of the rounds with the smallest and the greatest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bench.inputs import MEGABYTE, NBD, NBD_ALIKE
from bench.targets import TARGETS, Target


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """All tables, for a terminal."""
    yield about(result)
    for title, head, rows in sections(result):
        yield ""
        yield title
        yield from columns([head, *rows])


def about(result: Mapping[str, Any]) -> str:
    """What was measured, how much of it, and what could not be."""
    versions = ", ".join(f"{name} {result[name]}" for name in ("tshark", "lua", "python"))
    text = f"layershark {result['release']}: {versions}; {result['megabytes']:g} MB, {result['rounds']} rounds"
    return text + "".join(f"; {part} left out: {why}" for part, why in result.get("skipped", {}).items())


def sections(result: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str], list[Sequence[str]]]]:
    """Title, head and rows: first what is promised, then each part that was measured."""
    for portable, title in ((True, "Promised, on any machine"), (False, "Promised, on the machine that was measured")):
        rows = [promise_row(target, result) for target in TARGETS if target.portable == portable]
        if any(row[2:4] != ("", "") for row in rows):
            yield title, ("row", "promise", "by instructions", "by time", "kept"), rows
    if "others" in result:
        yield other_releases([result, *result["others"]])
    for part, (title, head, row_of) in SECTIONS.items():
        if part in result:
            found = result[part]
            yield title, head, [row_of(row) for row in (found if isinstance(found, list) else [found])]


def promise_row(target: Target, result: Mapping[str, Any]) -> Sequence[str]:
    """A promise and its figures."""
    count, spread, kept = target.firm(result), target.timed(result), target.met(result)
    return (
        target.label,
        f"{target.sign} {target.limit:g}{target.unit}",
        "" if count is None else f"{count:.3g}{target.unit}",
        "" if spread is None else f"{interval(spread)}{target.unit}",
        {True: "yes", False: "no", None: "not measured"}[kept],
    )


def other_releases(results: Sequence[Mapping[str, Any]]) -> tuple[str, Sequence[str], list[Sequence[str]]]:
    """What is promised of tshark, by time, in each release of it that was measured."""
    of_others = [t for t in TARGETS if any(t.timed(each) is not None for each in results[1:])]
    rows: list[Sequence[str]] = []
    for target in of_others:
        spreads = (target.timed(each) for each in results)
        figures = ("" if spread is None else f"{interval(spread)}{target.unit}" for spread in spreads)
        rows.append((target.label, f"{target.sign} {target.limit:g}{target.unit}", *figures))
    return "By time, with other releases of Wireshark", ("row", "promise", *(each["tshark"] for each in results)), rows


def load_row(row: Mapping[str, Any]) -> Sequence[str]:
    """One capture through tshark."""
    ratios = (interval(row[name]) for name in ("plugin/tcp", "plugin/noop", "noop/tcp"))
    memory = megabytes(row["memory"]["beyond_tcp_per_gb"]["median"])
    return (row["kind"], f"{row['segment']:,}", *ratios, memory, f"{row['megabytes/s']:,.0f}")


def count_row(row: Mapping[str, Any]) -> Sequence[str]:
    """Instructions of one shape of capture."""
    found = row["per_segment"]
    counts = (f"{found[way]:,.0f}" if way in found else "" for way in ("tcp", NBD_ALIKE, NBD, "noop", "plugin"))
    ratios = (f"{row[name]:.3f}" for name in ("plugin/tcp", "plugin/noop"))
    return (row["kind"], f"{row['segment']:,}", *counts, *ratios, f"{row['per_record']:,.0f}")


def decoder_row(row: Mapping[str, Any]) -> Sequence[str]:
    """One stream through the decoder."""
    speed, records = row["megabytes/s"], row["records/s"] / 1e6
    return (row["kind"], f"{row['segment']:,}", interval(row["seconds"]), f"{speed:,.0f}", f"{records:,.2f}")


def summary_row(row: Mapping[str, Any]) -> Sequence[str]:
    """One capture through ``dissector summary``."""
    unit = "million/s" if row["kind"] == "zero" else "GB/s"
    return (
        *decoder_row(row),
        interval(row["start"]),
        f"{interval(row['beyond'])} {unit}",
        megabytes(row["peak"]["median"]),
    )


def generate_row(row: Mapping[str, Any]) -> Sequence[str]:
    """``dissector generate``, and others' starts."""
    return (row["command"], interval(row["seconds"]), interval(row["wall"]), megabytes(row["peak"]))


def nbd_row(row: Mapping[str, Any]) -> Sequence[str]:
    """Pages through the plugin, and as many NBD writes through Wireshark's NBD."""
    others = (interval(row[f"plugin/{way}"]) if f"plugin/{way}" in row else "" for way in (NBD, "against"))
    return (f"{row['segment']:,}", *others, *(interval(row["seconds"][way]) for way in ("plugin", NBD)))


def fields_row(row: Mapping[str, Any]) -> Sequence[str]:
    """``-T fields``."""
    return (
        f"{row['segment']:,}",
        interval(row["fields/tcp"]),
        *(interval(row["seconds"][w]) for w in ("plugin", "tcp")),
    )


def real_row(row: Mapping[str, Any]) -> Sequence[str]:
    """A recording."""
    counts = row.get("instructions", {})
    ratios = ("plugin/tcp", "plugin/noop")
    return (
        row["capture"],
        megabytes(row["octets"]),
        *(f"{counts[name]:.3f}" if name in counts else "" for name in ratios),
        *(interval(row[name]) for name in ratios),
    )


def frame_row(row: Mapping[str, Any]) -> Sequence[str]:
    """One frame's tree."""
    times = (interval(row[way]) for way in ("milliseconds", "tcp", "beyond"))
    return (f"{row['octets']:,}", f"{row['pages']:.1f}", *times)


def analyze_row(row: Mapping[str, Any]) -> Sequence[str]:
    """Two readers of one stream."""
    seconds = (row["seconds"][each] for each in ("summary", "script", "summary start", "script start"))
    return (row["kind"], *(interval(each) for each in (row["script/summary"], row["whole"], *seconds)))


def growth_row(row: Mapping[str, Any]) -> Sequence[str]:
    """How one of them grows."""
    columns = (
        row["megabytes"],
        (each["median"] for each in row["seconds"]),
        (n / 1e9 for n in row.get("instructions", ())),
    )
    counted = f"{row['counted']:.3f}" if "counted" in row else ""
    sizes, seconds, counts = (" / ".join(f"{v:,.3g}" for v in column) for column in columns)
    return (row["work"], sizes, counts, counted, seconds, interval(row["exponent"]))


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
        ("stream", "segment", "TCP only", "NBD alike", "NBD", "no-op", "plugin", "/ TCP only", "/ no-op", "per record"),
        count_row,
    ),
    "decoder": ("decoder alone", SPEED, decoder_row),
    "summary": (
        "dissector summary, whole process",
        (*SPEED, "start, seconds", "beyond the start", "peak memory"),
        summary_row,
    ),
    "nbd": (
        "tshark, first pass: pages, and as many NBD writes",
        ("segment", "plugin / NBD", "plugin / another plugin", "plugin, seconds", "NBD, seconds"),
        nbd_row,
    ),
    "fields": (
        "tshark -T fields: three of ours, and three of TCP's",
        ("segment", "ours / TCP's", "ours, seconds", "TCP's, seconds"),
        fields_row,
    ),
    "real": (
        "The largest recording: instructions beyond an empty capture, times with the start in them",
        ("capture", "size", "/ TCP only", "/ no-op", "time / TCP only", "time / no-op"),
        real_row,
    ),
    "frame": (
        "sharkd: the whole tree of one frame, anywhere in the capture",
        ("octets", "pages", "milliseconds", "TCP only", "difference"),
        frame_row,
    ),
    "analyze": (
        "A stream in a file: QEMU's scripts/analyze-migration.py and dissector summary",
        ("stream", "script / summary", "with the start", "summary, seconds", "script", "summary's start", "script's"),
        analyze_row,
    ),
    "growth": (
        "How the cost grows, beyond that of a very small capture",
        ("work", "megabytes", "thousand million instructions", "exponent", "seconds", "exponent by time"),
        growth_row,
    ),
    "generate": (
        "Starts: dissector generate, always from the sources, and dissector summary",
        ("command", "processor seconds", "wall seconds", "peak memory"),
        generate_row,
    ),
}
"""Part of the result -> title, head of the table, how a row is made."""
