# SPDX-License-Identifier: GPL-2.0-or-later
"""What Wireshark itself does differently from release to release; everything else must be the same in all of them.

A row says which releases, under which preferences, do what; the comparison allows exactly that, in the direction of the
connection where it happens, from the octet on where it happens, and nothing before it.  Each was measured with a plugin
that does nothing but count the octets that it is given, so it is none of the generated plugin's doing:

``late``: with ``tcp.reassemble_out_of_order``, 3.4.10 hands over nothing more of a direction from its first late
segment on: 1,750,783 octets of the 2,111,674 of qemu-5.2-pre, where 4.4.19 and 4.6.9 hand over all of them.  So PDUs
may be missing at the end; those that are there must be right.

``again``: 3.4.10 hands over repeated segments again: 1,830,610 octets of the 1,546,802 of qemu-7.2-xbzrle, cut to 1,448
octets with a fifth of its segments repeated, where 4.4.19 hands over each once.  A plugin that counts octets loses its
place there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dissector.regression.wireshark import connections
from dissector.tshark.run import PREFS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dissector.regression.compare import Excuse
    from dissector.regression.seen import Key, Sight
    from dissector.tshark import Tshark

    Places = dict[str, dict[Key, int]]


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is known in releases below ``before``, if the preference named is on."""

    name: Literal["late", "again"]
    before: tuple[int, ...]
    preference: str = ""


KNOWN = (
    Known("late", (3, 5), "tcp.reassemble_out_of_order"),
    Known("again", (3, 5)),
)


def excuse_for(capture: Path, tshark: Tshark, options: Mapping[str, Any]) -> Excuse | None:
    """Give the function that tells whether a direction may be different from a PDU on, or nothing."""
    names = {known.name for known in KNOWN if applies(known, tshark, options)}
    if not names:
        return None
    places: Places = {}

    def excused(key: Key, ours: Sight, theirs: Sight | None) -> bool:
        if not places:
            # Looked up only when something is different, since it means reading the capture.
            places.update(disorder(capture, tshark))
        end = ours.seen.offset + ours.seen.length
        allowed = names if theirs is None else names - {"late"}
        return any(key in places[name] and end > places[name][key] for name in allowed)

    return excused


def applies(known: Known, tshark: Tshark, options: Mapping[str, Any]) -> bool:
    """Tell whether a row is about this run."""
    value = {**PREFS, **options.get("prefs", {})}.get(known.preference)
    return tshark.version < known.before and (not known.preference or str(value).upper() == "TRUE")


def disorder(capture: Path, tshark: Tshark) -> Places:
    """Give where each direction's first late segment belongs, and how far it was when the first came again."""
    places: Places = {"late": {}, "again": {}}
    keys = connections(capture, tshark)
    reached: dict[Key, int] = {}
    for number, seq, length in tshark.rows(
        capture, fields=("frame.number", "tcp.seq", "tcp.len"), display_filter="tcp.len > 0"
    ):
        key, offset = keys[int(number[0])], int(seq[0]) - 1
        here = reached.setdefault(key, 0)
        if offset > here:
            places["late"].setdefault(key, here)
        elif offset < here:
            places["again"].setdefault(key, offset)
        reached[key] = max(here, offset + int(length[0]))
    return places
