# SPDX-License-Identifier: GPL-2.0-or-later
"""The README's example: an outsider's test, in a folder of its own, with nothing of this repository's tests."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.recordings import recorded

pytest_plugins = ["pytester"]

EXAMPLE = Path(__file__).with_name("example.py")
ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TESTING = ROOT / "docs" / "testing.md"


def code() -> str:
    text = EXAMPLE.read_text(encoding="utf-8")
    return text[text.index("def ") :]


@pytest.mark.needs_tshark
def test_outsider(pytester: pytest.Pytester) -> None:
    """It passes, says which versions were at work, and finds the golden that it was told to write."""
    pytester.makepyfile(code())
    shutil.copy(recorded("qemu-7.2-postcopy"), pytester.path / "my.pcap.gz")

    pytester.runpytest_subprocess("--update-golden").assert_outcomes(passed=1)
    again = pytester.runpytest_subprocess()

    again.assert_outcomes(passed=1)
    again.stdout.re_match_lines([r"layershark .*: tshark \S+ with lua \S+ \(.*\), scapy .*"])


@pytest.mark.needs_tshark
def test_documentation(pytester: pytest.Pytester) -> None:
    """The examples of docs/testing.md pass."""
    examples = re.findall(r"```python\n(.*?)```", TESTING.read_text(encoding="utf-8"), re.DOTALL)
    pytester.makepyfile("\n\n".join(examples))
    shutil.copy(recorded("qemu-7.2-precopy"), pytester.path / "my.pcap.gz")

    pytester.runpytest_subprocess("--update-golden").assert_outcomes(passed=len(examples))


def test_the_readme_shows_it() -> None:
    """What is documented is what is tested, and it is short."""
    assert code() in README.read_text(encoding="utf-8")
    assert len(code().splitlines()) <= 10
