# SPDX-License-Identifier: GPL-2.0-or-later
"""States as Mermaid ``stateDiagram-v2``.

What leads from one state to another is written on one arrow, PDU by PDU; an arrow without a word is a decision that
reads nothing.  A region is entered with the PDU that announces it and left where it ends.  A stream of many states is
drawn in parts, one for each file that its states are declared in; states of another part have a dashed border.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...ir.model import State, Stream

MOST_STATES = 12
"""A stream with more is drawn in parts."""

MOST_WORDS = 6
"""More PDUs than these on one arrow are counted."""

ENDS = "end of region"


def parts(s: Stream) -> list[tuple[str, tuple[State, ...]]]:
    """(file, states) of each part of a stream, in the stream's order."""
    if len(s.states) <= MOST_STATES:
        return [(s.states[0].source.file if s.states else "", s.states)]
    by_file: dict[str, list[State]] = {}
    for state in s.states:
        by_file.setdefault(state.source.file, []).append(state)
    return [(file, tuple(states)) for file, states in by_file.items()]


def diagram(s: Stream, states: Iterable[State]) -> str:
    """The arrows from and to *states*."""
    here = {x.name for x in states}
    arrows = {pair: words for pair, words in _arrows(s).items() if here.intersection(pair)}
    shown = [x.name for x in s.states if x.name in here or any(x.name in pair for pair in arrows)]
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{name}" as {_id(name)}' for name in shown]
    if s.start in here:
        lines.append(f"    [*] --> {_id(s.start)}")
    for (a, b), words in arrows.items():
        label = _label(words)
        lines.append(f"    {_id(a)} --> {_id(b)}" + (f" : {label}" if label else ""))
    others = [_id(name) for name in shown if name not in here]
    if others:
        lines += ["    classDef elsewhere stroke-dasharray: 4 4", f"    class {','.join(others)} elsewhere"]
    return "\n".join([*lines, "```"])


def _arrows(s: Stream) -> dict[tuple[str, str], list[str]]:
    """(from, to) -> the words on that arrow."""
    out: dict[tuple[str, str], list[str]] = {}

    def add(a: str, b: str, word: str) -> None:
        words = out.setdefault((a, b), [])
        if word and word not in words:
            words.append(word)

    for state, rule in s.rules():
        if rule.fault is not None:
            continue
        add(state.name, rule.enter or rule.goto, rule.pdu.name if rule.pdu else "")
        if rule.enter:
            add(rule.enter, rule.goto, ENDS)
    return out


def _label(words: list[str]) -> str:
    if len(words) > MOST_WORDS:
        words = [*words[: MOST_WORDS - 1], f"{len(words) - MOST_WORDS + 1} more"]
    return "<br/>".join(words)


def _id(name: str) -> str:
    """A state's name that is none of Mermaid's own words."""
    return "s_" + "".join(c if c.isalnum() else "_" for c in name)
