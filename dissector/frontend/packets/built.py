# SPDX-License-Identifier: GPL-2.0-or-later
"""``post_build()`` and the length fields: what a layer computes when it is built, checked when it is read.

A layer that leaves a field at None and writes it afterwards knows what the field should be::

    def post_build(self, p, pay):
        if self.len is None:
            p = p[:2] + struct.pack("!H", len(p) + len(pay)) + p[4:]
        return p + pay

The function is translated as if every number field that it asks about had to be filled in; the octet strings are pieces
 (:mod:`dissector.frontend.packets.octets`), and what stands at octets 2 and 3 (:mod:`…layout`) is what was
computed.  It is a length, a count, or a checksum of a kind that executors have.

What is refused leaves its field unchecked, by name: nothing is reported about it, and nobody believes that it was
looked at.  A number that does not stand where a field is, or has another size or order, is a mistake of the layer and
is refused like that, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from scapy.fields import (
    BitFieldLenField,
    ConditionalField,
    FieldLenField,
    FieldListField,
    LenField,
    MayEnd,
    PacketListField,
    PadField,
    StrField,
    StrFixedLenField,
)

from dissector.errors import Refused
from dissector.frontend.callables import translate
from dissector.frontend.packets.layout import bare, places
from dissector.frontend.packets.methods import Method, field_of, own_method
from dissector.frontend.packets.octets import HEAD, LAYER, PAY, PAYLOAD, Octs, joined, placed
from dissector.frontend.packets.post_build import Build
from dissector.frontend.scope import Session
from dissector.frontend.values import PACKET
from dissector.ir.expr import Const, Expr, Ref, Size, refs, rewrite
from dissector.ir.packets import Layer, Verify
from dissector.ir.simplify import simplify


@dataclass(frozen=True, slots=True)
class Computed:
    """What can be checked, and why the rest cannot."""

    verify: tuple[Verify, ...] = ()
    refused: tuple[Refused, ...] = ()


def with_checks(layer: Layer) -> Layer:
    """Give *layer* with what can be computed from the rest of it; what is refused goes to ``unchecked``."""
    if not isinstance(layer.origin, type):
        return layer
    found = computed(layer.origin)
    notes = tuple(f"{r.where}: {r.what}" for r in found.refused)
    return replace(layer, verify=(*layer.verify, *found.verify), unchecked=(*layer.unchecked, *notes))


def computed(layer: type) -> Computed:
    """What *layer* computes when it is built, and can be computed again when it was read."""
    found = _computed(layer)
    if not _eats_payload(layer):
        return found
    moved = tuple(v for v in found.verify if _depends(v.want) or any(_depends(e) for span in v.spans for e in span))
    what = "{} counts the payload, which is read as the last field"
    refused = tuple(Refused(str(v.source), what.format(v.item)) for v in moved)
    return Computed(tuple(v for v in found.verify if v not in moved), (*found.refused, *refused))


def _depends(e: Expr | None) -> bool:
    """True when a value changes with where the payload begins, although all octets are the same."""

    def moved(x: Expr, head: int, pay: int) -> Expr:
        return simplify(rewrite(x, lambda n: Const(head) if n == HEAD else Const(pay) if n == PAY else None))

    return e is not None and PAY.path in refs(e) and moved(e, 100, 50) != moved(e, 120, 30)


def _computed(layer: type) -> Computed:
    lengths = tuple(v for f in getattr(layer, "fields_desc", None) or () if (v := _length(layer, bare(f))) is not None)
    method = own_method(layer, "post_build")
    if method is None:
        return Computed(lengths)
    try:
        rest = _post_build(layer, method)
    except Refused as error:
        return Computed((), (error,))
    if rest.refused:
        return rest  # which of the lengths it writes again, nobody knows
    done = {v.item for v in rest.verify}
    return Computed((*(v for v in lengths if v.item not in done), *rest.verify))


def _eats_payload(layer: type) -> bool:
    """True when the last field may take what was built as payload: all that is left, or what a length says."""
    last = next((bare(f) for f in reversed(getattr(layer, "fields_desc", None) or ())), None)
    while isinstance(last, ConditionalField | MayEnd | PadField):
        last = bare(last.fld)
    fixed = isinstance(last, StrFixedLenField)
    return isinstance(last, StrField | PacketListField | FieldListField) and not fixed


# ------------------------------------------------------------------------------------------------- length fields


def _length(layer: type, field: object) -> Verify | None:
    """A field that counts: the payload, or a field that does not take its own size from there."""
    if isinstance(field, LenField):
        # where the layer itself says what its payload is, it says so by this field, or has none
        return None if own_method(layer, "extract_padding") else _adjusted(layer, field, PAY)
    if not isinstance(field, FieldLenField | BitFieldLenField):
        return None
    of = field.length_of or field.count_of
    counted = field_of(layer, of) if isinstance(of, str) else None
    told = any(getattr(counted, how, None) is not None for how in ("length_from", "count_from", "max_count"))
    kinds = StrField if field.length_of else PacketListField | FieldListField
    plain = not isinstance(counted, StrField) or type(counted).i2len is StrField.i2len  # a NUL is not in the value
    if told or not isinstance(counted, kinds) or not plain:
        return None
    return _adjusted(layer, field, Size(Ref(("F", str(of)))))


def _adjusted(layer: type, field: object, x: Expr) -> Verify | None:
    """*field* is what its ``adjust`` makes of *x*."""
    try:
        found = translate(field.adjust, layer, "adjust")  # type: ignore[attr-defined]  # all of them have one
    except Refused:
        return None
    want = rewrite(found.expr, lambda n: x if isinstance(n, Ref) and n.path == (found.args[-1],) else None)
    return Verify(str(field.name), simplify(want), source=replace(found.source, text=""))  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------------- post_build


def _post_build(layer: type, method: Method) -> Computed:
    body = Build(method.function, Session(layer))
    body.owner = method.owner
    node = body.located.node
    try:
        value = body.run(body.bind(method.function, (PACKET, LAYER, PAYLOAD), {}, node))
    except RecursionError as exc:
        raise body.refuse(node, "post_build() is nested deeper than can be followed") from exc
    known, whole = places(layer)
    puts = placed(value, whole) if isinstance(value, Octs) else None
    if puts is None:
        if body.failed:
            return Computed((), tuple(body.failed))
        raise body.refuse(node, "post_build() gives octets that are not those of the fields")
    where = {put: start for start, put in puts}
    out: list[Verify] = []
    refused = list(body.failed)
    for start, put in puts:
        try:
            out += body.verified(known, start, put, where)
        except Refused as error:
            refused.append(error)
    if not puts and not refused and value != joined(LAYER, PAYLOAD):
        refused.append(body.refuse(node, "post_build() does more than to compute fields"))
    return Computed(tuple(out), tuple(refused))
