# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds two readings of a capture against each other, PDU by PDU and field by field, while they are made.

Both readers follow the capture, so what one has seen and the other not yet is little: the memory that is needed does
not grow with the capture.  Each direction of each connection is compared in its own order, since Wireshark shows a
frame's PDUs when it comes to the frame, and the decoder when a hole before them is filled.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dissector.regression.seen import Sight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dissector.regression.seen import Fault, Key, Seen

    Excuse = Callable[[Key, Sight, Sight | None], bool]


class Different(AssertionError):
    """Two readings of a capture differ; the text says where and in what."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What the two readings are called in a difference."""

    left: str
    right: str


class Ahead:
    """One reading, taken as far as the comparison has come; what came early is kept by connection and side."""

    def __init__(self, reading: Iterable[Sight | Fault]) -> None:
        self._rest: Iterator[Sight | Fault] = iter(reading)
        self.early: dict[Key, deque[Sight]] = defaultdict(deque)

    def next_of(self, key: Key) -> Sight | None:
        """Give the next PDU of ``key``, if there is one."""
        early = self.early[key]
        while not early:
            sight = next(self._rest, None)
            if sight is None:
                return None
            if isinstance(sight, Sight):
                self.early[sight.key].append(sight)
        return early.popleft()

    def left_over(self, without: set[Key]) -> Sight | None:
        """Give the first PDU that nobody asked for."""
        for key, queue in self.early.items():
            if queue and key not in without:
                return queue[0]
        return next((s for s in self._rest if isinstance(s, Sight) and s.key not in without), None)


def compare(
    left: Iterable[Sight | Fault], right: Iterable[Sight | Fault], sides: Sides, excuse: Excuse | None = None
) -> int:
    """Raise :class:`Different` at the first place where the two part; give the number of PDUs that are the same.

    ``excuse`` is asked about the first PDU of a connection's side that ``right`` shows differently or has not: true
    takes that side, from there on, for known to be different.
    """
    others = Ahead(right)
    counts: dict[Key, int] = defaultdict(int)
    ended: set[Key] = set()
    for ours in left:
        if not isinstance(ours, Sight) or ours.key in ended:
            continue
        theirs = others.next_of(ours.key)
        if theirs is not None and ours.seen == theirs.seen:
            counts[ours.key] += 1
        elif excuse is not None and excuse(ours.key, ours, theirs):
            ended.add(ours.key)
        elif theirs is None:
            raise Different(f"{place(ours, counts)}\n  {sides.right} has nothing here, {sides.left} {ours.seen}")
        else:
            raise Different(f"{place(ours, counts, theirs)}\n{explain(ours.seen, theirs.seen, sides)}")
    over = others.left_over(without=ended)
    if over is not None:
        raise Different(f"{place(over, counts)}\n  {sides.left} has nothing here, {sides.right} {over.seen}")
    return sum(counts.values())


def place(sight: Sight, counts: dict[Key, int], other: Sight | None = None) -> str:
    """Say where a PDU is."""
    connection, side = sight.key
    frames = f"frame {sight.frame}"
    if other is not None and other.frame != sight.frame:
        frames += f" (the other: {other.frame})"
    who = "server" if side else "client"
    return (
        f"connection {connection}, {who}'s PDU {counts[sight.key]}: "
        f"{frames}, offset {sight.seen.offset}, {sight.seen.name}:"
    )


def explain(left: Seen, right: Seen, sides: Sides) -> str:
    """Give a line for each thing in which two PDUs differ."""
    told = [
        line(what, str(a), str(b), sides)
        for what, a, b in (
            ("name", left.name, right.name),
            ("offset", left.offset, right.offset),
            ("length", left.length, right.length),
        )
        if a != b
    ]
    ours, theirs = by_name(left), by_name(right)
    for name in dict.fromkeys((*ours, *theirs)):
        a, b = ours.get(name, []), theirs.get(name, [])
        if a != b:
            told.append(line(name, ", ".join(a) if a else None, ", ".join(b) if b else None, sides))
    return "\n".join(told or [line("order of fields", ", ".join(ours), ", ".join(theirs), sides)])


def by_name(seen: Seen) -> dict[str, list[str]]:
    """Give a PDU's values by field."""
    out: dict[str, list[str]] = {}
    for name, value in seen.fields:
        out.setdefault(name, []).append(value)
    return out


def line(what: str, left: str | None, right: str | None, sides: Sides) -> str:
    """Say one difference."""
    a, b = ("absent" if value is None else repr(value) for value in (left, right))
    return f"  {what}: {sides.left} {a}, {sides.right} {b}"
