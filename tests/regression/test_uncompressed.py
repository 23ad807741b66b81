# SPDX-License-Identifier: GPL-2.0-or-later
"""Compressed pages in a tab of their own: what Wireshark shows there is what Python's zlib makes of the same octets."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dissector.capture import Chunk, Opened, conversations, read_packets
from dissector.decode import PduSeen, Session
from dissector.regression.model import protocol
from dissector.tshark import Tshark
from tests.support.recordings import recorded as capture

pytestmark = pytest.mark.needs_tshark

TAB = re.compile(r"Uncompressed pages? \((\d+) bytes\):$")
ROW = re.compile(r"[0-9a-f]{4,}  ((?:[0-9a-f]{2} ){1,16})")
REASON = re.compile(r"\s*\[Not uncompressed: (.*)\]$")
CONTINUES, PART = "it continues the {} stream of this connection", "this segment has only a part of it"


class Shown(NamedTuple):
    """What Wireshark makes of the compressed payloads of a capture."""

    tabs: list[bytes]
    reasons: list[str]


def shown(name: str, tshark: Tshark, lua_plugin: Path) -> Shown:
    """The octets of each tab, and why there is none, in the order of the capture."""
    found = Shown([], [])
    tabs: list[bytearray] = []
    inside = False
    for line in tshark.lines(capture(name), lua_plugin, args=["-V", "-x"]):
        row = ROW.match(line)
        if inside and row:
            tabs[-1] += bytes.fromhex(row[1])
            continue
        inside = bool(TAB.match(line))
        if inside:
            tabs.append(bytearray())
        elif reason := REASON.match(line):
            found.reasons.append(reason[1])
    found.tabs.extend(map(bytes, tabs))
    return found


def payloads(name: str) -> Iterator[tuple[str, int, bytes]]:
    """Name, number of its connection, and payload of each PDU."""
    session = Session(protocol(), payload=True)
    for event in conversations(read_packets(capture(name))):
        c = event.connection
        if isinstance(event, Opened):
            session.opened(c.index, (c.client.address, c.client.port), (c.server.address, c.server.port))
        elif isinstance(event, Chunk):
            for e in session.data(c.index, event.direction, event.data, offset=event.offset):
                if isinstance(e, PduSeen) and isinstance(data := e.fields.get("data"), bytes):
                    yield e.name, c.index, data


@pytest.mark.parametrize("name", ["qemu-5.2-compress", "qemu-7.2-compress"])
def test_pages(name: str, tshark: Tshark, lua_plugin: Path) -> None:
    """Each compressed page that lies in one segment is shown as zlib inflates it; of the others it is said why not."""
    pages = [zlib.decompress(data) for kind, _, data in payloads(name) if kind == "RamCompressed"]
    found = shown(name, tshark, lua_plugin)
    rest = iter(pages)

    assert {4096} == {len(page) for page in pages}
    assert len(found.tabs) > 300
    assert all(tab in rest for tab in found.tabs), "in the order of the stream"
    assert [PART] * (len(pages) - len(found.tabs)) == found.reasons


def test_pages_of_a_channel(tshark: Tshark, lua_plugin: Path) -> None:
    """Of a multifd channel's one zlib stream only the first piece stands by itself, and is shown if it is all there."""
    pieces = [(c, data) for kind, c, data in payloads("qemu-7.2-multifd-zlib") if kind == "MultifdCompressed"]
    first = dict(reversed(pieces))
    found = shown("qemu-7.2-multifd-zlib", tshark, lua_plugin)

    assert [128 * 4096] == [len(tab) for tab in found.tabs]
    assert found.tabs[0] in [zlib.decompressobj().decompress(data) for data in first.values()]
    assert sorted([PART, *[CONTINUES.format("zlib")] * (len(pieces) - 2)]) == sorted(found.reasons)


def test_zstd_is_not_guessed(tshark: Tshark, lua_plugin: Path) -> None:
    """A piece of a zstd stream ends in the middle of a frame, which Wireshark does not uncompress: it says so."""
    pieces = [data for kind, _, data in payloads("qemu-7.2-multifd-zstd") if kind == "MultifdCompressed"]
    found = shown("qemu-7.2-multifd-zstd", tshark, lua_plugin)

    assert [] == found.tabs
    assert len(pieces) == len(found.reasons)
    assert len(pieces) - 2 == found.reasons.count(CONTINUES.format("zstd"))


def test_nobody_looks(tshark: Tshark, lua_plugin: Path) -> None:
    """The field can be asked for without a tree, and is what the tab has."""
    rows = tshark.rows(capture("qemu-7.2-multifd-zlib"), lua_plugin, fields=("qmig.uncompressed",))

    assert 1 == len([value for (value,) in rows if value])
