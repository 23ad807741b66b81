# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder of a recording: where it is, what it is called in a chroot, and that it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissector.record.scenario import RecordError
from dissector.record.scratch import Scratch, plain


def test_it_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    """Also what could not be moved to its place."""
    with Scratch(tmp_path) as scratch:
        scratch.path("a b").mkdir()
        (scratch.path("a b") / "c").write_bytes(b"x")
        (scratch.staging / "half").write_bytes(b"y")
        folder = scratch.folder

    assert not folder.exists()
    assert [] == list(tmp_path.iterdir())


def test_names_in_a_chroot(tmp_path: Path) -> None:
    """QEMU sees a file below its root, we see it from ours."""
    (tmp_path / "tmp").mkdir()
    with Scratch(tmp_path, tmp_path) as scratch:
        name = scratch.folder.name

        assert tmp_path / "tmp" / name / "x" == scratch.path("x")
        assert f"file=/tmp/{name}/x,y=/tmp/{name}/z" == scratch.inside("file=@/x,y=@/z")


def test_names_without_one(tmp_path: Path) -> None:
    """They are the same for both."""
    with Scratch(tmp_path) as scratch:
        assert str(scratch.path("x")) == scratch.inside("@/x")


def test_names_for_others() -> None:
    """Whoever reads of a file elsewhere has no use for its folder."""
    assert plain("file=@/x,y=@/z") == "file=x,y=z"


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    """It is named, and nothing is left."""
    with pytest.raises(RecordError, match="nowhere/tmp: cannot be written to: No such file"):
        Scratch(tmp_path, tmp_path / "nowhere")

    assert [] == list(tmp_path.iterdir())
