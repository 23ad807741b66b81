# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the tree that tshark prints with ``-T json``, one frame at a time.

JSON is the one format of tshark's that keeps the nesting, but it bends it in four ways, and all four are straightened
here so that a tree reads as Wireshark's window shows it:

* keys repeat (three records are three times the key ``tiny.rec``), so objects are read as lists of pairs;
* the children of an item that has a value of its own stand beside it, under the item's name with ``_tree``;
* with ``-x`` the octets of an item stand before it, under its name with ``_raw``: text, offset, length, mask, type,
  and from 4.6 the number of the buffer;
* an item without a field has its text as its key, and ``""`` as its value.

Text is normalised only where Wireshark changed its mind: booleans are ``1`` and ``0`` as up to 4.0, not ``True`` and
``False`` as from 4.4.  Numbers are left as printed (padded or not, hexadecimal or not); ``Node.as_int`` reads them all.

tshark prints one array for the whole capture, far too large to be parsed at once.  It is cut where a brace stands two
columns in, which is reliable because a string in JSON has no line break.
"""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from dissector.errors import TsharkError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from _typeshed import StrPath

    from dissector.tshark.run import Options, Tshark

BOOLEANS = {"True": "1", "False": "0"}
TREE = "_tree"
RAW = "_raw"
EXPERT = "_ws.expert"


class Span(NamedTuple):
    """Which octets an item covers, counted from the start of its buffer."""

    offset: int
    length: int


@dataclass(slots=True)
class Node:
    """One item of the tree: the name of its field, its value as text, what is below it, and its octets if known."""

    name: str
    show: str = ""
    children: list[Node] = field(default_factory=list)
    pos: Span | None = None

    def as_int(self) -> int:
        """Read the value as a number, however this version printed it."""
        try:
            return int(self.show, 0)
        except ValueError:
            # "007" is no number to int(…, 0), but some fields are padded with zeros.
            return int(self.show, 10)

    def as_bool(self) -> bool:
        """Read the value as a truth value."""
        return self.as_int() != 0

    def walk(self) -> Iterator[Node]:
        """Give this node and everything below it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, name: str) -> list[Node]:
        """Give every node called ``name`` at or below this one."""
        return [node for node in self.walk() if node.name == name]

    def first(self, name: str) -> Node | None:
        """Give the topmost node called ``name`` at or below this one."""
        return next((node for node in self.walk() if node.name == name), None)

    def experts(self) -> list[str]:
        """Give the texts of the expert items at or below this node."""
        return [node.show for node in self.walk() if node.name == f"{EXPERT}.message"]


@dataclass(slots=True)
class Frame:
    """One frame: its number, and the layers of the protocol that was asked for (a frame may hold several)."""

    number: int
    layers: list[Node]

    def all(self, name: str) -> list[Node]:
        """Give every node called ``name``."""
        return [node for layer in self.layers for node in layer.all(name)]

    def experts(self) -> list[str]:
        """Give the texts of the expert items."""
        return [text for layer in self.layers for text in layer.experts()]


def frames(
    tshark: Tshark,
    capture: StrPath,
    plugin: StrPath | None,
    protocol: str,
    *,
    positions: bool = False,
    **options: Unpack[Options],
) -> Generator[Frame, None, None]:
    """Give each frame that has ``protocol`` in it; with ``positions`` also where each item's octets are."""
    where = str(Path(capture))
    with closing(frame_texts(tshark, capture, plugin, protocol, positions=positions, **options)) as texts:
        for text in texts:
            yield parse_frame(text, protocol, where)


def frame_texts(
    tshark: Tshark,
    capture: StrPath,
    plugin: StrPath | None,
    protocol: str,
    *,
    positions: bool = False,
    **options: Unpack[Options],
) -> Generator[str, None, None]:
    """Give the JSON of each frame that has ``protocol`` in it, for whoever needs no tree."""
    # "frame" is asked for because its number is in it; everything else is only named.
    extra = ["-T", "json", "-J", f"frame {protocol}", *(["-x"] if positions else [])]
    wanted = options.copy()
    wanted.setdefault("display_filter", protocol)
    wanted["args"] = [*options.get("args", ()), *extra]
    with closing(tshark.lines(capture, plugin, **wanted)) as lines:
        yield from documents(lines)


def documents(lines: Iterable[str]) -> Iterator[str]:
    """Cut tshark's array into the texts of its elements."""
    document: list[str] = []
    for line in lines:
        if line == "  {":
            document = [line]
        elif line in {"  }", "  },"}:
            document.append("}")
            yield "\n".join(document)
            document = []
        elif document:
            document.append(line)


BAD_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\x[0-9a-fA-F]{2}")


def parsed(text: str) -> Any:
    r"""Give one element of the array, its objects as lists of pairs.

    Octets of a text that are no UTF-8 are written as ``\x90`` by some versions, which is no JSON: each becomes U+FFFD.
    """
    try:
        return json.loads(text, object_pairs_hook=list)
    except ValueError:
        return json.loads(BAD_ESCAPE.sub(r"\1\\ufffd", text), object_pairs_hook=list)


def parse_frame(text: str, protocol: str, where: str = "tshark") -> Frame:
    """Read one element of the array."""
    try:
        pairs: list[tuple[str, Any]] = parsed(text)
        layers = nodes(dict(dict(pairs)["_source"])["layers"])
    except (ValueError, KeyError, TypeError) as error:
        raise TsharkError(where, f"tshark's json cannot be read: {error}") from error
    number = next((node.as_int() for layer in layers if layer.name == "frame" for node in layer.all("frame.number")), 0)
    return Frame(number, [layer for layer in layers if layer.name == protocol])


def nodes(pairs: list[tuple[str, Any]]) -> list[Node]:
    """Turn the members of one JSON object into nodes."""
    result: list[Node] = []
    span: Span | None = None
    for key, value in pairs:
        if key.endswith(RAW) and is_octets(value):
            span = Span(int(value[1]), int(value[2]))
        elif key.endswith(TREE) and result and result[-1].name == key.removesuffix(TREE) and is_object(value):
            result[-1].children = nodes(value)
        else:
            result.append(node(key, value, span))
            span = None
    return result


def node(name: str, value: Any, span: Span | None) -> Node:
    """Make one node: an object's members are its children, everything else is its value."""
    if is_object(value):
        return Node(name, "", nodes(value), span)
    text = value if isinstance(value, str) else json.dumps(value)
    return Node(name, BOOLEANS.get(text, text), [], span)


def is_object(value: Any) -> bool:
    """Tell an object, read as pairs, from an array."""
    return isinstance(value, list) and all(isinstance(item, tuple) for item in value)


def is_octets(value: Any) -> bool:
    """Tell the list that ``-x`` prints: the octets in hexadecimal, then four numbers, from 4.6 five."""
    return isinstance(value, list) and len(value) in {5, 6} and isinstance(value[0], str)
