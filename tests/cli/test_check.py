# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ran

LAYERS = """\
from scapy.fields import ByteField, StrLenField
from scapy.packet import Packet
from dissector.declare import Channel, F, Finding, Protocol, Register, Rule, S, State, Stream

class Good(Packet):
    fields_desc = [ByteField("n", 0), StrLenField("data", b"", length_from=lambda pkt: pkt.n)]

class Bad(Packet):
    fields_desc = [ByteField("n", 0), StrLenField("data", b"", length_from=lambda pkt: eval("1"))]

NOTHING = Finding("nothing", "error", "protocol", "nothing fits")
STREAM = Stream(
    "s",
    "a",
    (Register("left"),),
    (
        State(
            "a",
            Rule(Good, when=S.left == 0, do=((S.left, F.n),)),
            Rule(Good, when=S.lost == 1),
            Rule(Good, goto="c"),
            Rule(Bad),
        ),
    ),
    NOTHING,
)
PROTOCOL = Protocol("p", "p", "P", "P", (Channel("c", "c", STREAM),))
"""


@pytest.fixture(autouse=True)
def _layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where a module with good and bad layers lies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "layers", raising=False)
    Path("layers.py").write_text(LAYERS)


class TestCheck:
    def test_the_qemu_protocol_translates(self, cli: Callable[..., Ran]) -> None:
        """Without arguments QEMU's protocol is looked at, and all of it translates."""
        ran = cli("check")

        assert (0, "") == (ran.code, ran.err)
        assert "section.py:" in ran.out
        assert ran.out.endswith(" translated, 0 problems\n")

    def test_a_layer(self, cli: Callable[..., Ran]) -> None:
        """One class is one line."""
        ran = cli("check", "layers:Good")

        assert (0, "layers.py:5: Good translates\n1 layer translated, 0 problems\n") == (ran.code, ran.out)

    def test_a_module_tells_both(self, cli: Callable[..., Ran]) -> None:
        """What translates is told, and what is refused with place, reason and hint."""
        ran = cli("check", "layers")

        assert 1 == ran.code
        assert "layers.py:5: Good translates\n" in ran.out
        assert "layers.py:9: refused: Bad.data" in ran.out
        assert "  hint: " in ran.out
        assert ran.out.endswith("1 layer translated, 1 problem\n")

    def test_all_problems_of_a_protocol_are_told_at_once(self, cli: Callable[..., Ran]) -> None:
        """A layer, a rule with an unknown register and one with an unknown state: three problems in one run."""
        ran = cli("check", "layers:PROTOCOL")

        assert 1 == ran.code
        assert "layers.py:9: refused: Bad.data" in ran.out
        assert "layers.py:20: state 'a': refused: no register 'lost'" in ran.out
        assert "layers.py:21: state 'a': refused: no state 'c'" in ran.out
        assert ran.out.endswith("1 layer and 1 rule translated, 3 problems\n")

    def test_json(self, cli: Callable[..., Ran]) -> None:
        """The same as one object."""
        ran = cli("check", "layers", "--json")
        report = json.loads(ran.out)

        assert 1 == ran.code
        assert ["target", "translated", "refused"] == list(report)
        assert [{"kind": "layer", "name": "Good", "where": "layers.py:5"}] == report["translated"]
        assert [["where", "what", "hint"]] == [list(problem) for problem in report["refused"]]

    @pytest.mark.parametrize("target", ["layers:NOTHING", "dissector.errors"])
    def test_what_is_no_layer_is_a_problem(self, cli: Callable[..., Ran], target: str) -> None:
        """A module without layers and an object that is none are refused, not passed over."""
        ran = cli("check", target)

        assert 1 == ran.code
        assert "refused: " in ran.out

    @pytest.mark.parametrize(
        ("code", "target", "said"),
        [
            ("class Empty(Packet):\n    name = 'e'", "made:Empty", "Empty has no fields"),
            (
                (
                    "class A(Packet):\n    fields_desc = [ByteField('k', 0)]\n"
                    "class B(A): pass\nclass C(A): pass\n"
                    "bind_layers(A, B, k=1)\nbind_layers(A, C, k=1)"
                ),
                "made:A",
                "A with k == 1 is bound to B and to C, which is never used",
            ),
            (
                "class A(Packet):\n    fields_desc = []\nA.fields_desc = [PacketListField('l', [], A)]",
                "made:A",
                "A holds itself before any octet is read: A -> A",
            ),
        ],
    )
    def test_what_cannot_be_meant(self, cli: Callable[..., Ran], code: str, target: str, said: str) -> None:
        """No fields, contradictory bindings and lists in circles are one message each."""
        __import__("sys").modules.pop("made", None)
        head = "from scapy.fields import ByteField, PacketListField\nfrom scapy.packet import Packet, bind_layers\n"
        Path("made.py").write_text(f"{head}{code}\n")

        ran = cli("check", target)

        assert 1 == ran.code
        assert 1 == ran.out.count("refused: ")
        assert said in ran.out

    def test_a_package(self, cli: Callable[..., Ran]) -> None:
        """All modules of a package are looked at, and one that cannot be imported is a problem, not the end."""
        folder = Path("some")
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "good.py").write_text(LAYERS)
        (folder / "broken.py").write_text("1 / 0\n")

        ran = cli("check", "some")

        assert 1 == ran.code
        assert "good.py:5: Good translates\n" in ran.out
        assert "some.broken: refused: cannot be imported: ZeroDivisionError: division by zero\n" in ran.out
