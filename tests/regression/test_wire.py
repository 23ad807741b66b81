# SPDX-License-Identifier: GPL-2.0-or-later
"""The captures that tests are made of: a capture written anew says what the old one said."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.capture import Chunk, conversations, read_packets
from dissector.regression.wire import Segment, cut, duplicate, explicit, fixed, random_sizes, resegment, write_capture
from tests.support.captures import gaps, octets, said


@settings(deadline=None)
@given(st.integers())
def test_resegment(seed: int) -> None:
    """A capture that is written anew, cut otherwise and damaged, has the same octets and order of directions."""
    segments = [*cut(said(900), explicit(400)), *cut(said(800, 1), fixed(100), direction=1, connection=1)]
    segments += [*cut(said(300, 2), fixed(300), direction=1), Segment(b"again", 900), Segment(b"gap", 2000)]
    before, after = io.BytesIO(), io.BytesIO()
    write_capture(before, segments)
    before.seek(0)

    resegment(before, after, random_sizes(seed, 1, 99), duplicate(seed), version=6)

    after.seek(0)
    found = list(conversations(read_packets(after)))
    assert said(900) + b"again" + bytes(1095) + b"gap" == octets(found)
    assert (said(300, 2), said(800, 1)) == (octets(found, 1), octets(found, 1, 1))
    assert [(905, 1095)] == gaps(found)
    order = [(event.connection.index, event.direction) for event in found if isinstance(event, Chunk)]
    changes = [place for last, place in zip([None, *order], order, strict=False) if last != place]
    assert [(0, 0), (1, 1), (0, 1), (0, 0)] == changes
