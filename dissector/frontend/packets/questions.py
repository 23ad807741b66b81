# SPDX-License-Identifier: GPL-2.0-or-later
"""What names, tables and calls stand for in the callables of packets; see :mod:`dissector.frontend.packets.bodies`."""

from __future__ import annotations

import ast
import inspect
import types
from typing import Any

from scapy.config import ConfClass, conf
from scapy.packet import Packet

from ...ir.expr import Case, Const, Expr, If, InSet, IsNone, Logic, Ref, Un
from ..comparisons import MAX_SET
from ..scope import HINT_PACKET, Env
from ..statements import Body
from ..values import PACKET, Items, Static, Value, class_name, is_table, scalar
from .tables import case
from .unfolding import Pick, Unfolding, flag_in, known_call, multi_flags, pick

GUESS = "scapy.packet.Packet.guess_payload_class"
"""In place of a layer: what the bindings of the layer say."""

MAX_ENTRIES = 4096
NEVER = Static(type("Never", (), {})())
"""The value of a path on which Python raises an error."""

NAMED = ("raw_layer", "padding_layer")


class Questions(Unfolding, Body):
    """Translation of expressions in a function that belongs to a packet."""

    never = NEVER

    octets = (
        ("octets",),
        ("payload",),
        ("pay",),
        ("p",),
        ("s",),
        ("_pkt",),
        ("remain",),
        ("data",),
        ("pkt",),
        ("load",),
    )
    """What arguments that are octets are called; a packet is never called so, because it is ``F``."""

    # ---------------------------------------------------------------------------------------------- configuration

    def known(self, value: object, name: str, node: ast.AST) -> Value:
        """Configuration is what it is now."""
        del name, node
        if isinstance(value, ConfClass) or value is getattr(conf, "contribs", None):
            return Static(value)
        return scalar(value) or Static(value)

    def frozen(self, value: object, name: str, node: ast.AST) -> Value:
        """So is a switch."""
        if value is None or value is True or value is False:
            self.session.settings[name] = value
        return self.known(value, name, node)

    def static_attribute(self, owner: object, name: str, node: ast.AST) -> Value:
        """An attribute of something that exists now."""
        if isinstance(owner, tuple) and name in getattr(owner, "_fields", ()):
            return self.known(getattr(owner, name), name, node)
        if not isinstance(owner, ConfClass):
            return super().static_attribute(owner, name, node)
        if owner is conf and name in NAMED:
            return Static(getattr(conf, name))
        value = getattr(owner, name)
        if not isinstance(value, ConfClass | dict):
            self.session.settings[f"conf.{name}"] = value
        return self.known(value, name, node)

    def check_name(self, name: str, places: tuple[tuple[str, str], ...], node: ast.AST) -> None:
        """A table of layers may be filled by the layers themselves."""
        if not _registry(self.globals.get(name)):
            super().check_name(name, places, node)

    def check_attribute(self, cls: type, name: str, node: ast.AST) -> None:
        """The same for an attribute of a class."""
        if not _registry(getattr(cls, name, None)):
            super().check_attribute(cls, name, node)

    # ------------------------------------------------------------------------------------------------------ tables

    def on_subscript(self, node: ast.Subscript, env: Env) -> Value:
        """``TABLE[key]``, whose entry may be a table again."""
        owner = self.e(node.value, env)
        if isinstance(owner, Pick) and isinstance(node.slice, ast.Slice):
            return owner  # its first items are all that anybody asks for
        if not isinstance(node.slice, ast.Slice):
            if isinstance(owner, Pick):
                return self.of_entries(owner, self.e(node.slice, env), node)
            if isinstance(owner, Static) and is_table(owner.value):
                key = self.e(node.slice, env)
                if isinstance(key, Const):
                    return self.entry(owner.value, key.value, NEVER, node.value)
                if _of_objects(owner.value) and not _constants(key):
                    return pick(owner.value, self.expr(key, node), NEVER)  # type: ignore[return-value]
                return self.lookup(owner.value, self.expr(key, node), Const(None), node)
        return super().on_subscript(node, env)

    def table_method(self, table: dict[object, object], name: str, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``TABLE.get(key, default)`` of a key that is known."""
        if name == "get" and len(args) in (1, 2) and isinstance(args[0], Const):
            default = args[1] if len(args) == 2 else Const(None)
            return self.entry(table, args[0].value, default, node.func.value)  # type: ignore[attr-defined]
        if name == "get" and len(args) == 2 and _of_objects(table) and not _constants(args[0]):
            return pick(table, self.expr(args[0], node), args[1])  # type: ignore[return-value]
        return super().table_method(table, name, args, node)

    def entry(self, table: dict[object, object], key: object, default: Value, node: ast.AST) -> Value:
        """One entry of a table; of configuration, it is remembered."""
        if key not in table:
            return default
        value = table[key]
        if "conf." in (text := ast.unparse(node)) and not isinstance(value, dict):
            self.session.settings[f"{text}[{key!r}]"] = value
        return scalar(value) or Static(value)

    def lookup(self, table: dict[object, object], key: Expr, default: Expr, node: ast.AST) -> Expr:
        """The entry of a constant table: one look-up, whatever its size."""
        if isinstance(key, Const):
            return self.expr(Static(table[key.value]), node) if key.value in table else default
        if isinstance(key, If) and _constants(key):
            first, second = (self.lookup(table, k, default, node) for k in (key.t, key.f))
            return If(key.c, first, second)
        if isinstance(key, Case) and all(isinstance(v, int | bytes | str) for _, v in key.entries):
            found = [(k, self.lookup(table, Const(v), default, node)) for k, v in key.entries]
            return case(key.x, found, self.lookup(table, key.default, default, node))
        if self.is_flags(key) or len(table) > MAX_ENTRIES:
            return super().lookup(table, key, default, node)
        entries: list[tuple[Any, Expr]] = []
        for k, v in table.items():
            known = scalar(k)
            if known is None or known.value is None or isinstance(known.value, bool):
                return super().lookup(table, key, default, node)
            entries.append((known.value, self.expr(Static(v), node)))
        return case(key, entries, default)

    # ------------------------------------------------------------------------------------------------------- calls

    def on_call(self, node: ast.Call, env: Env) -> Value:
        """``super().method(...)`` and ``globals()``."""
        f = node.func
        if isinstance(f, ast.Name) and f.id == "globals" and not node.args and "globals" not in env:
            return Static(self.globals)
        if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Call) and _is_super(f.value):
            args, keywords = self.arguments(node, env)
            return self.base_method(self.owner_of(f.value, env), f.attr, args, keywords, node)
        return super().on_call(node, env)

    def apply(self, function: Value, args: tuple[Value, ...], keywords: dict[str, Value], node: ast.Call) -> Value:
        """Functions of Scapy's own that are known."""
        f = function.value if isinstance(function, Static) else None
        if isinstance(f, type) and issubclass(f, Packet) and set(keywords) - {"_parent", "_underlayer", "_internal"}:
            raise self.refuse(
                node, f"makes a {f.__name__} with values of its own", "give the values through pkt.parent"
            )
        if isinstance(f, types.MethodType):
            known = known_call(f.__func__, (Static(f.__self__), *args))
        else:
            known = known_call(f, args)
        return known if known is not None else super().apply(function, args, keywords, node)

    def membership(self, a: Value, b: Value, node: ast.AST) -> Expr:
        """``"P" in pkt.flags``."""
        fld = multi_flags(self.layer, b)
        if fld is not None and isinstance(a, Const) and isinstance(a.value, str) and isinstance(b, Ref):
            return flag_in(self, a.value, b, fld, node)
        if isinstance(b, Static) and is_table(b.value) and MAX_SET < len(b.value) <= MAX_ENTRIES:
            return InSet(self.expr(a, node), tuple(b.value))
        return super().membership(a, b, node)

    def owner_of(self, node: ast.Call, env: Env) -> type:
        """The class whose method calls ``super()``."""
        value = self.e(node.args[0], env) if node.args else Static(self.closure.get("__class__"))
        cls = value.value if isinstance(value, Static) else None
        if not isinstance(cls, type):
            raise self.refuse(node, "calls super() of something unknown", HINT_PACKET)
        return cls

    def base_method(self, cls: type, name: str, args: tuple[Value, ...], keywords: Any, node: ast.Call) -> Value:
        """The value of a base class's method."""
        mro = list(self.layer.__mro__) if self.layer is not None else []
        above = mro[mro.index(cls) + 1 :] if cls in mro else list(cls.__mro__[1:])
        found = next((vars(c)[name] for c in above if name in vars(c)), None)
        if not isinstance(found, types.FunctionType):
            raise self.refuse(node, f"calls super().{name}()", HINT_PACKET)
        return self.inline(found, (PACKET, *args), keywords, node)

    def method(self, owner: Ref, name: str, args: tuple[Value, ...], keywords: Any, node: ast.Call) -> Value:
        """``self.guess_payload_class(payload)`` and ``self.default_payload_class(payload)``."""
        if owner == PACKET and self.layer is not None and name in ("guess_payload_class", "default_payload_class"):
            found = inspect.getattr_static(self.layer, name)
            if isinstance(found, types.FunctionType):
                return self.inline(found, (PACKET, *args), keywords, node)
        asked = name in ("getfield_and_val", "get_field") and len(args) == 1 and isinstance(args[0], Const)
        if owner == PACKET and asked and isinstance(args[0], Const):
            fields = [f for f in getattr(self.layer, "fields_desc", ()) if f.name == args[0].value]
            if len(fields) == 1 and name == "get_field":
                return Static(fields[0])
            if len(fields) == 1:
                return Items((Static(fields[0]), Ref(("F", str(args[0].value)))))
        return super().method(owner, name, args, keywords, node)

    def inline(self, fn: types.FunctionType, args: tuple[Value, ...], keywords: Any, node: ast.AST) -> Value:
        """Scapy's own methods mean what they are known to mean."""
        if fn is Packet.guess_payload_class:
            self.session.classes[GUESS] = Packet
            return Const(GUESS)
        if fn is Packet.default_payload_class:
            return self.class_const(conf.raw_layer)
        return super().inline(fn, args, keywords, node)

    def call_hasattr(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``hasattr(pkt.underlayer, "len")``: there is a layer with such a value."""
        if len(args) == 2 and isinstance(args[0], Ref) and args[0].path[-1] in ("underlayer", "parent"):
            name = args[1].value if isinstance(args[1], Const) else None
            value = Un("not", IsNone(Ref((*args[0].path, str(name)))))
            return Logic("and", Un("not", IsNone(args[0])), value)
        return super().call_hasattr(args, node)

    def call_len(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``len(pkt.payload)``: there is none yet."""
        if args == (Ref(("F", "payload")),) and self.session.role != "adjust":
            self.session.absent.add("payload")
            return Const(0)
        return super().call_len(args, node)

    def call_isinstance(self, args: tuple[Value, ...], node: ast.Call) -> Value:
        """``isinstance(pkt.underlayer, Layer)``: the name of that layer is among those of the class."""
        if len(args) == 2 and all(isinstance(a, Static) for a in args):
            kinds = args[1].value  # type: ignore[union-attr]
            return Const(isinstance(args[0].value, kinds))  # type: ignore[union-attr, arg-type]
        if len(args) == 2 and isinstance(args[0], Ref) and args[0].path in self.octets and isinstance(args[1], Static):
            kinds = args[1].value if isinstance(args[1].value, tuple) else (args[1].value,)
            if set(kinds) <= {str, bytes, bytearray}:
                return Const(bytes in kinds)
        if len(args) == 2 and isinstance(args[0], Ref) and args[0].path[-1] in ("underlayer", "parent"):
            wanted = args[1].value if isinstance(args[1], Static) else None
            kinds = wanted if isinstance(wanted, tuple) else (wanted,)
            if kinds and all(isinstance(k, type) and issubclass(k, Packet) for k in kinds):
                names = tuple(sorted({class_name(c) for k in kinds for c in _family(k)}))
                there = Un("not", IsNone(args[0]))
                return Logic("and", there, InSet(Ref((*args[0].path, "#name")), names))
        return super().call_isinstance(args, node)

    def is_class(self, e: Expr) -> bool:
        """A table of classes is a class as well."""
        if isinstance(e, Case):
            results = [v for _, v in e.entries]
            return self.is_class(e.default) and all(v is None or v in self.session.classes for v in results)
        if isinstance(e, If):
            return self.is_class(e.t) and self.is_class(e.f)
        return super().is_class(e)


def _constants(key: Value) -> bool:
    """True for a decision between constants, which can be looked up one by one."""
    if isinstance(key, If):
        return _constants(key.t) and _constants(key.f)
    return isinstance(key, Const) or (isinstance(key, Case) and _constants(key.default))


def _of_objects(table: dict[object, object]) -> bool:
    """True for a table whose entries are tables, lists or tuples, or some of them."""
    plain = all(isinstance(k, int | str | bytes) and not isinstance(k, bool) for k in table)
    return plain and any(isinstance(v, dict | list | tuple) for v in table.values())


def _is_super(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "super"


def _family(cls: Any) -> list[type]:
    out = [cls]
    for sub in cls.__subclasses__():
        out += _family(sub)
    return out


def _registry(value: object) -> bool:
    """True for a table or list of layers, which grows while modules are loaded."""
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    flat = [x for v in held for x in (v.values() if isinstance(v, dict) else (v,))]
    return bool(flat) and all(isinstance(v, type) and issubclass(v, Packet) for v in flat)
