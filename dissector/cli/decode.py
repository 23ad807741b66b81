# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector decode``: a line for every PDU of the migrations in a capture, and for everything that is wrong.

    connection direction offset length NAME field=value ... (note=value) ...

``>`` is the direction in which the migration goes, ``<`` the return path.  What is inside a package is indented, and
findings stand below the PDU that they are about.
"""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import json
import sys
from typing import TYPE_CHECKING

from dissector.cli.capture import add_capture, passed_over, reading
from dissector.cli.progress import progress_bar
from dissector.cli.show import Json, text_lines
from dissector.decode import Event, Gap, Lost, Malformed, PduSeen
from dissector.errors import DissectorError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dissector.ir.model import Protocol


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the subcommand takes."""
    add_capture(parser)
    chosen = parser.add_argument_group("what is printed")
    chosen.add_argument(
        "--pdu",
        action="append",
        default=[],
        metavar="NAME",
        help="only PDUs of this name, MIG_CMD_PING or MigCmdPing; * and ? stand for anything; may be repeated",
    )
    chosen.add_argument(
        "--channel", action="append", default=[], metavar="NAME", help="only this channel: main, multifd, ..."
    )
    chosen.add_argument("--limit", type=positive, metavar="N", help="stop after so many PDUs")


def run(options: argparse.Namespace) -> int:
    """Read, print, and remember whether there was an error."""
    with progress_bar(prints=True) as progress:
        source = reading(options, progress, lambda _: True)
        check_names(options, source.protocol)
        printer = Printer(options, Json(source.protocol) if options.json else None)
        for event in source.events():
            printer.take(event)
            if printer.left == 0:
                break
    passed_over(options, source)
    return 1 if printer.failed else 0


def check_names(options: argparse.Namespace, protocol: Protocol) -> None:
    """Refuse names that nothing can have: an empty answer would look like a capture without such PDUs."""
    known = {name: None for pdu in protocol.pdus for name in (pdu.name, pdu.label)}
    for pattern in options.pdu:
        if not fnmatch.filter(known, pattern):
            near = difflib.get_close_matches(pattern, known, 1)
            raise DissectorError(f"--pdu {pattern}", "no such PDU", f"did you mean {near[0]}?" if near else "")
    channels = [channel.name for channel in protocol.channels]
    for channel in options.channel:
        if channel not in channels:
            raise DissectorError(f"--channel {channel}", "no such channel", f"known: {', '.join(channels)}")


class Printer:
    """Prints the events that were asked for; errors count whether or not their PDU was."""

    def __init__(self, options: argparse.Namespace, objects: Json | None) -> None:
        self.names: list[str] = options.pdu
        self.channels: list[str] = options.channel
        self.left: int | None = options.limit
        self.objects = objects
        self.failed = False

    def take(self, event: Event) -> None:
        """Print *event*, if it is one of those."""
        if isinstance(event, PduSeen):
            found = event.findings
        elif isinstance(event, Gap | Malformed | Lost):
            found = (event.finding,)
        else:
            found = ()
        self.failed = self.failed or any(f.severity == "error" for f in found)
        if not self._wanted(event):
            return
        if isinstance(event, PduSeen) and self.left is not None:
            self.left -= 1
        for line in self._lines(event):
            sys.stdout.write(line + "\n")

    def _wanted(self, event: Event) -> bool:
        source = getattr(event, "source", None)
        if self.channels and (source is None or source.channel not in self.channels):
            return False
        if not self.names:
            return True
        return isinstance(event, PduSeen) and any(
            fnmatch.fnmatchcase(name, pattern) for pattern in self.names for name in (event.name, event.label)
        )

    def _lines(self, event: Event) -> Iterable[str]:
        if self.objects is None:
            return text_lines(event)
        told = self.objects.of(event)
        return [] if told is None else [json.dumps(told)]


def positive(text: str) -> int:
    """Read a number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)
