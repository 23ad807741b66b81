# SPDX-License-Identifier: GPL-2.0-or-later
"""What is different where a migration goes to a file: mapped-ram, snapshots, and no clock.

With mapped-ram the pages that are stored are the set bits of the blocks' bitmaps, counted as they go by.  That is not
what QEMU counts: a page that is written twice has one place.

A background snapshot takes the state of the devices first and writes it last, from a buffer that is counted like a
channel.  Nothing announces one, but it is the only stream with iterative sections and no END among them that comes to
its EOF without postcopy (migration/migration.c:bg_migration_thread()).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dissector.decode import PduSeen

BITMAP = "mapped-ram bitmap"
"""The PDU whose payload has a bit for each page."""

FULL, END = "QEMU_VM_SECTION_FULL", "QEMU_VM_SECTION_END"
ITERATIVE = frozenset({"QEMU_VM_SECTION_START", "QEMU_VM_SECTION_PART", END})


@dataclass(slots=True)
class Stored:
    """What was seen of one migration."""

    mapped: bool = False
    """Whether mapped-ram is on."""
    pages: int = 0
    """Bits that are set in the bitmaps."""
    started: bool = False
    ended: bool = False
    """Whether there was a START, and an END."""
    devices_at: int | None = None
    """Where the first device behind the last iterative section begins."""

    def see(self, pdu: PduSeen) -> None:
        """Take the head of a section, or a bitmap."""
        if pdu.label == FULL and self.devices_at is None:
            self.devices_at = pdu.offset
        elif pdu.label in ITERATIVE:
            self.devices_at = None
            self.started = True
            self.ended = self.ended or pdu.label == END
        elif pdu.label == BITMAP:
            self.mapped = True

    def count(self, octets: memoryview) -> None:
        """Take a piece of a bitmap."""
        self.pages += int.from_bytes(octets, "little").bit_count()

    def buffered(self, octets: int) -> int:
        """Tell how many octets of a whole stream of so many a background snapshot had in its buffer."""
        if self.devices_at is None or not self.started or self.ended:
            return 0
        return octets - self.devices_at
