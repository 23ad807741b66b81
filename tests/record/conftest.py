# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration that is recorded while the tests run."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from dissector.record.qemu import Program
from dissector.record.run import Settings, record
from dissector.record.scenario import built_in

TOOLS = ("as", "ld", "objcopy")
QEMU = Program(["qemu-system-x86_64"])


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a guest where none can be made."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing and item.get_closest_marker("needs_qemu"):
        pytest.skip(f"{', '.join(missing)}: not installed")


@dataclass(frozen=True)
class Recorder:
    """Records scenarios into a folder."""

    folder: Path

    def __call__(self, name: str, **settings: str) -> Path:
        """Record a scenario, and give the capture's place."""
        wanted = Settings(QEMU, QEMU, self.folder, **settings)  # type: ignore[arg-type]
        return asyncio.run(record(name, built_in()[name], wanted))


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the capture of a precopy migration with its return path."""
    return Recorder(tmp_path_factory.mktemp("recorded"))("precopy-rp")


@pytest.fixture(scope="session", params=["precopy-rp", "multifd"])
def each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the capture of a migration over one connection, then of one over three."""
    if request.param == "precopy-rp":
        return Path(request.getfixturevalue("recorded"))
    return Recorder(tmp_path_factory.mktemp("recorded"))(str(request.param))


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    """Give a recorder with a folder of its own."""
    return Recorder(tmp_path)
