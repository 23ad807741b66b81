# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector record``: live migrations between two QEMUs of this machine into captures.

:mod:`dissector.record` does it; this reads the command line and tells what came of each scenario.  What a QEMU cannot
do is left out by name, with the reason.  Exit code 1 means that a recording failed, or that there is none at all.
"""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dissector.errors import DissectorError
from dissector.record.scenario import RecordError, Scenario, built_in, chosen, read

if TYPE_CHECKING:
    import argparse

    from dissector.record.qemu import Program
    from dissector.record.run import Settings

QEMU = "qemu-system-x86_64"
OK, FOUND, UNUSABLE = 0, 1, 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the subcommand takes."""
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help="what to record; --list tells what there is")
    parser.add_argument("--all", action="store_true", help="record every scenario")
    parser.add_argument("--list", action="store_true", help="print the scenarios, and end")
    parser.add_argument(
        "--qemu", default=QEMU, metavar="BIN", help=f"the QEMU of both ends, or a command that starts it; {QEMU}"
    )
    parser.add_argument("--to-qemu", metavar="BIN", help="another QEMU for the destination")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where captures and sidecars go; here")
    parser.add_argument(
        "--tap", choices=("proxy", "dumpcap"), default="proxy", help="how to record; proxy needs no privileges"
    )
    parser.add_argument("--port", type=int, default=0, help="the destination's port; any free one")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the root folder that QEMU sees, where --qemu has a chroot"
    )
    parser.add_argument("--to-root", type=Path, metavar="DIR", help="the same for --to-qemu")
    parser.add_argument(
        "--scenarios", type=Path, metavar="FILE", help="scenarios of your own, instead of the built-in ones"
    )
    parser.add_argument("--tries", type=int, default=3, metavar="N", help="how often a scenario may fail; 3")


def run(options: argparse.Namespace) -> int:
    """Record what the command line names."""
    table = read(options.scenarios) if options.scenarios else built_in()
    if options.list:
        width = max(map(len, table), default=0)
        print("\n".join(f"{name:{width}}  {scenario.about}" for name, scenario in table.items()))
        return 0
    wanted = table if options.all else chosen(table, options.names)
    if not wanted:
        raise DissectorError("dissector record", "no scenario given", "--list tells what there is, --all records it")
    if not options.out.is_dir():
        raise DissectorError(str(options.out), "no such folder", "make it, or name another one")
    return asyncio.run(all_of(wanted, options))


async def all_of(wanted: dict[str, Scenario], options: argparse.Namespace) -> int:
    """Record one after the other; a signal ends the one in the making, with its QEMUs, and then us."""
    from dissector.record.run import Settings  # noqa: PLC0415  # its libraries are not in every installation

    program, destination = words(options.qemu, "--qemu"), words(options.to_qemu or options.qemu, "--to-qemu")
    to_root = options.to_root if options.to_qemu else options.root
    settings = Settings(program, destination, options.out.resolve(), options.tap, options.port, options.root, to_root)
    task = asyncio.current_task()
    assert task is not None
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end, 128 + number)
    try:
        return await each(wanted, settings, options.tries)
    except asyncio.CancelledError:
        if not codes:
            raise
        raise SystemExit(codes[0]) from None


async def each(wanted: dict[str, Scenario], settings: Settings, tries: int) -> int:
    """Record each scenario, and say what came of it."""
    from dissector.record.qemu import DoesNotStart, Lacks  # noqa: PLC0415  # as above

    failed = recorded = unusable = 0
    for name, scenario in wanted.items():
        try:
            path = await attempts(name, scenario, settings, tries)
        except Lacks as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
            continue
        except DoesNotStart as error:
            print(f"{name}: {error}", file=sys.stderr)
            unusable += 1
            continue
        if path is None:
            failed += 1
        else:
            recorded += 1
            print(f"{path.name}: {path.stat().st_size} octets", flush=True)
    return UNUSABLE if unusable else FOUND if failed or not recorded else OK


async def attempts(name: str, scenario: Scenario, settings: Settings, tries: int) -> Path | None:
    """Record one scenario, more than once if need be: what a guest does in time is partly chance."""
    from dissector.record.qemu import Failed  # noqa: PLC0415  # as above
    from dissector.record.run import record  # noqa: PLC0415  # as above

    for number in range(1, tries + 1):
        try:
            return await record(name, scenario, settings)
        except Failed as error:
            print(f"{name}: try {number} of {tries}: {error}", file=sys.stderr)
    return None


def words(command: str, option: str) -> Program:
    """Give the words of a command."""
    from dissector.record.qemu import Program  # noqa: PLC0415  # as above

    try:
        found = shlex.split(command)
    except ValueError as error:
        raise RecordError(f"{option} {command}", f"no command: {error}") from error
    if not found:
        raise RecordError(option, "is empty", f"for instance {option} {QEMU}")
    return Program(found)
