# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dissector.tshark import find

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran


@pytest.fixture
def no_tshark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every program away."""
    monkeypatch.delenv(find.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(find, "USUAL_PLACES", ())


class TestDoctor:
    @pytest.mark.needs_tshark
    def test_all_is_well(self, cli: Callable[..., Ran]) -> None:
        """Where tests run, nothing that is needed is missing."""
        ran = cli("doctor")

        assert (0, "") == (ran.code, ran.err)
        assert "ok      tshark" in ran.out

    @pytest.mark.usefixtures("no_tshark")
    def test_what_is_missing_is_told_with_a_way_to_get_it(self, cli: Callable[..., Ran]) -> None:
        """Without tshark the exit code is 1, and there is a hint."""
        ran = cli("doctor")

        assert 1 == ran.code
        assert "MISSING tshark" in ran.out
        assert "hint: " in ran.out

    def test_json(self, cli: Callable[..., Ran]) -> None:
        """The findings as an array of objects."""
        findings = json.loads(cli("doctor", "--json").out)

        assert {("name", "ok", "detail", "hint", "needed")} == {tuple(finding) for finding in findings}


class TestInstall:
    def test_into_a_folder(self, cli: Callable[..., Ran], tmp_path: Path) -> None:
        """The plugin lies in the folder, and its place is printed."""
        ran = cli("install", "--folder", tmp_path / "plugins")

        assert (0, f"{tmp_path / 'plugins' / 'qemu_migration.lua'}\n", "") == (ran.code, ran.out, ran.err)
        assert "Proto(" in (tmp_path / "plugins" / "qemu_migration.lua").read_text()

    def test_a_folder_that_cannot_be_made(self, cli: Callable[..., Ran], tmp_path: Path) -> None:
        """A folder below a file is refused."""
        (tmp_path / "file").write_text("")
        ran = cli("install", "--folder", tmp_path / "file" / "plugins")

        assert (2, "") == (ran.code, ran.out)
        assert "cannot be written" in ran.err
