# SPDX-License-Identifier: GPL-2.0-or-later
"""``answers()`` and ``hashret()``: which packet is the response to which.

Scapy asks every received packet whether it answers one that was sent: first both sides' ``hashret()`` must be equal,
then ``response.answers(request)`` must be true, which often asks the payloads in turn.  Translated once for every layer
that may be the request, ``isinstance(other, Request)`` is known, and what is left are conditions on the fields of both
packets.  These are taken apart into the rules of :class:`dissector.ir.packets.Answers`:

* each way through the function that ends with a true value is a rule;
* ``self.seq == other.seq`` is a pair, by which an executor finds the request without looking at all of them;
* ``self.payload.answers(other.payload)`` is what the payloads say, and ``self.payload.answers(other)`` what the payload
  says of the whole.

A function that changes packets, loops, or looks where no field is, is refused, and the layer answers nothing.  Where
only ``hashret()`` cannot be translated, the rules are those of ``answers()`` alone, and the layer says so.

A switch in ``conf.contribs`` is taken as it is set now: a plugin has one form.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from scapy.packet import NoPayload, Packet

from dissector.errors import Refused
from dissector.frontend.packets.bodies import PacketBody
from dissector.frontend.packets.hashes import hashed
from dissector.frontend.packets.methods import OTHER, PSEUDO, Method, field_names, field_of, own_method
from dissector.frontend.scope import Env, Session, describe
from dissector.frontend.source import locate
from dissector.frontend.values import PACKET, Items, Static, Value, class_name
from dissector.ir.expr import FALSE, Bin, Cmp, Const, Expr, If, InSet, Logic, Ref, Size, Un, refs, rewrite, walk
from dissector.ir.packets import Answers, Layer
from dissector.ir.pdus import NOWHERE, SourceRef
from dissector.ir.simplify import simplify, truth

REQUEST = Ref((OTHER,))
BELOW = "(below)"
MAX_WAYS = 32


class NotThere(Refused):
    """The request is asked for a field that it does not have: this layer is not what is meant."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a layer's ``answers()``."""

    rules: tuple[Answers, ...] = ()
    refused: tuple[Refused, ...] = ()
    """Why there is no rule, or why a rule is laxer than Scapy."""


def with_answers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Give all *layers*, with the rules by which they answer each other; what is refused goes to ``unchecked``."""
    known = [x.origin for x in layers if isinstance(x.origin, type)]
    out = []
    for layer in layers:
        found = answers_of(layer.origin, known) if isinstance(layer.origin, type) else Found()
        notes = tuple(f"{r.where}: {r.what}" for r in found.refused)
        out.append(replace(layer, answers=found.rules, unchecked=(*layer.unchecked, *notes)))
    return tuple(out)


def answers_of(layer: type, requests: Iterable[type]) -> Found:
    """The rules by which *layer* answers any of *requests*."""
    method = own_method(layer, "answers")
    if method is None:
        return Found()
    requests = tuple(dict.fromkeys((*requests, layer)))
    refused: tuple[Refused, ...] = ()
    for candidates in _candidates(layer, method, requests):
        rules, why = _try(layer, method, candidates)
        if rules:
            kept, lax = _with_hashes(layer, rules, {class_name(r): r for r in candidates})
            return Found(kept, (*why, *lax))
        refused = refused or why
    return Found((never(class_name(layer)),), refused)


def never(name: str, source: SourceRef = NOWHERE) -> Answers:
    """The rule of a layer that answers nothing: without any rule it would answer its like."""
    return Answers(name, when=FALSE, source=source)


def _candidates(layer: type, method: Method, requests: tuple[type, ...]) -> list[tuple[type, ...]]:
    """Whom to try: the layers that the function names; if that gives nothing, all of them, or those like itself."""
    names = method.function.__code__.co_names
    held = (method.function.__globals__.get(n) for n in names)
    named = tuple(c for c in held if isinstance(c, type) and issubclass(c, Packet) and c is not NoPayload)
    if {"type", "__class__"} & {*names}:
        named = (*named, layer)
    first = tuple(r for r in requests if issubclass(r, named))
    other = method.function.__code__.co_varnames[1]
    body = ast.walk(locate(method.function).node)
    asks = any(isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == other for n in body)
    return ([first] if first else []) + ([requests] if asks else [(layer,)])


def _try(layer: type, method: Method, requests: Iterable[type]) -> tuple[list[Answers], tuple[Refused, ...]]:
    """The rules for all of *requests*, and what was refused; a request without the right fields is none."""
    rules: list[Answers] = []
    refused: dict[tuple[str, str], Refused] = {}
    strange: dict[tuple[str, str], Refused] = {}
    sound = False
    for request in requests:
        try:
            rules += rules_for(layer, method, request)
            sound = True
        except NotThere as error:
            strange.setdefault((error.where, error.what), error)
        except Refused as error:
            refused.setdefault((error.where, error.what), error)
    if not (rules or refused or sound):
        refused = strange
    return rules, tuple(refused.values())[: None if rules else 1]


def rules_for(layer: type, method: Method, request: type) -> list[Answers]:
    """The rules by which *layer* answers *request*; Refused when they cannot be told."""
    session = Session(layer)
    body = _Both(method.function, session, request=request)
    node = body.located.node
    try:
        value = body.run(body.bind(method.function, (PACKET, REQUEST), {}, node))
        said = simplify(truth(simplify(body.bounded(body.expr(value, node), node))))
        ways = _ways(_counted(said), body, node)
    except RecursionError as exc:
        raise body.refuse(node, "answers() is nested deeper than can be followed") from exc
    own, theirs = field_names(layer) | PSEUDO, field_names(request) | PSEUDO
    for path in refs(_all(ways)):
        if path[0] == "F" and (len(path) != 2 or path[1] not in own):
            raise body.refuse(node, f"answers() looks at {'.'.join(path[1:])}, which is no field of the layer")
        if path[0] == OTHER and (len(path) != 2 or path[1] not in theirs):
            raise body.refuse(node, f"answers() looks at {'.'.join(path[1:])} of the request")
    return [_rule(way, class_name(request), body.located.ref) for way in ways]


class _Both(PacketBody):
    """Translation of a function of two packets."""

    def __init__(self, fn: object, session: Session, depth: int = 0, *, request: type) -> None:
        super().__init__(fn, session, depth)  # type: ignore[arg-type]  # checked by own_method
        self.request = request

    def enter(self, fn: object, env: Env) -> Value:
        return _Both(fn, self.session, self.depth + 1, request=self.request).run(env)

    def field_of(self, ref: object) -> object:
        if isinstance(ref, Ref) and len(ref.path) == 2 and ref.path[0] == OTHER:
            return field_of(self.request, ref.path[1])
        return super().field_of(ref)

    def attribute(self, owner: Value, name: str, node: ast.AST) -> Value:
        if owner != REQUEST:
            return super().attribute(owner, name, node)
        if name == "__class__":
            return Static(self.request)
        if name != "payload" and name not in field_names(self.request):
            raise NotThere(self.refuse(node, "").where, f"answers() looks at {name} of a request that has none", "")
        return Ref((OTHER, name))

    def call_isinstance(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        wanted = args[1].value if len(args) == 2 and isinstance(args[1], Static) else None
        kinds = wanted if isinstance(wanted, tuple) else (wanted,)
        if not all(isinstance(k, type) for k in kinds):
            return super().call_isinstance(args, node)
        classes = tuple(k for k in kinds if isinstance(k, type))
        if args[0] == REQUEST:
            return Const(issubclass(self.request, classes))
        if isinstance(args[0], Ref) and args[0].path in (("F", "payload"), (OTHER, "payload")):
            below = Ref((args[0].path[0], "#below"))
            if classes == (NoPayload,):
                return Cmp("==", Ref((args[0].path[0], "#pay"), "int"), Const(0))
            return InSet(below, tuple(class_name(c) for k in classes for c in (k, *k.__subclasses__())))
        return super().call_isinstance(args, node)

    def asked(self, owner: Value, name: str, node: ast.Call) -> bool:
        return name in field_names(self.request) if owner == REQUEST else super().asked(owner, name, node)

    def builtin(self, function: object, args: tuple[Value, ...], node: ast.Call) -> Value | None:
        if function is type and len(args) == 1 and args[0] in (PACKET, REQUEST):
            return Static(self.layer if args[0] == PACKET else self.request)
        return super().builtin(function, args, node)

    def membership(self, a: Value, b: Value, node: ast.AST) -> Expr:
        """Also ``Request in other`` and ``(self.type, other.type) in [(1, 2), …]``."""
        if b == REQUEST and isinstance(a, Static) and isinstance(a.value, type):
            return Const(issubclass(self.request, a.value))
        held = b.value if isinstance(b, Static) else None
        if isinstance(a, Items) and isinstance(held, tuple | list) and len(held) <= MAX_WAYS:
            out: Expr = FALSE
            for item in reversed(held):
                out = Logic("or", self.comparison(ast.Eq(), a, Static(item), node), out)
            return out
        return super().membership(a, b, node)

    def method(
        self, owner: Ref, name: str, args: tuple[Value, ...], keywords: dict[str, Value], node: ast.Call
    ) -> Value:
        """Also what the payload answers, and whether the request has a layer."""
        if name == "answers" and owner.path == ("F", "payload") and len(args) == 1:
            if args[0] == Ref((OTHER, "payload")):
                return Ref((BELOW, "payloads"), "bool")
            if args[0] == REQUEST:
                return Ref((BELOW, "payload"), "bool")
            raise self.refuse(node, f"asks whether the payload answers {describe(args[0])}")
        if name == "haslayer" and owner == REQUEST and len(args) == 1:
            return self.membership(args[0], owner, node)
        return super().method(owner, name, args, keywords, node)


def _counted(e: Expr) -> Expr:
    """*e* with ``len()`` of a packet as what its layer has read."""

    def size(n: Expr) -> Expr | None:
        if isinstance(n, Size) and isinstance(n.of, Ref) and n.of.path in (("F",), (OTHER,)):
            scope = n.of.path[0]
            return Bin("+", Ref((scope, "#head"), "int"), Ref((scope, "#pay"), "int"))
        return None

    return rewrite(e, size)


# --------------------------------------------------------------------------------------------------- into rules


def _below(e: Expr) -> bool:
    return any(isinstance(n, Ref) and n.path[0] == BELOW for n in walk(e))


def _ways(e: Expr, body: PacketBody, node: ast.AST) -> list[list[Expr]]:
    """The ways in which *e* is true, each a list of what must hold."""
    if isinstance(e, Const):
        return [[]] if e.value else []
    if isinstance(e, Logic) and e.op == "and":
        ways = [[*a, *b] for a in _ways(e.a, body, node) for b in _ways(e.b, body, node)]
    elif isinstance(e, Logic) and _below(e):
        ways = _ways(e.a, body, node) + _ways(e.b, body, node)
    elif isinstance(e, If):
        other = simplify(Un("not", e.c))
        ways = [[*a, *b] for a in _ways(e.c, body, node) for b in _ways(truth(e.t), body, node)]
        ways += [[*a, *b] for a in _ways(other, body, node) for b in _ways(truth(e.f), body, node)]
    elif _below(e) and not isinstance(e, Ref):
        raise body.refuse(node, "answers() wants to know what the payload does not answer")
    else:
        ways = [[e]]
    if len(ways) > MAX_WAYS:
        raise body.refuse(node, "answers() has too many ways to be true")
    return ways


def _rule(way: list[Expr], request: str, source: SourceRef) -> Answers:
    """A rule from all that must hold."""
    rule = Answers(request, source=source)
    for e in dict.fromkeys(way):
        scopes = {p[0] for p in refs(e)}
        if BELOW in scopes:
            rule = replace(rule, below="payload" if refs(e) == {(BELOW, "payload")} else "payloads")
        elif scopes <= {"F"}:
            rule = replace(rule, when=_and(rule.when, e))
        elif scopes == {OTHER}:
            rule = replace(rule, asks=_and(rule.asks, _theirs(e)))
        elif (pair := _pair(e)) is not None:
            rule = replace(rule, pairs=(*rule.pairs, pair))
        else:
            rule = replace(rule, both=_and(rule.both, e))
    return rule


def _pair(e: Expr) -> tuple[Expr, Expr] | None:
    """Two values that must be equal, each of one packet only."""
    if not isinstance(e, Cmp) or e.op != "==":
        return None
    for mine, theirs in ((e.a, e.b), (e.b, e.a)):
        if {p[0] for p in refs(mine)} == {"F"} and {p[0] for p in refs(theirs)} == {OTHER}:
            return mine, _theirs(theirs)
    return None


def _theirs(e: Expr) -> Expr:
    """What looks at the request, from its own side."""
    return rewrite(e, lambda n: Ref(("F", *n.path[1:]), n.kind) if isinstance(n, Ref) and n.path[0] == OTHER else None)


def _and(a: Expr | None, b: Expr) -> Expr:
    return b if a is None else Logic("and", a, b)


def _all(ways: list[list[Expr]]) -> Expr:
    out: Expr = Const(value=True)
    for e in (e for way in ways for e in way):
        if not _below(e):
            out = Logic("and", out, e)
    return out


def _with_hashes(
    layer: type, rules: list[Answers], requests: dict[str, type]
) -> tuple[tuple[Answers, ...], tuple[Refused, ...]]:
    """*rules*, with what ``hashret()`` of both sides says; and why it does not when it does not."""
    out, lax = [], {}
    for rule in rules:
        try:
            pairs = hashed(layer, requests[rule.request])
        except Refused as error:
            lax[error.where, error.what] = error
            pairs = ()
        more = tuple(p for p in dict.fromkeys(pairs) if p not in rule.pairs)
        out.append(replace(rule, pairs=(*rule.pairs, *more)))
    return tuple(dict.fromkeys(out)), tuple(lax.values())
