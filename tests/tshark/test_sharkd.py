# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dissector.errors import TsharkError
from dissector.tshark import Item, Sharkd, Span, find_tshark, sharkd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.needs_tshark,
    pytest.mark.skipif(not shutil.which("sharkd"), reason="sharkd: not installed"),
]


def records(items: list[Item]) -> list[str]:
    """Give the values of tiny.b in a tree."""
    return [item.value for top in items for item in top.all("tiny.b")]


def test_visits_frames_in_any_order(capture: Path, plugin: Path) -> None:
    """A frame gives the same tree whenever it is asked for."""
    with Sharkd(capture, plugin) as found:
        assert 3 == found.count()
        trees = [records(found.frame(number)) for number in (3, 1, 2, 3, 1)]

    assert [["2", "4", "6"], ["0", "4"], [], ["2", "4", "6"], ["0", "4"]] == trees


def test_tells_labels_and_octets(capture: Path, plugin: Path) -> None:
    """An item has its text, its filter and the octets that it covers."""
    with Sharkd(capture, plugin) as found:
        layer = found.frame(1)[-1]

    assert ("Tiny Protocol", "tiny", Span(42, 4)) == (layer.label, layer.name, layer.pos)
    assert ["B: 0", "B: 4"] == [item.label for item in layer.all("tiny.b")]
    assert [Span(43, 1), Span(45, 1)] == [item.pos for item in layer.all("tiny.b")]


def test_a_frame_that_does_not_exist_is_an_error(capture: Path, plugin: Path) -> None:
    """sharkd's refusal is raised, and the next question is answered."""
    with Sharkd(capture, plugin) as found:
        with pytest.raises(TsharkError, match="sharkd: frame: "):
            found.frame(99)
        assert ["0", "4"] == records(found.frame(1))


def test_a_plugin_that_fails_in_a_frame_is_an_error(capture: Path, broken: Callable[[str], Path]) -> None:
    """A Lua error in the tree is raised with the plugin's own name."""
    path = broken("runtime")

    with Sharkd(capture, path) as found, pytest.raises(TsharkError, match=f"frame 1: .*{path}:10: "):
        found.frame(1)


def test_a_plugin_that_does_not_load_is_refused(capture: Path, broken: Callable[[str], Path]) -> None:
    """A plugin with a syntax error is refused before the capture is loaded."""
    with pytest.raises(TsharkError, match="the lua plugin failed"):
        Sharkd(capture, broken("syntax"))


def test_a_missing_capture_is_refused(tmp_path: Path, plugin: Path) -> None:
    """A capture that does not exist is refused by name."""
    with pytest.raises(TsharkError, match=r"none\.pcap: no such file"):
        Sharkd(tmp_path / "none.pcap", plugin)


def test_its_death_is_an_error(capture: Path, plugin: Path) -> None:
    """A sharkd that ends in the middle of a talk is an error, not an endless wait."""
    with Sharkd(capture, plugin) as found:
        assert found._process is not None
        found._process.kill()
        found._process.wait()
        with pytest.raises(TsharkError, match="gave no answer"):
            found.frame(1)


def test_belongs_to_its_tshark() -> None:
    """The sharkd beside the tshark is taken."""
    assert sharkd.sharkd_beside(find_tshark()).endswith("sharkd")


def test_an_item_without_a_value_has_no_field() -> None:
    """A filter on octets or text is kept as a filter but is no field."""
    item = sharkd.parse_item({"l": "Record", "h": [42, 2], "f": "frame[42:2] == 80:00"})

    assert Item("Record", "frame[42:2] == 80:00", pos=Span(42, 2)) == item
