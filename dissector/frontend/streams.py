# SPDX-License-Identifier: GPL-2.0-or-later
"""Declared streams and protocols as the model: layers translated, references given their types, sources made relative.

Whatever a declaration refers to must exist: a field of the rule's PDU, a register of the stream, a parameter of the
protocol, a state.  A name that does not is refused here, with the nearest one that does.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from .. import declare as d
from ..errors import Refused
from ..ir import model as m
from ..ir import pdus
from ..ir.expr import Expr, Lookup, Ref, Type, rewrite, walk
from ..ir.simplify import simplify
from .layers import relative, scan_of, translate_layer
from .source import tree_of


def translate_protocol(p: d.Protocol) -> m.Protocol:
    """The model of a declared protocol, or :class:`dissector.errors.Refused`."""
    parameters = {x.name for x in p.parameters}
    cache: dict[int, m.Stream] = {}

    def stream(s: d.Stream) -> m.Stream:
        if id(s) not in cache:
            cache[id(s)] = _Stream(s, parameters, {c.name for c in p.counters}).translate()
        return cache[id(s)]

    channels = tuple(
        m.Channel(
            c.name,
            c.label,
            stream(c.forward),
            stream(c.reverse) if c.reverse else None,
            simplify(c.first.node) if c.first is not None else None,
            c.joins,
            c.doc,
            _shared(p, c.apart, f"channel {c.name}: apart", [c.forward]),
        )
        for c in p.channels
    )
    heads = _heads(p)
    over = _shared(p, p.over, f"protocol {p.name}: over", [s for c in p.channels for s in (c.forward, c.reverse)])
    return m.Protocol(
        p.name,
        p.prefix,
        p.title,
        p.short,
        channels,
        p.parameters,
        p.counters,
        sources=tuple(sorted(heads)),
        over=over,
        whole=p.whole,
        doc=inspect.cleandoc(p.doc),
        chapters=tuple(m.Chapter(file, doc) for file, doc in sorted(heads.items())),
    )


def _heads(p: d.Protocol) -> dict[str, str]:
    """File of layers, states or rules -> what its head says."""
    states = [st for c in p.channels for s in (c.forward, c.reverse) if s for st in s.states]
    rules = [r for st in states for r in st.rules]
    layers = {r.pdu for r in rules if r.pdu}
    heads = {relative_class(layer): inspect.getdoc(sys.modules.get(layer.__module__)) or "" for layer in layers}
    for file in {st.source.file for st in states} | {r.source.file for r in rules}:
        heads.setdefault(relative(file), _head(file))
    return heads


def _head(file: str) -> str:
    """The docstring of a module by its file; nothing for what has no source."""
    try:
        return ast.get_docstring(tree_of(file)) or ""
    except SyntaxError:
        return ""


def _shared(p: d.Protocol, e: d.E | None, where: str, streams: Iterable[d.Stream | None]) -> Expr | None:
    """An expression over the conversation registers of *streams*."""
    if e is None:
        return None
    shared = {r.name: r.type for s in streams if s for r in s.registers if r.scope == "conversation"}
    stream = d.Stream(
        "", "", tuple(d.Register(n, t) for n, t in shared.items()), (), d.Finding("", "note", "protocol", "")
    )
    return _Stream(stream, {x.name for x in p.parameters}, set()).expr(e.node, where, None)


def relative_class(cls: type) -> str:
    """The file of a layer, relative to the package's root."""
    return translate_layer(cls).source.file


class _Stream:
    """One stream while it is translated."""

    def __init__(self, s: d.Stream, parameters: set[str], counters: set[str]) -> None:
        self.s, self.parameters, self.counters = s, parameters, counters
        self.types: dict[str, Type] = {r.name: r.type for r in s.registers}
        self.states = {x.name for x in s.states}

    def translate(self) -> m.Stream:
        s = self.s
        registers = tuple(
            m.Register(
                r.name, r.type, self.expr(d.as_expr(r.initial), f"register {r.name}", None), r.scope, r.limit, r.doc
            )
            for r in s.registers
        )
        return m.Stream(
            s.name,
            self.state(s.start, f"stream {s.name}"),
            registers,
            tuple(self.state_of(x) for x in s.states),
            self.finding(s.unknown, f"stream {s.name}", None),
            tuple(self.resync(r) for r in s.resync),
            s.depth,
            self.message(s.tally, f"stream {s.name}: tally", None) if s.tally else None,
        )

    def state_of(self, x: d.State) -> m.State:
        source = pdus.SourceRef(relative(x.source.file), x.source.line)
        return m.State(x.name, tuple(self.rule(x, r) for r in x.rules), x.doc, source)

    def resync(self, r: d.Resync) -> m.Resync:
        where = f"stream {self.s.name}: resync"
        scan = scan_of(r.until)
        scan = pdus.Scan(self.expr(scan.accept, where, None) if scan.accept else None, scan.anchor, scan.window)
        return m.Resync(self.state(r.goto, where), scan, self.assigns(r.do, where, None))

    def rule(self, state: d.State, r: d.Rule) -> m.Rule:
        source = pdus.SourceRef(relative(r.source.file), r.source.line)
        where = f"{source}: state {state.name!r}"
        pdu = self.pdu(r.pdu, where) if r.pdu else None
        if r.count is not None:
            self.known(r.count, self.counters, where, "counter")
        return m.Rule(
            goto=self.state(r.goto or state.name, where),
            pdu=pdu,
            match=self.match(r, pdu, where),
            when=self.expr(r.when.node, where, None) if r.when is not None else None,
            do=self.assigns(r.do, where, pdu),
            enter=self.state(r.enter, where) if r.enter else None,
            size=self.expr(d.as_expr(r.size), where, pdu) if r.size is not None else None,
            findings=tuple(self.finding(f, where, pdu) for f in r.findings),
            fault=self.finding(r.fault, where, None) if r.fault else None,
            notes=tuple(self.note(n, where, pdu) for n in r.notes),
            count=r.count,
            info=self.message(r.info, where, pdu) if r.info else None,
            facts=tuple(m.Fact(k, self.expr(d.as_expr(v), where, pdu)) for k, v in r.facts),
            source=source,
        )

    def pdu(self, cls: type, where: str) -> pdus.Pdu:
        p = translate_layer(cls)
        fields = tuple(
            pdus.Field(**{**{n: getattr(f, n) for n in f.__dataclass_fields__}, **self.field_exprs(f, p)})
            for f in p.fields
        )
        scan = p.scan
        if scan is not None and scan.accept is not None:
            scan = pdus.Scan(self.expr(scan.accept, where, None), scan.anchor, scan.window)
        return pdus.Pdu(p.name, p.label, fields, p.doc, scan, p.source, p.origin)

    def field_exprs(self, f: pdus.Field, p: pdus.Pdu) -> dict[str, Any]:
        where = f"{f.source}: {p.name}.{f.name}"
        out: dict[str, Any] = {"size": self.expr(f.size, where, p)}
        if f.present is not None:
            out["present"] = self.expr(f.present, where, p)
        if f.part is not None:
            out["part"] = pdus.Part(f.part.which, self.expr(f.part.modulus, where, p))
        if f.packed is not None:
            methods = tuple((name, self.expr(when, where, None)) for name, when in f.packed.methods)
            size, alone = (self.expr(e, where, None) for e in (f.packed.size, f.packed.alone))
            out["packed"] = pdus.Packed(size, f.packed.label, methods, alone)
        return out

    def match(self, r: d.Rule, pdu: pdus.Pdu | None, where: str) -> tuple[m.Match, ...]:
        if not r.match:
            return ()
        if pdu is None:
            raise Refused(where, "a rule without a pdu has nothing to match", "use when=peek(...)")
        names = {f.name for f in pdu.fields}
        wanted: dict[str, Any] = (
            dict(r.match) if isinstance(r.match, Mapping) else {n: self.default(r, n) for n in r.match}
        )
        out = []
        for name, values in wanted.items():
            self.known(name, names, where, "field")
            out.append(m.Match(name, tuple(int(v) for v in values) if isinstance(values, tuple) else (int(values),)))
        return tuple(out)

    def default(self, r: d.Rule, name: str) -> int:
        cls: Any = r.pdu
        for f in cls.fields_desc:
            if f.name == name:
                if f.default is None:
                    break
                return int(f.default)
        raise Refused(
            str(r.source), f"{cls.__name__}.{name} has no default to match", "give match a dict with the value"
        )

    def assigns(self, do: Iterable[tuple[d.E, Any]], where: str, pdu: pdus.Pdu | None) -> tuple[m.Assign, ...]:
        out = []
        for target, value in do:
            node = target.node
            key = None
            if isinstance(node, Lookup):
                key, node = self.expr(node.key, where, pdu), node.map
            if not isinstance(node, Ref) or node.path[0] != "S" or len(node.path) != 2:
                raise Refused(where, "only a register can be assigned", "write (S.name, value)")
            self.known(node.path[1], self.types, where, "register")
            out.append(m.Assign(node.path[1], self.expr(d.as_expr(value), where, pdu), key))
        return tuple(out)

    def finding(self, f: d.Finding, where: str, pdu: pdus.Pdu | None) -> pdus.Finding:
        when = self.expr(f.when.node, where, pdu) if f.when is not None else None
        return pdus.Finding(f.name, f.severity, f.group, self.message(f.message, where, pdu), when)

    def note(self, n: d.Note, where: str, pdu: pdus.Pdu | None) -> m.Note:
        when = self.expr(n.when.node, where, pdu) if n.when is not None else None
        return m.Note(n.abbrev, n.label, n.type, self.expr(n.value.node, where, pdu), when, n.hex)  # type: ignore[arg-type]

    def message(self, t: d.Message | str, where: str, pdu: pdus.Pdu | None) -> pdus.Message:
        if isinstance(t, str):
            return pdus.Message(t.replace("%", "%%"))
        return pdus.Message(t.format, tuple(self.expr(d.as_expr(a), where, pdu) for a in t.args))

    def state(self, name: str, where: str) -> str:
        self.known(name, self.states, where, "state")
        return name

    def known(self, name: str, names: Iterable[str], where: str, kind: str) -> None:
        if name not in names:
            near = difflib.get_close_matches(name, list(names), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(names)) or 'none'}"
            raise Refused(where, f"no {kind} {name!r}", hint)

    def expr(self, e: Expr, where: str, pdu: pdus.Pdu | None) -> Expr:
        """*e* with every reference checked and typed."""
        fields = {f.name: f.value_type for f in pdu.fields} if pdu else {}
        for n in walk(e):
            if isinstance(n, Ref):
                self.reference(n, where, fields, pdu)

        def typed(n: Expr) -> Expr | None:
            if not isinstance(n, Ref) or len(n.path) != 2:
                return None
            scope, name = n.path
            kind = fields.get(name) if scope == "F" else self.types.get(name) if scope == "S" else "int"
            return Ref(n.path, kind or "any")

        return simplify(rewrite(e, typed))

    def reference(self, n: Ref, where: str, fields: dict[str, Any], pdu: pdus.Pdu | None) -> None:
        if len(n.path) != 2:
            what = ".".join(n.path)
            raise Refused(where, f"{what} is not a value", "write F.field, S.register or P.parameter")
        scope, name = n.path
        if scope == "F":
            if pdu is None:
                raise Refused(where, f"F.{name} is not read yet", "use peek() or match in conditions of a rule")
            self.known(name, fields, where, f"field of {pdu.name}")
        elif scope == "S":
            self.known(name, self.types, where, "register")
        elif scope == "P":
            self.known(name, self.parameters, where, "parameter")
        else:
            raise Refused(
                where, f"{'.'.join(n.path)} is not part of a stream", "write F.field, S.register or P.parameter"
            )
