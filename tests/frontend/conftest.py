# SPDX-License-Identifier: GPL-2.0-or-later
"""Python modules on the fly: the translator reads source files, so a test needs one.

A *case* is a source that defines ``fn``.  It begins with ``from base import *``, so its own first line is the second;
the layer is ``Block`` of the module below unless it defines ``LAYER``, the role ``length_from`` unless it defines
``ROLE``.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from dissector.frontend.callables import Translation, translate

MakeModule = Callable[..., ModuleType]
Case = Callable[[str], tuple[Translation, ModuleType]]

BASE = """
import enum, functools, math, struct, sys
from scapy.config import conf
from scapy.error import log_runtime, warning
from scapy.fields import *
from scapy.packet import Packet, Raw

class Kind(enum.IntEnum):
    PING = 1
    PONG = 2

class Strange(enum.Enum):
    PING = 1

HEADER = 4
SIZES = {1: 4, 2: 4, 3: 8}
MANY = {i: i for i in range(65)}
KINDS = {9, 1, 5}
REGISTRY = {}
COUNTER = 0
VERBOSE = False

def register(kind, size):
    REGISTRY[kind] = size

def count():
    global COUNTER
    COUNTER += 1

def padded(n, to=4):
    return n + (-n % to)

def deep(n):
    return deep(n - 1)

class Other(Packet):
    fields_desc = [ByteField("type", 0)]

class Block(Packet):
    name = "block"
    UNIT = 4
    WORDS = {1: 2, 2: 4}
    mode = 1
    __slots__ = ["seen"]
    deprecated_fields = {"kind": ("type", "2.0")}
    fields_desc = [
        ByteField("type", 0),
        ByteField("len", 0),
        FlagsField("flags", 0, 8, "FSRPAUEC"),
        FlagsField("more", 0, 8, ["one", "two", "th-ree"]),
        StrField("text", b""),
    ]

    def switch(self):
        self.mode = 2

    @property
    def body(self):
        return self.len - self.UNIT

    def half(self, n=2):
        return self.len // n

    @staticmethod
    def words(n):
        return n * 4

    @classmethod
    def units(cls, n):
        return n * cls.UNIT
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeModule:
    """Give a function that writes a source text to a file and imports it."""

    def make(source: str, name: str = "layer") -> ModuleType:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        path = folder / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, made)
        spec.loader.exec_module(made)
        return made

    return make


@pytest.fixture
def case(module: MakeModule) -> Case:
    """Give a function that translates a source's ``fn`` and returns the module, too."""

    def translated(source: str) -> tuple[Translation, ModuleType]:
        base = module(BASE, "base")
        vars(base).update(LAYER=base.Block, ROLE="length_from")
        m = module(f"from base import *\n{source}\n")
        return translate(m.fn, m.LAYER, m.ROLE), m

    return translated
