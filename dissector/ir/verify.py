# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stream must fulfil before anything is generated from it.

A stream is data, so its worst mistakes can be found by looking: a state that nothing leads to, a rule that can never
be tried, a circle in which nothing is consumed (the one way to hang an executor), a register that is read but never
written.  All problems are collected; none is a matter of taste.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .expr import Const, Expr, refs
from .lower import lower
from .model import Protocol, Rule, Stream
from .pdus import Finding, Message
from .steps import Block


@dataclass(frozen=True, slots=True)
class Problem:
    """Where, what, and what would be right."""

    where: str
    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\nhint: {self.hint}"


def verify(protocol: Protocol) -> list[Problem]:
    """All problems of all streams; an empty list is what it takes to generate."""
    out: list[Problem] = []
    for s in protocol.streams:
        out += _unreachable(s)
        out += _never_tried(s)
        out += _circles(s)
        out += _registers(s)
    out += _findings(protocol)
    return out


def _unreachable(s: Stream) -> Iterator[Problem]:
    seen: set[str] = set()
    todo = [s.start, *(r.goto for r in s.resync)]
    rules = {x.name: x.rules for x in s.states}
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for r in rules[name]:
            todo += [r.goto, *([r.enter] if r.enter else [])]
    for state in s.states:
        if state.name not in seen:
            where = f"stream {s.name}: state {state.name!r}"
            yield Problem(where, "nothing leads to it", "add a goto or remove the state")


def _never_tried(s: Stream) -> Iterator[Problem]:
    for state in s.states:
        for r in state.rules[:-1]:
            if not r.match and r.when is None:
                where = f"{r.source}: state {state.name!r}"
                yield Problem(where, "the rules after this one are never tried", "give it a condition or put it last")
                break


def _circles(s: Stream) -> Iterator[Problem]:
    """Every circle of rules must consume an octet somewhere."""
    edges: dict[str, set[str]] = {}
    for lowered in lower(s):
        for b in lowered.blocks:
            endless = b.rule.pdu is not None and b.rule.pdu.scan is not None and b.rule.pdu.scan.accept is None
            if not (_consumes(b) or b.rule.fault or endless):
                targets = {b.rule.goto, *([b.rule.enter] if b.rule.enter else [])}
                edges.setdefault(lowered.state.name, set()).update(targets)
    for start in edges:
        path = _circle(start, edges)
        if path:
            text = " -> ".join(path)
            yield Problem(f"stream {s.name}", f"a circle that consumes nothing: {text}", "let one of the rules read")
            return


def _consumes(b: Block) -> bool:
    if b.rule.pdu is None or b.rule.pdu.scan is not None:
        return False
    if not isinstance(b.header, Const):
        return True
    return isinstance(b.header.value, int) and b.header.value > 0


def _circle(start: str, edges: dict[str, set[str]]) -> list[str]:
    todo: list[list[str]] = [[start]]
    while todo:
        path = todo.pop()
        for target in sorted(edges.get(path[-1], ())):
            if target == start:
                return [*path, target]
            if target not in path:
                todo.append([*path, target])
    return []


def _registers(s: Stream) -> Iterator[Problem]:
    written = {a.register for _, r in s.rules() for a in r.do} | {a.register for r in s.resync for a in r.do}
    read = {path[1] for e in _expressions(s) for path in refs(e, "S")}
    for r in s.registers:
        where = f"stream {s.name}: register {r.name!r}"
        if r.scope == "conversation":
            continue  # another stream of the conversation may be the reader or the writer
        if r.name not in read:
            yield Problem(where, "written but never read" if r.name in written else "never used", "remove it")
        elif r.name not in written and isinstance(r.initial, Const):
            yield Problem(where, "read but never written", "assign it, or use a constant or a parameter")


def _expressions(s: Stream) -> Iterator[Expr]:
    for _, r in s.rules():
        yield from _of_rule(r)
    for x in s.resync:
        yield from (a.value for a in x.do)
        if x.scan.accept is not None:
            yield x.scan.accept
    if s.tally is not None:
        yield from s.tally.args


def _of_rule(r: Rule) -> Iterator[Expr]:
    yield from (e for e in (r.when, r.size) if e is not None)
    for a in r.do:
        yield a.value
        if a.key is not None:
            yield a.key
    yield from (x.value for x in r.facts)
    for f in (*r.findings, *([r.fault] if r.fault else [])):
        yield from _of_message(f.message, f.when)
    for n in r.notes:
        yield from (e for e in (n.value, n.when) if e is not None)
    if r.info is not None:
        yield from r.info.args
    if r.pdu is not None:
        for field in r.pdu.fields:
            yield field.size
            yield from (e for e in (field.present, field.part.modulus if field.part else None) if e is not None)
            if field.packed is not None:
                yield from (field.packed.size, field.packed.alone, *(when for _, when in field.packed.methods))
        if r.pdu.scan is not None and r.pdu.scan.accept is not None:
            yield r.pdu.scan.accept


def _of_message(m: Message, when: Expr | None) -> Iterator[Expr]:
    yield from m.args
    if when is not None:
        yield when


def _findings(p: Protocol) -> Iterator[Problem]:
    """A finding's name stands for one severity and one group, wherever it is reported."""
    seen: dict[str, Finding] = {}
    for s in p.streams:
        for _, r in s.rules():
            for f in (*r.findings, *([r.fault] if r.fault else [])):
                first = seen.setdefault(f.name, f)
                if (first.severity, first.group) != (f.severity, f.group):
                    here, there = f"{f.severity}/{f.group}", f"{first.severity}/{first.group}"
                    what = f"finding {f.name!r} is {here} here and {there} elsewhere"
                    yield Problem(str(r.source), what, "use two names, or one severity and group")
