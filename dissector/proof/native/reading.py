# SPDX-License-Identifier: GPL-2.0-or-later
"""What tshark says of a frame, as a flat list of fields with octets and values, whoever dissected it.

A value is brought to what it means by the type of its field, which ``tshark -G fields`` tells: numbers as numbers,
octets and addresses as octets, text as text.  Two readings of the same octets are the same where one can be taken for
the other without a question: octets that are a number when read in network order, octets that are a text.

A field of some bits is where its mask says.  A mask counts in the number that the group is; whether that number is
little-endian is nowhere said, so its octets are asked which of the two has the value, and where both have, both places
are kept.  What has no octets is not on the wire: Wireshark computed it.
"""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dissector.errors import TsharkError
from dissector.tshark import Sandbox, Tshark
from dissector.tshark.tree import RAW, TREE, Node, documents, is_object, is_octets, nodes, parsed

Value = int | float | bytes | str
Pairs = list[tuple[str, Any]]
Span = tuple[int, int]
ADDRESS = {"FT_IPv4", "FT_IPv6"}
OCTETS = {"FT_BYTES", "FT_UINT_BYTES", "FT_ETHER", "FT_EUI64", "FT_VINES", "FT_GUID", "FT_FCWWN", "FT_SYSTEM_ID"}
NUMBERS = ("FT_UINT", "FT_INT", "FT_BOOLEAN", "FT_CHAR", "FT_FRAMENUM", "FT_IPXNET")
OWN = "_ws."


@dataclass(slots=True)
class Seen:
    """A field in a frame: its name, the bits where it is or may be, and what it means.

    ``loose``: of the bits only the octets that they touch are known.  ``children``: other fields stand below it.
    """

    name: str
    spans: tuple[Span, ...]
    value: Value
    loose: bool = False
    children: bool = False
    parts: list[Seen] = field(default_factory=list)

    @property
    def octets(self) -> Span:
        """The octets that the field touches."""
        return touched(self.spans[0])

    def at(self, other: Seen) -> bool:
        """Whether both can be in the same place: the same bits, or the same octets where one does not tell bits."""
        if self.loose or other.loose or self.whole or other.whole:
            return bool(set(map(touched, self.spans)) & set(map(touched, other.spans)))
        return bool(set(self.spans) & set(other.spans))

    @property
    def whole(self) -> bool:
        """Whether the field is given in whole octets."""
        return not any(bit % 8 for span in self.spans for bit in span)


def touched(span: Span) -> Span:
    """The octets that bits touch."""
    return span[0] // 8, (span[1] + 7) // 8


@dataclass(slots=True)
class Frame:
    """The fields of the layers that were asked for, in all of a frame or in one packet of it.

    ``tops`` are these layers as trees, with the octets of each; ``undecoded`` are octets of which a generated plugin
    says that their layer could not be translated.
    """

    number: int
    protocols: tuple[str, ...]
    fields: list[Seen] = field(default_factory=list)
    tops: list[tuple[Node, bytes]] = field(default_factory=list)
    malformed: bool = False
    undecoded: list[Span] = field(default_factory=list)

    def within(self, begin: int, end: int) -> Frame:
        """What is in some octets of the frame."""
        own = [seen for seen in self.fields if begin <= seen.octets[0] < end]
        tops = [(node, octets) for node, octets in self.tops if node.pos and begin <= node.pos.offset < end]
        return Frame(self.number, self.protocols, own, tops, self.malformed)


def types(tshark: Tshark) -> dict[str, str]:
    """The type of each field that this Wireshark has without plugins."""
    with Sandbox() as box:
        process = box.start([tshark.path, "-G", "fields"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        listing, _ = process.communicate()
    rows = (line.split("\t") for line in listing.decode(errors="replace").splitlines() if line.startswith("F\t"))
    return {row[2]: row[3] for row in rows}


def frames(
    tshark: Tshark,
    capture: Path,
    layers: tuple[str, ...],
    kinds: dict[str, str],
    plugin: Path | None = None,
    **options: Any,
) -> Iterator[Frame]:
    """Read *capture*, with *plugin* or without, and give each frame with the fields of *layers* in it."""
    lines = tshark.lines(capture, plugin, args=("-T", "json", "-x"), **options)
    with closing(lines):
        for text in documents(lines):
            try:
                pairs = dict(dict(parsed(text))["_source"])["layers"]
                yield frame(pairs, layers, kinds)
            except (ValueError, KeyError, TypeError) as error:
                raise TsharkError(str(capture), f"tshark's json cannot be read: {error!r}") from error


def frame(pairs: Pairs, layers: tuple[str, ...], kinds: dict[str, str]) -> Frame:
    """One frame."""
    about = dict(next(value for name, value in pairs if name == "frame"))
    found = Frame(int(about["frame.number"]), tuple(about.get("frame.protocols", "").split(":")))
    octets = next((bytes.fromhex(value[0]) for name, value in pairs if name == f"frame{RAW}"), b"")
    raw: list[Any] | None = None
    for name, value in pairs:
        if name.endswith(RAW) and is_octets(value):
            raw = value
            continue
        if name in layers and is_object(value):
            found.fields += fields(value, kinds, octets)
            if raw:
                found.tops.append((nodes([(name + RAW, raw), (name, value)])[0], bytes.fromhex(raw[0])))
        found.malformed |= name.startswith("_ws.malformed")
        raw = None
    return found


def fields(pairs: Pairs, kinds: dict[str, str], octets: bytes) -> Iterator[Seen]:
    """The fields of an item's members and of everything below them, from top to bottom."""
    raw: list[Any] | None = None
    last: Seen | None = None
    for name, value in pairs:
        if name.endswith(RAW) and is_octets(value):
            raw, last = value, None
            continue
        below = is_object(value)
        if below and name.endswith(TREE):
            if last is not None:
                last.children = True
            yield from fields(value, kinds, octets)
            continue
        if raw is not None and raw[2] and not name.startswith(OWN):
            kind = kinds.get(name, "")
            if not (kind == "FT_PROTOCOL" or (kind == "FT_NONE" and below)):
                last = seen(name, "" if below else value, raw, kind, octets)
                last.children = below
                yield last
        if below:
            yield from fields(value, kinds, octets)
        raw = None


def seen(name: str, show: Any, raw: list[Any], kind: str, octets: bytes) -> Seen:
    """A field, from its text and from what ``-x`` tells of it: octets in hexadecimal, offset, length, mask."""
    start, length, mask = (int(number) for number in raw[1:4])
    value = meaning(show, raw[0], kind)
    # Some masks of Wireshark's are a complement, with bits far beyond their field.
    mask &= (1 << length * 8) - 1
    places = spans(start, length, mask)
    if len(places) > 1 and isinstance(value, int):
        group, low = octets[start : start + length], (mask & -mask).bit_length() - 1
        orders: tuple[Literal["big", "little"], ...] = ("big", "little")
        fits = [(int.from_bytes(group, order) & mask) >> low == value for order in orders]
        if fits[0] != fits[1]:
            places = places[:1] if fits[0] else places[1:]
    return Seen(name, places, value)


def spans(start: int, length: int, mask: int) -> tuple[Span, ...]:
    """Where the bits of *mask* are in a number of *length* octets: if it is big-endian, and if it is little-endian."""
    begin, end = start * 8, (start + length) * 8
    scattered = mask & (mask + (mask & -mask)) != 0
    if not mask or scattered:
        return ((begin, end),)
    high, low = mask.bit_length() - 1, (mask & -mask).bit_length() - 1
    if high // 8 == low // 8:
        octet = (start + low // 8) * 8
        little = octet + 7 - high % 8, octet + 8 - low % 8
    else:
        little = begin + low // 8 * 8, begin + high // 8 * 8 + 8
    return tuple(dict.fromkeys(((end - 1 - high, end - low), little)))


def meaning(show: Any, octets: str, kind: str) -> Value:
    """What a field means that tshark shows as *show*."""
    text = show if isinstance(show, str) else str(show)
    try:
        if kind.startswith(NUMBERS):
            return TRUTH[text] if text in TRUTH else number(text)
        if kind == "FT_NONE":
            return bytes.fromhex(octets)
        if kind in ADDRESS:
            return ipaddress.ip_address(text).packed
        if kind in OCTETS:
            return bytes.fromhex(text.replace(":", "").replace("-", "").replace(".", ""))
        if kind in {"FT_FLOAT", "FT_DOUBLE"}:
            return float(text)
    except ValueError:
        return bytes.fromhex(octets)
    return text


TRUTH = {"True": 1, "False": 0}


def number(text: str) -> Value:
    """A number, however it is padded; a character in quotes is its code."""
    if len(text) == 3 and text[0] == text[2] == "'":
        return ord(text[1])
    try:
        return int(text, 0)
    except ValueError:
        return int(text, 10)


def equal(mine: Value, theirs: Value) -> bool:
    """Whether two readings of the same octets mean the same."""
    if isinstance(mine, bytes) and isinstance(theirs, int):
        return int.from_bytes(mine, "big") == theirs
    if isinstance(mine, int) and isinstance(theirs, bytes):
        return mine == int.from_bytes(theirs, "big")
    if isinstance(mine, bytes) and isinstance(theirs, str):
        return mine.rstrip(b"\0") == theirs.encode(errors="replace").rstrip(b"\0")
    if isinstance(mine, str) and isinstance(theirs, bytes):
        return equal(theirs, mine)
    if isinstance(mine, str) and isinstance(theirs, str):
        return mine.rstrip("\0") == theirs.rstrip("\0")
    if isinstance(mine, float) or isinstance(theirs, float):
        return isinstance(mine, int | float) and isinstance(theirs, int | float) and abs(mine - theirs) < 1e-6
    return mine == theirs
