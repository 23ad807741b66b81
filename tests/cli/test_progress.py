# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import io
import sys

import pytest

from dissector.cli import progress


class Terminal(io.StringIO):
    """What looks like a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing."""
    monkeypatch.setattr(progress, "DELAY", 0.0)


@pytest.mark.parametrize(
    ("stderr", "stdout", "prints", "shows"),
    [
        (Terminal, io.StringIO, True, True),
        (Terminal, Terminal, False, True),
        (Terminal, Terminal, True, False),
        (io.StringIO, io.StringIO, False, False),
    ],
)
def test_a_bar_where_somebody_looks(
    monkeypatch: pytest.MonkeyPatch,
    stderr: type[io.StringIO],
    stdout: type[io.StringIO],
    prints: bool,
    shows: bool,
) -> None:
    """On a terminal that the result does not go to, and gone when all is read."""
    seen = stderr()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setattr(sys, "stdout", stdout())
    with progress.progress_bar(prints=prints) as tell:
        tell(5_000_000, 10_000_000)
    text = seen.getvalue()

    assert shows == bool(text)
    assert "" == text.rpartition("\r")[2]
