# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector record`` without any QEMU: what is missing or wrong is said, with how to put it right."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dissector.record.scenario import built_in
from tests.cli.conftest import Ran

OLD, NEW = "5.2.0", "11.1.3"


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that makes a QEMU of a version that says something and ends."""

    def make(version: str, says: str = "", name: str = "qemu-system-x86_64") -> Path:
        path = tmp_path / name
        text = f'#!/bin/sh\n[ "$1" != --version ] || {{ echo "QEMU emulator version {version}"; exit; }}\n'
        path.write_text(f"{text}echo '{says}' >&2\nexit 3\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture(autouse=True)
def small_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what a recording makes in a folder of the test's own."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path / "out")


def left_over(tmp_path: Path) -> list[Path]:
    return [*(tmp_path / "tmp").iterdir(), *(tmp_path / "out").iterdir()]


def test_list_names_every_scenario(cli: Callable[..., Ran]) -> None:
    """One line each, with what it is about."""
    ran = cli("record", "--list")

    assert ran.code == 0
    assert {name: row.about for name, row in built_in().items()} == dict(
        line.split(maxsplit=1) for line in ran.out.splitlines()
    )


def test_scenarios_of_ones_own(cli: Callable[..., Ran], tmp_path: Path) -> None:
    """They take the place of those that are built in."""
    (tmp_path / "own.toml").write_text('[mine]\nabout = "something"\n')

    assert cli("record", "--list", "--scenarios", tmp_path / "own.toml").out == "mine  something\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "dissector record: no scenario given\nhint: --list tells"),
        (("precpy",), 'no such scenario: "precpy"\nhint: the nearest is precopy'),
        (("precopy", "--out", "nowhere"), "nowhere: no such folder"),
        (("precopy", "--qemu", "no-qemu-here"), "no-qemu-here: no such file or directory\nhint: Debian, Ubuntu:"),
        (("precopy", "--qemu", "echo hello"), "echo hello: is no QEMU that runs here: hello --version"),
        (("precopy", "--qemu", "'"), "--qemu ': no command: No closing quotation"),
        (("precopy", "--qemu", ""), "--qemu: is empty"),
        (("precopy", "--tap", "guess"), "invalid choice: 'guess'"),
    ],
)
def test_what_is_wrong_is_said(cli: Callable[..., Ran], words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    """Exit code 2, a message, and nothing is left."""
    ran = cli("record", *words)

    assert (2, "") == (ran.code, ran.out)
    assert message in ran.err
    assert [] == left_over(tmp_path)


def test_a_qemu_that_does_not_start(cli: Callable[..., Ran], fake: Callable[..., Path], tmp_path: Path) -> None:
    """Its own words are told."""
    ran = cli("record", "s390x", "--qemu", fake("7.2.0", "no luck today", "qemu-system-s390x"))

    assert (2, "") == (ran.code, ran.out)
    assert "s390x: QEMU (destination-1): does not start (exit code 3): no luck today\n" in ran.err
    assert [] == left_over(tmp_path)


def test_a_device_that_is_not_built_in(cli: Callable[..., Ran], fake: Callable[..., Path]) -> None:
    """It is no fault: the scenario is left out, with QEMU's words."""
    says = "-device x: x is not a valid device model name"
    ran = cli("record", "s390x", "--qemu", fake("7.2.0", says, "qemu-system-s390x"))

    assert (1, "", f"s390x: left out: {says}\n") == (ran.code, ran.out, ran.err)


@pytest.mark.parametrize(
    ("version", "name", "reason"),
    [
        (OLD, "switchover-ack", "needs QEMU 8.1, and this is 5.2"),
        (NEW, "block", "was removed after QEMU 9.0, and this is 11.1"),
        ("7.2.9", "multifd-postcopy", "does not work in QEMU 7.2: the destination dies of"),
        (NEW, "aarch64", "there is no QEMU for aarch64: "),
    ],
)
def test_what_a_release_cannot_do_is_left_out(
    cli: Callable[..., Ran], fake: Callable[..., Path], version: str, name: str, reason: str
) -> None:
    """By name, with the reason; and since nothing was recorded, the exit code is 1."""
    ran = cli("record", name, "--qemu", fake(version))

    assert (1, "") == (ran.code, ran.out)
    assert ran.err.startswith(f"{name}: left out: {reason}")


def test_another_architecture_needs_a_name_that_says_so(cli: Callable[..., Ran], fake: Callable[..., Path]) -> None:
    """The QEMU for it is looked for beside the one that is named."""
    ran = cli("record", "riscv64", "--qemu", fake("7.2.0", name="my-qemu"))

    assert "riscv64: left out: needs a qemu-system-riscv64" in ran.err


def test_without_an_assembler(
    cli: Callable[..., Ran], fake: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest cannot be made, and the message says what to install."""
    monkeypatch.setenv("PATH", "")
    ran = cli("record", "precopy", "--qemu", fake("7.2.0"))

    assert (2, "") == (ran.code, ran.out)
    assert (
        "as: not installed, and the guest must be assembled\nhint: Debian, Ubuntu: sudo apt-get install bin" in ran.err
    )
    assert [] == left_over(tmp_path)


def test_a_port_in_use(cli: Callable[..., Ran], fake: Callable[..., Path], tmp_path: Path) -> None:
    """It is said before QEMU is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ran = cli("record", "s390x", "--port", port, "--qemu", fake("7.2.0", name="qemu-system-s390x"))

    assert (2, "") == (ran.code, ran.out)
    assert f"port {port}: in use\nhint: leave --port out" in ran.err
    assert [] == left_over(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_folder_that_qemu_cannot_have(cli: Callable[..., Ran], fake: Callable[..., Path], tmp_path: Path) -> None:
    """--root names a folder with a tmp in it."""
    ran = cli("record", "precopy", "--root", tmp_path / "nowhere", "--qemu", fake("7.2.0"))

    assert (2, "") == (ran.code, ran.out)
    assert "nowhere/tmp: cannot be written to: No such file or directory" in ran.err
    assert [] == left_over(tmp_path)


@pytest.mark.skipif(shutil.which("tcpdump") is None or os.geteuid() == 0, reason="needs tcpdump without privileges")
def test_tcpdump_without_privileges(cli: Callable[..., Ran], fake: Callable[..., Path]) -> None:
    """It says so itself, and we say what to do."""
    ran = cli("record", "s390x", "--tap", "dumpcap", "--qemu", fake("7.2.0", name="qemu-system-s390x"))

    assert ran.code == 2
    assert "--tap proxy needs no privileges" in ran.err
