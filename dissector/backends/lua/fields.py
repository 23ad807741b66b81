# SPDX-License-Identifier: GPL-2.0-or-later
"""Declarations of a plugin: ProtoFields, value strings, expert items, preferences, and their Lua names.

One display-filter name is one ProtoField, however many PDUs have such a field; the second one must agree with the
first in type, base and value string, because Wireshark would not complain, it would show one of them wrongly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...errors import Refused
from ...ir.expr import Const
from ...ir.findings import GENERIC
from ...ir.model import Note, Parameter, Protocol
from ...ir.pdus import Field, Finding, Flag
from .printer import KEYWORDS, string

GROUPS = {
    "malformed": "MALFORMED",
    "protocol": "PROTOCOL",
    "sequence": "SEQUENCE",
    "undecoded": "UNDECODED",
    "assumption": "PROTOCOL",  # Lua in 3.4 has ASSUMPTION and refuses it
}
SEVERITIES = {"chat": "CHAT", "note": "NOTE", "warn": "WARN", "error": "ERROR"}
BY_TYPE = {"bytes": "bytes", "string": "string", "ipv4": "ipv4", "ipv6": "ipv6", "ether": "ether", "uuid": "guid"}


def identifier(text: str) -> str:
    """*text* as part of a Lua name."""
    name = re.sub(r"\W", "_", text)
    return name + "_" if name in KEYWORDS or name[:1].isdigit() else name


def key(name: str) -> str:
    """The name of a ProtoField in the table of all: what `asked` and `bits` know it by."""
    return name.removeprefix("f.")


def flag_octets(f: Field) -> int:
    """How many octets from the end hold all flags of *f*: 1, 2, 4 or 8."""
    top = max(x.mask for x in f.flags).bit_length()
    return next(n for n in (1, 2, 4, 8) if top <= 8 * n)


@dataclass
class Declared:
    """Lua names by display-filter name, finding, PDU and counter, and the lines that declare them."""

    protocol: Protocol
    fields: dict[str, str] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    pdus: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    field_lines: list[str] = field(default_factory=list)
    value_strings: dict[tuple[tuple[int, str], ...], str] = field(default_factory=dict)
    bits: dict[str, str] = field(default_factory=dict)
    _signatures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        p = self.protocol
        self.findings = {f.name: i + 1 for i, f in enumerate(self.all_findings)}
        self.pdus = {x.name: i + 1 for i, x in enumerate(p.pdus)}
        self.counters = {c.name: i + 1 for i, c in enumerate(p.counters)}
        for pdu in p.pdus:
            for f in pdu.fields:
                self._field(f)
        for s in p.streams:
            for _, rule in s.rules():
                for n in rule.notes:
                    self._note(n)

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """The protocol's findings and those that any stream can have."""
        own = {f.name: f for f in (*self.protocol.findings, *GENERIC)}
        return tuple(own.values())

    def _declare(self, abbrev: str, definition: str, source: str) -> None:
        """Add a ProtoField, or check that it is the one that is there."""
        if self._signatures.setdefault(abbrev, definition) != definition:
            raise Refused(
                source,
                f"the display-filter name {self.protocol.prefix}.{abbrev} is used for two different fields",
                f"one is {self._signatures[abbrev]}, the other {definition}",
            )
        if abbrev not in self.fields:
            name = identifier(abbrev)
            self.fields[abbrev] = f"f.{name}"
            self.field_lines.append(f"f.{name} = {definition}")

    def is_wide(self, abbrev: str) -> bool:
        """True when the field takes a UInt64."""
        return self._signatures[abbrev].startswith("ProtoField.uint64")

    def _field(self, f: Field) -> None:
        label, source = string(f.label), str(f.source)
        name = string(f"{self.protocol.prefix}.{f.abbrev}")
        if f.type != "uint":
            self._declare(f.abbrev, f"ProtoField.{BY_TYPE[f.type]}({name}, {label})", source)
            return
        octets = 4 if f.part and f.part.which == "low" else int(f.size.value or 0) if isinstance(f.size, Const) else 8
        base = "base.HEX" if f.hex else "base.DEC"
        values = self._values(f.values)
        mask = f", {hex(((1 << f.bits[1]) - 1) << f.bits[0])}" if f.bits else ""
        extra = f", {values}{mask}" if f.values or mask else ""
        self._declare(f.abbrev, f"ProtoField.{_uint(octets)}({name}, {label}, {base}{extra or ''})", source)
        for x in f.flags:
            self._flag(f, x)
        if f.flags:
            self._bits(f, source)

    def _flag(self, f: Field, x: Flag) -> None:
        width = 8 * flag_octets(f)
        abbrev = f"{f.abbrev}.{x.name}"
        name = string(f"{self.protocol.prefix}.{abbrev}")
        self._declare(abbrev, f"ProtoField.bool({name}, {string(x.label)}, {width}, nil, {hex(x.mask)})", str(f.source))

    def _bits(self, f: Field, source: str) -> None:
        """The list of a field's bits, which the runtime goes through."""
        bits = ", ".join(self.fields[f"{f.abbrev}.{x.name}"] for x in f.flags)
        if self.bits.setdefault(key(self.fields[f.abbrev]), bits) != bits:
            raise Refused(source, f"the display-filter name {self.protocol.prefix}.{f.abbrev} has other bits elsewhere")

    def _note(self, n: Note) -> None:
        if n.abbrev in self.fields:
            return  # the same name as a field on the wire: a generated item of that field
        name, label = string(f"{self.protocol.prefix}.{n.abbrev}"), string(n.label)
        if n.type == "uint":
            base = "base.HEX" if n.hex else "base.DEC"
            self._declare(n.abbrev, f"ProtoField.uint64({name}, {label}, {base})", n.abbrev)
        else:
            self._declare(n.abbrev, f"ProtoField.{BY_TYPE[n.type]}({name}, {label})", n.abbrev)

    def _values(self, values: tuple[tuple[int, str], ...]) -> str:
        if not values:
            return "nil"
        return f"vs[{self.value_strings.setdefault(values, str(len(self.value_strings) + 1))}]"

    def value_string_lines(self) -> list[str]:
        """The tables that ProtoFields refer to."""
        out = []
        for values, number in self.value_strings.items():
            pairs = ", ".join(f"[{v if v < 1024 else hex(v)}] = {string(t)}" for v, t in values)
            out.append(f"vs[{number}] = {{ {pairs} }}")
        return out

    def expert_lines(self) -> list[str]:
        """Expert items, by number."""
        out = []
        for f in self.all_findings:
            name = string(f"{self.protocol.prefix}.expert.{f.name}")
            text = string(re.sub(r"%[-#0-9]*[a-zA-Z]", "…", f.message.format).replace("%%", "%"))
            group, severity = GROUPS[f.group], SEVERITIES[f.severity]
            out.append(f"ProtoExpert.new({name}, {text}, expert.group.{group}, expert.severity.{severity}),")
        return out

    def preference_lines(self) -> list[str]:
        """Preferences, one for every parameter."""
        return [line for p in self.protocol.parameters for line in self._preference(p)]

    def _preference(self, p: Parameter) -> list[str]:
        label, doc = string(p.label), string(p.doc or p.label)
        if not p.choices:
            return [f"proto.prefs.{p.name} = Pref.uint({label}, {p.default}, {doc})"]
        rows = ", ".join(f"{{ {i + 1}, {string(t)}, {v} }}" for i, (v, t) in enumerate(p.choices))
        return [f"proto.prefs.{p.name} = Pref.enum({label}, {p.default}, {doc}, {{ {rows} }}, false)"]


def _uint(octets: int) -> str:
    return {1: "uint8", 2: "uint16", 3: "uint24", 4: "uint32"}.get(octets, "uint64")
