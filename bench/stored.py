# SPDX-License-Identifier: GPL-2.0-or-later
"""What earlier runs wrote with ``--json``, joined to one result.

A machine is seldom quiet for as long as everything takes, so rows can be measured one by one, and one again.  Runs with
the same tshark become one result, in which the later file wins where two have the same row.  Runs with another tshark
stand beside it, as ``others``: a ratio of two releases of Wireshark belongs to neither.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.plan import ROWS
from dissector.errors import DissectorError

SAME = ("release", "lua", "python", "megabytes", "rounds")
"""What runs with one tshark must have in common, for one line to tell how they were measured."""

NAMES = ("kind", "segment", "work", "command")
"""What tells a part's rows from each other."""


def joined(paths: Sequence[Path]) -> dict[str, Any]:
    """One result of those files, of which there is at least one; the first says which tshark it is about."""
    of_tshark: dict[str, dict[str, Any]] = {}
    for path, new in ((each, result) for each in paths for result in read(each)):
        known = of_tshark.setdefault(new["tshark"], new)
        for name in SAME:
            if known[name] != new[name]:
                what = f"{name} {new[name]}, where another has {known[name]}"
                raise DissectorError(str(path), what, "measure both alike")
        add(known, new)
    first, *others = of_tshark.values()
    return {**first, "others": others} if others else first


def add(known: dict[str, Any], new: dict[str, Any]) -> None:
    """Put the rows of *new* into *known*; what was left out in one and measured in the other is no longer left out."""
    known.update({part: with_rows(known.get(part), new[part]) for part in ROWS if part in new})
    left_out = {**known["skipped"], **new["skipped"]}
    known["skipped"] = {part: why for part, why in left_out.items() if part not in known}


def with_rows(known: Any, new: Any) -> Any:
    """The rows of a part, *new* ones in the place of those of the same name; a part that is no list is one row."""
    if not (isinstance(known, list) and isinstance(new, list)):
        return new
    rows = {tuple(row.get(name) for name in NAMES): row for row in (*known, *new)}
    return list(rows.values())


def read(path: Path) -> list[dict[str, Any]]:
    """The results in one file: several, if they were joined before."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DissectorError(str(path), f"cannot be read as what --json writes: {error}") from error
    if not isinstance(found, dict) or not {"tshark", "skipped", *SAME} <= found.keys():
        raise DissectorError(str(path), "is not what --json writes")
    return [found, *found.pop("others", ())]
