# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of offsets in a multifd packet is read many at a time without a tree, and one by one with one.

As many as there are, none beyond the list, and an offset outside of its block is found wherever it stands.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import dissector.protocols.qemu_migration as qemu
from dissector.capture import Endpoint
from dissector.decode import PduSeen
from dissector.regression.wire import cut, fixed, write_capture
from dissector.tshark import Tshark
from tests.regression.test_cost import WITHOUT_REGEX
from tests.regression.test_unseen import same, summary
from tests.support.readings import decoded

pytestmark = pytest.mark.needs_tshark

BLOCK, PAGE, PAGES, SLOTS = b"pc.ram", 4096, 256, 128
SECTION = 2
SERVER = Endpoint("192.0.2.2", 4444)
ENDS = [(Endpoint("192.0.2.1", 40000 + n), SERVER) for n in range(2)]


def main_channel() -> bytes:
    """The beginning of a migration, up to the list of blocks."""
    parts = (
        qemu.FileHeader(),
        qemu.SectionStart(section_id=SECTION, idstr=b"ram", version_id=4),
        qemu.RamMemSize(addr=PAGES * PAGE),
        qemu.RamBlock(block=BLOCK, used_length=PAGES * PAGE),
        qemu.RamEos(),
        qemu.SectionFooter(section_id=SECTION),
    )
    return b"".join(bytes(part) for part in parts)


def packet(number: int, normal: list[int], zero: list[int]) -> bytes:
    """A packet with these offsets, and pages for the normal ones."""
    head = qemu.MultifdPacket(
        pages_alloc=SLOTS,
        normal_pages=len(normal),
        zero_pages=len(zero),
        next_packet_size=len(normal) * PAGE,
        packet_num=number,
        ramblock=BLOCK,
    )
    offsets = b"".join(offset.to_bytes(8) for offset in (*normal, *zero)).ljust(8 * SLOTS, b"\0")
    return bytes(head) + offsets + bytes([number]) * (len(normal) * PAGE)


def channel(packets: list[tuple[list[int], list[int]]]) -> bytes:
    """A multifd channel with these packets."""
    return bytes(qemu.MultifdInit()) + b"".join(packet(n, *each) for n, each in enumerate(packets, 1))


OFFSETS = [page * PAGE for page in range(PAGES)]
LAST, BEHIND = OFFSETS[-1], PAGES * PAGE
LISTS = {
    "full": [(OFFSETS[:5], OFFSETS[5:128]), (OFFSETS[:128], []), ([], OFFSETS[:128]), ([], [])],
    "not full": [(OFFSETS[:3], []), ([], OFFSETS[:1]), (OFFSETS[:100], OFFSETS[100:103])],
    "outside": [(OFFSETS[:3], [*OFFSETS[:40], BEHIND, *OFFSETS[40:60]]), ([LAST, BEHIND, LAST], [LAST, BEHIND])],
    "far outside": [([1 << 63, 0, (1 << 64) - PAGE], [1 << 32, 1 << 40, 0, LAST + 1])],
}


@pytest.mark.parametrize("segment", [61, 65160])
@pytest.mark.parametrize("name", LISTS)
def test_list(name: str, segment: int, tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """With and without a tree, with and without regular expressions, and in the decoder: the same."""
    path, without = tmp_path / "made.pcap", tmp_path / "without.lua"
    streams = main_channel(), channel(LISTS[name])
    write_capture(
        path, [s for n, octets in enumerate(streams) for s in cut(octets, fixed(segment), connection=n)], ends=ENDS
    )
    without.write_text(WITHOUT_REGEX + lua_plugin.read_text())

    same(tshark, path, lua_plugin)
    told = summary(tshark, path, lua_plugin, "-q")
    assert told == summary(tshark, path, without, "-q")

    pdus = [e for e in decoded(path).events if isinstance(e, PduSeen)]
    for layer in ("MultifdOffset", "MultifdZeroOffset", "MultifdUnused"):
        assert count(told, f"PDU {layer}") == sum(pdu.name == layer for pdu in pdus), layer
    wrong = [f for pdu in pdus for f in pdu.findings if f.name == "multifd_offset"]
    assert count(told, "finding multifd_offset") == len(wrong)
    assert bool(wrong) is ("outside" in name)


def count(told: list[str], what: str) -> int:
    """The number that the summary gives for something; 0 if it does not speak of it."""
    return next((int(line.split()[-1]) for line in told if line.strip().rsplit(None, 1)[0].strip() == what), 0)
