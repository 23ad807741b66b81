# SPDX-License-Identifier: GPL-2.0-or-later
"""What is told of a PDU, and what is remembered, as Python text.

All that is told sees the registers as they were before the PDU; the assignments come behind it, in order.  A PDU that
nobody asked for is *quiet*: its report stands below the conditions of its findings, and whatever only the report needs
is loaded there.
"""

from __future__ import annotations

from ..ir.expr import Const, Expr
from ..ir.model import Assign, State
from ..ir.steps import Block, Lowered, Placed
from .events import Kind
from .module import Module
from .printer import ADD, OR
from .steps import live, locals_of, values_only


def shown(b: Block) -> set[str]:
    """The locals that a report needs."""
    wanted = locals_of(*(n.value for n in b.notes), *(n.when for n in b.notes), *(f.when for f in b.findings))
    for p in b.placed:
        wanted |= locals_of(p.value, p.present)
    for message in (*(f.message for f in b.findings), *([b.info] if b.info else [])):
        wanted |= locals_of(*message.args)
    return wanted


def remembered(b: Block) -> set[str]:
    """The locals that facts and assignments need."""
    return locals_of(*(x.value for x in b.facts), *(e for a in b.do for e in (a.value, a.key)))


class ReportPrinter(Module):
    """Prints reports; ``report`` says which PDUs are reported whatever is found: all, none, or by name."""

    report: bool | frozenset[str] = True

    def is_loud(self, b: Block) -> bool:
        """Whether every PDU of this kind is reported."""
        pdu = b.rule.pdu
        if pdu is None or any(f.when is None for f in b.findings):
            return True
        return self.report if isinstance(self.report, bool) else pdu.name in self.report

    def tell(self, lowered: Lowered, b: Block) -> None:
        """Print the report of a PDU with a header: always, or only if there is something about it."""
        if b.rule.pdu is None:
            for f in b.findings:
                self.if_holds(f.when, f"m.remark(at, {self.found(f)})")
            return
        if self.is_loud(b):
            self._report(lowered.state, b)
            return
        conditions = self._conditions(b)
        if b.rule.enter:
            conditions.append("stop + inside > m.limit")
        elif b.payload is not None:
            conditions.append("stop > end and stop > m.limit")
        if conditions:
            with self.w.under(f"if {' or '.join(conditions)}:"):
                again = values_only((*lowered.shared, *b.steps))
                self.steps.print(live(again, shown(b)), lambda _: None)
                self._report(lowered.state, b)

    def tell_body(self, state: State, b: Block) -> None:
        """Print the report of a scanned PDU."""
        if self.is_loud(b):
            self._report_body(state, b)
        elif b.findings:
            with self.w.under(f"if {' or '.join(self._conditions(b))}:"):
                self._report_body(state, b)

    def _conditions(self, b: Block) -> list[str]:
        return [self.printer.operand(f.when, OR) for f in b.findings if f.when is not None]

    def _report(self, state: State, b: Block) -> None:
        w, head = self.w, self.steps.place(b.header)
        found = self._findings(b)
        if b.payload is not None:
            with w.under("if stop > end and stop > m.limit:"):
                w.line(f"stop, found = m.clip({head}, stop, found)")
        if b.rule.enter:
            with w.under("if stop + inside > m.limit:"):
                w.line("inside, found = m.clip_region(stop, inside, found)")
        notes, info, fields = self._notes(b), self._info(b), self._fields(b.placed)
        header = self.printer.value(b.header)
        length = self.printer.operand(b.header, ADD) + " + size" if b.payload is not None else header
        event = (
            f"PduSeen({self._kind(state, b)}, m.source, m.base + at, {length}, {header}, len(m.regions), {fields}, "
            f"{notes}, {found}, {info}, b[at : {head}], m.snap or m.look(), m.frame, m.time_ns)"
        )
        lazy = b.placed[-1] if b.placed and b.placed[-1].field.lazy else None
        if lazy is None:
            w.line(f"out({event})")
            return
        w.line(f"event = {event}")
        present = f" and {self.printer.operand(lazy.present, OR)}" if lazy.present is not None else ""
        with w.under(f"if m.keep{present}:"):
            w.line(f"m.hold(event, {lazy.field.name!r}, b[{head} : stop], stop - ({head}))")
        with w.under("else:"):
            w.line("out(event)")

    def _report_body(self, state: State, b: Block) -> None:
        found, notes, info = self._findings(b), self._notes(b), self._info(b)
        self.w.line(
            f"out(PduSeen({self._kind(state, b)}, m.source, m.body, length, 0, len(m.regions), {{}}, {notes}, {found}, "
            f"{info}, raw, m.snap or m.look(), m.frame, m.time_ns))"
        )

    def _kind(self, state: State, b: Block) -> str:
        assert b.rule.pdu is not None
        return self.constant("kind_", Kind.of(b.rule.pdu, state.name))

    def _findings(self, b: Block) -> str:
        """Print the search for findings; returns what the tuple of them is called."""
        if not b.findings and b.payload is None and not b.rule.enter:
            return "()"
        self.w.line("found = ()")
        for f in b.findings:
            self.if_holds(f.when, f"found += ({self.found(f)},)")
        return "found"

    def _fields(self, placed: tuple[Placed, ...]) -> str:
        """Print the fields in wire order; returns what the dictionary of them is called."""
        there = [p for p in placed if p.value is not None]
        first = next((i for i, p in enumerate(there) if p.present is not None), len(there))
        plain = ", ".join(f"{p.field.name!r}: {self._value(p)}" for p in there[:first])
        if first == len(there):
            return f"{{{plain}}}"
        self.w.line(f"fields = {{{plain}}}")
        for p in there[first:]:
            self.if_holds(p.present, f"fields[{p.field.name!r}] = {self._value(p)}")
        return "fields"

    def _value(self, p: Placed) -> str:
        return self.printer.number(p.value or Const(0))

    def _notes(self, b: Block) -> str:
        if not b.notes:
            return "{}"
        self.w.line("notes = {}")
        for n in b.notes:
            self.if_holds(n.when, f"notes[{n.abbrev!r}] = {self.printer.number(n.value)}")
        return "notes"

    def _info(self, b: Block) -> str:
        if b.info is None:
            return '""'
        self.w.line(f"m.info = info = text_of({b.info.format!r}, {self.args(b.info)})")
        return "info"

    # ------------------------------------------------------------------------------------------- facts, registers

    def remember(self, b: Block) -> None:
        """Print facts and assignments."""
        for x in b.facts:
            self.w.line(f"m.facts[{x.key!r}] = {self.printer.number(x.value)}")
        self.assign(b.do)

    def assign(self, do: tuple[Assign, ...]) -> None:
        """Print assignments, in order."""
        for a in do:
            local, store = self.names("S_", a.register), self.store(a.register)
            value = self.printer.number(a.value)
            if a.key is not None:
                self._write(a, a.key, local, value)
                continue
            self.w.line(f"{local} = {store}.values[{a.register!r}] = {value}")
            self.w.line("m.snap = None")
            if store == "m.shared":
                self.w.line("m.shared.version += 1")

    def _write(self, a: Assign, key: Expr, local: str, value: str) -> None:
        limit, store = self.registers[a.register].limit, self.store(a.register)
        self.w.line(f"key = {self.printer.number(key)}")
        with self.w.under(f"if m.has_room({store}, {a.register!r}, key, {limit}, at):"):
            self.w.line(f"{local} = {store}.put({a.register!r}, key, {value})")
            self.w.line("m.snap = None")
