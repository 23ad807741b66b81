# SPDX-License-Identifier: GPL-2.0-or-later
"""What the passes over a layer's methods have in common: finding a method that the layer has of its own.

Scapy calls ``answers``, ``post_build``, ``mysummary`` and the like on every packet.  ``Packet`` has each of them and
means nothing by it.  A *method of its own* is one that stands in the layer's class or in one that it is derived from,
below ``Packet``.
"""

from __future__ import annotations

import types
from dataclasses import dataclass

from scapy.packet import NoPayload, Packet

from dissector.frontend.scope import inner

OTHER = "other"
"""The scope of the request, in what translates two packets at once."""

PSEUDO = frozenset({"#head", "#pay", "#below"})
"""What every layer has beside its fields when it was read; see :mod:`dissector.ir.packets`."""


@dataclass(frozen=True, slots=True)
class Method:
    """A function and the class that it stands in."""

    function: types.FunctionType
    owner: type
    bound: bool
    """True for a class method, whose first argument is the class."""


def own_method(layer: type, name: str) -> Method | None:
    """The method *name* of *layer*, if it has one of its own; what is no plain function is none."""
    for cls in layer.__mro__:
        if cls in (Packet, object, NoPayload):
            return None
        found = cls.__dict__.get(name)
        if found is None:
            continue
        bound = isinstance(found, classmethod | staticmethod | types.MethodType)
        function = found.__func__ if isinstance(found, classmethod | staticmethod | types.MethodType) else found
        return Method(function, cls, bound) if isinstance(function, types.FunctionType) else None
    return None


def field_names(layer: type) -> frozenset[str]:
    """The names of the fields of *layer*."""
    return frozenset(str(getattr(f, "name", "")) for f in getattr(layer, "fields_desc", None) or ())


def field_of(layer: type | None, name: str) -> object:
    """The Scapy field *name* of *layer* without the conditions around it, or None."""
    fields = getattr(layer, "fields_desc", None) or ()
    return next((inner(f) for f in fields if getattr(f, "name", None) == name), None)
