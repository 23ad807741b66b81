# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording from beginning to end: files, tap, two QEMUs, capture and sidecar.

Every recording is of the same small guest (guest.S says what it does) unless the scenario wants another, so that
differences between captures are differences between scenarios.  There are no devices beyond the board's own, and the
memory is nearly all zero: captures stay small without any of the protocol's parts being missing.

A capture with an unfinished connection, or without what its scenario is for, is never stored.  What is stored appears
under its name when it is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shlex
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dissector.capture.writing import Spool, interface, pack, section, tls_secrets
from dissector.record import guest, tls
from dissector.record.migrate import (
    FILE,
    Route,
    cpr_channel,
    demand,
    main_channel,
    migrate,
    set_up,
    to_file,
    wait_for_guest,
)
from dissector.record.network import Link, Namespaces
from dissector.record.proxy import Proxy, free_port, in_use
from dissector.record.qemu import End, Failed, Lacks, Program, until
from dissector.record.scenario import RecordError, Scenario
from dissector.record.scratch import Scratch
from dissector.record.sidecar import Told, event, sidecar, text
from dissector.record.sniffer import Sniffer, connection_ends

APPLICATION = "layershark: dissector record"
PATIENCE_FOR_TAP = 10.0
LONGEST = 180.0
"""Seconds for a recording: no scenario is meant to take a tenth of it."""


class Tap(Protocol):
    """What records."""

    about: str
    interface: str
    port_in_capture: int

    @property
    def uri(self) -> str:
        """Where the source is to migrate to."""

    def over(self, connections: int) -> bool:
        """Say whether there were so many connections and all of them are over."""

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End; everything is in the spool then."""


@dataclass(frozen=True)
class Settings:
    """What holds for all recordings of a run."""

    source: Program
    destination: Program
    out: Path
    tap: str = "proxy"
    port: int = 0
    root: Path | None = None
    to_root: Path | None = None


@dataclass
class Job:
    """One recording in the making."""

    name: str
    scenario: Scenario
    settings: Settings
    scratch: Scratch
    away: Scratch
    """The same for the destination: another one if its QEMU sees another root."""
    programs: dict[str, Program]
    versions: dict[str, tuple[int, int, int]]
    machine: str
    namespaces: Namespaces | None = None
    listen: str = ""

    @property
    def stem(self) -> str:
        """The name of what is stored, without its suffix."""
        source, destination = (".".join(map(str, self.versions[end][:2])) for end in ("source", "destination"))
        return f"qemu-{source}-{self.name}" if source == destination else f"qemu-{source}-to-{destination}-{self.name}"

    def arguments(self, end: str) -> list[str]:
        """Give QEMU's arguments at one end; of two -m the last one counts."""
        scenario = self.scenario
        machine = ["-accel", "tcg", "-machine", self.machine, "-m", scenario.memory]
        front = [*machine, "-nodefaults", "-no-user-config", "-display", "none"]
        if scenario.bios:
            front += ["-bios", "@/bios.img"]
        elif scenario.guest == "dirties":
            front += ["-drive", "if=floppy,format=raw,readonly=on,file=@/guest.img,file.locking=off", "-boot", "a"]
        if scenario.guest == "paused":
            front += ["-S"]
        if scenario.tls:
            front += tls.objects(scenario.tls)[end == "destination"]
        own = shlex.split(scenario.source if end == "source" else scenario.destination)
        return [*front, *shlex.split(scenario.arguments), *own, *(self.waits() if end == "destination" else [])]

    def waits(self) -> list[str]:
        """Give what a destination waits for: the address comes later, but for CPR, which must know all at once."""
        if not self.scenario.cpr:
            return ["-incoming", "defer"]
        return ["-incoming", self.listen, "-incoming", json.dumps(cpr_channel("@/cpr.sock"))]

    def namespace(self, end: str) -> str:
        """Give the network namespace of an end."""
        return self.namespaces.place(end) if self.namespaces else ""


async def record(name: str, scenario: Scenario, settings: Settings) -> Path:
    """Record one scenario once and give the place of what was stored."""
    try:
        return await asyncio.wait_for(_recorded(name, scenario, settings), LONGEST)
    except TimeoutError as error:
        raise Failed(f"took longer than {LONGEST:g} seconds") from error


async def _recorded(name: str, scenario: Scenario, settings: Settings) -> Path:
    with contextlib.ExitStack() as folders:
        scratch = away = folders.enter_context(Scratch(settings.out, settings.root))
        if settings.to_root != settings.root:
            away = folders.enter_context(Scratch(settings.out, settings.to_root))
        job = await prepared(name, scenario, settings, scratch, away)
        if scenario.file:
            return await file_recorded(job)
        with Spool(scratch.path("packets").open("w+b")) as spool, contextlib.ExitStack() as stack:
            if scenario.network:
                job.namespaces = stack.enter_context(Namespaces(scratch))
            tap, job.listen = tap_of(job, spool)
            do = transfer if scenario.cpr else perform
            await tap.start()
            try:
                told = [await do(job, tap, number + 1) for number in range(scenario.migrations)]
            finally:
                await tap.stop()
            return stored(job, tap, spool, told)


async def prepared(name: str, scenario: Scenario, settings: Settings, scratch: Scratch, away: Scratch) -> Job:
    """See whether this QEMU can do it, and make the files it wants."""
    programs = {"source": settings.source.of(scenario.arch), "destination": settings.destination.of(scenario.arch)}
    versions = {end: version_of(program, scenario.arch) for end, program in programs.items()}
    for version in versions.values():
        suits(scenario, version)
    if scenario.guest == "dirties" or scenario.bios:
        guest.assemble(scratch.folder)
    if scenario.bios:
        guest.make_bios(scratch.folder)
    if scenario.firmware:
        guest.write_firmware(scratch.folder, scenario.firmware)
    guest.make_disk(scratch.folder)
    if scenario.tls:
        tls.make(scenario.tls, scratch.path(tls.FOLDER))
    if away is not scratch:
        shutil.copytree(scratch.folder, away.folder, dirs_exist_ok=True)
    machine = scenario.machine
    if versions["source"][:2] != versions["destination"][:2]:
        older = min(versions, key=lambda end: versions[end])
        machine = await known_to_both(machine, programs[older], scratch if older == "source" else away)
    return Job(name, scenario, settings, scratch, away, programs, versions, machine)


def version_of(program: Program, arch: str) -> tuple[int, int, int]:
    """Give a QEMU's version; one for another architecture than x86 may well not be there."""
    try:
        return program.version()
    except RecordError as error:
        if arch == "x86_64":
            raise
        raise Lacks(f"there is no QEMU for {arch}: {error.where}: {error.what}") from error


def suits(scenario: Scenario, version: tuple[int, int, int]) -> None:
    """Make sure that a release can do what the scenario wants."""
    release = version[:2]
    dotted = ".".join(map(str, release))
    if release < tuple(scenario.since):
        raise Lacks(f"needs QEMU {'.'.join(map(str, scenario.since))}, and this is {dotted}")
    if release > tuple(scenario.until):
        raise Lacks(f"was removed after QEMU {'.'.join(map(str, scenario.until))}, and this is {dotted}")
    if dotted in scenario.broken:
        raise Lacks(f"does not work in QEMU {dotted}: {scenario.broken[dotted]}")


async def known_to_both(machine: str, older: Program, scratch: Scratch) -> str:
    """Give a machine's name with its version, as the older of two QEMUs has it: an alias means the newest of each."""
    alias, comma, rest = machine.partition(",")
    end = End("machines", older, ["-machine", "none", "-nodefaults", "-display", "none"], scratch)
    try:
        await end.connect()
        rows = await end.ask("query-machines")
    finally:
        await end.close()
    names = [row["name"] for row in rows if row.get("alias") == alias]
    return (names[0] if names else alias) + comma + rest


def tap_of(job: Job, spool: Spool) -> tuple[Tap, str]:
    """Give the tap, and the URI at which the destination listens."""
    scenario, settings = job.scenario, job.settings
    if job.namespaces:
        assert scenario.network is not None
        link = Link(job.namespaces, scenario.network, spool)
        return link, link.uri
    host = scenario.host.strip("[]")
    if settings.port and in_use(host, settings.port):
        raise RecordError(f"port {settings.port}", "in use", "leave --port out, and a free one is taken")
    port = settings.port or free_port(host)
    listen = f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"
    if settings.tap == "proxy":
        return Proxy(host, port, spool), listen
    return Sniffer(host, port, spool, job.scratch.path("capture")), listen


async def perform(job: Job, tap: Tap, number: int) -> Told:
    """Do the scenario's migration number so and so, between two QEMUs that live no longer than it takes."""
    scenario = job.scenario
    async with ends(job, number, "destination", "source") as (destination, source):
        extra = tls.parameters(scenario.tls) if scenario.tls else {}
        for end in (destination, source):
            await set_up(scenario, end, extra)
        await destination.ask("migrate-incoming", uri=job.listen)
        await wait_for_guest(scenario, source)
        for command, arguments in scenario.before:
            await source.ask(command, **arguments)
        start = time.time_ns()
        counted = await migrate(scenario, Route(job.listen, tap.uri), source, destination)
        demand(scenario, counted[0])
        happened = await events(start, source, destination)
        if scenario.colo is None:
            await over(tap, number * scenario.connections)
    if scenario.colo is not None:
        await over(tap, number * scenario.connections)
    return Told(*counted, happened)


async def transfer(job: Job, tap: Tap, number: int) -> Told:
    """Do a migration with CPR: a destination that answers only when it has the state that comes in front of all."""
    async with ends(job, number, "source") as (source,):
        await source.set_up(job.scenario.capabilities, {**job.scenario.parameters, "mode": "cpr-transfer"})
        await wait_for_guest(job.scenario, source)
        async with ends(job, number, "destination", connected=False) as (destination,):
            await until(job.away.path("cpr.sock").exists, "destination: does not listen", destination)
            start = time.time_ns()
            place = cpr_channel(job.scratch.inside("@/cpr.sock"))
            await source.ask("migrate", channels=[main_channel(tap.uri), place])
            await destination.connect()
            counted = await source.status("completed"), await destination.status("completed")
            happened = await events(start, source, destination)
            await over(tap, number * job.scenario.connections)
    return Told(*counted, happened)


async def events(start: int, *ends: End) -> list[dict[str, Any]]:
    """Give what happened at both ends, in order."""
    happened = [event(end.name, one, start) for end in ends for one in await end.happened()]
    return sorted(happened, key=lambda one: one["seconds"])


async def over(tap: Tap, wanted: int) -> None:
    """Wait until so many connections are over."""
    await until(lambda: tap.over(wanted), f"{wanted} connections should be over", patience=PATIENCE_FOR_TAP)


@contextlib.asynccontextmanager
async def ends(job: Job, number: int, *names: str, connected: bool = True) -> AsyncIterator[list[End]]:
    """Start QEMUs, and end them with the block."""
    started: list[End] = []
    try:
        for name in names:
            scratch = job.scratch if name == "source" else job.away
            secrets = {"SSLKEYLOGFILE": scratch.inside(f"@/{tls.KEY_LOG}")} if job.scenario.tls else {}
            own = secrets if name == "source" else {}
            program, words, where = job.programs[name], job.arguments(name), job.namespace(name)
            started.append(End(f"{name}-{number}", program, words, scratch, namespace=where, environment=own))
        for end in started if connected else ():
            await end.connect()
        yield started
    finally:
        for end in started:
            await end.close()


def stored(job: Job, tap: Tap, spool: Spool, told: list[Told]) -> Path:
    """Write capture and sidecar, look whether the capture is whole, and give both their names."""
    scenario, scratch = job.scenario, job.scratch
    key_log = scratch.path(tls.KEY_LOG)
    heads = [section(APPLICATION, comments(job)), interface(tap.interface, tap.about)]
    if scenario.tls:
        if not key_log.is_file():
            raise Lacks("wrote no TLS secrets: its gnutls does not know SSLKEYLOGFILE")
        heads.append(tls_secrets(key_log.read_bytes()))
    name = f"{job.stem}.pcapng.gz"
    capture = scratch.staging / name
    spool.write(capture, heads)
    found = connection_ends(capture, strict=True)
    if len(found) != scenario.migrations * scenario.connections or not set(found) <= set(scenario.ends):
        raise Failed(f"not how this scenario's connections should end: {', '.join(found) or 'there are none'}")
    known = {"capture": name, "port": tap.port_in_capture, "tap": job.settings.tap if not job.namespaces else "link"}
    return published(job, capture, {**known, "ends": found}, told)


def published(job: Job, path: Path, known: dict[str, Any], told: list[Told]) -> Path:
    """Write the sidecar of a finished file, and move both to where they belong."""
    versions = job.versions["source"], job.versions["destination"]
    arguments = {end: job.arguments(end) for end in ("source", "destination")}
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    table = {**known, "sha256": digest, **sidecar(job.name, job.scenario, told, versions, arguments)}
    beside = job.scratch.staging / f"{job.stem}.toml"
    beside.write_text(text(table), encoding="utf-8")
    out = job.settings.out
    beside.replace(out / beside.name)
    path.replace(out / path.name)
    return out / path.name


def comments(job: Job) -> list[str]:
    """Give what the capture says of itself."""
    versions = {end: ".".join(map(str, version)) for end, version in job.versions.items()}
    told = [f"QEMU {versions['source']}, scenario {job.name}: {job.scenario.about}"]
    for end in ("source", "destination"):
        words = shlex.join(word.replace("@/", "") for word in job.arguments(end))
        told.append(f"{end}: QEMU {versions[end]}: qemu-system-{job.scenario.arch} {words}")
    return told


async def file_recorded(job: Job) -> Path:
    """Record a migration to a file."""
    scenario = job.scenario
    async with ends(job, 1, "source") as (source,):
        await set_up(scenario, source, {})
        await wait_for_guest(scenario, source)
        for command, arguments in scenario.before:
            await source.ask(command, **arguments)
        start = time.time_ns()
        counted = await to_file(scenario, job.versions["source"], source, job.scratch.inside(f"@/{FILE}"))
        demand(scenario, counted[0])
        told = Told(*counted, [event(source.name, one, start) for one in await source.happened()])
    path = job.scratch.staging / f"{job.stem}.bin.gz"
    pack(job.scratch.path(FILE), path)
    return published(job, path, {"file": path.name}, [told])
