# SPDX-License-Identifier: GPL-2.0-or-later
"""A protocol of two-octet records over UDP, a capture of it, and the ways in which a plugin goes wrong."""

from __future__ import annotations

import shutil
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLUGIN = """\
local p = Proto("tiny", "Tiny Protocol")
local record = ProtoField.none("tiny.record", "Record")
local flag = ProtoField.bool("tiny.flag", "Flag", 8, nil, 0x80)
local a = ProtoField.uint8("tiny.a", "A", base.HEX)
local b = ProtoField.uint8("tiny.b", "B", base.DEC)
p.fields = {record, flag, a, b}
function p.dissector(tvb, pinfo, tree)
  pinfo.cols.protocol = "TINY"
  local t = tree:add(p, tvb())
  -- FAIL HERE
  for i = 0, tvb:len() - 2, 2 do
    local r = t:add(record, tvb(i, 2))
    local f = r:add(a, tvb(i, 1))
    f:add(flag, tvb(i, 1))
    r:add(b, tvb(i + 1, 1))
  end
  return tvb:len()
end
DissectorTable.get("udp.port"):add(7777, p)
"""

BROKEN = {
    "syntax": PLUGIN + "local x = = 3\n",
    "load": PLUGIN + 'error("boom")\n',
    "runtime": PLUGIN.replace("-- FAIL HERE", "local z = nil; z.q = 1"),
    "empty": "-- nothing is registered here\n",
}


def udp_frame(payload: bytes) -> bytes:
    """Wrap ``payload`` into UDP to port 7777, IPv4 and Ethernet."""
    udp = struct.pack(">HHHH", 1000, 7777, 8 + len(payload), 0) + payload
    address = bytes((127, 0, 0, 1))
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, address, address)
    return bytes(12) + b"\x08\x00" + ip + udp


def pcap(*frames: bytes) -> bytes:
    """Make a capture of ``frames``, a second apart."""
    # The nanosecond format: of the other there are vendors' variants, and tshark guesses among them by what follows.
    head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(
        struct.pack("<IIII", second, 0, len(frame), len(frame)) + frame for second, frame in enumerate(frames)
    )


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Give a capture of three frames, of which the second is another protocol's."""
    path = tmp_path / "tiny.pcap"
    other = bytes(12) + b"\x88\xb5" + bytes(46)
    path.write_bytes(pcap(udp_frame(bytes((0x80, 0, 3, 4))), other, udp_frame(bytes((0x82, 2, 3, 4, 5, 6)))))
    return path


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Give the plugin that works."""
    path = tmp_path / "tiny.lua"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str], Path]:
    """Give the plugin that fails in the way that is asked for."""

    def make(kind: str) -> Path:
        path = tmp_path / f"{kind}.lua"
        path.write_text(BROKEN[kind])
        return path

    return make


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder from which any user may run programs, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
