# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions about packets as Lua: the stream printer's, with the scopes of packets and values that may be absent.

Scapy gives None for a field that is not there.  None equals nothing but None, is false as a condition, and in
arithmetic or an order it is an error, which ends the layer.  In Lua the first is ``nil`` as it is; the second needs
``truthy()`` since 0 and "" are true; the third needs ``need()``, because Lua's own error would be one of the plugin.
Values that are there for certain (:func:`dissector.backends.packets.values.certain`) need neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...ir.expr import Bin, Case, Cmp, Const, Expr, If, InSet, IsNone, Logic, Peek, PeekBytes, Ref, Size, Type, Un
from ...ir.simplify import truth
from ..lua.fields import identifier
from ..lua.printer import ADD, ATOM, COMPARE, MUL, UNARY, Printer, Text, number, string

TAKEN = frozenset(("underlayer", "parent", "start", "stop", "last", "name", "item", "payload", "places", "n"))
"""What the runtime keeps beside the values of a layer."""
LONG = 4
ORDER = ("<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class Truthy(Expr):
    """The truth of a value of which only the run knows the type."""

    x: Expr

    @property
    def type(self) -> Type:
        return "bool"


def key(name: str) -> str:
    """Where the value called *name* is in its table."""
    if name.startswith("#"):
        return f'["{name}"]'
    own = identifier(name)
    return "." + (own + "_" if own in TAKEN else own)


class PacketPrinter(Printer):
    """Prints expressions of one layer; *tables* collects what they look up."""

    def __init__(self, known: Mapping[str, str], tables: dict[str, str], names: Mapping[str, str]) -> None:
        super().__init__(lambda name: f"F{key(name)}")
        self.known, self.tables, self.names = known, tables, names

    def _const(self, e: Const) -> Text:
        if isinstance(e.value, str):
            return string(self.names.get(e.value, e.value)), ATOM
        return super()._const(e)

    # ------------------------------------------------------------------------------------------------- references

    def _ref(self, e: Ref) -> Text:
        scope, *names = e.path
        if scope == "octets":
            return self._octets(names), ATOM
        if names and names[-1] == "#name":
            return f"name_of({self.value(Ref(e.path[:-1]))})", ATOM
        if "original" in names:
            return self._original(e.path), ATOM
        text = {"cur": "list[list.n]", "lst": "list"}.get(scope, scope)
        certain = scope in ("F", "other")
        for name in names:
            text = text if certain else f"need({text})"
            if name.startswith("["):
                text, certain = f"element({text}, {int(name[1:-1])})", True
            else:
                text += self._upwards(name) if text == "F" else key(name)
                certain = False
        return text, ATOM

    def _original(self, path: tuple[str, ...]) -> str:
        """The octets that a layer was given, or one of them."""
        at = path.index("original")
        of = self.value(Ref(path[:at])) if at > 1 else "F"
        of = of if of == "F" else f"need({of})"
        if path[at + 1 :]:
            return f"octet({of}.start, {int(path[at + 1][1:-1])}, {of}.stop)"
        return f"sub(S, {of}.start + 1, {of}.stop)"

    def _upwards(self, name: str) -> str:
        return f".{name}" if name in ("underlayer", "parent") and name not in self.known else key(name)

    @staticmethod
    def _octets(names: list[str]) -> str:
        if not names:
            return "sub(S, pos + 1, stop)"
        return f"octet(pos, {int(names[0][1:-1])}, stop)"

    def kind(self, e: Expr) -> str:
        """What *e* is for certain: int, bytes, bool, list, or any."""
        if isinstance(e, Ref):
            if e.path[0] == "octets":
                return "bytes" if len(e.path) == 1 else "int"
            if e.path[0] == "F" and len(e.path) == 2:
                return "int" if e.path[1] in ("#head", "#pay") else self.known.get(e.path[1], "any")
            return "int" if e.path == ("x",) else "list" if e.path == ("lst",) else "any"
        if isinstance(e, If):
            t, f = self.kind(e.t), self.kind(e.f)
            return t if t == f else "any"
        if isinstance(e, Case):
            kinds = {self.kind(x) for x in (*(Const(v) for _, v in e.entries), e.default)}
            return kinds.pop() if len(kinds) == 1 else "any"
        return e.type

    def arithmetic(self, e: Expr, precedence: int) -> str:
        """*e* as an operand that must be a number or have an order."""
        if self.kind(e) == "bool":
            return f"({self.cond(e)} and 1 or 0)"
        if self.kind(e) == "any":
            return f"need({self.value(e)})"
        return self.operand(e, precedence)

    # ------------------------------------------------------------------------------------------------- conditions

    def _test(self, e: Expr) -> Expr:
        if isinstance(e, (Logic, If, Truthy)) or (isinstance(e, Un) and e.op == "not"):
            return super()._test(e)
        kind = self.kind(e)
        if kind == "int":
            return Cmp("!=", e, Const(0))
        if kind == "bytes":
            return Cmp("!=", e, Const(b""))
        if kind == "list":
            return Cmp(">", Size(e), Const(0))
        return e if kind == "bool" else Truthy(e)

    def _truthy(self, e: Truthy) -> Text:
        return f"truthy({self.value(e.x)})", ATOM

    def _cmp(self, e: Cmp) -> Text:
        a, b = (self._plain(x) for x in (e.a, e.b))
        mask = self._single_bit(Cmp(e.op, a, b))
        if mask is not None:
            test = f"{self.arithmetic(mask[0], MUL)} % {number(2 * mask[1])}"
            return f"{test} {'>=' if e.op == '!=' else '<'} {number(mask[1])}", COMPARE
        show = self.arithmetic if e.op in ORDER else self.operand
        return f"{show(a, COMPARE + 1)} {'~=' if e.op == '!=' else e.op} {show(b, COMPARE + 1)}", COMPARE

    def _plain(self, e: Expr) -> Expr:
        """A truth value in a comparison is the number that it is in Python."""
        if isinstance(e, Const) and isinstance(e.value, bool):
            return Const(int(e.value))
        return If(e, Const(1), Const(0)) if self.kind(e) == "bool" else e

    def _isnone(self, e: IsNone) -> Text:
        return f"{self.value(e.x)} == nil", COMPARE

    def _inset(self, e: InSet) -> Text:
        hashable = [v for v in e.values if isinstance(v, (int, bytes, str))]
        if len(hashable) < LONG or len(hashable) < len(e.values):
            tests = [Cmp("==", e.x, Const(v)) for v in e.values]
            return self._any_of(tests)
        rows = ", ".join(f"[{self._index(v)}] = true" for v in hashable)
        return f"{self.table(rows)}[{self._key(e.x)}] == true", COMPARE

    def _any_of(self, tests: list[Cmp]) -> Text:
        if not tests:
            return "false", ATOM
        texts = [self._cmp(t)[0] for t in tests]
        return " or ".join(texts), 1 if len(texts) > 1 else COMPARE

    def _key(self, e: Expr) -> str:
        """*e* as the index of a table: None, which no table has."""
        return self.value(e) if self.kind(e) != "any" else f"{self.operand(e, COMPARE)} or false"

    def _index(self, v: int | bytes | str) -> str:
        """A constant as the index of a table."""
        return str(int(v)) if isinstance(v, int) else self.value(Const(v))

    def table(self, rows: str) -> str:
        """The Lua name of a table that is made once."""
        return f"known[{self.tables.setdefault(rows, str(len(self.tables) + 1))}]"

    # ------------------------------------------------------------------------------------------------- arithmetic

    def _size(self, e: Size) -> Text:
        if isinstance(e.of, Ref):
            if e.of.path == ("octets",):
                return "stop - pos", ADD
            if e.of.path == ("lst",):
                # Scapy asks before it puts the element that it has just read into its list.
                return "(list.n > 0 and list.n - 1 or 0)", ATOM
            if e.of.path[-1] == "original":
                of = self.value(Ref(e.of.path[:-1])) if len(e.of.path) > 2 else "F"
                of = of if of == "F" else f"need({of})"
                return f"{of}.stop - {of}.start", ADD
        kind = self.kind(e.of)
        if kind == "bytes":
            return f"#{self.operand(e.of, UNARY)}", UNARY
        return (f"{self.value(e.of)}.n" if kind == "list" else f"count({self.value(e.of)})"), ATOM

    def _un(self, e: Un) -> Text:
        if e.op == "not":
            return super()._un(e)
        if e.op == "~":
            return f"-1 - {self.arithmetic(e.x, MUL)}", ADD
        return f"-{self.arithmetic(e.x, UNARY)}", UNARY

    def _bin(self, e: Bin) -> Text:
        def a(p: int) -> str:
            return self.arithmetic(e.a, p)

        def b(p: int) -> str:
            return self.arithmetic(e.b, p)

        if e.op in "+-":
            return f"{a(ADD)} {e.op} {b(ADD + 1)}", ADD
        if e.op == "*":
            return f"{a(MUL)} * {b(MUL + 1)}", MUL
        if e.op == "%":
            return f"{a(MUL)} % {self._divisor(e.b)}", MUL
        if e.op == "/":
            return f"{a(MUL)} / {self._divisor(e.b)}", MUL
        if e.op == "//":
            return f"floor({a(MUL)} / {self._divisor(e.b)})", ATOM
        if e.op == "<<":
            return f"{a(MUL)} * 2 ^ {b(ATOM)}", MUL
        if e.op == ">>":
            return f"floor({a(MUL)} / 2 ^ {b(ATOM)})", ATOM
        return self._bits(e)

    def _divisor(self, e: Expr) -> str:
        if isinstance(e, Const) and e.value:
            return self.operand(e, MUL + 1)
        return f"nonzero({self.value(e)})"

    def bitwise(self, name: str, e: Bin) -> Text:
        """What needs both operands bit by bit, of up to 64."""
        return f"{name}({self.arithmetic(e.a, 0)}, {self.arithmetic(e.b, 0)})", ATOM

    # ---------------------------------------------------------------------------------------------------- choices

    def _if(self, e: If) -> Text:
        c = self.operand(self._test(e.c), 2)
        if self.kind(e.t) in ("int", "bytes", "list"):
            return f"{c} and {self.operand(e.t, 3)} or {self.operand(e.f, 1)}", 1
        if self.kind(e) == "bool":
            return self._p(self._test(truth(e)))
        yes, no = (f"function() return {self.value(x)} end" for x in (e.t, e.f))
        return f"either({self.cond(e.c)}, {yes}, {no})", ATOM

    def _case(self, e: Case) -> Text:
        values = [v for _, v in e.entries]
        rows = ", ".join(f"[{self._index(k)}] = {self.value(Const(v))}" for k, v in e.entries if v is not None)
        found = f"{self.table(rows)}[{self._key(e.x)}]"
        if None not in values:
            return (found, ATOM) if e.default == Const(None) else (f"({found} or {self.operand(e.default, 2)})", ATOM)
        nothing = InSet(e.x, tuple(k for k, v in e.entries if v is None))
        return self._p(If(nothing, Const(None), Case(e.x, tuple(x for x in e.entries if x[1] is not None), e.default)))

    def choice(self, e: Expr) -> str:
        """A choice: the name of a layer, "" for none."""
        return self._choice(e)[0]

    def _choice(self, e: Expr) -> Text:
        if isinstance(e, Const):
            return self._const(Const(e.value if isinstance(e.value, str) else ""))
        if isinstance(e, Case):
            listed = ", ".join(f"[{self._index(k)}] = {self.choice(Const(v))}" for k, v in e.entries)
            return f"{self.table(listed)}[{self._key(e.x)}] or {self.choice(e.default)}", 1
        if not isinstance(e, If):
            return f'({self.operand(e, 3)} or "")', ATOM
        rows, x, rest = _cases(e)
        if len(rows) >= LONG and x is not None:
            table = self.table(", ".join(f"[{self._index(k)}] = {self.value(Const(v))}" for k, v in rows.items()))
            return f"{table}[{self._key(x)}] or {self.choice(rest)}", 1
        t, f = self._choice(e.t), self._choice(e.f)
        yes = t[0] if t[1] > 2 else f"({t[0]})"
        return f"{self.operand(self._test(truth(e.c)), 2)} and {yes} or {f[0]}", 1

    def _peek(self, e: Peek) -> Text:
        return f"peek({self._at(e.offset)}, {e.size}, stop)", ATOM

    def _peekbytes(self, e: PeekBytes) -> Text:
        return f"slice(pos, {self.value(e.offset)}, {self.value(e.size)}, stop)", ATOM

    def _at(self, offset: Expr) -> str:
        return "pos" if offset == Const(0) else f"pos + {self.operand(offset, ADD + 1)}"


def _cases(e: Expr) -> tuple[dict[int | bytes | str, str], Expr | None, Expr]:
    """``if x == 1 … elif x == 2 …`` as a table of names of layers, with x and what is left."""
    rows: dict[int | bytes | str, str] = {}
    x: Expr | None = None
    while isinstance(e, If) and isinstance(e.t, Const) and isinstance(e.t.value, str):
        if isinstance(e.c, Cmp) and e.c.op == "==" and isinstance(e.c.b, Const):
            keys: tuple[object, ...] = (e.c.b.value,)
            of = e.c.a
        elif isinstance(e.c, InSet):
            keys, of = e.c.values, e.c.x
        else:
            break
        if x not in (None, of) or not all(isinstance(k, (int, bytes, str)) for k in keys):
            break
        x = of
        for k in keys:
            rows.setdefault(k, e.t.value)  # type: ignore[arg-type]  # all of them were looked at
        e = e.f
    return rows, x, e


def slot(table: str, name: str) -> str:
    """The entry of a Lua table."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) is not None and identifier(name) == name
    return f"{table}.{name}" if plain else f"{table}[{string(name)}]"
