# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured, and in which order: each part adds its findings to one result, which is what ``--json`` writes.

The result holds ratios, counts and the versions of the programs.  Seconds and octets a second are in it too, since
people ask; they say as much about the machine as about us, and nothing here says which machine it was.

Before a capture is timed with the plugin, tshark is asked, on a capture of the same shape and of a megabyte, whether
every segment was taken by the plugin and whether Lua complained: a plugin that does nothing would be very fast.  The
same small capture gives the memory that the plugin takes before it has seen anything, so that what grows with the
capture can be told from what does not.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from bench import callgrind
from bench.inputs import KINDS, MEGABYTE, SEGMENTS, Made
from bench.runs import ROOT, Loads, Spread, Usage, once, ratio, read, rounds
from dissector.errors import DissectorError
from dissector.tshark import Sandbox, Tshark, find_tshark
from dissector.tshark.find import dotted

SMALL = 1.0
"""Megabytes of the captures that are looked at, not timed."""

PARTS = ("load", "decoder", "summary", "generate")
SUMMARY_KINDS = ("pages", "zero")
PLUGIN = ROOT / "lua_out" / "qemu_migration.lua"
PREFIX = "qmig"


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    size: float = 1000.0
    count: int = 5
    parts: Sequence[str] = PARTS
    kinds: Sequence[str] = KINDS
    segments: Sequence[int] = SEGMENTS
    callgrind: bool = False
    plugin: Path = PLUGIN


@dataclass
class Inputs:
    """Captures in a folder that is gone afterwards; each is made once, and dropped when it is no longer of use."""

    folder: Path
    say: Callable[[str], None]
    made: dict[Path, Made] = field(default_factory=dict)

    def capture(self, kind: str, segment: int, size: float) -> tuple[Path, Made]:
        """A capture of that kind, segment size and megabytes."""
        path = self.folder / f"{kind}-{segment}-{size:g}.pcap"
        if path not in self.made:
            self.say(f"making {path.name}")
            numbers = read("bench.inputs", kind, segment, size, path).split()
            path.chmod(0o644)
            self.made[path] = Made(*(int(n) for n in numbers))
        return path, self.made[path]

    @contextmanager
    def borrowed(self, kind: str, segment: int, size: float) -> Iterator[tuple[Path, Made]]:
        """A capture that is removed at the end: six of a gigabyte need not lie there together."""
        path, made = self.capture(kind, segment, size)
        try:
            yield path, made
        finally:
            path.unlink()
            del self.made[path]


def run(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything that *plan* asks for."""
    if not plan.plugin.is_file():
        raise DissectorError(str(plan.plugin), "no such file", "dissector generate writes it")
    tshark = find_tshark()
    result: dict[str, Any] = about(tshark, plan)
    # Others may enter: tshark runs as another user where we are root.
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Sandbox() as box:
        Path(name).chmod(0o755)
        inputs = Inputs(Path(name), say)
        if "load" in plan.parts or plan.callgrind:
            loads = Loads(tshark, box, plan.plugin)
            check(loads, plan, inputs)
        if "load" in plan.parts:
            result["load"] = list(load(loads, plan, inputs))
        if plan.callgrind:
            result["instructions"] = list(instructions(loads, plan, inputs))
        if "decoder" in plan.parts:
            result["decoder"] = list(decoder(plan, say))
        if "summary" in plan.parts:
            result["summary"] = list(summary(plan, inputs))
        if "generate" in plan.parts:
            result["generate"] = generate(plan, Path(name), say)
    return result


def about(tshark: Tshark, plan: Plan) -> dict[str, Any]:
    """Which programs were measured, and how."""
    try:
        release = importlib.metadata.version("layershark")
    except importlib.metadata.PackageNotFoundError:
        release = "unknown"
    return {
        "release": release,
        "tshark": dotted(tshark.version),
        "lua": tshark.lua,
        "python": platform.python_version(),
        "megabytes": plan.size,
        "rounds": plan.count,
    }


def check(loads: Loads, plan: Plan, inputs: Inputs) -> None:
    """Every segment is taken by the plugin, and Lua has nothing to complain of."""
    for kind, segment in product(plan.kinds, plan.segments):
        path, made = inputs.capture(kind, segment, SMALL)
        errors = loads.tshark.lua_errors(path, plan.plugin)
        if errors:
            raise DissectorError(str(plan.plugin), f"lua failed: {errors[0]}")
        taken = sum(1 for _ in loads.tshark.lines(path, plan.plugin, display_filter=PREFIX))
        if taken != made.segments:
            raise DissectorError(str(plan.plugin), f"took {taken} of {made.segments} segments ({kind}, {segment})")


def load(loads: Loads, plan: Plan, inputs: Inputs) -> Iterator[dict[str, Any]]:
    """tshark over each capture: TCP only, no-op, plugin."""
    for kind, segment in product(plan.kinds, plan.segments):
        small, _ = inputs.capture(kind, segment, SMALL)
        at_rest = {way: one().peak for way, one in loads.ways(small).items()}
        with inputs.borrowed(kind, segment, plan.size) as (path, made):
            inputs.say(f"tshark, {kind}, segments of {segment}")
            found = rounds(loads.ways(path), plan.count)
        beyond = {w: max(0, peak(found[w]) - peak(found["tcp"]) - at_rest[w] + at_rest["tcp"]) for w in found}
        yield {
            "kind": kind,
            "segment": segment,
            "octets": made.octets,
            "records": made.records,
            "seconds": {way: spread([u.cpu for u in used]) for way, used in found.items()},
            "wall": {way: spread([u.wall for u in used]) for way, used in found.items()},
            "plugin/tcp": dataclasses.asdict(ratio(found, "plugin", "tcp")),
            "plugin/noop": dataclasses.asdict(ratio(found, "plugin", "noop")),
            "noop/tcp": dataclasses.asdict(ratio(found, "noop", "tcp")),
            "megabytes/s": made.octets / MEGABYTE / median(found["plugin"]),
            "memory": {
                "peak": {way: peak(used) for way, used in found.items()},
                "start": at_rest["plugin"] - at_rest["tcp"],
                "beyond_tcp_per_gb": beyond["plugin"] / made.octets * 1e9,
                "noop_beyond_tcp_per_gb": beyond["noop"] / made.octets * 1e9,
            },
        }


def instructions(loads: Loads, plan: Plan, inputs: Inputs) -> Iterator[dict[str, Any]]:
    """Instructions per segment; see callgrind.py."""
    for slope in callgrind.slopes(loads, inputs.capture, plan.kinds, plan.segments):
        inputs.say(f"callgrind, {slope.kind}, segments of {slope.segment}: done")
        per = slope.instructions
        yield {
            "kind": slope.kind,
            "segment": slope.segment,
            "records": slope.records,
            "per_segment": per,
            "plugin/tcp": per["plugin"] / per["tcp"],
            "plugin/noop": per["plugin"] / per["noop"],
            "per_record": slope.per_record,
        }


def decoder(plan: Plan, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The decoder by itself; see decoder.py."""
    for kind, segment in product(plan.kinds, plan.segments):
        say(f"decoder, {kind}, segments of {segment}")
        answers = [read("bench.decoder", kind, segment, plan.size).split() for _ in range(plan.count)]
        octets, records = int(answers[0][0]), int(answers[0][1])
        seconds = Spread.of([float(answer[2]) for answer in answers])
        yield {
            "kind": kind,
            "segment": segment,
            "seconds": dataclasses.asdict(seconds),
            "megabytes/s": octets / MEGABYTE / seconds.median,
            "records/s": records / seconds.median,
        }


def summary(plan: Plan, inputs: Inputs) -> Iterator[dict[str, Any]]:
    """``dissector summary`` over a capture, a whole process, its start included."""
    for kind, segment in product([k for k in SUMMARY_KINDS if k in plan.kinds], plan.segments):
        with inputs.borrowed(kind, segment, plan.size) as (path, made):
            inputs.say(f"dissector summary, {kind}, segments of {segment}")
            found = alone(plan, "summary", "--json", path)
        yield {
            "kind": kind,
            "segment": segment,
            "seconds": spread([u.cpu for u in found]),
            "wall": spread([u.wall for u in found]),
            "megabytes/s": made.octets / MEGABYTE / median(found),
            "records/s": made.records / median(found),
            "peak": peak(found),
        }


def generate(plan: Plan, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """``dissector generate`` from a cold start."""
    say("dissector generate")
    found = alone(plan, "generate", "-o", folder / "generated.lua")
    return {"seconds": spread([u.cpu for u in found]), "wall": spread([u.wall for u in found]), "peak": peak(found)}


def alone(plan: Plan, *words: object) -> list[Usage]:
    """The command ``dissector`` by itself, after a run that is not counted."""
    command = [sys.executable, "-m", "dissector", *(str(word) for word in words)]
    return rounds({"": lambda: once(command)}, plan.count)[""]


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """Smallest, middle and greatest, as JSON wants them."""
    return dataclasses.asdict(Spread.of(values))


def median(found: Sequence[Usage]) -> float:
    """The middle processor time."""
    return Spread.of([u.cpu for u in found]).median


def peak(found: Sequence[Usage]) -> int:
    """The middle of the peaks: one run's allocator may be unlucky."""
    return int(Spread.of([u.peak for u in found]).median)
