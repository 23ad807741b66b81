# SPDX-License-Identifier: GPL-2.0-or-later
"""Which connections are one migration: decoder and plugin number them alike, and every PDU can be filtered by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from dissector.capture import Endpoint
from dissector.decode import PduSeen, Recognised
from dissector.regression.model import protocol
from dissector.regression.wire import Segment, cut, default_ends, fixed, read_segments, write_capture
from dissector.tshark import Tshark
from tests.support.readings import decoded
from tests.support.recordings import recorded as capture

pytestmark = pytest.mark.needs_tshark

SERVER = Endpoint("10.0.0.2", 4545)
CANCELLED, MULTIFD, PREEMPT, RECOVERED, TWICE = (
    "qemu-7.2-cancel",
    "qemu-7.2-multifd",
    "qemu-7.2-preempt",
    "qemu-7.2-postcopy-recovery",
    "qemu-7.2-twice",
)


def octets(name: str, first: int = 0) -> list[Segment]:
    """What is said in a capture, its connections numbered from *first* on."""
    runs, _ = read_segments(capture(name))
    return [
        piece
        for run in runs
        for piece in cut(
            run.data, fixed(30000), direction=run.direction, connection=first + run.connection, offset=run.offset
        )
    ]


def channels_first(segments: list[Segment]) -> list[Segment]:
    """Let the first connection speak only when all others have said something."""
    main = min(s.connection for s in segments)
    number = {c: i for i, c in enumerate(sorted({s.connection for s in segments} - {main}))}
    early = [next(s for s in segments if s.connection == c) for c in number]
    return [*early, *(s for s in segments if s not in early)]


def written(segments: list[Segment], out: Path) -> Path:
    """A capture to one destination, from a new port for each connection, none of which ends before the last one."""
    last = max(s.connection for s in segments)
    ends = [(Endpoint("10.0.0.1", 50000 + i), SERVER) for i in range(last + 1)]
    write_capture(out, segments, ends=ends)
    return out


def by_decoder(path: Path) -> dict[int, set[int]]:
    """Connection -> the numbers of the migration under which its PDUs stand."""
    found: dict[int, set[int]] = {}
    for e in decoded(path).events:
        if isinstance(e, PduSeen | Recognised):
            found.setdefault(cast("int", e.source.connection), set()).add(e.source.conversation)
    return found


def by_wireshark(path: Path, tshark: Tshark, lua_plugin: Path, *, two_pass: bool = False) -> dict[int, set[int]]:
    """The same from the generated field of each frame; a frame with PDUs has it, and the channel."""
    found: dict[int, set[int]] = {}
    fields = ("tcp.stream", "qmig.migration", "qmig.channel")
    for stream, number, channel in tshark.rows(
        path, lua_plugin, fields=fields, display_filter="qmig.pdu", two_pass=two_pass
    ):
        assert number
        assert channel
        found.setdefault(int(stream[0]), set()).update(map(int, number))
    return found


def during_setup(segments: list[Segment]) -> list[Segment]:
    """As much of a migration as there is before the first round of RAM: the first octets of each connection."""
    first = {s.connection: s for s in reversed(segments) if s.direction == 0}
    return [replace(s, data=s.data[:100]) for _, s in sorted(first.items())]


CASES = {
    "one after the other": (octets(TWICE), {0: 1, 1: 2}),
    "recovered": (octets(RECOVERED), {0: 1, 1: 1}),
    "multifd": (octets(MULTIFD), {0: 1, 1: 1, 2: 1}),
    "multifd before main": (channels_first(octets(MULTIFD)), {0: 1, 1: 1, 2: 1}),
    "cancelled, then multifd": ([*octets(CANCELLED), *octets(MULTIFD, 1)], {0: 1, 1: 2, 2: 2, 3: 2}),
    "cancelled, then multifd before main": (
        [*octets(CANCELLED), *channels_first(octets(MULTIFD, 1))],
        {0: 1, 1: 2, 2: 2, 3: 2},
    ),
    "multifd broken off in the setup, then again": (
        [*during_setup(octets(MULTIFD)), *channels_first(octets(MULTIFD, 3))],
        {0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 5: 2},
    ),
    "multifd, then multifd again": (
        [*octets(MULTIFD), *channels_first(octets(MULTIFD, 3))],
        {0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 5: 2},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_grouping(name: str, tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """Decoder and plugin put the same connections into the same migration, whether read in one pass or in two."""
    segments, expected = CASES[name]
    path = written(segments, tmp_path / "capture.pcap")
    numbers = {connection: {number} for connection, number in expected.items()}

    assert numbers == by_decoder(path)
    assert numbers == by_wireshark(path, tshark, lua_plugin)
    assert numbers == by_wireshark(path, tshark, lua_plugin, two_pass=True)


def test_a_migration_can_be_filtered(tshark: Tshark, lua_plugin: Path) -> None:
    """qmig.migration == 2 leaves the frames of the second one, and only those."""
    rows = list(tshark.rows(capture(TWICE), lua_plugin, fields=("tcp.stream",), display_filter="qmig.migration == 2"))

    assert rows
    assert {("1",)} == {stream for (stream,) in rows}


@pytest.mark.parametrize("channel", ["main", "preempt"])
def test_a_connection_that_does_not_tell_is_what_the_user_says(
    channel: str, tshark: Tshark, lua_plugin: Path, tmp_path: Path
) -> None:
    """A connection for pages by itself has no mark of its own: the preference role says what its port carries."""
    alone = tmp_path / "alone.pcap"
    write_capture(alone, [replace(s, connection=0) for s in octets(PREEMPT) if s.connection == 1])
    label = next(c.label for c in protocol().channels if c.name == channel)
    prefix = protocol().prefix
    prefs = {f"{prefix}.ports": str(default_ends(0)[1].port), f"{prefix}.role": label}

    rows = list(tshark.rows(alone, lua_plugin, fields=(f"{prefix}.channel",), display_filter=prefix, prefs=prefs))

    assert rows
    assert {(channel,)} == {names for (names,) in rows}
