# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare, and say what came out; ``--write`` puts it into docs/native.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import scapy

from dissector.errors import DissectorError
from dissector.tshark import Tshark, find_tshark

from . import captures, run, table
from .profile import Profile, profiles

ROOT = Path(__file__).resolve().parents[3]
PROFILES = ROOT / "tests" / "native"
DOCUMENT = ROOT / "docs" / "native.md"
MARK = table.CAPTURES.partition("\n\n")[0].strip()


def main() -> int:
    """0: everything that differs has a reason."""
    options = arguments()
    try:
        found = profiles(options.profiles, tuple(options.name))
        tshark = find_tshark()
        return over_captures(options, found, tshark) if options.captures else over_packets(options, found, tshark)
    except DissectorError as error:
        print(error, file=sys.stderr)
        return 2


def over_packets(options: argparse.Namespace, found: list[Profile], tshark: Tshark) -> int:
    """Compare the packets of the profiles."""
    outcomes = []
    for outcome in run.outcomes(found, tshark):
        print(table.row(outcome.plugin), end="", flush=True)
        outcomes.append(outcome)
    complaints = [text for outcome in outcomes for text in (*outcome.complaints(), *outcome.scapy.unused())]
    print(*complaints, sep="\n", end="\n" if complaints else "", file=sys.stderr)
    if options.write and not complaints:
        old = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
        version = ".".join(map(str, tshark.version))
        kept = old[old.index(MARK) :] if MARK in old else ""
        DOCUMENT.write_text(table.document(outcomes, version, scapy.__version__) + (f"\n{kept}" if kept else ""))
    return int(bool(complaints))


def over_captures(options: argparse.Namespace, found: list[Profile], tshark: Tshark) -> int:
    """Compare what is in captures and campaigns of others."""
    outcomes = []
    for profile in found:
        if profile.captures or profile.campaigns:
            outcome = captures.outcome(profile, tshark, options.captures)
            print(table.row(outcome.plugin), end="", flush=True)
            outcomes.append(outcome)
    complaints = [text for outcome in outcomes for text in outcome.complaints()]
    print(*complaints, sep="\n", end="\n" if complaints else "", file=sys.stderr)
    if options.write:
        old = DOCUMENT.read_text(encoding="utf-8")
        kept = old[: old.index(MARK)].rstrip("\n") + "\n" if MARK in old else old
        DOCUMENT.write_text(kept + table.captures(outcomes, captures.described(options.captures)))
    return int(bool(complaints))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m dissector.proof.native", description=__doc__)
    parser.add_argument("name", nargs="*", help="profiles, without .toml; all if there is none")
    parser.add_argument("--profiles", type=Path, default=PROFILES, help="the folder with the profiles")
    parser.add_argument("--captures", type=Path, help="compare captures and campaigns in a folder with clones")
    parser.add_argument("--write", action="store_true", help="write docs/native.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
