# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``dissector``.

One file of this package is one subcommand: ``arguments`` declares what it takes, ``run`` does it and gives the exit
code.  Only the file of the subcommand that was asked for is imported, so that ``--help`` need not wait for Scapy.

What all of them have in common stands here and nowhere else:

* Exit codes: 0 all is well, 1 something was found (in a stream, in a layer, a stale file), 2 usage, or an input that
  cannot be read.
* stdout carries the result and nothing else; progress, warnings and errors go to stderr.
* An error that a person can put right is one message, "where: what" and "hint: ...", never a traceback.
  What is no ``DissectorError`` is a bug of ours and keeps its traceback, since that is what a report needs.
* A reader that has seen enough (``dissector decode x | head``) ends the program quietly, and so does Ctrl-C.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from dissector.errors import DissectorError

if TYPE_CHECKING:
    from collections.abc import Sequence

OK, FOUND, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

NEW_OBJECTS = 50_000
"""New objects between two looks for garbage: with Python's 700 a fifth of the start is spent on layers that stay."""

COMMANDS = {
    "generate": "write the Wireshark plugin of a protocol",
    "check": "say what of a layer or protocol can be translated, and what not and why",
    "decode": "print the messages of the migrations in a capture",
    "summary": "print what happened in each migration of a capture, in QEMU's words",
    "wrap": "make a capture, for Wireshark, of a migration that was written to a file",
    "record": "record live migrations between two QEMUs",
    "demo": "decode a recorded migration with tshark and the generated plugin",
    "doctor": "say what is installed, what is missing and how to get it",
    "install": "put the plugin where Wireshark looks for plugins",
}
"""A new command is a line here and a file with that name beside this one."""


class Command(Protocol):
    """What the file of a subcommand offers."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the subcommand takes."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it, and give the exit code."""


class Parser(argparse.ArgumentParser):
    """An argparse parser whose complaints look like all our errors."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in two lines instead of the whole usage."""
        raise DissectorError(self.prog, message, f"{self.prog} --help lists what there is")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv* and give the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)  # else all of it is looked through once more, for garbage, before the end
    try:
        code = dispatch(words)
        sys.stdout.flush()
    except DissectorError as error:
        complain(error)
        return UNUSABLE
    except BrokenPipeError:
        forget_stdout()
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as done:  # argparse's way of ending after --help and --version
        return done.code if isinstance(done.code, int) else UNUSABLE
    return code


def dispatch(words: list[str]) -> int:
    """Find the subcommand, let it declare its arguments, and run it."""
    parser, commands = top_level()
    asked = next((word for word in words if not word.startswith("-")), "")
    command: Command | None = None
    if asked in COMMANDS:
        command = importlib.import_module(f"{__name__}.{asked}")
        command.arguments(commands[asked])
    options = parser.parse_args(words)
    if command is None:
        parser.print_help()
        raise DissectorError("dissector", "no command given", "see above")
    return command.run(options)


def top_level() -> tuple[Parser, dict[str, Parser]]:
    """Give the parser of the whole, and those of the subcommands, which are still empty."""
    parser = Parser(
        prog="dissector",
        description="Wireshark dissectors generated from Scapy layers, and a decoder for QEMU's live migration.",
    )
    parser.add_argument("--version", action=Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", parser_class=Parser)
    result = {}
    for name, text in COMMANDS.items():
        result[name] = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        result[name].add_argument("-v", "--verbose", action="count", default=0, help="say more")
    return parser, result


class Version(argparse.Action):
    """``--version``: argparse's own wants to be told the version, which takes a while to find, before it is asked."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(
            option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="show program's version number and exit"
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it."""
        print(f"{parser.prog} {version()}")
        parser.exit()


def version() -> str:
    """Give the version of the installed distribution."""
    import importlib.metadata  # noqa: PLC0415 - a fifth of a start without Scapy, and nobody else needs it

    try:
        return importlib.metadata.version("layershark")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed: run from a checkout)"


def complain(error: DissectorError) -> None:
    """Print an error as every program of this project does."""
    with contextlib.suppress(BrokenPipeError):
        print(error, file=sys.stderr)


def forget_stdout() -> None:
    """Keep the interpreter from complaining, at its end, about what it could not write."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
