# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams as Python functions.

A state becomes one function ``(m, b, at, end)``: *m* the machine, *b* the octets at hand, *at* the cursor in them,
*end* where they end or where the region around the cursor does.  It reads as many PDUs as it can without leaving the
state and returns the new cursor, which stands behind *end* when a payload does.  When octets are lacking it sets
``m.need`` and returns the cursor as it was: nothing is assigned, counted or reported before a header is complete.
A scan becomes one function that says 0 (here), -1 (not here) or how many octets it would have to see.

There are as many versions of a stream as there are answers to the question which PDUs are to be reported.  One that
is not is *quiet*: only what it decides by is loaded, and its fields, notes and texts are written once more below the
conditions of its findings, since a PDU with a finding is always reported.  What a run of quiet PDUs costs is the
business of :mod:`.runs`.

A state's function is compiled when the stream comes to that state: the text of a large protocol takes Python 50 ms,
and most of its states are those of devices, features and releases that the stream at hand does not have.

What is printed is data, :class:`Printed`, and functions are made of it.  So it can be kept for another process, which
then needs neither the printers nor the compiler: :func:`adopt`.

The text is registered with ``linecache``, so that a traceback shows it, and ``Code.text`` has it for whoever wants to
see what a stream became.
"""

from __future__ import annotations

import itertools
import linecache
import marshal
import re
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

from ..ir.model import Rule, Stream
from ..ir.pdus import Scan
from .events import Found, PduSeen, text_of
from .printer import is_printable
from .registers import parameters_of

Step = Callable[[Any, bytes, int, int], int]
Done = Callable[[Any, int, int, bytes], None]

MOST_CODES = 64
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Way:
    """A scan: where it may accept, whether it does, and what is done then.  *label* says what is being looked for."""

    scan: Scan
    accept: Step
    done: Done
    label: str


@dataclass(frozen=True, slots=True)
class Printed:
    """A stream as text, and all that the text refers to."""

    text: str
    functions: Mapping[str, str | bytes]
    """The source of each function, or what Python compiled it to, marshalled."""
    states: Mapping[str, str]
    """Function -> its state."""
    start: str
    structs: Mapping[str, str]
    """Unpacking function -> its format."""
    constants: Mapping[str, Any]
    rules: tuple[Rule, ...]
    """All rules of all states, in the order of the machine's tally."""
    bodies: tuple[int, ...]
    """Indices of the rules whose PDU has a body without a length."""
    parameters: frozenset[str]
    """Those that the stream refers to."""

    def compiled(self) -> Printed:
        """The same, with every function compiled."""
        functions = {
            name: marshal.dumps(compile(f, "", "exec")) if isinstance(f, str) else f
            for name, f in self.functions.items()
        }
        return replace(self, functions=functions)


@dataclass(frozen=True, slots=True)
class Code:
    """A stream, ready to run."""

    stream: Stream
    file: str
    """What a traceback calls ``text``."""
    printed: Printed
    start: Step
    names: dict[Step, str]
    """Function -> name of its state."""
    bodies: dict[int, Way]
    """Index of a rule -> the end of its PDU's body."""
    resync: tuple[Way, ...]

    @property
    def text(self) -> str:
        """What became of the stream."""
        return self.printed.text

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules of all states, in the order of the machine's tally."""
        return self.printed.rules

    @property
    def parameters(self) -> frozenset[str]:
        """Those that the stream refers to."""
        return self.printed.parameters


_cache: dict[tuple[int, bool | frozenset[str]], Code] = {}


def compile_stream(stream: Stream, report: bool | Collection[str] = True) -> Code:
    """*stream* as functions; *report* says which PDUs are reported: all, none but those with findings, or by name.

    A stream is compiled once for each answer.  It is known by identity, for two streams that are equal may have been
    made from different packets.
    """
    wanted = report if isinstance(report, bool) else frozenset(report)
    code = _cache.get((id(stream), wanted))
    return code or adopt(stream, wanted, print_stream(stream, wanted))


def adopt(stream: Stream, report: bool | frozenset[str], printed: Printed) -> Code:
    """Take *printed* for what :func:`compile_stream` would have printed."""
    if len(_cache) >= MOST_CODES:
        _forget(next(iter(_cache)))
    code = _cache[id(stream), report] = _made(stream, printed)
    return code


def printed_of(stream: Stream) -> dict[bool | frozenset[str], Printed]:
    """What *stream* has been compiled from so far, by the answers."""
    return {report: code.printed for (_, report), code in _cache.items() if code.stream is stream}


def _forget(key: tuple[int, bool | frozenset[str]]) -> None:
    code = _cache.pop(key)
    linecache.cache.pop(code.file, None)


def print_stream(stream: Stream, report: bool | frozenset[str]) -> Printed:
    """*stream* as text."""
    from .blocks import BlockPrinter  # noqa: PLC0415 - what was kept needs no printer

    printer = BlockPrinter(stream, report)
    text = printer.text()
    return Printed(
        text=text,
        functions=dict(_functions(text)),
        states={printer.state(s.name): s.name for s in stream.states},
        start=printer.state(stream.start),
        structs=printer.structs,
        constants=printer.constants,
        rules=tuple(b.rule for b in printer.blocks),
        bodies=tuple(printer.bodies),
        parameters=frozenset(parameters_of(stream)),
    )


def _made(stream: Stream, printed: Printed) -> Code:
    text, name = printed.text, f"<stream {stream.name} {next(_numbers)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space: dict[str, Any] = {
        "Found": Found,
        "PduSeen": PduSeen,
        "is_printable": is_printable,
        "text_of": text_of,
        **{function: struct.Struct(form).unpack_from for function, form in printed.structs.items()},
        **printed.constants,
    }
    names: dict[Step, str] = {}
    for function, source in printed.functions.items():
        define = _later(source, name, space)
        if function in printed.states:
            space[function] = _at_first(function, printed.states[function], define, space, names)
        else:
            define()
    return Code(
        stream=stream,
        file=name,
        printed=printed,
        start=space[printed.start],
        names=names,
        bodies={j: _body(printed.rules[j], space, j) for j in printed.bodies},
        resync=tuple(Way(r.scan, space[f"back_{k}"], space[f"found_{k}"], r.goto) for k, r in enumerate(stream.resync)),
    )


def _functions(text: str) -> Iterator[tuple[str, str]]:
    """The name of each function of a text, and the text up to its end with nothing but line ends in front of it."""
    places = [m.start() for m in re.finditer(r"^def ", text, re.MULTILINE)]
    lines = text.count("\n", 0, places[0]) if places else 0
    for start, end in itertools.pairwise([*places, len(text)]):
        yield text[start + 4 : text.index("(", start)], "\n" * lines + text[start:end]
        lines += text.count("\n", start, end)


def _later(source: str | bytes, file: str, space: dict[str, Any]) -> Callable[[], None]:
    """What defines a function of a text in *space*."""

    def define() -> None:
        code = _in_file(source, file) if isinstance(source, bytes) else compile(source, file, "exec")
        exec(code, space)  # noqa: S102  our own text, printed from a verified table

    return define


def _in_file(marshalled: bytes, file: str) -> CodeType:
    """What was compiled, as if it had been compiled from *file*."""

    def moved(code: CodeType) -> CodeType:
        consts = tuple(moved(c) if isinstance(c, CodeType) else c for c in code.co_consts)
        return code.replace(co_filename=file, co_consts=consts)

    return moved(marshal.loads(marshalled))  # noqa: S302  whoever adopts a stream knows where it was kept


def _at_first(
    function: str, state: str, define: Callable[[], None], space: dict[str, Any], names: dict[Step, str]
) -> Step:
    """What stands for the function of a state until the stream comes there: of forty states most see a few."""
    made: list[Step] = []

    def first(m: Any, b: bytes, at: int, end: int) -> int:
        if not made:
            define()
            made.append(space[function])
            names[made[0]] = state
        if m.step is first:
            m.step = made[0]
        return made[0](m, b, at, end)

    names[first] = state
    return first


def _body(rule: Rule, space: dict[str, Any], j: int) -> Way:
    assert rule.pdu is not None
    assert rule.pdu.scan is not None
    return Way(rule.pdu.scan, space[f"end_{j}"], space[f"done_{j}"], rule.pdu.label)
