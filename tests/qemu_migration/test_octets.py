# SPDX-License-Identifier: GPL-2.0-or-later
"""Every octet of every recording belongs to a PDU, and most of them to one whose layout is known."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from dissector.decode import PduSeen
from dissector.reading import Reading
from tests.coverage import OPAQUE, protocol
from tests.support.recordings import PLAIN, name_of

CAPTURES = PLAIN
Key = tuple[object, int]
"""A connection and the side that sends, 0 for the client."""


class Octets:
    """How far each direction is covered by PDUs, and with how many octets that nobody here can read."""

    def __init__(self, capture: Path) -> None:
        self.covered: dict[Key, int] = defaultdict(int)
        self.opaque = 0
        reading = Reading(protocol(), capture)
        seen = [event for event in reading.events() if isinstance(event, PduSeen)]
        client = {c.key: c.forward for x in reading.session.conversations for c in x.connections}
        self.sent: dict[Key, int] = {
            (key, side): n for key, wire in reading.wires.items() for side, n in enumerate(wire.octets)
        }
        self.missing: dict[Key, int] = {
            (key, side): n for key, wire in reading.wires.items() for side, n in enumerate(wire.missing)
        }
        for pdu in seen:
            connection = pdu.source.connection
            side = client[connection] ^ (pdu.direction == "reverse")
            here = min(pdu.length, self.sent[connection, side] - pdu.offset)  # the last one may be cut off
            self.covered[connection, side] += here
            self.opaque += here if pdu.name in OPAQUE else 0


@pytest.mark.parametrize("capture", CAPTURES, ids=name_of)
def test_no_octet_is_left_over(capture: Path) -> None:
    """What the connections carried, less what the capture does not have, is the sum of the PDUs."""
    octets = Octets(capture)
    expected = {key: n - octets.missing[key] for key, n in octets.sent.items() if n > octets.missing[key]}
    total = sum(expected.values())
    print(f"{capture.name}: {total} octets, {100 * octets.opaque / total:.1f} % of them device state")

    assert expected == dict(octets.covered)
    assert 0 <= octets.opaque < total
