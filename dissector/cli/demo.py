# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector demo``: what all of this is for, in one run.

The plugin is generated, tshark decodes a recorded postcopy migration with it, and what QEMU put into its package is
shown as Wireshark shows it: a stream inside a stream.  A package holds some forty devices and fills several frames, so
of the tree the beginning and the end are shown in full and of the rest the names.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from dissector.backends.base import create, write
from dissector.cli import summary
from dissector.cli.generate import FOLDER, translated
from dissector.cli.target import DEFAULT
from dissector.errors import DissectorError
from dissector.tshark import find_tshark
from dissector.tshark.find import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dissector.tshark import Tshark

CHECKOUT = Path(__file__).resolve().parents[2]
CAPTURES = ("pcaps/*-postreq.pcap*", "pcaps/*-postcopy.pcap*", "pcaps/*post*.pcap*")
PACKAGE = "MIG_CMD_PACKAGED"
FULL, NAME = "QEMU_VM_SECTION_FULL", re.compile(r"Section name: (\S+)")
WIDTH = 110
FIRST, LAST = 7, 3
"""PDUs of the package that are shown in full."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the subcommand takes."""
    parser.add_argument("capture", nargs="?", type=Path, metavar="CAPTURE", help="default: one of pcaps/")


def run(options: argparse.Namespace) -> int:
    """Generate, decode, show."""
    capture = options.capture or recorded()
    with tempfile.TemporaryDirectory() as folder:
        plugin = generated(Path(folder))
        tshark = find_tshark()
        lines = list(shorten(tree(tshark, capture, plugin)))
        print(f"{shown(capture)}, decoded by tshark {dotted(tshark.version)} with {plugin.name}:\n")
        print("\n".join(lines))
    print(f"\ndissector summary {shown(capture)}:\n", flush=True)
    summarise(capture)
    print(f"Install the plugin:  ./dev run dissector install puts {plugin.name} where every Wireshark finds it")
    print(f"Open the capture:    wireshark {shown(capture)}, and type qmig as the display filter")
    print("Decode your own:     ./dev run dissector decode CAPTURE, or summary CAPTURE; --help says more")
    return 0


def summarise(capture: Path) -> None:
    """Print the summary as the command of that name does."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(verbose=0)
    summary.arguments(parser)
    summary.run(parser.parse_args([str(capture)]))


def shown(path: Path) -> str:
    """Write a path as one would type it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def recorded() -> Path:
    """Give a recorded postcopy migration."""
    for pattern in CAPTURES:
        for path in sorted(CHECKOUT.glob(pattern)):
            return path
    raise DissectorError(str(CHECKOUT / "pcaps"), "no recorded postcopy migration here", "name a capture of your own")


def generated(folder: Path) -> Path:
    """Give the plugin: the one of the checkout if it is up to date, else one in *folder*."""
    backend, protocol = create("lua"), translated(DEFAULT)
    name, text = protocol.name + backend.suffix, backend.generate(protocol)
    kept = CHECKOUT / FOLDER / name
    if kept.is_file() and kept.read_text(encoding="utf-8") == text:
        return kept
    write(folder / name, text)
    return folder / name


def tree(tshark: Tshark, capture: Path, plugin: Path) -> Iterator[str]:
    """Give tshark's tree of the frames from the package's head to its last command."""
    numbers = []
    for pdu in ("MigCmdPackaged", "MigCmdPostcopyRun"):
        rows = tshark.rows(capture, plugin, fields=["frame.number"], display_filter=f'qmig.pdu == "{pdu}"')
        numbers += [int(number) for row in rows for number in row[0]]
    if len(numbers) < 2:
        raise DissectorError(str(capture), f"no {PACKAGE} in this capture", "name a capture of a postcopy migration")
    frames = f"qmig && frame.number >= {numbers[0]} && frame.number <= {numbers[1]}"
    yield from tshark.lines(capture, plugin, args=["-V", "-O", "qmig"], display_filter=frames)


def shorten(lines: Iterable[str]) -> Iterator[str]:
    """Give the package's own lines in full, then what is inside: the beginning, the names, the end."""
    packages = [pdu for protocol in items(lines, 0) for pdu in items(protocol[1:], 4) if PACKAGE in pdu[0]]
    parts = [part for pdu in packages for part in items(pdu[1:], 8)]
    inside = [part for part in parts if len(part) > 1]
    yield from (line for pdu in packages[:1] for line in pdu[:1])
    yield from (line for part in parts if len(part) == 1 for line in part)
    yield from (line for part in inside[:FIRST] for line in part)
    names = [match[1] for part in inside[FIRST:-LAST] if FULL in part[0] and (match := NAME.search("\n".join(part)))]
    if names:
        text = f"[{len(names)} more devices: {', '.join(dict.fromkeys(names))}]"
        yield from textwrap.wrap(text, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 9)
    yield from (line for part in inside[FIRST:][-LAST:] for line in part)


def items(lines: Iterable[str], depth: int) -> list[list[str]]:
    """Give each line that is indented by *depth*, with the lines below it."""
    result: list[list[str]] = []
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line and indent == depth:
            result.append([line])
        elif indent > depth and result:
            result[-1].append(line)
    return result
