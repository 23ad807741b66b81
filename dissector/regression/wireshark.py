# SPDX-License-Identifier: GPL-2.0-or-later
"""The third executor: tshark with the generated plugin.

tshark's JSON is the one output that keeps which field belongs to which PDU.  Reading it costs more than making it, so
the objects are walked as they are parsed, without a tree of nodes in between.  A PDU's fields are its direct members;
what is below them are the bits of flags, and PDUs inside.

Which connection and side a frame belongs to is asked from Wireshark's own columns, in a run that needs no plugin.
"""

from __future__ import annotations

import ipaddress
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dissector.errors import TsharkError
from dissector.regression.model import field_types, protocol
from dissector.regression.seen import Fault, Key, Seen, Sight
from dissector.tshark.tree import EXPERT, TREE, frame_texts, parsed

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator

    from dissector.tshark import Tshark

GENERATED = ("pdu", "pdu.offset", "pdu.length", "pdu.inside")
Pairs = list[tuple[str, Any]]


class Wireshark:
    """tshark's reading of a capture, as an iterable that runs it anew each time; ``options`` are ``Tshark.lines``'."""

    def __init__(
        self, capture: str | os.PathLike[str], tshark: Tshark, plugin: str | os.PathLike[str], **options: Any
    ) -> None:
        self.capture, self.tshark, self.plugin, self.options = Path(capture), tshark, Path(plugin), options
        self._names = Names()

    def __iter__(self) -> Generator[Sight | Fault, None, None]:
        streams = connections(self.capture, self.tshark)
        texts = frame_texts(self.tshark, self.capture, self.plugin, protocol().prefix, **self.options)
        with closing(texts):
            for text in texts:
                number, layers = self._parsed(text)
                for layer in layers:
                    yield from self._walk(layer, number, streams[number])

    def _parsed(self, text: str) -> tuple[int, list[Pairs]]:
        try:
            layers: Pairs = dict(dict(parsed(text))["_source"])["layers"]
            frame = next(value for name, value in layers if name == "frame")
            number = int(next(value for name, value in frame if name == "frame.number"))
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise TsharkError(str(self.capture), f"tshark's json cannot be read: {error!r}") from error
        return number, [value for name, value in layers if name == protocol().prefix and isinstance(value, list)]

    def _walk(self, members: Pairs, frame: int, key: Key) -> Iterator[Sight | Fault]:
        """Give the PDUs among *members* and below them, from top to bottom."""
        names = self._names
        shown = ""
        for name, value in members:
            if name == names.pdu:
                shown = value
            elif name == names.pdu_tree:
                yield Sight(key, self._seen(shown, value), frame)
                yield from self._walk(value, frame, key)
            elif name == f"{EXPERT}.message":
                yield Fault(frame, value)
            elif type(value) is list:
                yield from self._walk(value, frame, key)

    def _seen(self, shown: str, members: Pairs) -> Seen:
        names, kinds = self._names, self._names.kinds
        offset = length = 0
        fields = []
        for name, value in members:
            if name in kinds:
                abbrev, kind = kinds[name]
                fields.append((abbrev, normal(value, kind)))
            elif name == names.offset:
                offset = int(value, 0)
            elif name == names.length:
                length = int(value, 0)
        return Seen(shown, offset, length, tuple(fields))


class Names:
    """The plugin's display-filter names."""

    def __init__(self) -> None:
        prefix = protocol().prefix
        self.pdu = f"{prefix}.pdu"
        self.pdu_tree = f"{prefix}.pdu{TREE}"
        self.offset, self.length = f"{prefix}.pdu.offset", f"{prefix}.pdu.length"
        kinds = field_types().items()
        self.kinds = {f"{prefix}.{name}": (name, kind) for name, kind in kinds if name not in GENERATED}


def normal(shown: str, kind: str) -> str:
    """Bring a value to the common form, however this version prints it."""
    if kind == "uint":
        return BOOLEANS.get(shown) or str(int(shown, 0))
    if kind == "ipv4":
        return ipaddress.IPv4Address(shown).packed.hex()
    if kind == "string":
        told = shown.split("\0", maxsplit=1)[0]
        return "".join(c if c.isascii() else NO_TEXT * (1 if c == NO_TEXT else len(c.encode())) for c in told)
    return shown.replace(":", "").replace("-", "")


NO_TEXT = "\ufffd"
"""What the other executors give for each octet that is not ASCII."""
BOOLEANS = {"True": "1", "False": "0"}


def connections(capture: Path, tshark: Tshark) -> dict[int, Key]:
    """Give frame number -> connection and side."""
    fields = ("frame.number", "tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "tcp.dstport")
    first: dict[str, tuple[str, ...]] = {}
    out: dict[int, Key] = {}
    for number, stream, *source in tshark.rows(capture, fields=fields, display_filter="tcp"):
        side = tuple(v for column in source for v in column)
        out[int(number[0])] = int(stream[0]), int(first.setdefault(stream[0], side) != side)
    return out
