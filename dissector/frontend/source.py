# SPDX-License-Identifier: GPL-2.0-or-later
"""From a Python function to exactly one node of its module's syntax tree.

A Scapy layer is a list of fields, and one line of it often holds several lambdas.  The line of a code object is
therefore not enough; since Python 3.11 a code object also knows the columns of its instructions, and the innermost
lambda that spans them all is the right one.  Three things can be missing, and each has its answer:

* Python 3.12.1 gives no columns to a lambda that returns a constant, and ``python -X no_debug_ranges`` gives none to
  anybody.  Then the lambdas of the line are compiled one by one and compared; what is still ambiguous is refused,
  unless all candidates read the same.
* The file may have been edited since it was imported.  The text on disk is compiled once and must contain the very code
  object that runs, or we would translate what somebody is about to write.
* There may be no file (``exec``, a frozen program): refused.

The tree does not know that ``pkt.__length`` inside ``class Block`` means ``pkt._Block__length``; :func:`mangle` does.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

from dissector.errors import Refused
from dissector.ir.pdus import SourceRef

FunctionNode = ast.Lambda | ast.FunctionDef
Candidate = tuple[FunctionNode, str]
Span = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Module:
    """A source file as it is on disk; *file* is its name in messages."""

    file: str
    lines: tuple[str, ...]
    tree: ast.Module
    functions: Mapping[int, tuple[Candidate, ...]]
    """By the line of their first decorator or their own, as code objects count."""
    codes: frozenset[CodeType]


@dataclass(frozen=True, slots=True)
class Located:
    """A function and its node; *owner* is the class whose body it stands in, or the empty string."""

    node: FunctionNode
    owner: str
    module: Module

    @property
    def ref(self) -> SourceRef:
        """The function's place and text, for messages and for the comment above generated code."""
        return SourceRef(self.module.file, self.node.lineno, _text(self.node, self.module.lines))


def display(filename: str, module: str) -> str:
    """*filename* from the root of the package that *module* belongs to: no message depends on the machine."""
    inside = module.replace(".", "/")
    path = Path(filename)
    tails = (f"{inside}.py", f"{inside}/__init__.py")
    return next((tail for tail in tails if path.as_posix().endswith("/" + tail)), path.name)


def mangle(name: str, owner: str) -> str:
    """*name* as the compiler writes it inside the body of class *owner*."""
    private = name.startswith("__") and not name.endswith("__") and "." not in name
    return f"_{owner.lstrip('_')}{name}" if private and owner.strip("_") else name


@functools.cache
def tree_of(filename: str) -> ast.Module:
    """The syntax tree of a file, parsed once for all who look into it."""
    return ast.parse("".join(linecache.getlines(filename)))


@functools.cache
def load(filename: str, module: str) -> Module:
    """The parsed source of a file, or :class:`Refused`."""
    lines = tuple(linecache.getlines(filename))
    file = display(filename, module)
    if not lines:
        raise Refused(file, "there is no source to read", "define the layer in a file that is imported")
    source = "".join(lines)
    try:
        tree = tree_of(filename)
        codes = frozenset(_codes(compile(source, filename, "exec", dont_inherit=True)))
    except (SyntaxError, ValueError) as exc:
        raise Refused(file, f"the source cannot be parsed: {exc}", _CHANGED) from exc
    functions: dict[int, tuple[Candidate, ...]] = {}
    for node, owner in _functions(tree):
        first = _first_line(node)
        functions[first] = (*functions.get(first, ()), (node, owner))
    return Module(file, lines, tree, functions, codes)


def locate(fn: FunctionType) -> Located:
    """The one node that *fn* was compiled from, or :class:`Refused`."""
    code = fn.__code__
    module = load(code.co_filename, str(fn.__globals__.get("__name__", "")))
    where = f"{module.file}:{code.co_firstlineno}"
    if code.co_flags & _NOT_PLAIN:
        raise Refused(where, f"{_called(code)} is a generator or a coroutine", "return the value")
    if code not in module.codes:
        raise Refused(where, f"the source of {_called(code)} is not what was imported", _CHANGED)
    here = module.functions.get(code.co_firstlineno, ())
    found = [(node, owner) for node, owner in here if _is_named(node, code.co_name)]
    if len(found) > 1:
        found = _by_columns(found, code) or _by_code(found, code)
    if not found:
        raise Refused(where, f"{_called(code)} was not found in the source", _CHANGED)
    if len(found) > 1 and len({ast.dump(node) for node, _ in found}) > 1:
        raise Refused(
            where, "several lambdas on this line, and Python does not say which one is meant", "give each its own line"
        )
    return Located(*found[0], module)


_NOT_PLAIN = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_CHANGED = "import the layer from a source file that has not been changed since"


def _called(code: CodeType) -> str:
    return "a lambda" if code.co_name == "<lambda>" else f"{code.co_name}()"


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _functions(tree: ast.Module) -> Iterator[Candidate]:
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, owner = waiting.pop()
        if isinstance(node, FunctionNode):
            yield node, owner
        inside = node.name if isinstance(node, ast.ClassDef) else owner
        waiting += [(child, inside) for child in ast.iter_child_nodes(node)]


def _first_line(node: FunctionNode) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(d.lineno for d in decorators)])


def _is_named(node: FunctionNode, name: str) -> bool:
    return name == "<lambda>" if isinstance(node, ast.Lambda) else node.name == name


def _by_columns(found: list[Candidate], code: CodeType) -> list[Candidate]:
    """The innermost of the candidates that spans all instructions, if the instructions have columns."""
    wanted = _span_of_code(code)
    if wanted is None:
        return []
    holds = [c for c in found if isinstance(c[0], ast.Lambda) and _holds(_span(c[0].body), wanted)]
    return sorted(holds, key=lambda item: (item[0].lineno, item[0].col_offset))[-1:]


def _span_of_code(code: CodeType) -> Span | None:
    starts, ends = [], []
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        if (line, column) == (end_line, end_column):
            continue  # the entry of a function has no width
        starts.append((line, column))
        ends.append((end_line, end_column))
    return (min(starts), max(ends)) if starts else None


def _span(node: ast.expr) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


def _holds(outer: Span, inner: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _by_code(found: list[Candidate], code: CodeType) -> list[Candidate]:
    """The candidates that compile to the same instructions; all of them if closures or private names hide that."""
    traits = _traits(code)
    same = [c for c in found if isinstance(c[0], ast.Lambda) and _traits(next(_codes_of_lambda(c[0]))) == traits]
    return same or found


def _traits(code: CodeType) -> tuple[object, ...]:
    """What tells functions on one line apart; 1 and True are equal, and yet they are not the same constant."""
    consts = [(type(c), c) for c in code.co_consts]
    return code.co_code, consts, code.co_names, code.co_varnames, code.co_argcount, code.co_flags & inspect.CO_VARARGS


def _codes_of_lambda(node: ast.Lambda) -> Iterator[CodeType]:
    whole = compile(ast.fix_missing_locations(ast.Expression(node)), "<lambda>", "eval", dont_inherit=True)
    return (c for c in _codes(whole) if c.co_name == "<lambda>" and c is not whole)


def _text(node: FunctionNode, lines: tuple[str, ...]) -> str:
    """A lambda on one line, a function by its heading; comments between are dropped."""
    if isinstance(node, ast.FunctionDef):
        return f"def {node.name}({ast.unparse(node.args)}):"
    (first, start), (last, end) = _span(node)
    rows = [row.encode() for row in lines[first - 1 : last]]  # columns count octets
    rows[-1] = rows[-1][:end]
    rows[0] = rows[0][start:]
    text = " ".join(b" ".join(rows).decode().replace("\\\n", " ").split())
    return ast.unparse(node) if "#" in text else text
