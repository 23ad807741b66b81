# SPDX-License-Identifier: GPL-2.0-or-later
"""Which names of a module mean the same for ever, as far as its source can tell.

A callable may read a table or a number of its module.  Both are part of the layer's definition, so they are taken as
constants, but only when nobody changes them while packets are read, or the generated dissector would contain the value
of one moment.  Python has no ``const``; three signs in the source of the defining module speak against it:

* a function says ``global NAME`` (or ``nonlocal``): the name is bound again at run time;
* a function stores into it: ``NAME[key] = ...``, ``NAME.append(...)``, ``del NAME[key]``: a registry, a cache;
* a function stores an attribute of that name, ``self.NAME = ...`` or ``Layer.NAME = ...``: a class attribute that is
  only the initial value of something.

What happens at the top level of a module happens once, when it is imported, and is no sign of change.  And some modules
hold what differs from one machine or run to the next, whatever their source says: :data:`VOLATILE`.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from dissector.errors import Refused
from dissector.frontend.source import Module, load

VOLATILE = frozenset(
    {"errno", "os", "platform", "random", "signal", "socket", "sys", "time"}
    | {"scapy.config", "scapy.consts", "scapy.main"}
)

_MUTATORS = frozenset(
    {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault"}
    | {"sort", "update", "difference_update", "intersection_update", "symmetric_difference_update"}
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Names and attributes that functions of one module change, with the first line that does."""

    file: str
    names: dict[str, int]
    attributes: dict[str, int]
    imports: dict[str, tuple[str, str]]
    stars: tuple[str, ...]


@functools.cache
def changes_in(filename: str, module: str) -> Changes:
    """What the functions of a file change."""
    source = load(filename, module)
    names: dict[str, int] = {}
    attributes: dict[str, int] = {}
    for function in _outermost(source.tree):
        own = _locals(function)
        for name, line, is_attribute in _changed(function):
            if is_attribute:
                attributes.setdefault(name, line)
            elif name not in own:
                names.setdefault(name, line)
    imports, stars = _imports(source, module)
    return Changes(source.file, names, attributes, imports, stars)


def changes_of(module: str) -> Changes | None:
    """The same by the name of an imported module; None when it has no source (a builtin)."""
    filename = getattr(sys.modules.get(module), "__file__", None)
    if not filename or not str(filename).endswith(".py"):
        return None
    try:
        return changes_in(str(filename), module)
    except Refused:
        return None


def origins(name: str, module: str) -> Iterator[tuple[str, str]]:
    """Where *name* of *module* may have been defined, as (module, name there): here, and along its imports."""
    seen: set[tuple[str, str]] = set()
    waiting = [(module, name)]
    while waiting:
        place = waiting.pop()
        if place in seen or not hasattr(sys.modules.get(place[0]), place[1]):
            continue
        seen.add(place)
        yield place
        changes = changes_of(place[0])
        if changes is not None:
            waiting += [(star, place[1]) for star in changes.stars]
            waiting += [changes.imports[place[1]]] if place[1] in changes.imports else []


def _outermost(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
        else:
            yield from _outermost(child)


def _locals(function: ast.AST) -> frozenset[str]:
    own, shared = set(), set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            shared.update(node.names)
    return frozenset(own - shared)


def _changed(function: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """(name, line, is it an attribute) of everything that *function* binds again or changes in place."""
    for node in ast.walk(function):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield from ((name, node.lineno, False) for name in node.names)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node.attr, node.lineno, True
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield from _base(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
            yield from _base(node.func.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            yield from ((str(a.value), node.lineno, True) for a in node.args[1:2] if isinstance(a, ast.Constant))


def _base(node: ast.expr) -> Iterator[tuple[str, int, bool]]:
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id, node.lineno, False
    elif isinstance(node, ast.Attribute):
        yield node.attr, node.lineno, True


def _imports(source: Module, module: str) -> tuple[dict[str, tuple[str, str]], tuple[str, ...]]:
    named: dict[str, tuple[str, str]] = {}
    stars: list[str] = []
    package = module if source.file.endswith("__init__.py") else module.rpartition(".")[0]
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        try:
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
        except ImportError:
            continue
        for alias in node.names:
            if alias.name == "*":
                stars.append(origin)
            else:
                named[alias.asname or alias.name] = (origin, alias.name)
    return named, tuple(stars)
