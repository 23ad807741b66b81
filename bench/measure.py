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
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from bench import callgrind, real, rivals, single
from bench.inputs import MEGABYTE, Made
from bench.plan import Inputs, Missing, Plan, beyond_start, dissector, median, peak, spread
from bench.runs import Loads, Spread, Usage, once, ratio, read, rounds
from dissector.errors import DissectorError
from dissector.tshark import Sandbox, Tshark, find_tshark
from dissector.tshark.find import dotted

SMALL = 1.0
"""Megabytes of the captures that are looked at, not timed."""

LESS = {"pages": 1.0, "zero": 0.2, "mix": 0.2}
"""The share of the size that was asked for, by kind, where captures are loaded."""

SUMMARY_KINDS = ("pages", "zero")
PREFIX = "qmig"


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
        loads = Loads(tshark, box, plan.plugin, plan.against)
        check(loads, plan, inputs)
        for part, measured in parts(plan, loads, inputs):
            try:
                found = measured()
            except Missing as missing:
                result["skipped"][part] = str(missing)
            else:
                result[part] = found if isinstance(found, dict) else list(found)
    return result


def parts(plan: Plan, loads: Loads, inputs: Inputs) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The parts that were asked for, in the order in which they are measured."""
    each: dict[str, Callable[[], Any]] = {
        "instructions": lambda: instructions(loads, plan, inputs),
        "load": lambda: load(loads, plan, inputs),
        "nbd": lambda: rivals.rivals(loads, plan, inputs),
        "fields": lambda: rivals.fields(loads, plan, inputs),
        "real": lambda: real.largest(loads, plan, inputs),
        "frame": lambda: single.frame(loads.tshark, plan, inputs),
        "decoder": lambda: decoder(plan, inputs.say),
        "summary": lambda: summary(plan, inputs),
        "analyze": lambda: rivals.analyze(plan, inputs),
        "generate": lambda: generate(plan, inputs),
        "growth": lambda: single.growth(loads, plan, inputs),
    }
    for part, measured in each.items():
        if part in plan.rows:
            yield part, measured


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
        "skipped": {},
    }


def check(loads: Loads, plan: Plan, inputs: Inputs) -> None:
    """Every segment that a row needs is taken by the plugin, and Lua has nothing to complain of."""
    loaded = {"load": plan.kinds, "instructions": plan.counted, "nbd": ["pages"], "fields": ["pages"]}
    needed = {kind for row, kinds in loaded.items() if row in plan.rows for kind in kinds}
    for kind, segment in product(sorted(needed), plan.segments):
        path, made = inputs.capture(kind, segment, SMALL)
        errors = loads.tshark.lua_errors(path, plan.plugin)
        if errors:
            raise DissectorError(str(plan.plugin), f"lua failed: {errors[0]}")
        taken = sum(1 for _ in loads.tshark.lines(path, plan.plugin, display_filter=PREFIX))
        if taken != made.segments:
            raise DissectorError(str(plan.plugin), f"took {taken} of {made.segments} segments ({kind}, {segment})")


def load(loads: Loads, plan: Plan, inputs: Inputs) -> Iterator[dict[str, Any]]:
    """tshark over each capture: TCP only, no-op, plugin; smaller ones of the kinds that no promise is made for."""
    for kind, segment in product(plan.kinds, plan.segments):
        size = plan.size * LESS[kind]
        small, _ = inputs.capture(kind, segment, SMALL)
        at_rest = {way: one().peak for way, one in loads.ways(small).items()}
        with inputs.borrowed(kind, segment, size) as (path, made):
            inputs.say(f"tshark, {kind}, segments of {segment}")
            found = rounds(loads.ways(path), plan.count)
        per_gb = {way: beyond(found, at_rest, way, made.octets / 1e9) for way in ("plugin", "noop")}
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
                "beyond_tcp_per_gb": per_gb["plugin"],
                "noop_beyond_tcp_per_gb": per_gb["noop"],
            },
        }


def beyond(found: Mapping[str, list[Usage]], at_rest: Mapping[str, int], way: str, gb: float) -> Mapping[str, float]:
    """Octets of memory beyond TCP only for each GB, less what the plugin takes before it has seen anything."""
    start = at_rest[way] - at_rest["tcp"]
    return spread([max(0, a.peak - b.peak - start) / gb for a, b in zip(found[way], found["tcp"], strict=True)])


def instructions(loads: Loads, plan: Plan, inputs: Inputs) -> Iterator[dict[str, Any]]:
    """Instructions per segment; see callgrind.py."""
    if shutil.which("valgrind") is None:
        raise Missing("valgrind is not installed")
    for slope in callgrind.slopes(loads, inputs.capture, plan.counted, plan.segments):
        inputs.say(f"callgrind, {slope.kind}, segments of {slope.segment}: done")
        per = slope.instructions
        yield {
            "kind": slope.kind,
            "segment": slope.segment,
            "records": slope.records,
            "per_segment": per,
            **slope.ratios,
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
    """``dissector summary`` over a capture, a whole process, and over a small one, whose time is that of the start."""
    for kind, segment in product([k for k in SUMMARY_KINDS if k in plan.kinds], plan.segments):
        small, few = inputs.capture(kind, segment, SMALL)
        with inputs.borrowed(kind, segment, plan.size) as (path, made):
            inputs.say(f"dissector summary, {kind}, segments of {segment}")
            commands = {name: dissector("summary", "--json", each) for name, each in (("", path), ("start", small))}
            both = rounds({name: partial(once, command) for name, command in commands.items()}, plan.count)
        found, more = both[""], Made(made.octets - few.octets, made.records - few.records, 0)
        seconds = beyond_start(found, both["start"])
        yield {
            "kind": kind,
            "segment": segment,
            "seconds": spread([u.cpu for u in found]),
            "start": spread([u.cpu for u in both["start"]]),
            "wall": spread([u.wall for u in found]),
            "megabytes/s": made.octets / MEGABYTE / median(found),
            "records/s": made.records / median(found),
            "gigabytes/s": spread([made.octets / 1e9 / u.cpu for u in found]),
            "million records/s": spread([made.records / 1e6 / u.cpu for u in found]),
            "beyond": spread(
                [(more.records / 1e6 if kind == "zero" else more.octets / 1e9) / each for each in seconds]
            ),
            "peak": spread([u.peak for u in found]),
        }


def generate(plan: Plan, inputs: Inputs) -> Iterator[dict[str, Any]]:
    """``dissector generate`` from a cold start, and what other commands take to start."""
    small, _ = inputs.capture("pages", max(plan.segments), SMALL)
    summarise = dissector("summary", "--json", small)
    commands = {
        "generate": dissector("generate", "-o", inputs.folder / "generated.lua"),
        "summary of a megabyte": summarise,
        "the same, nothing kept": ["env", "DISSECTOR_CACHE=", *summarise],
    }
    for name, command in commands.items():
        inputs.say(f"start: {name}")
        found = rounds({"": partial(once, command)}, plan.count)[""]
        times = {"seconds": spread([u.cpu for u in found]), "wall": spread([u.wall for u in found])}
        yield {"command": name, **times, "peak": peak(found)}
