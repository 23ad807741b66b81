# SPDX-License-Identifier: GPL-2.0-or-later
"""What README and docs/ promise is there, and what is there is promised."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dissector.cli import COMMANDS
from tests.cli.test_summary import KEYS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
JSON = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
EXAMPLES = [text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "():" in text]
"""Those with fixtures are run in tests/pytest_plugin."""


def test_readme_lists_every_command() -> None:
    """The table has a row for each subcommand, and no other rows."""
    assert sorted(COMMANDS) == sorted(re.findall(r"^\| `dissector (\w+)", README, re.MULTILINE))


def test_readme_is_short() -> None:
    """Whoever opens it reads it to the end."""
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_summary_is_documented(key: str) -> None:
    """A key without a row in docs/json.md is promised to nobody."""
    assert re.search(rf"^\| `{re.escape(key)}` \|", JSON, re.MULTILINE)


@pytest.mark.needs_tshark
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.partition("def ")[2].partition("(")[0])
def test_the_examples_of_the_readme_pass(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a test of a capture; it is run on a recorded one."""
    shutil.copyfile(ROOT / "pcaps" / "qemu-10.0-postreq.pcap.gz", tmp_path / "my.pcapng")
    (tmp_path / "lua_out").symlink_to(ROOT / "lua_out")
    real = subprocess.check_output

    def check_output(command: list[str], **options: Any) -> Any:
        """Run the command as a module, since it need not be installed."""
        if command[0] != "dissector":
            return real(command, **options)
        return real([sys.executable, "-m", *command], env={"PYTHONPATH": str(ROOT)}, **options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "check_output", check_output)
    space: dict[str, Any] = {}
    exec(example, space)
    for name, function in list(space.items()):
        if name.startswith("test_"):
            function()
