# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector summary``: what happened in each migration of a capture.

The decoder counts pages instead of reporting them, so the time goes into reading the capture and the memory does not
depend on its length.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from dissector.capture.source import BLOCK
from dissector.cli.capture import DESCRIPTION, add_capture, passed_over, reading
from dissector.cli.progress import progress_bar
from dissector.cli.table import table
from dissector.errors import CaptureError
from dissector.summary import Connected, Migration, result
from dissector.summary.migration import REMARKS
from dissector.summary.sections import FOOTER, HEADS
from dissector.summary.stored import BITMAP

if TYPE_CHECKING:
    from dissector.decode import Connection, PduSeen
    from dissector.ir.model import Protocol
    from dissector.reading import Reading, Wire

LABELS = {FOOTER, DESCRIPTION, *HEADS, *REMARKS}
NUMBERED = {"command", "rp.type"}
"""PDUs with such a field are counted by name."""

WAYS = ("forward", "reverse")
JOINED = BLOCK
"""Octets that the decoder gets at once, about those of a block of the file: no packet's number is ever printed here."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the subcommand takes."""
    add_capture(parser)


def run(options: argparse.Namespace) -> int:
    """Read, then print; damage at the end of the capture does not take away what came before it."""
    with progress_bar(prints=False) as progress:
        source, migrations, damage = read(options, progress)
    for told in summaries(source, migrations):
        print(json.dumps(told) if options.json else table(told, everything=options.verbose > 0))
    passed_over(options, source)
    if damage is not None:
        raise damage
    return 1 if any(migration.failed for migration in migrations.values()) else 0


def objects(capture: str, *arguments_: str) -> list[dict[str, Any]]:
    """Give what ``dissector summary --json CAPTURE`` prints, as objects."""
    parser = argparse.ArgumentParser("dissector summary", exit_on_error=False)
    arguments(parser)
    source, migrations, damage = read(parser.parse_args(["--json", *arguments_, "--", capture]), lambda *_: None)
    if damage is not None:
        raise damage
    return list(summaries(source, migrations))


def read(
    options: argparse.Namespace, progress: Callable[[int, int | None], None]
) -> tuple[Reading, dict[int, Migration], CaptureError | None]:
    """Read the capture to its end, or to where it is damaged."""
    migrations: dict[int, Migration] = {}

    def bitmap(pdu: PduSeen, octets: memoryview) -> None:
        migrations[pdu.source.conversation].stored.count(octets)

    source = reading(options, progress, counted, {BITMAP: bitmap}, joined=JOINED)
    try:
        for event in source.events():
            number = getattr(getattr(event, "source", None), "conversation", 0)
            if number:
                migrations.setdefault(number, Migration(number)).see(event)
    except CaptureError as error:
        return source, migrations, error
    return source, migrations, None


def counted(protocol: Protocol) -> Collection[str]:
    """Give the names of the PDUs that a summary looks at; all others are only counted."""
    return {
        pdu.name
        for pdu in protocol.pdus
        if pdu.label in LABELS or any(field.abbrev in NUMBERED for field in pdu.fields)
    }


def summaries(source: Reading, migrations: dict[int, Migration]) -> Iterator[dict[str, Any]]:
    """Give the summary of each migration."""
    for conversation in source.session.conversations:
        migration = migrations.setdefault(conversation.number, Migration(conversation.number))
        wires = [(c, source.wires[c.key]) for c in conversation.connections if isinstance(c.key, int)]
        for connection, wire in wires:
            migration.connect(connection.key, connected(connection, wire))
        for other in source.others:
            if other.server == conversation.destination and isinstance(other.connection, int):
                migration.connect(other.connection, unknown(source.wires[other.connection]))
        migration.first_ns = min(wire.first_ns for _, wire in wires)
        migration.last_ns = max(wire.last_ns for _, wire in wires)
        yield result(migration, conversation.counts)


def connected(connection: Connection, wire: Wire) -> Connected:
    """Give the facts about a connection, in the directions of its channel."""
    assert connection.channel is not None
    order = (connection.forward, 1 - connection.forward)
    ends = (wire.connection.client, wire.connection.server)
    names = dict(zip(order, WAYS, strict=True))
    return Connected(
        connection.channel.name,
        str(ends[order[0]]),
        str(ends[order[1]]),
        whole=wire.connection.syn_seen,
        stored=wire.connection.is_stored,
        octets={way: wire.octets[direction] for direction, way in names.items()},
        missing={way: wire.missing[direction] for direction, way in names.items()},
        closed={names[direction]: how for direction, how in wire.closed.items()},
    )


def unknown(wire: Wire) -> Connected:
    """Give the facts about a connection to the same place that is none of the channels."""
    client, server = str(wire.connection.client), str(wire.connection.server)
    octets = dict(zip(WAYS, wire.octets, strict=True))
    return Connected("unknown", client, server, octets=octets, decoded=False)
