# SPDX-License-Identifier: GPL-2.0-or-later
"""Hundreds of made-up streams, one capture, one run of tshark.

tshark takes a third of a second to start and a millisecond for a small stream.  So streams are collected: each becomes
a TCP connection of one capture, to a destination of its own, so that none belongs to another's migration.  tshark runs
when somebody looks at a result that is not there yet, over everything collected by then.  A test that first crafts all
its cases and then looks needs one run for all of them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, SupportsBytes

from dissector.capture import Endpoint
from dissector.regression.model import protocol
from dissector.regression.wire import Ends, Segment, cut, fixed, write_capture
from dissector.regression.wireshark import connections
from dissector.tshark import frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from dissector.regression.seen import Key
    from dissector.tshark import Frame, Node, Tshark

Octets = SupportsBytes | bytes | bytearray | memoryview
FIRST = int(ipaddress.IPv4Address("10.128.0.0"))
CLIENT = "10.0.0.1"
PORT = 4444
SEGMENT = 1448


@dataclass(slots=True)
class Case:
    """One made-up migration; looking at what Wireshark shows of it makes tshark run, if it has not yet."""

    _batch: Batch
    talks: list[tuple[bytes, bytes]]
    """What client and server of each of its connections say."""
    server: Endpoint
    first: int = 0
    """The number of its first connection in the capture."""
    path: Path | None = None
    _shown: list[tuple[Key, Frame]] | None = None

    @property
    def capture(self) -> Path:
        """The capture in which it is, with all others that were crafted before somebody looked."""
        return self.path or self._batch.write(self)

    @property
    def frames(self) -> list[Frame]:
        """The frames that have the protocol in them, as Wireshark shows them."""
        return [frame for _, frame in self._all()]

    @property
    def pdus(self) -> list[Node]:
        """The tree of each PDU, top to bottom, frame by frame; ``show`` is its name."""
        return self.said(None)

    @property
    def experts(self) -> list[str]:
        """The texts of the expert items."""
        return [text for frame in self.frames for text in frame.experts()]

    def said(self, connection: int | None = 0, side: int | None = None) -> list[Node]:
        """Give the PDUs of one connection of the case, or all; of its client (side 0), its server (1), or both."""
        name = f"{protocol().prefix}.pdu"
        return [
            node
            for key, frame in self._all()
            if connection in {None, key[0] - self.first} and side in {None, key[1]}
            for node in frame.all(name)
        ]

    def _all(self) -> list[tuple[Key, Frame]]:
        if self._shown is None:
            self._batch.run()
        assert self._shown is not None
        return self._shown

    def show(self, shown: list[tuple[Key, Frame]]) -> None:
        """Take what tshark showed."""
        self._shown = shown


@dataclass(slots=True)
class Batch:
    """Collects cases and runs tshark over those that have not been shown; calling it makes a case."""

    tshark: Tshark
    plugin: Path
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    runs: int = 0
    """How often tshark was run over crafted streams."""
    _waiting: list[Case] = field(default_factory=list)
    _made: int = 0
    _written: int = 0

    def __call__(
        self,
        packets: Octets | Iterable[Octets],
        reverse: Octets | Iterable[Octets] = b"",
        *,
        also: Iterable[tuple[Octets | Iterable[Octets], Octets | Iterable[Octets]]] = (),
    ) -> Case:
        """Make a case of what the source says (``packets``) and what the destination answers.

        Each may be octets, a packet, a whole stream, or a list of those.  ``also`` has the further connections of the
        same migration, as pairs.
        """
        talks = [(joined(a), joined(b)) for a, b in ((packets, reverse), *also)]
        case = Case(self, talks, Endpoint(str(ipaddress.IPv4Address(FIRST + self._made)), PORT))
        self._made += 1
        self._waiting.append(case)
        return case

    def write(self, case: Case) -> Path:
        """Write the cases that are in no capture yet, and give the one that has ``case`` in it."""
        self._write()
        assert case.path is not None
        return case.path

    def run(self) -> None:
        """Show every case that waits."""
        self._write()
        waiting, self._waiting = self._waiting, []
        for path in dict.fromkeys(case.path for case in waiting if case.path is not None):
            cases = [case for case in waiting if case.path == path]
            streams = connections(path, self.tshark)
            shown: dict[int, list[tuple[Key, Frame]]] = {}
            for frame in frames(self.tshark, path, self.plugin, protocol().prefix, **self.options):
                shown.setdefault(streams[frame.number][0], []).append((streams[frame.number], frame))
            self.runs += 1
            for case in cases:
                each = range(case.first, case.first + len(case.talks))
                found = [pair for number in each for pair in shown.get(number, [])]
                case.show(sorted(found, key=lambda pair: pair[1].number))

    def _write(self) -> None:
        """Write a capture of the cases that are in none."""
        fresh = [case for case in self._waiting if case.path is None]
        if not fresh:
            return
        path = self.folder / f"crafted-{self._written}.pcap"
        self._written += 1
        segments: list[Segment] = []
        ends: list[Ends] = []
        for case in fresh:
            case.first = len(ends)
            for talk in case.talks:
                segments += segments_of(talk, len(ends))
                ends.append((Endpoint(CLIENT, 20000 + len(ends) % 40000), case.server))
            case.path = path
        write_capture(path, segments, ends=ends)


def segments_of(talk: tuple[bytes, bytes], connection: int) -> Iterator[Segment]:
    """Cut both sides of a connection, the client's octets first."""
    for direction, octets in enumerate(talk):
        yield from cut(octets, fixed(SEGMENT), connection=connection, direction=direction)


def joined(what: Octets | Iterable[Octets]) -> bytes:
    """Give the octets of a packet, or of several one after the other."""
    if isinstance(what, bytes | bytearray | memoryview) or hasattr(what, "__bytes__"):
        return bytes(what)  # type: ignore[arg-type]
    return b"".join(bytes(each) for each in what)
