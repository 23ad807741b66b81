# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs whole programs side by side and says what they took.

A machine that others use too gives no time twice.  What can be had from it is a ratio: two programs that run one
directly after the other meet nearly the same machine.  So:

* The programs to be compared take turns, A B C A B C, after one round that is not counted (it fills the page cache).
* A ratio is taken within each round, and the median of the rounds' ratios is the figure.  The ratio of two minima
  or two means would compare different moments.
* The time is that of the processor, user and system, of the whole process with its start: what a busy machine
  disturbs least.  Wall time is kept beside it, since a program that waits is slow, too.
* The peak memory is what the kernel says of the process (``ru_maxrss``).  A child inherits its parent's peak between
  fork and exec, so the process that measures must stay smaller than anything that it measures: it never imports
  Scapy, and inputs are made by processes of their own.

tshark runs in the project's sandbox (an empty home, and not as root, who gets no Lua from 4.2 on), with Wireshark's
defaults except names (``-n``): the first pass over a file, no tree, and the ordinary line for each packet, Info column
included, written to nowhere.  That is what opening a capture costs.  "TCP only" hands the payload to Wireshark's
``data`` (as by Decode As); left to itself TCP would offer every segment to some hundred heuristics, which costs half
as much again and would flatter the plugin, whose streams are known after their first segment.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.inputs import PORT
from dissector.errors import DissectorError
from dissector.tshark import Sandbox, Tshark
from dissector.tshark.run import arguments, prove

ROOT = Path(__file__).resolve().parent.parent
NOOP = Path(__file__).with_name("noop.lua")

DEFAULT_PREFS = {"tcp.reassemble_out_of_order": False}
"""The project's own runs change this one; a person who opens a capture has Wireshark's default."""

WAYS = ("tcp", "noop", "plugin")
"""What every load is measured in: TCP only, the no-op, the plugin."""

Start = Callable[..., "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process took: seconds of processor and of wall time, octets of memory at its peak."""

    cpu: float
    wall: float
    peak: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Smallest, middle and greatest of several values."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of *values*, of which there is at least one."""
        return cls(min(values), statistics.median(values), max(values))


def here(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program as it is, at the root of the repository: the counterpart of ``Sandbox.start``."""
    return subprocess.Popen(command, cwd=ROOT, **options)


def once(command: Sequence[str], start: Start = here, accepted: tuple[int, ...] = (0,)) -> Usage:
    """Run a program to its end; what it writes goes nowhere, and a failure is an error with its last words."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = start(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in accepted:
            said.seek(0)
            words = said.read().decode(errors="replace").strip().splitlines()[-3:]
            raise DissectorError(command[0], f"ended with code {process.returncode}: {' / '.join(words)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Usage(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * unit)


def rounds(one: Mapping[str, Callable[[], Usage]], count: int) -> dict[str, list[Usage]]:
    """Let all take turns, *count* times after one that is not counted."""
    found: dict[str, list[Usage]] = {name: [] for name in one}
    for turn in range(count + 1):
        for name, run in one.items():
            used = run()
            if turn:
                found[name].append(used)
    return found


def ratio(found: Mapping[str, Sequence[Usage]], a: str, b: str) -> Spread:
    """Processor time of *a* by that of *b*, round by round."""
    return Spread.of([x.cpu / y.cpu for x, y in zip(found[a], found[b], strict=True)])


def read(module: str, *words: object) -> str:
    """What ``python -m module`` prints: for inputs, which are made by a process of their own."""
    command = [sys.executable, "-m", module, *(str(word) for word in words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DissectorError(module, done.stderr.strip() or f"ended with code {done.returncode}")
    return done.stdout


class Loads:
    """tshark over a capture in several ways: plain TCP, a no-op in Lua, the plugin, NBD, perhaps another plugin."""

    def __init__(self, tshark: Tshark, box: Sandbox, plugin: Path, against: Path | None = None) -> None:
        self.tshark, self.box = tshark, box
        scripts = {"noop": box.readable(NOOP), "plugin": box.readable(plugin)}
        if against is not None:
            scripts["against"] = box.readable(against)
        for script in scripts.values():
            prove(tshark, box, script)
        common = arguments({"prefs": DEFAULT_PREFS})
        self.options = {name: [*common, "-X", f"lua_script:{path}"] for name, path in scripts.items()}
        self.options["tcp"] = [*common, "-d", f"tcp.port=={PORT},data"]
        self.options["nbd"] = common  # which is found by its first octets, in no time that could be measured

    def command(self, way: str, capture: Path, *more: str) -> list[str]:
        """The command line."""
        return [self.tshark.path, *self.options[way], "-r", str(capture), *more]

    def way(self, way: str, capture: Path, *more: str) -> Callable[[], Usage]:
        """One of them, ready to be run."""
        command = self.command(way, capture, *more)
        return lambda: once(command, self.box.start)

    def ways(self, capture: Path, port: int = PORT) -> dict[str, Callable[[], Usage]]:
        """The three that every load is measured in."""
        return {way: self.way(way, capture, *decode_as(way, port)) for way in WAYS}


def decode_as(way: str, port: int) -> list[str]:
    """What makes tshark give a port to the same dissector that PORT is given to in this way."""
    to = {"tcp": "data", "noop": "noop"}.get(way)
    return ["-d", f"tcp.port=={port},{to}"] if to and port != PORT else []
