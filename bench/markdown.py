# SPDX-License-Identifier: GPL-2.0-or-later
"""A result as the tables of docs/performance.md, between two markers; what stands around them is written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import table
from dissector.errors import DissectorError

BEGIN, END = "<!-- ./dev bench --markdown: begin -->", "<!-- ./dev bench --markdown: end -->"


def text(result: Mapping[str, Any]) -> str:
    """All tables, each under its title."""
    return "\n".join(lines(result)) + "\n"


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The same, line by line."""
    yield table.about(result)
    for title, head, rows in table.sections(result):
        yield ""
        yield f"### {title}"
        yield ""
        yield pipes(head)
        yield pipes(["---", *["---:"] * (len(head) - 1)])
        yield from (pipes(row) for row in rows)


def pipes(cells: Sequence[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def rewritten(page: str, tables: str) -> str | None:
    """*page* with *tables* between its markers; nothing if it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n\n{tables}\n{end}{after}" if begin and end else None


def rewrite(path: Path, result: Mapping[str, Any]) -> None:
    """Put the tables of *result* into the file."""
    try:
        page = rewritten(path.read_text(encoding="utf-8"), text(result))
    except OSError as error:
        raise DissectorError(str(path), error.strerror or str(error)) from error
    if page is None:
        raise DissectorError(str(path), "has no markers for the tables", f"{BEGIN} and {END}, a line each")
    path.write_text(page, encoding="utf-8")
