# SPDX-License-Identifier: GPL-2.0-or-later
"""What is done with a layer when it has been read: its checks, what it answers, and what it says in the Info column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ...ir.expr import Cmp, Expr, Logic, Ref, rewrite
from ...ir.packets import Answers, Either, Item, Layer, Leaf, Verify
from ...ir.pdus import Flag, Message
from ...ir.simplify import truth
from ..lua.printer import string
from .fields import FIXED, Fields, is_number
from .printer import PacketPrinter, key, slot

CONVERSION = re.compile(r"%([-#0-9]*)([a-zA-Z%])")
METHODS = {"internet": "internet", "crc32": "crc32"}


class Afterwards:
    """Prints what follows a layer; nothing in it is there for certain, since a layer may end early."""

    def __init__(self, layer: Layer, fields: Fields, tables: dict[str, str], names: Mapping[str, str]) -> None:
        self.layer, self.fields, self.names = layer, fields, names
        self.printer = PacketPrinter({}, tables, names)
        self.name = names[layer.name]

    def lines(self) -> list[str]:
        """The functions and tables of the layer."""
        return [*self._checks(), *self._information(), *self._answers()]

    # ------------------------------------------------------------------------------------------------------ checks

    def _checks(self) -> list[str]:
        body = [line for check in self.layer.verify for line in self._check(check)]
        body += [line for finding in self.layer.findings for line in self._finding(finding)]
        return [f"{slot('checks', self.name)} = function(F)", *_indented(body), "end"] if body else []

    def _check(self, check: Verify) -> list[str]:
        leaf = leaf_of(self.layer.items, check.item)
        if leaf is None:
            return []
        field, style = self.fields.status(leaf), string("0x%x" if leaf.hex else "%d")
        place = f"F, {string(check.item)}, F{key(check.item)}"
        if check.method:
            spans = ", ".join(f"{{ {', '.join(self.printer.value(e) for e in span)} }}" for span in check.spans)
            call = f"check_sum({place}, {METHODS[check.method]}, {{ {spans} }}, {field}, {style})"
        elif check.want is not None:
            call = f"check({place}, {self.printer.value(check.want)}, {field}, {style})"
        else:
            return []
        return self._when(check.when, [call])

    def _finding(self, finding: object) -> list[str]:
        when, message = getattr(finding, "when", None), getattr(finding, "message", Message(""))
        call = f"F.item:add_proto_expert_info(experts.{getattr(finding, 'name', '')}, {self._text(message)})"
        return self._when(when, ["amiss = amiss + 1", call])

    def _when(self, when: Expr | None, lines: list[str]) -> list[str]:
        if when is None:
            return lines
        return [f"if {self.printer.cond(truth(when))} then", *_indented(lines), "end"]

    # -------------------------------------------------------------------------------------------------------- Info

    def _information(self) -> list[str]:
        if not self.layer.info:
            return []
        body = ["local out = {}"]
        for when, message in self.layer.info:
            body += self._when(when, [f"out[#out + 1] = {self._text(message)}"])
        return [f"{slot('information', self.name)} = function(F)", *_indented([*body, "return concat(out)"]), "end"]

    def _text(self, message: Message) -> str:
        """A text with values, as a concatenation."""
        parts: list[str] = []
        args = list(message.args)
        at = 0
        for found in CONVERSION.finditer(message.format):
            parts += [string(message.format[at : found.start()])] if found.start() > at else []
            at = found.end()
            if found[2] == "%":
                parts.append('"%"')
            elif args:
                parts.append(self._said(found[1], found[2], args.pop(0)))
        parts += [string(message.format[at:])] if at < len(message.format) else []
        return " .. ".join(parts) or '""'

    def _said(self, flags: str, conversion: str, e: Expr) -> str:
        value = self.printer.value(e)
        if conversion != "s":
            return f'number_text("%{flags}{conversion.replace("u", "d").replace("i", "d")}", {value})'
        leaf = (
            leaf_of(self.layer.items, e.path[1])
            if isinstance(e, Ref) and e.path[0] == "F" and len(e.path) == 2
            else None
        )
        if leaf is None:
            return f"shown_text({value})"
        if leaf.kind in FIXED:
            return f"address_text({value})"
        if leaf.flags:
            return f"flag_text({value}, {{ {', '.join(_row(x) for x in leaf.flags)} }})"
        if leaf.names and leaf.names[0][0] is None:
            return f"shown_text({value}, {self.fields.value_string(leaf.names[0][1])})"
        return f"{'hex_text' if leaf.hex and is_number(leaf) else 'shown_text'}({value})"

    # ----------------------------------------------------------------------------------------------------- answers

    def _answers(self) -> list[str]:
        if not self.layer.answers:
            return []
        rows: list[str] = []
        for rule in self.layer.answers:
            rows += self._rule(rule)
        asked = sorted({self._named(rule.request) for rule in self.layer.answers})
        return [
            f"{slot('answers', self.name)} = {{",
            *_indented(rows),
            "}",
            *(f"{slot('asked', name)} = true" for name in asked),
        ]

    def _named(self, name: str) -> str:
        return self.names.get(name, name)

    def _rule(self, rule: Answers) -> list[str]:
        parts: list[Expr] = [truth(e) for e in (rule.when, rule.both) if e is not None]
        parts += [truth(_theirs(rule.asks))] if rule.asks is not None else []
        parts += [Cmp("==", mine, _theirs(theirs)) for mine, theirs in rule.pairs]
        row = f"{{ request = {string(self._named(rule.request))}"
        row += f", below = {string(rule.below)}" if rule.below else ""
        if not parts:
            return [row + " },"]
        whole = parts[0]
        for part in parts[1:]:
            whole = Logic("and", whole, part)
        return [f"{row}, holds = function(F, other)", f"  return {self.printer.cond(whole)}", "end },"]


def _theirs(e: Expr) -> Expr:
    """An expression about the request, in the scope that it has where both are known."""

    def other(node: Expr) -> Expr | None:
        if isinstance(node, Ref) and node.path[0] == "F":
            return Ref(("other", *node.path[1:]), node.kind)
        return None

    return rewrite(e, other)


def _row(flag: Flag) -> str:
    return f"{{ {flag.mask}, {string(flag.name)} }}"


def _indented(lines: list[str]) -> list[str]:
    return ["  " + line for line in lines]


def leaf_of(items: tuple[Item, ...], name: str) -> Leaf | None:
    """The leaf called *name*."""
    return next((leaf for leaf in _leaves(items) if leaf.name == name), None)


def _leaves(items: tuple[Item, ...]) -> Iterator[Leaf]:
    for item in items:
        if isinstance(item, Leaf):
            yield item
        elif isinstance(item, Either):
            yield from _leaves(tuple(o for _, o in item.options) + ((item.default,) if item.default else ()))
