# SPDX-License-Identifier: GPL-2.0-or-later
"""All layers that belong together: those asked for, and what they lead to through fields and payloads."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from scapy.packet import NoPayload, Packet, Padding, Raw

from ...errors import Refused
from ...ir.packets import External, Layer, Opaque, Suite
from ..values import class_name
from .externals import external
from .layers import Translated, translated_packet
from .names import snake, unique, word
from .surroundings import with_surroundings

PLAIN = (Packet, NoPayload, Raw, Padding)


def suite(module_or_classes: Any, *, prefix: str | None = None, name: str | None = None) -> Suite:
    """The suite of a module's layers, of a class, or of several classes, with all that they lead to."""
    roots = tuple(_roots(module_or_classes))
    if not roots:
        raise Refused(getattr(module_or_classes, "__name__", str(module_or_classes)), "no Scapy layers here", "")
    module = getattr(module_or_classes, "__name__", "") if isinstance(module_or_classes, types.ModuleType) else ""
    home = module or roots[0].__module__
    own = name or home.rpartition(".")[2]
    single = roots[0] if len(roots) == 1 else None
    found, externals, refused = _closure(roots)
    abbrevs = _abbrevs(found, home, single)
    layers = with_surroundings([translated_packet(cls, abbrevs[cls]).layer for cls in found])
    opaques = tuple(Opaque(class_name(cls), _label(cls), exc.where, exc.what, exc.hint) for cls, exc in refused.items())
    sources = tuple(dict.fromkeys(layer.source.file for layer in layers))
    title = getattr(module_or_classes, "__doc__", "") if module else ""
    lines = [line for line in (title or "").strip().splitlines() if line.strip()]
    return Suite(
        name=own,
        prefix=prefix or f"scapy_{word(own)}",
        title=_label(single) if single else (lines[0].strip() if lines else own),
        layers=layers,
        entries=(),
        externals=tuple(externals.values()),
        opaques=opaques,
        sources=sources,
    )


def refusals(of: Suite) -> tuple[Opaque, ...]:
    """What could not be translated, each with its place and reason."""
    return of.opaques


def _label(cls: Any) -> str:
    return str(getattr(cls, "_name", None) or cls.__name__)


def _roots(given: Any) -> Iterator[Any]:
    """The layers of a module in the order of their definition, or those that were given."""
    if isinstance(given, types.ModuleType):
        own = [v for v in vars(given).values() if isinstance(v, type) and issubclass(v, Packet)]
        yield from (cls for cls in dict.fromkeys(own) if cls.__module__ == given.__name__)
    elif isinstance(given, type):
        yield given
    elif isinstance(given, Iterable):
        yield from given
    else:
        raise Refused(repr(given), "is no module, no layer and no list of layers", "")


def _closure(roots: Iterable[Any]) -> tuple[list[Any], dict[Any, External], dict[Any, Refused]]:
    found: dict[Any, Translated] = {}
    externals: dict[Any, External] = {}
    refused: dict[Any, Refused] = {}
    waiting = list(roots)
    first = set(waiting)
    while waiting:
        cls = waiting.pop(0)
        if cls in found or cls in externals or cls in refused or cls in PLAIN:
            continue
        known = external(cls) if cls not in first else None
        if known is not None:
            externals[cls] = known
            continue
        try:
            found[cls] = translated_packet(cls)
        except Refused as exc:
            refused[cls] = exc
            continue
        waiting += found[cls].classes.values()
    return list(found), externals, refused


def _abbrevs(layers: Iterable[Any], home: str, single: Any) -> dict[Any, str]:
    """A name for each layer: its own for those of the module, with the module before it where two have the same."""
    out: dict[Any, str] = {}
    for cls in sorted(layers, key=lambda c: (c is not single, c.__module__ != home)):
        if cls is single:
            out[cls] = ""
            continue
        own = snake(cls.__name__)
        if own in out.values():
            own = unique(f"{word(cls.__module__.rpartition('.')[2])}_{own}", out.values())
        out[cls] = own
    return out


__all__ = ["Layer", "refusals", "replace", "suite"]
