# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import functools
import importlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dissector.cli import COMMANDS
from tests.cli.conftest import PCAPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran

DISSECTOR = [sys.executable, "-m", "dissector"]


class TestUsage:
    def test_help_lists_every_command(self, cli: Callable[..., Ran]) -> None:
        """``--help`` names all subcommands and is no error."""
        ran = cli("--help")

        assert 0 == ran.code
        assert all(f"\n    {name} " in ran.out for name in COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_has_a_file_with_both_functions(self, name: str) -> None:
        """What the table of commands names can be imported, and offers what the dispatcher calls."""
        module = importlib.import_module(f"dissector.cli.{name}")

        assert callable(module.arguments)
        assert callable(module.run)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_explains_itself(self, cli: Callable[..., Ran], name: str) -> None:
        """``COMMAND --help`` is no error and mentions the command."""
        ran = cli(name, "--help")

        assert (0, "") == (ran.code, ran.err)
        assert f"dissector {name}" in ran.out

    def test_version(self, cli: Callable[..., Ran]) -> None:
        """``--version`` prints the name of the program first."""
        ran = cli("--version")

        assert 0 == ran.code
        assert ran.out.startswith("dissector ")

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["frobnicate"], "dissector: argument COMMAND: invalid choice: 'frobnicate'"),
            (["decode"], "dissector decode: the following arguments are required: FILE"),
            (["decode", "x", "--frobnicate"], "dissector: unrecognized arguments: --frobnicate"),
            (["decode", "x", "--page-size", "3"], "dissector decode: argument --page-size: '3' is none of: "),
            (["summary", "x", "--footers", "maybe"], "'maybe' is none of: automatic, on, off"),
        ],
    )
    def test_what_cannot_be_understood_is_one_message(
        self, cli: Callable[..., Ran], argv: list[str], message: str
    ) -> None:
        """A wrong command line is exit code 2, what is wrong, and where to look."""
        ran = cli(*argv)

        assert (2, "") == (ran.code, ran.out)
        assert message in ran.err
        assert "\nhint: " in ran.err
        assert 2 == len(ran.err.splitlines())

    def test_no_command_prints_help(self, cli: Callable[..., Ran]) -> None:
        """Without a command the help is shown, and the exit code is that of a wrong command line."""
        ran = cli()

        assert 2 == ran.code
        assert "usage: dissector" in ran.out


class TestProcess:
    def test_a_reader_that_has_seen_enough_ends_it_quietly(self, pcaps: Path) -> None:
        """``decode | head`` leaves no traceback."""
        with subprocess.Popen(
            [*DISSECTOR, "decode", str(pcaps / "qemu-7.2-precopy.pcap.gz")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            errors = process.stderr.read()

        assert b"" == errors
        assert 0 == process.returncode

    @pytest.mark.skipif(os.name != "posix", reason="signals")
    def test_ctrl_c_ends_it_quietly(self) -> None:
        """An interrupt is exit code 130 and no traceback."""
        with subprocess.Popen(
            [*DISSECTOR, "decode", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Whoever starts the tests in the background hands down that interrupts are ignored.
            preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        ) as process:
            assert process.stdin is not None
            # A pcap header and nothing more: what is printed by -v tells that it is being read.
            process.stdin.write(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
            process.stdin.flush()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(3)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)

        assert b"" == errors
        assert 130 == process.returncode

    def test_help_does_not_wait_for_scapy(self) -> None:
        """Only the command that was asked for is imported."""
        code = "import sys; from dissector.cli import main; main(['--help']); sys.exit('scapy' in sys.modules)"

        assert 0 == subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode

    @pytest.mark.parametrize(
        ("argv", "unused"),
        [
            (["generate", "-o", "-"], "scapy.layers"),  # which read the routes of the machine
            (["check"], "scapy.layers"),
            (["summary", str(PCAPS / "qemu-10.0-failure.pcapng.gz")], "tqdm"),
        ],
    )
    def test_nobody_waits_for_what_is_not_used(self, argv: list[str], unused: str) -> None:
        """A protocol of streams needs none of Scapy's layers, and a bar that nobody sees is not made."""
        code = f"import sys; from dissector.cli import main; main({argv!r}); sys.exit({unused!r} in sys.modules)"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

        assert (0, b"") == (ran.returncode, ran.stderr)
