# SPDX-License-Identifier: GPL-2.0-or-later
"""What a layer knows beside its fields: what it answers, what it computes, what it says of itself.

The passes translate methods, and methods see values as Scapy has them: an address is text, a scaled number a fraction,
a packet in a field an object.  An executor has octets and numbers.  So each expression is held against the items that
it looks at; where the two may differ, it is left out, and the layer names it in ``unchecked``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...ir.expr import Cmp, Const, Expr, InSet, IsNone, Ref, Size, children
from ...ir.packets import Answers, Either, Item, Layer, Leaf, List
from .answers import never, with_answers
from .built import with_checks
from .methods import OTHER, PSEUDO
from .subject import plain
from .summary import with_summary

Known = Mapping[str, tuple[Item, ...]]


def with_surroundings(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Give *layers* with their answers, checks and Info, as far as their values are the same here as to Scapy."""
    found = with_answers([with_summary(with_checks(layer)) for layer in layers])
    known = {layer.name: items(layer.items) for layer in found}
    return tuple(_sound(layer, known) for layer in found)


def items(of: Iterable[Item]) -> dict[str, tuple[Item, ...]]:
    """All items by their name; of a choice, what it chooses from."""
    out: dict[str, tuple[Item, ...]] = {}
    for item in of:
        flat: tuple[Item, ...] = (item,)
        if isinstance(item, Either):
            flat = (*(o for _, o in item.options), *((item.default,) if item.default else ()))
        out[item.name] = (*out.get(item.name, ()), *flat)
    return out


def _sound(layer: Layer, known: Mapping[str, Known]) -> Layer:
    """*layer* without what looks at values that may differ."""
    mine, notes = known[layer.name], list(layer.unchecked)
    verify = []
    for v in layer.verify:
        parts = [e for e in (v.want, v.when) if e is not None]
        bad = v.item if v.item not in mine else next((b for e in parts if (b := strange(e, {"F": mine}))), None)
        if bad is None:
            verify.append(v)
        else:
            notes.append(f"{v.source}: {v.item} is computed from {bad}, which is no plain number or octets here")
    answers = []
    for rule in layer.answers:
        bad = _strange_rule(rule, mine, known.get(rule.request))
        if bad is None:
            answers.append(rule)
        else:
            notes.append(f"{rule.source}: answers() looks at {bad}, which is no plain number or octets here")
    if layer.answers and not answers:
        answers = [never(layer.name, layer.answers[0].source)]
    info = tuple((c, m) for c, m in layer.info if c is None or strange(c, {"F": mine}) is None)
    if len(info) != len(layer.info):
        info = ()
        notes.append(f"{layer.name}: mysummary() decides by what is no plain number or octets here")
    return replace(
        layer, verify=tuple(verify), answers=tuple(answers), info=info, unchecked=tuple(dict.fromkeys(notes))
    )


def _strange_rule(rule: Answers, mine: Known, theirs: Known | None) -> str | None:
    if theirs is None:
        return rule.request
    for a, b in rule.pairs:
        if isinstance(a, Ref) and isinstance(b, Ref) and _alike(a, b, mine, theirs):
            continue
        bad = strange(a, {"F": mine}) or strange(b, {"F": theirs})
        if bad:
            return bad
    looks = ((rule.when, {"F": mine}), (rule.asks, {"F": theirs}), (rule.both, {"F": mine, OTHER: theirs}))
    return next((name for e, scopes in looks if e is not None and (name := strange(e, scopes))), None)


def _alike(a: Ref, b: Ref, mine: Known, theirs: Known) -> bool:
    """True for values that are equal here when they are equal to Scapy."""
    if a.path[-1] in PSEUDO or b.path[-1] in PSEUDO:
        return a.path[-1] in PSEUDO and b.path[-1] in PSEUDO
    one, two = mine.get(a.path[-1], ()), theirs.get(b.path[-1], ())
    kinds = {(i.kind, i.scaling, i.utf16) for i in (*one, *two) if isinstance(i, Leaf)}
    return all(isinstance(i, Leaf) for i in (*one, *two)) and len(kinds) == 1 and bool(one) and bool(two)


def strange(e: Expr, scopes: Mapping[str, Known]) -> str | None:
    """The item that *e* uses although its value is something else here than to Scapy; None if there is none."""
    if isinstance(e, IsNone) and isinstance(e.x, Ref):
        return None if _items(e.x, scopes) is not None else e.x.path[-1]
    if isinstance(e, Size) and isinstance(e.of, Ref):
        found = _items(e.of, scopes)
        counted = found and all(isinstance(i, List) or (isinstance(i, Leaf) and i.kind == "bytes") for i in found)
        text = found and all(isinstance(i, Leaf) and i.kind == "string" and plain(i) for i in found)
        return None if counted or text else e.of.path[-1]
    if isinstance(e, Cmp | InSet):
        values = e.values if isinstance(e, InSet) else tuple(x.value for x in (e.a, e.b) if isinstance(x, Const))
        sides = (e.x,) if isinstance(e, InSet) else (e.a, e.b)
        for x in sides:
            if isinstance(x, Ref) and not all(_same_kind(i, v) for i in _items(x, scopes) or () for v in values):
                return x.path[-1]
    if isinstance(e, Ref):
        found = _items(e, scopes)
        sound = found is not None and all(isinstance(i, Leaf) and plain(i) for i in found)
        return None if sound else e.path[-1]
    return next((b for c in children(e) if (b := strange(c, scopes))), None)


def _items(ref: Ref, scopes: Mapping[str, Known]) -> tuple[Item, ...] | None:
    """The items that *ref* may mean; none for what every layer has, None for what nobody knows."""
    if ref.path[0] not in scopes or len(ref.path) != 2:
        return None
    return () if ref.path[1] in PSEUDO else scopes[ref.path[0]].get(ref.path[1])


def _same_kind(item: Item, value: object) -> bool:
    """True when a constant is of the kind that the item's value has."""
    if value is None or not isinstance(item, Leaf):
        return True
    octets = item.kind in ("bytes", "string")
    return isinstance(value, bytes) == octets if isinstance(value, bytes | int) else False
