# SPDX-License-Identifier: GPL-2.0-or-later
"""A module of printed functions: names, constants, and what a function fetches before it begins.

Registers and parameters are locals of the functions that look at them, fetched once at the head: a local costs a
tenth of two attributes and a key, and nobody else changes a register while a function runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..errors import DissectorError
from ..ir.expr import Expr, Ref
from ..ir.model import Stream
from ..ir.pdus import Finding, Message
from .printer import Printer
from .steps import StepPrinter, Writer


class Names:
    """Python identifiers for names that may be anything."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, str], str] = {}

    def __call__(self, prefix: str, name: str) -> str:
        """The identifier for *name* under *prefix*: always the same one, and no other name's."""
        key = prefix, name
        if key not in self.given:
            text, taken = prefix + re.sub(r"\W", "_", name, flags=re.ASCII), set(self.given.values())
            while text in taken:
                text += "_"
            self.given[key] = text
        return self.given[key]


class Module:
    """What printers of functions share.  ``constants`` and ``structs`` are what the text refers to."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.registers = {r.name: r for r in stream.registers}
        self.constants: dict[str, Any] = {}
        self.structs: dict[str, str] = {}
        self.names = Names()
        self.used: dict[str, str] = {}
        self.printer = Printer(self.name)
        self.w = Writer()
        self.steps = StepPrinter(self.w, self.printer, self.local, self.structs)

    def print_function(self, name: str, arguments: str, doc: str, body: Callable[[], None]) -> list[str]:
        """A function around what *body* writes."""
        self.w, self.used = Writer(), {}
        self.w.depth = 1
        self.steps = StepPrinter(self.w, self.printer, self.local, self.structs)
        body()
        head = ["", "", f"def {name}(m, {arguments}):", f"    {doc!r}"]
        text = "\n".join(self.w.lines)
        for local, value in (("T", "m.tally"), ("out", "m.out"), *self.used.items()):
            if re.search(rf"\b{local}\b", text):
                head.append(f"    {local} = {value}")
        return head + self.w.lines

    def local(self, name: str) -> str:
        """The identifier of a local of the lowered steps."""
        return self.names("", name)

    def name(self, r: Ref) -> str:
        """The identifier of a reference; a register or parameter is fetched from now on."""
        if len(r.path) == 2 and r.path[0] == "L":
            return self.local(r.path[1])
        if len(r.path) == 2 and r.path[0] in ("S", "P"):
            scope, name = r.path
            text = self.names(f"{scope}_", name)
            store = "m.parameters" if scope == "P" else f"{self.store(name)}.values"
            self.used[text] = f"{store}[{name!r}]"
            return text
        raise DissectorError(f"stream {self.stream.name}", f"{'.'.join(r.path)} is not known where it is looked at")

    def store(self, register: str) -> str:
        """Who keeps a register."""
        return "m.shared" if self.registers[register].scope == "conversation" else "m.own"

    def state(self, name: str) -> str:
        """The name of a state's function."""
        return self.names("state_", name)

    def constant(self, prefix: str, value: Any) -> str:
        """A name for *value* in the module."""
        name = f"{prefix}{len(self.constants)}"
        self.constants[name] = value
        return name

    def found(self, f: Finding) -> str:
        """An expression that makes the finding as it was met."""
        return f"Found.of({self.constant('finding_', f)}, {self.args(f.message)})"

    def args(self, m: Message) -> str:
        """The values of a message."""
        return self.tuple([self.printer.number(a) for a in m.args])

    @staticmethod
    def tuple(items: list[str]) -> str:
        """A tuple of *items*."""
        return f"({', '.join(items)},)" if items else "()"

    def if_holds(self, when: Expr | None, line: str) -> None:
        """Print *line*, under the condition if there is one."""
        if when is None:
            self.w.line(line)
        else:
            with self.w.under(f"if {self.printer.value(when)}:"):
                self.w.line(line)
