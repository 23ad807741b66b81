# SPDX-License-Identifier: GPL-2.0-or-later
"""The decoder against a second one that was written from docs/executors.md alone."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.decode import Machine
from tests.decode import toy
from tests.decode.reference import Reference, told

MAIN = toy.STREAMS["main"]
PARAMETERS = {"bound": 1 << 52}

octet = st.integers(0, 255)
short = st.binary(max_size=12)
plain = (
    st.builds(toy.say, short)
    | st.builds(
        lambda f, x: bytes([2, f]) + x[: 1 + 2 * (f & 1) + 3 * (f >> 1 & 1)], st.integers(0, 3), st.just(b"abcdef")
    )
    | st.builds(toy.blob, short)
    | st.builds(toy.device, st.integers(0, 2), short)
    | st.builds(lambda k, v: bytes([7, k, 0, v]), st.integers(0, 6), octet)
    | st.builds(lambda k: bytes([8, k]), st.integers(0, 6))
    | st.builds(lambda n: bytes([9, n]), st.integers(5, 17))
    | st.binary(min_size=7, max_size=7).map(lambda x: b"\x0a" + x)
    | st.builds(lambda n: bytes([0x0C, n]) + bytes([0x0C, 0]) * n, st.integers(0, 3))
    | st.builds(lambda n: bytes([0x0E, n, 0x0E, 0]), st.integers(0, 3))
    | st.lists(
        st.builds(toy.small, st.integers(0, 9), st.integers(0, 4)) | st.builds(toy.big, st.integers(0, 9)), max_size=40
    ).map(lambda words: b"\x05" + b"".join(words) + toy.END)
)


def around(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Items with items inside."""
    several = st.lists(inner, max_size=4)
    return several.map(lambda x: toy.package(*x)) | st.builds(
        lambda p, x: bytes([0x0B, len(p), min(255, len(b"".join(x)))]) + p + b"".join(x), short, several
    )


item = st.recursive(plain, around, max_leaves=6)
streams = st.lists(item, max_size=8).map(lambda x: toy.HELLO + b"".join(x))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A stream in which some octets are others, are missing, or are too many."""
    octets = bytearray(draw(streams))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(octets)))
        kind = draw(st.integers(0, 2))
        new = draw(st.binary(max_size=3) | st.sampled_from([b"\x7e\0\0", b"\x01", b"\x04\0\x07", b"TO\0\0\0\x03abc"]))
        octets[at : at + (len(new) if kind == 0 else 3 if kind == 1 else 0)] = b"" if kind == 1 else new
    return bytes(octets)


def pieces(octets: bytes, cuts: list[int]) -> Iterator[bytes]:
    """*octets* cut at these places."""
    places = sorted({c % (len(octets) + 1) for c in cuts})
    for start, stop in zip([0, *places], [*places, len(octets)], strict=True):
        yield octets[start:stop]


@settings(max_examples=200, deadline=None)
@given(octets=damaged(), cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_decoder_agrees_with_the_reference(octets: bytes, cuts: list[int]) -> None:
    """PDUs, values, findings, places, registers and counts are the same, for any way to cut the stream."""
    expected = Reference(MAIN, {**PARAMETERS, "unit": 0}, octets)
    m = Machine(MAIN, PARAMETERS)

    events = [e for piece in pieces(octets, cuts) for e in m.feed(piece)] + m.close()

    assert expected.told == told(events)
    assert expected.registers == m.registers
    assert {k: v for k, v in m.counts.items() if v} == expected.counts
