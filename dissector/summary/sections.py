# SPDX-License-Identifier: GPL-2.0-or-later
"""How many sections a device had, and how many octets they took, from the first octet of the head to the footer's last.

A section ends with its footer; on a stream without footers it ends where the next thing of its level begins.  Both
are the same rule here: whatever is not part of a body closes the section that is open.  Pages and device state never
do, so nothing need be looked at per page.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

FOOTER = "QEMU_VM_SECTION_FOOTER"
HEADS = frozenset({"QEMU_VM_SECTION_START", "QEMU_VM_SECTION_PART", "QEMU_VM_SECTION_END", "QEMU_VM_SECTION_FULL"})


@dataclass(slots=True)
class Tally:
    """What the sections of one device amount to."""

    count: int = 0
    octets: int = 0


@dataclass(slots=True)
class Sections:
    """The tallies by device, in order of first appearance, and the open section of each direction."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    _open: dict[Hashable, tuple[Tally, int]] = field(default_factory=dict)

    def head(self, stream: Hashable, offset: int, name: str) -> None:
        """A section of the device *name* begins at *offset* of *stream*."""
        self.close(stream, offset)
        tally = self.tallies.setdefault(name, Tally())
        tally.count += 1
        self._open[stream] = (tally, offset)

    def close(self, stream: Hashable, offset: int) -> None:
        """The section that is open ends in front of *offset*, if there is one."""
        if (opened := self._open.pop(stream, None)) is not None:
            tally, start = opened
            tally.octets += max(0, offset - start)
