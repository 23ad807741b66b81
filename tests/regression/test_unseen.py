# SPDX-License-Identifier: GPL-2.0-or-later
"""Without a tree most segments are read in another way than with one; what a person sees must be the same.

The packet list's columns, and what ``-z qmig,summary`` counts, of recordings and of synthetic streams whose segments
are full of runs; and the tree of a frame that was first read without one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.inputs import KINDS, SEGMENTS, make
from dissector.regression.model import protocol
from dissector.tshark import Tshark
from tests.support.recordings import recorded

pytestmark = pytest.mark.needs_tshark

CAPTURES = (
    "qemu-5.2-compress",
    "qemu-7.2-cancel",
    "qemu-7.2-multifd",
    "qemu-7.2-preempt",
    "qemu-7.2-postcopy-recovery",
    "qemu-11.1-multipost",
)
COLUMNS = 'gui.column.format:"No.","%m","Protocol","%p","Info","%i"'
SYNTHETIC = 200_000
LONG = 5_000_000
"""More than a section, and some hundred notes of each run."""


def unseen(tshark: Tshark, path: Path, plugin: Path) -> list[list[str]]:
    """The packet list as it is written when nobody asks for a tree."""
    lines = tshark.lines(path, plugin, args=["-o", COLUMNS])
    return [line.split(None, 2) for line in lines if line]


def seen(tshark: Tshark, path: Path, plugin: Path) -> list[list[str]]:
    """The same, of frames whose tree is shown."""
    fields = ("frame.number", "_ws.col.Protocol", "_ws.col.Info")
    return [[cell[0].strip() for cell in row if cell] for row in tshark.rows(path, plugin, fields=fields)]


def summary(tshark: Tshark, path: Path, plugin: Path, *args: str) -> list[str]:
    """What tshark counts."""
    lines = list(tshark.lines(path, plugin, args=[*args, "-z", f"{protocol().prefix},summary"]))
    head = f"{protocol().title}, {protocol().whole} "
    first = next(i for i, line in enumerate(lines) if line.startswith(head) and line.removeprefix(head).isdigit())
    return lines[first:]


def same(tshark: Tshark, path: Path, plugin: Path) -> None:
    assert seen(tshark, path, plugin) == [[cell.strip() for cell in row] for row in unseen(tshark, path, plugin)]
    assert summary(tshark, path, plugin, "-V") == summary(tshark, path, plugin, "-q")


@pytest.mark.parametrize("name", CAPTURES)
def test_recordings(name: str, tshark: Tshark, lua_plugin: Path) -> None:
    same(tshark, recorded(name), lua_plugin)


@pytest.mark.parametrize("segment", SEGMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_runs(kind: str, segment: int, tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    path = tmp_path / "made.pcap"
    make(kind, segment, SYNTHETIC, path)

    same(tshark, path, lua_plugin)


@pytest.mark.parametrize("segment", SEGMENTS)
def test_long_runs_again(segment: int, tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """A second pass reads each frame from what the first one noted, in a long run from less than elsewhere."""
    path = tmp_path / "made.pcap"
    make("pages", segment, LONG, path)

    trees = [
        [line for line in tshark.lines(path, lua_plugin, args=[*passes, "-V", "-O", protocol().prefix]) if line]
        for passes in ((), ("-2",))
    ]

    assert trees[0] == trees[1]


def test_payload_keeps_the_line_of_tcp(tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """A segment inside a page is marked as ours, with TCP's sequence numbers."""
    path = tmp_path / "made.pcap"
    make("pages", 1448, SYNTHETIC, path)

    inside = [
        row for row in unseen(tshark, path, lua_plugin) if row[1] == protocol().prefix.upper() and "Seq=" in row[2]
    ]

    assert len(inside) > 50
