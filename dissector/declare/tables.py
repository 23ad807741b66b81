# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams as tables: plain data with the line they stand on, which dissector.frontend.streams turns into the model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ir.evaluate import evaluate
from ..ir.expr import Type
from ..ir.model import Counter, Parameter, Scope
from ..ir.pdus import Group, Severity, SourceRef
from .expressions import INITIAL, E, Unset, as_expr


def _here() -> SourceRef:
    frame = sys._getframe(2)  # noqa: SLF001  the line of the declaration
    return SourceRef(frame.f_code.co_filename, frame.f_lineno)


@dataclass(frozen=True)
class Message:
    """A ``printf`` text and its values; see :func:`text`."""

    format: str
    args: tuple[Any, ...] = ()


def text(format: str, *args: Any) -> Message:  # noqa: A002  it is a format
    """``text("length %d", F.length)``."""
    return Message(format, args)


@dataclass(frozen=True)
class Finding:
    """Something wrong (or remarkable) that a reader should be told; see :class:`dissector.ir.pdus.Finding`."""

    name: str
    severity: Severity
    group: Group
    message: Message | str
    when: E | None = None


@dataclass(frozen=True)
class Note:
    """A generated field: a value that is not on the wire but belongs to the PDU."""

    abbrev: str
    label: str
    value: E
    type: str = "uint"
    when: E | None = None
    hex: bool = False


@dataclass(frozen=True)
class Until:
    """The end of a body without a length; see :class:`dissector.ir.pdus.Scan`."""

    accept: E | None = None
    anchor: tuple[int, tuple[int, ...]] = (0, ())
    window: int = 512


UNPACKERS = ("zlib", "zstd")


@dataclass(frozen=True)
class Packed:
    """A payload that is compressed; see :class:`dissector.ir.pdus.Packed`.

    ``methods`` maps ``zlib`` and ``zstd`` to the condition under which it is that, True for always.
    """

    size: E
    label: str
    methods: Mapping[str, E | bool]
    alone: E | bool = True


@dataclass(frozen=True)
class Rule:
    """In this state, if *match* and *when* hold, a *pdu* follows; then *do* and *goto*.

    ``match`` names leading fields: a tuple of names takes the layer's own defaults, a dict gives values.
    ``do`` is a tuple of ``(S.register, value)`` or ``(S.map[key], value)``.
    See :class:`dissector.ir.model.Rule` for the rest.
    """

    pdu: type | None = None
    goto: str = ""
    match: tuple[str, ...] | Mapping[str, int | tuple[int, ...]] = ()
    when: E | None = None
    do: tuple[tuple[E, Any], ...] = ()
    enter: str | None = None
    size: Any = None
    findings: tuple[Finding, ...] = ()
    fault: Finding | None = None
    notes: tuple[Note, ...] = ()
    count: str | None = None
    info: Message | str | None = None
    facts: tuple[tuple[str, Any], ...] = ()
    source: SourceRef = field(default_factory=_here, compare=False)


@dataclass(frozen=True)
class State:
    """``State("ram", Rule(...), Rule(...), doc="...")``."""

    name: str
    rules: tuple[Rule, ...]
    doc: str = ""
    source: SourceRef = field(default_factory=_here, compare=False)

    def __init__(self, name: str, *rules: Rule, doc: str = "") -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "doc", doc)
        object.__setattr__(self, "source", _here())


@dataclass(frozen=True)
class Resync:
    """One way to find the position again after it was lost."""

    goto: str
    until: Until
    do: tuple[tuple[E, Any], ...] = ()


@dataclass(frozen=True)
class Register:
    """A value that a stream remembers; type ``int``, ``bytes`` or ``map``; ``initial`` may use ``P`` only."""

    name: str
    type: Type = "int"
    initial: Any = 0
    scope: Scope = "direction"
    limit: int = 4096
    doc: str = ""

    def __post_init__(self) -> None:
        value = {} if self.type == "map" else evaluate(as_expr(self.initial), {"P": Unset()})
        INITIAL.setdefault(self.name, value)


@dataclass(frozen=True)
class Stream:
    """One direction of a channel."""

    name: str
    start: str
    registers: tuple[Register, ...]
    states: tuple[State, ...]
    unknown: Finding
    resync: tuple[Resync, ...] = ()
    depth: int = 4
    tally: Message | str | None = None


@dataclass(frozen=True)
class Channel:
    """The role of one TCP connection."""

    name: str
    label: str
    forward: Stream
    reverse: Stream | None = None
    first: E | None = None
    joins: bool = False
    doc: str = ""
    apart: E | None = None


@dataclass(frozen=True)
class Protocol:
    """Everything that a plugin is made of.  ``doc`` begins the documentation."""

    name: str
    prefix: str
    title: str
    short: str
    channels: tuple[Channel, ...]
    parameters: tuple[Parameter, ...] = ()
    counters: tuple[Counter, ...] = ()
    over: E | None = None
    doc: str = ""
    whole: str = "conversation"
