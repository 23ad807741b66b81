# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dissector.errors import TsharkError
from dissector.tshark import Node, Span, frames, tree

if TYPE_CHECKING:
    from pathlib import Path

    from dissector.tshark import Tshark

ARRAY = """\
[
  {
    "_index": "packets-1970-01-01",
    "_source": {
      "layers": {
        "frame": { "frame.number": "1" },
        "tiny": {
          "tiny.record": {
            "tiny.a": "0x80",
            "tiny.a_tree": { "tiny.flag": "True" }
          },
          "tiny.record": { "tiny.a": "0x03" }
        },
        "tiny": "Tiny Protocol"
      }
    }
  },
  {
    "_index": "packets-1970-01-01",
    "_source": { "layers": { "frame": { "frame.number": "2" } } }
  }
]
"""


def read(text: str) -> list[tree.Frame]:
    """Read a whole array."""
    return [tree.parse_frame(part, "tiny") for part in tree.documents(text.splitlines())]


class TestParse:
    def test_keeps_repeated_keys_in_order(self) -> None:
        """Two records under one key are two nodes, and two layers of one protocol are two layers."""
        first, second = read(ARRAY)

        assert ["0x80", "0x03"] == [node.show for node in first.all("tiny.a")]
        assert ["", "Tiny Protocol"] == [layer.show for layer in first.layers]
        assert (2, []) == (second.number, second.layers)

    def test_hangs_a_tree_below_its_field(self) -> None:
        """The members of tiny.a_tree are children of the tiny.a before it."""
        (node, _) = read(ARRAY)[0].all("tiny.a")

        assert [Node("tiny.flag", "1")] == node.children

    @pytest.mark.parametrize(("text", "number"), [("0x0000000a", 10), ("10", 10), ("007", 7), ("-3", -3), ("1", 1)])
    def test_reads_numbers_of_every_version(self, text: str, number: int) -> None:
        """Padded, hexadecimal and plain numbers are the same number."""
        assert number == Node("x", text).as_int()

    @pytest.mark.parametrize(("text", "show"), [("True", "1"), ("False", "0"), ("1", "1"), ("Truely", "Truely")])
    def test_writes_booleans_like_the_oldest(self, text: str, show: str) -> None:
        """True and False of 4.4 become 1 and 0 of 4.0, and nothing else changes."""
        assert show == tree.node("x", text, None).show

    @pytest.mark.parametrize("raw", ['["80", 42, 1, 0, 4]', '["80", 42, 1, 0, 4, 0]'], ids=["4.4", "4.6"])
    def test_takes_octets_from_raw(self, raw: str) -> None:
        """The list that -x prints before an item becomes the item's span, and no node of its own."""
        pairs = json.loads(f'{{"x_raw": {raw}, "x": "0x80"}}', object_pairs_hook=list)

        assert [Node("x", "0x80", [], Span(42, 1))] == tree.nodes(pairs)

    def test_a_field_called_raw_is_a_field(self) -> None:
        """A name that ends in _raw but holds a value is kept."""
        assert [Node("x.is_raw", "1")] == tree.nodes([("x.is_raw", "1")])

    def test_refuses_what_is_no_frame(self) -> None:
        """A text that is not what tshark prints is an error that says so."""
        with pytest.raises(TsharkError, match="json cannot be read"):
            tree.parse_frame('{"a": 1}', "tiny")


@pytest.mark.needs_tshark
class TestFrames:
    def test_gives_frames_with_the_protocol(self, tshark: Tshark, capture: Path, plugin: Path) -> None:
        """Frames of other protocols are left out, and the numbers are the capture's."""
        found = list(frames(tshark, capture, plugin, "tiny"))

        assert [1, 3] == [frame.number for frame in found]
        assert [[0, 4], [2, 4, 6]] == [[node.as_int() for node in frame.all("tiny.b")] for frame in found]
        assert [True, False] == [node.as_bool() for node in found[0].all("tiny.flag")]

    def test_tells_where_octets_are(self, tshark: Tshark, capture: Path, plugin: Path) -> None:
        """With positions every item has its offset and length in the frame."""
        first = next(iter(frames(tshark, capture, plugin, "tiny", positions=True)))

        assert [Span(42, 2), Span(44, 2)] == [node.pos for node in first.all("tiny.record")]
        assert [Span(43, 1), Span(45, 1)] == [node.pos for node in first.all("tiny.b")]

    def test_gives_all_frames_when_asked(self, tshark: Tshark, capture: Path, plugin: Path) -> None:
        """Without a filter a frame without the protocol has no layers."""
        found = list(frames(tshark, capture, plugin, "tiny", display_filter=None))

        assert [1, 0, 1] == [len(frame.layers) for frame in found]
