# SPDX-License-Identifier: GPL-2.0-or-later
"""Lowered states as the text of Python functions; :mod:`.compile` says what they look like.

The order in which things happen when a rule holds is that of ``docs/executors.md``: it is told (:mod:`.report`),
counted, remembered, and then the position moves.
"""

from __future__ import annotations

from ..ir.expr import Const, Expr, Ref, rewrite
from ..ir.findings import LONGEST
from ..ir.lower import lower, lower_scan
from ..ir.model import Assign, State, Stream
from ..ir.pdus import Scan
from ..ir.steps import Block, Lowered
from .mixed import Mix
from .printer import MUL
from .report import ReportPrinter, remembered, shown
from .runs import Run
from .steps import live, locals_of

STREAK = 15
"""So many PDUs of a kind in a row are read one by one before a run is looked for."""

TURNS = 2
"""So often another kind follows before they are read together."""


class BlockPrinter(ReportPrinter):
    """Prints a stream; ``blocks`` are its rules in the order of the machine's tally."""

    def __init__(self, stream: Stream, report: bool | frozenset[str]) -> None:
        super().__init__(stream)
        self.report = report
        self.lowered = lower(stream)
        self.blocks = [b for s in self.lowered for b in s.blocks]
        self.mix = ""
        """The name of the object that reads two kinds of PDUs of the state together, if there can be any."""
        self.bodies = [j for j, b in enumerate(self.blocks) if b.rule.pdu and b.rule.pdu.scan and not b.rule.fault]

    def text(self) -> str:
        """The whole module."""
        lines = [f"# stream {self.stream.name}"]
        number = 0
        for s in self.lowered:
            lines += self._state_function(s, number)
            number += len(s.blocks)
        for j in self.bodies:
            lines += self._body_functions(j)
        for k, r in enumerate(self.stream.resync):
            lines += self._scan(f"back_{k}", r.scan, f"a way back to {r.goto}")
            do = tuple(Assign(a.register, self._typed(a.value), a.key and self._typed(a.key)) for a in r.do)
            lines += self._found(k, r.goto, do)
        return "\n".join(lines) + "\n"

    # -------------------------------------------------------------------------------------------------- states

    def _state_function(self, s: Lowered, number: int) -> list[str]:
        doc = f"{s.state.name}: {s.state.doc}" if s.state.doc else s.state.name
        indexed = list(enumerate(s.blocks, number))
        return self.print_function(self.state(s.state.name), "b, at, end", doc, lambda: self._state(s, indexed))

    def _state(self, lowered: Lowered, blocks: list[tuple[int, Block]]) -> None:
        runs = {j: self.constants[run] for j, b in blocks if (run := self._run(lowered, j, b))}
        self.mix = self.constant("mix_", Mix.of(runs)) if len(runs) > 1 else ""
        if runs:
            self.w.line("hit, streak = -1, 0" if not self.mix else "hit, streak, turns = -1, 0, 0")
        if any(_stays(lowered, b) for _, b in blocks):
            self.w.line("while True:")
            self.w.depth += 1
        kept = [live(b.steps, self._wanted(b)) for _, b in blocks]
        wanted: set[str] = set()
        for (_, b), steps in zip(blocks, kept, strict=True):
            wanted |= self._wanted(b)
            live(steps, wanted)
        self.steps.print(live(lowered.shared, wanted), self._wait)
        self.steps.settle(lowered.shared)
        for (j, b), steps in zip(blocks, kept, strict=True):
            depth = self.w.depth
            self.w.line(f"# {_title(b)}  {b.rule.source}")
            self.steps.print(steps, self._wait)
            always = self.w.depth == depth
            self._commit(lowered, j, b)
            self.w.depth = depth
            if always:
                return

    def _wanted(self, b: Block) -> set[str]:
        """The locals that a block needs beside those of its steps."""
        wanted = remembered(b) | locals_of(b.header, b.payload, b.size, *(f.when for f in b.findings))
        return wanted | shown(b) if b.rule.fault or self.is_loud(b) else wanted

    def _wait(self, octets: Expr) -> None:
        if isinstance(octets, Const):
            n = repr(octets.value)
        else:
            n = "need"
            self.w.line(f"need = {self.printer.value(octets)}")
            with self.w.under(f"if need > {LONGEST}:"):
                self.w.line("return m.too_long(b, at, need)")
        with self.w.under(f"if at + {n} > end:"):
            self.w.line(f"m.need = {n}")
            self.w.line("return at")

    # ---------------------------------------------------------------------------------------- when a rule holds

    def _commit(self, lowered: Lowered, j: int, b: Block) -> None:
        rule, w = b.rule, self.w
        if rule.fault is not None:
            f = b.findings[-1]
            w.line(f"return m.fault(b, at, {self.constant('finding_', f)}, {self.args(f.message)}, {j})")
            return
        if rule.pdu is not None and rule.pdu.scan is not None:
            w.line(f"return m.begin(at, {j}, {self.tuple(self._held(b))})")
            return
        if rule.enter:
            with w.under(f"if len(m.regions) >= {self.stream.depth}:"):
                w.line("return m.too_deep(b, at)")
        stop = self._extent(b)
        self.tell(lowered, b)
        if rule.pdu is not None or rule.count:
            w.line(f"T[{j}] += 1")
        self.remember(b)
        self._move(lowered, j, b, stop)

    def _extent(self, b: Block) -> str:
        """Print how far the PDU reaches; returns what its end is called."""
        if b.payload is None and not b.rule.enter:
            return self.steps.place(b.header)
        if b.payload is not None:
            self.w.line(f"size = {self.printer.value(b.payload)}")
        self.w.line(f"stop = {self.steps.place(b.header)}" + (" + size" if b.payload is not None else ""))
        if b.rule.enter:
            self.w.line(f"inside = {self.printer.value(b.size or Const(0))}")
        return "stop"

    def _move(self, lowered: Lowered, j: int, b: Block, stop: str) -> None:
        """Print where it goes on."""
        rule, w = b.rule, self.w
        label = rule.pdu.label if rule.pdu else lowered.state.name
        if rule.enter:
            w.line(f"m.enter(stop, inside, {self.state(rule.goto)}, {label!r})")
        if _stays(lowered, b):
            self._stay(lowered, j, b, stop)
            return
        w.line(f"m.step = {self.state(rule.enter or rule.goto)}")
        if b.payload is not None:
            w.line(f"m.inside = {label!r}")
        w.line(f"return {stop}")

    def _stay(self, lowered: Lowered, j: int, b: Block, stop: str) -> None:
        w, run = self.w, self._run(lowered, j, b)
        w.line(f"at = {stop}" if stop == "stop" else f"at += {self.printer.value(b.header)}")
        if b.payload is not None:
            assert b.rule.pdu is not None
            with w.under("if at > end:"):
                w.line(f"m.inside = {b.rule.pdu.label!r}")
                w.line("return at")
        if run is not None:
            self._look_for_run(j, b, run)
        if not lowered.shared:
            with w.under("if at >= end:"):
                w.line("return at")
        w.line("continue")

    # ------------------------------------------------------------------------------------------------------ runs

    def _run(self, lowered: Lowered, j: int, b: Block) -> str | None:
        """The name of the object that finds runs of this block, if there can be any."""
        if self.is_loud(b) or not _stays(lowered, b):
            return None
        name = f"run_{j}"
        if name not in self.constants:
            self.constants[name] = Run.of(lowered, b)
        return name if self.constants[name] is not None else None

    def _look_for_run(self, j: int, b: Block, run: str) -> None:
        w = self.w
        values = "".join(f", {self.name(r)}" for r in self.constants[run].refs)
        with w.under(f"if hit != {j}:"):
            if self.mix:
                self._take_turns(j)
            w.line(f"hit, streak = {j}, 0")
        with w.under(f"elif streak < {STREAK}:"):
            w.line("streak += 1")
        with w.under("else:"):
            w.line(f"count = {run}(b, at, end{values})")
            w.line(f"T[{j}] += count")
            header = self.printer.operand(b.header, MUL)
            w.line(f"at += count * ({header} + size)" if b.payload is not None else f"at += count * {header}")
            w.line("streak = 0")

    def _take_turns(self, j: int) -> None:
        w = self.w
        values = "".join(f", {self.name(r)}" for r in self.constants[self.mix].refs)
        w.line("turns += 1")
        with w.under(f"if turns > {TURNS}:"):
            w.line(f"at = {self.mix}(T, (hit, {j}), b, at, end{values})")
            w.line("turns = 0")

    # -------------------------------------------------------------------------------------------- scans, resync

    def _body_functions(self, j: int) -> list[str]:
        b = self.blocks[j]
        pdu = b.rule.pdu
        assert pdu is not None
        assert pdu.scan is not None
        state = next(s.state for s in self.lowered if any(x is b for x in s.blocks))
        lines = self._scan(f"end_{j}", pdu.scan, f"the end of {pdu.label}")
        return lines + self.print_function(f"done_{j}", "at, length, raw", pdu.label, lambda: self._done(j, state))

    def _held(self, b: Block) -> list[str]:
        """The locals of a scanned PDU's rule that are looked at when its end is found."""
        return sorted(self.local(name) for name in remembered(b) | shown(b))

    def _done(self, j: int, state: State) -> None:
        """The end of a scanned PDU: what is otherwise done behind a header.  One of no octets is not told."""
        b, w = self.blocks[j], self.w
        held = self._held(b)
        if held:
            w.line(f"{', '.join(held)}, = m.held")
        with w.under("if length:"):
            self.tell_body(state, b)
            w.line(f"T[{j}] += 1")
        self.remember(b)
        w.line(f"m.step = {self.state(b.rule.goto)}")

    def _found(self, k: int, goto: str, do: tuple[Assign, ...]) -> list[str]:
        def body() -> None:
            self.assign(do)
            self.w.line(f"m.step = {self.state(goto)}")

        return self.print_function(f"found_{k}", "at, length, raw", goto, body)

    def _scan(self, name: str, scan: Scan, doc: str) -> list[str]:
        steps = lower_scan(scan, self.stream.registers)

        def wait(octets: Expr) -> None:
            n = self.printer.value(octets)
            if not isinstance(octets, Const):
                self.w.line(f"need = {n}")
                n = "need"
            with self.w.under(f"if {n} > {scan.window}:"):
                self.w.line("return -1")
            with self.w.under(f"if at + {n} > end:"):
                self.w.line(f"return {n}")

        def body() -> None:
            self.steps.print(live(steps, set()), wait)
            self.w.line("return 0")
            self.w.depth = 1
            self.w.line("return -1")

        return self.print_function(name, "b, at, end", doc, body)

    def _typed(self, e: Expr) -> Expr:
        """*e* as :func:`~dissector.ir.lower.lower` leaves expressions: references with their types."""

        def typed(n: Expr) -> Expr | None:
            if isinstance(n, Ref) and n.path[0] == "S":
                return Ref(n.path, self.registers[n.path[1]].type)
            return None

        return rewrite(e, typed)


def _stays(lowered: Lowered, b: Block) -> bool:
    """Whether the function may go on with the next PDU itself: it stays in its state, and it moves."""
    r = b.rule
    if r.pdu is None or r.pdu.scan or r.fault or r.enter or r.goto != lowered.state.name:
        return False
    return isinstance(b.header, Const) and isinstance(b.header.value, int) and b.header.value > 0


def _title(b: Block) -> str:
    if b.rule.fault:
        return f"fault {b.rule.fault.name}"
    return b.rule.pdu.label if b.rule.pdu else f"go on with {b.rule.goto}"
