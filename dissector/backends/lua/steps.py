# SPDX-License-Identifier: GPL-2.0-or-later
"""Lowered states as Lua functions.

A state is ``function(s, q, m)``: *s* the octets at hand, *q* the index of the first one to read, *m* the last that may
be looked at.  It returns the index behind what it consumed, or ``nil, need`` when octets are lacking, or ``false``
after a fault.  Inside, every rule is a ``repeat ... until true`` that is left with ``break`` when it does not hold.

What a rule shows is written in place, behind ``if want``: reading and showing use the same offsets, so they cannot
drift apart, and a pass over a gigabyte without a tree pays one test for it.

Runs of PDUs that change nothing but the position are the business of :mod:`dissector.backends.lua.runs`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ...ir.expr import Bin, Const, Expr, Ref
from ...ir.lower import lower, uses
from ...ir.model import Assign, Note, Stream
from ...ir.pdus import Field, Message, Packed
from ...ir.steps import Block, Guard, Let, Load, LoadBytes, Lowered, Need, Placed, Step, When
from .fields import Declared, flag_octets, key
from .printer import ADD, Printer, string


class StreamPrinter:
    """Prints one stream; *names* gives the Lua names of fields, findings, PDUs and counters."""

    def __init__(self, stream: Stream, names: Declared) -> None:
        self.stream, self.names = stream, names
        self.shared = {r.name for r in stream.registers if r.scope == "conversation"}
        self.printer = Printer(self.register)
        self.lowered = lower(stream)
        self.states = {s.name: i + 1 for i, s in enumerate(stream.states)}
        self.bodies: list[Block] = [b for st in self.lowered for b in st.blocks if b.rule.pdu and b.rule.pdu.scan]

    def register(self, name: str) -> str:
        """The Lua expression of a register: ``C`` is shared by a conversation, ``R`` belongs to one direction."""
        return f"{'C' if name in self.shared else 'R'}.{name}"

    def state(self, name: str) -> str:
        """A state's number, readable."""
        return f"{self.states[name]}"

    def v(self, e: Expr) -> str:
        return self.printer.value(e)

    # ------------------------------------------------------------------------------------------------- steps

    def at(self, offset: Expr, extra: int = 0) -> str:
        """The index of the octet at *offset*."""
        if isinstance(offset, Const) and isinstance(offset.value, int):
            n = offset.value + extra
            return f"q + {n}" if n else "q"
        more = f" + {extra}" if extra > 0 else f" - {-extra}" if extra else ""
        return f"q + {self.printer.operand(offset, ADD)}{more}"

    def steps(self, steps: tuple[Step, ...], leave: str = "break") -> list[str]:
        """Lines for *steps*; a guard that fails runs *leave*."""
        out: list[str] = []
        for s in steps:
            if isinstance(s, Need):
                out.append(f"if {self.at(s.octets, -1)} > m then return nil, {self.v(s.octets)} end")
            elif isinstance(s, Load):
                out += self._load(s)
            elif isinstance(s, LoadBytes):
                end = f"{self.at(s.offset)} + {self.printer.operand(s.size, ADD + 1)} - 1"
                out.append(f"local {s.var} = sub(s, {self.at(s.offset)}, {end})")
            elif isinstance(s, Let):
                out.append(f"local {s.var} = {self.v(s.value)}")
            elif isinstance(s, Guard):
                out.append(f"if not ({self.printer.cond(s.cond)}) then {leave} end")
            else:
                out += self._when(s)
        return out

    def _load(self, s: Load) -> list[str]:
        names = [f"b{i}" for i in range(s.size)]
        places = f"byte(s, {self.at(s.offset)}, {self.at(s.offset, s.size - 1)})"
        if s.size == 1:
            return [f"local {s.var} = byte(s, {self.at(s.offset)})"]
        reader = {2: "u16", 3: "u24", 4: "u32", 8: "u64"}.get(s.size)
        if reader and not s.little:
            return [f"local {s.var} = {reader}(s, {self.at(s.offset)})"]
        total = "0"
        for n in reversed(names) if s.little else names:
            total = n if total == "0" else f"({total}) * 256 + {n}"
        return [f"local {s.var}", "do", f"  local {', '.join(names)} = {places}", f"  {s.var} = {total}", "end"]

    def _when(self, s: When) -> list[str]:
        names = [x.var for x in s.otherwise]
        out = [f"local {', '.join(names)} = {', '.join(self.v(x.value) for x in s.otherwise)}"]
        out.append(f"if {self.printer.cond(s.cond)} then")
        for line in self.steps(s.steps):
            for n in names:
                if line.startswith(f"local {n} = "):
                    line = line.removeprefix("local ")  # noqa: PLW2901  the declaration stands before the if
                elif line == f"local {n}":
                    line = ""  # noqa: PLW2901
            if line:
                out.append("  " + line)
        return [*out, "end"]

    # ------------------------------------------------------------------------------------------------ states

    def function(self, lowered: Lowered) -> list[str]:
        """One state."""
        out = [f"  -- {lowered.state.name}" + (f": {lowered.state.doc}" if lowered.state.doc else "")]
        out.append(f"  [{self.state(lowered.state.name)}] = function(s, q, m)")
        body = [x for b in lowered.blocks for x in self.block(b)]
        out += ["    " + x for x in self.used([*self.steps(lowered.shared), *body])]
        out.append("  end,")
        return out

    @staticmethod
    def _always(b: Block) -> bool:
        return not b.steps

    @staticmethod
    def used(lines: list[str]) -> list[str]:
        """*lines* without the locals that nothing looks at; reading a local has no effect, so that is safe."""
        out: list[str] = []
        looked_at: set[str] = set()
        for line in reversed(lines):
            declared = re.match(r"\s*local (\w+) = ", line)
            if declared and declared[1] not in looked_at:
                continue
            out.append(line)
            looked_at.update(re.findall(r"\w+", line))
        return out[::-1]

    def block(self, b: Block) -> list[str]:
        """One rule."""
        what = b.rule.pdu.label if b.rule.pdu else "go on"
        head = f"-- {'fault' if b.rule.fault else what}  ({b.rule.source})"
        body = self.used(self.steps(b.steps) + self.commit(b))
        if self._always(b):
            return [head, *body]
        return [head, "repeat", *("  " + x for x in body[:-1]), f"  do {body[-1]} end", "until true"]

    def commit(self, b: Block) -> list[str]:
        """What happens when the rule holds; the last line is a return."""
        rule = b.rule
        if rule.fault:
            f = b.findings[-1]
            return [f"return fault({self.names.findings[f.name]}, q, {self.message(f.message)})"]
        if rule.pdu is None:
            return [*self.reports(b), *self.assigns(b), f"state = {self.state(rule.goto)}", "return q"]
        if rule.pdu.scan:
            number = len(self.states) + 1 + self.bodies.index(b)
            return [f"R.body_at = spos + q - 1 changed = true state = {number}", "return q"]
        return self._pdu(b)

    def _pdu(self, b: Block) -> list[str]:
        rule = b.rule
        header = self.v(b.header)
        payload = self.v(b.payload) if b.payload is not None else "0"
        end = self.at(b.header)
        out: list[str] = []
        if rule.enter:
            depth, k = self.stream.depth, self.names.findings["depth"]
            refuse = f"return fault({k}, q, format(finding_text.depth, {depth}))"
            out.append(f"if too_deep({depth}) then {refuse} end")
        out.append("if want then")
        out.append(f"  local t = open({self.names.pdus[rule.pdu.name]}, q, {header}, {payload})" if rule.pdu else "")
        out.append("  if t then")
        out += ["    " + x for x in self.shows(b)]
        out += ["  end", "end"]
        out += self.reports(b)
        if b.payload is not None:
            out.append(f"pass_over({end}, {payload})")
        if rule.enter and b.size is not None:
            label = string(rule.pdu.label if rule.pdu else "")
            out += [f"local inside = {self.v(b.size)}", *self.assigns(b)]
            out += [f"enter({end}, inside, {self.state(rule.goto)}, {label})", f"state = {self.state(rule.enter)}"]
        else:
            out += [*self.assigns(b), f"state = {self.state(rule.goto)}"]
        return [*out, f"return {end}"]

    def body(self, b: Block) -> list[str]:
        """The function that completes a scanned PDU of *n* octets that ends before index *q*."""
        pdu = b.rule.pdu
        if pdu is None:
            return []
        number = len(self.states) + 1 + self.bodies.index(b)
        out = [f"  [{number}] = function(q, n)", "    if n > 0 then", "      if want then"]
        out += [f"        local t = open_body({self.names.pdus[pdu.name]}, q, n)", "        if t then"]
        out += ["          " + x for x in self.notes(b.notes)]
        out += ["        end", "      end"]
        out += ["      " + x for x in self.reports(b)]
        out += ["    end"]
        out += ["    " + x for x in [*self.assigns(b), f"state = {self.state(b.rule.goto)}"]]
        return [*out, "  end,"]

    def reports(self, b: Block) -> list[str]:
        """Findings, counts, facts and the Info column, with the registers as they were before."""
        out = []
        for f in b.findings:
            call = f"report({self.names.findings[f.name]}, {self.message(f.message)})"
            out.append(f"if {self.printer.cond(f.when)} then {call} end" if f.when is not None else call)
        pdu = b.rule.pdu
        if pdu is not None:
            out.append(f"seen[{self.names.pdus[pdu.name]}] = seen[{self.names.pdus[pdu.name]}] + 1")
        if b.rule.count:
            k = self.names.counters[b.rule.count]
            out.append(f"count({k}, 1)")
        out += [f"fact({string(x.key)}, {self.v(x.value)})" for x in b.facts]
        if b.info is not None:
            out.append(f"if infos < MAX_INFOS then inform({self.message(b.info)}) end")
        return out

    def assigns(self, b: Block) -> list[str]:
        """Register assignments, in order."""
        return self.assign(*b.do)

    def assign(self, *do: Assign) -> list[str]:
        """These assignments, and that there were some."""
        out = []
        for a in do:
            name, key, value = a.register, a.key, a.value
            if key is not None:
                limit = next(r.limit for r in self.stream.registers if r.name == name)
                out.append(f"memorise({self.register(name)}, {self.v(key)}, {self.v(value)}, {limit})")
            elif name in self.shared:  # each change of these is noted for the revisits: only where there is one
                where = self.register(name)
                change = f"{where}, shared_changed = v, true"
                out.append(f"do local v = {self.v(value)} if {where} ~= v then {change} end end")
            else:
                out.append(f"{self.register(name)} = {self.v(value)} changed = true")
        return out

    # ------------------------------------------------------------------------------------------------ showing

    def shows(self, b: Block) -> list[str]:
        """Tree items of the fields and notes."""
        out: list[str] = []
        for p in b.placed:
            name = None if p.field.packed is not None else self.names.fields[p.field.abbrev]
            out += self._asked(name, p.present, self._show(p))
        out += self.notes(b.notes)
        if b.info is not None and b.rule.pdu is not None:
            out += self._title(b.rule.pdu.label, b.info)
        return out

    def _asked(self, name: str | None, when: Expr | None, lines: list[str]) -> list[str]:
        """*lines* for somebody who asks for that field, where it is present; None: they look themselves who asks."""
        conditions = [f"asked.{key(name)}"] if name is not None else []
        if when is not None:
            more = self.printer.cond(when)
            conditions.append(f"({more})" if conditions and " or " in more else more)
        cond = " and ".join(conditions)
        if not lines or not cond:
            return lines
        if len(lines) == 1 and not lines[0].startswith("if "):
            return [f"if {cond} then {lines[0]} end"]
        return [f"if {cond} then", *("  " + x for x in lines), "end"]

    def _title(self, label: str, info: Message) -> list[str]:
        """What the item says behind the label: the words for the Info column, without saying the label's end again."""
        word, blank, rest = info.format.partition(" ")
        if not label.endswith(word):
            return [f'if visible then append_text(t, ", " .. {self.message(info)}) end']
        more = self.message(replace(info, format=rest))
        return [f'if visible then append_text(t, " " .. {more}) end'] if blank else []

    def _show(self, p: Placed) -> list[str]:
        f, size = p.field, p.size
        name = self.names.fields[f.abbrev]
        if f.lazy:
            if f.packed is not None:
                return self._show_packed(f.packed, f"t, {string(key(name))}, {self.at(p.offset)}, {self.v(size)}")
            return [f"show_payload(t, {name}, {self.at(p.offset)}, {self.v(size)})"]
        where = f"range({self.at(p.offset)}, {self.v(size)})"
        if not isinstance(size, Const):
            return [f"if {self.v(size)} > 0 then add(t, {name}, {where}) end"]
        if size.value == 0:
            return []
        if f.part is not None:
            return self._show_part(f, p, name)
        item = f"{_adder(f)}(t, {name}, {where})"
        return self._show_flags(f, p, item) if f.flags else [item]

    def _show_packed(self, packed: Packed, payload: str) -> list[str]:
        """A compressed payload: with the first method whose condition holds, if any."""
        methods = [
            string(name) if when == Const(True) else f"({self.printer.cond(when)}) and {string(name)}"
            for name, when in packed.methods
        ]
        return [
            f"local method = {' or '.join(methods)}",
            f"local alone = {self.printer.cond(packed.alone)}",
            f"show_packed({payload}, method, alone, {self.v(packed.size)}, {string(packed.label)})",
        ]

    def _show_part(self, f: Field, p: Placed, name: str) -> list[str]:
        whole = f"range({self.at(p.offset)}, 8)"
        if f.part is None or p.value is None:
            return []
        if f.part.which == "high":
            modulus = self.printer.operand(self._modulus(p), ADD)
            low = f"u32(s, {self.at(p.offset, 4)})"
            return [
                f"local low = {low}",
                f"add(t, {name}, {whole}, UInt64.new(low - low % {modulus}, u32(s, {self.at(p.offset)})))",
            ]
        item = f"add(t, {name}, range({self.at(p.offset, 4)}, 4), {self.v(p.value)})"
        return self._show_flags(f, p, item) if f.flags else [item]

    def _modulus(self, p: Placed) -> Expr:
        part = p.field.part
        if part is None:
            raise TypeError(p.field.name)
        m = part.modulus
        if uses(m, "F"):
            raise TypeError(f"{p.field.name}: a modulus must be a register or a constant")
        return Ref(m.path, "int") if isinstance(m, Ref) else m

    def _show_flags(self, f: Field, p: Placed, item: str) -> list[str]:
        octets = flag_octets(f)
        total = int(p.size.value) if isinstance(p.size, Const) and isinstance(p.size.value, int) else 8
        where = f"range({self.at(p.offset, 0 if f.little else total - octets)}, {octets})"
        bits = string(key(self.names.fields[f.abbrev]))
        return [f"show_bits({bits}, {item}, {where}, {_adder(f)})"]

    def notes(self, notes: tuple[Note, ...]) -> list[str]:
        """Generated items."""
        out = []
        for n in notes:
            value = f"wide({self.v(n.value)})" if self.names.is_wide(n.abbrev) else self.v(n.value)
            line = f"add_generated(t, {self.names.fields[n.abbrev]}, {value})"
            out += self._asked(self.names.fields[n.abbrev], n.when, [line])
        return out

    def message(self, m: Message) -> str:
        """A text with values as a Lua expression; numbers go through ``dec``/``hex``, which know 64 bits."""
        fmt, args = [], []
        rest, values = m.format, list(m.args)
        while rest:
            before, percent, rest = rest.partition("%")
            fmt.append(before)
            if not percent:
                break
            if rest.startswith("%"):
                fmt.append("%%")
                rest = rest[1:]
                continue
            width = ""
            while rest[0] not in "duixXs":
                width, rest = width + rest[0], rest[1:]
            fmt.append("%s")
            args.append(self._argument(rest[0], width, values.pop(0)))
            rest = rest[1:]
        if not args:
            return string("".join(fmt).replace("%%", "%"))
        return f"format({string(''.join(fmt))}, {', '.join(args)})"

    def _argument(self, conversion: str, width: str, e: Expr) -> str:
        if conversion == "s":
            return f"text({self.v(e)})" if e.type == "bytes" else f"dec({self.v(e)})"
        if conversion in "xX":
            digits = int(width.strip("0#") or 0)
            match e:
                case Bin("+", Bin("*", Ref() as high, Const(value=0x100000000)), Ref() as low):  # exact, all 64 bits
                    return f"hex({self.v(low)}, {digits}, {self.v(high)})"
            return f"hex({self.v(e)}, {digits})"
        return f"dec({self.v(e)})"


def _adder(f: Field) -> str:
    """The function that adds an item of a field's own octets."""
    return "add_le" if f.little else "add"
