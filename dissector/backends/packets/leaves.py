# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain values as Lua: one call of the runtime for each, that shows it and moves on.

The calls return, in this order, where the value ends, the value, its item and its octets; a line takes as many of these
as are needed.  ``value``, ``item`` and ``range`` are locals of the function in which the line stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...errors import Refused
from ...ir.expr import Const, Expr
from ...ir.packets import Leaf
from ..lua.printer import string
from .fields import FIXED, MASKED, Fields, constant, is_masked, is_number, touched
from .printer import PacketPrinter, key, slot

ENCODINGS = {"ascii": "ENC_ASCII", "utf-8": "ENC_UTF_8", "utf8": "ENC_UTF_8", "latin-1": "ENC_ISO_8859_1"}


class Leaves:
    """Prints the values of one layer."""

    def __init__(self, fields: Fields, printer: PacketPrinter, kept: Callable[[str], bool]) -> None:
        self.fields, self.printer, self.kept = fields, printer, kept
        self.used: set[str] = set()
        """The locals that the lines so far need."""
        self.checked: set[str] = set()
        """The values that will be checked, whose item has to be known."""

    def leaf(self, leaf: Leaf, into: str | None) -> list[str]:
        """The lines of *leaf*, its value put into *into* when somebody needs it."""
        lines = self._leaf(leaf, into)
        if leaf.name not in self.checked:
            return lines
        self.used.add("at")
        return ["at = pos", *lines]

    def _leaf(self, leaf: Leaf, into: str | None) -> list[str]:
        if leaf.template == "extended":
            told = dict(leaf.arguments)
            most = f", {told['most']}" if "most" in told else ""
            return self._call(leaf, into, f"extended({{}}, stop, {told.get('bit', 0)}{most})")
        if leaf.template == "reversed" and leaf.kind not in FIXED:
            return self._call(leaf, into, f"turned({{}}, {self._size(leaf)}, stop)")
        if leaf.template and leaf.template != "reversed":
            return self._template(leaf, into)
        if leaf.bits is not None:
            return self._loose(leaf, into)
        if (leaf.kind == "ether" and leaf.little) or leaf.template == "reversed":
            return self._call(leaf, into, f"backwards({{}}, {FIXED[leaf.kind]}, stop, {string(leaf.kind)})")
        if leaf.kind in FIXED:
            add = "address_le" if leaf.little else "address"
            return self._call(leaf, into, f"{add}({{}}, {FIXED[leaf.kind]}, stop)", plain=self._plain(leaf))
        if is_number(leaf):
            return self._number(leaf, into)
        return self._octets(leaf, into)

    def _plain(self, leaf: Leaf) -> str:
        size = FIXED.get(leaf.kind) or touched(leaf)
        return f"{'add_le' if leaf.little else 'add'}({{}}, {size}, stop)"

    def _call(self, leaf: Leaf, into: str | None, call: str, plain: str = "") -> list[str]:
        """A line that shows *leaf* with *call*, or with *plain* when neither value nor item are needed."""
        rest = self.aftermath(leaf, into)
        if into is None and not rest and plain:
            call = plain
        place = f"t, {self.fields.leaf(leaf)}, pos"
        return [f"{self.targets('pos', into, rest)} = {call.format(place)}", *rest]

    def targets(self, first: str, into: str | None, rest: Iterable[str]) -> str:
        """The left side of a line whose value goes to *into*, with what the lines behind it use."""
        text = " ".join(rest)
        names = [first, into or "value"]
        names += ["item", "range"] if "range" in text else ["item"] if "item" in text else []
        if len(names) == 2 and into is None and "value" not in text:
            return first
        self.used |= {n for n in names[1:] if n in ("value", "item", "range")}
        return ", ".join(names)

    # ----------------------------------------------------------------------------------------------------- numbers

    def _number(self, leaf: Leaf, into: str | None) -> list[str]:
        size = self.printer.value(leaf.size) if leaf.size is not None else "stop - pos"
        read = self._reader(leaf)
        known = constant(leaf.size)
        if leaf.kind == "time":
            s = leaf.scaling
            scale = f"{s.factor!r}, {s.offset!r}" if s else "1, 0"
            return self._call(leaf, into, f"moment({{}}, {size}, stop, {read}, {scale})")
        if leaf.kind == "float":
            return self._call(leaf, into, f"real({{}}, {size}, stop, {read})")
        if leaf.scaling is not None:
            s = leaf.scaling
            rest = f"{s.factor!r}, {s.offset!r}, {s.digits}"
            return self._call(leaf, into, f"scaled({{}}, {size}, stop, {read}, {rest})")
        if known is None:
            return self._call(leaf, into, f"sized({{}}, {size}, stop, {read})")
        return self._call(leaf, into, f"number({{}}, {size}, stop, {read})", plain=self._plain(leaf))

    @staticmethod
    def _reader(leaf: Leaf) -> str:
        sign = {"int": "s", "float": "f"}.get(leaf.kind, "")
        return sign + ("le" if leaf.little else "be")

    # ------------------------------------------------------------------------------------------------------ octets

    def _octets(self, leaf: Leaf, into: str | None) -> list[str]:
        if leaf.until:
            return self._marked(leaf, into)
        size = self._size(leaf)
        if leaf.kind == "string":
            return self._call(leaf, into, f"text({{}}, {size}, stop, {self._encoding(leaf)})")
        return self._call(leaf, into, f"octets({{}}, {size}, stop)")

    def _size(self, leaf: Leaf) -> str:
        return self.printer.value(leaf.size) if leaf.size is not None else "nil"

    def _marked(self, leaf: Leaf, into: str | None) -> list[str]:
        encoding = self._encoding(leaf) if leaf.kind == "string" else "nil"
        strict = str(leaf.terminated).lower()
        step = 2 if leaf.utf16 else 1
        end = "stop" if leaf.size is None else f"within(t, pos, {self.printer.value(leaf.size)}, stop)"
        rest = f"{string(leaf.until)}, {strict}, {encoding}, {step}, {leaf.beyond}"
        return self._call(leaf, into, f"marked({{}}, {end}, {rest})")

    @staticmethod
    def _encoding(leaf: Leaf) -> str:
        if leaf.utf16 or leaf.encoding.lower().startswith("utf-16"):
            return f"ENC_UTF_16 + {'ENC_LITTLE_ENDIAN' if leaf.little else 'ENC_BIG_ENDIAN'}"
        return ENCODINGS.get(leaf.encoding.lower(), "ENC_UTF_8")

    # --------------------------------------------------------------------------------------------------- bit fields

    def placed(self, leaf: Leaf, into: str | None) -> list[str]:
        """A bit field whose place in its group, which begins at pos, is known."""
        assert leaf.place is not None
        octets, shift, ahead = leaf.place
        at = f"pos + {ahead}" if ahead else "pos"
        width = constant(leaf.bits) or 0
        rest = self.aftermath(leaf, into, f"{at}, pos + {ahead + octets}")
        place = f"t, {self.fields.leaf(leaf)}, {at}"
        if is_masked(leaf) and into is None and not rest:
            return [f"{'add_le' if leaf.swapped else 'add'}({place}, {octets}, stop)"]
        how = f"{octets}, {shift}, {width}, stop"
        extra = f", {str(bool(leaf.swapped)).lower()}, {str(is_masked(leaf)).lower()}"
        if leaf.scaling is not None:
            s = leaf.scaling
            extra += f", {s.factor!r}, {s.offset!r}, {s.digits}"
        targets = self.targets("_", into, rest)
        self.used.add("_")
        return [f"{targets} = placed({place}, {how}{extra})", *rest]

    def _loose(self, leaf: Leaf, into: str | None) -> list[str]:
        """A bit field that begins bn bits behind the first bit of the octet at pos."""
        rest = self.aftermath(leaf, into)
        self.used.add("bn")
        masked = str(is_masked(leaf)).lower()
        width = self.printer.value(leaf.bits or Const(0))
        call = f"bit_field(t, {self.fields.leaf(leaf)}, pos, bn, {width}, stop, {masked})"
        return [f"{self.targets('pos, bn', into, rest)} = {call}", *rest]

    # ---------------------------------------------------------------------------------------------------- aftermath

    def aftermath(self, leaf: Leaf, into: str | None, where: str = "at, pos") -> list[str]:
        """What is done with the item of *leaf*: names that depend on other fields, units, flags."""
        out: list[str] = []
        value = into or "value"
        for when, names in leaf.names:
            if len(leaf.names) > 1 or when is not None:
                out += self._if(when, f"named(item, {value}, {self.fields.value_string(names)})")
        if leaf.texts:
            out.append(f"named(item, {value}, {self.fields.text_table(leaf.texts)})")
        unit = leaf.unit or (leaf.scaling.unit if leaf.scaling else "")
        if unit and is_number(leaf) and leaf.kind != "time":
            out.append(f"item:append_text({string(' ' + unit)})")
        if leaf.flags and is_number(leaf):
            out.append(self._flags(leaf, value))
        if leaf.name in self.checked:
            out.append(f"checked(F, {string(leaf.name)}, item, {where})")
        return out

    def _if(self, when: Expr | None, line: str) -> list[str]:
        return [line] if when is None else [f"if {self.printer.cond(when)} then {line} end"]

    def _flags(self, leaf: Leaf, value: str) -> str:
        flags, way = self.fields.flag_list(leaf)
        if way == "of":
            return f"flags_of(item, {flags}, range, {value})"
        if way == "apart":
            return f"flags_apart(item, {flags}, range)"
        turned = leaf.swapped if leaf.bits is not None else leaf.little
        return f"{'flags_le' if turned else 'flags'}(item, {flags}, range)"

    def _template(self, leaf: Leaf, into: str | None) -> list[str]:
        if leaf.template not in dict(self.fields.suite.templates):
            raise Refused(str(leaf.source), f"no Lua for the template {leaf.template!r}", "put it into Suite.templates")
        rest = self.aftermath(leaf, into)
        arguments = ", ".join(f"[{string(k)}] = {_argument(v)}" for k, v in leaf.arguments)
        call = f"{slot('template', leaf.template)}(t, {self.fields.leaf(leaf)}, pos, stop, F, {{ {arguments} }})"
        return [f"{self.targets('pos', into, rest)} = {call}", *rest]


def _argument(v: object) -> str:
    """A number or a text that a template is told."""
    if isinstance(v, bool):
        return str(v).lower()
    return string(v) if isinstance(v, str | bytes) else repr(v) if isinstance(v, int | float) else "nil"


def into(name: str) -> str:
    """Where the value of an item goes."""
    return f"F{key(name)}"


__all__ = ["MASKED", "Leaves", "into"]
