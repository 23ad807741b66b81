# SPDX-License-Identifier: GPL-2.0-or-later
"""Headers: from the first octet of a frame to the octets that TCP carries, whatever lies between."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.capture import Endpoint, Ignored, Packet
from dissector.capture.link import Segment, endpoints, reverse, tcp_segment
from dissector.regression.wire import (
    ETHERNET,
    LOOP,
    NULL,
    RAW,
    SLL,
    SLL2,
    default_ends,
    ip_header,
    link_header,
)

LINKS = [
    (ETHERNET, ()),
    (ETHERNET, (7,)),
    (ETHERNET, (7, 8, 9)),
    (SLL, ()),
    (SLL, (7,)),
    (SLL2, ()),
    (NULL, ()),
]
LINKS += [(LOOP, ()), (RAW, ()), (12, ()), (14, ())]
PAYLOAD = b"what TCP carries"


def tcp_header(offset: int = 5, flags: int = 0x18) -> bytes:
    """Return a TCP header from port 40000 to 4444, with options up to ``offset`` words."""
    return struct.pack(">HHIIBBHHH", 40000, 4444, 17, 99, offset << 4, flags, 512, 0, 0) + bytes(4 * offset - 20)


def ends(version: int) -> tuple[str, str]:
    client, server = default_ends(0, version)
    return client.address, server.address


def datagram(version: int = 4, payload: bytes = PAYLOAD, offset: int = 5) -> bytes:
    """Return a whole IP packet."""
    tcp = tcp_header(offset) + payload
    return ip_header(*ends(version), len(tcp)) + tcp


def parse(frame: bytes, linktype: int = RAW, original: int | None = None) -> tuple[Segment | None, bytes, Ignored]:
    """Return the segment, its octets, and what was counted."""
    ignored = Ignored()
    data = memoryview(frame)
    packet = Packet(1, 0, linktype, data, len(frame) if original is None else original)
    segment = tcp_segment(packet, ignored)
    return segment, bytes(data[segment[4] : segment[5]]) if segment else b"", ignored


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("linktype", "vlans"), LINKS)
def test_every_link_type(linktype: int, vlans: tuple[int, ...], version: int) -> None:
    """All link types, tagged or not, lead to the same segment."""
    segment, octets, ignored = parse(link_header(linktype, version, vlans) + datagram(version), linktype)

    assert segment is not None
    assert default_ends(0, version) == endpoints(segment[0])
    assert (17, 99, 0x18) == segment[1:4]
    assert len(PAYLOAD) == segment[6]
    assert PAYLOAD == octets
    assert Ignored() == ignored


@pytest.mark.parametrize(("linktype", "version"), [(228, 4), (229, 6)])
def test_link_types_of_one_version(linktype: int, version: int) -> None:
    """Some link types are IPv4 or IPv6 and nothing else."""
    assert PAYLOAD == parse(datagram(version), linktype)[1]


@pytest.mark.parametrize("family", [2, 24, 28, 30, 10])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("linktype", [NULL, LOOP])
def test_address_families_in_both_byte_orders(family: int, order: str, linktype: int) -> None:
    """Loopback captures have the byte order of the machine that made them, and its number for IPv6."""
    frame = struct.pack(order + "I", family) + datagram(4 if family == 2 else 6)

    assert PAYLOAD == parse(frame, linktype)[1]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("payload", [b"", b"x"])
def test_padding_is_no_payload(version: int, payload: bytes) -> None:
    """A short frame is padded to 60 octets and perhaps ends with a checksum; IP knows what belongs to it."""
    frame = link_header(ETHERNET, version) + datagram(version, payload) + b"padding and checksum"

    assert payload == parse(frame, ETHERNET)[1]


@given(st.integers(5, 15), st.integers(5, 15), st.binary(max_size=50))
def test_options(ip_words: int, tcp_words: int, payload: bytes) -> None:
    """Options of IPv4 and TCP are stepped over."""
    tcp = tcp_header(tcp_words) + payload
    ip = bytearray(ip_header(*ends(4), len(tcp) + 4 * ip_words - 20)) + bytes(4 * ip_words - 20)
    ip[0] = 0x40 | ip_words
    frame = link_header(ETHERNET, 4) + ip + tcp

    assert payload == parse(frame, ETHERNET)[1]


@given(st.lists(st.tuples(st.sampled_from([0, 43, 60]), st.integers(0, 3)), max_size=4))
def test_extension_headers(chain: list[tuple[int, int]]) -> None:
    """IPv6 extension headers that say nothing about fragments are stepped over."""
    kinds = [kind for kind, _ in chain] + [6]
    headers = b"".join(
        bytes([after, words]) + bytes(6 + 8 * words) for (_, words), after in zip(chain, kinds[1:], strict=True)
    )
    rest = headers + tcp_header() + PAYLOAD
    frame = ip_header(*ends(6), len(rest), kinds[0]) + rest

    assert PAYLOAD == parse(frame)[1]


@pytest.mark.parametrize("version", [4, 6])
def test_length_of_an_offloaded_packet(version: int) -> None:
    """A packet that was captured before it was cut to size has a length of zero and ends with its frame."""
    payload = bytes(70_000)
    frame = link_header(ETHERNET, version) + datagram(version, payload)

    assert payload == parse(frame, ETHERNET)[1]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("linktype", [ETHERNET, RAW])
def test_snapshot_length(linktype: int, version: int) -> None:
    """However much was cut off, a segment whose flags are there tells how many octets it had."""
    header = link_header(linktype, version)
    whole = header + datagram(version, offset=8)
    headers = len(whole) - len(PAYLOAD)
    for size in range(len(whole)):
        segment, octets, ignored = parse(whole[:size], linktype, len(whole))
        if size < headers - 18:
            assert segment is None
            assert 1 == ignored.malformed
        else:
            assert segment is not None
            assert len(PAYLOAD) == segment[6]
            assert PAYLOAD[: max(0, size - headers)] == octets


def test_a_chain_of_extension_headers_that_was_cut() -> None:
    """Extension headers may go on behind the end of the frame."""
    for frame in (bytes([60, 0]) + bytes(6), bytes([6, 9]) + bytes(6), b""):
        segment, _, ignored = parse(ip_header(*ends(6), 100, 0) + frame)

        assert segment is None
        assert Ignored(malformed=1) == ignored


def test_fragments_are_counted() -> None:
    """Fragments of either version are left out; an atomic fragment is none."""
    ip = bytearray(datagram())
    ip[6:8] = b"\x20\x00"
    first = parse(bytes(ip))
    ip[6:8] = b"\x00\x09"
    later = parse(link_header(ETHERNET, 4) + bytes(ip), ETHERNET)
    rest = tcp_header() + PAYLOAD
    sixth = [
        parse(ip_header(*ends(6), len(rest) + 8, 44) + bytes([6, 0]) + offset + bytes(4) + rest)
        for offset in (b"\x00\x01", b"\x01\x00", b"\x00\x00")
    ]

    assert [None, None, None, None] == [found[0] for found in (first, later, *sixth[:2])]
    assert [1, 1, 1, 1, 0] == [found[2].fragments for found in (first, later, *sixth)]
    assert PAYLOAD == sixth[2][1]


@pytest.mark.parametrize(
    ("frame", "linktype"),
    [
        (link_header(ETHERNET, 4)[:12] + b"\x08\x06" + bytes(60), ETHERNET),
        (struct.pack("<I", 7) + bytes(60), NULL),
        (ip_header(*ends(4), 20, 17) + bytes(20), RAW),
        (ip_header(*ends(6), 20, 58) + bytes(20), RAW),
        (ip_header(*ends(6), 24, 0) + bytes([17, 0]) + bytes(26), RAW),
    ],
)
def test_other_protocols_are_counted(frame: bytes, linktype: int) -> None:
    """ARP, UDP and the like are left out."""
    segment, _, ignored = parse(frame, linktype)

    assert segment is None
    assert Ignored(not_tcp=1) == ignored


def test_unknown_link_types_are_counted() -> None:
    """What link types could not be read is told, so that a user may learn why there is nothing to see."""
    ignored = Ignored()
    for linktype in (127, 127, 195):
        tcp_segment(Packet(1, 0, linktype, memoryview(datagram()), 60), ignored)

    assert Ignored(link_types={127: 2, 195: 1}) == ignored


@pytest.mark.parametrize("place", [0, 32])
def test_impossible_header_lengths(place: int) -> None:
    """Headers that contradict themselves or the length of the packet are left out."""
    for value in (0x00, 0x40, 0x44, 0xF0):
        frame = bytearray(datagram(payload=b""))
        frame[place] = value
        segment, _, ignored = parse(bytes(frame))

        assert segment is None
        assert Ignored(malformed=1) == ignored


@given(st.sampled_from([ETHERNET, NULL, LOOP, SLL, SLL2, RAW, 228, 229]), st.binary(max_size=120))
def test_any_octets(linktype: int, frame: bytes) -> None:
    """Nothing that a frame may hold raises, and what comes out lies within the frame."""
    segment, _, ignored = parse(frame, linktype)

    if segment is None:
        assert 1 == ignored.malformed + ignored.not_tcp + ignored.fragments
    else:
        _, _, _, _, start, stop, length = segment
        assert 0 <= start <= stop <= len(frame)
        assert stop - start <= length


@given(st.sampled_from(LINKS), st.sampled_from([4, 6]), st.data())
def test_any_single_wrong_octet(link: tuple[int, tuple[int, ...]], version: int, data: st.DataObject) -> None:
    """Neither does anything that is nearly right."""
    frame = bytearray(link_header(link[0], version, link[1]) + datagram(version))
    frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    segment, _, _ = parse(bytes(frame), link[0])

    if segment is not None:
        assert segment[4] <= segment[5] <= len(frame)
        assert segment[5] - segment[4] <= segment[6]


@pytest.mark.parametrize("version", [4, 6])
def test_reverse(version: int) -> None:
    """The key of the other direction names the same ends the other way round."""
    segment, _, _ = parse(datagram(version))
    assert segment is not None

    assert endpoints(segment[0])[::-1] == endpoints(reverse(segment[0]))
    assert segment[0] == reverse(reverse(segment[0]))


def test_endpoints_as_text() -> None:
    """An IPv6 address stands in brackets before its port."""
    assert "10.0.0.1:40000" == str(Endpoint("10.0.0.1", 40000))
    assert "[fd00::1]:40000" == str(Endpoint("fd00::1", 40000))
