# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import gzip
import os
import stat
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dissector.errors import TsharkError
from dissector.tshark import run
from dissector.tshark.front import pyshark_capture
from dissector.tshark.sandbox import Sandbox, environment, others_can_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dissector.tshark import Options, Tshark

pytestmark = pytest.mark.needs_tshark

FIELDS = ("frame.number", "tiny.b", "tiny.flag")


def values(rows: Iterator[tuple[tuple[str, ...], ...]]) -> list[tuple[tuple[str, ...], ...]]:
    """Give rows with the booleans of all versions written alike."""
    words = {"True": "1", "False": "0"}
    return [tuple(tuple(words.get(value, value) for value in cell) for cell in row) for row in rows]


@pytest.fixture
def private(tmp_path: Path, capture: Path, plugin: Path) -> Iterator[Path]:
    """Close the folder of capture and plugin to everybody else."""
    assert capture.parent == plugin.parent == tmp_path
    mode = stat.S_IMODE(tmp_path.stat().st_mode)
    tmp_path.chmod(0o700)
    yield tmp_path
    tmp_path.chmod(mode)


class TestPlugin:
    def test_runs_the_plugin(self, tshark: Tshark, capture: Path, plugin: Path) -> None:
        """The plugin's protocol is in the listing, also where tests run as root."""
        listing = tshark.run(capture, plugin).splitlines()

        assert [True, False, True] == ["TINY" in line for line in listing]

    def test_gives_all_values_of_fields(self, tshark: Tshark, capture: Path, plugin: Path) -> None:
        """A field that occurs several times in a frame keeps every value, and one that does not has none."""
        rows = values(tshark.rows(capture, plugin, fields=FIELDS))

        assert [
            (("1",), ("0", "4"), ("1", "0")),
            (("2",), (), ()),
            (("3",), ("2", "4", "6"), ("1", "0", "0")),
        ] == rows

    def test_filters_in_two_passes(self, tshark: Tshark, capture: Path, plugin: Path) -> None:
        """A read filter implies the second pass that tshark insists on."""
        rows = list(tshark.rows(capture, plugin, fields=("frame.number",), read_filter="tiny.b == 6"))

        assert [(("1",),)] == rows

    def test_decodes_as_told(self, tshark: Tshark, capture: Path) -> None:
        """A rule of Decode As reaches tshark."""
        listing = tshark.run(capture, decode_as=["udp.port==7777,rtp"])

        assert listing

    def test_reads_compressed_captures(self, tshark: Tshark, capture: Path, plugin: Path, tmp_path: Path) -> None:
        """A gzipped capture needs no unpacking."""
        packed = tmp_path / "tiny.pcap.gz"
        packed.write_bytes(gzip.compress(capture.read_bytes()))

        assert tshark.run(capture, plugin) == tshark.run(packed, plugin)


class TestBrokenPlugin:
    @pytest.mark.parametrize("kind", ["syntax", "load"])
    def test_is_refused_before_the_run(
        self, tshark: Tshark, capture: Path, broken: Callable[[str], Path], kind: str
    ) -> None:
        """A plugin that does not load is an error that names its file and line, whatever the exit code."""
        path = broken(kind)

        with pytest.raises(TsharkError, match=r"(?s)the lua plugin failed: .*\.lua:\d+: ") as caught:
            tshark.run(capture, path)

        assert str(path) == caught.value.where
        assert "neither a field" not in caught.value.what

    def test_that_is_missing_is_refused(self, tshark: Tshark, capture: Path, tmp_path: Path) -> None:
        """A plugin that does not exist is an error and not a listing without it."""
        with pytest.raises(TsharkError, match=r"none\.lua: no such file"):
            tshark.run(capture, tmp_path / "none.lua")

    def test_that_registers_nothing_is_refused(
        self, tshark: Tshark, capture: Path, broken: Callable[[str], Path]
    ) -> None:
        """A script that loads but does not register the protocol that is expected of it is an error."""
        with pytest.raises(TsharkError, match="the plugin was not loaded"):
            tshark.run(capture, broken("empty"), registers="tiny")

    @pytest.mark.parametrize(
        "options",
        [
            {"fields": FIELDS},
            {"args": ["-V"]},
            {"args": ["-T", "json"]},
            {"args": ["-T", "pdml"]},
            {"args": ["-T", "json"], "two_pass": True, "display_filter": "tiny"},
        ],
        ids=str,
    )
    def test_that_fails_in_a_frame_stops_the_run(
        self, tshark: Tshark, capture: Path, broken: Callable[[str], Path], options: Options
    ) -> None:
        """An error in the middle of a frame is raised with Lua's words, in every format that shows values."""
        path = broken("runtime")

        with pytest.raises(TsharkError, match=r"Lua Error: .*attempt to index .*nil value") as caught:
            tshark.run(capture, path, **options)

        assert f"{path}:10: " in caught.value.what

    def test_is_found_where_a_listing_shows_nothing(
        self, tshark: Tshark, capture: Path, broken: Callable[[str], Path]
    ) -> None:
        """lua_errors tells the frames in which a plugin failed although the listing looks well."""
        path = broken("runtime")

        errors = tshark.lua_errors(capture, path)

        assert ["frame 1", "frame 3"] == [error.partition(":")[0] for error in errors]

    def test_is_found_on_standard_error_only_there(self, tshark: Tshark, capture: Path, plugin: Path) -> None:
        """A plugin that works has no errors."""
        assert [] == tshark.lua_errors(capture, plugin)


class TestSandbox:
    def test_ignores_the_home_of_whoever_runs_it(
        self, tshark: Tshark, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither preferences nor plugins of a person change what is printed."""
        folder = tmp_path / ".local" / "lib" / "wireshark" / "plugins"
        folder.mkdir(parents=True)
        (folder / "mine.lua").write_text("error('loaded from a home')\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")

        assert "Frame 1" in tshark.run(capture, args=["-V"])

    def test_reads_what_only_its_caller_may_read(self, tshark: Tshark, private: Path) -> None:
        """Capture and plugin in a closed folder are read, in one pass and in two."""
        capture, plugin = private / "tiny.pcap", private / "tiny.lua"
        (private / "tiny.pcap").chmod(0o600)
        (private / "tiny.lua").chmod(0o600)

        assert tshark.run(capture, plugin) == tshark.run(capture, plugin, two_pass=True, display_filter="frame")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root has something to drop")
    def test_names_files_as_the_caller_does(self, tshark: Tshark, private: Path, broken: Callable[[str], Path]) -> None:
        """An error tells the caller's path, not the one of the copy that was run."""
        path = broken("syntax")

        with pytest.raises(TsharkError) as caught:
            tshark.run(private / "tiny.pcap", path)

        assert f"{path}:20: " in caught.value.what

    def test_leaves_nothing_behind(
        self, tshark: Tshark, capture: Path, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every temporary folder is gone after a run, also after one that was broken off."""
        place = tmp_path / "temporary"
        place.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(place))

        tshark.run(capture, plugin)
        with closing(tshark.lines(capture, plugin)) as lines:
            next(lines)

        assert [] == list(place.iterdir())

    def test_a_linked_file_is_not_copied(self, private: Path) -> None:
        """A file of which only the folder is closed gets a second name instead of a copy."""
        capture = private / "tiny.pcap"
        capture.chmod(0o644)
        with Sandbox() as box:
            found = box.readable(capture)

            assert found.samefile(capture) or found.stat().st_dev != capture.stat().st_dev
            assert others_can_read(found) or not box.drops_root

    def test_environment_has_nothing_personal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Variables that change Wireshark's ways are left out, those that say where it is installed are kept."""
        monkeypatch.setenv("WIRESHARK_CONFIG_DIR", "/mine")
        monkeypatch.setenv("WIRESHARK_DATA_DIR", "/opt/wireshark/share")
        monkeypatch.setenv("LANG", "de_DE.UTF-8")

        found = environment(Path("/sandbox"))

        assert "/opt/wireshark/share" == found["WIRESHARK_DATA_DIR"]
        assert str(Path("/sandbox/.config/wireshark")) == found["WIRESHARK_CONFIG_DIR"]
        assert "LANG" not in found


class TestEnding:
    def test_a_capture_that_ends_early_is_an_error(self, tshark: Tshark, capture: Path) -> None:
        """tshark's exit code counts, and what it said is quoted."""
        capture.write_bytes(capture.read_bytes()[:-3])

        with pytest.raises(TsharkError, match="cut short in the middle of a packet"):
            tshark.run(capture)

    def test_a_capture_that_ends_early_can_be_read_all_the_same(self, tshark: Tshark, capture: Path) -> None:
        """Without the check of the exit code the whole frames are given."""
        capture.write_bytes(capture.read_bytes()[:-3])

        assert 2 == len(tshark.run(capture, check=False).splitlines())

    def test_a_wrong_filter_is_an_error(self, tshark: Tshark, capture: Path) -> None:
        """A filter that does not exist is refused in tshark's words."""
        with pytest.raises(TsharkError, match="nonsense"):
            tshark.run(capture, display_filter="nonsense.field")

    def test_a_missing_capture_is_an_error(self, tshark: Tshark, tmp_path: Path) -> None:
        """A capture that does not exist is refused by name."""
        with pytest.raises(TsharkError, match=r"none\.pcap: no such file"):
            tshark.run(tmp_path / "none.pcap")

    @pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
    def test_a_tshark_that_hangs_is_stopped(self, open_folder: Path, capture: Path) -> None:
        """After the timeout the process is killed and the error says how long it was waited for."""
        path = open_folder / "tshark"
        path.write_text("#!/bin/sh\nexec sleep 60\n")
        path.chmod(0o755)

        with pytest.raises(TsharkError, match=r"did not finish within 0\.2 seconds"):
            run.Tshark(str(path), (4, 0), "5.2").run(capture, timeout=0.2)


class TestLuaItem:
    @pytest.mark.parametrize(
        "line",
        [
            '        "Lua Error: x.lua:1: nil \\"z\\"": {',
            '          "Lua Error: x.lua:1: nil \\"z\\"": "",',
            '    <field name="" show="Lua Error: x.lua:1: nil &quot;z&quot;" size="0" pos="42">',
            '    [Expert Info (Error/Undecoded): Lua Error: x.lua:1: nil "z"]',
            'Lua Error: x.lua:1: nil "z"',
        ],
    )
    def test_is_read_from_every_format(self, line: str) -> None:
        """The same error gives the same text from JSON, PDML and the text of a tree."""
        assert 'Lua Error: x.lua:1: nil "z"' == run.lua_item(line)

    def test_a_value_that_mentions_one_is_none(self) -> None:
        """Only an item that begins with the words is an error."""
        assert "" == run.lua_item('      "data.text": "Lua Error: not mine"')


class TestPyshark:
    def test_shows_the_tree(self, capture: Path, plugin: Path) -> None:
        """pyshark gives the plugin's layer with its nesting and repeated fields."""
        with pyshark_capture(capture, plugin) as found:
            layers = [packet.tiny for packet in found if "tiny" in packet]

            assert "4" == layers[0].record[1].get_field("b")
            assert 2 == len(layers)

    def test_may_be_left_early(self, capture: Path, plugin: Path) -> None:
        """A capture that is closed after its first frame is no crash."""
        with pyshark_capture(capture, plugin) as found:
            first = next(iter(found))

        assert "TINY" in str(first.layers)

    def test_tells_lua_errors(self, capture: Path, broken: Callable[[str], Path]) -> None:
        """A plugin that fails in a frame is an error when the capture is closed."""
        with (
            pytest.raises(TsharkError, match="frame 1: Lua Error"),
            pyshark_capture(capture, broken("runtime")) as found,
        ):
            list(found)

    def test_refuses_a_broken_plugin(self, capture: Path, broken: Callable[[str], Path]) -> None:
        """A plugin that does not load is refused before pyshark is started."""
        with (
            pytest.raises(TsharkError, match="the lua plugin failed"),
            pyshark_capture(capture, broken("syntax")),
        ):
            pass
