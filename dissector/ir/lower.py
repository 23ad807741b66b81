# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams as straight-line steps: what the decoder and the Lua backend both print.

A state becomes a list of :class:`Block`, one per rule, to be tried in order.  A block is a list of steps over local
variables, followed by what to do when the rule holds.  After this pass an expression holds constants, locals
(``L``), registers (``S``), parameters (``P``) and operators, and no peeks, no fields: those have become loads at
known offsets.  A printer that can print the steps below and those expressions is a complete executor.

Three rules make the result independent of how the octets arrive:

* octets are asked for (:class:`Need`) before they are looked at, in the order in which the declaration looks at them,
  and a state whose first undecided rule needs more octets waits: no later rule is tried on less;
* nothing is assigned before the whole header of a PDU is there;
* the limit that ``Need`` is checked against is the end of the region, if one is open, never what lies behind it.

A field's value that a rule's ``match`` fixes is folded into everything that depends on it.  That is the whole
secret of the fast paths: a rule that matches ``flags == PAGE | CONTINUE`` has no conditional field left.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import Refused
from .expr import Bin, Cmp, Const, Expr, If, InSet, Lookup, Peek, Ref, walk
from .locals import Context, natural
from .model import Register, Rule, State, Stream
from .pdus import Field, Message, Pdu, Scan
from .simplify import simplify, truth
from .steps import Block, Guard, Let, Load, LoadBytes, Lowered, Need, Placed, Step, When

MOST_LOWERED = 16
_lowered: dict[int, tuple[Stream, tuple[Lowered, ...]]] = {}


def lower(stream: Stream) -> tuple[Lowered, ...]:
    """All states of *stream*, in order.

    The verifier, every backend and every version of the decoder ask for it, so it is made once for a stream, which is
    known by identity: its hash would cost as much.
    """
    if id(stream) not in _lowered:
        if len(_lowered) >= MOST_LOWERED:
            del _lowered[next(iter(_lowered))]
        types = {r.name: r for r in stream.registers}
        _lowered[id(stream)] = stream, tuple(_state(_closed(s, stream), types) for s in stream.states)
    return _lowered[id(stream)][1]


def _closed(state: State, stream: Stream) -> State:
    """*state* with the stream's ``unknown`` finding as its last rule, unless one before it holds always."""
    last = state.rules[-1] if state.rules else None
    if last is not None and not last.match and last.when is None:
        return state
    unknown = Rule(goto=state.name, fault=stream.unknown)
    return replace(state, rules=(*state.rules, unknown))


def lower_scan(scan: Scan, registers: tuple[Register, ...]) -> tuple[Step, ...]:
    """The steps of a scan's ``accept`` at a candidate position; to fall off the end is to accept."""
    cx = Context({r.name: r for r in registers})
    if scan.accept is not None:
        cx.guard(scan.accept)
    return tuple(cx.steps)


# --------------------------------------------------------------------------------------------------------- fields


def _block(rule: Rule, cx: Context) -> Block:
    if rule.pdu is None:
        if rule.when is not None:
            cx.guard(rule.when)
        return _commit(cx, rule, (), Const(0), None)
    _match(cx, rule)
    if rule.when is not None:
        cx.guard(rule.when)
    if rule.fault is not None:
        return _commit(cx, rule, (), Const(0), None)
    placed, header, payload = _fields(cx, rule.pdu)
    return _commit(cx, rule, placed, header, payload)


def _match(cx: Context, rule: Rule) -> None:
    """Load the matched fields and test them; a single value is known from here on."""
    wanted = {m.field: m.values for m in rule.match}
    offset = 0
    assert rule.pdu is not None
    for f in rule.pdu.fields:
        if not wanted:
            return
        size = f.size.value if isinstance(f.size, Const) else None
        values = wanted.pop(f.name, None)
        if values is not None:
            cx.need(Const(offset + _int(size, f)))
            value = _load_uint(cx, f, Const(offset), _int(size, f))
            test = Cmp("==", value, Const(values[0])) if len(values) == 1 else InSet(value, values)
            cx.steps.append(Guard(test))
            cx.known[f.name] = Const(values[0]) if len(values) == 1 else value
        if wanted and f.advance:
            if f.present is not None:
                raise Refused(
                    str(rule.source), f"match looks past the conditional field {f.name!r}", "match leading fields"
                )
            offset += _int(size, f)


def _int(size: object, f: Field) -> int:
    if not isinstance(size, int):
        raise Refused(
            str(f.source), f"match on {f.name!r}: a field of variable size stands there", "match leading fields"
        )
    return size


def _load_uint(cx: Context, f: Field, offset: Expr, size: int) -> Expr:
    """The value of an integer field as a local, loading only the octets that it depends on."""
    name = f"v_{f.name}"
    if f.part is not None and size == 8:
        low = _shared_load(cx, simplify(Bin("+", offset, Const(4))), 4)
        modulus = cx.value(f.part.modulus)
        value: Expr = Bin("%", low, modulus)
        if f.part.which == "high":
            high = _shared_load(cx, offset, 4)
            value = Bin("+", Bin("*", high, Const(1 << 32)), Bin("-", low, value))
    else:
        whole = _shared_load(cx, offset, size, f.little)
        value = whole
        if f.bits is not None:
            shift, width = f.bits
            value = Bin("%", Bin("//", whole, Const(1 << shift)) if shift else whole, Const(1 << width))
        elif f.part is not None:
            low = Bin("%", whole, cx.value(f.part.modulus))
            value = low if f.part.which == "low" else Bin("-", whole, low)
        else:
            return whole
    cx.steps.append(Let(name, simplify(value)))
    return Ref(("L", name), "int")


def _shared_load(cx: Context, offset: Expr, size: int, little: bool = False) -> Expr:
    """Load once what several values (or a peek before them) share."""
    key = Peek(offset, size)
    if little or key not in cx.loaded:
        var = cx.fresh("w")
        cx.steps.append(Load(var, offset, size, little))
        ref = Ref(("L", var), "int")
        if little:
            return ref
        cx.loaded[key] = ref
    return cx.loaded[key]


def _fields(cx: Context, pdu: Pdu) -> tuple[tuple[Placed, ...], Expr, Expr | None]:
    """Load every field in order: (fields with their places, octets of the header, octets of the payload)."""
    placed: list[Placed] = []
    at: Expr = Const(0)
    for f in pdu.fields:
        present = None if f.present is None else truth(simplify(cx.value(f.present)))
        if present == Const(False):
            cx.known[f.name] = Const(f.absent)
            continue
        if present == Const(True):
            present = None
        size = natural(cx.value(f.size))
        if f.lazy:
            if present is not None:
                size = If(present, size, Const(0))
            placed.append(Placed(f, at, size, None, present))
            return tuple(placed), at, size
        if present is None:
            value = _load_field(cx, f, at, size)
        else:
            value, size = _load_conditional(cx, f, at, size, present)
        cx.known[f.name] = value
        if size == Const(8) and isinstance(at, Const) and f.type == "uint" and not (f.part or f.bits or f.little):
            cx.places[f.name] = Peek(at, 8)
        placed.append(Placed(f, at, size, value, present))
        if f.advance:
            at = _advance(cx, f, at, size)
    return tuple(placed), at, None


def _load_field(cx: Context, f: Field, at: Expr, size: Expr) -> Expr:
    if f.name in cx.known and f.type == "uint":
        cx.need(simplify(Bin("+", at, size)))
        return cx.known[f.name]
    cx.need(simplify(Bin("+", at, size)))
    if f.type == "uint":
        return _load_uint(cx, f, at, _int(getattr(size, "value", None), f))
    var = f"v_{f.name}"
    cx.steps.append(LoadBytes(var, at, size))
    return Ref(("L", var), "bytes")


def _load_conditional(cx: Context, f: Field, at: Expr, size: Expr, present: Expr) -> tuple[Expr, Expr]:
    """Load *f* inside a :class:`When`.  What is loaded there is not remembered for what follows."""
    inner = Context(cx.types, known=dict(cx.known), loaded=dict(cx.loaded), names=cx.names)
    value = _load_field(inner, f, at, size)
    var = f"v_{f.name}"
    if value != Ref(("L", var), f.value_type):
        inner.steps.append(Let(var, value))
    steps = [*inner.steps]
    otherwise = [Let(var, Const(f.absent))]
    taken = f"n_{f.name}"
    if f.advance:
        steps.append(Let(taken, size))
        otherwise.append(Let(taken, Const(0)))
    cx.steps.append(When(present, tuple(steps), tuple(otherwise)))
    cx.names = inner.names
    return Ref(("L", var), f.value_type), Ref(("L", taken), "int") if f.advance else size


def _advance(cx: Context, f: Field, at: Expr, size: Expr) -> Expr:
    """The offset behind *f*: a constant as long as it can be, else a local of its own."""
    end = simplify(Bin("+", at, size))
    if isinstance(end, Const):
        return end
    var = f"end_{f.name}"
    cx.steps.append(Let(var, end))
    return Ref(("L", var), "int")


# ---------------------------------------------------------------------------------------------------- what follows


def _commit(cx: Context, rule: Rule, placed: tuple[Placed, ...], header: Expr, payload: Expr | None) -> Block:
    def kept(register: str, e: Expr) -> Expr:
        return natural(cx.value(e)) if cx.types[register].type in ("int", "map") else cx.value(e)

    def cond(e: Expr | None) -> Expr | None:
        return None if e is None else truth(cx.value(e))

    def message(m: Message) -> Message:
        return replace(m, args=tuple(cx.value(a) for a in m.args))

    keys = [None if a.key is None else cx.value(a.key) for a in rule.do]
    do = tuple(replace(a, value=kept(a.register, a.value), key=k) for a, k in zip(rule.do, keys, strict=True))
    faults = (rule.fault,) if rule.fault else ()
    findings = tuple(replace(f, message=message(f.message), when=cond(f.when)) for f in (*rule.findings, *faults))
    notes = tuple(replace(n, value=cx.value(n.value), when=cond(n.when)) for n in rule.notes)
    size = None if rule.size is None else natural(cx.value(rule.size))
    info = message(rule.info) if rule.info else None
    facts = tuple(replace(f, value=cx.value(f.value)) for f in rule.facts)
    return Block(
        rule=rule,
        steps=tuple(cx.steps),  # last, for all of the above may have asked for octets
        placed=placed,
        header=header,
        payload=payload,
        do=do,
        size=size,
        findings=tuple(f for f in findings if f.when != Const(False)),
        notes=tuple(n for n in notes if n.when != Const(False)),
        info=info,
        facts=facts,
    )


def _state(state: State, types: dict[str, Register]) -> Lowered:
    """Lower the rules; where every one begins by asking for octets, load once what several look at first."""
    blocks = tuple(_block(r, Context(types)) for r in state.rules)
    firsts = [b.steps[0] for b in blocks if b.steps]
    asked = [s.octets.value for s in firsts if isinstance(s, Need) and isinstance(s.octets, Const)]
    if len(blocks) < 2 or len(asked) < len(blocks):
        return Lowered(state, (), blocks)
    have = min(v for v in asked if isinstance(v, int))
    shared: dict[Expr, Load] = {}
    for s in (s for b in blocks for s in b.steps):
        if isinstance(s, Load) and isinstance(s.offset, Const) and not s.little:
            at = s.offset.value
            if isinstance(at, int) and at + s.size <= have:
                shared[Peek(s.offset, s.size)] = Load(f"h{at}_{s.size}", s.offset, s.size)
    loaded: dict[Expr, Expr] = {k: Ref(("L", v.var), "int") for k, v in shared.items()}
    again = tuple(_block(r, Context(types, loaded=dict(loaded), have=have)) for r in state.rules)
    return Lowered(state, (Need(Const(have)), *shared.values()), again)


def uses(e: Expr, scope: str) -> bool:
    """True when *e* refers to anything of *scope*; a map register counts."""
    return any((isinstance(n, Ref) and n.path[0] == scope) or (isinstance(n, Lookup) and scope == "S") for n in walk(e))
