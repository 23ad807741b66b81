# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings that any stream can give rise to, whatever its protocol; both executors report them under these names.

The arguments of their messages are not expressions: each executor fills them in itself, in the order given here.
"""

from __future__ import annotations

from .pdus import Finding, Message

GAP = Finding("gap", "warn", "sequence", Message("%d octets are missing from the capture"))
LOST = Finding("lost", "warn", "sequence", Message("stream position lost, searching for a place to go on"))
RESYNC = Finding("resync", "note", "sequence", Message("stream position found again"))
TRUNCATED = Finding("truncated", "warn", "sequence", Message("stream ends inside %s"))
SHORT_REGION = Finding(
    "short_region", "error", "malformed", Message("%d octets are left, too few for what begins here")
)
OVERRUN = Finding("overrun", "error", "malformed", Message("%d octets announced, but only %d are left around it"))
DEPTH = Finding("depth", "error", "malformed", Message("nested deeper than %d levels"))
MAP_FULL = Finding("map_full", "warn", "protocol", Message("more than %d different keys, no more are remembered"))
TOO_LONG = Finding("too_long", "error", "malformed", Message("%d octets announced, nobody waits for more than %d"))

LONGEST = 1 << 20
"""Octets of a header that an executor waits for.  A longer one is a fault: TOO_LONG."""

GENERIC = (GAP, LOST, RESYNC, TRUNCATED, SHORT_REGION, OVERRUN, DEPTH, MAP_FULL, TOO_LONG)
