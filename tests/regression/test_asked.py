# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever asks for some fields gets all of them: a filter, a column or a tap, for which no tree is shown.

The plugin then adds what is asked for and nothing else.  Wireshark counts the occurrences of every field that a capture
has, once while it shows the whole tree and once without one; asked for all, or for one alone.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dissector.regression.model import protocol
from dissector.tshark import Tshark
from tests.support.recordings import recorded

pytestmark = pytest.mark.needs_tshark

CAPTURES = ("qemu-7.2-multifd-zlib", "qemu-7.2-postcopy-recovery", "qemu-5.2-compress", "qemu-7.2-block-zero")
ALONE = (
    "ram.addr",
    "ram.flags",
    "ram.flags.page",
    "pdu",
    "pdu.offset",
    "channel",
    "continued",
    "pdu.inside",
    "uncompressed",
)


def counted(tshark: Tshark, path: Path, plugin: Path, fields: list[str], *, tree: bool = False) -> dict[str, int]:
    """How often a capture has each of these fields; with the tree shown, or without one."""
    asked = ",".join(f"COUNT({name}){name}" for name in fields)
    lines = tshark.lines(path, plugin, args=["-V" if tree else "-q", "-z", f"io,stat,0,{asked}"])
    (row,) = [line for line in lines if "<>" in line and "Interval" not in line]
    return dict(zip(fields, map(int, re.findall(r"\| *(\d+) *(?=\|)", row)), strict=True))


def names(plugin: Path) -> list[str]:
    """The display-filter names of all fields."""
    return re.findall(rf'ProtoField\.\w+\("({protocol().prefix}\.[\w.]+)"', plugin.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CAPTURES)
def test_as_many_as_in_the_tree(name: str, tshark: Tshark, lua_plugin: Path) -> None:
    path = recorded(name)
    shown = counted(tshark, path, lua_plugin, names(lua_plugin), tree=True)
    there = [field for field, times in shown.items() if times]

    assert len(there) > 30
    assert counted(tshark, path, lua_plugin, list(shown)) == shown
    for field in ALONE:
        alone = f"{protocol().prefix}.{field}"
        assert counted(tshark, path, lua_plugin, [alone]) == {alone: shown[alone]}
