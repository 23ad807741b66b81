# SPDX-License-Identifier: GPL-2.0-or-later
"""What every test may rely on: a test that needs a program is skipped without it, or fails if that was asked for.

A skipped test looks like a passed one to whoever reads only the colour, so ./dev test and CI pass --require-tshark.
"""

from __future__ import annotations

import shutil

import pytest

from dissector.errors import TsharkError
from dissector.tshark import Tshark, find_tshark


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the switch that makes a missing tshark a failure."""
    parser.addoption(
        "--require-tshark",
        action="store_true",
        help="fail, instead of skipping, what needs tshark where there is none",
    )
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the expected results in tests/; read the difference like code",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here."""
    if item.get_closest_marker("needs_tshark") and (missing := no_tshark()):
        if item.config.getoption("--require-tshark"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    if item.get_closest_marker("needs_qemu") and not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64: not installed")


def no_tshark() -> str:
    """Say why there is no tshark, or nothing."""
    try:
        find_tshark()
    except TsharkError as error:
        return str(error)
    return ""


@pytest.fixture(scope="session")
def tshark() -> Tshark:
    """Give the tshark that all tests use."""
    return find_tshark()
