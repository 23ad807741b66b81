# SPDX-License-Identifier: GPL-2.0-or-later
"""The override file beside a layer: Lua for a field that cannot be translated, and how messages follow in a stream.

It is TOML, and its tables are called like the layers::

    [DICOM]                          # the class, or scapy.contrib.dicom.DICOM where two have the same name
    framing = "6:F.length + 6"       # as with --framing

    [DICOM.length]                   # a field of the layer: it is replaced
    lua = "return number(t, field, pos, 4, stop, be)"

    [DICOM.trailer]                  # no field of the layer: it is added
    after = "length"                 # or before = "…"; one of them
    kind = "bytes"                   # of the display-filter field; also for a replaced field that has no type yet
    label = "Trailer"
    lua = '''
    if pos >= stop then return pos end
    t:add(field, T(pos, stop - pos))
    return stop
    '''

``lua`` is the body of ``function(t, field, pos, stop, F)``, which returns where the item ends and, for expressions of
fields behind it, its value; docs/scapy-layers.md says what it may use.  A field that is replaced is not translated, so
a layer that is refused for it is refused no more.  What names no layer of the plugin is an error: an override that
does nothing any more is the first thing to know about after an update of Scapy.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from scapy.fields import ConditionalField, Emph, MayEnd, PadField

from ...errors import DissectorError, Refused
from ...ir.expr import Const
from ...ir.packets import Item, Kind, Layer, Leaf, Opaque, Suite
from ..values import class_name
from . import registry
from .layers import translated_packet
from .subject import Subject

SUFFIX = ".override.toml"
KINDS: tuple[str, ...] = get_args(Kind)
AROUND = (ConditionalField, MayEnd, PadField, Emph)
KEYS = ("lua", "kind", "label", "after", "before")


@dataclass(frozen=True, slots=True)
class FieldOverride:
    """The Lua of one field; *after* or *before* is the field beside which it is added."""

    lua: str
    kind: str = ""
    label: str = ""
    after: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class LayerOverride:
    """What a file says of one layer."""

    where: str
    name: str
    fields: Mapping[str, FieldOverride]
    framing: str = ""

    def means(self, cls: Any) -> bool:
        """True for the class that the table's name stands for."""
        return self.name in (cls.__name__, class_name(cls))


def read(path: Path) -> tuple[LayerOverride, ...]:
    """What an override file says."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DissectorError(str(path), f"is no TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise DissectorError(str(path), f"cannot be read: {what.lower()}") from error
    return tuple(found for name, table in tables.items() for found in _layers(path, name, table))


def beside(folder: Path, modules: Iterable[str]) -> tuple[Path, ...]:
    """The override files in *folder* for *modules*, by their whole name or the last part of it."""
    if not folder.is_dir():
        raise DissectorError(str(folder), "is no folder", "--overrides takes a folder, --override a file")
    names = [n for m in modules for n in (f"{m}{SUFFIX}", f"{m.rpartition('.')[2]}{SUFFIX}")]
    return tuple(folder / n for n in dict.fromkeys(names) if (folder / n).is_file())


def _layers(path: Path, name: str, table: Any) -> Iterator[LayerOverride]:
    """The layers of a table; a dotted name that is not quoted is tables in tables."""
    if not isinstance(table, dict):
        raise DissectorError(f"{path}: {name}", "is no table", "write [Layer.field] and under it lua = '''…'''")
    plain = {k: v for k, v in table.items() if not isinstance(v, dict)}
    inside = {k: v for k, v in table.items() if isinstance(v, dict)}
    deeper = any(isinstance(x, dict) for v in inside.values() for x in v.values())
    if inside and not plain and (deeper or all("framing" in v for v in inside.values())):
        for key, value in inside.items():
            yield from _layers(path, f"{name}.{key}", value)
        return
    where = f"{path}: [{name}]"
    unknown = next((k for k in plain if k != "framing"), None)
    if unknown is not None:
        raise DissectorError(where, f"{unknown!r} means nothing for a layer", _near(unknown, ("framing",)))
    fields = {key: _field(f"{path}: [{name}.{key}]", value) for key, value in inside.items()}
    framing = plain.get("framing", "")
    if not isinstance(framing, str) or not (fields or framing):
        raise DissectorError(where, "says nothing", 'framing = "HEADER:SIZE", or [Layer.field] with lua')
    yield LayerOverride(where, name, fields, framing)


def _field(where: str, table: Mapping[str, Any]) -> FieldOverride:
    unknown = next((k for k in table if k not in KEYS), None)
    if unknown is not None:
        raise DissectorError(where, f"{unknown!r} means nothing for a field", _near(unknown, KEYS))
    strange = next((k for k, v in table.items() if not isinstance(v, str)), None)
    if strange is not None:
        raise DissectorError(where, f"{strange} is no text")
    if not table.get("lua", "").strip():
        raise DissectorError(where, "has no lua", "lua = the body of function(t, field, pos, stop, F)")
    if table.get("kind", "bytes") not in KINDS:
        raise DissectorError(where, f"there is no kind {table['kind']!r}", _near(table["kind"], KINDS))
    if "after" in table and "before" in table:
        raise DissectorError(where, "has both after and before", "one of them says where the item is")
    return FieldOverride(**table)


def _near(word: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}" if known else ""


# ------------------------------------------------------------------------------------------------------- applied


@contextmanager
def overriding(overrides: Iterable[LayerOverride]) -> Iterator[None]:
    """While layers are translated: a field that is replaced is not looked at."""
    given = tuple(overrides)

    def instead(subject: Subject) -> Item | None:
        name = subject.name
        if isinstance(subject.fld, AROUND):
            return None  # the condition stays, what is inside is replaced
        found = next((o.fields[name] for o in given if o.means(subject.layer) and name in o.fields), None)
        if found is None or found.after or found.before:
            return None
        return subject.leaf(kind=found.kind or "bytes") if found.kind else _typed(subject)

    if not given:
        yield
        return
    translated_packet.cache_clear()
    registry.INSTEAD.append(instead)
    try:
        yield
    finally:
        registry.INSTEAD.remove(instead)
        translated_packet.cache_clear()


def _typed(subject: Subject) -> Item:
    """The item as it would be without the override, for its type and its names; octets if there is none."""
    try:
        item = registry.row_of(subject)(subject)
    except DissectorError:
        return subject.leaf(kind="bytes")
    if isinstance(item, Leaf) and item.bits is not None:
        octets, rest = divmod(getattr(item.bits, "value", 1), 8)
        if rest:
            raise subject.refuse("is a bit field, which cannot be replaced alone", "replace the layer around it")
        return replace(item, bits=None, size=Const(octets), place=None)
    return replace(item, template="") if isinstance(item, Leaf) else subject.leaf(kind="bytes")


def with_overrides(suite: Suite, overrides: Iterable[LayerOverride]) -> Suite:
    """*suite* with the Lua of its fields; an override for no layer, or beside no field, is an error."""
    out = {layer.name: layer for layer in suite.layers}
    for each in overrides:
        every: list[Layer | Opaque] = [*out.values(), *suite.opaques]
        meant = [x for x in every if each.name in (x.name, x.name.rpartition(".")[2])]
        if not meant:
            names = [x.name.rpartition(".")[2] for x in suite.layers]
            raise DissectorError(each.where, f"there is no layer {each.name!r} in this plugin", _near(each.name, names))
        if len(meant) > 1:
            raise DissectorError(
                each.where, f"several layers are called {each.name!r}", f"say which: {', '.join(x.name for x in meant)}"
            )
        (layer,) = meant
        if isinstance(layer, Opaque):
            raise Refused(layer.where, f"{layer.what} (in spite of {each.where})", layer.hint)
        out[layer.name] = _with_fields(layer, each)
    return replace(suite, layers=tuple(out.values()))


def _with_fields(layer: Layer, override: LayerOverride) -> Layer:
    replaced, items = dict(layer.replaced), list(layer.items)
    for name, each in override.fields.items():
        where = f"{override.where[:-1]}.{name}]"
        names = [i.name for i in items]
        if name not in names:
            items.insert(_place(where, names, name, each), _added(layer, name, each))
        elif each.after or each.before:
            raise DissectorError(where, f"{name!r} is a field of the layer already", "leave after and before out")
        replaced[name] = each.lua.strip("\n")
    verify = tuple(v for v in layer.verify if v.item not in override.fields)
    return replace(layer, items=tuple(items), replaced=tuple(replaced.items()), verify=verify)


def _place(where: str, names: list[str], name: str, each: FieldOverride) -> int:
    beside_ = each.after or each.before
    if not beside_:
        hint = _near(name, names) + '; a new field says after = "field" or before = "field"'
        raise DissectorError(where, f"the layer has no field {name!r}", hint)
    if beside_ not in names:
        raise DissectorError(where, f"the layer has no field {beside_!r}", _near(beside_, names))
    return names.index(beside_) + (1 if each.after else 0)


def _added(layer: Layer, name: str, each: FieldOverride) -> Leaf:
    abbrev = f"{layer.abbrev}.{name.lower()}" if layer.abbrev else name.lower()
    kind: Any = each.kind or "bytes"
    return Leaf(name, abbrev, each.label or name, kind=kind, source=layer.source)
