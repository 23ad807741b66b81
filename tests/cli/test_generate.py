# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ran

NAME = "qemu_migration.lua"

CIRCLE = """\
from dissector.declare import Channel, Finding, Protocol, Rule, State, Stream

NOTHING = Finding("nothing", "error", "protocol", "nothing fits")
STREAM = Stream("s", "a", (), (State("a", Rule(goto="b")), State("b", Rule(goto="a"))), NOTHING)
PROTOCOL = Protocol("circle", "circle", "Circle", "CIRCLE", (Channel("c", "c", STREAM),))
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, which ``lua_out`` is then made in."""
    monkeypatch.chdir(tmp_path)


class TestGenerate:
    def test_the_default_is_the_qemu_plugin_in_lua_out(self, cli: Callable[..., Ran]) -> None:
        """Without arguments the plugin is written, and nothing is said."""
        ran = cli("generate")

        assert (0, "", "") == (ran.code, ran.out, ran.err)
        assert 'Proto(proto_name, "QEMU Live Migration")' in Path("lua_out", NAME).read_text()

    def test_the_documentation_is_written_with_it(self, cli: Callable[..., Ran]) -> None:
        """Without arguments all that a checkout keeps is written; with a backend only what that makes."""
        cli("generate")
        page = Path("docs", "protocol.md").read_text()
        cli("generate", "--backend", "markdown", "-o", "elsewhere/")

        assert page.splitlines()[-1].startswith("|")
        assert page == Path("elsewhere", "protocol.md").read_text()
        assert [Path("elsewhere", "protocol.md")] == list(Path("elsewhere").iterdir())

    def test_a_file_that_is_up_to_date_is_not_touched(self, cli: Callable[..., Ran]) -> None:
        """A second run leaves the file as it was, its time included."""
        assert "written" in cli("generate", "-v").err
        before = Path("lua_out", NAME).stat()
        ran = cli("generate", "-v")

        assert "unchanged" in ran.err
        assert before.st_mtime_ns == Path("lua_out", NAME).stat().st_mtime_ns

    @pytest.mark.parametrize(
        ("output", "place"), [("x.lua", "x.lua"), ("new/", f"new/{NAME}"), (".", NAME), ("new/y.lua", "new/y.lua")]
    )
    def test_a_place_is_a_file_or_a_folder(self, cli: Callable[..., Ran], output: str, place: str) -> None:
        """``-o`` takes both, and makes folders that are not there."""
        assert 0 == cli("generate", "-o", output).code
        assert Path(place).is_file()

    def test_stdout(self, cli: Callable[..., Ran]) -> None:
        """``-o -`` prints the same text and writes nothing."""
        printed = cli("generate", "-o", "-").out
        cli("generate", "-o", "x.lua")

        assert printed == Path("x.lua").read_text()
        assert not Path("lua_out").exists()

    def test_another_backend(self, cli: Callable[..., Ran]) -> None:
        """The IR as text is a target like the plugin."""
        ran = cli("generate", "--backend", "ir", "-o", "-")

        assert 0 == ran.code
        assert ran.out.startswith("protocol qemu_migration")


class TestCheckOption:
    def test_up_to_date(self, cli: Callable[..., Ran]) -> None:
        """What was just generated is not stale."""
        cli("generate")
        ran = cli("generate", "--check")

        assert (0, "", "") == (ran.code, ran.out, ran.err)

    def test_stale(self, cli: Callable[..., Ran]) -> None:
        """A changed file is named, and stays as it is."""
        cli("generate")
        Path("lua_out", NAME).write_text("-- changed\n")
        ran = cli("generate", "--check")

        assert 1 == ran.code
        assert f"lua_out/{NAME}: is stale\nhint: dissector generate writes it\n" == ran.err
        assert "-- changed\n" == Path("lua_out", NAME).read_text()

    def test_missing(self, cli: Callable[..., Ran]) -> None:
        """A file that is not there is not made."""
        ran = cli("generate", "--check")

        assert (1, f"lua_out/{NAME}: does not exist") == (ran.code, ran.err.splitlines()[0])
        assert not Path("lua_out").exists()


class TestRefusals:
    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["nowhere:X"], "nowhere:X: no module 'nowhere'"),
            (["scapy.layers.inet:UDPP"], "scapy.layers.inet:UDPP: module 'scapy.layers.inet' has no 'UDPP'"),
            (["dissector.errors:Refused"], "a class is no protocol"),
            (["--backend", "cobol"], "backend 'cobol': not known"),
            (["--backend", "dissector.errors:Refused"], "'Refused' is not a Backend"),
            (["-o", "-", "--check"], "--check needs a file to compare with"),
            (["broken:PROTOCOL"], "importing 'broken' failed: ZeroDivisionError: division by zero"),
            (["circle:PROTOCOL"], "stream s: a circle that consumes nothing"),
        ],
    )
    def test_one_message_and_exit_code_2(
        self, cli: Callable[..., Ran], tmp_path: Path, argv: list[str], message: str
    ) -> None:
        """What cannot be generated is said in one message, and nothing is written."""
        Path("broken.py").write_text("1 / 0\n")
        Path("circle.py").write_text(CIRCLE)
        ran = cli("generate", *argv)

        assert (2, "") == (ran.code, ran.out)
        assert message in ran.err
        assert "Traceback" not in ran.err
        assert not (tmp_path / "lua_out").exists()

    def test_a_place_that_cannot_be_written(self, cli: Callable[..., Ran]) -> None:
        """A folder below a file is refused with the system's reason."""
        Path("file").write_text("")
        ran = cli("generate", "-o", "file/x.lua")

        assert 2 == ran.code
        assert ran.err.startswith("file/x.lua: cannot be written: ")
