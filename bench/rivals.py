# SPDX-License-Identifier: GPL-2.0-or-later
"""Side by side with what others wrote: Wireshark's NBD dissector, another plugin, tshark's own fields, QEMU's script.

NBD is the dissector in C that comes closest: a header of some octets and 4 KiB of data.  It reassembles each write
before it looks at it.  Both streams hold the same pages in segments of the same size; inputs.py says why there are two
of NBD's.  The one that is cut like ours is counted only, on some megabytes: NBD lost was not through a gigabyte in
1,448-octet segments after a quarter of an hour.

``-T fields`` makes tshark build the tree of each frame, with items for what was asked for.  The comparison is with
three fields of TCP, which are there once in a frame; ours are there once in a page.

scripts/analyze-migration.py reads a stream from a file, so the summary does, too.  The script is no part of this
project and is not brought along: ``--analyze-migration FILE`` says where it is.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.inputs import NBD
from bench.plan import Inputs, Missing, Plan, beyond_start, dissector, spread
from bench.runs import DEFAULT_PREFS, Loads, Usage, once, ratio, rounds
from dissector.errors import DissectorError

OURS = ("qmig.ram.addr", "qmig.ram.flags", "qmig.ram.block")
TCPS = ("tcp.seq", "tcp.len", "tcp.ack")
ASKED = {way: ("-T", "fields", *(word for name in names for word in ("-e", name)))
         for way, names in (("plugin", OURS), ("tcp", TCPS))}  # fmt: skip
SMALL = 1.0
FIELDS_SHARE = 0.25
"""The share of the size that was asked for: trees take three times as long as a first pass."""

WAYS = ("summary", "script")
ANALYZED = {"pages": 4.0, "zero": 0.2, "mix": 2.0}
"""How much of the size that was asked for: pages are passed over so fast that the start would hide it, and the script
takes a minute for a gigabyte of zero pages."""


Part = Iterator[dict[str, Any]]


def rivals(loads: Loads, plan: Plan, inputs: Inputs) -> Part:
    """The plugin on pages, NBD on as many writes, and the other plugin, if one was named, on the same pages."""
    for segment in plan.segments:
        check_nbd(loads, inputs, segment)
        with ExitStack() as stack:
            ours, made = stack.enter_context(inputs.borrowed("pages", segment, plan.size))
            theirs, _ = stack.enter_context(inputs.borrowed(NBD, segment, plan.size))
            ways = {"plugin": loads.way("plugin", ours), NBD: loads.way("nbd", theirs)}
            if plan.against is not None:
                ways["against"] = loads.way("against", ours)
            inputs.say(f"tshark, plugin and NBD, segments of {segment}")
            found = rounds(ways, plan.count)
        yield {
            "segment": segment,
            "octets": made.octets,
            "seconds": {way: spread([u.cpu for u in used]) for way, used in found.items()},
            **{f"plugin/{way}": dataclasses.asdict(ratio(found, "plugin", way)) for way in ways if way != "plugin"},
        }


def check_nbd(loads: Loads, inputs: Inputs, segment: int) -> None:
    """All writes are recognised, where NBD is shown at its best."""
    path, made = inputs.capture(NBD, segment, SMALL)
    seen = sum(len(row[0]) for row in loads.tshark.rows(path, fields=("nbd.handle",), prefs=DEFAULT_PREFS))
    if seen != made.records:
        raise DissectorError("tshark", f"its NBD dissector sees {seen} of {made.records} requests")


def fields(loads: Loads, plan: Plan, inputs: Inputs) -> Part:
    """``-T fields`` with three of our fields, and with three of TCP's."""
    for segment in plan.segments:
        with inputs.borrowed("pages", segment, plan.size * FIELDS_SHARE) as (path, _):
            inputs.say(f"tshark -T fields, segments of {segment}")
            found = rounds({way: loads.way(way, path, *words) for way, words in ASKED.items()}, plan.count)
        yield {
            "segment": segment,
            "seconds": {way: spread([u.cpu for u in used]) for way, used in found.items()},
            "fields/tcp": dataclasses.asdict(ratio(found, "plugin", "tcp")),
        }


def analyze(plan: Plan, inputs: Inputs) -> Part:
    """``dissector summary`` and QEMU's script on a stream in a file, and on a small one for the start of each."""
    if plan.analyze is None:
        raise Missing("--analyze-migration FILE says where QEMU's scripts/analyze-migration.py is")
    for kind in plan.kinds:
        small, _ = inputs.capture(kind, 0, SMALL)
        with inputs.borrowed(kind, 0, plan.size * ANALYZED[kind]) as (path, made):
            inputs.say(f"dissector summary and {plan.analyze.name}, {kind}")
            commands: dict[str, list[str]] = {}
            for start, each in (("", path), (" start", small)):
                commands["summary" + start] = dissector("summary", "--json", each)
                commands["script" + start] = [sys.executable, str(plan.analyze), "-f", str(each)]
            found = rounds({name: partial(once, command) for name, command in commands.items()}, plan.count)
        yield {
            "kind": kind,
            "octets": made.octets,
            "seconds": {name: spread([u.cpu for u in used]) for name, used in found.items()},
            "whole": dataclasses.asdict(ratio(found, "script", "summary")),
            "script/summary": spread([b / a for a, b in zip(*(beyond(found, way) for way in WAYS), strict=True)]),
        }


def beyond(found: Mapping[str, Sequence[Usage]], way: str) -> list[float]:
    """Seconds of each round beyond those of the start."""
    return beyond_start(found[way], found[f"{way} start"])
