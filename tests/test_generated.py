# SPDX-License-Identifier: GPL-2.0-or-later
"""What is committed in lua_out/ and docs/ is what the generator makes, octet by octet, every time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dissector.backends.base import KEPT, create
from dissector.regression.model import plugin_text, protocol

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
import sys
from dissector.backends.base import create
from dissector.regression.model import protocol
sys.stdout.buffer.write(create(sys.argv[1]).generate(protocol()).encode())
"""


def generated(backend: str) -> str:
    return create(backend).generate(protocol())


@pytest.mark.parametrize("backend", KEPT)
class TestKept:
    def test_what_is_committed_is_current(self, backend: str) -> None:
        """A change of layers, tables or runtime shows in lua_out/ and docs/: `dissector generate`."""
        path = ROOT / create(backend).folder / create(backend).filename(protocol())

        assert path.read_text(encoding="utf-8") == generated(backend), "stale: run ./dev run dissector generate"

    def test_the_same_in_another_process(self, backend: str) -> None:
        """Neither the order of a set nor the time of day gets into the text."""
        out = []
        for seed in ("1", "2"):
            env = {**os.environ, "PYTHONHASHSEED": seed}
            argv = [sys.executable, "-c", SCRIPT, backend]
            out.append(subprocess.run(argv, cwd=ROOT, env=env, check=True, capture_output=True).stdout)

        assert out[0] == out[1]
        assert generated(backend).encode() == out[0]

    def test_no_path_and_no_date(self, backend: str) -> None:
        """The file says what it was made from, and nothing of the machine or the day."""
        assert not re.search(r"/(home|root|tmp|usr)/|20\d\d-\d\d-\d\d", generated(backend))


def test_every_name_is_local() -> None:
    """The plugin shares its Lua state with all others and leaves no global behind."""
    assigned = set(re.findall(r"(?m)^(?:function )?([A-Za-z_]\w*)(?: =|\()", plugin_text()))
    declared = set()
    for names in re.findall(r"(?m)^local (?:function )?([\w, ]+)", plugin_text()):
        declared |= {n.strip() for n in names.split(",")}
    keywords = {"if", "for", "while", "return", "end", "do"}

    assert not assigned - declared - keywords
