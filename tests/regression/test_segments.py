# SPDX-License-Identifier: GPL-2.0-or-later
"""The same octets in other segments: cut anew, reordered, repeated, lost, read in two passes, visited in any order."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from dissector.tshark import Sharkd, Tshark, frames
from tests.support.readers import (
    Seen,
    capture,
    decoded,
    difference,
    pdu_nodes,
    protocol,
    wireshark,
)
from tests.support.wire import Damage, Segment, drop, duplicate, fixed, random_sizes, reorder, resegment

pytestmark = pytest.mark.needs_tshark

POSTCOPY, RECOVERY, MULTIFD, PREEMPT = (
    "qemu-10.0-postreq",
    "qemu-11.1-recover",
    "qemu-11.1-multifd-zstd",
    "qemu-10.0-preemptreq",
)
SMALL, TINY = "qemu-7.2-ignore-shared", "qemu-7.2-failure"


def per_direction(damage: Damage) -> Damage:
    """*damage* to each direction by itself, and not to its first segment.

    A capture can have the segments of one direction in another order, but not an answer before its question.
    """

    def apply(segments: list[Segment]) -> list[Segment]:
        keys = [(s.connection, s.direction) for s in segments]
        queues = {}
        for key in dict.fromkeys(keys):
            own = [s for s, k in zip(segments, keys, strict=True) if k == key]
            queues[key] = [own[0], *damage(own[1:])]
        out = [queues[key].pop(0) for key in keys if queues[key]]
        return [*out, *(s for rest in queues.values() for s in rest)]

    return apply


@pytest.mark.parametrize(
    ("name", "size"),
    [(TINY, 1), (SMALL, 7), (POSTCOPY, 1448), (POSTCOPY, 65160), (RECOVERY, 1448), (MULTIFD, 1448), (PREEMPT, 3000)],
)
def test_cut_anew(name: str, size: int, tshark: Tshark, plugin: Path, tmp_path: Path) -> None:
    """Segments of any size give the same PDUs."""
    again = tmp_path / "again.pcap"
    resegment(capture(name), again, fixed(size))

    assert not difference(decoded(capture(name)).pdus, wireshark(again, tshark, plugin).pdus)


@pytest.mark.parametrize("name", [POSTCOPY, RECOVERY, MULTIFD])
@pytest.mark.parametrize("two_pass", [False, True], ids=["one-pass", "two-passes"])
@pytest.mark.parametrize("damage", [reorder(1), duplicate(2)], ids=["reordered", "repeated"])
def test_damaged(  # noqa: PLR0917  fixtures and parameters
    name: str, damage: Damage, two_pass: bool, tshark: Tshark, plugin: Path, tmp_path: Path
) -> None:
    """Segments that come out of order or twice give the same PDUs, in one pass and in two."""
    again = tmp_path / "again.pcap"
    resegment(capture(name), again, fixed(1448), damage=per_direction(damage))
    options: dict[str, Any] = {"two_pass": True, "read_filter": "tcp"} if two_pass else {}

    reading = wireshark(again, tshark, plugin, **options)

    assert not difference(decoded(capture(name)).pdus, decoded(again).pdus)
    assert not difference(decoded(capture(name)).pdus, reading.pdus)


@pytest.mark.parametrize("name", [POSTCOPY, RECOVERY])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lost(name: str, seed: int, tshark: Tshark, plugin: Path, tmp_path: Path) -> None:
    """Where segments are missing, less is shown, and never anything that is not in the stream."""
    again = tmp_path / "again.pcap"
    rng = random.Random(seed)
    resegment(capture(name), again, fixed(1448), damage=drop(sorted(rng.sample(range(30, 1200), 12))))
    truth = decoded(capture(name))

    reading = wireshark(again, tshark, plugin, prefs={"tcp.reassemble_out_of_order": "FALSE"})
    ours = decoded(again)

    for key in truth.pdus:
        known = {(p.name, fields) for p in truth.pdus[key] for fields in (p.fields, without_block(p))}
        for reader in (reading, ours):
            wrong = [p for p in reader.pdus[key] if (p.name, p.fields) not in known]
            assert not wrong[:3]
            assert len(reader.pdus[key]) > len(truth.pdus[key]) // 2
    assert any("position" in text for text in reading.faults)


def without_block(p: Seen) -> tuple[tuple[str, str], ...]:
    """What is known of a page behind a hole: not in which block it lies, until a record names one again."""
    return tuple(f for f in p.fields if f[0] != "ram.block")


@pytest.mark.parametrize("name", [POSTCOPY, RECOVERY])
def test_any_frame_at_any_time(name: str, tshark: Tshark, plugin: Path, tmp_path: Path) -> None:
    """A frame visited again, in any order, shows what it showed first."""
    again = tmp_path / "again.pcap"
    resegment(capture(name), again, random_sizes(7, 1, 9000))
    prefix = protocol().prefix
    first = {f.number: [n.show for n in pdu_nodes(f, prefix)] for f in frames(tshark, again, plugin, prefix)}
    rng = random.Random(1)

    with Sharkd(again, plugin, tshark=tshark) as sharkd:
        for number in rng.choices(sorted(first), k=150):
            items = [i for layer in sharkd.frame(number) for i in layer.all(f"{prefix}.pdu")]
            assert first[number] == [str(i.value) for i in items], f"frame {number}"
