# SPDX-License-Identifier: GPL-2.0-or-later
"""What is lowered, for whom, and how often."""

from __future__ import annotations

import dataclasses

from dissector.ir.expr import Const
from dissector.ir.lower import MOST_LOWERED, lower
from dissector.ir.model import Rule, State, Stream
from dissector.ir.pdus import Field, Finding, Message, Pdu

PDU = Pdu("A", "A", (Field("a", "t.a", "A", "uint", Const(1)),))
STREAM = Stream(
    "t", "s", (), (State("s", (Rule("s", PDU),)),), Finding("unknown", "error", "malformed", Message("what is this"))
)


def test_a_stream_is_lowered_once() -> None:
    """All who ask about a stream get the same; a stream that is equal is another one."""
    twin = dataclasses.replace(STREAM)

    assert lower(STREAM) is lower(STREAM)
    assert lower(STREAM) is not lower(twin)
    assert lower(STREAM) == lower(twin)


def test_streams_without_end_take_no_memory_without_end() -> None:
    """The streams of long ago are forgotten, and made again when somebody asks."""
    first = lower(STREAM)
    for _ in range(MOST_LOWERED):
        lower(dataclasses.replace(STREAM))

    assert first == lower(STREAM)
    assert first is not lower(STREAM)
