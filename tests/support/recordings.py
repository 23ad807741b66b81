# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded migrations in pcaps/: which there are, and what their sidecars say.

A capture of TLS has the keys in it, which only Wireshark can use (:mod:`tests.support.encrypted`); all readers read the
others.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"


def name_of(capture: Path) -> str:
    """The name of a recording, without what its file's name ends in."""
    return capture.name.partition(".pcap")[0]


def sidecar(capture: Path) -> dict[str, Any]:
    """What stands beside a capture."""
    return tomllib.loads((PCAPS / f"{name_of(capture)}.toml").read_text(encoding="utf-8"))


ALL = sorted(PCAPS.glob("*.pcap*.gz"))
ENCRYPTED = [path for path in ALL if "tls" in sidecar(path)]
PLAIN = [path for path in ALL if path not in ENCRYPTED]


def recorded(name: str) -> Path:
    """A capture by its name."""
    return next(path for path in ALL if name_of(path) == name)
