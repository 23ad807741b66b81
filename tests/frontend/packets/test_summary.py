# SPDX-License-Identifier: GPL-2.0-or-later
"""mysummary() as parts of a text."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from dissector.errors import Refused
from dissector.frontend.packets.summary import info_of
from dissector.ir.expr import Cmp, Const, Ref, Un
from dissector.ir.pdus import Message

MakeModule = Callable[..., ModuleType]
A, B = Ref(("F", "a")), Ref(("F", "b"))

BASE = """
from scapy.fields import *
from scapy.packet import Packet
from scapy.layers.inet import UDP

class Layer(Packet):
    fields_desc = [ByteField("a", 1), ByteEnumField("b", 1, {1: "one"}), StrField("text", b"")]
    def mysummary(self):
"""


@pytest.fixture
def said(module: MakeModule) -> Callable[[str], Any]:
    """Give a function that says what a mysummary() with this body makes."""

    def of(body: str) -> Any:
        return info_of(module(BASE + "\n".join(f"        {line}" for line in body.splitlines()) + "\n").Layer)

    return of


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("return self.sprintf('A %Layer.a% of %b%')", [(None, "A %s of %s", (A, B))]),
        ("return self.sprintf('100%% %(x%)'), [UDP]", [(None, "100%% {x}", ())]),
        ("return self.sprintf('%03xr,Layer.a%')", [(None, "%03x", (A,))]),
        ("return 'a=%d b=%#04x' % (self.a, self.b)", [(None, "a=%d b=0x%02x", (A, B))]),
        ("return 'b=%s' % self.b", [(None, "b=%d", (B,))]),
        ("return f'{self.a}/{self.b:02x} {self.text.decode()}'", [(None, "%d/%02x %s", (A, B, Ref(("F", "text"))))]),
        ("return 'always'", [(None, "always", ())]),
        (
            "s = 'x'\nif self.a == 1:\n    s += ' one'\nreturn s + '.'",
            [(None, "x", ()), (Cmp("==", A, Const(1)), " one", ()), (None, ".", ())],
        ),
        ("return 'yes' if self.a else 'no'", [(A, "yes", ()), (Un("not", A), "no", ())]),
    ],
)
def test_texts(said: Callable[[str], Any], body: str, parts: list[Any]) -> None:
    """Each way to make a text gives its parts, with the condition under which each is said."""
    assert [(c, Message(form, args)) for c, form, args in parts] == list(said(body))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("return self.sprintf('%UDP.sport%')", "looks at another layer"),
        ("return self.sprintf('{UDP:x}')", "a condition on layers"),
        ("return '%r' % self.a", "formats a value with %r"),
        ("return self.sprintf('%nothing%')", "which is no field of the layer"),
        ("return repr(self)", "calls repr()"),
        ("return self.a", None),
    ],
)
def test_refusals(said: Callable[[str], Any], body: str, what: str | None) -> None:
    """What cannot be said from the fields is refused; a field alone is a text."""
    if what is None:
        assert [(None, Message("%s", (A,)))] == list(said(body))
        return
    with pytest.raises(Refused, match=re.escape(what)) as refused:
        said(body)
    assert "layer.py:" in refused.value.where
