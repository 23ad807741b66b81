# SPDX-License-Identifier: GPL-2.0-or-later
"""Synthetic captures of a migration, made on the spot: ``python -m bench.inputs KIND SEGMENT SIZE_MB FILE [FOLDER]``.

A stream is a beginning (file header, configuration, START with one RAM block) and then PART sections of RAM, as many
as the size asks for.  Every octet of it comes from the project's own Scapy layers, so nothing of the protocol is
written down a second time here: one PART section is built record by record, and then the same section is repeated.
That is the whole trick, since Scapy makes twenty thousand records a second and a gigabyte of zero pages has a hundred
million.  A section's length is no multiple of a segment's, so records straddle segments in every possible way.

Three kinds of PART section, because they cost a reader different things:

* ``pages``: whole pages.  Few headers, many octets: what is measured is how payload is passed over.
* ``zero``: zero pages, nine octets each.  As many headers as the wire can hold.
* ``mix``: seven zero pages in ten, in no order: a guest that is half idle, and the end of every fast path.

Two more are no migrations: as many pages as NBD writes, for Wireshark's own dissector of that protocol.  ``nbd-alike``
is cut like the others.  There NBD's dissector loses its place where a segment ends in a request's head (4.0 does), and
every segment is then offered to all heuristics, which costs more than reassembling.  ``nbd`` shows it at its best: a
segment ends before such a head, as it does where head and data are sent one after the other.
In segments of 0 the stream is no capture but a file, with an end, as ``migrate file:`` leaves it.

Two segment sizes: 1,448 octets is what a wire with an MTU of 1,500 carries, 32 KiB what a capture taken on the sending
host shows, where the network card cuts segments later.  Every second segment is acknowledged; sequence numbers, lengths
and timestamps are right, checksums are 0 (tshark does not look at them unless told to).

The layers are imported only when something is built.  The measuring process runs this file as a process of its own:
Scapy's memory would otherwise count as that of each program it starts (see runs.py).
"""

from __future__ import annotations

import itertools
import random
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

KINDS = ("pages", "zero", "mix")
SEGMENTS = (1448, 32 * 1024)
MEGABYTE = 10**6

PORT = 4444
"""The destination port; noop.lua is registered on it."""

BLOCK, BLOCK_LENGTH, SECTION_ID = b"pc.ram", 8 << 30, 2
NBD, NBD_ALIKE = "nbd", "nbd-alike"
RECORDS = {"pages": 1024, "zero": 8192, "mix": 2048, NBD: 1024, NBD_ALIKE: 1024}
"""Records of a PART section: enough that its head, name and end do not show in a mean."""

NBD_HEAD, NBD_LENGTH = 28, 4096
ZERO_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Made:
    """What the stream of a capture holds: octets, records (pages and zero pages) and TCP segments with payload."""

    octets: int
    records: int
    segments: int


def beginning() -> bytes:
    """The stream up to the end of the RAM section's START."""
    import dissector.protocols.qemu_migration as qemu  # noqa: PLC0415  see the head of this file
    from dissector.protocols.qemu_migration.constants import RAM_SECTION, RAM_VERSION  # noqa: PLC0415

    parts = (
        qemu.FileHeader(),
        qemu.Configuration(machine=b"pc-i440fx-7.2"),
        qemu.SectionStart(section_id=SECTION_ID, idstr=RAM_SECTION, version_id=RAM_VERSION),
        qemu.RamMemSize(addr=BLOCK_LENGTH),
        qemu.RamBlock(block=BLOCK, used_length=BLOCK_LENGTH),
        qemu.RamEos(),
        qemu.SectionFooter(section_id=SECTION_ID),
    )
    return b"".join(bytes(part) for part in parts)


def part_section(kind: str, folder: Path | None = None) -> bytes:
    """One PART section of RAM; it takes seconds to build, so it is kept in *folder* for the next capture."""
    if folder is None:
        return build_section(kind)
    kept = folder / f"{kind}.section"
    if not kept.exists():
        kept.write_bytes(build_section(kind))
    return kept.read_bytes()


def build_section(kind: str) -> bytes:
    """Its first record names the block, the others continue it."""
    import dissector.protocols.qemu_migration as qemu  # noqa: PLC0415  see the head of this file
    from dissector.protocols.qemu_migration.constants import DEFAULT_PAGE_SIZE  # noqa: PLC0415

    chance = random.Random(kind)
    contents = [chance.randbytes(DEFAULT_PAGE_SIZE) for _ in range(64)]
    out = [bytes(qemu.SectionPart(section_id=SECTION_ID))]
    for i in range(RECORDS[kind]):
        zero = kind == "zero" or (kind == "mix" and chance.random() < ZERO_SHARE)
        values: dict[str, object] = {"addr": i * DEFAULT_PAGE_SIZE} | ({} if i else {"block": BLOCK})
        record = qemu.RamZero(**values) if zero else qemu.RamPage(**values, data=contents[i % len(contents)])
        out.append(bytes(record))
    out += [bytes(qemu.RamEos()), bytes(qemu.SectionFooter(section_id=SECTION_ID))]
    return b"".join(out)


def writes() -> bytes:
    """As many NBD requests that write 4 KiB as a PART section has pages; protocol: NBD's doc/proto.md."""
    chance = random.Random("nbd")
    contents = [chance.randbytes(NBD_LENGTH) for _ in range(64)]
    each = (struct.pack(">IHHQQI", 0x25609513, 0, 1, i, i * NBD_LENGTH, NBD_LENGTH) for i in range(RECORDS[NBD]))
    return b"".join(head + contents[i % len(contents)] for i, head in enumerate(each))


def ending() -> bytes:
    """EOF and a description of no devices, without which scripts/analyze-migration.py reads nothing."""
    import dissector.protocols.qemu_migration as qemu  # noqa: PLC0415  see the head of this file

    return bytes(qemu.Eof()) + bytes(qemu.VmDescription(json=b'{"page_size":4096,"devices":[]}'))


def stream(kind: str, octets: int, folder: Path | None = None) -> Iterator[bytes]:
    """The stream in pieces, of at least that many octets: always whole sections, and at least one."""
    is_nbd = kind in (NBD, NBD_ALIKE)
    head = b"" if is_nbd else beginning()
    yield head
    part = writes() if is_nbd else part_section(kind, folder)
    for _ in range(max(1, -((len(head) - octets) // len(part)))):
        yield part


class Wire:
    """Writes one TCP connection as a nanosecond pcap.

    IPv4 and TCP with timestamps: what a Linux host sends.  The two packs a packet takes are the whole cost beside
    writing the octets, about two microseconds.
    """

    FILE = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, 1)
    RECORD = struct.Struct("<IIII")
    HEADERS = struct.Struct(">6s6sH BBHHHBBH4s4s HHIIBBHHH HBBII")
    ETHERNET, IP, TCP = 14, 20, 32
    ENDS = (
        (b"\x52\x54\x00\x00\x00\x01", b"\x0a\x00\x00\x01", 40000),
        (b"\x52\x54\x00\x00\x00\x02", b"\x0a\x00\x00\x02", PORT),
    )
    SYN, PUSH, ACK = 0x02, 0x08, 0x10

    def __init__(self, out: BinaryIO) -> None:
        self.write = out.write
        self.next = [1000, 5000]
        self.packets = 0
        self.write(self.FILE)

    def packet(self, source: int, flags: int, payload: bytes | memoryview = b"") -> None:
        """One packet from the end *source*."""
        (mac, ip, port), (to_mac, to_ip, to_port) = self.ENDS[source], self.ENDS[1 - source]
        size = self.IP + self.TCP + len(payload)
        ns = self.packets * 12000
        second = 1_700_000_000 + ns // 10**9
        here, there = (n & 0xFFFFFFFF for n in (self.next[source], self.next[1 - source]))
        headers = self.HEADERS.pack(
            *(to_mac, mac, 0x0800),
            *(0x45, 0, size, self.packets & 0xFFFF, 0x4000, 64, 6, 0, ip, to_ip),
            *(port, to_port, here, there if flags & self.ACK else 0, self.TCP << 2, flags, 502, 0, 0),
            *(0x0101, 8, 10, (ns // 10**6) & 0xFFFFFFFF, 0),
        )
        length = self.ETHERNET + size
        self.write(self.RECORD.pack(second, ns % 10**9, length, length) + headers)
        self.write(payload)
        self.packets += 1
        self.next[source] += len(payload) + (1 if flags & self.SYN else 0)

    def connect(self) -> None:
        """The three packets that open the connection."""
        self.packet(0, self.SYN)
        self.packet(1, self.SYN | self.ACK)
        self.packet(0, self.ACK)

    def send_writes(self, pieces: Iterator[bytes], segment: int) -> int:
        """NBD writes in segments of at most that size, no head in two of them; gives their number."""
        sent = 0
        for piece in pieces:
            octets, at = memoryview(piece), 0
            while at < len(octets):
                end = min(at + segment, len(octets))
                inside = end % (NBD_HEAD + NBD_LENGTH)
                end -= inside if inside < NBD_HEAD else 0
                self.packet(0, self.PUSH | self.ACK, octets[at:end])
                at, sent = end, sent + 1
                if sent % 2 == 0:
                    self.packet(1, self.ACK)
        return sent

    def send(self, pieces: Iterator[bytes], segment: int) -> int:
        """All of *pieces* in segments of that size; gives their number."""
        sent, rest = 0, b""
        for piece in itertools.chain(pieces, (None,)):
            octets = memoryview(rest + piece if piece is not None else rest)
            whole = len(octets) - len(octets) % segment if piece is not None else len(octets)
            for at in range(0, whole, segment):
                self.packet(0, self.PUSH | self.ACK, octets[at : at + segment])
                sent += 1
                if sent % 2 == 0:
                    self.packet(1, self.ACK)
            rest = bytes(octets[whole:])
        if sent % 2:
            self.packet(1, self.ACK)
        return sent


def make(kind: str, segment: int, octets: int, path: Path, folder: Path | None = None) -> Made:
    """Write a capture, or with segments of 0 the stream itself."""
    sections = 0

    def counted() -> Iterator[bytes]:
        nonlocal sections
        for sections, piece in enumerate(stream(kind, octets, folder)):  # noqa: B007  the count is what is wanted
            yield piece

    with path.open("wb", buffering=1 << 20) as out:
        if not segment:
            return Made(sum(out.write(piece) for piece in (*counted(), ending())), sections * RECORDS[kind], 0)
        wire = Wire(out)
        start = wire.next[0] + 1
        wire.connect()
        segments = (wire.send_writes if kind == NBD else wire.send)(counted(), segment)
    return Made(wire.next[0] - start, sections * RECORDS[kind], segments)


def main() -> None:
    """Make one capture and print what it holds."""
    kind, segment, size, path, *folder = sys.argv[1:]
    made = make(kind, int(segment), int(float(size) * MEGABYTE), Path(path), Path(folder[0]) if folder else None)
    print(made.octets, made.records, made.segments)


if __name__ == "__main__":
    main()
