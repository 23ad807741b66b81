# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets from what people write: an expression of Scapy's, or a test campaign of Scapy's (``.uts``).

An expression is read, not run: classes of the layer's module (and those that it imports) with values, lists and other
packets, ``/`` between packets.  A campaign is not run, either.  Where it gives octets to one of the layers that are
asked for, they are a packet; where it gives them to Ethernet, IP, UDP or TCP, they are a frame or the end of one.
"""

from __future__ import annotations

import ast
import importlib
import operator
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from scapy.packet import Packet, Raw

from dissector.errors import ProofError

from .frames import IP, ethernet, ipv4

OPERATORS = {ast.Div: operator.truediv, ast.Mult: operator.mul, ast.Add: operator.add}
HEXADECIMAL = {"hex_bytes", "fromhex", "unhexlify", "bytes_hex", "bytearray"}
BELOW = {"Ether": None, "Dot3": None, "IP": 0x0800, "IPv6": 0x86DD, "UDP": 17, "TCP": 6}
"""What stands around the octets of these layers: nothing, Ethernet with a type, IPv4 with a protocol."""


def module_of(target: str) -> tuple[ModuleType, tuple[type[Packet], ...]]:
    """Import ``module:Class`` or ``module:Class,Class``."""
    name, _, classes = target.partition(":")
    module = importlib.import_module(name)
    return module, tuple(getattr(module, each) for each in classes.split(","))


def build(module: ModuleType, text: str) -> bytes:
    """Build the packet that an expression describes."""
    try:
        return bytes(value(vars(module), ast.parse(text, mode="eval").body))
    except Exception as error:
        raise ProofError(module.__name__, f"cannot build {text}: {error}") from error


def value(names: dict[str, Any], node: ast.expr) -> Any:
    """The value of a part of an expression."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        made = names.get(node.func.id, Raw if node.func.id == "Raw" else None)
        if not (isinstance(made, type) and issubclass(made, Packet)):
            raise TypeError(f"{node.func.id} is no packet")
        return made(*(value(names, a) for a in node.args), **{str(k.arg): value(names, k.value) for k in node.keywords})
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](value(names, node.left), value(names, node.right))
    if isinstance(node, ast.List):
        return [value(names, each) for each in node.elts]
    return ast.literal_eval(node)


def campaign(path: Path, classes: tuple[type[Packet], ...]) -> Iterator[tuple[bool, bytes]]:
    """Every packet in a campaign, once: (whether it is a whole frame, its octets)."""
    known = set()
    targets = {cls.__name__ for cls in classes}
    for part in re.split(r"(?m)^[=%+*~#].*$", path.read_text(encoding="utf-8", errors="replace")):
        try:
            tree = ast.parse(part)
        except SyntaxError:
            continue
        for name, octets in given(tree):
            if (name in targets or name in BELOW) and (name, octets) not in known:
                known.add((name, octets))
                yield (False, octets) if name in targets else (True, below(BELOW[name], octets))


def given(tree: ast.Module) -> Iterator[tuple[str, bytes]]:
    """What is called with octets, and these."""
    variables: dict[str, bytes] = {}
    for statement in tree.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                octets = octets_of(node.args[0], variables)
                if octets:
                    yield node.func.id, octets
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found = octets_of(statement.value, variables)
            if found is not None:
                variables[statement.targets[0].id] = found


def octets_of(node: ast.expr, variables: dict[str, bytes]) -> bytes | None:
    """The octets that an expression of a campaign is, if it is no more than that."""
    if isinstance(node, ast.Name):
        return variables.get(node.id)
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
        return node.value
    if isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], ast.Constant):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        text = node.args[0].value
        text = text.decode("latin-1") if isinstance(text, bytes) else text
        if name in HEXADECIMAL and isinstance(text, str):
            try:
                return bytes.fromhex(text)
            except ValueError:
                return None
    return None


def below(kind: int | None, octets: bytes) -> bytes:
    """The frame around octets that begin with the header of another layer."""
    if kind is None:
        return octets
    return ethernet(kind, octets) if kind > 255 else ethernet(IP, ipv4(kind, octets))
