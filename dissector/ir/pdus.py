# SPDX-License-Identifier: GPL-2.0-or-later
"""PDUs as data: fields, their parts and flags, what may be wrong with them, and where all of it was declared.

A *payload* (``Field.lazy``) is the last field of a PDU, which may be skipped by count: nobody waits for it.  A *scan*
(``Pdu.scan``) finds where a body without a length ends: where a condition on the octets ahead holds.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass, field
from typing import Any, Literal

from .expr import Const, Expr, Type

FieldType = Literal["uint", "bytes", "string", "ipv4", "ipv6", "ether", "uuid"]
Severity = Literal["chat", "note", "warn", "error"]
Group = Literal["malformed", "protocol", "sequence", "undecoded", "assumption"]

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
