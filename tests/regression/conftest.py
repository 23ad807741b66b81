# SPDX-License-Identifier: GPL-2.0-or-later
"""The captures under regression test, and the plugin as it is generated now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.readers import plugin_text


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the plugin, generated anew."""
    path = tmp_path_factory.mktemp("plugin") / "qemu_migration.lua"
    path.write_text(plugin_text(), encoding="utf-8")
    return path
