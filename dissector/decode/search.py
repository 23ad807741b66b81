# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking for a place: the end of a body without a length, or a way back after the position was lost.

At every octet each way may accept, in order.  Asking costs half a microsecond, and there are a million octets in a
megabyte; so a way names octets of which one must stand at some distance (its anchor), and a regular expression goes
from candidate to candidate.

The search is the same however the octets arrive.  A candidate that cannot be judged on what is at hand is waited for,
and no later one is looked at before.  What stands behind ``limit`` will never be at hand, and a way that would have
to look beyond its window does not accept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compile import Way


class Search:
    """Finds the first octet at which one of *ways* accepts."""

    def __init__(self, ways: tuple[Way, ...]) -> None:
        self.ways = tuple((w, w.scan.anchor[0], frozenset(w.scan.anchor[1])) for w in ways if w.scan.anchor[1])
        self.reach = max((offset for _, offset, _ in self.ways), default=0)
        self.candidate = re.compile(b"|".join(_anchor(offset, octets) for _, offset, octets in self.ways), re.DOTALL)

    def find(self, m: Any, b: bytes, at: int, end: int, limit: int) -> tuple[int, Way | None, int]:
        """(where, which way, 0); or (where to go on, None, octets needed from there); 0 octets: nowhere up to *end*.

        *end* is where the octets at hand end, or *limit* if that comes first.
        """
        if not self.ways:
            return end, None, 0
        final = limit <= end
        while True:
            hit = self.candidate.search(b, at, end)
            place = hit.start() if hit else end
            # From here on the anchor of some way is out of sight.
            at = place if final else min(place, max(at, end - self.reach))
            if at >= end:
                return end, None, 0
            for way, offset, octets in self.ways:
                if at + offset >= end:
                    if final:
                        continue
                    return at, None, offset + 1
                if b[at + offset] not in octets:
                    continue
                need = way.accept(m, b, at, end)
                if not need:
                    return at, way, 0
                if need > 0 and need <= way.scan.window and at + need <= limit:
                    return at, None, need
            at += 1


def _anchor(offset: int, octets: frozenset[int]) -> bytes:
    one_of = b"".join(b"\\x%02x" % o for o in sorted(octets))
    return b"(?=" + b"." * offset + b"[" + one_of + b"])"
