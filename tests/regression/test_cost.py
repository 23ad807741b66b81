# SPDX-License-Identifier: GPL-2.0-or-later
"""What a frame costs the plugin, in instructions of the Lua machine: the same on every computer, at every time.

The bounds are a third above what was counted when they were written (Lua 5.2), so that what is added to the path of
every frame must be seen.  Times and ratios to other dissectors are the business of ``./dev bench``.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.inputs import make
from dissector.tshark import Tshark
from tests.support.recordings import recorded

COUNTER = """
do
  local n, before, list = 0, 0, {}
  local tap = Listener.new("frame")
  function tap.packet(pinfo)
    list[#list + 1] = "cost " .. pinfo.number .. " " .. n - before
    before = n
  end
  function tap.draw()
    print("regex " .. tostring(rex_pcre2 ~= nil))
    for _, line in ipairs(list) do print(line) end
  end
  debug.sethook(function() n = n + 1 end, "", 1)
end
"""
WITHOUT_REGEX = "local rex_pcre2 = nil\n"

Costs = Callable[..., list[int]]


@pytest.fixture
def counted(tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> Costs:
    """A function from a capture to the costs of its frames behind the third, beyond those of a frame that has none."""

    def count(capture: Path, before: str = "") -> list[int]:
        plugin = tmp_path / "counted.lua"
        plugin.write_text(before + lua_plugin.read_text() + COUNTER)
        found: list[int] = []
        empty: list[int] = []
        for line in tshark.lines(capture, plugin, args=["-q"]):
            match line.split():
                case ["cost", number, instructions]:
                    (empty if int(number) < 4 else found).append(int(instructions))
                case ["regex", "false"] if not before:
                    pytest.skip("this Wireshark has no PCRE for Lua")
        idle = statistics.median(empty)
        return [int(n - idle) for n in found]

    return count


@pytest.fixture
def costs(counted: Costs, tmp_path: Path) -> Costs:
    """A function from kind and segment size of a capture to the costs of its frames that carry payload, sorted."""

    def count(kind: str, segment: int, before: str = "") -> list[int]:
        capture = tmp_path / "made.pcap"
        make(kind, segment, 1_000_000, capture)
        return sorted(n for n in counted(capture, before) if n > 0)

    return count


def test_payload(costs: Costs) -> None:
    """A segment inside a page: the flow is found, its octets are counted, and nothing else."""
    found = costs("pages", 1448)

    assert 46 >= found[len(found) // 4]


def test_page(costs: Costs) -> None:
    """A segment with one page header."""
    found = costs("pages", 1448)

    assert 121 >= found[len(found) * 3 // 4]


def test_eight_pages(costs: Costs) -> None:
    """A segment of 32 KiB: the headers of a steady run are read eight at a time."""
    assert 174 >= statistics.median(costs("pages", 32768))


def test_zero_pages(costs: Costs) -> None:
    """The 3,640 zero pages of a segment cost less than an instruction each, as one pattern takes them all."""
    assert 2700 >= statistics.median(costs("zero", 32768))


def test_zero_pages_without_regex(costs: Costs) -> None:
    """Where there is no PCRE, a zero page costs no more than its comparisons."""
    assert 3640 * 60 >= statistics.median(costs("zero", 32768, WITHOUT_REGEX))


def test_multifd_offsets(counted: Costs) -> None:
    """The 128 offsets of a multifd packet without data cost little more than its head."""
    found = [n for n in counted(recorded("qemu-11.1-multipost")) if n > 0]

    assert 1600 >= sorted(found)[len(found) * 19 // 20]


def test_same_with_and_without_regex(tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """Runs read by patterns and runs read by comparisons are counted alike."""
    capture, plugin = tmp_path / "made.pcap", tmp_path / "without.lua"
    make("mix", 1448, 500_000, capture)
    plugin.write_text(WITHOUT_REGEX + lua_plugin.read_text())

    assert tshark.run(capture, lua_plugin) == tshark.run(capture, plugin)
