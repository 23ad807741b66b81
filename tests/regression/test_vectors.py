# SPDX-License-Identifier: GPL-2.0-or-later
"""The streams that were written down by hand, in Wireshark: what no capture contains, and what is wrong.

Each is a connection of its own to a destination of its own, all in one capture.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from dissector.capture import Endpoint
from dissector.decode import Lost, Malformed, PduSeen, Resynced
from dissector.ir.evaluate import NeedMore, evaluate
from dissector.regression.model import protocol
from dissector.regression.wire import cut, fixed, write_capture
from dissector.regression.wireshark import connections
from dissector.tshark import Tshark, frames
from tests.qemu_migration.vectors import Direction, directions
from tests.support.readings import Pdus, Reading, decoded, difference, shown


def stands_alone(direction: Direction) -> bool:
    """It needs no setting, no other connection, and says by its first octets which channel it is."""
    if direction.parameters or direction.registers:
        return False
    for channel in protocol().channels:
        if channel.forward.name == direction.stream and channel.first and not channel.joins:
            with contextlib.suppress(NeedMore):
                return bool(evaluate(channel.first, {}, direction.octets))
    return False


ALONE = [d for d in directions() if stands_alone(d)]
UNTOLD = "truncated"
"""Wireshark tells no plugin that a connection has ended."""

Findings = dict[int, Counter[str]]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, each a connection."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.pcap"
    segments = [s for n, d in enumerate(ALONE) for s in cut(d.octets, fixed(1448), connection=n)]
    ends = [(Endpoint("192.0.2.1", 40000 + n), Endpoint("192.0.2.2", 10000 + n)) for n in range(len(ALONE))]
    write_capture(path, segments, ends=ends)
    return path


@pytest.fixture(scope="module")
def ours(capture: Path) -> Reading:
    """What the decoder makes of them."""
    return decoded(capture)


@pytest.fixture(scope="module")
def theirs(capture: Path, tshark: Tshark, lua_plugin: Path) -> Pdus:
    """What Wireshark makes of them."""
    return shown(capture, tshark, lua_plugin)[0]


@pytest.fixture(scope="module")
def remarks(capture: Path, tshark: Tshark, lua_plugin: Path) -> Findings:
    """Wireshark's expert items by connection."""
    where = connections(capture, tshark)
    out: Findings = defaultdict(Counter)
    for frame in frames(tshark, capture, lua_plugin, protocol().prefix):
        out[where[frame.number][0]].update(frame.experts())
    return out


def remarked(reading: Reading, connection: int) -> Counter[str]:
    """What the decoder remarks of one connection, but for what Wireshark cannot know."""
    out: Counter[str] = Counter()
    for event in reading.events:
        if isinstance(event, PduSeen | Malformed | Lost | Resynced) and event.source.connection == connection:
            found = event.findings if isinstance(event, PduSeen) else (event.finding,)
            out.update(f.text for f in found if f.name != UNTOLD)
    return out


@pytest.mark.needs_tshark
@pytest.mark.parametrize("number", range(len(ALONE)), ids=[str(d) for d in ALONE])
class TestStream:
    def test_same_pdus(self, ours: Reading, theirs: Pdus, number: int) -> None:
        """Decoder and plugin read the same PDUs with the same fields."""
        mine, other = ({key: pdus for key, pdus in r.items() if key[0] == number} for r in (ours.pdus, theirs))

        assert mine
        assert not difference(mine, other)

    def test_same_findings(self, ours: Reading, remarks: Findings, number: int) -> None:
        """What is wrong is said in the same words, as often."""
        assert remarked(ours, number) == remarks[number]
