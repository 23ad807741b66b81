# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream as a chapter: its states drawn, its rules as tables, and what is wrong where no PDU can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from ...ir.model import Protocol, Rule, State, Stream
from ...ir.pdus import Finding
from .diagram import diagram, parts
from .words import code, condition, first_paragraph, inline, link, message, names_of, readable, scan, table


def streams(p: Protocol) -> Iterator[str]:
    """All streams."""
    for s in p.streams:
        yield from stream(p, s)


def heading(s: Stream) -> str:
    """The heading of a stream's chapter."""
    return f"Stream {s.name}"


def stream(p: Protocol, s: Stream) -> Iterator[str]:
    """One stream."""
    yield f"## {heading(s)}"
    yield _where(p, s)
    pieces = parts(s)
    heads = {c.file: c.doc for c in p.chapters}
    for file, states in pieces:
        if len(pieces) > 1:
            yield f"### States of {title(file)} ({s.name})"
        yield first_paragraph(heads.get(file, ""))
        yield diagram(s, states)
        yield _rules(states)
    yield f"Where no PDU of `{s.name}` can be read:"
    yield table(("Finding", "Severity", "Text", "States"), _faults(s))
    for x in s.resync:
        yield f"A lost position is found again, in state `{x.goto}`, where"
        yield scan(x.scan)


def title(file: str) -> str:
    """What a file is about, by its name."""
    return PurePosixPath(file).stem.removeprefix("stream_").replace("_", " ")


def _where(p: Protocol, s: Stream) -> str:
    forward = [code(c.name) for c in p.channels if c.forward.name == s.name]
    reverse = [code(c.name) for c in p.channels if c.reverse and c.reverse.name == s.name]
    places = [f"The forward direction of {' and '.join(forward)}"] if forward else []
    places += [f"the other direction of {' and '.join(reverse)}"] if reverse else []
    where = ", ".join(places)
    return f"{where[:1].upper()}{where[1:]}. It begins in state `{s.start}`."


def _rules(states: tuple[State, ...]) -> str:
    rows = []
    for state in states:
        about = f"**{state.name}**" + (f"<br/>{inline(state.doc)}" if state.doc else "")
        for number, rule in enumerate(state.rules):
            asked = condition(rule)
            rows.append(
                [
                    "" if number else about,
                    code(asked) if asked else "else" if number else "always",
                    link(rule.pdu.name) if rule.pdu else "",
                    _next(rule, state.name),
                ]
            )
    return table(("State", "If", "PDU", "Then"), rows)


def _next(rule: Rule, here: str) -> str:
    if rule.fault is not None:
        return f"{rule.fault.severity} {code(rule.fault.name)}"
    goto = "" if rule.goto == here else f"`{rule.goto}`"
    if rule.enter and rule.size is not None:
        octets = readable(rule.size, names_of(rule.pdu))
        return f"`{rule.enter}` for {code(octets)} octets, then `{rule.goto}`"
    return goto or "(same state)"


def _faults(s: Stream) -> Iterator[list[str]]:
    """What is wrong where nothing is read, and in which states."""
    states: dict[Finding, list[str]] = {}
    for state, rule in s.rules():
        for f in (*((rule.fault,) if rule.fault else ()), *(rule.findings if rule.pdu is None else ())):
            names = states.setdefault(f, [])
            names += [] if state.name in names else [state.name]
    for f, names in states.items():
        yield [code(f.name), f.severity, message(f.message.format), ", ".join(map(code, names))]
    yield [
        code(s.unknown.name),
        s.unknown.severity,
        message(s.unknown.message.format),
        "any, if none of its rules holds",
    ]


def findings_table(findings: list[tuple[Finding, str]]) -> str:
    """Findings, each with what it takes."""
    unique: dict[tuple[str, str, str], str] = {}
    for f, when in findings:
        unique.setdefault((f.name, f.message.format, when), f.severity)
    rows: dict[tuple[str, str, str], list[str]] = {}
    for (name, text, when), severity in unique.items():
        rows.setdefault((severity, name, message(text)), []).append(when)
    return table(
        ("Finding", "Severity", "Text", "When"),
        ([code(name), severity, text, _alternatives(whens)] for (severity, name, text), whens in rows.items()),
    )


def _alternatives(whens: list[str]) -> str:
    return "always" if "" in whens else "<br/>or ".join(map(code, whens))
