# SPDX-License-Identifier: GPL-2.0-or-later
"""All layers that belong together: those asked for, and what they lead to through fields and payloads."""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scapy.packet import NoPayload, Packet, Padding, Raw

from ...errors import Refused
from ...ir.expr import Expr
from ...ir.packets import Either, External, Item, Layer, List, Opaque, Sub, Suite, leaves
from ..values import class_name
from .around_layers import wrong_values
from .externals import external
from .layers import Translated, translated_packet
from .names import snake, unique, word
from .plugins import load_plugins
from .registry import TEMPLATES
from .surroundings import with_surroundings
from .tables import results

PLAIN = (Packet, NoPayload, Raw, Padding)


def suite(module_or_classes: Any, *, prefix: str | None = None, name: str | None = None) -> Suite:
    """The suite of a module's layers, of a class, or of several classes, with all that they lead to."""
    load_plugins()
    roots = tuple(_roots(module_or_classes))
    if not roots:
        raise Refused(getattr(module_or_classes, "__name__", str(module_or_classes)), "no Scapy layers here", "")
    module = getattr(module_or_classes, "__name__", "") if isinstance(module_or_classes, types.ModuleType) else ""
    home = module or roots[0].__module__
    own = name or home.rpartition(".")[2]
    single = roots[0] if len(roots) == 1 else None
    found = _closure(roots)
    abbrevs = _abbrevs(found.layers, home, single)
    layers = with_surroundings([translated_packet(cls, abbrevs[cls]).layer for cls in found.layers])
    opaques = tuple(Opaque(class_name(c), _label(c), e.where, e.what, e.hint) for c, e in found.refused.items())
    sources = tuple(dict.fromkeys(layer.source.file for layer in layers))
    title = getattr(module_or_classes, "__doc__", "") if module else ""
    lines = [line for line in (title or "").strip().splitlines() if line.strip()]
    return Suite(
        name=own,
        prefix=prefix or f"scapy_{word(own)}",
        title=_label(single) if single else (lines[0].strip() if lines else own),
        layers=layers,
        entries=(),
        externals=tuple(found.externals.values()),
        opaques=opaques,
        sources=sources,
        templates=_templates(layers),
    )


def refusals(of: Suite) -> tuple[Opaque, ...]:
    """What could not be translated, each with its place and reason."""
    return of.opaques


def _templates(layers: Iterable[Layer]) -> tuple[tuple[str, str], ...]:
    """The templates that the layers' items name."""
    named = {leaf.template for layer in layers for leaf in leaves(layer.items)}
    return tuple((name, TEMPLATES[name]) for name in sorted(named & set(TEMPLATES)))


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


@dataclass(slots=True)
class Found:
    """What classes have become; each is in one of the three."""

    layers: dict[Any, Translated] = field(default_factory=dict)
    externals: dict[Any, External] = field(default_factory=dict)
    refused: dict[Any, Refused] = field(default_factory=dict)

    def knows(self, cls: Any) -> bool:
        """True when *cls* needs no more work."""
        return cls in self.layers or cls in self.externals or cls in self.refused or cls in PLAIN


def _closure(roots: Iterable[Any]) -> Found:
    """*roots* and all that they lead to; without what can no longer say where it ends because of a refusal."""
    found = Found()
    waiting = list(roots)
    first = set(waiting)
    while waiting:
        cls = waiting.pop(0)
        if found.knows(cls):
            continue
        known = external(cls) if cls not in first else None
        if known is not None:
            found.externals[cls] = known
            continue
        try:
            found.layers[cls] = translated_packet(cls)
        except Refused as exc:
            found.refused[cls] = exc
            continue
        waiting += found.layers[cls].classes.values()
    _ambiguous(found)
    _misunderstood(found)
    while (lost := _endless(found)) is not None:
        cls, refused = lost
        del found.layers[cls]
        found.refused[cls] = refused
    return _reachable(found, roots)


def _ambiguous(found: Found) -> None:
    """Refuse layers that cannot be told apart by their names."""
    counts = Counter(class_name(cls) for cls in found.layers)
    for cls in [c for c in found.layers if counts[class_name(c)] > 1]:
        place = str(found.layers.pop(cls).layer.source)
        found.refused[cls] = Refused(place, f"several layers are called {class_name(cls)}", "give each its own name")


def _misunderstood(found: Found) -> None:
    """Refuse layers that would take a value of the layer around them for something else."""
    wrong = dict(wrong_values([t.layer for t in found.layers.values()]))
    for cls in [c for c in found.layers if class_name(c) in wrong]:
        layer = found.layers.pop(cls).layer
        what = f"{cls.__name__}: {wrong[layer.name]}"
        found.refused[cls] = Refused(str(layer.source), what, "register a row for that field class")


def _endless(found: Found) -> tuple[Any, Refused] | None:
    """A layer with something behind a packet that nobody knows the end of."""
    ends = {class_name(c): str(e.what) for c, e in found.refused.items()}
    ends |= {class_name(c): "Wireshark dissects it, and does not say where it ends" for c in found.externals}
    if not ends:
        return None
    for cls, translated in found.layers.items():
        items = translated.layer.items
        for i, item in enumerate(items):
            name = next((n for n in _open(item, last=i == len(items) - 1) if n in ends), None)
            if name is not None:
                what = (
                    f"{cls.__name__}.{item.name}: holds {name.rpartition('.')[2]} and cannot know its end: {ends[name]}"
                )
                return cls, Refused(str(item.source), what, "give the field a length, or translate that layer")
    return None


def _open(item: Item | None, *, last: bool) -> Iterator[str]:
    """The layers whose end decides where what is behind *item* begins."""
    if isinstance(item, Sub) and item.size is None and not last:
        yield from _named(item.layer)
    elif isinstance(item, List) and item.size is None and not last:
        yield from _named(item.of if isinstance(item.of, Expr) else item.next)
    elif isinstance(item, Either):
        for option in (*(o for _, o in item.options), item.default):
            yield from _open(option, last=last)


def _named(choice: Expr | None) -> Iterator[str]:
    return (v for v in results(choice) if isinstance(v, str)) if choice is not None else iter(())


def _reachable(found: Found, roots: Iterable[Any]) -> Found:
    """*found* without what only layers led to that are gone."""
    out = Found()
    waiting = list(roots)
    while waiting:
        cls = waiting.pop(0)
        if out.knows(cls):
            continue
        if cls in found.layers:
            out.layers[cls] = found.layers[cls]
            waiting += found.layers[cls].classes.values()
        elif cls in found.externals:
            out.externals[cls] = found.externals[cls]
        else:
            out.refused[cls] = found.refused[cls]
    return out


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
