# SPDX-License-Identifier: GPL-2.0-or-later
"""One field of one layer while it is translated, and what its callables may look at.

A translated callable speaks of ``pkt.name``.  What that is to Scapy while it dissects depends on where the field
stands: what has been read is its value; what comes later still has its *default*, which is a constant; and what the
layer has no word for is looked up in a payload that is not there yet, which is an error.  The kinds have to agree too:
an address is text to Scapy and octets here, so nobody may compare it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from scapy import fields as sf

from ...errors import Refused
from ...ir.expr import Const, Expr, IsNone, Ref, children, refs, rewrite
from ...ir.packets import Either, Item, Leaf, leaves
from ...ir.pdus import SourceRef
from ...ir.simplify import simplify
from ..callables import ROLES, Translation, translate
from ..oracle import check
from ..values import class_name
from .bodies import GUESS, PacketBody
from .names import label, unique, word

ARGUMENTS = {"cls": ("octets", "F"), "next_cls_cb": ("F", "lst", "cur", "octets"), "payload": ("F", "octets")}
"""What the arguments of a callable are in the IR, by their position."""

HINT_LATER = "a callable sees the fields before its own; later ones still have their defaults"


@dataclass(slots=True)
class Context:
    """What all fields of a layer share while it is translated."""

    layer: Any
    prefix: str
    read: dict[str, Item] = field(default_factory=dict)
    """The items read so far, by their names."""
    classes: dict[str, type] = field(default_factory=dict)
    """Every layer that is named in a choice."""
    abbrevs: set[str] = field(default_factory=set)
    at: int = 0
    """The number of the field that is being translated."""

    kept: dict[str, Expr] = field(default_factory=dict)
    """What ``pre_dissect`` keeps in the packet, by its attribute."""
    odd: set[str] = field(default_factory=set)
    """The fields whose values are something else in a callable than what was read."""
    settings: dict[str, object] = field(default_factory=dict)
    """What was taken from Scapy's configuration."""

    def name(self, cls: type) -> str:
        """The name of a layer in a choice; of two with one name, both are remembered, so that they can be refused."""
        name = class_name(cls)
        other = self.classes.setdefault(name, cls)
        if other is not cls:
            self.classes[f"{name} at {id(cls)}"] = cls
        return name

    def learn(self, translation: Translation) -> None:
        """Remember what a translation names."""
        for name, cls in translation.classes.items():
            if name != GUESS:
                self.name(cls)
        self.settings.update(translation.settings)

    def abbrev(self, name: str) -> str:
        """The display-filter name for a field *name*, behind the suite's prefix."""
        own = unique(word(name), self.abbrevs)
        self.abbrevs.add(own)
        return f"{self.prefix}.{own}" if self.prefix else own


@dataclass(slots=True)
class Subject:
    """One field."""

    context: Context
    fld: Any
    source: SourceRef
    abbrev: str = ""

    @property
    def layer(self) -> Any:
        """The layer that the field is of."""
        return self.context.layer

    @property
    def name(self) -> str:
        """The field's name."""
        return str(self.fld.name)

    def refuse(self, what: str, hint: str = "") -> Refused:
        """The error to raise: where, which field, what and what would do."""
        return Refused(str(self.source), f"{self.layer.__name__}.{self.name}: {what}", hint)

    def inside(self, fld: Any) -> Subject:
        """The same place in the layer for a field that this one wraps."""
        return replace(self, fld=fld)

    def base(self) -> dict[str, Any]:
        """What every item has."""
        return {"name": self.name, "abbrev": self.abbrev, "label": label(self.name), "source": self.source}

    def leaf(self, **more: Any) -> Leaf:
        """A leaf of this name."""
        return Leaf(**self.base(), **more)

    def expr(self, fn: Any, role: str) -> Expr:
        """What a callable of the field says."""
        if fn is None:
            raise self.refuse(f"{role} is missing", f"give the field a {role}")
        place = ""
        try:
            translation = translated(fn, self.layer, role)
            place = str(translation.source)
            self.context.learn(translation)
            return self.seen(scoped(translation, role))
        except Refused as exc:
            raise self.refuse(f"{role}: {exc.what} ({exc.where or place})", exc.hint) from exc

    def seen(self, e: Expr) -> Expr:
        """*e* as Scapy sees it where the field stands."""
        return visible(self.context, e)


def scoped(translation: Translation, role: str) -> Expr:
    """The expression of a translation with the arguments' names of the IR."""
    meant = ARGUMENTS.get(role, ("F", "x"))
    names = dict(zip(translation.args, meant, strict=False))
    if role == "adjust" and len(translation.args) == 1:
        names = {translation.args[0]: "x"}

    def rename(e: Expr) -> Expr | None:
        if isinstance(e, Ref) and e.path[0] in names:
            return Ref((names[e.path[0]], *e.path[1:]), e.kind)
        return None

    return rewrite(translation.expr, rename)


@functools.cache
def translated(fn: Any, layer: Any, role: str) -> Translation:
    """The translation of a callable, checked against it; *where* of an error is the line in the callable."""
    translation = translate(fn, layer, role if role in ROLES else "", PacketBody)
    if GUESS in translation.classes or any(path[-1] == "#name" for path in refs(translation.expr)):
        return translation  # the original asks the bindings, which come later; or the class of a stand-in
    verdict = check(fn, translation, role if role in ROLES else "", layer)
    if verdict.mismatch is not None:
        raise Refused(
            str(translation.source), str(verdict.mismatch), "this is a mistake of the translator: please report it"
        )
    return translation


# ------------------------------------------------------------------------------------------------ what is visible


def visible(context: Context, e: Expr) -> Expr:
    """*e* with defaults in place of what is not read yet; refused where Scapy would see something else than we do."""

    def step(node: Expr) -> Expr | None:
        if isinstance(node, Ref) and node.path[0] == "F":
            return _field(context, node)
        return None

    out = simplify(rewrite(e, step))
    _check_kinds(context, out)
    return out


def _field(context: Context, ref: Ref) -> Expr:
    if len(ref.path) == 1:
        raise Refused("", "asks for the packet as a whole, which is not there while it is dissected", HINT_LATER)
    name = ref.path[1]
    if name in context.kept and len(ref.path) == 2:
        return context.kept[name]
    if name in context.read or name in ("underlayer", "parent", "original"):
        if name in context.read and any(f.name == name for f in _later(context)):
            raise Refused("", f"asks for {name!r}, of which there are several", "give each field a name of its own")
        return ref
    for fld in context.layer.fields_desc:
        if fld.name == name:
            return _default(fld, ref)
    raise Refused(
        "", f"asks for {name!r}, which {context.layer.__name__} does not have while it is dissected", HINT_LATER
    )


def _later(context: Context) -> Iterable[Any]:
    """The fields that are not read yet."""
    return list(context.layer.fields_desc)[context.at :]


def _default(fld: Any, ref: Ref) -> Expr:
    """The default of a field that is read later."""
    if not isinstance(fld, sf.Field):
        raise Refused("", f"asks for {fld.name!r}, which is read later and depends on a condition", HINT_LATER)
    value = fld.default
    if isinstance(value, sf.FlagValue):
        value = int(value)
    if len(ref.path) == 2 and (value is None or type(value) in (int, bytes)):
        return Const(value)
    raise Refused("", f"asks for {fld.name!r}, which is read later", HINT_LATER)


def _check_kinds(context: Context, e: Expr) -> None:
    """Refuse values that are something else to Scapy than they are here."""
    if isinstance(e, IsNone) and isinstance(e.x, Ref):
        return
    if isinstance(e, Ref) and e.path[0] == "F" and len(e.path) >= 2:
        item = context.read.get(e.path[1])
        if item is not None and not (e.kind == "int" and isinstance(item, Leaf) and item.flags == ()):
            _check_kind(item, odd=item.name in context.odd)
    for below in children(e):
        _check_kinds(context, below)


def _check_kind(item: Item, *, odd: bool) -> None:
    each = leaves((item,)) if isinstance(item, Leaf | Either) else ()
    if odd or not all(plain(leaf) for leaf in each):
        raise Refused("", f"uses the value of {item.name!r}, which is no plain number or octets", "use a number")


def plain(item: Leaf) -> bool:
    """True for a value that is the same here as to Scapy's callables."""
    if item.raw:
        return False
    if item.kind in ("bytes", "string"):
        return not item.utf16
    return item.kind in ("uint", "int", "bool") and item.scaling is None
