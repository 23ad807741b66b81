# SPDX-License-Identifier: GPL-2.0-or-later
"""The stream that an internal snapshot of a qcow2 image holds.

A qcow2 image maps a virtual disk to clusters of the file by two levels of tables; a snapshot is one more first-level
table.  The state of the machine is written behind the end of the virtual disk, where the next entry of the first-level
table begins, and goes on for as many octets as the snapshot's entry says::

    header -> snapshot table -> L1 table [disk size rounded up ...] -> L2 tables -> clusters

Such a stream is written from its beginning to its end, so every cluster of it is there: one that is not means damage,
and ends the reading (an image of a few octets could else pretend to hold any number of zeros).  Encryption, external
data files and extended L2 entries are refused.  An image is read here and there: it must be a plain file.

Source: the format's specification, "qcow2 image format", version 3.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dissector.errors import CaptureError

MAGIC = b"QFI\xfb"
MOST_SNAPSHOTS = 65536
SHOWN_SNAPSHOTS = 20
HEADER = struct.Struct(">4sI 12x I Q I 24x I Q Q")
ENTRY = struct.Struct(">Q I H H 16x I I")
LONGEST_EXTRA = 1024
OFFSET = (1 << 56) - (1 << 9)
COMPRESSED = 1 << 62
HARMLESS = 0b1011
"""Features that do not matter here: the image was not closed well, is corrupt, compresses in another way."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One entry of the snapshot table."""

    id: str
    name: str
    l1_offset: int
    l1_size: int
    state_size: int
    disk_size: int


def is_image(view: memoryview) -> bool:
    """Tell whether a file with these first octets is a qcow2 image."""
    return bytes(view[:4]) == MAGIC


def snapshot(source: str | os.PathLike[str] | BinaryIO, where: str, wanted: str | None) -> Iterator[memoryview]:
    """Yield the octets of a snapshot, cluster by cluster: of that name or id, or of the only one there is."""
    if isinstance(source, (str, os.PathLike)) and source != "-":
        with Path(source).open("rb") as file:
            yield from _Image(file, where).stream(wanted)
    elif isinstance(source, (str, os.PathLike)) or not source.seekable():
        raise CaptureError(where, "an image cannot be read from a pipe", "name the file")
    else:
        yield from _Image(source, where).stream(wanted)


class _Image:
    """An open image, and what its header says."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.file, self.where = file, where
        magic, version, cluster_bits, size, encrypted, count, table, features = HEADER.unpack(self._at(0, HEADER.size))
        if magic != MAGIC:
            raise CaptureError(where, "not a plain qcow2 image, so it has no snapshots", "unpack it first")
        if version < 3:
            features = 0
        if not (2 <= version <= 3 and 9 <= cluster_bits <= 21 and count <= MOST_SNAPSHOTS):
            raise self._damaged("its header has values that no image has")
        if encrypted or features & ~HARMLESS:
            raise CaptureError(where, "a qcow2 image with encryption, an external data file or extended L2 entries")
        self.cluster, self.size, self.count, self.table = 1 << cluster_bits, size, count, table

    def _damaged(self, what: str) -> CaptureError:
        return CaptureError(self.where, f"damaged qcow2 image: {what}")

    def _at(self, offset: int, octets: int) -> bytes:
        try:
            self.file.seek(offset)
            found = self.file.read(octets)
        except (OSError, OverflowError, ValueError) as error:
            raise self._damaged(f"octet {offset} cannot be read: {error}") from error
        if len(found) < octets:
            raise self._damaged(f"it ends before octet {offset + octets}")
        return found

    def snapshots(self) -> Iterator[Snapshot]:
        """Yield the entries of the snapshot table."""
        at = self.table
        for _ in range(self.count):
            l1_offset, l1_size, id_size, name_size, state_size, extra_size = ENTRY.unpack(self._at(at, ENTRY.size))
            if extra_size > LONGEST_EXTRA:
                raise self._damaged(f"a snapshot with {extra_size} octets of extra data")
            rest = self._at(at + ENTRY.size, extra_size + id_size + name_size)
            disk_size = self.size
            if extra_size >= 8:
                state_size = int.from_bytes(rest[:8], "big")
            if extra_size >= 16:
                disk_size = int.from_bytes(rest[8:16], "big")
            words = (rest[extra_size : extra_size + id_size], rest[extra_size + id_size :])
            ident, name = (word.decode("utf-8", "backslashreplace") for word in words)
            yield Snapshot(ident, name, l1_offset, l1_size, state_size, disk_size)
            at += ENTRY.size + len(rest) + 7 & ~7

    def stream(self, wanted: str | None) -> Iterator[memoryview]:
        """Yield the octets of the snapshot called *wanted*."""
        chosen = self._choose(wanted)
        per_table = self.cluster // 8
        first = -(-chosen.disk_size // (self.cluster * per_table))
        left = chosen.state_size
        for index in range(first, chosen.l1_size):
            if not left:
                return
            (entry,) = struct.unpack(">Q", self._at(chosen.l1_offset + 8 * index, 8))
            table = struct.unpack(f">{per_table}Q", self._at(self._offset(entry), self.cluster))
            for cluster in table[: -(-left // self.cluster)]:
                size = min(left, self.cluster)
                yield memoryview(self._at(self._offset(cluster), size))
                left -= size
        if left:
            raise self._damaged(f"{left} octets of the snapshot have no place in it")

    def _offset(self, entry: int) -> int:
        offset = entry & OFFSET
        if entry & (COMPRESSED | 1) or not offset:
            raise self._damaged("a part of the snapshot's state is not there")
        return offset

    def _choose(self, wanted: str | None) -> Snapshot:
        found = [each for each in self.snapshots() if each.state_size]
        named = [each for each in found if wanted == each.name] or [each for each in found if wanted == each.id]
        chosen = found if wanted is None else named
        if len(chosen) == 1:
            return chosen[0]
        names = ", ".join(s.name for s in found[:SHOWN_SNAPSHOTS]) + (", ..." if len(found) > SHOWN_SNAPSHOTS else "")
        if not found:
            raise CaptureError(self.where, "a qcow2 image without snapshots of a running machine", "savevm makes one")
        if wanted is not None:
            what = f"{len(chosen) or 'no'} snapshots of the name {wanted!r}"
            raise CaptureError(self.where, f"a qcow2 image with {what}", f"it has: {names}")
        raise CaptureError(
            self.where, f"a qcow2 image with {len(found)} snapshots", f"--snapshot NAME, one of: {names}"
        )
