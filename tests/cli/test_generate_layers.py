# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector generate module:Layer``: entries, names, framing, and one message for whatever is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ran

LAYERS = """\
from scapy.fields import ByteField, PacketListField, ShortField
from scapy.packet import Packet, bind_layers
from scapy.layers.inet import UDP

class Short(Packet):
    fields_desc = [ByteField("kind", 1), ShortField("len", 0)]

class Other(Packet):
    fields_desc = [ByteField("kind", 1)]

class Empty(Packet):
    pass

class Inner(Packet):
    fields_desc = [ByteField("x", 1)]

class Circle(Packet):
    fields_desc = [PacketListField("all", [], Inner)]

Inner.fields_desc = [PacketListField("again", [], Circle)]
NUMBER = 5
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder with a module of layers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("mylayers.py").write_text(LAYERS)


class TestPlugins:
    def test_one_layer_at_a_port(self, cli: Callable[..., Ran]) -> None:
        """The plugin is called after the module, and nothing is said."""
        ran = cli("generate", "scapy.contrib.bfd:BFD", "--udp", 3784, "-o", "out/")

        assert (0, "", "") == (ran.code, ran.out, ran.err)
        text = Path("out/scapy_bfd.lua").read_text()
        assert 'Proto("scapy_bfd"' in text
        assert 'listen("udp.port", "BFD", "3784"' in text

    def test_without_options_packets_begin_where_scapy_binds_them(self, cli: Callable[..., Ran]) -> None:
        """A port with a layer for each direction is one, and its messages have a size."""
        ran = cli("generate", "scapy.contrib.modbus", "-o", "-")

        assert (0, "") == (ran.code, ran.err)
        assert 'to = "ModbusADURequest", ["from"] = "ModbusADUResponse"' in ran.out
        assert "framing.ModbusADURequest = { header = 6" in ran.out

    def test_what_nobody_binds_is_for_decode_as(self, cli: Callable[..., Ran]) -> None:
        """The plugin is written, and the note says how to tell it."""
        ran = cli("generate", "mylayers:Short")

        assert 0 == ran.code
        assert "packets begin nowhere by themselves: choose it with Decode As\nhint: --udp" in ran.err
        assert Path("lua_out/scapy_mylayers.lua").is_file()

    def test_all_options(self, cli: Callable[..., Ran]) -> None:
        """Tables, heuristics, names and several layers go into one plugin."""
        ran = cli(
            "generate", "mylayers:Short,Other", "--udp", "70=Short", "--udp", "71=Other", "--ethertype", "0x88b5=Short",
            "--ip-proto", "253=Other", "--heuristic", "udp=Other", "--tcp", "72=Short,Other",
            "--framing", "3:F.len+3=Short", "--framing", "segment=Other", "--name", "mine", "--prefix", "my",
            "-o", "x/",
        )  # fmt: skip

        assert (0, "") == (ran.code, ran.err)
        text = Path("x/my.lua").read_text()
        for line in (
            'listen("udp.port", "Short", "70"', 'listen("udp.port", "Other", "71"',
            'listen("ethertype", "Short", "34997"', 'listen("ip.proto", "Other", "253"',
            'look_for("udp", "Other")', 'listen("tcp.port", "Short", "72"',
            "framing.Short = { header = 3",
        ):  # fmt: skip
            assert line in text
        assert "framing.Other" not in text

    def test_a_layer_that_is_shown_as_octets_is_told(self, cli: Callable[..., Ran]) -> None:
        """A plugin with something missing says how much, and with -v what and why."""
        ran = cli("generate", "scapy.contrib.bgp:BGP", "-v")

        assert 0 == ran.code
        assert "layers are shown as octets" in ran.err
        assert "field class BGPNLRIPacketListField reads octets in its own way" in ran.err

    def test_an_override_file_of_a_folder(self, cli: Callable[..., Ran]) -> None:
        """``MODULE.override.toml`` is found by its name; a framing in it is enough for TCP."""
        Path("mylayers.override.toml").write_text(
            "[Short]\nframing = '3:F.len'\n[Short.kind]\nlua = 'return took(pos + 1), 7'\n"
        )
        ran = cli("generate", "mylayers:Short", "--tcp", 70, "--overrides", ".", "-o", "-")

        assert (0, "") == (ran.code, ran.err)
        assert "return took(pos + 1), 7" in ran.out
        assert "framing.Short = { header = 3" in ran.out

    def test_check(self, cli: Callable[..., Ran]) -> None:
        """A plugin that is up to date is not written again, and one that is not is named."""
        argv = ("generate", "mylayers:Short", "--udp", 70, "-o", "p.lua", "--check")
        assert 1 == cli(*argv).code
        cli(*argv[:-1])
        assert 0 == cli(*argv).code
        assert 1 == cli(*argv[:3], 71, *argv[4:]).code


ONE = ("mylayers:Short",)
TWO = ("mylayers:Short,Other",)


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["nowhere:X"], "nowhere:X: no module 'nowhere'", ""),
        (["scapy.contrib.bfdd:BFD"], "no module 'scapy.contrib.bfdd'", "did you mean scapy.contrib.bfd?"),
        (["mylayers:Shrt"], "module 'mylayers' has no 'Shrt'", "did you mean 'Short'?"),
        (["mylayers:Short,Othre"], "module 'mylayers' has no 'Othre'", "did you mean 'Other'?"),
        (["mylayers:NUMBER"], "a int is no protocol", ""),
        (["mylayers:NUMBER", "mylayers:Short"], "mylayers:NUMBER: a int is no Scapy layer", "a subclass of"),
        (["mylayers:Empty"], "mylayers.py:11: Empty has no fields", "declare fields_desc"),
        (["mylayers:Circle"], "contains itself before any octet (Circle -> Inner -> Circle)", "put a field in front"),
        (["scapy.contrib.rtsp"], "RTSPRequest.do_dissect() takes part in the dissection", ""),
        (["os.path"], "no Scapy layers in this module", "a layer is a subclass"),
        ([*ONE, "--udp", "x"], "--udp x: 'x' is no number from 0 to 65535", "for instance"),
        ([*ONE, "--udp", "65536"], "'65536' is no number from 0 to 65535", "for instance"),
        ([*ONE, "--ip-proto", "256"], "'256' is no number from 0 to 255", "for instance"),
        ([*ONE, "--udp", "70=Shirt"], "there is no layer 'Shirt' in this plugin", "did you mean 'Short'?"),
        ([*TWO, "--udp", "70"], "--udp 70: which of 2 layers begins there?", "write 70=LAYER (Short, Other)"),
        (
            [*TWO, "--udp", "70=Short", "--udp", "70=Other"],
            "udp.port 70: is given to Short and Other",
            "70=Short,Other",
        ),
        ([*TWO, "--udp", "70=Short,Other,Short"], "3 layers at one number", "at most two"),
        ([*ONE, "--heuristic", "upd"], "there are no heuristics for 'upd'", "did you mean udp?"),
        ([*ONE, "--tcp", "70"], "Short: nothing tells where a message ends in a TCP stream", '--framing "HEADER:SIZE"'),
        ([*ONE, "--tcp", "70", "--framing", "3:F.lenn"], "'lenn' is no field", "did you mean F.len?"),
        ([*ONE, "--override", "none.toml"], "none.toml: cannot be read: no such file or directory", ""),
        ([*ONE, "--overrides", "none"], "none: is no folder", "--override a file"),
        ([*ONE, "--prefix", "My plugin"], "'My plugin' cannot begin display-filter names", "small letters"),
        ([*ONE, "--name", "7"], "'7' is no name for a plugin", "a letter first"),
        ([*ONE, "--backend", "ir"], "backend 'ir': is for protocols of streams", "leave it out"),
        (["--udp", "70"], "--udp is for Scapy layers, and this is a protocol of streams", "name a layer"),
        ([*ONE, "dissector.protocols.qemu_migration:PROTOCOL"], "a protocol of streams is generated alone", "leave"),
    ],
)
def test_one_message_and_nothing_is_written(cli: Callable[..., Ran], argv: list[str], message: str, hint: str) -> None:
    """What cannot be generated is said once: where, what, and a hint; exit code 2."""
    ran = cli("generate", *argv)
    lines = ran.err.splitlines()

    assert (2, "") == (ran.code, ran.out)
    assert message in lines[0]
    assert hint in "".join(lines[1:])
    assert len(lines) <= 2
    assert not Path("lua_out").exists()
