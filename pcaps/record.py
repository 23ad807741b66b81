# SPDX-License-Identifier: GPL-2.0-or-later
"""Records live migrations between two QEMUs on loopback, one capture and one sidecar each.

    ./dev run python pcaps/record.py --list
    ./dev run python pcaps/record.py precopy multifd

A capture can only be trusted as far as it is known what it shows.  So each comes with a sidecar in TOML: which QEMU,
how both ends were started, what was set, what was done and when, and what QEMU itself counted at both ends
(``query-migrate``), which is the witness that a decoder's own counts are held against.  The command in the sidecar
records the same scenario again; the octets will differ, since two runs never dirty the same pages.

A migration is over sooner than its capture: QEMU reports "completed" before it closes its sockets, and tcpdump writes
a packet later than the kernel has seen it.  So the growing file is read until both ends of every connection are in it.
Only then is tcpdump stopped, and a capture with an unfinished connection is never stored.

Every recording is of the same small guest (guest.S says what it does), so that differences between captures are
differences between scenarios.  There are no devices beyond the board's own, and the memory is nearly all zero: the
captures stay small without any of the protocol's parts being missing.

This needs root for tcpdump (and for QEMU's userfaultfd, without which there is no postcopy), ``as``, ``ld`` and
``objcopy`` for the guest, and the extra ``record`` of this distribution for QMP.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import hashlib
import json
import shlex
import signal
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qemu.qmp import ConnectError, QMPClient, QMPError

from dissector.capture import Closed, Gap, Opened, conversations, read_packets
from dissector.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

HERE = Path(__file__).resolve().parent
PORT = 4545
PATIENCE = 60.0
PATIENCE_FOR_TCPDUMP = 10.0
OVER = {"completed", "failed", "cancelled"}
HOW = ("fin", "rst", "end", "gap")
"""How a connection may end, the best first; the last two are no ends but what a capture lacks."""


class Failed(Exception):
    """A recording that did not come about; the text says why."""


class TooOld(Failed):
    """A QEMU that does not know the scenario; another try would end alike."""


@dataclass(frozen=True)
class Scenario:
    """One row of scenarios.toml, which says what each column means."""

    about: str
    capabilities: Sequence[str] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    arguments: str = ""
    destination: str = ""
    machine: str = "pc"
    arch: str = "x86_64"
    memory: str = "16M"
    guest: str = "dirties"
    firmware: str = ""
    host: str = "127.0.0.1"
    before: Sequence[tuple[str, Mapping[str, object]]] = ()
    postcopy: float | None = None
    pause: float | None = None
    cancel: float | None = None
    converge: float | None = None
    fails: bool = False
    migrations: int = 1
    connections: int = 1
    ends: Sequence[str] = ("fin",)
    since: Sequence[int] = (0, 0)
    shows: str = ""


@dataclass(frozen=True)
class Told:
    """What QEMU said of itself and, in the end, of one migration."""

    version: Mapping[str, int]
    source: dict[str, Any]
    destination: dict[str, Any]


def scenarios() -> dict[str, Scenario]:
    """Read the scenarios' table."""
    table = tomllib.loads((HERE / "scenarios.toml").read_text())
    return {name: Scenario(**row) for name, row in table.items()}


SCENARIOS = scenarios()


class End:
    """One of the two QEMUs."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self.command = [*command, "-qmp", f"unix:{name}.qmp,server=on,wait=off"]
        self.folder = folder
        self.qmp = QMPClient(name)
        self.log = (folder / f"{name}.log").open("wb")
        self.process = subprocess.Popen(self.command, cwd=folder, stdout=self.log, stderr=subprocess.STDOUT)

    async def connect(self) -> None:
        """Wait for the monitor."""
        path = self.folder / f"{self.name}.qmp"
        await until(path.exists, f"{self.name}: no monitor", self)
        for _ in range(int(PATIENCE / 0.02)):
            # The socket has its name a moment before anybody listens to it.
            with contextlib.suppress(ConnectError):
                await self.qmp.connect(str(path))
                return
            await asyncio.sleep(0.02)
        raise Failed(f"{self.name}: the monitor does not answer: {self.said()}")

    async def ask(self, command: str, **arguments: object) -> Any:
        """Run one QMP command."""
        try:
            return await self.qmp.execute(command, {name.replace("_", "-"): arguments[name] for name in arguments})
        except QMPError as error:
            raise Failed(f"{self.name}: {command}: {error}: {self.said()}") from error

    def said(self) -> str:
        """Give what QEMU printed."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace").strip() or "nothing printed"

    async def close(self) -> None:
        """End it, whatever state it is in."""
        self.process.kill()
        self.process.wait()
        self.log.close()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.qmp.disconnect(), 2)


async def until(condition: Callable[[], bool], what: str, *ends: End) -> None:
    """Wait for ``condition``, but neither for ever nor for the dead."""
    for _ in range(int(PATIENCE / 0.02)):
        if condition():
            return
        for end in ends:
            if end.process.poll() is not None:
                raise Failed(f"{what}: {end.name} ended with code {end.process.returncode}: {end.said()}")
        await asyncio.sleep(0.02)
    raise Failed(f"{what}: gave up after {PATIENCE:g} seconds")


async def status(end: End, *wanted: str) -> dict[str, Any]:
    """Wait until the migration is in one of the states ``wanted``, and give all that QEMU tells of it."""
    found: dict[str, Any] = {}
    for _ in range(int(PATIENCE / 0.02)):
        found = await end.ask("query-migrate")
        if found.get("status") in wanted:
            return found
        if found.get("status") in OVER:
            break
        await asyncio.sleep(0.02)
    raise Failed(f"{end.name}: waited for {' or '.join(wanted)}: {found}: {end.said()}")


async def guest_runs(end: End) -> None:
    """Wait until the guest changes its memory."""
    seen: set[str] = set()
    for _ in range(int(PATIENCE / 0.05)):
        seen.add(await end.ask("human-monitor-command", command_line="xp /1bx 0x1f000"))
        if len(seen) > 3:
            return
        await asyncio.sleep(0.05)
    raise Failed(f"{end.name}: the guest does not run")


async def migrate(scenario: Scenario, source: End, destination: End) -> tuple[dict[str, Any], dict[str, Any]]:
    """Do what the scenario says, and give what both ends count in the end."""
    uri = f"tcp:{scenario.host}:{PORT}"
    for end in (destination, source):
        capabilities = [{"capability": name, "state": True} for name in scenario.capabilities]
        await end.ask("migrate-set-capabilities", capabilities=capabilities)
        await end.ask("migrate-set-parameters", **scenario.parameters)
    await destination.ask("migrate-incoming", uri=uri)
    for command, arguments in scenario.before:
        await source.ask(command, **arguments)
    if scenario.guest == "dirties":
        await guest_runs(source)
    await source.ask("migrate", uri=uri)
    if scenario.cancel is not None:
        await asyncio.sleep(scenario.cancel)
        await source.ask("migrate_cancel")
        return await broken("cancelled", source, destination)
    if scenario.fails:
        return await broken("failed", source, destination)
    if scenario.converge is not None:
        await asyncio.sleep(scenario.converge)
        await source.ask("migrate-set-parameters", **{"downtime-limit": 2000})
    if scenario.postcopy is not None:
        await asyncio.sleep(scenario.postcopy)
        await source.ask("migrate-start-postcopy")
    if scenario.pause is not None:
        await recover(scenario.pause, uri, source, destination)
    return await status(source, "completed"), await status(destination, "completed")


async def broken(how: str, source: End, destination: End) -> tuple[dict[str, Any], dict[str, Any]]:
    """Wait for the end of a migration that comes to nothing: the destination goes with it."""
    counted = await status(source, how)
    await until(lambda: destination.process.poll() is not None, "destination: does not notice the end")
    return counted, {"exit-code": destination.process.returncode}


async def recover(seconds: float, uri: str, source: End, destination: End) -> None:
    """Break the connection in the middle of postcopy, then go on over a new one."""
    await status(source, "postcopy-active")
    await asyncio.sleep(seconds)
    await source.ask("migrate-pause")
    await status(source, "postcopy-paused")
    await status(destination, "postcopy-paused")
    await destination.qmp.execute("migrate-recover", {"uri": uri}, oob=False)
    await source.ask("migrate", uri=uri, resume=True)


def demand(scenario: Scenario, counted: Any) -> None:
    """Make sure that what the scenario is for did happen."""
    for part in filter(None, scenario.shows.split(".")):
        counted = counted.get(part, {})
    if not counted:
        raise Failed(f"{scenario.shows} is nought: {counted}")


@contextlib.asynccontextmanager
async def tcpdump(path: Path) -> AsyncIterator[None]:
    """Record loopback for the length of the block; a capture with a hole is no capture."""
    # Without immediate mode the kernel hands on its packets in blocks, and the last block only when it is full or
    # a second old.  In it each packet has a slot of 128 KiB: the buffer (in KiB) is for two thousand of them.
    command = ["tcpdump", "-i", "lo", "-s", "0", "-B", "262144", "--immediate-mode", "-U", "-Z", "root"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--time-stamp-precision=nano", "-w", str(path), "tcp", "port", str(PORT)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        while b"listening on" not in (line := await process.stderr.readline()):
            if not line:
                raise Failed("tcpdump: does not start; it needs root")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
    if b"\n0 packets dropped by kernel" not in b"\n" + said:
        raise Failed(f"tcpdump: lost packets: {said.decode(errors='replace')}")


def connection_ends(path: Path, *, strict: bool = False) -> list[str]:
    """Give how each connection in a capture ends, as one of HOW."""
    found: dict[int, str] = {}
    for event in conversations(read_packets(path, strict=strict)):
        index = event.connection.index
        match event:
            case Opened():
                found[index] = HOW[0]
            case Gap():
                found[index] = "gap"
            case Closed():
                found[index] = max(found[index], event.how, key=HOW.index)
    return list(found.values())


async def written(path: Path, connections: int) -> None:
    """Wait until the growing capture has so many connections from their beginning to their end."""
    ends: list[str] = []
    before, packets = -1, 0
    for _ in range(int(PATIENCE_FOR_TCPDUMP / 0.1)):
        # The last acknowledgments come behind the FINs, so both ends are not enough: nothing more must come.
        if len(ends) == connections and set(ends) <= {"fin", "rst"} and before == packets:
            return
        await asyncio.sleep(0.1)
        with contextlib.suppress(CaptureError):
            before, packets = packets, sum(1 for _ in read_packets(path))
            ends = connection_ends(path)
    raise Failed(f"tcpdump: {connections} connections should be over, but there are: {', '.join(ends) or 'none'}")


def build_guest(folder: Path, firmware: str) -> None:
    """Assemble guest.S into a boot sector, write the firmware, and make an empty disk for scenarios that have them."""
    (folder / "firmware.img").write_bytes(bytes.fromhex(firmware))
    steps = (
        ["as", "--32", "-o", "guest.o", str(HERE / "guest.S")],
        ["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "-e", "_start", "-o", "guest.elf", "guest.o"],
        ["objcopy", "-O", "binary", "-j", ".text", "guest.elf", "guest.img"],
    )
    for step in steps:
        subprocess.run(step, cwd=folder, check=True)
    (folder / "disk.img").write_bytes(bytes(1 << 20))


def command_line(qemu: str, scenario: Scenario) -> list[str]:
    """Give QEMU's command line without what differs between the ends; file names are relative."""
    machine = ["-accel", "tcg", "-machine", scenario.machine, "-m", scenario.memory, "-nodefaults", "-no-user-config"]
    guest = ["-drive", "if=floppy,format=raw,readonly=on,file=guest.img,file.locking=off", "-boot", "a"]
    guest = guest if scenario.guest == "dirties" else []
    command = [qemu.replace("x86_64", scenario.arch), *machine, "-display", "none"]
    return [*command, *guest, *shlex.split(scenario.arguments)]


def incoming(scenario: Scenario) -> list[str]:
    """Give what the destination's command line has besides; of two -m the last one counts."""
    return [*shlex.split(scenario.destination), "-incoming", "defer"]


async def perform(scenario: Scenario, number: int, qemu: str, folder: Path) -> Told:
    """Do the scenario's migration number so and so, between two QEMUs that live no longer than it takes."""
    command = command_line(qemu, scenario)
    ends: list[End] = []
    try:
        ends.append(End(f"destination-{number}", [*command, *incoming(scenario)], folder))
        ends.append(End(f"source-{number}", command, folder))
        destination, source = ends
        for end in ends:
            await end.connect()
        version = (await source.ask("query-version"))["qemu"]
        if (version["major"], version["minor"]) < tuple(scenario.since):
            raise TooOld(f"needs QEMU {scenario.since[0]}.{scenario.since[1]}")
        counted = await migrate(scenario, source, destination)
        demand(scenario, counted[0])
        await written(folder / "capture", number * scenario.connections)
    finally:
        for end in ends:
            await end.close()
    return Told(version, *counted)


async def record(name: str, qemu: str, out: Path) -> Path:
    """Record one scenario and give the capture's place."""
    scenario = SCENARIOS[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build_guest(folder, scenario.firmware)
        async with tcpdump(folder / "capture"):
            told = [await perform(scenario, number + 1, qemu, folder) for number in range(scenario.migrations)]
        ends = connection_ends(folder / "capture", strict=True)
        if len(ends) != scenario.migrations * scenario.connections or not set(ends) <= set(scenario.ends):
            raise Failed(f"not how this scenario's connections should end: {', '.join(ends)}")
        octets = gzip.compress((folder / "capture").read_bytes(), 9, mtime=0)
    version = told[0].version
    stem = f"qemu-{version['major']}.{version['minor']}-{name}"
    table = {**sidecar(name, stem, told), "ends": ends, "sha256": hashlib.sha256(octets).hexdigest()}
    (out / f"{stem}.pcap.gz").write_bytes(octets)
    (out / f"{stem}.toml").write_text(toml(table))
    return out / f"{stem}.pcap.gz"


def sidecar(name: str, stem: str, told: Sequence[Told]) -> dict[str, Any]:
    """Give what the sidecar tells, but for what is known from the capture alone."""
    scenario = SCENARIOS[name]
    command = command_line("qemu-system-x86_64", scenario)
    times = {key: getattr(scenario, key) for key in ("postcopy", "pause", "cancel", "converge")}
    return {
        "capture": f"{stem}.pcap.gz",
        "about": scenario.about,
        "qemu": ".".join(str(told[0].version[part]) for part in ("major", "minor", "micro")),
        "record": f"./dev run python pcaps/record.py {name}",
        "port": PORT,
        "capabilities": list(scenario.capabilities),
        "before": [json.dumps({"execute": name, "arguments": given}) for name, given in scenario.before],
        "parameters": dict(scenario.parameters),
        "seconds": {key: value for key, value in times.items() if value is not None},
        "source": {"arguments": command[1:], **query_migrate([one.source for one in told])},
        "destination": {
            "arguments": [*command[1:], *incoming(scenario)],
            **query_migrate([one.destination for one in told]),
        },
    }


def query_migrate(counted: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give what one end said; of several migrations all together, and then of each."""
    if len(counted) == 1:
        return {"query-migrate": counted[0]}
    each = {f"query-migrate-{number}": one for number, one in enumerate(counted, 1)}
    return {"query-migrate": together(counted), **each}


def together(counted: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up what is counted, keep what is the same, and leave out the rest: rates, for the most part."""
    result: dict[str, Any] = {}
    for key, value in counted[0].items():
        values = [one.get(key) for one in counted]
        if isinstance(value, dict):
            result[key] = together([one.get(key, {}) for one in counted])
        elif key in {"total", "page-size"} or isinstance(value, str):
            result.update({key: value} if values.count(value) == len(values) else {})
        elif key not in {"mbps", "pages-per-second", "dirty-pages-rate"}:
            result[key] = sum(one or 0 for one in values)
    return result


def toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Write a table of strings, numbers, lists and tables; JSON's words for the first three are TOML's, too."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    text = "" if path else "# SPDX-License-Identifier: GPL-2.0-or-later\n"
    if path and (plain or not table):
        text += f"\n[{'.'.join(path)}]\n"
    text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in plain.items())
    tables = ((key, value) for key, value in table.items() if isinstance(value, dict))
    return text + "".join(toml(value, (*path, key)) for key, value in tables)


def main() -> int:
    """Record what the command line names."""
    parser = argparse.ArgumentParser(description="record live migrations between two QEMUs on loopback")
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help="what to record; all of them without any")
    parser.add_argument("--qemu", default="qemu-system-x86_64", help="the QEMU of both ends")
    parser.add_argument("--out", type=Path, default=HERE, help="where captures and sidecars go")
    parser.add_argument("--tries", type=int, default=3, help="how often a scenario may fail")
    parser.add_argument("--list", action="store_true", help="tell what can be recorded, and end")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{name:18} {scenario.about}" for name, scenario in SCENARIOS.items()))
        return 0
    unknown = [name for name in options.names if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    # A terminated run must end its QEMUs, which happens in the finally blocks that an exception passes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = [name for name in options.names or SCENARIOS if not attempt(name, options)]
    return 1 if failed else 0


def attempt(name: str, options: argparse.Namespace) -> bool:
    """Record one scenario, more than once if need be: what a guest does in time is partly chance."""
    for number in range(1, options.tries + 1):
        try:
            path = asyncio.run(record(name, options.qemu, options.out))
        except TooOld as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
            return True
        except (Failed, OSError, subprocess.CalledProcessError) as error:
            print(f"{name}: try {number}: {error}", file=sys.stderr)
        else:
            print(f"{path.name}: {path.stat().st_size} octets")
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
