# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the fields of one packet against each other, and knows in the end what was never needed.

A field of ours looks among the fields of Wireshark's that its rule names, for one at the same octets, then for one that
overlaps it.  What is left on either side, and every pair that is not equal, is asked for at the profile's differences;
what they do not explain is a complaint.  A profile's rule or difference that no packet needed is a complaint, too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .profile import Profile, Rule
from .reading import Frame, Seen, Span, Value, equal


@dataclass(slots=True)
class Result:
    """What came out for a protocol, over all packets so far."""

    profile: Profile
    packets: int = 0
    pairs: int = 0
    equal: int = 0
    explained: Counter[int] = field(default_factory=Counter)
    """By the difference's place in the profile: how many fields it explained."""
    ours_alone: int = 0
    theirs_alone: int = 0
    """Octets that only one of them reads."""
    octets: int = 0
    undecoded: int = 0
    """Octets of layers that the plugin does not have."""
    compared: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    used: set[tuple[str, str]] = field(default_factory=set)

    def unused(self) -> list[str]:
        """The rules and differences that no packet needed."""
        wanted = [("same", name) for name in self.profile.same]
        wanted += [(f"difference {n}", f) for n, d in enumerate(self.profile.differences) for f in d.fields]
        return [
            f"{self.profile.name}: {what} {name!r} is needed by no packet"
            for what, name in wanted
            if (what, name) not in self.used
        ]


def compare(result: Result, what: str, ours: Frame, theirs: Frame) -> None:
    """Add one packet to *result*; *what* names it in complaints."""
    result.packets += 1
    free = list(theirs.fields)
    taken: list[tuple[Seen, Seen]] = []
    for mine in ours.fields:
        pair(result, what, mine, free, taken)
    named = {name for rule in result.profile.same.values() for name in rule.names}
    for other in free:
        if any(begin <= other.octets[0] < end for begin, end in ours.undecoded):
            continue
        if other.children and other.name not in named:
            continue
        twice = any(o.name == other.name and o.spans == other.spans for _, o in taken)
        if not twice:
            differs(result, what, other.name, "wireshark only", f"{show(other)}")
    count_octets(result, ours, theirs)


def pair(result: Result, what: str, mine: Seen, free: list[Seen], taken: list[tuple[Seen, Seen]]) -> None:
    """Find the counterpart of a field of ours, take it out of *free*, and judge the pair."""
    parts = [part for part in mine.parts if result.profile.rule(part.name)]
    found = result.profile.rule(mine.name)
    for part in parts if found else mine.parts if parts else ():
        pair(result, what, part, free, taken)
    if found is None:
        if not parts:
            differs(result, what, mine.name, "scapy only", show(mine))
        return
    name, rule = found
    other = counterpart(mine, rule, free)
    if other is None:
        differs(result, what, mine.name, "scapy only", show(mine))
        return
    result.used.add(("same", name))
    result.compared.add(mine.name)
    result.pairs += 1
    free.remove(other)
    taken.append((mine, other))
    if not mine.at(other):
        differs(result, what, mine.name, "place", f"{show(mine)}, but {show(other)}")
    elif not (rule.octets or equal(mine.value, computed(other.value, rule))):
        differs(result, what, mine.name, "value", f"{show(mine)}, but {show(other)}")
    else:
        result.equal += 1


def counterpart(mine: Seen, rule: Rule, free: list[Seen]) -> Seen | None:
    """The field of Wireshark's that is nearest: in the same bits, else in the same octets, else overlapping.

    Of several, one with the same value; and wherever it is, one that is there only once.
    """
    possible = [other for other in free if other.name in rule.names]
    exact = [other for other in possible if mine.spans[0] == other.spans[0]]
    same = [other for other in possible if mine.at(other)]
    alike = (other for other in (*exact, *same) if equal(mine.value, computed(other.value, rule)))
    overlapping = [other for other in possible if overlap(mine.octets, other.octets)]
    single = possible if len(possible) == 1 and not mine.parts else []
    return next(alike, None) or next(iter((*exact, *same, *overlapping, *single)), None)


def computed(value: Value, rule: Rule) -> Value:
    """What Scapy's value has to be where Wireshark's is *value*."""
    if isinstance(value, int | float) and (rule.times != 1 or rule.plus):
        return value * rule.times + rule.plus
    return value


def differs(result: Result, what: str, name: str, kind: str, text: str) -> None:
    """Look for the reason of a difference."""
    found = result.profile.difference(name, kind)
    if found is None:
        result.complaints.append(f"{result.profile.name}: {what}: {kind}: {text}")
        return
    index, pattern = found
    result.explained[index] += 1
    result.used.add((f"difference {index}", pattern))


def overlap(one: Span, other: Span) -> bool:
    """Whether two places have an octet in common, or are the same."""
    return one == other or (one[0] < other[1] and other[0] < one[1])


def show(seen: Seen) -> str:
    """A field in a complaint."""
    value = seen.value.hex() if isinstance(seen.value, bytes) else seen.value
    return f"{seen.name} = {value} at {place(seen)}"


def place(seen: Seen) -> str:
    """Where a field is: octets, and the bit where it begins and ends if that is inside one."""
    begin, end = seen.spans[0]
    return "-".join(f"{bit // 8}" + (f":{bit % 8}" if bit % 8 else "") for bit in (begin, end))


def count_octets(result: Result, ours: Frame, theirs: Frame) -> None:
    """Count the octets that only one of the two has in a field."""
    mine, other = covered(ours), covered(theirs)
    missing = {octet for begin, end in ours.undecoded for octet in range(begin, end)}
    result.undecoded += len(missing)
    other -= missing
    result.octets += len(mine | other)
    result.ours_alone += len(mine - other)
    result.theirs_alone += len(other - mine)


def covered(found: Frame) -> set[int]:
    """The octets that are in a field which is not only the frame of others."""
    return {
        octet
        for seen in found.fields
        if not (seen.children and isinstance(seen.value, bytes | str))
        for octet in range(*seen.octets)
    }
