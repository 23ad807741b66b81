# SPDX-License-Identifier: GPL-2.0-or-later
"""Loops for what streams are full of: runs of one PDU that changes nothing but the position and counts.

A gigabyte of pages is a quarter of a million such PDUs, a gigabyte of nine-octet records a hundred million; here every
instruction counts.  A run with a payload asks the tvb for the octets of each header and never touches the payload; a
run without one goes through the window.  Registers cannot change inside a run, but for one that may say how many PDUs
are left, so they are read once before it; the octets that the conditions look at are fetched by one call of ``byte``;
nothing else is loaded.  What a loop is and what it must ask for is :mod:`dissector.ir.loops`' business.

The loops are made from the same steps as the rules.  They are skipped while somebody looks (``want``), since then
every PDU gets its items.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.expr import Bin, Const, Expr, Ref, Un, rewrite, walk
from ...ir.loops import Loop, loops_of
from ...ir.model import Assign
from ...ir.simplify import truth
from ...ir.steps import Block, Guard, Let, Load, Lowered, Need, Step
from .printer import ADD, AND, Printer
from .shapes import shape_of
from .steps import StreamPrinter

HALF = 4
"""Octets of an integer that is exact as a number of any Lua."""


class RunPrinter:
    """The loops of one stream."""

    def __init__(self, stream: StreamPrinter, table: str) -> None:
        self.stream, self.names, self.table = stream, stream.names, table
        self.shapes: list[str] = []
        self.registers: dict[str, str] = {}
        self.printer = Printer(self._register)

    def _register(self, name: str) -> str:
        return self.registers.setdefault(name, f"r_{name}")

    def runs(self, lowered: Lowered) -> tuple[list[str], list[str]]:
        """For a state: the lines of a table about runs over the tvb, and of a function for runs over the window."""
        pages: list[str] = []
        records: list[str] = []
        for loop in loops_of(lowered):
            b = loop.block
            steps = [s for s in loop.guards if not isinstance(s, Need)]
            if not all(isinstance(s, Guard | Let | Load) for s in steps) or b.header == Const(0):
                continue
            if any(isinstance(s, Load) and (s.little or not isinstance(s.offset, Const)) for s in steps):
                continue
            self.registers = {}
            if b.payload is None:
                records += self._records(loop, steps, self.stream.state(lowered.state.name))
            elif not loop.first:
                pages = pages or self._pages(b, steps, self.stream.state(lowered.state.name))
        return pages, records

    def _guards(self, steps: Sequence[Step], octet: str) -> tuple[list[Expr], list[int]]:
        """The conditions over single octets, and which octets those are; *octet* names octet n as f"{octet}{n}"."""
        values: dict[tuple[str, ...], Expr] = {}
        out: list[Expr] = []
        used: set[int] = set()

        def known(n: Expr) -> Expr | None:
            return values.get(n.path) if isinstance(n, Ref) else None

        for s in steps:
            if isinstance(s, Load) and isinstance(s.offset, Const) and isinstance(s.offset.value, int):
                values["L", s.var] = _integer(s.offset.value, s.size, octet)
            elif isinstance(s, Let):
                values["L", s.var] = rewrite(s.value, known)
            elif isinstance(s, Guard):
                out.append(rewrite(s.cond, known))
        for e in out:
            used |= {int(n.path[1].removeprefix(octet)) for n in walk(e) if isinstance(n, Ref) and n.path[0] == "L"}
        return out, sorted(used)

    def _leaves(self, guards: list[Expr]) -> list[str]:
        """Out of the loop where one of these does not hold."""
        return [f"  if {self.printer.cond(Un('not', g))} then break end" for g in guards]

    def _shape(self, b: Block, steps: Sequence[Step], state: str) -> str | None:
        """The call that gives the shape of a header, if it has one."""
        shape, header = shape_of(steps), _octets(b)
        if shape is None or header is None or b.rule.pdu is None:
            return None
        name = f"{b.rule.pdu.name}_{state}"
        lines = shape.lines(header)
        self.shapes += [f"{name} = {lines[0]}", *lines[1:-1], f"{lines[-1]},"]
        values = ", ".join(self.printer.value(e) for e in shape.parameters.values())
        return f"{self.table}.shapes.{name}({values})"

    def _pages(self, b: Block, steps: Sequence[Step], state: str) -> list[str]:
        """For the runtime: the shape of a header and how far it is to the next one, and a loop without shapes."""
        header = _octets(b)
        if header is None or b.payload is None or b.rule.pdu is None or not b.rule.count:
            return []
        guards, used = self._guards(steps, "b")
        if not used or any(isinstance(n, Ref) and n.path[0] == "L" for n in walk(b.payload)):
            return []
        first, last = used[0], used[-1]
        names = ", ".join(f"b{i}" for i in range(first, last + 1))
        loop = ["while o <= stop do", f"  local {names} = byte(raw(tvb, o, {last + 1}), {first + 1}, {last + 1})"]
        loop += self._leaves(guards)
        loop += ["  k = k + 1", "  o = o + size", "end", "return o, k"]
        hoisted = self._hoisted()
        self.registers = {}
        shape = self._shape(b, steps, state) or "false"
        size = f"{header} + {self.printer.operand(b.payload, ADD + 1)}"
        pdu, counter = self.names.pdus[b.rule.pdu.name], self.names.counters[b.rule.count]
        return [
            f"-- {b.rule.pdu.label}  ({b.rule.source})",
            f"pdu = {pdu}, counter = {counter}, header = {header},",
            "shape = function()",
            *("  " + x for x in [*self._hoisted(), f"return {shape}, {size}"]),
            "end,",
            "loop = function(tvb, o, stop, size)",
            *("  " + x for x in [*hoisted, "local k = 0", *loop]),
            "end,",
        ]

    def _hoisted(self) -> list[str]:
        """The registers that were asked for, as locals."""
        return [f"local {local} = {self.stream.register(name)}" for name, local in self.registers.items()]

    def _records(self, found: Loop, steps: Sequence[Step], state: str) -> list[str]:
        b, header = found.block, _octets(found.block)
        if header is None or b.rule.pdu is None:
            return []
        guards, used = self._guards(steps, "b")
        if not used:
            return []
        first, last = used[0], used[-1]
        names = ", ".join(f"b{i}" for i in range(first, last + 1))
        loop = [f"local stop = m - {header - 1}", "while q <= stop do"]
        loop += [f"  local {names} = byte(s, q + {first}, q + {last})"]
        loop += self._leaves(guards)
        loop += ["  k = k + 1", f"  q = q + {header}", "end"]
        quick = ["local _, last = is:find(s, q)", "if last > m then last = m end"]
        quick += [f"k = floor((last - q + 1) / {header})", f"q = q + {header} * k"]
        body = ["local k = 0", *self._bound(found, header), *_choice(self._shape(b, steps, state), quick, loop)]
        return self._framed(found, [*body, "if k > 0 then", *("  " + x for x in self._counts(found)), "end"])

    def _bound(self, found: Loop, header: int) -> list[str]:
        """What keeps a run from being longer than the register says."""
        if found.left is None:
            return []
        return [f"local m, most = m, q - 1 + {header} * {self._register(found.left)}", "if most < m then m = most end"]

    def _counts(self, found: Loop) -> list[str]:
        """What a run of k PDUs changes."""
        rule = found.block.rule
        assert rule.pdu is not None
        k = self.names.pdus[rule.pdu.name]
        out = [f"seen[{k}] = seen[{k}] + k"]
        if rule.count:
            out.append(f"count({self.names.counters[rule.count]}, k)")
        if found.left is not None:
            now = Bin("-", Ref(("S", found.left), "int"), Ref(("L", "k"), "int"))
            out += self.stream.assign(Assign(found.left, now))
        return out

    def _framed(self, found: Loop, loop: list[str]) -> list[str]:
        """A loop with its registers before it, if it can be."""
        rule = found.block.rule
        tests = [Printer(self.stream.register).operand(truth(e), AND) for e in found.first]
        head = f"if {' and '.join(tests)} then" if tests else "do"
        label = rule.pdu.label if rule.pdu else ""
        return [f"-- {label}  ({rule.source})", head, *("  " + x for x in [*self._hoisted(), *loop]), "end"]


def _choice(shape: str | None, quick: list[str], loop: list[str]) -> list[str]:
    """*quick* where there is a shape, else *loop*."""
    if shape is None:
        return loop
    return [f"local is = {shape}", "if is then", *("  " + x for x in quick), "else", *("  " + x for x in loop), "end"]


def _octets(b: Block) -> int | None:
    return b.header.value if isinstance(b.header, Const) and isinstance(b.header.value, int) else None


def _integer(offset: int, size: int, octet: str) -> Expr:
    """The big-endian integer of *size* octets from single ones; in halves, since 64-bit integers wrap."""
    if size > HALF:
        high, low = _integer(offset, size - HALF, octet), _integer(offset + size - HALF, HALF, octet)
        return Bin("+", Bin("*", high, Const(1 << 8 * HALF)), low)
    out: Expr = Ref(("L", f"{octet}{offset}"), "int")
    for i in range(offset + 1, offset + size):
        out = Bin("+", Bin("*", out, Const(256)), Ref(("L", f"{octet}{i}"), "int"))
    return out
