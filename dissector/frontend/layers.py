# SPDX-License-Identifier: GPL-2.0-or-later
"""A Scapy layer as a :class:`dissector.ir.pdus.Pdu`.

This file knows how a layer is put together: conditional fields around fields, bit fields that share octets, the
attributes of :class:`dissector.protocols.pdu.Pdu` that give names.  What a single field is, is the business of
:mod:`dissector.frontend.fields`.  Anything that a layer does in code instead of in its ``fields_desc``
(``do_dissect`` and friends) is refused: it would be lost without a word.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scapy import fields as sf
from scapy.packet import Packet

from ..declare import E, Until
from ..errors import Refused
from ..ir.expr import Const, Expr
from ..ir.pdus import Field, Flag, Pdu, Scan, SourceRef
from .fields import Subject, bit_width, translate_field
from .source import tree_of

ROOT = Path(__file__).resolve().parent.parent.parent
HOOKS = ("do_dissect", "pre_dissect", "post_dissect", "do_dissect_payload", "self_build")
LOOKUPS = ("__getattr__", "__getattribute__", "getfield_and_val", "getfieldval")
"""A layer that looks up its fields in its own way may find them elsewhere, in the request that it answers for one."""

BODIES = ("body", "orelse", "handlers", "finalbody", "cases")
"""The parts of a statement that hold statements; a class is nowhere else."""

QUOTED = re.compile(r"""(?=(["'])([^"']+)\1)""")


@functools.cache
def relative(file: str) -> str:
    """*file* as it is written in messages and generated text: from the package's root, or the bare name."""
    parts = Path(file).parts
    if "site-packages" in parts:  # also that of an environment inside the project's folder
        return "/".join(parts[parts.index("site-packages") + 1 :])
    try:
        return Path(file).resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return Path(file).name


@functools.cache
def _classes(file: str) -> dict[str, tuple[int, int]]:
    """Qualified name -> first and last line of every class in a file, read once: inspect would parse it for each."""
    found: dict[str, tuple[int, int]] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in (each for part in BODIES for each in getattr(node, part, ())):
            name = prefix
            if isinstance(child, ast.ClassDef):
                name = f"{prefix}{child.name}"
                first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                found[name] = first, child.end_lineno or child.lineno
                name += "."
            elif isinstance(child, ast.FunctionDef):
                name = f"{prefix}{child.name}.<locals>."
            visit(child, name)

    try:
        visit(tree_of(file), "")
    except SyntaxError:
        return {}
    return found


@functools.cache
def _extent(cls: type) -> tuple[str, int, int] | None:
    """File, first and last line of a class; None when there is no source."""
    try:
        file = inspect.getsourcefile(cls)
    except TypeError:
        return None
    lines = _classes(file).get(cls.__qualname__) if file else None
    return (file, *lines) if file and lines else None


@functools.cache
def class_source(layer: type) -> SourceRef:
    """Where a class was written."""
    extent = _extent(layer)
    if extent is None:
        return SourceRef(getattr(layer, "__module__", ""), 0)
    return SourceRef(relative(extent[0]), extent[1])


def field_source(layer: type, name: str) -> SourceRef:
    """The line on which a field is declared: the first in the class that holds its name in quotes."""
    for cls in layer.__mro__:
        extent = _extent(cls) if "fields_desc" in vars(cls) else None
        if extent is None:
            continue
        number = _quoted(*extent).get(name)
        if number is not None:
            return SourceRef(relative(extent[0]), number, linecache.getline(extent[0], number).strip())
    return class_source(layer)


@functools.cache
def _quoted(file: str, first: int, last: int) -> dict[str, int]:
    """What stands in quotes on these lines -> the first line that it stands on."""
    found: dict[str, int] = {}
    for number, line in enumerate(linecache.getlines(file)[first - 1 : last], first):
        for _, name in QUOTED.findall(line):
            found.setdefault(name, number)
    return found


class Names:
    """Display-filter names and labels of a layer's fields."""

    def __init__(self, layer: type) -> None:
        self.group: str = getattr(layer, "group", "") or snake(layer.__name__)
        self.abbrevs: dict[str, str] = getattr(layer, "abbrevs", {})
        self.labels: dict[str, str] = getattr(layer, "labels", {})

    def abbrev(self, name: str) -> str:
        return self.abbrevs.get(name) or f"{self.group}.{name}"

    def label(self, name: str) -> str:
        return self.labels.get(name) or name.replace("_", " ").capitalize()


def snake(name: str) -> str:
    """``MigCmdPing`` -> ``mig_cmd_ping``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@functools.cache
def translate_layer(layer: Any) -> Pdu:
    """The IR of a layer, or :class:`dissector.errors.Refused`."""
    source = class_source(layer)
    if not (isinstance(layer, type) and issubclass(layer, Packet)):
        raise Refused(str(source), f"{layer!r} is not a Scapy layer", "a layer is a subclass of scapy.packet.Packet")
    cls: Any = layer
    if not cls.fields_desc:
        raise Refused(str(source), f"{layer.__name__} has no fields", "declare fields_desc")
    for hook in (*HOOKS, *LOOKUPS):
        if any(hook in vars(c) for c in layer.__mro__ if c.__module__ != "scapy.packet" and c is not object):
            raise Refused(
                str(source), f"{layer.__name__}.{hook}() dissects in code", "say it with fields, or register a template"
            )
    fields = tuple(_fields(layer, Names(layer)))
    _check(layer, fields, source)
    return Pdu(
        name=layer.__name__,
        label=getattr(layer, "label", "") or layer.__name__,
        fields=fields,
        doc=inspect.getdoc(layer) or "",
        scan=_scan(layer),
        source=source,
        origin=layer,
    )


def _fields(layer: Any, names: Names) -> Iterator[Field]:
    group: list[tuple[Any, int]] = []
    scanned = getattr(layer, "scan", None) is not None
    for fld in layer.fields_desc:
        width = bit_width(fld)
        if width is not None:
            group.append((fld, width))
            if sum(w for _, w in group) % 8 == 0:
                yield from _bit_group(layer, group, names)
                group = []
            continue
        if group:
            raise Subject(layer, group[-1][0], field_source(layer, group[-1][0].name)).refuse(
                f"bit fields before {fld.name!r} do not fill whole octets", "pad them to a multiple of eight bits"
            )
        if scanned and fld is layer.fields_desc[-1]:
            return  # its extent is the scan's
        yield _one(layer, fld, names)
    if group:
        raise Subject(layer, group[-1][0], field_source(layer, group[-1][0].name)).refuse(
            "bit fields do not fill whole octets", "pad them to a multiple of eight bits"
        )


def _one(layer: type, fld: Any, names: Names) -> Field:
    present: Expr | None = None
    while isinstance(fld, sf.ConditionalField):
        subject = Subject(layer, fld.fld, field_source(layer, fld.fld.name))
        if present is not None:
            raise subject.refuse("a conditional field inside a conditional field", "join the two conditions")
        present = subject.expr(fld.cond, "cond")
        fld = fld.fld
    subject = Subject(layer, fld, field_source(layer, fld.name))
    return translate_field(subject, names.abbrev(fld.name), names.label(fld.name), present)


def _bit_group(layer: type, group: list[tuple[Any, int]], names: Names) -> Iterator[Field]:
    total = sum(w for _, w in group)
    used = 0
    for fld, width in group:
        subject = Subject(layer, fld, field_source(layer, fld.name))
        if total > 64:
            raise subject.refuse(f"bit fields over {total // 8} octets", "group them in at most eight octets")
        used += width
        table = getattr(fld, "i2s", None)
        values = (
            tuple(sorted((k, str(v)) for k, v in table.items() if isinstance(k, int)))
            if isinstance(table, dict)
            else ()
        )
        flags: tuple[Flag, ...] = ()
        if isinstance(fld, sf.FlagsField):
            flags = tuple(Flag(1 << i, str(n).lower(), str(n)) for i, n in enumerate(fld.names) if n)
        yield Field(
            name=fld.name,
            abbrev=names.abbrev(fld.name),
            label=names.label(fld.name),
            type="uint",
            size=Const(total // 8),
            hex=type(fld).__name__.startswith("X") or bool(flags),
            values=values,
            flags=flags,
            bits=(total - used, width),
            advance=used == total,
            source=subject.source,
        )


def _scan(layer: type) -> Scan | None:
    until = getattr(layer, "scan", None)
    if until is None:
        return None
    return scan_of(until)


def scan_of(until: Until) -> Scan:
    """The IR of a declared end."""
    accept = until.accept.node if isinstance(until.accept, E) else None
    return Scan(accept, until.anchor, until.window)


def _check(layer: type, fields: tuple[Field, ...], source: SourceRef) -> None:
    seen: set[str] = set()
    for i, f in enumerate(fields):
        if f.name in seen:
            raise Refused(str(f.source), f"{layer.__name__}.{f.name}: the name is used twice", "rename one of them")
        seen.add(f.name)
        if f.lazy and i != len(fields) - 1:
            raise Refused(
                str(f.source), f"{layer.__name__}.{f.name}: a payload must be the last field", "move it to the end"
            )
    if getattr(layer, "scan", None) is not None and fields:
        raise Refused(
            str(source),
            f"{layer.__name__}: a layer with a scan has exactly one field",
            "make the rest a PDU of its own",
        )
