# SPDX-License-Identifier: GPL-2.0-or-later
"""The same octets in other segments: cut anew, reordered, repeated, lost, read in two passes, visited in any order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dissector.regression.compare import Sides, compare
from dissector.regression.decoder import Decoder
from dissector.regression.model import protocol
from dissector.regression.same import assert_shown
from dissector.regression.seen import Seen, listing
from dissector.regression.wire import Damage, Segment, drop, duplicate, fixed, random_sizes, reorder, resegment
from dissector.regression.wireshark import Wireshark
from dissector.tshark import Sharkd, Tshark, frames
from tests.support.covering import cover, smallest
from tests.support.recordings import name_of

pytestmark = pytest.mark.needs_tshark

LOSSY = sorted({smallest("main", "recovery"), smallest("main", "preempt")})
"""What is lost matters most where there are several connections, and where one takes over for another."""
VISITS = 50
"""Frames visited again in each capture: with several captures enough to come from each state into each other."""

each_of_the_few = pytest.mark.parametrize("capture", cover(), ids=name_of)


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


def damages() -> Iterator[Any]:
    """Every kind of message late in one pass and twice in two; where there are several connections also crosswise."""
    both = {"reordered": reorder(1), "repeated": duplicate(2)}
    for name, damage in both.items():
        for two_pass, passes in ((False, "one-pass"), (True, "two-passes")):
            crosswise = (name == "repeated") != two_pass
            several = {smallest("main", channel) for channel in ("recovery", "preempt", "multifd")}
            for capture in sorted(several) if crosswise else cover():
                yield pytest.param(damage, two_pass, capture, id=f"{name}-{passes}-{name_of(capture)}")


@each_of_the_few
@pytest.mark.parametrize("size", [1448, 65160])
def test_cut_anew(capture: Path, size: int, tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """Segments of any size give the same PDUs."""
    again = tmp_path / "again.pcap"
    resegment(capture, again, fixed(size))

    assert assert_shown(Decoder(capture), again, tshark, lua_plugin) > 0


@pytest.mark.parametrize("size", [1, 7])
def test_cut_into_crumbs(size: int, tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """So do segments that are shorter than any header."""
    again = tmp_path / "again.pcap"
    capture = smallest("main", "Eof") if size > 1 else smallest("main")
    resegment(capture, again, fixed(size))

    assert assert_shown(Decoder(capture), again, tshark, lua_plugin) > 0


@pytest.mark.parametrize(("damage", "two_pass", "capture"), list(damages()))
def test_damaged(  # noqa: PLR0917  fixtures and parameters
    damage: Damage, two_pass: bool, capture: Path, tshark: Tshark, lua_plugin: Path, tmp_path: Path
) -> None:
    """Segments that come out of order or twice give the same PDUs, in one pass and in two."""
    again = tmp_path / "again.pcap"
    resegment(capture, again, fixed(1448), damage=per_direction(damage))
    options: dict[str, Any] = {"two_pass": True, "read_filter": "tcp"} if two_pass else {}

    assert compare(Decoder(capture), Decoder(again), Sides("whole", "damaged")) > 0
    assert assert_shown(Decoder(capture), again, tshark, lua_plugin, **options) > 0


@pytest.mark.parametrize("capture", LOSSY, ids=name_of)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lost(capture: Path, seed: int, tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """Where segments are missing, less is shown, and never anything that is not in the stream."""
    again = tmp_path / "again.pcap"
    rng = random.Random(seed)
    resegment(capture, again, fixed(1448), damage=drop(sorted(rng.sample(range(30, 700), 12))))
    truth, _ = listing(Decoder(capture))
    prefs = {"tcp.reassemble_out_of_order": "FALSE"}

    theirs, faults = listing(Wireshark(again, tshark, lua_plugin, prefs=prefs))
    ours, _ = listing(Decoder(again))

    for key, pdus in truth.items():
        known = {(p.name, fields) for p in pdus for fields in (p.fields, without_block(p))}
        for reading in (theirs, ours):
            wrong = [p for p in reading[key] if (p.name, p.fields) not in known]
            assert not wrong[:3]
            assert len(reading[key]) > len(pdus) // 2
    assert any("position" in text for text in faults)


def without_block(p: Seen) -> tuple[tuple[str, str], ...]:
    """What is known of a page behind a hole, or of a request: not of which block, until one is named again."""
    return tuple(f for f in p.fields if f[0] not in {"ram.block", "rp.block"})


@each_of_the_few
def test_any_frame_at_any_time(capture: Path, tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """A frame visited again, in any order, shows what it showed first."""
    again = tmp_path / "again.pcap"
    resegment(capture, again, random_sizes(7, 1, 9000))
    prefix = protocol().prefix
    name = f"{prefix}.pdu"
    first = {f.number: [n.show for n in f.all(name)] for f in frames(tshark, again, lua_plugin, prefix)}
    rng = random.Random(1)

    with Sharkd(again, lua_plugin, tshark=tshark) as sharkd:
        for number in rng.choices(sorted(first), k=VISITS):
            items = [i for layer in sharkd.frame(number) for i in layer.all(name)]
            assert first[number] == [str(i.value) for i in items], f"frame {number}"
