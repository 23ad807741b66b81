# SPDX-License-Identifier: GPL-2.0-or-later
"""What Wireshark itself does differently from release to release; everything else must be the same in all of them.

A row says which releases, under which preferences, what they do, and why that is none of the plugin's doing.  The
comparison allows exactly that and nothing around it.

``nothing-after-a-late-segment``: with ``tcp.reassemble_out_of_order``, 3.4.10 hands a dissector nothing more of a
direction from the first late segment on.  A plugin that does nothing but count gets 1,750,783 octets of the 2,111,674
of qemu-5.2-pre, which are those in front of the hole; with 4.4.19 and 4.6.9 it gets all of them.
"""

from __future__ import annotations

from collections import defaultdict
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
    """Give, for each direction with a late segment, where in the stream the first one belongs.

    Chunks come in the order of the stream with the frames that brought them: where one comes from an earlier frame than
    those in front of it, these were late.
    """
    holes: dict[Key, int] = {}
    came: dict[Key, list[tuple[int, int]]] = defaultdict(list)
    for event in conversations(read_packets(capture)):
        if isinstance(event, Chunk):
            key = event.connection.index, event.direction
            if key not in holes and came[key] and came[key][-1][0] > event.frame:
                holes[key] = next(offset for frame, offset in came[key] if frame > event.frame)
            came[key].append((event.frame, event.offset))
    return holes
