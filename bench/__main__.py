# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m bench``: the command line.  README.md tells what to ask for and how to read the answer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import history, markdown, stored, table
from bench.inputs import KINDS, SEGMENTS
from bench.measure import run
from bench.plan import PLUGIN, ROWS, Plan
from dissector.errors import DissectorError

QUICK_SIZE, QUICK_ROUNDS = 100.0, 3


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    p = argparse.ArgumentParser(prog="./dev bench", description="Measure how fast the plugin and the decoder are.")
    p.add_argument("--quick", action="store_true", help=f"{QUICK_SIZE:g} MB and {QUICK_ROUNDS} rounds")
    p.add_argument("--size", type=float, metavar="MB", help=f"megabytes of each capture (default {Plan.size:g})")
    p.add_argument("--rounds", type=int, metavar="N", help=f"rounds that count (default {Plan.count})")
    p.add_argument(
        "--rows", choices=ROWS, nargs="+", action="extend", metavar="ROW", help=f"these only, of {', '.join(ROWS)}"
    )
    p.add_argument("--kind", choices=KINDS, action="append", help="this kind of stream only; may be repeated")
    p.add_argument("--segment", type=int, choices=SEGMENTS, action="append", help="this size of segments only")
    p.add_argument("--plugin", type=Path, default=PLUGIN, metavar="FILE", help="measure this plugin")
    p.add_argument("--against", type=Path, metavar="FILE", help="another plugin, side by side with ours in row nbd")
    p.add_argument("--analyze-migration", type=Path, metavar="FILE", help="QEMU's scripts/analyze-migration.py")
    p.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured, - for stdout")
    p.add_argument(
        "--from",
        type=Path,
        nargs="+",
        action="extend",
        metavar="FILE",
        dest="stored",
        help="measure nothing, show what --json wrote; rows of several runs are joined",
    )
    p.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put the tables between this file's markers, - for stdout"
    )
    p.add_argument("--history", action="store_true", help="add this release's line to bench/history.csv")
    return p


def plan_of(options: argparse.Namespace) -> Plan:
    """What was asked for, with the defaults for what was not."""
    size = options.size or (QUICK_SIZE if options.quick else Plan.size)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else Plan.count)
    if size <= 0 or rounds <= 0:
        raise DissectorError("bench", "--size and --rounds must be more than 0")
    for path in (options.against, options.analyze_migration):
        if path is not None and not path.is_file():
            raise DissectorError(str(path), "no such file")
    return Plan(
        size=size,
        count=rounds,
        rows=options.rows or ROWS,
        kinds=options.kind or KINDS,
        counted=options.kind or Plan.counted,
        segments=options.segment or SEGMENTS,
        plugin=options.plugin,
        against=options.against,
        analyze=options.analyze_migration,
    )


def say(text: str) -> None:
    """Tell what is being done, on stderr."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 2 when it could not be done."""
    options = parser().parse_args(words)
    try:
        result = stored.joined(options.stored) if options.stored else run(plan_of(options), say)
        told = "\n".join(table.lines(result)) + "\n"
        for path, text in ((options.json, json.dumps(result, indent=2) + "\n"), (options.markdown, None)):
            if path is None:
                continue
            if str(path) == "-":
                told = text or markdown.text(result)
            elif text is None:
                markdown.rewrite(path, result)
            else:
                path.write_text(text, encoding="utf-8")
        if options.history:
            history.add(result)
    except DissectorError as error:
        print(error, file=sys.stderr)
        return 2
    print(told, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
