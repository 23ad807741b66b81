# SPDX-License-Identifier: GPL-2.0-or-later
"""The pytest plugin: regression tests of captures, for this project and for everybody who has it installed.

========================== =========================================================================================
``dissect(capture)``       the decoder's PDUs, to loop over, count and pick from (:class:`~.regression.pdus.Pdus`)
``migration(capture)``     the object that ``dissector summary --json`` prints
``wireshark(capture)``     pyshark with the generated plugin; closed after the test
``craft(packets)``         a made-up stream as Wireshark shows it; one run of tshark for all that a test crafts
``assert_same(capture)``   decoder, Scapy and tshark agree on every PDU and field
``golden``                 what plain data (``dissect(capture).structure``) is compared with; ``--update-golden``
``tshark``, ``lua_plugin`` the tshark of this run, and the generated plugin as a file
========================== =========================================================================================

pytest loads this file in every environment in which the package is installed, for tests that have nothing to do with
it.  So it imports only what pytest has loaded anyway, and everything else when a fixture is asked for.

A test that needs tshark is skipped where there is none, with the reason.  A skipped test looks like a passed one to
whoever reads only the colour, so a CI gives ``--require-tshark``.  With ``--tshark=PATH``, once or several times, such
a test runs with each of them, and ``DISSECTOR_TSHARK`` names it, for programs that the test starts.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dissector.regression.craft import Batch
    from dissector.regression.pdus import Pdus
    from dissector.tshark import Tshark

FIXTURES = {"dissect", "migration", "wireshark", "craft", "assert_same", "golden", "tshark", "lua_plugin"}
MARKERS = (
    "needs_tshark: runs tshark; skipped where there is none, unless --require-tshark is given",
    "needs_qemu: runs qemu-system-x86_64; skipped where there is none",
)
HINT = "pip install 'layershark[test]'"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the options."""
    group = parser.getgroup("layershark", "regression tests of captures")
    group.addoption(
        "--tshark",
        action="append",
        default=[],
        metavar="PATH",
        help="run what needs tshark with this one; several times: with each of them",
    )
    group.addoption(
        "--require-tshark",
        action="store_true",
        help="fail, instead of skipping, what needs tshark where there is none",
    )
    group.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the expected results; read the difference like code",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known, and hand the one switch for goldens on to syrupy."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if config.getoption("--update-golden"):
        config.option.update_snapshots = True


# ------------------------------------------------------------------------------------------------ which tshark


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs tshark with each that was named."""
    named = metafunc.config.getoption("--tshark")
    if not named:
        return
    if "tshark" not in metafunc.fixturenames and metafunc.definition.get_closest_marker("needs_tshark"):
        metafunc.fixturenames.append("tshark")
    if "tshark" in metafunc.fixturenames:
        metafunc.parametrize("tshark", named, ids=[version(path) for path in named], indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses tshark, so that ``-m "not needs_tshark"`` leaves it out."""
    for item in items:
        if "tshark" in getattr(item, "fixturenames", ()):
            item.add_marker("needs_tshark")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here."""
    if item.get_closest_marker("needs_tshark"):
        find(item.config, getattr(item, "callspec", None) and item.callspec.params.get("tshark"))  # type: ignore[attr-defined]
    if item.get_closest_marker("needs_qemu") and not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64: not installed")


def find(config: pytest.Config, path: str | None = None) -> Tshark:
    """Give a tshark, or end the test."""
    from dissector.errors import TsharkError  # noqa: PLC0415 - as everywhere here: only when it is needed
    from dissector.tshark import find_tshark  # noqa: PLC0415

    try:
        return find_tshark(path)
    except TsharkError as error:
        unable(config, str(error))


def unable(config: pytest.Config, reason: str) -> NoReturn:
    """Skip a test, or fail it if that was asked for."""
    if config.getoption("--require-tshark"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def version(path: str) -> str:
    """Name a tshark in the ids of tests."""
    from dissector.errors import TsharkError  # noqa: PLC0415
    from dissector.tshark import find_tshark  # noqa: PLC0415
    from dissector.tshark.find import dotted  # noqa: PLC0415

    try:
        return f"tshark-{dotted(find_tshark(path).version)}"
    except TsharkError as error:
        # Whoever names one gets that one or an error, never a run without it.
        raise pytest.UsageError(f"--tshark: {error}") from error


# ------------------------------------------------------------------------------------------------ the header


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which versions are at work, where an option tells that they matter."""
    return versions(config) if config.getoption("--tshark") or config.getoption("--require-tshark") else []


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Say it now, where only the tests tell."""
    if config.getoption("--tshark") or config.getoption("--require-tshark"):
        return []
    return versions(config) if any(FIXTURES & set(getattr(item, "fixturenames", ())) for item in items) else []


def versions(config: pytest.Config) -> list[str]:
    """Give a line for each tshark."""
    from importlib.metadata import version as version_of  # noqa: PLC0415

    from dissector.errors import TsharkError  # noqa: PLC0415
    from dissector.tshark import find_tshark  # noqa: PLC0415
    from dissector.tshark.find import dotted  # noqa: PLC0415

    lines = []
    for path in config.getoption("--tshark") or [None]:
        try:
            found = find_tshark(path)
            what = f"tshark {dotted(found.version)} with lua {found.lua} ({found.path})"
        except TsharkError as error:
            what = f"no tshark ({error.where}: {error.what})"
        lines.append(f"layershark {version_of('layershark')}: {what}, scapy {version_of('scapy')}")
    return lines


# ------------------------------------------------------------------------------------------------ fixtures


@pytest.fixture(scope="session")
def tshark(request: pytest.FixtureRequest) -> Iterator[Tshark]:
    """Give the tshark of this run."""
    path = getattr(request, "param", None)
    with pytest.MonkeyPatch.context() as patch:
        if path:
            patch.setenv("DISSECTOR_TSHARK", path)
        yield find(request.config, path)


@pytest.fixture(scope="session")
def lua_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the plugin, generated anew from the layers."""
    from dissector.regression.model import write_plugin  # noqa: PLC0415

    return write_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.fixture
def dissect() -> Callable[..., Pdus]:
    """Give a function from a capture to its PDUs."""
    from dissector.regression.pdus import Pdus  # noqa: PLC0415

    return Pdus


@pytest.fixture
def migration() -> Callable[..., dict[str, Any]]:
    """Give a function from a capture to the summary of the migration in it; ``number`` picks one of several."""
    from dissector.cli.summary import objects  # noqa: PLC0415

    def summary(capture: str | os.PathLike[str], *arguments: str, number: int | None = None) -> dict[str, Any]:
        __tracebackhide__ = True
        found = objects(os.fspath(capture), *arguments)
        if number is None and len(found) != 1:
            pytest.fail(f"{capture}: there are {len(found)} migrations in it\nhint: migration(capture, number=1)")
        return found[(number or 1) - 1]

    return summary


@pytest.fixture
def wireshark(request: pytest.FixtureRequest, tshark: Tshark, lua_plugin: Path) -> Iterator[Callable[..., Any]]:
    """Give a function from a capture to a ``pyshark.FileCapture``; a Lua error in any frame fails the test."""
    from dissector.tshark import pyshark_capture  # noqa: PLC0415
    from dissector.tshark.front import has_pyshark  # noqa: PLC0415

    if not has_pyshark():
        unable(request.config, f"pyshark: not installed\nhint: {HINT}")
    with ExitStack() as stack:

        def capture(path: str | os.PathLike[str], **options: Any) -> Any:
            options.setdefault("tshark", tshark)
            return stack.enter_context(pyshark_capture(path, lua_plugin, **options))

        yield capture


@pytest.fixture
def craft(tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> Batch:
    """Give a function from packets to a case whose ``pdus`` are what Wireshark shows."""
    from dissector.regression.craft import Batch  # noqa: PLC0415

    return Batch(tshark, lua_plugin, tmp_path)


@pytest.fixture
def assert_same(tshark: Tshark, lua_plugin: Path) -> Callable[..., int]:
    """Give a function that fails unless all executors agree on a capture, and gives the number of its PDUs."""
    from dissector.regression import same  # noqa: PLC0415

    def check(capture: str | os.PathLike[str], **options: Any) -> int:
        __tracebackhide__ = True
        return same.assert_same(capture, tshark, lua_plugin, **options)

    return check


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Any:
    """Give what plain data is compared with: a JSON file in ``__snapshots__/`` beside the test, kept by syrupy.

    syrupy and not pytest-regressions, because it needs nothing but pytest, compares with ``==``, so that pytest shows
    the difference as it shows any other, and says which goldens no test asks for any more.
    """
    try:
        from syrupy.extensions.json import JSONSnapshotExtension  # noqa: PLC0415
    except ImportError:
        pytest.fail(f"golden: syrupy is not installed\nhint: {HINT}", pytrace=False)
    return request.getfixturevalue("snapshot").use_extension(JSONSnapshotExtension)
