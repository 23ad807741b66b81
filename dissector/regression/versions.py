# SPDX-License-Identifier: GPL-2.0-or-later
"""What Wireshark itself does differently from release to release; everything else must be the same in all of them.

A row says which releases, under which preferences, what they do, and why that is none of the plugin's doing.  The
comparison allows exactly that and nothing around it.

``nothing-after-a-late-segment``: with ``tcp.reassemble_out_of_order``, 3.4 hands a dissector that asked for no
reassembly nothing more of a direction once a hole in it was filled.  Measured with 3.4.10, with a plugin that only
counts octets: the last ones that it gets are those in front of the hole.  4.0.17, 4.4 and 4.6 hand over everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dissector.capture import Chunk, conversations, read_packets
from dissector.tshark.run import PREFS

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from dissector.regression.compare import Excuse
    from dissector.regression.seen import Key, Sight
    from dissector.tshark import Tshark

OUT_OF_ORDER = "tcp.reassemble_out_of_order"


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is known: releases below ``before``, with ``preference`` switched on."""

    name: str
    before: tuple[int, ...]
    preference: str


KNOWN = (Known("nothing-after-a-late-segment", (3, 5), OUT_OF_ORDER),)


def excuse_for(capture: str | os.PathLike[str], tshark: Tshark, options: Mapping[str, Any]) -> Excuse | None:
    """Give the function that tells whether a PDU may be missing, and all that follow it, or nothing."""
    if not any(applies(known, tshark, options) for known in KNOWN):
        return None
    holes: dict[Key, int] = {}

    def after_a_hole(key: Key, first_missing: Sight) -> bool:
        # Looked up only when something is missing, since it means reading the capture.
        if not holes:
            holes.update(filled_holes(capture))
        seen = first_missing.seen
        return key in holes and seen.offset + seen.length > holes[key]

    return after_a_hole


def applies(known: Known, tshark: Tshark, options: Mapping[str, Any]) -> bool:
    """Tell whether a row is about this run."""
    value = {**PREFS, **options.get("prefs", {})}.get(known.preference)
    return tshark.version < known.before and str(value).upper() == "TRUE"


def filled_holes(capture: str | os.PathLike[str]) -> dict[Key, int]:
    """Give, for each direction with a late segment, where in the stream the first one belongs."""
    holes: dict[Key, int] = {}
    last: dict[Key, tuple[int, int]] = {}
    for event in conversations(read_packets(capture)):
        if isinstance(event, Chunk):
            key = event.connection.index, event.direction
            frame, offset = last.get(key, (0, 0))
            if frame == event.frame:
                # What was held until this frame follows what the frame brought.
                holes.setdefault(key, offset)
            else:
                last[key] = event.frame, event.offset
    return holes
