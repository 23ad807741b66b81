# SPDX-License-Identifier: GPL-2.0-or-later
"""Override files: fields in Lua, fields that are new, framing, and what an override that does nothing is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scapy.contrib.mysql import MySQLColumnDefinition41
from scapy.contrib.socks import SOCKS5Request

from dissector.backends.packets import generate
from dissector.errors import DissectorError
from dissector.frontend.packets import suite
from dissector.frontend.packets.overrides import beside, overriding, read, with_overrides
from dissector.ir.packets import Entry, Leaf
from dissector.proof.capture import write

if TYPE_CHECKING:
    from dissector.ir.packets import Suite
    from dissector.tshark import Tshark

PORT = 33061
BFD = "scapy.contrib.bfd"


def made(folder: Path, text: str, cls: Any) -> Suite:
    """The suite of a layer with an override file."""
    path = folder / "x.override.toml"
    path.write_text(text, encoding="utf-8")
    overrides = read(path)
    with overriding(overrides):
        whole = suite(cls)
        return with_overrides(whole, overrides)


def bfd() -> Any:
    from scapy.contrib.bfd import BFD as cls  # noqa: PLC0415, N811

    return cls


REPLACED = """
[BFD.my_discriminator]
lua = '''
t:add(field, T(pos, 4), 4711)
return took(pos + 4), 4711
'''

[BFD.summary]
after = "len"
kind = "string"
label = "Summary"
lua = '''
t:add(field, T(pos, 1), "of " .. F.len .. " octets")
return pos
'''
"""


def test_a_field_is_replaced_and_one_is_added(tmp_path: Path) -> None:
    """A replaced field keeps its type and names; a new one stands where the file says."""
    (layer, *_) = made(tmp_path, REPLACED, bfd()).layers
    names = [i.name for i in layer.items]
    assert names.index("summary") == names.index("len") + 1
    assert ["my_discriminator", "summary"] == [n for n, _ in layer.replaced]
    kinds = {i.name: i.kind for i in layer.items if isinstance(i, Leaf)}
    assert ("uint", "string") == (kinds["my_discriminator"], kinds["summary"])


@pytest.mark.needs_tshark
def test_on_the_wire(tshark: Tshark, tmp_path: Path) -> None:
    """The Lua runs in place of the field, and sees the values before it."""
    whole = made(tmp_path, REPLACED, bfd())
    whole = replace(whole, entries=(Entry(whole.layers[0].name, "udp.port", PORT),))
    plugin, capture = tmp_path / "p.lua", tmp_path / "p.pcap"
    plugin.write_text(generate(whole), encoding="utf-8")
    write(capture, [(bytes(bfd()(my_discriminator=1, your_discriminator=9)), PORT)])
    names = [f"{whole.prefix}.{n}" for n in ("my_discriminator", "summary", "your_discriminator")]
    (row,) = tshark.rows(capture, plugin, fields=names, registers=whole.prefix)
    assert ("of 24 octets",) == row[1]
    assert [4711, 9] == [int(cell, 0) for (cell,) in (row[0], row[2])]


def test_a_layer_that_was_refused_is_not_any_more(tmp_path: Path) -> None:
    """A field of a class that nobody knows is not looked at when it is replaced."""
    names = [f.name for f in MySQLColumnDefinition41.fields_desc if "Str" in type(f).__name__]
    text = "".join(f"[MySQLColumnDefinition41.{n}]\nkind = 'string'\nlua = 'return stop'\n" for n in names)
    assert () == made(tmp_path, text, MySQLColumnDefinition41).opaques
    assert 1 == len(suite(MySQLColumnDefinition41).opaques)


@pytest.mark.parametrize(
    ("text", "where", "what", "hint"),
    [
        ("[BFDD.len]\nlua='return pos'\n", "[BFDD]", "there is no layer 'BFDD'", "did you mean 'BFD'?"),
        ("[BFD.lne]\nlua='return pos'\n", "[BFD.lne]", "the layer has no field 'lne'", "did you mean 'len'?"),
        ("[BFD.x]\nafter='lne'\nlua='return pos'\n", "[BFD.x]", "has no field 'lne'", "did you mean 'len'?"),
        ("[BFD.len]\nafter='len'\nlua='return pos'\n", "[BFD.len]", "is a field of the layer already", "leave after"),
        ("[BFD.len]\nlau='return pos'\n", "[BFD.len]", "'lau' means nothing", "did you mean 'lua'?"),
        ("[BFD.len]\nkind='unit'\nlua='x'\n", "[BFD.len]", "there is no kind 'unit'", "did you mean 'uint'?"),
        ("[BFD.len]\nlua=''\n", "[BFD.len]", "has no lua", "body of function"),
        ("[BFD]\nframin='4:4'\n", "[BFD]", "'framin' means nothing", "did you mean 'framing'?"),
        ("[BFD]\n", "[BFD]", "says nothing", "framing"),
        ("BFD = 5\n", "BFD", "is no table", "[Layer.field]"),
        ("[BFD\n", "x.override.toml", "is no TOML", ""),
        ("[BFD.x]\nafter='len'\nbefore='len'\nlua='x'\n", "[BFD.x]", "both after and before", "one of them"),
        ("[BFD.version]\nlua='return pos'\n", "bfd.py", "is a bit field", "replace the layer"),
    ],
)
def test_one_message_for_what_is_wrong(tmp_path: Path, text: str, where: str, what: str, hint: str) -> None:
    """What does nothing, or cannot be read, is an error that says where it is and what would be right."""
    with pytest.raises(DissectorError) as refused:
        made(tmp_path, text, bfd())
    assert where in refused.value.where
    assert what in refused.value.what
    assert hint in refused.value.hint


def test_files_beside_a_module(tmp_path: Path) -> None:
    """A folder has the file of a module by its whole name or by the last part."""
    for name in (f"{BFD}.override.toml", "socks.override.toml", "other.override.toml"):
        (tmp_path / name).write_text("")
    found = beside(tmp_path, [BFD, SOCKS5Request.__module__])
    assert [f"{BFD}.override.toml", "socks.override.toml"] == [p.name for p in found]


def test_a_dotted_name_needs_no_quotes(tmp_path: Path) -> None:
    """A class is also named by where it is."""
    text = f"[{BFD}.BFD.len]\nlua='return took(pos + 1)'\n"
    assert ("len", "return took(pos + 1)") in made(tmp_path, text, bfd()).layers[0].replaced


def test_the_override_is_gone_afterwards(tmp_path: Path) -> None:
    """A translation with overrides leaves no trace in the next."""
    made(tmp_path, REPLACED, bfd())
    assert () == suite(bfd()).layers[0].replaced
