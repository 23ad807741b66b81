# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark runs and says what it promises to say; no time is looked at."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dissector.capture import Chunk, conversations, read_packets

ROOT = Path(__file__).resolve().parents[2]
TINY = ("--size", "1", "--rounds", "1")


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    """Run it as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "bench", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def measured(*words: str) -> dict[str, Any]:
    """What it writes with ``--json -``."""
    done = bench(*words, "--json", "-")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.needs_tshark
class TestLoad:
    def test_a_tiny_run_gives_ratios_of_three_ways(self) -> None:
        """TCP only, no-op and plugin are run, and ratios are what they ought to be: positive and in order."""
        result = measured(*TINY, "--rows", "load", "--kind", "zero", "--segment", "32768")

        (row,) = result["load"]
        assert ("zero", 32768) == (row["kind"], row["segment"])
        assert {"tcp", "noop", "plugin"} == set(row["seconds"])
        for name in ("plugin/tcp", "plugin/noop", "noop/tcp"):
            spread = row[name]
            assert 0 < spread["min"] <= spread["median"] <= spread["max"]
        assert row["octets"] >= 0.2e6
        assert row["records"] > 20_000

    def test_a_plugin_that_takes_nothing_is_refused(self, tmp_path: Path) -> None:
        """Nothing would be faster."""
        plugin = tmp_path / "idle.lua"
        plugin.write_text('local p = Proto("qmig", "Idle")\nfunction p.dissector() end\n')
        done = bench(*TINY, "--rows", "load", "--kind", "zero", "--segment", "32768", "--plugin", str(plugin))

        assert 2 == done.returncode
        assert "took 0 of" in done.stderr

    def test_a_missing_plugin_is_one_line(self, tmp_path: Path) -> None:
        """Where, what, and what to do."""
        done = bench(*TINY, "--plugin", str(tmp_path / "none.lua"))

        assert 2 == done.returncode
        assert f"{tmp_path}/none.lua: no such file\nhint: dissector generate writes it\n" == done.stderr


class TestInputs:
    @pytest.mark.parametrize("segment", [1448, 32768])
    def test_no_nbd_head_is_in_two_segments(self, tmp_path: Path, segment: int) -> None:
        """Wireshark's NBD dissector would lose its place there, and be fast."""
        path = tmp_path / "made.pcap"
        octets, writes, segments = map(int, run_module("bench.inputs", "nbd", str(segment), "1", str(path)).split())
        chunks = [c.data for c in conversations(read_packets(path)) if isinstance(c, Chunk)]

        assert (octets, segments) == (sum(map(len, chunks)), len(chunks))
        assert octets == writes * (28 + 4096)
        cuts = {end % (28 + 4096) for end in itertools.accumulate(map(len, chunks))}
        assert not cuts & set(range(1, 28))
        assert segment == max(map(len, chunks))

    def test_a_file_ends_as_a_migration_does(self, tmp_path: Path) -> None:
        """Segments of 0 are the stream itself, with its end and a description: the summary sees it complete."""
        path = tmp_path / "made.stream"
        octets, records, segments = map(int, run_module("bench.inputs", "zero", "0", "0.1", str(path)).split())
        told = json.loads(run_module("dissector", "summary", "--json", str(path)))

        assert (path.stat().st_size, 0) == (octets, segments)
        assert records == told["ram.duplicate"]

    @pytest.mark.parametrize("kind", ["pages", "zero", "mix"])
    def test_the_decoder_counts_what_was_made(self, tmp_path: Path, kind: str) -> None:
        """As many records as the maker says, in a stream of as many octets, in whole segments."""
        path = tmp_path / "made.pcap"
        made = run_module("bench.inputs", kind, "1448", "1", str(path)).split()
        fed = run_module("bench.decoder", kind, "1448", "1").split()

        assert made[:2] == fed[:2]
        chunks = [c for c in conversations(read_packets(path)) if isinstance(c, Chunk)]
        assert int(made[0]) == sum(len(c.data) for c in chunks)
        assert int(made[2]) == len(chunks)
        assert {1448} == {len(c.data) for c in chunks[:-1]}


def run_module(*words: str) -> str:
    """Run a module of the benchmark by itself."""
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
