# SPDX-License-Identifier: GPL-2.0-or-later
"""Each message and each finding is proved by something, and docs/coverage.md says by what."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.coverage import PAGE, page, unproved, unseen

GOLDEN = Path(__file__).parent / "golden" / "findings_without_vector.txt"


def test_the_committed_page_is_current() -> None:
    """A new recording, vector or message shows in docs/coverage.md."""
    assert PAGE.read_text(encoding="utf-8") == page(), "stale: run ./dev docs"


def test_each_message_has_a_vector_or_a_capture() -> None:
    """No PDU is taken on trust."""
    assert unseen() == []


def test_findings_without_a_vector_only_get_fewer(request: pytest.FixtureRequest) -> None:
    """A new finding comes with a vector; the list of those that have none is a debt that is only paid off."""
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    known = [x for x in lines if not x.startswith("#")]
    missing = unproved()
    assert [x for x in missing if x not in known] == [], "add a [[stream]] to tests/vectors/ that shows it"
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text("".join(f"{x}\n" for x in lines if x.startswith("#") or x in missing), encoding="utf-8")
        return
    assert known == missing, "these are proved by now: pytest --update-golden"
