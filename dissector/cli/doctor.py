# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector doctor``: what is installed, what is missing and how to get it.

:mod:`dissector.doctor` looks; this prints.  Exit code 1 means that something is missing that the main commands need.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from dissector.doctor import Finding, check

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the subcommand takes."""
    parser.add_argument("--json", action="store_true", help="print a JSON array of findings")


def run(options: argparse.Namespace) -> int:
    """Look and print."""
    findings = check()
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        print_findings(findings)
    return 1 if any(finding.needed and not finding.ok for finding in findings) else 0


def print_findings(findings: list[Finding]) -> None:
    """Print a line for each finding, with the hint below it."""
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        state = "ok" if finding.ok else "MISSING" if finding.needed else "note"
        print(f"{state:<7} {finding.name:<{width}}  {finding.detail}")
        if finding.hint:
            print(f"{'':<7} {'':<{width}}  hint: {finding.hint}")
