# SPDX-License-Identifier: GPL-2.0-or-later
"""A protocol as text: every PDU, state and rule, each expression as it would be written in Python.

For reading, for diffs in review, and for goldens.  It holds nothing that the model does not, and in the model's order.
"""

from __future__ import annotations

from collections.abc import Iterator

from .expr import (
    Bin,
    Case,
    Cmp,
    Const,
    Expr,
    If,
    InSet,
    IsNone,
    Logic,
    Lookup,
    Peek,
    PeekBytes,
    Printable,
    Ref,
    Size,
    Un,
    UntilNul,
)
from .model import Assign, Channel, Protocol, Resync, Rule, Stream
from .pdus import Field, Finding, Message, Pdu

PRECEDENCE = {
    "or": 1,
    "and": 2,
    "not": 3,
    "|": 5,
    "^": 6,
    "&": 7,
    "<<": 8,
    ">>": 8,
    "+": 9,
    "-": 9,
    "*": 10,
    "/": 10,
    "//": 10,
    "%": 10,
}
COMPARE, UNARY, ATOM = 4, 11, 12


def show(e: Expr) -> str:
    """One expression."""
    return _show(e)[0]


def _in(e: Expr, precedence: int) -> str:
    text, p = _show(e)
    return text if p >= precedence else f"({text})"


def _show(e: Expr) -> tuple[str, int]:  # noqa: C901, PLR0912  a case for every node, none of them deep
    match e:
        case Const(value=v):
            return (hex(v) if isinstance(v, int) and not isinstance(v, bool) and v > 1023 else repr(v)), ATOM
        case Ref(path=path):
            return ".".join(path), ATOM
        case Size(of=of):
            return f"len({show(of)})", ATOM
        case UntilNul(of=of):
            return f"until_nul({show(of)})", ATOM
        case Un(op=op, x=x):
            return (f"not {_in(x, 3)}", 3) if op == "not" else (f"{op}{_in(x, UNARY)}", UNARY)
        case Bin(op=op, a=a, b=b) | Logic(op=op, a=a, b=b):
            p = PRECEDENCE[op]
            return f"{_in(a, p)} {op} {_in(b, p + (0 if isinstance(e, Logic) else 1))}", p
        case Cmp(op=op, a=a, b=b):
            return f"{_in(a, COMPARE + 1)} {op} {_in(b, COMPARE + 1)}", COMPARE
        case IsNone(x=x):
            return f"{_in(x, COMPARE + 1)} is None", COMPARE
        case InSet(x=x, values=values):
            return f"{_in(x, COMPARE + 1)} in {{{', '.join(map(repr, values))}}}", COMPARE
        case If(c=c, t=t, f=f):
            return f"{_in(t, 1)} if {_in(c, 1)} else {_in(f, 0)}", 0
        case Case(x=x, entries=entries, default=default):
            return f"{{{', '.join(f'{k!r}: {v!r}' for k, v in entries)}}}.get({show(x)}, {show(default)})", ATOM
        case Lookup(map=m, key=key, default=default):
            return f"{show(m)}.get({show(key)}, {show(default)})", ATOM
        case Peek(offset=offset, size=size):
            return f"peek({show(offset)}, {size})", ATOM
        case PeekBytes(offset=offset, size=length):
            return f"peek_bytes({show(offset)}, {show(length)})", ATOM
        case Printable(of=of):
            return f"printable({show(of)})", ATOM
    raise TypeError(e)


def dump(p: Protocol) -> str:
    """The whole protocol."""
    lines = [f"protocol {p.name} ({p.title}), filter prefix {p.prefix}", ""]
    for x in p.parameters:
        choices = ", ".join(f"{v} {t}" for v, t in x.choices)
        lines.append(f"parameter {x.name} = {x.default}" + (f"  ({choices})" if choices else ""))
    lines += [f"counter {c.name}: {c.label}" for c in p.counters]
    for c in p.channels:
        lines += _channel(c)
    for pdu in p.pdus:
        lines += ["", *_pdu(pdu)]
    for s in p.streams:
        lines += ["", *_stream(s)]
    return "\n".join(lines) + "\n"


def _channel(c: Channel) -> Iterator[str]:
    first = f", first octets {show(c.first)}" if c.first is not None else ""
    joins = ", joins a conversation" if c.joins else ""
    apart = f", apart {show(c.apart)}" if c.apart is not None else ""
    reverse = f" / {c.reverse.name}" if c.reverse else ""
    yield f"channel {c.name}: {c.forward.name}{reverse}{joins}{first}{apart}"


def _pdu(p: Pdu) -> Iterator[str]:
    yield f"pdu {p.name} ({p.label})  # {p.source}"
    for f in p.fields:
        yield "  " + _field(f)
    if p.scan is not None:
        accept = show(p.scan.accept) if p.scan.accept is not None else "never"
        yield f"  until {accept}"


def _field(f: Field) -> str:
    out = f"{f.name}: {f.type} {show(f.size)}" + (" little" if f.little else "") + f" -> {f.abbrev}"
    if f.part:
        out += f", {f.part.which} part by {show(f.part.modulus)}"
    if f.bits:
        out += f", bits {f.bits[0]}+{f.bits[1]}"
    if f.lazy:
        out += ", payload"
    if f.packed:
        methods = ", ".join(f"{name} if {show(when)}" for name, when in f.packed.methods)
        out += f", packed ({methods}; {show(f.packed.size)} octets, alone if {show(f.packed.alone)})"
    return out + (f", if {show(f.present)}" if f.present is not None else "")


def _stream(s: Stream) -> Iterator[str]:
    yield f"stream {s.name}, start {s.start}"
    for r in s.registers:
        yield f"  register {r.name}: {r.type} = {show(r.initial)}" + (
            " (conversation)" if r.scope != "direction" else ""
        )
    for state in s.states:
        yield f"  state {state.name}"
        for rule in state.rules:
            yield "    " + _rule(rule)
    yield f"  otherwise {_finding(s.unknown)}"
    for x in s.resync:
        yield "  " + _resync(x)


def _resync(x: Resync) -> str:
    accept = show(x.scan.accept) if x.scan.accept is not None else "never"
    return f"resync at {accept}: {_assigns(x.do)}goto {x.goto}"


def _rule(r: Rule) -> str:
    conditions = [f"{m.field} in {{{', '.join(map(str, m.values))}}}" for m in r.match]
    conditions += [show(r.when)] if r.when is not None else []
    out = (r.pdu.name if r.pdu else "-") + (f" when {' and '.join(conditions)}" if conditions else "") + ": "
    if r.fault:
        return out + f"fault {_finding(r.fault)}"
    out += _assigns(r.do)
    out += "".join(f"report {_finding(f)}; " for f in r.findings)
    out += "".join(f"note {n.abbrev} = {show(n.value)}; " for n in r.notes)
    out += "".join(f"fact {x.key} = {show(x.value)}; " for x in r.facts)
    out += f"count {r.count}; " if r.count else ""
    if r.enter and r.size is not None:
        return out + f"enter {r.enter} for {show(r.size)}, then {r.goto}"
    return out + f"goto {r.goto}"


def _assigns(do: tuple[Assign, ...]) -> str:
    keys = (f"[{show(a.key)}]" if a.key is not None else "" for a in do)
    return "".join(f"{a.register}{k} = {show(a.value)}; " for a, k in zip(do, keys, strict=True))


def _finding(f: Finding) -> str:
    when = f" if {show(f.when)}" if f.when is not None else ""
    return f"{f.name} ({f.severity}) {_message(f.message)}{when}"


def _message(m: Message) -> str:
    return repr(m.format) + (f" % ({', '.join(map(show, m.args))})" if m.args else "")
