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

The text is registered with ``linecache``, so that a traceback shows it, and ``Code.text`` has it for whoever wants to
see what a stream became.
"""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from ..ir.model import Scan, Stream
from ..ir.steps import Block
from .blocks import BlockPrinter
from .events import Found, PduSeen, text_of
from .printer import is_printable

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
    exec(compile(text, name, "exec"), space)  # noqa: S102  the text above is ours, printed from a verified table
    steps = {state: space[printer.state(state)] for state in (s.name for s in stream.states)}
    return Code(
        stream=stream,
        file=name,
        text=text,
        start=steps[stream.start],
        names={f: state for state, f in steps.items()},
        blocks=tuple(printer.blocks),
        bodies={j: _body(printer, space, j) for j in printer.bodies},
        resync=tuple(Way(r.scan, space[f"back_{k}"], space[f"found_{k}"], r.goto) for k, r in enumerate(stream.resync)),
    )


def _body(printer: BlockPrinter, space: dict[str, Any], j: int) -> Way:
    pdu = printer.blocks[j].rule.pdu
    assert pdu is not None
    assert pdu.scan is not None
    return Way(pdu.scan, space[f"end_{j}"], space[f"done_{j}"], pdu.label)
