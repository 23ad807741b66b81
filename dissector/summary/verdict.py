# SPDX-License-Identifier: GPL-2.0-or-later
"""From what was remembered to the summary: numbers, or None and the reason, and never a guess.

QEMU's counters are those of the source, and a capture sees what the source wrote to its connections.  They agree where
each event that is counted leaves its own octets:

``ram.normal``, ``ram.duplicate``
    A page is counted when its record is written.  So they are known unless octets are missing, or pages went over a
    channel that is not decoded.  Where a connection broke, records were counted that may never have left its buffers.
    Up to 8.0 a compression thread without work counts its last zero page again whenever all threads are
    flushed (migration/ram.c:flush_compressed_data(), update_compress_thread_counts()).
``ram.postcopy-requests``
    Counted when the source reads the request from the return path, which it stops doing when a connection breaks.
``ram.transferred``
    Since 8.2 the octets of all channels, as written (migration/migration-stats.c:migration_transferred_bytes()).  The
    package of postcopy is put together in a buffer that is counted like a channel, so it counts twice.  Before 8.2 it
    is a sum over pages and whatever else RAM cared to add, without device state.  The release is not on the wire; a
    machine type that only newer releases have proves a newer release, an older one proves nothing.
    So does what a background snapshot keeps back until RAM is written.
``ram.stored``
    Pages that are in a file with mapped-ram, where nothing else is known: QEMU counts a page as often as it writes it,
    over its first copy, and what it counts as octets has no holes.
``ram.dirty-sync-count``
    Nothing on the wire marks a synchronisation of the dirty bitmap.

``status`` is the source's status when the capture ends, as far as it can be known.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from dissector.summary.migration import RECOVERY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dissector.summary.migration import Connected, Migration

COUNTS_ALL_OCTETS_SINCE = (8, 2)
COUNTS_ZERO_PAGES_ONCE_SINCE = (8, 1)
VERSION_IN_MACHINE = re.compile(r"-(\d+)\.(\d+)$")
MAIN = ("main", RECOVERY)
PAGES = ("ram.normal", "ram.duplicate", "ram.xbzrle", "ram.compressed")
NO_MARK = "a synchronisation of the dirty bitmap leaves no mark on the wire"

Told = tuple[Any, str]
"""A value, or None and the reason."""


def result(migration: Migration, counts: Mapping[str, int]) -> dict[str, Any]:
    """Give the summary as an object for JSON; docs/json.md describes it."""
    told: dict[str, Told] = {
        "ram.normal": pages(migration, counts.get("ram.normal", 0)),
        "ram.duplicate": duplicate(migration, counts),
        "ram.transferred": transferred(migration, counts),
        "ram.postcopy-requests": requests(migration, counts.get("ram.postcopy-requests", 0)),
        "ram.dirty-sync-count": (None, NO_MARK),
        "status": status(migration),
        "qemu-machine": (migration.machine, "" if migration.machine is not None else "no configuration section seen"),
        **({"ram.stored": stored(migration)} if migration.stored.mapped else {}),
    }
    return {
        "migration": migration.number,
        **{key: value for key, (value, _) in told.items()},
        "counted": dict(counts),
        "duration": None if is_stored(migration) else round((migration.last_ns - migration.first_ns) / 1e9, 6),
        "channels": [channel(c) for c in migration.connections.values()],
        "commands": migration.commands,
        "return-path": migration.messages,
        "sections": {name: dataclasses.asdict(tally) for name, tally in migration.sections.tallies.items()},
        "errors": [dataclasses.asdict(error) for error in migration.errors],
        "errors-omitted": migration.errors_omitted,
        "reasons": {key: reason for key, (value, reason) in told.items() if value is None},
    }


def channel(connected: Connected) -> dict[str, Any]:
    """Give what is known of one connection."""
    return {
        "channel": connected.channel,
        "source": connected.source,
        "destination": connected.destination or None,
        "octets": connected.octets["forward"],
        "return-octets": connected.octets["reverse"],
        "closed": next(iter(connected.closed.values()), None),
    }


def missing(migration: Migration, *directions: str) -> str:
    """Say why the octets of these directions are not all that was to be there, or nothing."""
    if not migration.whole:
        return "the beginning of the migration is not in the capture"
    octets = sum(c.missing[d] for c in migration.connections.values() for d in directions)
    if octets:
        return f"{octets} octets are missing from the capture"
    if any(not c.whole for c in migration.connections.values()):
        return "the beginning of a connection is not in the capture"
    return ""


def broken(migration: Migration) -> bool:
    """Tell whether a connection ended before its stream did."""
    mains = [c for c in migration.connections.values() if c.channel in MAIN]
    return len(mains) > 1 or (bool(mains[0].closed) and not migration.eof)


def is_stored(migration: Migration) -> bool:
    """Tell whether it is a stream in a file."""
    return any(c.stored for c in migration.connections.values())


def cut(migration: Migration) -> str:
    """Say that a file ends too early, or nothing."""
    return "the file ends before the stream does" if is_stored(migration) and not migration.eof else ""


def stored(migration: Migration) -> Told:
    """Give the pages that are stored with mapped-ram."""
    reason = missing(migration, "forward") or cut(migration)
    return (None, reason) if reason else (migration.stored.pages, "")


def at_least(version: tuple[int, int], migration: Migration) -> bool:
    """Tell whether the machine type proves that the source is of this release or newer."""
    found = VERSION_IN_MACHINE.search(migration.machine or "")
    return found is not None and (int(found[1]), int(found[2])) >= version


def pages(migration: Migration, count: int) -> Told:
    """Give a count of pages."""
    reason = missing(migration, "forward")
    if reason:
        return None, reason
    if migration.lost:
        return None, "part of the stream could not be read"
    if cut(migration):
        return None, f"{cut(migration)}; {count} are in it"
    if migration.stored.mapped:
        return None, "with mapped-ram a page has one place, however often it was written, and zeros leave no trace"
    closed_books = [c.channel for c in migration.connections.values() if not c.decoded]
    if closed_books:
        names = ", ".join(f"{closed_books.count(name)} {name}" for name in dict.fromkeys(closed_books))
        return None, f"pages may have gone over channels that are not decoded: {names}"
    if broken(migration):
        return None, f"a connection broke: pages in its buffers were counted, but perhaps not sent; {count} were sent"
    return count, ""


def duplicate(migration: Migration, counts: Mapping[str, int]) -> Told:
    """Give the count of pages of one octet."""
    count = counts.get("ram.duplicate", 0)
    if counts.get("ram.compressed", 0) and not at_least(COUNTS_ZERO_PAGES_ONCE_SINCE, migration):
        return None, f"with compress, releases before 8.1 count some zero pages twice; {count} were sent"
    return pages(migration, count)


def requests(migration: Migration, count: int) -> Told:
    """Give the count of page requests, which all come on the return path."""
    reason = missing(migration, "reverse")
    if reason:
        return None, reason
    if broken(migration) and count:
        return None, f"a connection broke: the last requests on it were perhaps not read; {count} were sent"
    return count, ""


def transferred(migration: Migration, counts: Mapping[str, int]) -> Told:
    """Give the octets that the source counted."""
    reason = missing(migration, "forward")
    if reason:
        return None, reason
    if cut(migration):
        return None, cut(migration)
    if migration.stored.mapped:
        return None, "with mapped-ram nobody knows which octets of the file were written, and how often"
    octets = sum(c.octets["forward"] for c in migration.connections.values()) + migration.package_octets
    if migration.eof and not migration.package_octets and "main" in (c.channel for c in migration.connections.values()):
        octets += migration.stored.buffered(last_main(migration).octets["forward"])
    if broken(migration):
        return (
            None,
            f"a connection broke: octets in its buffers were counted, but perhaps not sent; {octets} without them",
        )
    if migration.eof and migration.stored.started and not any(counts.get(name, 0) for name in PAGES):
        return None, f"no page was sent, as with CPR, whose state counts, too, and is not here; {octets} without it"
    if at_least(COUNTS_ALL_OCTETS_SINCE, migration):
        return octets, ""
    return None, (
        f"releases before 8.2 count only some of the octets, and machine type {migration.machine!r} does not tell the "
        f"release; from 8.2 on it would be {octets}"
    )


def status(migration: Migration) -> Told:
    """Give the source's MigrationStatus when the capture ends."""
    if migration.shut:
        if "MIG_CMD_PACKAGED" in migration.commands:
            return None, f"the destination reported error {migration.shut} after the switch to postcopy"
        return "failed", ""
    if migration.eof:
        return ended(migration)
    reason = missing(migration, "forward")
    if reason or migration.lost:
        return None, reason or "part of the stream could not be read"
    return unfinished(migration)


def ended(migration: Migration) -> Told:
    """Judge a migration whose stream came to its end."""
    if migration.colo:
        if not last_main(migration).closed:
            return "colo", ""
        return None, "checkpoints (COLO) came to an end: which side took over, the wire does not tell"
    if "MIG_CMD_OPEN_RETURN_PATH" in migration.commands and migration.shut is None:
        return None, "the stream is complete, but the destination's answer to it is not in the capture"
    if migration.shut is None and "rst" in last_main(migration).closed.values():
        return None, "the stream is complete, but its connection was reset"
    return "completed", ""


def unfinished(migration: Migration) -> Told:
    """Judge a migration whose stream has no end."""
    connection = last_main(migration)
    postcopy = "MIG_CMD_PACKAGED" in migration.commands
    if cut(migration):
        return None, f"{cut(migration)}: cancelled, failed or still going on"
    if not connection.closed:
        if connection.channel == RECOVERY and "MIG_RP_MSG_RESUME_ACK" not in migration.messages:
            return "postcopy-recover", ""
        return ("postcopy-active" if postcopy else "active"), ""
    if postcopy:
        return "postcopy-paused", ""
    if next(iter(connection.closed)) == "reverse":
        return "failed", ""
    return None, "the source closed the connection before the end: cancelled or failed, the wire does not tell which"


def last_main(migration: Migration) -> Connected:
    """Give the connection of the main channel that was opened last."""
    return [c for c in migration.connections.values() if c.channel in MAIN][-1]
