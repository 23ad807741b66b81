# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sweep found, counted and in order of frequency."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dissector.proof.sweep import Module


def verdicts(found: Iterable[Module]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give (module, verdict) of all classes."""
    for module in found:
        for verdict in module.verdicts:
            yield module.name, verdict


def counts(found: Iterable[Module]) -> Counter[str]:
    """Count the classes by status; ``classes`` are all, ``generated`` those that are not refused."""
    result: Counter[str] = Counter()
    for _, verdict in verdicts(found):
        result["classes"] += 1
        result["generated"] += verdict["status"] != "refused"
        result[verdict["status"]] += 1
    return result


def summary(found: list[Module]) -> str:
    """Say it in a few lines."""
    n = counts(found)
    generated, classes = n["generated"], n["classes"]
    lines = [
        f"{classes} classes in {sum(1 for m in found if m.verdicts)} modules",
        f"generated: {generated} ({percent(generated, classes)})",
        f"proven: {n['proven']} ({percent(n['proven'], generated)} of those)",
        f"too few packets: {n['few']}",
        f"silently wrong: {n['differs']}",
        f"different, with an expert item: {n['loud']}",
        f"plugin fails: {n['lua']}",
        f"refused: {n['refused']}",
    ]
    lines += [f"{module.name}: {module.failed}" for module in found if module.failed]
    return "\n".join(lines)


def percent(part: int, whole: int) -> str:
    """Give a share."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def cause(verdict: dict[str, Any]) -> str:
    """Give what a verdict has in common with others."""
    text = re.sub(r"; octets [0-9a-f]*", "", verdict["reason"])
    if verdict["status"] == "refused":
        return re.sub(r"'[^']*'|\b\d+\b|^\S+: ", "…", text)
    text = re.sub(r"^(\w[\w ]*): \S+: ", r"\1: ", text)
    text = re.sub(r"\bscapy_[\w.]+", "FIELD", text)
    text = re.sub(r"(?<= )/\S+|'[^']*'|\b[0-9a-f]{4,}…?|-?\b\d[\d.+:xa-f]*\b", "…", text)
    return text[:110]


def differences(found: list[Module]) -> str:
    """List everything that is not proven, the most frequent cause first, with the octets to try."""
    groups: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for module, verdict in verdicts(found):
        if verdict["status"] != "proven":
            groups[verdict["status"], cause(verdict)].append((module, verdict))
    lines = [summary(found), ""]
    order = ("lua", "differs", "loud", "few", "refused")
    for (status, why), group in sorted(groups.items(), key=lambda g: (order.index(g[0][0]), -len(g[1]))):
        lines.append(f"== {status}: {len(group)} classes: {why}")
        for module, verdict in group[: 4 if status != "refused" else 3]:
            where = f" ({verdict['where']})" if verdict["where"] else ""
            lines.append(
                f"   {module.removeprefix('scapy.contrib.')}:{verdict['name']}{where} {verdict['kinds'] or ''}"
            )
            lines += [f"      {example[:400]}" for example in (verdict["examples"] or [verdict["reason"]])[:2]]
    return "\n".join(lines) + "\n"
