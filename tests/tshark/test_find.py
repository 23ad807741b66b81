# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from dissector.errors import TsharkError
from dissector.tshark import find, find_program, find_tshark

if TYPE_CHECKING:
    from pathlib import Path

OLD = """\
TShark (Wireshark) 3.4.10 (Git v3.4.10 packaged as 3.4.10-0+deb11u1)
Compiled (64-bit) with libpcap, with GLib 2.66.8, with zlib 1.2.11, with Lua
5.2.4, with GnuTLS 3.7.1.
"""
NEW = """\
TShark (Wireshark) 4.6.9.

Compile-time info:
 With:
  +brotli                      +MaxMind
  +Lua 5.4.9                   +Zstandard 1.5.7
 Without:
  -zlib-ng
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are shell scripts")


def stand_in(folder: Path, output: str) -> str:
    """Make a program that prints ``output`` and calls itself tshark."""
    path = folder / "tshark"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}END\n")
    path.chmod(0o755)
    return str(path)


class TestParseVersion:
    def test_reads_both_versions_across_line_breaks(self) -> None:
        """The Lua version is found although 3.4 and 4.0 break the line before it."""
        assert ((3, 4, 10), "5.2.4") == find.parse_version("tshark", OLD)

    def test_reads_the_layout_of_new_versions(self) -> None:
        """A version that ends with the sentence is read without its full stop."""
        assert ((4, 6, 9), "5.4.9") == find.parse_version("tshark", NEW)

    def test_knows_a_tshark_without_lua(self) -> None:
        """A build without Lua is recognised."""
        assert ((4, 4, 0), None) == find.parse_version("tshark", "TShark (Wireshark) 4.4.0\nwithout Lua, with zlib")

    def test_refuses_another_program(self) -> None:
        """A program that does not call itself TShark is refused with what it said."""
        with pytest.raises(TsharkError, match="GNU ls"):
            find.parse_version("ls", "GNU ls 9.1")


class TestFindTshark:
    @pytest.mark.needs_tshark
    def test_finds_the_installed_one(self) -> None:
        """The installed tshark has Lua and a version that will do."""
        tshark = find_tshark()

        assert tshark.lua
        assert tshark.version >= find.OLDEST

    def test_takes_the_one_that_the_variable_names(self, open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """DISSECTOR_TSHARK wins over the PATH."""
        path = stand_in(open_folder, NEW)
        monkeypatch.setenv(find.VARIABLE, path)

        assert path == find_tshark().path

    def test_takes_the_argument_before_the_variable(self, open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An argument wins over DISSECTOR_TSHARK."""
        path = stand_in(open_folder, OLD)
        monkeypatch.setenv(find.VARIABLE, "/nonexistent/tshark")

        assert (3, 4, 10) == find_tshark(path).version

    def test_does_not_replace_the_one_that_was_named(self, tmp_path: Path) -> None:
        """A named tshark that is missing is an error, even where another is installed."""
        with pytest.raises(TsharkError, match="not found"):
            find_tshark(str(tmp_path / "tshark"))

    def test_says_how_to_get_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without any tshark the error tells the package's name on Debian, Fedora and macOS."""
        monkeypatch.delenv(find.VARIABLE, raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(find, "USUAL_PLACES", ())

        with pytest.raises(TsharkError, match=r"tshark: not installed\nhint: .*apt-get.*dnf.*brew"):
            find_tshark()

    @pytest.mark.parametrize(
        ("output", "what"),
        [
            (OLD.replace("3.4.10", "3.2.3"), r"version 3\.2\.3 is too old, 3\.4 is needed"),
            (NEW.replace("+Lua 5.4.9", "-Lua"), "built without lua"),
            ("hello\n", "does not look like tshark"),
        ],
    )
    def test_refuses_what_cannot_work(self, open_folder: Path, output: str, what: str) -> None:
        """Too old, without Lua, or no tshark at all: each is said."""
        with pytest.raises(TsharkError, match=what):
            find_tshark(stand_in(open_folder, output))


def test_find_program_looks_in_the_usual_places(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that the PATH does not know is found where installers put it."""
    path = stand_in(open_folder, NEW)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(find, "USUAL_PLACES", (str(open_folder),))

    assert path == find_program("tshark")
