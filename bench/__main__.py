# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m bench``: the command line.  README.md tells what to ask for and how to read the answer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import callgrind, table
from bench.inputs import KINDS, SEGMENTS
from bench.measure import PARTS, PLUGIN, Plan, run
from dissector.errors import DissectorError

QUICK_SIZE, QUICK_ROUNDS = 100.0, 3


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    p = argparse.ArgumentParser(prog="./dev bench", description="Measure how fast the plugin and the decoder are.")
    p.add_argument("--quick", action="store_true", help=f"{QUICK_SIZE:g} MB and {QUICK_ROUNDS} rounds")
    p.add_argument("--size", type=float, metavar="MB", help=f"megabytes of each capture (default {Plan.size:g})")
    p.add_argument("--rounds", type=int, metavar="N", help=f"rounds that count (default {Plan.count})")
    p.add_argument("--only", choices=PARTS, action="append", help="this part only; may be repeated")
    p.add_argument("--kind", choices=KINDS, action="append", help="this kind of stream only; may be repeated")
    p.add_argument("--segment", type=int, choices=SEGMENTS, action="append", help="this size of segments only")
    p.add_argument("--callgrind", action="store_true", help="count instructions, too (needs valgrind; minutes)")
    p.add_argument("--plugin", type=Path, default=PLUGIN, metavar="FILE", help="measure this plugin")
    p.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured, - for stdout")
    p.add_argument("--history", action="store_true", help="print the line for bench/history.csv instead of the table")
    return p


def plan_of(options: argparse.Namespace) -> Plan:
    """What was asked for, with the defaults for what was not."""
    size = options.size or (QUICK_SIZE if options.quick else Plan.size)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else Plan.count)
    if size <= 0 or rounds <= 0:
        raise DissectorError("bench", "--size and --rounds must be more than 0")
    if options.callgrind:
        callgrind.find_valgrind()
    return Plan(
        size=size,
        count=rounds,
        parts=options.only or PARTS,
        kinds=options.kind or KINDS,
        segments=options.segment or SEGMENTS,
        callgrind=options.callgrind,
        plugin=options.plugin,
    )


def say(text: str) -> None:
    """Tell what is being done, on stderr."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 2 when it could not be done."""
    options = parser().parse_args(words)
    try:
        result = run(plan_of(options), say)
    except DissectorError as error:
        print(error, file=sys.stderr)
        return 2
    text = json.dumps(result, indent=2) + "\n"
    if options.json and str(options.json) != "-":
        options.json.write_text(text, encoding="utf-8")
    if options.json and str(options.json) == "-":
        print(text, end="")
    elif options.history:
        print(table.history(result), end="")
    else:
        print("\n".join(table.lines(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
