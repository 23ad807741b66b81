# SPDX-License-Identifier: GPL-2.0-or-later
"""history.csv: one line for each release and tshark, of ratios and counts only, so that machines can be compared.

A timed figure is the median of its rounds.  A row that has a firm figure, too, has a second column for it.  What was
not measured is empty.  Measuring a release again with the same tshark replaces its line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.targets import TARGETS, nothing

PATH = Path(__file__).with_name("history.csv")
ABOUT = ("release", "tshark", "lua", "python", "megabytes", "rounds")
FIRM = "instructions: "
COLUMNS: Sequence[str] = (
    *ABOUT,
    *(t.key for t in TARGETS if t.portable and t.timed is not nothing),
    *(FIRM + t.key for t in TARGETS if t.portable and t.firm is not nothing),
)


def line(result: Mapping[str, Any]) -> list[str]:
    """The line of one result."""
    values: dict[str, str] = {name: str(result[name]) for name in ABOUT}
    for target in TARGETS:
        spread, count = target.timed(result), target.firm(result)
        values[target.key] = f"{spread['median']:.3g}" if spread is not None else ""
        values[FIRM + target.key] = f"{count:.4g}" if count is not None else ""
    return [values[name] for name in COLUMNS]


def with_line(text: str, new: Sequence[str]) -> str:
    """*text*, the file's, with that line added or put in the place of the same release's; columns go by their names."""
    known = csv.DictReader(text.splitlines())
    rows = [[row.get(name) or "" for name in COLUMNS] for row in known]
    rows = [row for row in rows if row[:2] != list(new[:2])]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *rows, new])
    return out.getvalue()


def add(result: Mapping[str, Any], path: Path = PATH) -> None:
    """Write it, and those with other releases of tshark beside it."""
    text = path.read_text(encoding="utf-8")
    for each in (result, *result.get("others", ())):
        text = with_line(text, line(each))
    path.write_text(text, encoding="utf-8")
