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

The text is registered with ``linecache``, so that a traceback shows it, and ``Code.text`` has it for whoever wants to
see what a stream became.
"""

from __future__ import annotations

import itertools
import linecache
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ..ir.model import Scan, Stream
from ..ir.steps import Block
from .blocks import BlockPrinter
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
class Code:
    """A stream, ready to run."""

    stream: Stream
    file: str
    """What a traceback calls ``text``."""
    text: str
    start: Step
    names: dict[Step, str]
    """Function -> name of its state."""
    blocks: tuple[Block, ...]
    """All rules of all states, in the order of the machine's tally."""
    bodies: dict[int, Way]
    """Index of a block -> the end of its PDU's body."""
    resync: tuple[Way, ...]
    parameters: frozenset[str]
    """Those that the stream refers to."""


_cache: dict[tuple[int, bool | frozenset[str]], Code] = {}


def compile_stream(stream: Stream, report: bool | Collection[str] = True) -> Code:
    """*stream* as functions; *report* says which PDUs are reported: all, none but those with findings, or by name.

    A stream is compiled once for each answer.  It is known by identity, for two streams that are equal may have been
    made from different packets.
    """
    wanted = report if isinstance(report, bool) else frozenset(report)
    code = _cache.get((id(stream), wanted))
    if code is None:
        if len(_cache) >= MOST_CODES:
            _forget(next(iter(_cache)))
        code = _cache[id(stream), wanted] = _compile(stream, wanted)
    return code


def _forget(key: tuple[int, bool | frozenset[str]]) -> None:
    code = _cache.pop(key)
    linecache.cache.pop(code.file, None)


def _compile(stream: Stream, report: bool | frozenset[str]) -> Code:
    printer = BlockPrinter(stream, report)
    text = printer.text()
    name = f"<stream {stream.name} {next(_numbers)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space: dict[str, Any] = {
        "Found": Found,
        "PduSeen": PduSeen,
        "is_printable": is_printable,
        "text_of": text_of,
        **printer.structs,
        **printer.constants,
    }
    names: dict[Step, str] = {}
    functions = {printer.state(s.name): s.name for s in stream.states}
    for function, source in _functions(text):
        if function in functions:
            space[function] = _at_first(function, functions[function], _later(source, name, space), space, names)
        else:
            _later(source, name, space)()
    return Code(
        stream=stream,
        file=name,
        text=text,
        start=space[printer.state(stream.start)],
        names=names,
        blocks=tuple(printer.blocks),
        bodies={j: _body(printer, space, j) for j in printer.bodies},
        resync=tuple(Way(r.scan, space[f"back_{k}"], space[f"found_{k}"], r.goto) for k, r in enumerate(stream.resync)),
        parameters=frozenset(parameters_of(stream)),
    )


def _functions(text: str) -> Iterator[tuple[str, str]]:
    """The name of each function of a text, and the text up to its end with nothing but line ends in front of it."""
    places = [m.start() for m in re.finditer(r"^def ", text, re.MULTILINE)]
    for start, end in itertools.pairwise([*places, len(text)]):
        yield text[start + 4 : text.index("(", start)], "\n" * text.count("\n", 0, start) + text[start:end]


def _later(source: str, file: str, space: dict[str, Any]) -> Callable[[], None]:
    """What defines a function of a text in *space*."""

    def define() -> None:
        exec(compile(source, file, "exec"), space)  # noqa: S102  our own text, printed from a verified table

    return define


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


def _body(printer: BlockPrinter, space: dict[str, Any], j: int) -> Way:
    pdu = printer.blocks[j].rule.pdu
    assert pdu is not None
    assert pdu.scan is not None
    return Way(pdu.scan, space[f"end_{j}"], space[f"done_{j}"], pdu.label)
