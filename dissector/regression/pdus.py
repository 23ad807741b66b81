# SPDX-License-Identifier: GPL-2.0-or-later
"""The PDUs of a capture as something to loop over, count and pick from, which keeps none of them.

Each loop reads the capture anew: a test looks at a capture two or three times, and a capture may be larger than the
memory.  What is asked by name, and all counting, leaves the PDUs that nobody wants to the decoder's fast paths.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast, overload

from dissector.decode import PduSeen
from dissector.reading import Reading
from dissector.regression.model import protocol

if TYPE_CHECKING:
    import os

    from dissector.decode import Event
    from dissector.reading import Wire

WAYS = ("forward", "reverse")


class Pdus:
    """All PDUs of ``capture`` in the order in which they were complete.

    ``parameters`` are the protocol's (``page_size``, …); ``decode_as`` maps a server's port to a channel's name.
    Raises :class:`dissector.errors.CaptureError` when it is looped over, if the capture is damaged or has none.
    """

    def __init__(
        self,
        capture: str | os.PathLike[str],
        *,
        parameters: Mapping[str, int] | None = None,
        decode_as: Mapping[int, str] | None = None,
    ) -> None:
        self.capture, self._parameters, self._decode_as = capture, parameters, decode_as
        self._structure: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<PDUs of {self.capture}>"

    def __iter__(self) -> Iterator[PduSeen]:
        return (event for event in self.events() if isinstance(event, PduSeen))

    def __len__(self) -> int:
        return sum(self.counts.values())

    @overload
    def __getitem__(self, index: int) -> PduSeen: ...
    @overload
    def __getitem__(self, index: slice) -> list[PduSeen]: ...
    def __getitem__(self, index: int | slice) -> PduSeen | list[PduSeen]:
        if isinstance(index, slice):
            return list(itertools.islice(self, *index.indices(len(self))))
        found = deque(self, -index) if index < 0 else deque(itertools.islice(self, index, index + 1))
        if len(found) < max(1, -index):
            raise IndexError(f"{self.capture}: no PDU {index}")
        return found[0]

    def named(self, *names: str) -> Iterator[PduSeen]:
        """Give the PDUs of these classes."""
        known = {pdu.name for pdu in protocol().pdus}
        if unknown := sorted(set(names) - known):
            raise KeyError(f"no such PDU: {', '.join(unknown)}")
        return (event for event in self._reading(names).events() if isinstance(event, PduSeen))

    def events(self) -> Iterator[Event]:
        """Give everything that the decoder reports: PDUs, gaps, what is malformed, lost positions."""
        return self._reading(events=True).events()

    @property
    def findings(self) -> Iterator[str]:
        """The texts of everything that is wrong, in the order of the capture."""
        for event in self.events():
            if isinstance(event, PduSeen):
                yield from (found.text for found in event.findings)
            elif (found := getattr(event, "finding", None)) is not None:
                yield found.text

    @property
    def counts(self) -> dict[str, int]:
        """Name of a PDU -> how many of it there are."""
        out: dict[str, int] = {}
        for connection in self.structure["connections"]:
            for way in WAYS:
                for name, number in connection.get(way, {}).items():
                    out[name] = out.get(name, 0) + number
        return out

    @property
    def structure(self) -> dict[str, Any]:
        """What is in the capture, as plain data for a golden: its connections, and in each how many of which PDU."""
        if self._structure is None:
            reading = self._reading(events=())
            findings: dict[str, int] = {}
            for event in reading.events():
                if (found := getattr(event, "finding", None)) is not None:
                    findings[found.name] = findings.get(found.name, 0) + 1
            connections = [
                told(c, reading.wires[cast("int", c.key)])
                for each in reading.session.conversations
                for c in each.connections
            ]
            self._structure = {"connections": connections, "trouble": dict(sorted(findings.items()))}
        return self._structure

    def _reading(self, events: bool | Collection[str]) -> Reading:
        return Reading(protocol(), self.capture, parameters=self._parameters, events=events, decode_as=self._decode_as)


def told(connection: Any, wire: Wire) -> dict[str, Any]:
    """Give one connection as plain data."""
    octets = [wire.octets[connection.forward], wire.octets[1 - connection.forward]]
    out: dict[str, Any] = {"channel": connection.channel.name, "octets": octets}
    for way, direction in zip(WAYS, (connection.forward, 1 - connection.forward), strict=True):
        machine = connection.machines[direction]
        if machine is not None:
            out[way] = {name: number for name, number in sorted(machine.pdus.items()) if number}
    return out
