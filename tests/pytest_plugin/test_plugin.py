# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin as pytest sees it: it is not there until somebody uses it, and a missing tshark is said, not hidden."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dissector.tshark import Tshark
from tests.support.recordings import recorded

pytest_plugins = ["pytester"]

NEEDS = """
    import pytest

    def test_fixture(tshark):
        assert tshark.version

    @pytest.mark.needs_tshark
    def test_marker():
        pass

    def test_neither():
        pass
"""


@pytest.fixture
def wrappers(tshark: Tshark) -> Iterator[list[str]]:
    """Give two programs that are tshark, in a folder that nobody is kept out of."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    paths = [folder / name for name in ("one", "two")]
    for path in paths:
        path.write_text(f'#!/bin/sh\nexec {tshark.path} "$@"\n')
        path.chmod(0o755)
    yield [f"--tshark={path}" for path in paths]
    shutil.rmtree(folder)


def test_costs_others_nothing(pytester: pytest.Pytester) -> None:
    """Where no test uses it, nothing of the package is imported but the plugin, and nothing is printed."""
    pytester.makepyfile(
        """
        import sys

        def test_something_else():
            ours = {name for name in sys.modules if name.split(".")[0] in ("dissector", "scapy", "pyshark")}
            assert ours == {"dissector", "dissector.pytest_plugin"}
        """
    )

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("layershark*")


class TestWithoutTshark:
    @pytest.fixture(autouse=True)
    def _missing(self, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
        monkeypatch.setenv("DISSECTOR_TSHARK", "/nonexistent/tshark")
        pytester.makepyfile(NEEDS)

    def test_skips_with_the_reason(self, pytester: pytest.Pytester) -> None:
        """What needs it is skipped, and the reason names it."""
        result = pytester.runpytest_subprocess("-rs")

        result.assert_outcomes(passed=1, skipped=2)
        result.stdout.fnmatch_lines(["*no tshark (/nonexistent/tshark: not found)*", "SKIPPED*nonexistent/tshark*"])

    def test_fails_if_required(self, pytester: pytest.Pytester) -> None:
        """With --require-tshark the same tests are errors."""
        result = pytester.runpytest_subprocess("--require-tshark")

        outcomes = result.parseoutcomes()
        assert {"passed": 1} == {name: n for name, n in outcomes.items() if name in {"passed", "skipped"}}
        assert 2 == outcomes.get("failed", 0) + outcomes.get("errors", 0)
        result.stdout.fnmatch_lines(["*/nonexistent/tshark: not found*"])

    def test_one_that_was_named_must_be_there(self, pytester: pytest.Pytester) -> None:
        """A --tshark that does not exist ends the run before any test."""
        result = pytester.runpytest_subprocess("--tshark=/nonexistent/other")

        assert pytest.ExitCode.OK != result.ret
        result.stdout.no_fnmatch_line("*passed*")
        assert "/nonexistent/other" in result.stdout.str() + result.stderr.str()


@pytest.mark.needs_tshark
class TestTshark:
    def test_each_that_was_named(self, pytester: pytest.Pytester, wrappers: list[str]) -> None:
        """A test that needs it, by fixture or by marker, runs with each; any other runs once."""
        pytester.makepyfile(NEEDS)

        result = pytester.runpytest_subprocess("-v", *wrappers)

        result.assert_outcomes(passed=5)
        result.stdout.fnmatch_lines(["layershark *: tshark * (*/one)*", "layershark *: tshark * (*/two)*"])

    def test_is_named_for_programs_that_a_test_starts(self, pytester: pytest.Pytester, wrappers: list[str]) -> None:
        """The variable DISSECTOR_TSHARK follows the option."""
        pytester.makepyfile(
            """
            import os, pytest

            @pytest.mark.needs_tshark
            def test_variable(tshark):
                assert os.environ["DISSECTOR_TSHARK"] == tshark.path
            """
        )

        pytester.runpytest_subprocess(*wrappers).assert_outcomes(passed=2)

    def test_can_be_left_out(self, pytester: pytest.Pytester) -> None:
        """What uses it has the marker, whether written there or not."""
        pytester.makepyfile(NEEDS)

        pytester.runpytest_subprocess("-m", "not needs_tshark").assert_outcomes(passed=1, deselected=2)

    def test_a_difference_is_readable(self, pytester: pytest.Pytester) -> None:
        """A plugin that shows a wrong name is found, with frame, offset, PDU, and what each of both says."""
        shutil.copy(recorded("qemu-7.2-failure"), pytester.path / "my.pcap.gz")
        pytester.makepyfile(
            """
            import pytest
            from dissector.regression.model import plugin_text

            @pytest.fixture(scope="session")
            def lua_plugin(tmp_path_factory):
                path = tmp_path_factory.mktemp("wrong") / "wrong.lua"
                path.write_text(plugin_text().replace('"FileHeader"', '"FileHeadache"'))
                return path

            def test_wrong(assert_same):
                assert_same("my.pcap.gz")
            """
        )

        result = pytester.runpytest_subprocess()

        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "*connection 0, client's PDU 0: frame *, offset 0, FileHeader:",
                "*name: decoder 'FileHeader', tshark * 'FileHeadache'",
            ]
        )

    def test_a_lua_error_fails_the_test(self, pytester: pytest.Pytester) -> None:
        """Also one that no assertion looks at."""
        shutil.copy(recorded("qemu-7.2-failure"), pytester.path / "my.pcap.gz")
        pytester.makepyfile(
            """
            import pytest

            @pytest.fixture(scope="session")
            def lua_plugin(tmp_path_factory):
                path = tmp_path_factory.mktemp("wrong") / "wrong.lua"
                path.write_text('''
                    local p = Proto("qmig", "Wrong")
                    function p.dissector() error("boom") end
                    DissectorTable.get("tcp.port"):add("1-65535", p)
                ''')
                return path

            def test_wrong(wireshark):
                assert wireshark("my.pcap.gz")
            """
        )

        result = pytester.runpytest_subprocess()

        assert pytest.ExitCode.TESTS_FAILED == result.ret
        result.stdout.fnmatch_lines(["*boom*"])


class TestGolden:
    @pytest.fixture(autouse=True)
    def _capture(self, pytester: pytest.Pytester) -> None:
        shutil.copy(recorded("qemu-7.2-failure"), pytester.path / "my.pcap.gz")
        pytester.makepyfile("def test_it(dissect, golden): assert dissect('my.pcap.gz').structure == golden")

    def test_is_asked_for(self, pytester: pytest.Pytester) -> None:
        """Without a golden the test fails; with the switch it is written, and from then on it holds."""
        pytester.runpytest_subprocess().assert_outcomes(failed=1)
        pytester.runpytest_subprocess("--update-golden").assert_outcomes(passed=1)
        pytester.runpytest_subprocess().assert_outcomes(passed=1)

    def test_holds(self, pytester: pytest.Pytester) -> None:
        """A capture that changed fails."""
        pytester.runpytest_subprocess("--update-golden")
        shutil.copy(recorded("qemu-7.2-cancel"), pytester.path / "my.pcap.gz")

        pytester.runpytest_subprocess().assert_outcomes(failed=1)
