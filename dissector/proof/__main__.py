# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m dissector.proof``: the sweep over Scapy's contributed layers; ``./dev sweep`` runs it."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dissector.proof.golden import dump, gains, known, load, losses
from dissector.proof.page import page
from dissector.proof.sweep import PACKAGE, default_jobs, modules, one, sweep
from dissector.proof.tally import differences, summary

if TYPE_CHECKING:
    from dissector.proof.sweep import Module

GOLDEN = Path("tests/golden/sweep.toml")
PAGE = Path("docs/scapy.md")


def main() -> int:
    """Run the sweep."""
    options = arguments()
    if options.one:
        from dissector.proof.module import prove  # noqa: PLC0415 - needs Scapy, and the parent of many does not

        print(
            one(options.one, lambda: prove(options.one, wanted=options.samples, seed=options.seed, keep=options.keep))
        )
        return 0
    names = [n if n.startswith(f"{PACKAGE}.") else f"{PACKAGE}.{n}" for n in options.modules] or modules()
    passed = ["--samples", str(options.samples), "--seed", str(options.seed)]
    passed += ["--keep", str(options.keep)] if options.keep else []
    began = time.monotonic()
    found = sweep(names, options.jobs, passed, tell)
    print(summary(found))
    print(f"{time.monotonic() - began:.0f} seconds", file=sys.stderr)
    if options.differences:
        options.differences.write_text(differences(found), encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps([asdict(module) for module in found], indent=1), encoding="utf-8")
    return concluded(found, update=options.update, part=bool(options.modules))


def concluded(found: list[Module], *, update: bool, part: bool) -> int:
    """Compare with what was proved before, or put it in its place; a part only takes its own modules' place."""
    now = known(found)
    before, scapy = load(GOLDEN) if GOLDEN.exists() else ({}, "")
    version = importlib.metadata.version("scapy")
    if update:
        now = {**before, **now} if part else now
        GOLDEN.write_text(dump(now, version), encoding="utf-8")
        PAGE.write_text(page(now, version), encoding="utf-8")
        return 0
    if scapy and scapy != version:
        print(f"{GOLDEN} is about Scapy {scapy}, and this is {version}: nothing is compared", file=sys.stderr)
        return 0
    lost = list(losses(now, before, part=part))
    for text in lost:
        print(f"lost: {text}", file=sys.stderr)
    if not lost and gains(now, before):
        print(f"{gains(now, before)} better than {GOLDEN}: ./dev sweep --update writes it", file=sys.stderr)
    return 1 if lost else 0


def tell(module: Module) -> None:
    """Say that a module is done."""
    count: dict[str, int] = {}
    for verdict in module.verdicts:
        count[verdict["status"]] = count.get(verdict["status"], 0) + 1
    what = module.failed or ", ".join(f"{n} {status}" for status, n in sorted(count.items()))
    print(f"{module.name}: {what} ({module.seconds:g} s, {module.megabytes} MB)", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="./dev sweep", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"modules of {PACKAGE} (default: all)")
    parser.add_argument("--one", metavar="MODULE", help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="how many processes at a time")
    parser.add_argument("--samples", type=int, default=50, metavar="N", help="packets for each class")
    parser.add_argument("--seed", type=int, default=1, help="which packets (default: 1)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep plugins and captures here")
    parser.add_argument("--differences", type=Path, metavar="FILE", help="write all differences, by frequency")
    parser.add_argument("--update", action="store_true", help=f"write {GOLDEN} and {PAGE}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all verdicts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
