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

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ..errors import Refused
from .expr import (
    Bin,
    Cmp,
    Const,
    Expr,
    If,
    InSet,
    Logic,
    Lookup,
    Peek,
    PeekBytes,
    Ref,
    Un,
    children,
    rebuilt,
    rewrite,
    walk,
)
from .model import Field, Message, Pdu, Register, Rule, Scan, State, Stream
from .simplify import simplify, truth
from .steps import Block, Guard, Let, Load, LoadBytes, Lowered, Need, Placed, Step, When


@dataclass
class _Context:
    """What is known while one block is written."""

    types: dict[str, Register]
    steps: list[Step] = field(default_factory=list)
    loaded: dict[Expr, Expr] = field(default_factory=dict)
    known: dict[str, Expr] = field(default_factory=dict)
    places: dict[str, Peek] = field(default_factory=dict)
    have: int = 0
    names: int = 0

    def fresh(self, stem: str) -> str:
        self.names += 1
        return f"{stem}{self.names}"


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
    cx = _Context({r.name: r for r in registers})
    if scan.accept is not None:
        _guard(cx, scan.accept)
    return tuple(cx.steps)


# -------------------------------------------------------------------------------------------- conditions and loads


def _guard(cx: _Context, e: Expr) -> None:
    """Test *e*, octet by octet: each operand of a conjunction is asked for only when those before it hold."""
    e = truth(simplify(e))
    if isinstance(e, Logic) and e.op == "and":
        _guard(cx, e.a)
        _guard(cx, e.b)
        return
    if e == Const(True):
        return
    cx.steps.append(Guard(_condition(cx, e)))


def _condition(cx: _Context, e: Expr) -> Expr:
    """*e* over locals; an operand's octets are asked for only where the operands before it leave the answer open."""
    e = truth(simplify(_exact(cx, e)))
    if isinstance(e, If):
        e = Logic("or", Logic("and", e.c, e.t), Logic("and", Un("not", e.c), e.f))
    if isinstance(e, Un) and e.op == "not":
        return truth(simplify(Un("not", _condition(cx, e.x))))
    if not isinstance(e, Logic):
        return truth(_value(cx, e))
    first = _condition(cx, e.a)
    if all(n in cx.loaded for n in _peeks(e.b)):
        return truth(simplify(Logic(e.op, first, truth(_value(cx, e.b)))))
    inner = replace(cx, steps=[], loaded=dict(cx.loaded), known=dict(cx.known))
    second = _condition(inner, e.b)
    cx.names = inner.names
    var = cx.fresh("c")
    is_open = first if e.op == "and" else truth(simplify(Un("not", first)))
    cx.steps.append(When(is_open, (*inner.steps, Let(var, second)), (Let(var, Const(e.op == "or")),)))
    return Ref(("L", var), "bool")


def _value(cx: _Context, e: Expr) -> Expr:
    """*e* over locals.  Every peek in it is loaded first, whether it is looked at or not."""
    e = _exact(cx, e)
    for node in _peeks(e):
        if node not in cx.loaded:
            _load_peek(cx, node)

    def local(n: Expr) -> Expr | None:
        if n in cx.loaded:
            return cx.loaded[n]
        if isinstance(n, Ref):
            if n.path[0] == "F":
                return cx.known.get(n.path[1], n)
            if n.path[0] == "S" and len(n.path) == 2:
                return Ref(n.path, cx.types[n.path[1]].type)
            if n.path[0] == "P":
                return Ref(n.path, "int")
        return None

    return simplify(_top_down(e, local))


def _exact(cx: _Context, e: Expr) -> Expr:
    """Equality of eight octets with a number beyond 2**53, half by half: Lua numbers are doubles before 5.3."""

    def halves(n: Expr) -> Expr | None:
        if not (isinstance(n, Cmp) and n.op in ("==", "!=") and isinstance(n.b, Const)):
            return None
        a = cx.places.get(n.a.path[1]) if isinstance(n.a, Ref) and n.a.path[0] == "F" else n.a
        if not isinstance(a, Peek) or a.size != 8 or not isinstance(n.b.value, int) or n.b.value < 1 << 53:
            return None
        low = Peek(simplify(Bin("+", a.offset, Const(4))), 4)
        tests = Cmp(n.op, Peek(a.offset, 4), Const(n.b.value >> 32)), Cmp(n.op, low, Const(n.b.value & 0xFFFFFFFF))
        return Logic("and" if n.op == "==" else "or", *tests)

    return rewrite(e, halves)


def _top_down(e: Expr, fn: Callable[[Expr], Expr | None]) -> Expr:
    """Like :func:`rewrite`, but parents first: a peek is replaced before its own offset is."""
    return fn(e) or rebuilt(e, lambda v: _top_down(v, fn))


def _peeks(e: Expr) -> Iterator[Expr]:
    """Peeks in *e*, inner ones (in another's offset) first."""
    for c in children(e):
        yield from _peeks(c)
    if isinstance(e, Peek | PeekBytes):
        yield e


def _load_peek(cx: _Context, e: Expr) -> None:
    if isinstance(e, Peek):
        offset = _natural(_value(cx, e.offset))
        _need(cx, simplify(Bin("+", offset, Const(e.size))))
        var = cx.fresh("p")
        cx.steps.append(Load(var, offset, e.size))
        cx.loaded[e] = Ref(("L", var), "int")
    elif isinstance(e, PeekBytes):
        offset, size = _natural(_value(cx, e.offset)), _natural(_value(cx, e.size))
        _need(cx, simplify(Bin("+", offset, size)))
        var = cx.fresh("p")
        cx.steps.append(LoadBytes(var, offset, size))
        cx.loaded[e] = Ref(("L", var), "bytes")


def _need(cx: _Context, octets: Expr) -> None:
    if isinstance(octets, Const) and isinstance(octets.value, int):
        if octets.value <= cx.have:
            return
        cx.have = octets.value
    cx.steps.append(Need(octets))


# --------------------------------------------------------------------------------------------------------- fields


def _block(rule: Rule, cx: _Context) -> Block:
    if rule.pdu is None:
        if rule.when is not None:
            _guard(cx, rule.when)
        return _commit(cx, rule, (), Const(0), None)
    _match(cx, rule)
    if rule.when is not None:
        _guard(cx, rule.when)
    if rule.fault is not None:
        return _commit(cx, rule, (), Const(0), None)
    placed, header, payload = _fields(cx, rule.pdu)
    return _commit(cx, rule, placed, header, payload)


def _match(cx: _Context, rule: Rule) -> None:
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
            _need(cx, Const(offset + _int(size, f)))
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


def _load_uint(cx: _Context, f: Field, offset: Expr, size: int) -> Expr:
    """The value of an integer field as a local, loading only the octets that it depends on."""
    name = f"v_{f.name}"
    if f.part is not None and size == 8:
        low = _shared_load(cx, simplify(Bin("+", offset, Const(4))), 4)
        modulus = _value(cx, f.part.modulus)
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
            low = Bin("%", whole, _value(cx, f.part.modulus))
            value = low if f.part.which == "low" else Bin("-", whole, low)
        else:
            return whole
    cx.steps.append(Let(name, simplify(value)))
    return Ref(("L", name), "int")


def _shared_load(cx: _Context, offset: Expr, size: int, little: bool = False) -> Expr:
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


def _fields(cx: _Context, pdu: Pdu) -> tuple[tuple[Placed, ...], Expr, Expr | None]:
    """Load every field in order: (fields with their places, octets of the header, octets of the payload)."""
    placed: list[Placed] = []
    at: Expr = Const(0)
    for f in pdu.fields:
        present = None if f.present is None else truth(simplify(_value(cx, f.present)))
        if present == Const(False):
            cx.known[f.name] = Const(f.absent)
            continue
        if present == Const(True):
            present = None
        size = _natural(_value(cx, f.size))
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


def _load_field(cx: _Context, f: Field, at: Expr, size: Expr) -> Expr:
    if f.name in cx.known and f.type == "uint":
        _need(cx, simplify(Bin("+", at, size)))
        return cx.known[f.name]
    _need(cx, simplify(Bin("+", at, size)))
    if f.type == "uint":
        return _load_uint(cx, f, at, _int(getattr(size, "value", None), f))
    var = f"v_{f.name}"
    cx.steps.append(LoadBytes(var, at, size))
    return Ref(("L", var), "bytes")


def _load_conditional(cx: _Context, f: Field, at: Expr, size: Expr, present: Expr) -> tuple[Expr, Expr]:
    """Load *f* inside a :class:`When`.  What is loaded there is not remembered for what follows."""
    inner = _Context(cx.types, known=dict(cx.known), loaded=dict(cx.loaded), names=cx.names)
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


def _advance(cx: _Context, f: Field, at: Expr, size: Expr) -> Expr:
    """The offset behind *f*: a constant as long as it can be, else a local of its own."""
    end = simplify(Bin("+", at, size))
    if isinstance(end, Const):
        return end
    var = f"end_{f.name}"
    cx.steps.append(Let(var, end))
    return Ref(("L", var), "int")


# ---------------------------------------------------------------------------------------------------- what follows


def _commit(cx: _Context, rule: Rule, placed: tuple[Placed, ...], header: Expr, payload: Expr | None) -> Block:
    def kept(register: str, e: Expr) -> Expr:
        return _natural(_value(cx, e)) if cx.types[register].type in ("int", "map") else _value(cx, e)

    def cond(e: Expr | None) -> Expr | None:
        return None if e is None else truth(_value(cx, e))

    def message(m: Message) -> Message:
        return replace(m, args=tuple(_value(cx, a) for a in m.args))

    keys = [None if a.key is None else _value(cx, a.key) for a in rule.do]
    do = tuple(replace(a, value=kept(a.register, a.value), key=k) for a, k in zip(rule.do, keys, strict=True))
    faults = (rule.fault,) if rule.fault else ()
    findings = tuple(replace(f, message=message(f.message), when=cond(f.when)) for f in (*rule.findings, *faults))
    notes = tuple(replace(n, value=_value(cx, n.value), when=cond(n.when)) for n in rule.notes)
    size = None if rule.size is None else _natural(_value(cx, rule.size))
    info = message(rule.info) if rule.info else None
    facts = tuple(replace(f, value=_value(cx, f.value)) for f in rule.facts)
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


def _natural(e: Expr) -> Expr:
    """*e*, or 0 where it would be negative: no length and no register is, so a cursor never goes back."""
    return e if e.type not in ("int", "any") or _is_natural(e) else If(Cmp(">", e, Const(0)), e, Const(0))


def _is_natural(e: Expr) -> bool:
    """True when *e* cannot be negative, given that locals, registers and parameters are not."""
    if isinstance(e, Const):
        return not isinstance(e.value, int) or e.value >= 0
    if isinstance(e, If):
        return all(_is_natural(x) or _is_guarded(x, e.c, x is e.t) for x in (e.t, e.f))
    if isinstance(e, Bin):
        return e.op != "-" and _is_natural(e.a) and _is_natural(e.b)
    return not isinstance(e, Un) or e.op == "not"


def _is_guarded(e: Expr, c: Expr, holds: bool) -> bool:
    """True for ``a - b`` where the condition says that *b* is not the greater one."""
    if not (isinstance(e, Bin) and e.op == "-" and isinstance(c, Cmp)):
        return False
    straight, crossed = ((">", ">="), ("<", "<=")) if holds else (("<", "<="), (">", ">="))
    return (c.op in straight and (c.a, c.b) == (e.a, e.b)) or (c.op in crossed and (c.a, c.b) == (e.b, e.a))


def _state(state: State, types: dict[str, Register]) -> Lowered:
    """Lower the rules; where every one begins by asking for octets, load once what several look at first."""
    blocks = tuple(_block(r, _Context(types)) for r in state.rules)
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
    again = tuple(_block(r, _Context(types, loaded=dict(loaded), have=have)) for r in state.rules)
    return Lowered(state, (Need(Const(have)), *shared.values()), again)


def uses(e: Expr, scope: str) -> bool:
    """True when *e* refers to anything of *scope*; a map register counts."""
    return any((isinstance(n, Ref) and n.path[0] == scope) or (isinstance(n, Lookup) and scope == "S") for n in walk(e))
