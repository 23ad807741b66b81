# SPDX-License-Identifier: GPL-2.0-or-later
"""Every direction that was written down by hand, right or wrong, in Wireshark: the same PDUs and the same findings.

All of them go into one capture, each as a connection to a port of its own, so that one run of tshark reads them.
Those that need a parameter or the registers of another connection are left out, and so are those that no channel
begins like: the return path, a stream that is none of QEMU's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from dissector.capture import Endpoint
from dissector.tshark import Tshark, frames
from tests.qemu_migration.test_streams import channels, said
from tests.qemu_migration.test_streams import decoded as by_hand
from tests.qemu_migration.vectors import Direction, directions
from tests.support.readers import Reading, connections, decoded, difference, protocol, wireshark
from tests.support.wire import cut, fixed, write_capture

pytestmark = pytest.mark.needs_tshark

SPOKEN = [
    d
    for d in directions()
    if d.stream in {"main", "multifd"} and not d.parameters and not d.registers and channels(d.octets) == [d.stream]
]
DECODERS_OWN = ("stream ends inside", "stream position", "unexpected")
"""What only one of them says: Wireshark is told of no end, and has its own words about a lost position."""


def ends(number: int) -> tuple[Endpoint, Endpoint]:
    return Endpoint("10.0.0.1", 30000 + number), Endpoint("10.0.0.2", 50000 + number)


def written(path: Path, spoken: list[Direction], size: int) -> Path:
    """A capture of *spoken* in segments of *size*."""
    segments = [s for i, d in enumerate(spoken) for s in cut(d.octets, fixed(size), connection=i)]
    write_capture(path, segments, ends=list(map(ends, range(len(spoken)))))
    return path


def experts(capture: Path, tshark: Tshark, plugin: Path) -> dict[int, Counter[str]]:
    """Connection -> what Wireshark finds."""
    streams = connections(capture, tshark)
    out: dict[int, Counter[str]] = defaultdict(Counter)
    for frame in frames(tshark, capture, plugin, protocol().prefix):
        out[streams[frame.number][0]].update(t for t in frame.experts() if not t.startswith(DECODERS_OWN))
    return out


def findings(d: Direction) -> Counter[str]:
    texts = (text.split(": ", 1)[1] for text in said(by_hand(d, len(d.octets))[0]))
    return Counter(t for t in texts if not t.startswith(DECODERS_OWN))


@pytest.mark.parametrize("size", [101, 1448])
def test_pdus(size: int, tshark: Tshark, plugin: Path, tmp_path: Path) -> None:
    """Decoder and plugin see the same PDUs with the same fields, however the octets are cut."""
    capture = written(tmp_path / "vectors.pcap", SPOKEN, size)
    ours: Reading = decoded(capture)

    assert len(SPOKEN) == len(ours.pdus)
    assert not difference(ours.pdus, wireshark(capture, tshark, plugin).pdus)


def test_findings(tshark: Tshark, plugin: Path, tmp_path: Path) -> None:
    """What is wrong is wrong for both, in the same words."""
    capture = written(tmp_path / "vectors.pcap", SPOKEN, 1448)
    theirs = experts(capture, tshark, plugin)

    wrong = [(d.about, ours, theirs[i]) for i, d in enumerate(SPOKEN) if (ours := findings(d)) != theirs[i]]
    assert [] == wrong
