# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be concluded from what was seen: every status, and every reason for having no number."""

from __future__ import annotations

from typing import Any

import pytest

from dissector.decode import Kind, PduSeen, Source
from dissector.ir.pdus import Pdu
from dissector.summary import Connected, Migration, result
from dissector.summary.stored import Stored

COUNTS = {"ram.normal": 7, "ram.duplicate": 5, "ram.postcopy-requests": 3, "ram.compressed": 0}


def migration(*channels: str, **facts: Any) -> Migration:
    """Give a migration of which everything was seen: *facts* change its attributes, ``commands`` are names."""
    made = Migration(1)
    made.whole = made.eof = True
    made.machine = "pc-q35-10.0"
    for index, channel in enumerate(channels or ("main",)):
        connected = Connected(channel, "10.0.0.1:40000", "10.0.0.2:4444")
        connected.octets = {"forward": 1000, "reverse": 50}
        made.connect(index, connected)
    made.commands = dict.fromkeys(facts.pop("commands", ()), 1)
    made.messages = dict.fromkeys(facts.pop("messages", ()), 1)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def close(made: Migration, *directions: str, how: str = "fin", index: int = 0) -> Migration:
    """Close one connection in this order."""
    made.connections[index].closed = dict.fromkeys(directions, how)
    return made


class TestStatus:
    @pytest.mark.parametrize(
        ("made", "status"),
        [
            (close(migration(), "forward", "reverse"), "completed"),
            (migration(commands=["MIG_CMD_OPEN_RETURN_PATH"], shut=0), "completed"),
            (migration(commands=["MIG_CMD_OPEN_RETURN_PATH"], shut=1), "failed"),
            (close(migration(eof=False), "reverse", "forward"), "failed"),
            (migration(eof=False), "active"),
            (migration(colo=True), "colo"),
            (migration(eof=False, commands=["MIG_CMD_PACKAGED"]), "postcopy-active"),
            (close(migration(eof=False, commands=["MIG_CMD_PACKAGED"]), "forward"), "postcopy-paused"),
            (migration("main", "recovery", eof=False, commands=["MIG_CMD_PACKAGED"]), "postcopy-recover"),
            (
                migration(
                    "main", "recovery", eof=False, commands=["MIG_CMD_PACKAGED"], messages=["MIG_RP_MSG_RESUME_ACK"]
                ),
                "postcopy-active",
            ),
        ],
    )
    def test_what_was_seen_tells(self, made: Migration, status: str) -> None:
        """In QEMU's words, and without a reason."""
        told = result(made, COUNTS)

        assert status == told["status"]
        assert "status" not in told["reasons"]

    @pytest.mark.parametrize(
        ("made", "reason"),
        [
            (migration(commands=["MIG_CMD_OPEN_RETURN_PATH"]), "the destination's answer to it is not in the capture"),
            (close(migration(), "forward", "reverse", how="rst"), "its connection was reset"),
            (close(migration(eof=False), "forward"), "cancelled or failed, the wire does not tell which"),
            (migration(commands=["MIG_CMD_PACKAGED"], shut=1), "error 1 after the switch to postcopy"),
            (close(migration(colo=True), "forward"), "which side took over, the wire does not tell"),
            (migration(eof=False, lost=True), "part of the stream could not be read"),
            (migration(eof=False, whole=False), "the beginning of the migration is not in the capture"),
        ],
    )
    def test_what_was_seen_does_not_tell(self, made: Migration, reason: str) -> None:
        """Null, and the reason."""
        told = result(made, COUNTS)

        assert told["status"] is None
        assert reason in told["reasons"]["status"]


class TestNumbers:
    def test_all_is_known(self) -> None:
        """A complete migration of a new machine type: everything but what leaves no mark."""
        told = result(close(migration(package_octets=300), "forward"), COUNTS)

        assert (7, 5, 1300, 3) == tuple(
            told[f"ram.{key}"] for key in ("normal", "duplicate", "transferred", "postcopy-requests")
        )
        assert ["ram.dirty-sync-count"] == list(told["reasons"])

    @pytest.mark.parametrize(
        ("machine", "octets"),
        [
            ("pc-q35-8.2", 1000),
            ("pseries-9.1", 1000),
            ("virt-10.0", 1000),
            ("pc-i440fx-8.1", None),
            ("pc-q35-7.2", None),
            ("pc-q35-rhel9.6.0", None),
            ("microvm", None),
            (None, None),
        ],
    )
    def test_a_new_machine_type_proves_a_new_release(self, machine: str | None, octets: int | None) -> None:
        """``ram.transferred`` is what it is since 8.2; an old machine type may run on any release."""
        assert octets == result(migration(machine=machine), COUNTS)["ram.transferred"]

    @pytest.mark.parametrize(("machine", "count"), [("pc-8.0", None), ("pc-8.1", 5)])
    def test_zero_pages_with_compress(self, machine: str, count: int | None) -> None:
        """Compression threads count too many zero pages up to 8.0."""
        assert count == result(migration(machine=machine), {**COUNTS, "ram.compressed": 9})["ram.duplicate"]

    def test_a_channel_that_is_not_decoded(self) -> None:
        """Pages may be there; octets and requests are known all the same."""
        made = migration("main", "unknown", "unknown")
        for index in (1, 2):
            made.connections[index].decoded = False
        told = result(made, COUNTS)

        assert "channels that are not decoded: 2 unknown" in told["reasons"]["ram.normal"]
        assert (3000, 3) == (told["ram.transferred"], told["ram.postcopy-requests"])

    def test_octets_missing_on_the_return_path(self) -> None:
        """They hide requests, not pages."""
        made = migration()
        made.connections[0].missing["reverse"] = 12
        told = result(made, COUNTS)

        assert (7, None) == (told["ram.normal"], told["ram.postcopy-requests"])
        assert "12 octets are missing from the capture" == told["reasons"]["ram.postcopy-requests"]

    def test_a_connection_that_broke(self) -> None:
        """What was counted need not have been sent; what was sent is in the reason."""
        told = result(migration("main", "recovery"), COUNTS)

        assert (None, None, None, None) == tuple(
            told[f"ram.{key}"] for key in ("normal", "duplicate", "transferred", "postcopy-requests")
        )
        assert told["reasons"]["ram.normal"].endswith("7 were sent")

    def test_a_connection_whose_beginning_is_missing(self) -> None:
        """Nobody knows what was said before."""
        made = migration()
        made.connections[0].whole = False

        assert "the beginning of a connection is not in the capture" == result(made, COUNTS)["reasons"]["ram.normal"]


def sections(*heads: tuple[str, int]) -> Stored:
    """Give what remains of these section heads: their kinds, and where they begin."""
    made = Stored()
    for kind, offset in heads:
        pdu = Pdu(kind, f"QEMU_VM_SECTION_{kind}", ())
        made.see(PduSeen(Kind.of(pdu, ""), Source("main"), offset, 17, 17, 0, {}, {}, (), "", b"", {}))
    return made


class TestStored:
    @pytest.mark.parametrize(
        ("heads", "octets"),
        [
            ([("START", 100), ("PART", 200), ("FULL", 700), ("FULL", 800)], 1300),
            ([("FULL", 50), ("START", 100), ("PART", 200), ("FULL", 700)], 1300),
            ([("START", 100), ("PART", 200), ("END", 600), ("FULL", 700)], 1000),
            ([("FULL", 700), ("FULL", 800)], 1000),
            ([("START", 100), ("PART", 200)], 1000),
        ],
        ids=["background", "early set-up", "ordinary", "devices only", "RAM only"],
    )
    def test_a_background_snapshot_counts_devices_twice(self, heads: list[tuple[str, int]], octets: int) -> None:
        """Everything from the first device behind RAM to the end; without an END, and only then."""
        assert octets == result(migration(stored=sections(*heads)), COUNTS)["ram.transferred"]

    def test_no_page_at_all(self) -> None:
        """With CPR there is more than the capture shows; what it shows is in the reason."""
        told = result(migration(stored=sections(("START", 100), ("END", 200))), dict.fromkeys(COUNTS, 0))

        assert (0, 0, None) == (told["ram.normal"], told["ram.duplicate"], told["ram.transferred"])
        assert told["reasons"]["ram.transferred"].endswith("1000 without it")

    def test_mapped_ram(self) -> None:
        """The pages that are stored are known, and no other number."""
        made = migration()
        made.stored.mapped = True
        made.stored.count(memoryview(b"\x01\x00\xff"))
        told = result(made, COUNTS)

        assert (9, 3, "completed") == (told["ram.stored"], told["ram.postcopy-requests"], told["status"])
        assert {"ram.normal", "ram.duplicate", "ram.transferred", "ram.dirty-sync-count"} == set(told["reasons"])

    def test_a_file_that_ends_too_early(self) -> None:
        """Nobody knows why; a file has no connection that could tell."""
        made = migration(eof=False)
        made.connections[0].stored = True
        made.stored.mapped = True
        told = result(made, COUNTS)

        assert None is told["status"] is told["ram.normal"] is told["ram.stored"] is told["duration"]
        assert "the file ends before the stream does: cancelled, failed or still going on" == told["reasons"]["status"]
