# SPDX-License-Identifier: GPL-2.0-or-later
"""What layers are in the IR: the documentation of each layer in golden_layers.py is what it should be."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dissector.frontend.packets import register, register_template, suite, translate_packet
from dissector.frontend.packets.subject import Subject
from dissector.ir.dump_packets import dump_layer, dump_suite
from dissector.ir.expr import Const
from dissector.ir.packets import External, Leaf

NAME = "golden_layers"


def golden() -> ModuleType:
    """The module of layers, imported once."""
    if NAME in sys.modules:
        return sys.modules[NAME]
    spec = importlib.util.spec_from_file_location(NAME, Path(__file__).with_name(f"{NAME}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module


LAYERS = [cls for cls in vars(golden()).values() if isinstance(cls, type) and "fields_desc" in vars(cls)]
LAYERS = [cls for cls in LAYERS if cls.__module__ == NAME]


@pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)
def test_layer(cls: Any) -> None:
    """Each field class and each hook is what the layer's documentation says."""
    found = dump_layer(translate_packet(cls)).replace(f"{NAME}.", "").splitlines()[1:]
    assert inspect.cleandoc(cls.__doc__).splitlines() == [line[2:] for line in found]


def test_every_row_is_in_a_golden_layer() -> None:
    """No row of Scapy's own field classes is without an example."""
    from dissector.frontend.packets.registry import _ROWS, _own_way  # noqa: PLC0415

    seen: set[str] = set()

    def visit(fld: Any) -> None:
        for base in type(fld).__mro__:
            name = f"{base.__module__}.{base.__qualname__}"
            if name in _ROWS and _own_way(type(fld), base) is None:
                seen.add(name)
                break
        for inner in (getattr(fld, "fld", None), getattr(fld, "field", None), getattr(fld, "dflt", None)):
            if inner is not None and inner is not fld:
                visit(inner)

    for cls in LAYERS:
        for fld in getattr(cls, "fields_desc", ()):
            visit(fld)
    here = {n for n in _ROWS if n.startswith("scapy.fields.")}
    unlike = {"scapy.fields.Emph", "scapy.fields.ActionField", "scapy.fields.MultiFlagsField"}
    assert sorted(here - seen - unlike) == []


def test_suite_follows_fields_and_payloads() -> None:
    """A suite of one layer holds all that it leads to, and the entry's fields stand directly behind the prefix."""
    found = suite(golden().Carrier)
    names = [(layer.name.removeprefix(f"{NAME}."), layer.abbrev) for layer in found.layers]
    assert names == [
        ("Carrier", ""),
        ("Element", "element"),
        ("Other", "other"),
        ("Sized", "sized"),
        ("Hooks", "hooks"),
    ]
    assert [item.abbrev for item in found.layers[0].items] == ["kind", "flags", "more"]
    assert found.prefix == f"scapy_{NAME}"


def test_suite_of_a_module() -> None:
    """A suite of a module has its layers in the order of their definition, each behind its own name."""
    found = suite(golden(), prefix="own", name="given")
    assert [layer.name for layer in found.layers] == [f"{NAME}.{cls.__name__}" for cls in LAYERS]
    assert found.layers[0].items[0].abbrev == "integers.a"
    assert (found.name, found.prefix) == ("given", "own")
    assert dump_suite(found).startswith("suite given, filter prefix own\n")


def test_same_name_in_two_modules(module: Any) -> None:
    """Layers of one name get names of their own, the one of the module its plain one."""
    first = module(
        "from scapy.packet import *\nfrom scapy.fields import *\n"
        "class Same(Packet):\n    fields_desc = [ByteField('a', 0)]\n",
        "far_away",
    )
    source = (
        "from scapy.packet import *\nfrom scapy.fields import *\nimport far_away\n"
        "class Same(Packet):\n    fields_desc = [PacketField('a', None, far_away.Same), ByteField('a_b', 0),"
        " ByteField('A_b', 0)]\n"
        "class Two(Packet):\n    fields_desc = [PacketField('a', None, Same)]\n"
    )
    found = suite(module(source, "near"))
    assert first.Same is not None
    assert [(layer.name, layer.abbrev) for layer in found.layers] == [
        ("near.Same", "same"),
        ("near.Two", "two"),
        ("far_away.Same", "far_away_same"),
    ]
    assert [item.abbrev for item in found.layers[0].items] == ["same.a", "same.a_b", "same.a_b_2"]


def test_external(module: Any) -> None:
    """What Wireshark has itself is left to it."""
    source = (
        "from scapy.packet import *\nfrom scapy.fields import *\nfrom scapy.layers.inet import IP\n"
        "class Tunnel(Packet):\n    fields_desc = [ByteField('a', 0)]\nbind_layers(Tunnel, IP)\n"
    )
    found = suite(module(source))
    assert found.externals == (External("scapy.layers.inet.IP", "ip", "IP"),)
    assert [layer.name for layer in found.layers] == ["layer.Tunnel"]


def test_row_of_an_outsider(module: Any) -> None:
    """A registered row speaks for a field class that reads octets in its own way, also by the class's name."""
    source = (
        "from scapy.packet import *\nfrom scapy.fields import *\n"
        "class Odd(Field):\n    def getfield(self, pkt, s):\n        return eval('s[1:], s[:1]')\n"
        "class Layer(Packet):\n    fields_desc = [Odd('a', 0)]\n"
    )
    made = module(source, "outside")

    def row(subject: Subject) -> Leaf:
        return subject.leaf(kind="bytes", size=Const(1))

    register("outside.Odd", row)
    assert (
        dump_layer(translate_packet(made.Layer)) == "outside.Layer (Layer)\n  a: bytes of 1 octets\n  payload: octets"
    )


def test_setting(module: Any) -> None:
    """Configuration is taken as it is, and the layer says so."""
    source = (
        "from scapy.packet import *\nfrom scapy.fields import *\nfrom scapy.config import conf\n"
        "conf.contribs['Golden'] = {'long': True}\n"
        "class Layer(Packet):\n    fields_desc = ["
        "ConditionalField(ByteField('a', 0), lambda pkt: conf.contribs['Golden']['long'])]\n"
    )
    layer = translate_packet(module(source, "configured").Layer)
    assert layer.items[0].present is None
    assert layer.settings == (("conf.contribs['Golden']['long']", "True"),)


def test_template_of_an_outsider(module: Any) -> None:
    """The Lua of a template goes with every suite that has an item which it reads."""
    source = (
        "from scapy.packet import *\nfrom scapy.fields import *\n"
        "class Far(Field):\n    def getfield(self, pkt, s):\n        return eval('s[1:], s[:1]')\n"
        "class Layer(Packet):\n    fields_desc = [Far('a', 0)]\n"
        "class Plain(Packet):\n    fields_desc = [ByteField('a', 0)]\n"
    )
    made = module(source, "farther")
    register_template("far", "return pos, 0, t\n")
    register("farther.Far", lambda subject: subject.leaf(kind="uint", template="far"))
    assert suite(made.Layer).templates == (("far", "return pos, 0, t\n"),)
    assert suite(made.Plain).templates == ()


def test_table_of_tables(module: Any) -> None:
    """A look-up in the entry of a table is a decision between tables; a loop over a known list is its turns."""
    source = (
        "from scapy.packet import *\nfrom scapy.fields import *\n"
        "class One(Packet):\n    fields_desc = [ByteField('a', 0)]\n"
        "class Two(Packet):\n    fields_desc = [ByteField('a', 0)]\n"
        "TABLE = {1: {5: ('one', One), 6: ('two', Two)}, 2: {5: ('two', Two)}}\n"
        "class Layer(Packet):\n    fields_desc = [ByteField('a', 0), ByteField('b', 0)]\n"
        "    def guess_payload_class(self, payload):\n"
        "        if self.a in TABLE:\n"
        "            inner = TABLE[self.a]\n"
        "            if self.b in inner:\n"
        "                name, cls = inner[self.b]\n"
        "                return cls\n"
        "        for number in [7, 8]:\n"
        "            if self.b == number:\n"
        "                return One\n"
        "        return Two\n"
    )
    layer = translate_packet(module(source, "nested").Layer)
    text = dump_layer(layer).replace("nested.", "")
    assert text.splitlines()[-1] == (
        "  payload: ((('One' if F.b == 5 else 'Two' if F.b == 6 else None) if F.b in {5, 6} else "
        "'One' if F.b in {7, 8} else 'Two') if F.a == 1 else "
        "('Two' if F.b == 5 else None) if F.b in {5} else 'One' if F.b in {7, 8} else 'Two') if F.a in {1, 2} else "
        "'One' if F.b in {7, 8} else 'Two'"
    )
