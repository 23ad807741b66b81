# SPDX-License-Identifier: GPL-2.0-or-later
"""Protocols as data: parameters, registers, PDUs with their fields, streams with their states and rules.

A *stream* is one direction of one connection.  It stands in a *state*; a state is an ordered list of *rules*
and the first rule whose condition holds wins.  A rule may read a *PDU*, assign registers, count, report
*findings* and names the next state.  A rule without a PDU only decides.  Three things go beyond a plain
state machine, each because real streams need them:

* a **region** (``Rule.enter``, ``Rule.size``): the next so many octets are read from another state on, then the
  rule's ``goto`` resumes.  A package in a stream, a list with a length, are regions.
* a **payload** (``Field.lazy``): the last field of a PDU may be skipped by count.  Nobody waits for it.
* a **scan** (``Pdu.scan``): a body without a length ends where a condition on the octets ahead holds.

Everything is frozen and compares by value, except ``origin``, the opaque object a PDU was made from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .expr import Expr, Type
from .pdus import NOWHERE, ZERO, FieldType, Finding, Message, Pdu, Scan, SourceRef

Scope = Literal["direction", "conversation"]


@dataclass(frozen=True, slots=True)
class Assign:
    """``register = value`` or, with *key*, ``register[key] = value``.

    The value sees the fields of the PDU and the registers as the assignments before it left them.
    """

    register: str
    value: Expr
    key: Expr | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A value that is not on the wire, shown with a PDU as a generated field when ``when`` holds."""

    abbrev: str
    label: str
    type: FieldType
    value: Expr
    when: Expr | None = None
    hex: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the whole conversation is known by afterwards; the last value said under a key stays."""

    key: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Match:
    """A leading field of the rule's PDU that must have one of these values for the rule to hold."""

    field: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """See the head of this file.  ``match`` is tested before ``when``; both look at octets that are not yet consumed.

    ``fault`` means that the position is lost: nothing is read, the finding is reported and the stream resynchronises
    (in a region: after the region).
    """

    goto: str
    pdu: Pdu | None = None
    match: tuple[Match, ...] = ()
    when: Expr | None = None
    do: tuple[Assign, ...] = ()
    enter: str | None = None
    size: Expr | None = None
    findings: tuple[Finding, ...] = ()
    fault: Finding | None = None
    notes: tuple[Note, ...] = ()
    count: str | None = None
    info: Message | None = None
    facts: tuple[Fact, ...] = ()
    source: SourceRef = NOWHERE


@dataclass(frozen=True, slots=True)
class State:
    """An ordered list of rules; the last one should hold always, or the stream's ``unknown`` finding is reported."""

    name: str
    rules: tuple[Rule, ...]
    doc: str = ""
    source: SourceRef = NOWHERE


@dataclass(frozen=True, slots=True)
class Resync:
    """One way to find the position again: where ``scan`` accepts, ``do`` is done and ``goto`` is the state."""

    goto: str
    scan: Scan
    do: tuple[Assign, ...] = ()


@dataclass(frozen=True, slots=True)
class Register:
    """A value that the stream remembers.  A map holds at most ``limit`` keys, int or bytes; more are a finding.

    ``initial`` may refer to parameters only.  With scope *conversation* all channels of one share it.
    """

    name: str
    type: Type
    initial: Expr = ZERO
    scope: Scope = "direction"
    limit: int = 4096
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that is not on the wire: a Wireshark preference, a decoder argument, a CLI option.

    ``choices`` are (value, label); none means any unsigned number.
    """

    name: str
    label: str
    default: int
    choices: tuple[tuple[int, str], ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Counter:
    """Something worth counting.  ``label`` is the word after the number in an Info column; with none it is left out."""

    name: str
    label: str
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """One direction of a channel.  ``tally`` is the text before the counts in Wireshark's Info column."""

    name: str
    start: str
    registers: tuple[Register, ...]
    states: tuple[State, ...]
    unknown: Finding
    resync: tuple[Resync, ...] = ()
    depth: int = 4
    tally: Message | None = None

    @property
    def pdus(self) -> tuple[Pdu, ...]:
        """Every PDU once, in order of first use."""
        return tuple({r.pdu.name: r.pdu for s in self.states for r in s.rules if r.pdu}.values())

    def rules(self) -> Iterator[tuple[State, Rule]]:
        """All rules with their state."""
        for s in self.states:
            for r in s.rules:
                yield s, r


@dataclass(frozen=True, slots=True)
class Channel:
    """The role of one TCP connection.

    ``first`` tells it by the first octets of the side that opened it (None: only by choice).  ``joins`` means that it
    is only taken for this channel when the same destination endpoint already has a conversation.  ``apart`` looks at
    the same octets and at the conversation registers of the one that is there: where it holds, the connection is not of
    that conversation but begins another.
    """

    name: str
    label: str
    forward: Stream
    reverse: Stream | None = None
    first: Expr | None = None
    joins: bool = False
    doc: str = ""
    apart: Expr | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """What the head of a file with layers or states says; ``file`` is as in :class:`SourceRef`."""

    file: str
    doc: str


@dataclass(frozen=True, slots=True)
class Protocol:
    """All there is to know.  ``prefix`` begins every display-filter name; ``doc`` and ``chapters`` are for readers.

    The first channel is the one that a conversation has once.  ``over`` looks at conversation registers: where it
    holds, nothing more is to come, for executors that are not told when connections end.  ``whole`` is what users call
    a conversation; each PDU is shown with the number of its own under this name.
    """

    name: str
    prefix: str
    title: str
    short: str
    channels: tuple[Channel, ...]
    parameters: tuple[Parameter, ...] = ()
    counters: tuple[Counter, ...] = ()
    sources: tuple[str, ...] = ()
    over: Expr | None = None
    doc: str = ""
    chapters: tuple[Chapter, ...] = ()
    whole: str = "conversation"

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every stream once, in order of the channels, forward before reverse."""
        seen: dict[str, Stream] = {}
        for c in self.channels:
            for s in (c.forward, c.reverse):
                if s is not None:
                    seen.setdefault(s.name, s)
        return tuple(seen.values())

    @property
    def pdus(self) -> tuple[Pdu, ...]:
        """Every PDU once, in order of first use."""
        return tuple({p.name: p for s in self.streams for p in s.pdus}.values())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding once, by name."""
        seen: dict[str, Finding] = {}
        for s in self.streams:
            seen.setdefault(s.unknown.name, s.unknown)
            for _, r in s.rules():
                for f in (*r.findings, *((r.fault,) if r.fault else ())):
                    seen.setdefault(f.name, f)
        return tuple(seen.values())
