# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations recorded during the test: our readers agree on them, and QEMU takes what our layers build."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from dissector.capture import conversations, read_packets
from dissector.cli import main
from dissector.declare import registers
from dissector.decode import PduSeen
from dissector.protocols.qemu_migration.builder import MainChannel
from dissector.record.migrate import FILE
from dissector.record.qemu import End, Lacks
from dissector.record.run import Settings, ends, prepared
from dissector.record.scenario import RecordError, Scenario
from dissector.record.scratch import Scratch
from dissector.tshark import Tshark
from tests.record.conftest import QEMU, Recorder
from tests.support.captures import gaps, octets
from tests.support.readings import Reading, check_scapy, decoded, difference, shown

pytestmark = pytest.mark.needs_qemu
NOTHING = "-machine none -m 4M"
PAGE = bytes(range(256)) * 16


def sidecar(capture: Path) -> dict[str, Any]:
    """Read what stands beside a capture."""
    name = capture.name.partition(".pcapng")[0]
    return tomllib.loads((capture.parent / f"{name}.toml").read_text(encoding="utf-8"))


def kinds(reading: Reading) -> dict[tuple[str, str], list[str]]:
    """Give the messages of each direction without repetitions: how many pages there are is chance."""
    names = defaultdict(list)
    for e in reading.events:
        if isinstance(e, PduSeen) and not e.name.startswith("Ram"):
            names[str(e.source.channel), str(e.direction)].append(e.name)
    return {way: [name for name, _ in itertools.groupby(found)] for way, found in names.items()}


class TestRecorded:
    def test_the_sidecar_tells_of_it(self, recorded: Path) -> None:
        """Checksum, ends, counts and events are those of this recording."""
        told = sidecar(recorded)

        assert recorded.name == told["capture"]
        assert hashlib.sha256(recorded.read_bytes()).hexdigest() == told["sha256"]
        assert ["fin"] == told["ends"]
        assert {"completed"} == {told[end]["query-migrate"]["status"] for end in ("source", "destination")}
        assert "completed" in [event.get("status") for event in told["events"]]
        assert "./dev run dissector record precopy-rp" == told["record"]

    def test_qemus_counts_are_ours(self, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The witness for what the readers agree on."""
        assert main(["summary", "--json", str(recorded)]) == 0
        ours, theirs = json.loads(capsys.readouterr().out), sidecar(recorded)["source"]["query-migrate"]["ram"]

        assert [ours[f"ram.{key}"] for key in ("normal", "duplicate")] == [theirs["normal"], theirs["duplicate"]]
        assert ("completed", []) == (ours["status"], ours["errors"])

    def test_decoder_and_scapy(self, each: Path) -> None:
        """Every message dissected from its own octets has the same fields, and is built again."""
        reading = decoded(each)

        assert reading.faults == []
        check_scapy(reading)

    @pytest.mark.needs_tshark
    def test_decoder_and_wireshark(self, each: Path, tshark: Tshark, lua_plugin: Path) -> None:
        """The generated plugin sees the same messages."""
        assert not difference(decoded(each).pdus, shown(each, tshark, lua_plugin)[0])

    def test_twice_the_same_structure(self, recorded: Path, recorder: Recorder) -> None:
        """Another recording of the scenario has the same sections, commands and messages in the same order."""
        assert kinds(decoded(recorded)) == kinds(decoded(recorder("precopy-rp")))


def recorded_or_skipped(recorder: Recorder, name: str, **settings: str) -> Path:
    """Record what not everybody may."""
    try:
        return recorder(name, **settings)
    except (Lacks, RecordError) as error:
        pytest.skip(str(error))


def test_the_other_tap_sees_the_same(recorded: Path, recorder: Recorder) -> None:
    """tcpdump's capture has the structure of the proxy's; without privileges or tcpdump there is none."""
    path = recorded_or_skipped(recorder, "precopy-rp", tap="dumpcap")

    assert "dumpcap" == sidecar(path)["tap"]
    assert kinds(decoded(recorded)) == kinds(decoded(path))


def test_a_network_that_loses_and_reorders(recorder: Recorder) -> None:
    """What it does to the segments is not seen in the messages; only root has such a network."""
    path = recorded_or_skipped(recorder, "lossy")
    reading = decoded(path)
    found = list(conversations(read_packets(path)))

    assert "link" == sidecar(path)["tap"]
    assert [] == reading.faults
    assert [] == gaps(found)
    assert kinds(reading)["main", "forward"][-1] == "VmDescription"


@pytest.mark.needs_tshark
@pytest.mark.parametrize("kind", ["psk", "x509"])
def test_wireshark_decrypts_what_is_recorded(recorder: Recorder, tshark: Tshark, kind: str) -> None:
    """The secrets are in the capture: what the source said begins with the file header."""
    path = recorded_or_skipped(recorder, f"tls-{kind}")
    said = list(tshark.lines(path, args=("-q", "-z", "follow,tls,raw,0")))

    assert any(line.strip().startswith("5145564d00000003") for line in said)
    assert b"QEVM" not in octets(list(conversations(read_packets(path))), 0)[:64]


def accepted(stream: bytes, arguments: str, tmp_path: Path) -> dict[str, Any]:
    """Let a real QEMU read a stream, and give what it says of it."""
    scenario = Scenario("a destination alone", arguments=arguments, guest="paused")

    async def load() -> dict[str, Any]:
        with Scratch(tmp_path) as scratch:
            job = await prepared("load", scenario, Settings(QEMU, QEMU, tmp_path), scratch, scratch)
            scratch.path(FILE).write_bytes(stream)
            async with ends(job, 1, "destination") as (end,):
                await end.ask("migrate-incoming", uri=scratch.inside(f"exec:cat @/{FILE}"))
                return await told(end)

    return asyncio.run(asyncio.wait_for(load(), 60))


async def told(end: End) -> dict[str, Any]:
    """Wait for the end, and give the status and what QEMU has in the second page of its memory."""
    found = await end.status("completed")
    memory = await end.ask("human-monitor-command", command_line="xp /4bx 0x1000")
    return {"status": found["status"], "memory": memory.split(":")[1].split()}


def test_qemu_takes_what_scapy_builds(recorded: Path, tmp_path: Path) -> None:
    """A recorded stream, rebuilt from the layers of its messages, is migrated from once more."""
    reading = decoded(recorded)
    forward = [e for e in reading.events if isinstance(e, PduSeen) and e.direction == "forward"]
    whole = octets(list(conversations(read_packets(recorded))), 0)
    built = bytearray()
    for e in forward:
        with registers(e.registers):
            built += bytes(e.kind.pdu.origin(whole[e.offset : e.offset + e.length]))

    assert whole == bytes(built)
    guest = "-m 16M -drive if=floppy,format=raw,readonly=on,file=@/disk.img,file.locking=off -boot a"
    assert accepted(bytes(built), guest, tmp_path)["status"] == "completed"


def test_qemu_takes_what_is_crafted_from_nothing(tmp_path: Path) -> None:
    """A header, a machine's name, a page, the end: a machine without devices has the page then."""
    main = MainChannel()
    main.header()
    main.configuration(b"none")
    main.start_ram({b"ram": 4 << 20})
    main.part_ram((b"ram", 0x1000, PAGE), (b"ram", 0x2000, 0))
    main.end_ram()
    main.eof(b'{"page_size": 4096, "devices": []}')

    found = accepted(bytes(main), NOTHING, tmp_path)

    assert {"status": "completed", "memory": ["0x00", "0x01", "0x02", "0x03"]} == found
