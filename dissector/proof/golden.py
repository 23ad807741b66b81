# SPDX-License-Identifier: GPL-2.0-or-later
"""What was proved once, and may not be lost: a TOML file with a table for each module.

``classes`` is how many a module has; ``not_proven`` and ``refused`` name those of which that has to be said, with the
reason.  All others are proven.  A class that was proven and is not any more, one that was generated and is refused, and
any that is silently wrong are losses; what has become better is written with ``--update``.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dissector.proof.sweep import Module

PACKAGE = "scapy.contrib."
LONGEST = 200
STATUS = {
    "few": "",
    "differs": "silently wrong: ",
    "loud": "differs, with an expert item: ",
    "lua": "the plugin fails: ",
}


@dataclass(slots=True)
class Known:
    """What is known of a module."""

    classes: int = 0
    not_proven: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    failed: str = ""

    @property
    def generated(self) -> int:
        """How many classes have a dissector."""
        return self.classes - len(self.refused)

    @property
    def proven(self) -> int:
        """How many of them read the same as Scapy."""
        return self.generated - len(self.not_proven)

    @property
    def wrong(self) -> list[str]:
        """Give the classes that are silently wrong, or whose plugin fails."""
        bad = STATUS["differs"], STATUS["lua"]
        return [name for name, why in self.not_proven.items() if why.startswith(bad)]


def known(found: Iterable[Module]) -> dict[str, Known]:
    """Give what a sweep found in the words of the file."""
    result = {}
    for module in found:
        if module.verdicts or module.failed:
            one = Known(len(module.verdicts), failed=short(module.failed))
            for verdict in module.verdicts:
                enter(one, verdict)
            result[module.name.removeprefix(PACKAGE)] = one
    return result


def enter(one: Known, verdict: dict[str, Any]) -> None:
    """Enter a verdict, if there is something to be said."""
    if verdict["status"] == "refused":
        one.refused[verdict["name"]] = f"{verdict['where']}: {verdict['reason']}"
    elif verdict["status"] != "proven":
        one.not_proven[verdict["name"]] = short(STATUS[verdict["status"]] + verdict["reason"])


def short(text: str) -> str:
    """Give the first line of a reason, without the octets that showed it."""
    line = (text.splitlines() or [""])[0].partition("; octets ")[0]
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def dump(modules: dict[str, Known], scapy: str) -> str:
    """Give the text of the file."""
    lines = ["# SPDX-License-Identifier: GPL-2.0-or-later", "# ./dev sweep --update", f"scapy = {json.dumps(scapy)}"]
    for name, one in sorted(modules.items()):
        lines += ["", f"[{json.dumps(name)}]", f"classes = {one.classes}"]
        lines += [f"failed = {quoted(one.failed)}"] if one.failed else []
        for part in ("not_proven", "refused"):
            rows = getattr(one, part)
            lines += [f"[{json.dumps(name)}.{part}]", *(f"{k} = {quoted(v)}" for k, v in rows.items())] if rows else []
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Give a text as TOML, in which a delete character has to be escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def load(path: Path) -> tuple[dict[str, Known], str]:
    """Read the file: (modules, the version of Scapy)."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    scapy = content.pop("scapy")
    return {name: Known(**table) for name, table in content.items()}, scapy


def losses(now: dict[str, Known], before: dict[str, Known], *, part: bool = False) -> Iterator[str]:
    """Say what was lost; *part*: only some modules were looked at."""
    for name, one in now.items():
        yield from (f"{name}.{cls}: {one.not_proven[cls]}" for cls in one.wrong)
        old = before.get(name)
        if old is None:
            continue
        if one.failed and not old.failed:
            yield f"{name}: {one.failed}"
        for cls, why in one.refused.items():
            if cls not in old.refused:
                yield f"{name}.{cls}: was generated, and is refused: {why}"
        for cls, why in one.not_proven.items():
            if cls not in old.not_proven and cls not in old.refused and cls not in one.wrong:
                yield f"{name}.{cls}: was proven, and is not: {why}"
    if not part:
        yield from (f"{name}: is not there any more" for name in before if name not in now)


def gains(now: dict[str, Known], before: dict[str, Known]) -> int:
    """Count the classes that have become better, and new ones."""
    better = sum(max(0, one.proven - before.get(name, Known()).proven) for name, one in now.items())
    return better + sum(max(0, one.generated - before.get(name, Known()).generated) for name, one in now.items())
