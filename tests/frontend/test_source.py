# SPDX-License-Identifier: GPL-2.0-or-later
"""Exactly the right node, or none."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from dissector.errors import Refused
from dissector.frontend.layers import ROOT, relative
from dissector.frontend.source import display, load, locate, mangle

MakeModule = Callable[..., ModuleType]


def body(fn: Any) -> str:
    """The text of the node that was found."""
    assert isinstance(fn, FunctionType)
    node = locate(fn).node
    return ast.unparse(node.body if isinstance(node, ast.Lambda) else node)


class TestSeveralOnALine:
    def test_columns_tell_them_apart(self, module: MakeModule) -> None:
        """Each of several lambdas on one line is found."""
        m = module("fns = [lambda p: p.a, lambda p: p.b, (lambda p: p.a + p.b), lambda p: len(p.c)]\n")

        assert ["p.a", "p.b", "p.a + p.b", "len(p.c)"] == [body(f) for f in m.fns]

    def test_constants(self, module: MakeModule) -> None:
        """Lambdas that return constants are found, with columns (3.11, 3.13) and without (3.12.1)."""
        m = module("fns = [lambda p: 5, lambda p: 6, lambda p: None, lambda p: 1, lambda p: True, lambda *p: 1]\n")

        assert ["5", "6", "None", "1", "True", "1"] == [body(f) for f in m.fns]

    def test_same_text_is_the_same(self, module: MakeModule) -> None:
        """Lambdas that read the same are the same, whichever is found."""
        m = module("fns = [lambda p: 5, lambda p: 5]\n")

        assert ["5", "5"] == [body(f) for f in m.fns]

    def test_nested(self, module: MakeModule) -> None:
        """A lambda inside a lambda is not its outer one."""
        m = module("outer = lambda n: lambda p: p.x + n\ninner = outer(3)\n")

        assert "lambda p: p.x + n" == body(m.outer)
        assert "p.x + n" == body(m.inner)

    def test_over_several_lines(self, module: MakeModule) -> None:
        """The body may begin on a later line than the lambda."""
        m = module("fns = [lambda p: (\n    p.a\n), lambda p: (\n    p.b\n)]\n")

        assert ["p.a", "p.b"] == [body(f) for f in m.fns]

    def test_octets_are_not_characters(self, module: MakeModule) -> None:
        """Columns count octets of UTF-8, and the text survives it."""
        m = module('fns = ["äöü", lambda p: p.ä, lambda p: p.b]\n')

        assert ["p.ä", "p.b"] == [body(f) for f in m.fns[1:]]
        assert "lambda p: p.ä" == locate(m.fns[1]).ref.text

    def test_without_columns(self, module: MakeModule) -> None:
        """Code objects that lost their columns are told apart by what they do."""
        m = module("fns = [lambda p: p.a, lambda p: p.b]\n")
        blind = [_without_columns(f) for f in m.fns]

        assert ["p.a", "p.b"] == [body(f) for f in blind]

    def test_without_columns_and_alike(self, module: MakeModule) -> None:
        """Two that differ only in what a code object alone does not show are refused."""
        m = module("class A:\n    fns = [lambda p: p.__a, lambda p: p.__b, lambda p: p._A__c]\n")

        with pytest.raises(Refused) as caught:
            locate(_without_columns(m.A.fns[0]))

        assert "layer.py:2: several lambdas on this line, and Python does not say which one is meant" in str(
            caught.value
        )


class TestNoSource:
    def test_no_file(self) -> None:
        """What was never in a file is refused."""
        scope: dict[str, Any] = {"__name__": "nowhere"}
        exec("fn = lambda p: p.a", scope)

        with pytest.raises(Refused, match="there is no source to read"):
            locate(scope["fn"])

    def test_file_changed(self, module: MakeModule) -> None:
        """A file that was edited after the import is not translated in the old function's name."""
        m = module("fn = lambda p: p.a\n")
        Path(str(m.__file__)).write_text("fn = lambda p: p.b\n", encoding="utf-8")

        with pytest.raises(Refused, match=r"^layer\.py:1: the source of a lambda is not what was imported\nhint: "):
            locate(m.fn)

    def test_file_broken(self, module: MakeModule) -> None:
        """A file that no longer parses is refused, not a crash."""
        m = module("fn = lambda p: p.a\n")
        Path(str(m.__file__)).write_text("fn = lambda p:\n", encoding="utf-8")

        with pytest.raises(Refused, match="the source cannot be parsed"):
            locate(m.fn)

    def test_generator(self, module: MakeModule) -> None:
        """A generator is named as what it is."""
        m = module("def fn(p):\n    yield p.a\n")

        with pytest.raises(Refused, match=r"^layer\.py:1: fn\(\) is a generator or a coroutine"):
            locate(m.fn)


class TestFunctions:
    def test_decorated(self, module: MakeModule) -> None:
        """A decorator moves the first line of a code object to itself."""
        m = module("class A:\n    @staticmethod\n    def size(p):\n        return p.a\n")

        assert body(m.A.size).endswith("return p.a")

    def test_same_name_twice(self, module: MakeModule) -> None:
        """Of two functions of the same name, the one that runs."""
        m = module("def fn(p): return p.a\nfirst = fn\ndef fn(p): return p.b\n")

        assert body(m.first).endswith("return p.a")
        assert body(m.fn).endswith("return p.b")

    def test_owner(self, module: MakeModule) -> None:
        """The innermost class around a function owns its private names."""
        m = module("class A:\n    class B:\n        fn = lambda p: p.__x\n    fn = lambda p: p.__x\n")

        assert "B" == locate(m.A.B.fn).owner
        assert "A" == locate(m.A.fn).owner


class TestText:
    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("fn = lambda p: p.len - 0x10", "lambda p: p.len - 0x10"),
            ("fn = (lambda p:\n      p.len -\n      4)", "lambda p: p.len - 4"),
            ("fn = (lambda p: p.len - \\\n      4)", "lambda p: p.len - 4"),
            ("fn = (lambda p:  # why\n      p.len)", "lambda p: p.len"),
            ("def fn(p, n=4):\n    return p.len - n", "def fn(p, n=4):"),
        ],
    )
    def test_on_one_line(self, module: MakeModule, source: str, text: str) -> None:
        """The text of a callable fits into a comment."""
        ref = locate(module(source + "\n").fn).ref

        assert text == ref.text
        assert "layer.py:1" == str(ref)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "owner", "mangled"),
        [
            ("__x", "A", "_A__x"),
            ("__x", "_A", "_A__x"),
            ("__x", "__A", "_A__x"),
            ("__x", "", "__x"),
            ("__x", "__", "__x"),
            ("__x__", "A", "__x__"),
            ("_x", "A", "_x"),
            ("x", "A", "x"),
        ],
    )
    def test_mangle(self, name: str, owner: str, mangled: str) -> None:
        """Private names are written as the compiler writes them."""
        assert mangled == mangle(name, owner)

    @pytest.mark.parametrize(
        ("filename", "module", "shown"),
        [
            ("/usr/lib/python3/scapy/contrib/coap.py", "scapy.contrib.coap", "scapy/contrib/coap.py"),
            ("/usr/lib/scapy/layers/tls/__init__.py", "scapy.layers.tls", "scapy/layers/tls/__init__.py"),
            ("/home/user/my_layer.py", "my_layer", "my_layer.py"),
            ("/home/user/run.py", "__main__", "run.py"),
            ("<stdin>", "", "<stdin>"),
        ],
    )
    def test_display(self, filename: str, module: str, shown: str) -> None:
        """No message holds a path of the machine."""
        assert shown == display(filename, module)

    def test_load_is_done_once(self, module: MakeModule) -> None:
        """A file with hundreds of callables is parsed once."""
        m = module("fn = lambda p: p.a\n")

        assert load(str(m.__file__), "layer") is load(str(m.__file__), "layer")


def _without_columns(fn: FunctionType) -> FunctionType:
    """The function as ``python -X no_debug_ranges`` makes it, known to the loaded source."""
    code = fn.__code__
    blind = code.replace(co_linetable=b"")  # an empty table: no positions at all
    module = load(code.co_filename, "layer")
    object.__setattr__(module, "codes", module.codes | {blind})
    return FunctionType(blind, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)


def test_an_installed_file_is_named_from_where_it_was_installed() -> None:
    """Messages and generated text are the same wherever the environment lies, also inside the project's folder."""
    assert relative(str(ROOT / ".venv" / "lib" / "python3.11" / "site-packages" / "scapy" / "packet.py")) == (
        "scapy/packet.py"
    )
