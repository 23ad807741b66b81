# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables against whole directions, right and wrong, that were written down by hand."""

from __future__ import annotations

import contextlib

import pytest

from dissector.decode.events import Event, Lost, Malformed, PduSeen, Resynced
from dissector.decode.machine import Machine
from dissector.decode.registers import Registers
from dissector.frontend.streams import translate_protocol
from dissector.ir.evaluate import NeedMore, evaluate
from dissector.ir.model import Stream
from dissector.ir.verify import verify
from dissector.protocols.qemu_migration import PROTOCOL
from tests.qemu_migration.vectors import Direction, directions, octets

MODEL = translate_protocol(PROTOCOL)
STREAMS: dict[str, Stream] = {s.name: s for s in MODEL.streams}


def machine(direction: Direction) -> Machine:
    """A decoder for it, in a conversation that knows what it says."""
    shared = Registers()
    stream = STREAMS[direction.stream]
    parameters = {p.name: p.default for p in MODEL.parameters} | direction.parameters
    shared.declare((r for r in stream.registers if r.scope == "conversation"), parameters)
    shared.values.update(direction.registers)
    used = {name: v for name, v in direction.parameters.items() if name in parameters}
    return Machine(stream, used, registers=shared)


def decoded(direction: Direction, size: int) -> tuple[list[Event], dict[str, int]]:
    """All events, with the octets in pieces of *size*."""
    m = machine(direction)
    events = [e for at in range(0, len(direction.octets), size) for e in m.feed(direction.octets[at : at + size])]
    return events + m.close(), m.counts


def said(events: list[Event]) -> list[str]:
    """Every finding as ``name: text``."""
    out = []
    for event in events:
        if isinstance(event, PduSeen):
            out += [f"{f.name}: {f.text}" for f in event.findings]
        elif isinstance(event, Malformed | Lost | Resynced):
            out.append(f"{event.finding.name}: {event.finding.text}")
    return out


def agree(expected: list[str], found: list[str]) -> bool:
    """True when *found* is *expected*; a position that stays lost goes without saying."""
    if found and found[-1].startswith("lost:") and not expected[-1].startswith("lost:"):
        found = found[:-1]
    return len(expected) == len(found) and all(
        f.startswith(e[:-1]) if e.endswith("*") else e == f for e, f in zip(expected, found, strict=True)
    )


def test_tables_are_sound() -> None:
    """No state is out of reach, no circle consumes nothing, no register is of no use."""
    assert verify(MODEL) == []


def channels(octets: bytes) -> list[str]:
    """The channels that may begin with these octets."""
    out = []
    for channel in MODEL.channels:
        assert channel.first is not None
        with contextlib.suppress(NeedMore):
            if evaluate(channel.first, {}, octets):
                out.append(channel.name)
    return out


@pytest.mark.parametrize(
    ("first", "channel"),
    [
        ("51 45 56 4d 00000003 07", "main"),
        ("08 000a 0007 06 'pc.ram'", "recovery"),
        ("08 0009 0000", "recovery"),
        ("08 0008 0000", "recovery"),
        ("11223344 00000001 00*56", "multifd"),
        ("51435052 00000001 01", "cpr"),
        ("00000000000cb008 06 'pc.ram' 55*9", "preempt"),
        ("0000000000000402 06 'pc.ram' 00", "preempt"),
        ("0000000000000010", "preempt"),
        ("0000000000001022 00", None),
        ("0002 0004 00000001 0001 0004 00000000", None),
        ("0005 0007 06 'pc.ram' 0000000000000008", None),
        ("'GET / HTTP/1.1' 0d0a", None),
        ("16030102 000100 01fc 0303", None),
    ],
)
def test_channels_are_told_by_their_first_octets(first: str, channel: str | None) -> None:
    """No two channels begin alike, and the return path, TLS and the rest of the world like none."""
    assert channels(octets(first)) == ([channel] if channel else [])


@pytest.mark.parametrize("direction", directions(), ids=str)
class TestDirection:
    def test_reads_what_it_is(self, direction: Direction) -> None:
        """PDUs, findings and counts are those that were written down."""
        events, counts = decoded(direction, len(direction.octets))
        names = [e.name for e in events if isinstance(e, PduSeen)]

        assert direction.tail == names[len(names) - len(direction.tail) :]
        assert agree(direction.findings, said(events)), said(events)
        assert direction.counts == {name: n for name, n in counts.items() if n} or not direction.counts

    def test_any_segmentation(self, direction: Direction) -> None:
        """However the octets are cut, the events are the same."""
        whole, _ = decoded(direction, len(direction.octets))

        for size in (1, 7, 64):
            assert decoded(direction, size)[0] == whole
