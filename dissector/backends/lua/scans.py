# SPDX-License-Identifier: GPL-2.0-or-later
"""Scans as Lua tables: where a body without a length ends, and the ways back after the position was lost.

A scan is asked at one octet after another whether it accepts; only where the octet at its anchor may be the right one
is that done by the rules.  A single octet is looked for as it is, which ``string.find`` leaves to memchr; several are a
pattern of Lua's.
"""

from __future__ import annotations

from ...ir.lower import lower_scan
from ...ir.pdus import Scan
from .printer import string
from .steps import StreamPrinter


def table_of(sp: StreamPrinter, scan: Scan) -> list[str]:
    """A table with the quick test and the accept function of a scan."""
    offset, octets = scan.anchor
    found, plain = _anchor(octets)
    lines = sp.steps(lower_scan(scan, sp.stream.registers), leave="return false")
    accept = ["function(s, q, m)", *("  " + x for x in lines), "  return true", "end"]
    return [
        "{",
        f"  offset = {offset}, octets = {found}, plain = {plain}, window = {scan.window},",
        f"  accept = {accept[0]}",
        *("  " + x for x in accept[1:-1]),
        "  end,",
        "}",
    ]


def resyncs(sp: StreamPrinter) -> list[str]:
    """The ways back after the position was lost."""
    out = []
    for r in sp.stream.resync:
        scan = table_of(sp, r.scan)
        found = [*sp.assign(*r.do), f"state = {sp.state(r.goto)}"]
        out += [*scan[:-1], "  found = function()", *("    " + x for x in found), "  end,", "},"]
    return out


def _anchor(octets: tuple[int, ...]) -> tuple[str, str]:
    """What ``string.find`` is to look for, and whether it is to be taken as it is."""
    if len(octets) < 2:
        return (string(bytes(octets)) if octets else "nil"), "true"
    pattern = "[" + "".join("%" + chr(c) if chr(c) in "^]-%" else chr(c) for c in octets) + "]"
    return string(pattern.encode("latin-1")), "false"
