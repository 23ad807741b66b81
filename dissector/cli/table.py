# SPDX-License-Identifier: GPL-2.0-or-later
"""A summary as a table for people: the same keys, the same numbers, and the reason where there is none."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NUMBERS = (
    "ram.normal",
    "ram.duplicate",
    "ram.transferred",
    "ram.postcopy-requests",
    "ram.dirty-sync-count",
)
IF_ANY = ("ram.stored",)
"""Keys that a summary need not have."""
WIDTH = 110
SECTIONS = 5
"""Devices that are shown one by one; those with the most octets."""
ERRORS = 20


def table(told: dict[str, Any], *, everything: bool = False) -> str:
    """Give the table of one summary."""
    return "\n".join(lines(told, everything=everything)) + "\n"


def lines(told: dict[str, Any], *, everything: bool) -> Iterator[str]:
    """Give its lines."""
    reasons: dict[str, str] = told["reasons"]
    duration = "stored in a file" if told["duration"] is None else f"{told['duration']:.3f} s"
    yield f"migration {told['migration']}: {told['qemu-machine'] or 'unknown machine'}, {duration}"
    yield ""
    for key in ("status", *NUMBERS, *(key for key in IF_ANY if key in told)):
        yield from number(key, told[key], reasons.get(key, ""))
    yield ""
    yield from columns(
        ("channel", "connection", "octets", "return path", "closed"),
        (
            (
                c["channel"],
                " -> ".join(filter(None, (c["source"], c["destination"]))),
                c["octets"],
                c["return-octets"],
                c["closed"] or "-",
            )
            for c in told["channels"]
        ),
    )
    yield ""
    yield from columns(("section", "count", "octets"), sections(told["sections"], everything=everything))
    for title, key in (("command", "commands"), ("return path", "return-path")):
        if told[key]:
            yield ""
            yield from columns((title, "count"), told[key].items())
    if told["errors"]:
        yield ""
        yield from errors(told, everything=everything)


def number(key: str, value: Any, reason: str) -> Iterator[str]:
    """Give the line of one key; a reason may need more than one."""
    if value is not None:
        yield f"  {key:<22} {plain(value):>14}"
        return
    first, *more = textwrap.wrap(reason, WIDTH - 42)
    yield f"  {key:<22} {'-':>14}  {first}"
    for line in more:
        yield f"{'':<41}{line}"


def sections(tallies: dict[str, dict[str, int]], *, everything: bool) -> Iterator[tuple[str, int, int]]:
    """Give the rows of the devices, the largest first, and one for those that are not shown."""
    rows = [(name, tally["count"], tally["octets"]) for name, tally in tallies.items()]
    rows.sort(key=lambda row: -row[2])
    shown = len(rows) if everything or len(rows) <= SECTIONS + 1 else SECTIONS
    yield from rows[:shown]
    if rows[shown:]:
        rest = rows[shown:]
        yield f"{len(rest)} other devices", sum(row[1] for row in rest), sum(row[2] for row in rest)


def errors(told: dict[str, Any], *, everything: bool) -> Iterator[str]:
    """Give the errors and warnings."""
    found = told["errors"]
    shown = len(found) if everything else ERRORS
    for error in found[:shown]:
        way = "" if error["direction"] == "forward" else ", return path"
        yield f"  {error['severity']:<5}  {error['channel']}{way}, octet {error['offset']}: {error['text']}"
    left = len(found[shown:]) + told["errors-omitted"]
    if left:
        yield f"  and {left} more"


def columns(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Align rows under a head: numbers to the right, everything else to the left."""
    raw = list(rows)
    cells = [[plain(cell) for cell in row] for row in raw]
    widths = [max(len(cell) for cell in column) for column in zip(head, *cells, strict=True)]
    right = [all(isinstance(row[i], int) for row in raw) for i in range(len(head))]
    for row in (head, *cells):
        aligned = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        yield f"  {'  '.join(aligned)}".rstrip()


def plain(value: Any) -> str:
    """Write a number with its thousands apart."""
    return f"{value:,}" if isinstance(value, int) else str(value)
