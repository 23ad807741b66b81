# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and attributes: what ``TABLE``, ``pkt.len``, ``Layer.SIZE`` and ``conf.debug`` stand for in a callable.

Two worlds meet here.  What hangs on the packet is read from the wire when Wireshark runs, so it becomes a reference.
Everything else exists now and must stay as it is, so it becomes a constant, after three questions:

* Is it configuration (``conf``, the environment, the machine)?  Then its value now says nothing about later: refused.
* Is it changed at run time?  :mod:`dissector.frontend.changes` reads the source of the module that owns it.
* Is it a switch?  A condition that asks a global ``True``/``False`` or ``None`` asks for something that somebody can
  turn, otherwise nobody would ask.  The same value reached through the packet is not one: a class attribute that
  subclasses override is how Scapy layers describe their variants, and a translation is made per layer.

On the packet the order is Python's, not the field list's: an attribute of the class comes first, because Scapy's
``__getattr__`` is only asked when everything else has failed.  (One that a layer gives the name of a field is that
field's default; Scapy has taken it out of the class by the time we look.)
"""

from __future__ import annotations

import ast
import builtins
import inspect
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from scapy.config import ConfClass, conf
from scapy.fields import ConditionalField, Field, FlagsField
from scapy.packet import Packet

from dissector.errors import Refused
from dissector.frontend.changes import VOLATILE, changes_of, origins
from dissector.frontend.source import locate, mangle
from dissector.frontend.values import PACKET, Items, Keywords, Octets, Static, Value, class_name, scalar
from dissector.ir.expr import Const, Expr, Ref

Env = dict[str, Value]

_MISSING = object()
MAX_STEPS = 2_000
MAX_DEPTH = 8

HINT_STATE = "keep what must be remembered in a register of the stream (S.name), or make it a constant of the layer"
HINT_CONF = "a dissector has one fixed form: make it a constant of the layer, or a parameter (P.name)"
HINT_FLAGS = "take the number with int(), or test a flag with &"
HINT_LOOP = "say it with one expression, or with the states of a stream (dissector.declare)"
HINT_PACKET = "a callable sees the fields read so far (pkt.name), pkt.underlayer and pkt.parent"
HINT_PLAIN = "say it with the packet's fields, constants and operators, or with F, S and peek()"


@dataclass(slots=True)
class Session:
    """What all functions of one translation share."""

    layer: type | None
    role: str = ""
    classes: dict[str, type] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    settings: dict[str, object] = field(default_factory=dict)
    steps: int = 0


class Scope:
    """The names one function sees, and the errors that say where in it something was refused."""

    def __init__(self, fn: types.FunctionType, session: Session, depth: int = 0) -> None:
        self.fn, self.session, self.depth = fn, session, depth
        self.layer = session.layer
        self.located = locate(fn)
        self.globals: Mapping[str, object] = fn.__globals__
        self.module = str(fn.__globals__.get("__name__", ""))
        self.closure: dict[str, object] = {}
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
            try:
                self.closure[name] = cell.cell_contents
            except ValueError:
                continue  # not bound yet: using it is refused like any unknown name

    def refuse(self, node: ast.AST, what: str, hint: str = HINT_PLAIN) -> Refused:
        """The error to raise for *node*."""
        line = getattr(node, "lineno", self.located.node.lineno)
        return Refused(f"{self.located.module.file}:{line}", what, hint)

    def step(self, node: ast.AST) -> None:
        """Count one step of work; the budget is what ends a function that unfolds without end."""
        self.session.steps += 1
        if self.session.steps > MAX_STEPS:
            raise self.refuse(node, "unfolds into too large an expression")

    def expr(self, value: Value, node: ast.AST) -> Expr:
        """*value* as a value of the IR."""
        if isinstance(value, Expr) and value != PACKET:
            return value
        if isinstance(value, Static):
            known = scalar(value.value)
            if known is not None:
                return known
            if isinstance(value.value, type):
                return self.class_const(value.value)
            if isinstance(value.value, Enum):
                raise self.refuse(
                    node, f"{value.value} is no integer and equals no field", "derive the enumeration from enum.IntEnum"
                )
        raise self.refuse(node, f"{describe(value)} is not a number, a truth value, octets or text")

    def class_const(self, cls: type) -> Const:
        """A layer as the result of a selector; which class is meant can be looked up in the translation."""
        name = class_name(cls)
        self.session.classes[name] = cls
        return Const(name)

    # ------------------------------------------------------------------------------------------------- names

    def own(self, name: str) -> str:
        """*name* as the compiler knows it: private names belong to their class."""
        return mangle(name, self.located.owner)

    def name(self, name: str, env: Env, node: ast.AST) -> Value:
        """What a bare name stands for."""
        name = self.own(name)
        if name in env:
            return env[name]
        if name in self.fn.__code__.co_varnames:
            raise self.refuse(node, f"{name!r} may have no value here", "assign it on every path")
        if name in self.closure:
            self.check_name(name, ((self.module, name),), node)
            return self.known(self.closure[name], name, node)  # what a factory was given is no switch
        if name in self.globals:
            return self.constant(self.globals[name], name, tuple(origins(name, self.module)), node)
        if hasattr(builtins, name):
            return Static(getattr(builtins, name))
        raise self.refuse(node, f"{name!r} is not defined")

    def constant(self, value: object, name: str, places: tuple[tuple[str, str], ...], node: ast.AST) -> Value:
        """*value*, found under *name* in the modules *places*, if it is the same for ever."""
        self.check_name(name, (*places, (self.module, name)), node)
        volatile = next((module for module, _ in places if module in VOLATILE), None)
        if volatile is not None and scalar(value) is not None:
            raise self.refuse(node, f"{name!r} comes from {volatile} and differs between machines", HINT_CONF)
        return self.frozen(value, name, node)

    def check_name(self, name: str, places: tuple[tuple[str, str], ...], node: ast.AST) -> None:
        """Refuse a name that some function binds again or changes in place."""
        for module, there in places:
            changes = changes_of(module)
            line = changes.names.get(there) if changes else None
            if changes and line is not None:
                raise self.refuse(node, f"{name!r} is changed at run time ({changes.file}:{line})", HINT_STATE)

    def frozen(self, value: object, name: str, node: ast.AST) -> Value:
        """*value*, found under a name that everybody can bind again; what can only mean a switch is refused."""
        if value is None or value is True or value is False:
            raise self.refuse(node, f"{name!r} is a switch ({value}) that can be turned at run time", HINT_CONF)
        return self.known(value, name, node)

    def known(self, value: object, name: str, node: ast.AST) -> Value:
        """*value* as something known; configuration never is."""
        if _is_configuration(value):
            raise self.refuse(node, f"reads scapy's configuration ({name})", HINT_CONF)
        return scalar(value) or Static(value)

    # -------------------------------------------------------------------------------------------- attributes

    def attribute(self, owner: Value, name: str, node: ast.AST) -> Value:
        """What ``owner.name`` stands for."""
        if owner == PACKET:
            return self.packet_attribute(name, node)
        if isinstance(owner, Ref):
            return Ref((*owner.path, name))
        if isinstance(owner, Static):
            return self.static_attribute(owner.value, name, node)
        raise self.refuse(node, f"reads .{name} of {describe(owner)}")

    def packet_attribute(self, name: str, node: ast.AST) -> Value:
        """An attribute of the packet: a constant of its class, a property, or a reference."""
        if self.layer is None:
            return Ref((*PACKET.path, name))
        if name == "__class__":
            return Static(self.layer)
        value = inspect.getattr_static(self.layer, name, _MISSING)
        if isinstance(value, property):
            if not isinstance(value.fget, types.FunctionType):
                raise self.refuse(node, f"the property {name!r} is not written in Python")
            return self.inline(value.fget, (PACKET,), {}, node)
        if value is _MISSING or inspect.isdatadescriptor(value):
            return Ref((*PACKET.path, self.current(name)))  # a field, or a slot that Scapy fills
        if inspect.isroutine(value):
            raise self.refuse(node, f"takes the method .{name} as a value")
        self.check_attribute(self.layer, name, node)
        return self.known(value, name, node)

    def static_attribute(self, owner: object, name: str, node: ast.AST) -> Value:
        """An attribute of something that exists now."""
        if _is_configuration(owner):
            raise self.refuse(node, f"reads scapy's configuration (conf.{name})", HINT_CONF)
        if isinstance(owner, types.ModuleType):
            if not hasattr(owner, name):
                raise self.refuse(node, f"module {owner.__name__} has no {name!r}")
            return self.constant(getattr(owner, name), name, tuple(origins(name, owner.__name__)), node)
        if isinstance(owner, Enum) and name in ("value", "name"):
            return scalar(getattr(owner, name)) or Static(getattr(owner, name))
        if isinstance(owner, type):
            return self.class_attribute(owner, name, node)
        if isinstance(owner, Field):
            return self.field_attribute(owner, name, node)
        raise self.refuse(node, f"reads .{name} of a {type(owner).__name__} that lives at run time", HINT_STATE)

    def class_attribute(self, cls: type, name: str, node: ast.AST) -> Value:
        """An attribute of a class that is named in the callable."""
        value = inspect.getattr_static(cls, name, _MISSING)
        if value is _MISSING:
            raise self.refuse(node, f"class {cls.__name__} has no attribute {name!r}")
        if isinstance(value, staticmethod | classmethod | Enum):
            return Static(getattr(cls, name))
        if isinstance(value, property):
            raise self.refuse(node, f"{cls.__name__}.{name} is a property of instances")
        self.check_attribute(cls, name, node)
        return self.frozen(value, f"{cls.__name__}.{name}", node)

    def field_attribute(self, owner: object, name: str, node: ast.AST) -> Value:
        """An attribute of the Scapy field whose method is being translated: part of the layer's definition."""
        value = getattr(owner, name, _MISSING)
        if value is _MISSING:
            raise self.refuse(node, f"field {type(owner).__name__} has no attribute {name!r}")
        return self.known(value, name, node)

    def check_attribute(self, cls: type, name: str, node: ast.AST) -> None:
        """Refuse a class attribute that some function stores into."""
        modules = {c.__module__ for c in cls.__mro__ if c not in (object, Packet)} | {self.module}
        for module in sorted(modules):
            changes = changes_of(module)
            line = changes.attributes.get(name) if changes else None
            if changes and line is not None:
                what = f"{cls.__name__}.{name} is changed at run time ({changes.file}:{line})"
                raise self.refuse(node, what, HINT_STATE)

    def inline(
        self, fn: types.FunctionType, args: tuple[Value, ...], keywords: Mapping[str, Value], node: ast.AST
    ) -> Value:
        """The value of calling another function; see :mod:`dissector.frontend.statements`."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------ flags and fields

    def presence(self, name: str) -> bool | None:
        """Whether a packet of the layer has an attribute *name* while it is dissected; None if that depends.

        A conditional field that is not there is still an attribute.  What the layer has no word for would be looked up
        in its payload, which is empty until the layer is done; so it is absent, with two exceptions: ``adjust`` is
        called when packets are built, and some layers look elsewhere (a DCE/RPC response looks into its request).  A
        slot of the layer's own may or may not have been filled.
        """
        if self.layer is None:
            return None
        name = self.current(name)
        if any(getattr(f, "name", None) == name for f in self._fields()):
            return True
        value = inspect.getattr_static(self.layer, name, _MISSING)
        if value is _MISSING:
            if self.session.role == "adjust" or _looks_elsewhere(self.layer):
                return None
            self.session.absent.add(name)
            return False
        return None if inspect.isdatadescriptor(value) and name not in vars(Packet) else True

    def current(self, name: str) -> str:
        """A field's name now; Scapy still knows the names that fields once had."""
        renamed = getattr(self.layer, "deprecated_fields", None) or {}
        return str(renamed[name][0]) if name in renamed else name

    def field_of(self, ref: object) -> object:
        """The Scapy field that *ref* reads, without the condition around it; None if it is no field of this layer."""
        if not (isinstance(ref, Ref) and len(ref.path) == 2 and ref.path[0] == "F"):
            return None
        return next((inner(f) for f in self._fields() if getattr(f, "name", None) == ref.path[1]), None)

    def flag_names(self, ref: object) -> list[str] | str | None:
        """The names of the bits when *ref* is a ``FlagsField`` of this layer, else None."""
        f = self.field_of(ref)
        known = isinstance(f, FlagsField) and isinstance(f.names, list | str) and getattr(ref, "kind", "") != "int"
        return f.names if known else None  # type: ignore[attr-defined]  # the line above

    def _fields(self) -> list[object]:
        return list(getattr(self.layer, "fields_desc", None) or ())


def inner(fld: object) -> object:
    """The field under the conditions around it."""
    while isinstance(fld, ConditionalField):
        fld = fld.fld
    return fld


def describe(value: Value) -> str:
    """A value in messages."""
    if value == PACKET:
        return "the packet"
    if isinstance(value, Static):
        return f"a {type(value.value).__name__}"
    if isinstance(value, Octets):
        return "a slice"
    if isinstance(value, Items):
        return "a list"
    return "what ** brought" if isinstance(value, Keywords) else "an expression"


def _looks_elsewhere(layer: type) -> bool:
    """True for a layer with a way of its own to find attributes."""
    ways = ("__getattr__", "__getattribute__", "getfield_and_val", "getfieldval")
    return any(inspect.getattr_static(layer, w, None) is not inspect.getattr_static(Packet, w, None) for w in ways)


def _is_configuration(value: object) -> bool:
    """True for Scapy's ``conf``, its parts, and the tables in them under another name."""
    if isinstance(value, ConfClass):
        return True
    contribs = getattr(conf, "contribs", None)
    return isinstance(value, dict) and (value is contribs or any(value is v for v in dict.values(contribs or {})))
