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

import functools
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from .expr import Const, Expr, Type

FieldType = Literal["uint", "bytes", "string", "ipv4", "ipv6", "ether", "uuid"]
Severity = Literal["chat", "note", "warn", "error"]
Group = Literal["malformed", "protocol", "sequence", "undecoded", "assumption"]
Scope = Literal["direction", "conversation"]

ZERO = Const(0)


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where something was declared; ``file`` is relative to the package's root, never absolute."""

    file: str
    line: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


NOWHERE = SourceRef("", 0)


@dataclass(frozen=True, slots=True)
class Message:
    """A text with values: ``printf`` conversions ``%d %u %x %X %s %%`` with optional width, and one expression each."""

    format: str
    args: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong or remarkable: an expert item in Wireshark, an event in the decoder.

    ``when`` looks at the fields of the PDU and at the registers as they were before the PDU; None is always.
    """

    name: str
    severity: Severity
    group: Group
    message: Message
    when: Expr | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One of two values that share the octets of an integer: ``value % modulus`` or ``value - value % modulus``.

    The modulus is an expression because it may be negotiated; it must be a power of two of at most 2**32.
    """

    which: Literal["low", "high"]
    modulus: Expr


@dataclass(frozen=True, slots=True)
class Flag:
    """One named bit: ``mask`` has exactly that bit set."""

    mask: int
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Packed:
    """What comes out of a payload that is compressed: ``size`` octets, called ``label``.

    ``methods`` are (``zlib`` or ``zstd``, condition) in the order in which they are tried; where none holds, nothing is
    known of the payload.  ``alone`` says whether it can be uncompressed by itself, or only behind what came before it
    in one continuous stream.  All of them look at registers only.
    """

    size: Expr
    label: str
    methods: tuple[tuple[str, Expr], ...]
    alone: Expr


@dataclass(frozen=True, slots=True)
class Field:
    """A run of octets with a meaning.

    ``size`` is in octets.  ``advance`` False means that the next field starts at the same octet (``part``, ``bits``).
    ``packed`` is of a ``lazy`` one that is compressed.
    ``bits`` is (shift from the least significant bit, width).  ``present`` None is always; an absent field has the
    value 0 or b"" in every later expression.
    """

    name: str
    abbrev: str
    label: str
    type: FieldType
    size: Expr
    little: bool = False
    hex: bool = False
    values: tuple[tuple[int, str], ...] = ()
    flags: tuple[Flag, ...] = ()
    present: Expr | None = None
    part: Part | None = None
    bits: tuple[int, int] | None = None
    advance: bool = True
    lazy: bool = False
    packed: Packed | None = None
    doc: str = ""
    source: SourceRef = NOWHERE

    @property
    def value_type(self) -> Type:
        """How expressions see the value."""
        return "int" if self.type == "uint" else "bytes"

    @property
    def absent(self) -> int | bytes:
        """The value in expressions when the field is not there."""
        return 0 if self.type == "uint" else b""


@dataclass(frozen=True, slots=True)
class Scan:
    """Looks ahead for the first octet position at which ``accept`` holds.

    ``anchor`` (offset, octet values) is a quick test: only where the octet at that offset has one of these values is
    ``accept`` asked; no values means that the scan never ends by itself.  ``window`` bounds the look-ahead in octets.
    """

    accept: Expr | None
    anchor: tuple[int, tuple[int, ...]] = (0, ())
    window: int = 512


@dataclass(frozen=True, slots=True)
class Named:
    """What a PDU was made from, by its name: in a protocol that was kept.  It is imported when somebody asks for it."""

    module: str
    name: str

    def found(self) -> Any:
        """The thing itself."""
        return functools.reduce(getattr, self.name.split("."), importlib.import_module(self.module))


@dataclass(frozen=True, slots=True)
class Pdu:
    """One protocol data unit.

    ``origin`` is what it was made from (a Scapy class), or its :class:`Named`; nobody below the frontend looks.
    """

    name: str
    label: str
    fields: tuple[Field, ...]
    doc: str = ""
    scan: Scan | None = None
    source: SourceRef = NOWHERE
    origin: Any = field(default=None, compare=False, repr=False)

    def field(self, name: str) -> Field:
        """The field called *name*; KeyError when there is none."""
        for f in self.fields:
            if f.name == name:
                return f
        raise KeyError(f"{self.name} has no field {name!r}")

    @property
    def payload(self) -> Field | None:
        """The lazy last field, if there is one."""
        return self.fields[-1] if self.fields and self.fields[-1].lazy else None


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
