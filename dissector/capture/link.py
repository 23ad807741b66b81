# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets to TCP segments: the headers from the link up to TCP, and nothing else.

:data:`SIMPLE` does in one ``unpack`` what nearly every packet allows: Ethernet, IPv4 without options, TCP.  Whatever
differs in any way takes the careful road of :func:`tcp_segment`, which knows the other link types, VLAN tags, IPv6
and its extension headers, and packets that were cut short.

Where a segment ends is told by IP, not by the frame: short frames are padded to 60 octets and some captures
keep the frame's checksum.  The exception is an IPv4 total length (IPv6 payload length) of zero:
segmentation offload shows the capture a packet larger than 64 KiB before anybody has filled in that field,
and then the frame's length is right.

A segment is known by its key: source and destination address, source and destination port, 12 octets for
IPv4 and 36 for IPv6, as they stand in the packet.  Cutting twelve octets is much cheaper than making four
numbers, and nobody needs the numbers of a packet whose connection is known.

Sources: RFC 791, RFC 8200, RFC 9293; https://www.tcpdump.org/linktypes.html.
"""

from __future__ import annotations

import socket
import struct

from dissector.capture.packet import Endpoint, Ignored, Packet

FIN, SYN, RST, ACK = 1, 2, 4, 16

Segment = tuple[bytes, int, int, int, int, int, int]
"""Key, sequence number, acknowledgment number, flags, start and stop of the octets that were captured, as
places in the packet's data, and how many octets there were on the wire."""

NULL, ETHERNET, LOOP, SLL, SLL2, IPV4, IPV6 = 0, 1, 108, 113, 276, 228, 229
RAW = (101, 12, 14)

_IP, _IPV6 = 0x0800, 0x86DD
_TAGS = {0x8100, 0x88A8, 0x9100, 0x9200}
"""802.1Q, 802.1ad, and two values that served for the latter before it had one."""
_SKIPPED = {0, 43, 60}
"""IPv6 extension headers before TCP: hop-by-hop options, routing, destination options."""
_FRAGMENT = 44
_TCP = 6

SIMPLE = struct.Struct(">12xHBxHxxHxB2x12sIIBB").unpack_from
"""Of Ethernet, IPv4 and TCP: type, version and length, total length, fragment, protocol, key, sequence and
acknowledgment number, offset of the octets, flags; 54 octets."""
_TCP_HEADER = struct.Struct(">IIBB").unpack_from
_IPV4_HEADER = struct.Struct(">BxH2xHxB2x8s").unpack_from
_IPV6_HEADER = struct.Struct(">4xHBx32s").unpack_from


def tcp_segment(packet: Packet, ignored: Ignored) -> Segment | None:
    """Return what the packet says about its connection; None, and count why, if it has none."""
    data = packet.data
    start = _network(packet, ignored)
    if start < 0:
        return None
    version = data[start] >> 4 if start < len(data) else 0
    if version == 4:
        return _ipv4(packet, start, ignored)
    if version == 6:
        return _ipv6(packet, start, ignored)
    ignored.malformed += 1
    return None


def endpoints(key: bytes) -> tuple[Endpoint, Endpoint]:
    """Return the two ends that a segment's key names, its sender first."""
    size = (len(key) - 4) // 2
    family = socket.AF_INET if size == 4 else socket.AF_INET6
    source, destination = struct.unpack_from(">HH", key, 2 * size)
    return (
        Endpoint(socket.inet_ntop(family, key[:size]), source),
        Endpoint(socket.inet_ntop(family, key[size : 2 * size]), destination),
    )


def reverse(key: bytes) -> bytes:
    """Return the key of the other direction."""
    size = (len(key) - 4) // 2
    return key[size : 2 * size] + key[:size] + key[-2:] + key[-4:-2]


def _network(packet: Packet, ignored: Ignored) -> int:
    """Return where the IP header starts, or -1 if there is none."""
    linktype = packet.linktype
    if linktype == ETHERNET:
        return _ethertype(packet.data, 12, 14, ignored)
    if linktype == SLL:
        return _ethertype(packet.data, 14, 16, ignored)
    if linktype == SLL2:
        return _ethertype(packet.data, 0, 20, ignored)
    if linktype in {NULL, LOOP}:
        return _family(packet.data, ignored)
    if linktype in RAW or linktype in {IPV4, IPV6}:
        return 0
    ignored.link_types[linktype] = ignored.link_types.get(linktype, 0) + 1
    return -1


def _ethertype(data: memoryview, place: int, start: int, ignored: Ignored) -> int:
    """Follow the type at ``place`` through any number of tags, each of which ends with the next type."""
    while place + 2 <= len(data):
        kind = data[place] << 8 | data[place + 1]
        if kind in {_IP, _IPV6}:
            return start
        if kind not in _TAGS:
            ignored.not_tcp += 1
            return -1
        place = start + 2
        start += 4
    ignored.malformed += 1
    return -1


def _family(data: memoryview, ignored: Ignored) -> int:
    """Read an address family in the byte order of whatever machine captured it.

    AF_INET is 2 everywhere; AF_INET6 is 24, 28 or 30 on the BSDs and 10 on Linux.
    """
    if len(data) < 4:
        ignored.malformed += 1
        return -1
    family = min(int.from_bytes(data[:4], "big"), int.from_bytes(data[:4], "little"))
    if family in {2, 10, 24, 28, 30}:
        return 4
    ignored.not_tcp += 1
    return -1


def _ipv4(packet: Packet, start: int, ignored: Ignored) -> Segment | None:
    if start + 20 > len(packet.data):
        ignored.malformed += 1
        return None
    version, total, fragment, protocol, addresses = _IPV4_HEADER(packet.data, start)
    header = (version & 15) * 4
    if protocol != _TCP:
        ignored.not_tcp += 1
        return None
    if fragment & 0x3FFF:
        ignored.fragments += 1
        return None
    end = start + total if total else packet.original
    if header < 20:
        ignored.malformed += 1
        return None
    return _tcp(packet, addresses, start + header, end, ignored)


def _ipv6(packet: Packet, start: int, ignored: Ignored) -> Segment | None:
    data = packet.data
    if start + 40 > len(data):
        ignored.malformed += 1
        return None
    length, protocol, addresses = _IPV6_HEADER(data, start)
    end = start + 40 + length if length else packet.original
    place = start + 40
    while protocol in _SKIPPED or protocol == _FRAGMENT:
        if place + 8 > len(data):
            ignored.malformed += 1
            return None
        if protocol == _FRAGMENT:
            # An offset of zero and nothing to follow is an "atomic" fragment, which is a whole packet.
            if int.from_bytes(data[place + 2 : place + 4], "big") & 0xFFF9:
                ignored.fragments += 1
                return None
            size = 8
        else:
            size = data[place + 1] * 8 + 8
        protocol = data[place]
        place += size
    if protocol != _TCP:
        ignored.not_tcp += 1
        return None
    return _tcp(packet, addresses, place, end, ignored)


def _tcp(packet: Packet, addresses: bytes, place: int, end: int, ignored: Ignored) -> Segment | None:
    """Read the TCP header at ``place`` of a packet that ended at ``end`` on the wire.

    Fourteen octets are enough: a snapshot length that cut off the rest leaves us the fact of so many octets.
    """
    data = packet.data
    if place + 14 > len(data):
        ignored.malformed += 1
        return None
    seq, ack, offset, flags = _TCP_HEADER(data, place + 4)
    start = place + (offset >> 4) * 4
    if offset < 0x50 or start > end:
        ignored.malformed += 1
        return None
    key = addresses + bytes(data[place : place + 4])
    return key, seq, ack, flags, min(start, len(data)), min(end, len(data)), end - start
