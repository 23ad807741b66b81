# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector check``: what of a protocol, a layer or a module can be translated, and what is refused and why.

A layer is looked at as a packet, which :mod:`dissector.cli.layers` does; one that was made for a stream, a
:class:`~dissector.protocols.pdu.Pdu`, as a part of a stream.

``generate`` stops at the first refusal; whoever writes a layer wants them all.  So every layer is translated by
itself, and every rule of a stream alone in a copy of its stream that has no other rule.  What only the whole can have
wrong (a state that nothing leads to, a circle that reads nothing) is looked for when all parts are well.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from dissector import declare as d
from dissector.cli.target import add_target, load
from dissector.errors import Refused
from dissector.frontend.layers import relative, translate_layer
from dissector.frontend.streams import translate_protocol
from dissector.ir.verify import verify
from dissector.protocols.pdu import Pdu

if TYPE_CHECKING:
    import argparse


@dataclasses.dataclass(frozen=True, slots=True)
class Translated:
    """A layer or a rule that can be generated."""

    kind: Literal["layer", "rule"]
    name: str
    where: str


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """What is refused."""

    where: str
    what: str
    hint: str


class Report:
    """What was found; a problem that several parts share is kept once."""

    def __init__(self) -> None:
        self.translated: list[Translated] = []
        self.refused: dict[tuple[str, str], Problem] = {}

    def refuse(self, where: str, what: str, hint: str) -> None:
        """Keep a problem."""
        self.refused.setdefault((where, what), Problem(where, what, hint))

    def translate(self, name: str, where: str) -> None:
        """Keep a layer that can be generated."""
        self.translated.append(Translated("layer", name, where))

    def layer(self, layer: type) -> None:
        """Translate one layer of a stream."""
        try:
            pdu = translate_layer(layer)
        except Refused as error:
            self.refuse(error.where, error.what, error.hint)
        else:
            self.translate(pdu.name, str(pdu.source))

    def part(self, protocol: d.Protocol, stream: d.Stream, what: Translated | None = None) -> None:
        """Translate a stream of which most was taken away."""
        channel = d.Channel(stream.name, stream.name, stream)
        try:
            translate_protocol(dataclasses.replace(protocol, channels=(channel,), over=None))
        except Refused as error:
            self.refuse(error.where, error.what, error.hint)
        else:
            if what:
                self.translated.append(what)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the subcommand takes."""
    add_target(
        parser, "package, module, module:Class, or module:NAME of a protocol (default: QEMU's migration protocol)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Translate everything that the target names."""
    report = Report()
    inspect(report, load(options.target), options.target)
    if options.json:
        print_json(report, options.target)
    else:
        print_text(report, rules=options.verbose > 0)
    return 1 if report.refused else 0


def inspect(report: Report, target: Any, name: str) -> None:
    """Choose by what the target is."""
    if isinstance(target, d.Protocol):
        check_protocol(report, target)
    elif isinstance(target, type) and issubclass(target, Pdu):
        report.layer(target)
    else:
        inspect_layers(report, target, name)


def inspect_layers(report: Report, target: Any, name: str) -> None:
    """Choose between layers of packets and a module with those of a stream."""
    from dissector.cli.layers import check_class, check_modules, layers_of  # noqa: PLC0415 - with all of Scapy's layers

    if not isinstance(target, ModuleType):
        check_class(report, target, name)
    elif any(issubclass(layer, Pdu) for layer in layers_of(target)):
        for layer in layers_of(target):
            report.layer(layer)
    else:
        check_modules(report, target)


def check_protocol(report: Report, protocol: d.Protocol) -> None:
    """Translate the layers, the rules and the rest of a protocol."""
    streams = {s.name: s for c in protocol.channels for s in (c.forward, c.reverse) if s}
    for layer in {r.pdu: None for s in streams.values() for x in s.states for r in x.rules if r.pdu}:
        report.layer(layer)
    for stream in streams.values():
        check_stream(report, protocol, stream)
    if not report.refused:
        check_whole(report, protocol)


def check_stream(report: Report, protocol: d.Protocol, stream: d.Stream) -> None:
    """Translate a stream without its rules, then each of them alone."""
    empty = {state.name: d.State(state.name) for state in stream.states}
    report.part(protocol, with_states(stream, empty))
    bare = dataclasses.replace(stream, resync=())
    for state in stream.states:
        for rule in state.rules:
            name = f"{stream.name}/{state.name}: {rule.pdu.__name__ if rule.pdu else 'no layer'}"
            where = f"{relative(rule.source.file)}:{rule.source.line}"
            alone = with_states(bare, empty | {state.name: d.State(state.name, rule)})
            report.part(protocol, alone, Translated("rule", name, where))


def with_states(stream: d.Stream, states: dict[str, d.State]) -> d.Stream:
    """Give *stream* with other rules in its states."""
    return dataclasses.replace(stream, states=tuple(states.values()))


def check_whole(report: Report, protocol: d.Protocol) -> None:
    """Look for what only the whole can have wrong."""
    try:
        problems = verify(translate_protocol(protocol))
    except Refused as error:
        report.refuse(error.where, error.what, error.hint)
        return
    for problem in problems:
        report.refuse(problem.where, problem.what, problem.hint)


def print_text(report: Report, *, rules: bool) -> None:
    """Print a line for everything, and what the problems are below it."""
    for item in report.translated:
        if item.kind == "layer" or rules:
            print(f"{item.where}: {item.name} translates")
    for problem in report.refused.values():
        print(f"{problem.where}: refused: {problem.what}")
        if problem.hint:
            print(f"  hint: {problem.hint}")
    number = Counter(item.kind for item in report.translated)
    counts = [plural(number[kind], kind) for kind in ("layer", "rule") if number[kind] or kind == "layer"]
    print(f"{' and '.join(counts)} translated, {plural(len(report.refused), 'problem')}")


def print_json(report: Report, target: str) -> None:
    """Print the report as one object; docs/json.md describes it."""
    result = {
        "target": target,
        "translated": [dataclasses.asdict(item) for item in report.translated],
        "refused": [dataclasses.asdict(problem) for problem in report.refused.values()],
    }
    print(json.dumps(result, indent=2))


def plural(number: int, noun: str) -> str:
    """Count *noun*."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
