# SPDX-License-Identifier: GPL-2.0-or-later
"""What is done to two running QEMUs for a scenario, step by step, and what both ends count in the end.

The steps are the scenario's columns in this order: ``before``, the migration itself, ``rounds``, ``cancel`` or
``fails`` (which end it), ``converge``, ``postcopy``, ``pause``, ``colo``.  Each waits for what QEMU says of
itself where it says something, and for a time only where the scenario gives one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dissector.record.qemu import End, Failed, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dissector.record.scenario import Scenario

Counted = tuple[dict[str, Any], dict[str, Any]]
"""What ``query-migrate`` says of the source and of the destination."""

FILE = "migration"
"""The file that a scenario with ``file`` writes."""
FILE_URI = (8, 2)
"""The first release with ``file:`` as a destination."""
SETTLE = 0.5
"""Seconds for a guest that is firmware alone."""


@dataclass(frozen=True)
class Route:
    """Where the destination listens and where the source is to migrate to, as QEMU's URIs."""

    listen: str
    to: str


async def set_up(scenario: Scenario, end: End, extra: dict[str, object]) -> None:
    """Set capabilities and parameters."""
    await end.set_up(scenario.capabilities, {**scenario.parameters, **extra})


async def wait_for_guest(scenario: Scenario, source: End) -> None:
    """Wait until there is something to migrate."""
    if scenario.guest == "dirties":
        await source.guest_runs()
    elif scenario.guest == "firmware":
        await asyncio.sleep(SETTLE)


async def migrate(scenario: Scenario, route: Route, source: End, destination: End) -> Counted:
    """Do what the scenario says between two QEMUs."""
    await source.ask("migrate", uri=route.to)
    if scenario.rounds:
        await rounds(scenario.rounds, source)
    if scenario.cancel is not None:
        await asyncio.sleep(scenario.cancel)
        await source.ask("migrate_cancel")
        return await broken("cancelled", source, destination)
    if scenario.fails:
        return await broken("failed", source, destination)
    if scenario.converge is not None:
        await asyncio.sleep(scenario.converge)
        await source.ask("migrate-set-parameters", downtime_limit=2000, max_bandwidth=1 << 30)
    if scenario.postcopy is not None:
        await asyncio.sleep(scenario.postcopy)
        await source.ask("migrate-start-postcopy")
    if scenario.pause is not None:
        await recover(scenario.pause, route, source, destination)
    if scenario.colo is not None:
        return await replicate(scenario.colo, source, destination)
    return await source.status("completed"), await destination.status("completed")


async def to_file(scenario: Scenario, version: Sequence[int], source: End, place: str) -> Counted:
    """Migrate to the file at *place*; there is no destination then."""
    uri = f"file:{place}" if tuple(version[:2]) >= FILE_URI or scenario.file == "mapped" else f"exec:cat > {place}"
    await source.ask("migrate", uri=uri)
    if scenario.converge is not None:
        await asyncio.sleep(scenario.converge)
        await source.ask("migrate-set-parameters", downtime_limit=2000, max_bandwidth=1 << 30)
    return await source.status("completed"), {}


def main_channel(uri: str) -> dict[str, object]:
    """Give a ``tcp:`` URI as the main one of several channels."""
    host, _, port = uri.removeprefix("tcp:").rpartition(":")
    address = {"transport": "socket", "type": "inet", "host": host.strip("[]"), "port": port}
    return {"channel-type": "main", "addr": address}


def cpr_channel(path: str) -> dict[str, object]:
    """Give the channel for CPR's state, which has file descriptors and so is a Unix socket."""
    return {"channel-type": "cpr", "addr": {"transport": "socket", "type": "unix", "path": path}}


async def rounds(wanted: int, source: End) -> None:
    """Wait until the source has gone through its memory so many times."""

    async def enough() -> bool:
        told = await source.ask("query-migrate")
        if told.get("status") in {"completed", "failed"}:
            raise Failed(f"{source.name}: over before round {wanted}: {told}")
        return bool(told.get("ram", {}).get("dirty-sync-count", 0) >= wanted)

    await until(enough, f"{source.name}: waiting for round {wanted}", source)


async def broken(how: str, source: End, destination: End) -> Counted:
    """Wait for the end of a migration that comes to nothing: the destination goes with it."""
    counted = await source.status(how)

    async def knows() -> bool:
        # Since 9.1 a destination that was started with -incoming defer may stay, with its status as the only sign.
        if destination.process.poll() is not None:
            return True
        try:
            told = await destination.ask("query-migrate")
        except Failed:
            return destination.process.poll() is not None
        return bool(told.get("status") == "failed")

    await until(knows, "destination: does not notice the end")
    return counted, {"exit-code": destination.process.returncode or 0}


async def recover(seconds: float, route: Route, source: End, destination: End) -> None:
    """Break the connection in the middle of postcopy, then go on over a new one."""
    await source.status("postcopy-active")

    async def runs() -> bool:
        return bool((await destination.ask("query-status"))["status"] == "running")

    # Before that it has not read the package, and a destination without its devices is lost with the connection.
    await until(runs, "destination: the guest does not go on", destination)
    await asyncio.sleep(seconds)
    await source.ask("migrate-pause")
    await source.status("postcopy-paused")

    async def listens() -> bool:
        # Out of band: a monitor of the destination that waits for a page answers nothing else, its status included.
        try:
            await destination.urge("migrate-recover", uri=route.listen)
        except Failed as error:
            if "paused" in str(error) or "already in use" in str(error):  # not yet: it still listens, or still reads
                return False
            raise
        return True

    await until(listens, "destination: does not pause", destination)
    await source.ask("migrate", uri=route.to, resume=True)


async def replicate(seconds: float, source: End, destination: End) -> Counted:
    """Let COLO make its checkpoints for a while; it has no end of its own, so both QEMUs are ended in the middle.

    A monitor does not answer during a checkpoint.  So nothing is known of what was counted in the end, and what was
    counted before is no witness for it: only the status is told.
    """
    told = await source.status("colo"), await destination.ask("query-migrate")
    await asyncio.sleep(seconds)
    return {"status": told[0]["status"]}, {"status": told[1]["status"]}


def demand(scenario: Scenario, counted: dict[str, Any]) -> None:
    """Make sure that what the scenario is for did happen."""
    found: Any = counted
    for part in filter(None, scenario.shows.split(".")):
        found = found.get(part, {})
    if not found:
        raise Failed(f"{scenario.shows} is nought: {counted}")
