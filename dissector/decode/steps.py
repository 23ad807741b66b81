# SPDX-License-Identifier: GPL-2.0-or-later
"""Lowered steps as Python statements.

``b`` is the buffer, ``at`` the cursor in it, ``end`` the end of the octets at hand.  A guard opens an ``if``: what
follows stands inside it, so a rule that does not hold falls through to the next one.

Two things make the output fast.  A value that nobody looks at is not computed (:func:`live`): most rules need three
octets of a header to be counted.  And loads that stand next to each other are one call of ``struct``, which costs as
much for four integers as for one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from ..ir.expr import Const, Expr, Ref, walk
from ..ir.steps import Guard, Let, Load, LoadBytes, Need, Step, When
from .printer import ADD, AND, Printer

CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
FAR = 16
"""Octets between two integers from which on a second call is no worse."""


class Writer:
    """Lines of Python, and how deep the next one stands."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def line(self, text: str) -> None:
        """Write one line."""
        self.lines.append("    " * self.depth + text)

    @contextlib.contextmanager
    def under(self, head: str) -> Iterator[None]:
        """Write *head* and what follows below it."""
        self.line(head)
        self.depth += 1
        yield
        self.depth -= 1


def locals_of(*expressions: Expr | None) -> set[str]:
    """The locals that *expressions* look at."""
    return {n.path[1] for e in expressions if e for n in walk(e) if isinstance(n, Ref) and n.path[0] == "L"}


def live(steps: Iterable[Step], wanted: set[str]) -> tuple[Step, ...]:
    """*steps* without those that neither ask nor decide, nor make anything *wanted*, which grows by what they need."""
    out: list[Step] = []
    for s in reversed(tuple(steps)):
        if isinstance(s, Need):
            wanted |= locals_of(s.octets)
        elif isinstance(s, Guard):
            wanted |= locals_of(s.cond)
        elif isinstance(s, When):
            inner = live(s.steps, wanted)
            otherwise = tuple(x for x in s.otherwise if x.var in wanted)
            if not inner and not otherwise:
                continue
            wanted |= locals_of(s.cond)
            s = When(s.cond, inner, otherwise)  # noqa: PLW2901  the same step, thinner
        elif s.var not in wanted:
            continue
        elif isinstance(s, Let):
            wanted |= locals_of(s.value)
        else:
            wanted |= locals_of(s.offset, s.size if isinstance(s, LoadBytes) else None)
        out.append(s)
    return tuple(reversed(out))


def values_only(steps: Iterable[Step]) -> tuple[Step, ...]:
    """*steps* as they are repeated where all is known to be there and to hold."""
    kept = (s for s in steps if not isinstance(s, Need | Guard))
    return tuple(When(s.cond, values_only(s.steps), s.otherwise) if isinstance(s, When) else s for s in kept)


class StepPrinter:
    """Prints steps.  ``structs`` collects the ``unpack_from`` functions that the output calls: name -> format."""

    def __init__(self, writer: Writer, printer: Printer, local: Callable[[str], str], structs: dict[str, str]) -> None:
        self.w, self.printer, self.local, self.structs = writer, printer, local, structs
        self.settled: dict[str, Expr | None] = {}
        self.settled_depth = -1

    def settle(self, shared: tuple[Step, ...]) -> None:
        """From here on, a local made of *shared* ones alone is made once, unless it stands below a condition."""
        self.settled = {s.var: None for s in shared if isinstance(s, Load)}
        self.settled_depth = self.w.depth

    def print(self, steps: tuple[Step, ...], wait: Callable[[Expr], None]) -> None:
        """Print *steps*; *wait* prints what is done when so many octets may not be there.

        The writer stays as deep as the guards are.
        """
        rest = list(steps)
        while rest:
            s = rest.pop(0)
            if isinstance(s, Need):
                wait(s.octets)
            elif isinstance(s, Guard):
                self._guard(s, rest)
            elif isinstance(s, When):
                self._when(s, wait)
            elif isinstance(s, Load):
                together = [s]
                while rest and isinstance(more := rest[0], Load) and _is_plain(more) and _is_plain(s):
                    together.append(more)
                    del rest[0]
                self._loads(together)
            elif isinstance(s, LoadBytes):
                self.settled.pop(s.var, None)
                stop = self.place(s.offset, s.size)
                self.w.line(f"{self.local(s.var)} = b[{self.place(s.offset)} : {stop}]")
            elif not self._is_settled(s):
                self.w.line(f"{self.local(s.var)} = {self.printer.value(s.value)}")

    def _is_settled(self, s: Let) -> bool:
        """Whether the local has this value already."""
        if self.settled.get(s.var) == s.value:
            return True
        self.settled.pop(s.var, None)
        if self.w.depth == self.settled_depth and all(self.settled.get(x, s) is None for x in locals_of(s.value)):
            self.settled[s.var] = s.value
        return False

    def place(self, *offsets: Expr) -> str:
        """The index of the octet so far from the cursor."""
        known = sum(e.value for e in offsets if isinstance(e, Const) and isinstance(e.value, int))
        others = [self.printer.operand(e, ADD + 1) for e in offsets if not isinstance(e, Const)]
        return " + ".join(["at", *others, *([str(known)] if known else [])])

    def _guard(self, s: Guard, rest: list[Step]) -> None:
        conditions = [s.cond]
        while rest and isinstance(more := rest[0], Guard):
            conditions.append(more.cond)
            del rest[0]
        text = " and ".join(self.printer.operand(c, AND) for c in conditions)
        self.w.line(f"if {text}:")
        self.w.depth += 1

    def _when(self, s: When, wait: Callable[[Expr], None]) -> None:
        for x in s.otherwise:
            self.settled.pop(x.var, None)
        with self.w.under(f"if {self.printer.value(s.cond)}:"):
            depth = self.w.depth
            if not s.steps:
                self.w.line("pass")
            self.print(s.steps, wait)
            self.w.depth = depth
        if s.otherwise:
            names = ", ".join(self.local(x.var) for x in s.otherwise)
            values = ", ".join(self.printer.value(x.value) for x in s.otherwise)
            with self.w.under("else:"):
                self.w.line(f"{names} = {values}")

    def _loads(self, loads: list[Load]) -> None:
        """One call for loads that follow each other in the buffer, whatever their order in the steps."""
        if not _is_plain(loads[0]):
            self._single(loads[0])
            return
        group: list[Load] = []
        for s in sorted(loads, key=lambda x: (x.little, _at(x), x.size)):
            stop = _at(group[-1]) + group[-1].size if group else 0
            if group and (s.little != group[-1].little or not 0 <= _at(s) - stop <= FAR):
                self._group(group)
                group = []
            group.append(s)
        self._group(group)

    def _group(self, group: list[Load]) -> None:
        if len(group) == 1:
            self._single(group[0])
            return
        fmt, stop = "<" if group[0].little else ">", _at(group[0])
        for s in group:
            gap = _at(s) - stop
            fmt += (f"{gap}x" if gap else "") + CODES[s.size]
            stop = _at(s) + s.size
        names = ", ".join(self.local(s.var) for s in group)
        self.w.line(f"{names} = {self._unpack(fmt)}(b, {self.place(group[0].offset)})")

    def _single(self, s: Load) -> None:
        name, place = self.local(s.var), self.place(s.offset)
        if s.size == 1:
            self.w.line(f"{name} = b[{place}]")
        elif s.size in CODES:
            fmt = ("<" if s.little else ">") + CODES[s.size]
            self.w.line(f"{name}, = {self._unpack(fmt)}(b, {place})")
        else:
            stop = self.place(s.offset, Const(s.size))
            order = "little" if s.little else "big"
            self.w.line(f'{name} = int.from_bytes(b[{place} : {stop}], "{order}")')

    def _unpack(self, fmt: str) -> str:
        name = ("le_" if fmt[0] == "<" else "be_") + fmt[1:]
        self.structs[name] = fmt
        return name


def _is_plain(s: Load) -> bool:
    return isinstance(s.offset, Const) and s.size in CODES


def _at(s: Load) -> int:
    return s.offset.value if isinstance(s.offset, Const) and isinstance(s.offset.value, int) else 0
