# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of qcow2 images: the stream as it was written, and one message for whatever is no such image."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field

import pytest

from dissector.capture import qcow2
from dissector.errors import CaptureError

CLUSTER = 512
PER_TABLE = CLUSTER // 8
STATE = bytes(range(256)) * 5 + b"end"


@dataclass
class Image:
    """An image of some snapshots; the disk has no cluster, and *disk* octets."""

    snapshots: dict[str, bytes] = field(default_factory=lambda: {"one": STATE})
    disk: int = CLUSTER * PER_TABLE
    extra: int = 16
    version: int = 3
    cluster_bits: int = 9
    encrypted: int = 0
    features: int = 0
    first: int = 1
    """L1 entries in front of the state."""

    def octets(self) -> bytes:
        """Put it together: the header, the snapshots' clusters and tables, the snapshot table."""
        clusters = [bytearray(CLUSTER)]

        def put(data: bytes) -> int:
            at = len(clusters) * CLUSTER
            clusters.extend(
                bytearray(data[i : i + CLUSTER].ljust(CLUSTER, b"\0")) for i in range(0, len(data), CLUSTER)
            )
            return at

        entries = b""
        for number, (name, state) in enumerate(self.snapshots.items(), 1):
            # Clusters in falling order: a reader that does not look at the table gives rubbish.
            pieces = [state[i : i + CLUSTER] for i in range(0, len(state), CLUSTER)]
            places = [put(piece) for piece in reversed(pieces)][::-1]
            tables = [places[i : i + PER_TABLE] for i in range(0, len(places), PER_TABLE)]
            l2 = [put(struct.pack(f">{len(t)}Q", *(p | 1 << 63 for p in t))) for t in tables]
            l1 = put(struct.pack(f">{self.first + len(l2)}Q", *[0] * self.first, *(p | 1 << 63 for p in l2)))
            ident = str(number).encode()
            extra = struct.pack(">QQ", len(state), self.disk)[: self.extra].ljust(self.extra, b"\0")
            small = 0 if self.extra else len(state)
            head = struct.pack(">QIHH16xII", l1, self.first + len(l2), len(ident), len(name), small, self.extra)
            entry = head + extra + ident + name.encode()
            entries += entry + bytes(-len(entry) % 8)
        table = put(entries)
        size = self.disk if self.extra < 16 else 0
        values = (b"QFI\xfb", self.version, self.cluster_bits, size, self.encrypted, len(self.snapshots), table)
        clusters[0][:80] = struct.pack(">4sI12xIQI24xIQQ", *values, self.features)
        return b"".join(clusters)


def read(octets: bytes, wanted: str | None = None) -> bytes:
    return b"".join(qcow2.snapshot(io.BytesIO(octets), "image", wanted))


def refusal(octets: bytes, wanted: str | None = None) -> str:
    with pytest.raises(CaptureError) as error:
        read(octets, wanted)
    return str(error.value)


@pytest.mark.parametrize(
    "image",
    [
        Image(),
        Image({"long": STATE * 60}),
        Image({"whole clusters": bytes(CLUSTER * 3)}),
        Image(disk=1, first=1),
        Image(disk=CLUSTER * PER_TABLE + 1, first=2),
        Image(disk=0, first=0),
        Image(extra=0, disk=5000),
        Image(extra=24),
        Image(version=2, features=1 << 40),
        Image(features=0b1011),
    ],
    ids=["one", "two L2 tables", "whole", "small disk", "large disk", "no disk", "old", "newer", "v2", "dirty"],
)
def test_the_state_as_it_was_written(image: Image) -> None:
    """Octets in the order of the stream, as many as there were, wherever the clusters lie."""
    (state,) = image.snapshots.values()

    assert state == read(image.octets())


def test_one_of_several() -> None:
    """By name or, where no name fits, by id."""
    octets = Image({"a": b"A" * 1000, "b": b"B" * 100, "1": b"C"}).octets()

    assert [b"A" * 1000, b"B" * 100, b"C", b"B" * 100] == [read(octets, name) for name in ("a", "b", "1", "2")]


def test_snapshots_without_state_do_not_count() -> None:
    """Those of disks only: the one with the state of a machine is the only one."""
    assert STATE == read(Image({"disks": b"", "one": STATE}).octets())


@pytest.mark.parametrize(
    ("octets", "wanted", "message"),
    [
        (Image({}).octets(), None, "a qcow2 image without snapshots of a running machine\nhint: savevm makes one"),
        (Image({"a": STATE, "b": STATE}).octets(), None, "2 snapshots\nhint: --snapshot NAME, one of: a, b"),
        (Image().octets(), "two", "a qcow2 image with no snapshots of the name 'two'\nhint: it has: one"),
        (Image(encrypted=2).octets(), None, "encryption"),
        (Image(features=4).octets(), None, "external data file"),
        (Image(cluster_bits=8).octets(), None, "its header has values that no image has"),
        (Image(version=4).octets(), None, "its header has values that no image has"),
        (Image(first=0).octets(), None, "1283 octets of the snapshot have no place in it"),
        (Image(extra=2000).octets(), None, "a snapshot with 2000 octets of extra data"),
        (Image().octets()[:1000], None, "it ends before octet"),
        (b"\x1f\x8b" + bytes(100), None, "not a plain qcow2 image"),
        (b"QFI\xfb", None, "it ends before octet 80"),
    ],
)
def test_what_cannot_be_read(octets: bytes, wanted: str | None, message: str) -> None:
    """One message, with the names that there are."""
    assert message in refusal(octets, wanted)


@pytest.mark.parametrize("entry", [0, 1, CLUSTER | 1, CLUSTER | 1 << 62, 1 << 50])
@pytest.mark.parametrize("behind", [2, 3], ids=["cluster", "L2 table"])
def test_a_cluster_that_is_not_there(entry: int, behind: int) -> None:
    """Holes, zeros, compressed and far clusters end the reading: no image pretends to hold what it does not."""
    octets = Image({"one": b"x" * 2000}).octets()
    # The third of four clusters is the first that is full; behind it are the second, the first, and their table.
    offset = octets.index(b"x" * CLUSTER) + behind * CLUSTER
    at = octets.index(struct.pack(">Q", offset | 1 << 63))

    assert "damaged qcow2 image" in refusal(octets[:at] + struct.pack(">Q", entry) + octets[at + 8 :])


def test_any_octet_may_be_wrong() -> None:
    """Whatever octet of the tables is changed, there is a result or a message."""
    octets = Image().octets()
    for at in [*range(80), *range(len(octets) - 2 * CLUSTER, len(octets))]:
        for value in (0, 1, 0x7F, 0xFF):
            try:
                found = read(octets[:at] + bytes([value]) + octets[at + 1 :])
            except CaptureError:
                continue
            assert len(found) <= len(octets)
