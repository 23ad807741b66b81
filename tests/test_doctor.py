# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from dissector import doctor
from dissector.errors import DissectorError, TsharkError
from dissector.tshark import find

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Give a file to install."""
    path = tmp_path / "tiny.lua"
    path.write_text("-- tiny\n")
    return path


@pytest.fixture
def no_tshark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every program away."""
    monkeypatch.delenv(find.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(find, "USUAL_PLACES", ())


class TestCheck:
    @pytest.mark.needs_tshark
    def test_a_complete_set_up_is_well(self) -> None:
        """Where tests can run, nothing that is needed is missing."""
        assert [] == [finding for finding in doctor.check() if finding.needed and not finding.ok]

    @pytest.mark.usefixtures("no_tshark")
    def test_what_is_missing_comes_with_a_way_to_get_it(self) -> None:
        """Every program that is not there is a finding with a hint, and only tshark makes the report bad."""
        missing = [finding for finding in doctor.check() if not finding.ok]

        assert ["tshark", "sharkd", "dumpcap", "qemu-system-x86_64"] == [finding.name for finding in missing]
        assert [True, False, False, False] == [finding.needed for finding in missing]
        assert all("apt-get install" in finding.hint for finding in missing)

    def test_a_missing_package_is_found(self) -> None:
        """A Python package that is not installed is a finding with pip's line."""
        finding = doctor.check_package("no-such-distribution-as-this", needed=False)

        assert (False, "pip install no-such-distribution-as-this") == (finding.ok, finding.hint)


class TestPluginFolder:
    @pytest.mark.needs_tshark
    def test_tshark_is_asked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The folder lies in the home of whoever asks, and has no version in its name."""
        monkeypatch.setenv("HOME", str(tmp_path))

        assert tmp_path / ".local" / "lib" / "wireshark" / "plugins" == doctor.plugin_folder()

    @pytest.mark.usefixtures("no_tshark")
    def test_without_tshark_the_documented_one_is_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without tshark the folder is the one that Wireshark's documentation names."""
        monkeypatch.setenv("HOME", str(tmp_path))

        assert tmp_path / ".local" / "lib" / "wireshark" / "plugins" == doctor.plugin_folder()


class TestInstall:
    def test_makes_the_folder_and_a_readable_copy(self, plugin: Path, tmp_path: Path) -> None:
        """The copy is complete, readable by all, and alone in its new folder."""
        place = doctor.install(plugin, tmp_path / "a" / "b")

        assert tmp_path / "a" / "b" / "tiny.lua" == place
        assert "-- tiny\n" == place.read_text()
        assert 0o644 == stat.S_IMODE(place.stat().st_mode)
        assert [place] == list(place.parent.iterdir())

    def test_replaces_an_older_one(self, plugin: Path, tmp_path: Path) -> None:
        """A second installation leaves the newer file."""
        doctor.install(plugin, tmp_path / "a")
        plugin.write_text("-- newer\n")

        assert "-- newer\n" == doctor.install(plugin, tmp_path / "a").read_text()

    def test_a_missing_plugin_is_an_error(self, tmp_path: Path) -> None:
        """A plugin that was never generated is refused, with the command that generates it."""
        with pytest.raises(DissectorError, match=r"none\.lua: no such file\nhint: dissector generate"):
            doctor.install(tmp_path / "none.lua", tmp_path)

    def test_a_folder_that_cannot_be_made_is_an_error(self, plugin: Path) -> None:
        """A folder below a file is refused with the system's reason, and nothing is left behind."""
        with pytest.raises(DissectorError, match="cannot be written: Not a directory"):
            doctor.install(plugin, plugin / "folder")
        assert [plugin] == list(plugin.parent.iterdir())


def test_an_error_of_tshark_is_an_error_of_ours() -> None:
    """Whoever catches DissectorError gets tshark's errors, too."""
    assert issubclass(TsharkError, DissectorError)
