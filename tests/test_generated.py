# SPDX-License-Identifier: GPL-2.0-or-later
"""What is committed in lua_out/ is what the generator makes, octet by octet, every time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from dissector.regression.model import plugin_text

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "lua_out" / "qemu_migration.lua"
SCRIPT = """
import sys
from dissector.regression.model import plugin_text
sys.stdout.buffer.write(plugin_text().encode())
"""


def test_the_committed_plugin_is_current() -> None:
    """A change of layers, tables or runtime shows in lua_out/: `dissector generate`."""
    assert PLUGIN.read_text(encoding="utf-8") == plugin_text(), "stale: run ./dev run dissector generate"


def test_the_same_in_another_process() -> None:
    """Neither the order of a set nor the time of day gets into the text."""
    out = []
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        out.append(
            subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, check=True, capture_output=True).stdout
        )

    assert out[0] == out[1]
    assert plugin_text().encode() == out[0]


def test_every_name_is_local() -> None:
    """The plugin shares its Lua state with all others and leaves no global behind."""
    assigned = set(re.findall(r"(?m)^(?:function )?([A-Za-z_]\w*)(?: =|\()", plugin_text()))
    declared = set()
    for names in re.findall(r"(?m)^local (?:function )?([\w, ]+)", plugin_text()):
        declared |= {n.strip() for n in names.split(",")}
    keywords = {"if", "for", "while", "return", "end", "do"}

    assert not assigned - declared - keywords


def test_no_path_and_no_date() -> None:
    """The file says what it was made from, and nothing of the machine or the day."""
    assert not re.search(r"/(home|root|tmp|usr)/|20\d\d-\d\d-\d\d", plugin_text())
