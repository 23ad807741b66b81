# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's own counters are the witness: what a summary says must be what ``query-migrate`` said, or nothing at all."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from dissector.protocols.qemu_migration import MigCmdOpenReturnPath, MigCmdPing, RpShut
from dissector.regression.wire import cut, fixed, write_capture
from tests.cli.conftest import PCAPS, beginning, complete

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran

KEYS = [
    "migration",
    "ram.normal",
    "ram.duplicate",
    "ram.transferred",
    "ram.postcopy-requests",
    "ram.dirty-sync-count",
    "status",
    "qemu-machine",
    "counted",
    "duration",
    "channels",
    "commands",
    "return-path",
    "sections",
    "errors",
    "errors-omitted",
    "reasons",
]
PAGES = {"ram.normal", "ram.duplicate"}
NEVER = {"ram.dirty-sync-count"}
SIDECARS = [
    path
    for path in sorted(PCAPS.glob("*.toml"))
    if (told := tomllib.loads(path.read_text(encoding="utf-8"))) and "capture" in told and "tls" not in told
]
EXPECTED = {f"qemu-{release}-failure": ["rp_shut", "truncated"] for release in ("10.0", "11.1")}
"""Recordings that show something going wrong: a destination that says so."""
WITHOUT_RELEASE = {"riscv64"}
"""Architectures whose machine types have no release in their names."""


def summaries(ran: Ran) -> list[dict[str, Any]]:
    """Read what was printed as one JSON object a line."""
    return [json.loads(line) for line in ran.out.splitlines()]


def not_told(sidecar: dict[str, Any], status: str) -> set[str]:
    """Say for which keys the wire of a recording cannot have an answer, from what was recorded."""
    release = machine_release(sidecar)
    keys = set(NEVER)
    if release < (8, 2):
        keys |= {"ram.transferred"}
    if "compress" in sidecar["capabilities"] and release < (8, 1):
        keys |= {"ram.duplicate"}
    if "pause" in sidecar["seconds"]:
        keys |= {*PAGES, "ram.transferred", "ram.postcopy-requests"}
    if sidecar.get("scenario") == "cpr-transfer":
        keys |= {"ram.transferred"}
    if status not in {"completed", "colo"}:
        keys |= {*PAGES, "ram.transferred"}
    if status in {"cancelled", "colo"}:
        keys |= {"status"}
    return keys


def machine_release(sidecar: dict[str, Any]) -> tuple[int, ...]:
    """Give the release of the machine type: that of the older QEMU."""
    return min(tuple(map(int, sidecar.get(key, sidecar["qemu"]).split(".")[:2])) for key in ("qemu", "to-qemu"))


@pytest.mark.parametrize("path", SIDECARS, ids=lambda path: path.stem)
def test_every_recorded_migration_agrees_with_qemu(cli: Callable[..., Ran], path: Path) -> None:
    """What can be told is equal; what cannot is null with a reason; and it is exactly what is known to be so."""
    sidecar = tomllib.loads(path.read_text())
    source = sidecar["source"]
    told = [source[key] for key in sorted(source) if key.startswith("query-migrate-")] or [source["query-migrate"]]
    ran = cli("summary", "--json", PCAPS / sidecar["capture"])
    found = summaries(ran)

    errors = EXPECTED.get(path.stem, [])

    assert (1 if errors else 0, "", len(told)) == (ran.code, ran.err, len(found))
    for ours, theirs in zip(found, told, strict=True):
        values = {"status": theirs["status"]} | {f"ram.{key}": value for key, value in theirs.get("ram", {}).items()}
        silent = {key for key in KEYS if ours[key] is None}
        assert not_told(sidecar, theirs["status"]) == silent
        assert silent == set(ours["reasons"])
        compared = {key: ours[key] for key in values if key in ours and key not in silent}
        assert {key: values[key] for key in compared} == compared
        assert errors == [error["finding"] for error in ours["errors"]]
        if sidecar.get("arch") not in WITHOUT_RELEASE:
            assert ours["qemu-machine"].endswith("-{}.{}".format(*machine_release(sidecar)))


class TestJson:
    def test_the_promised_keys(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """What docs/json.md lists is there, in that order, and nothing else."""
        told, *more = summaries(cli("summary", "--json", pcaps / "qemu-10.0-postreq.pcap.gz"))

        assert ([], KEYS) == (more, list(told))
        assert [["channel", "source", "destination", "octets", "return-octets", "closed"]] == [
            list(channel) for channel in told["channels"]
        ]
        assert {("count", "octets")} == {tuple(tally) for tally in told["sections"].values()}

    def test_a_postcopy_migration(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """Commands in order of first use, those inside the package included; messages; sections by device."""
        told, *_ = summaries(cli("summary", "--json", pcaps / "qemu-10.0-postreq.pcap.gz"))

        assert [
            ("MIG_CMD_OPEN_RETURN_PATH", 1),
            ("MIG_CMD_PING", 4),
            ("MIG_CMD_POSTCOPY_ADVISE", 1),
            ("MIG_CMD_SWITCHOVER_START", 1),
            ("MIG_CMD_POSTCOPY_RAM_DISCARD", 9),
            ("MIG_CMD_PACKAGED", 1),
            ("MIG_CMD_POSTCOPY_LISTEN", 1),
            ("MIG_CMD_POSTCOPY_RUN", 1),
        ] == list(told["commands"].items())
        assert {
            "MIG_RP_MSG_PONG": 4,
            "MIG_RP_MSG_REQ_PAGES_ID": 1,
            "MIG_RP_MSG_REQ_PAGES": 7,
            "MIG_RP_MSG_SHUT": 1,
        } == told["return-path"]
        assert {"count": 1, "octets": 48} == told["sections"]["timer"]
        assert {"count": 2, "octets": 80} == told["sections"]["i8259"]

    def test_octets_of_sections_add_up(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """Header, configuration, sections, EOF and description are the whole stream."""
        stream = bytes(complete())
        told, *_ = summaries(cli("summary", "--json", capture(stream)))
        rest = len(bytes(beginning().pdus[0])) + len(bytes(beginning().pdus[1])) + 1 + 5 + 34

        assert len(stream) == told["channels"][0]["octets"]
        assert len(stream) - rest == sum(tally["octets"] for tally in told["sections"].values())

    def test_several_channels(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """All connections of a migration are listed, in the order in which they were recognised."""
        told, *_ = summaries(cli("summary", "--json", pcaps / "qemu-10.0-multifd.pcap.gz"))

        assert ["main", "multifd", "multifd"] == sorted(channel["channel"] for channel in told["channels"])
        assert 2398191 == sum(channel["octets"] for channel in told["channels"])


class TestErrors:
    def test_errors_are_listed(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """An error has name, severity, place and text, and makes the exit code 1."""
        main = beginning()
        offset = len(bytes(main))
        main.add(MigCmdPing(value=1))
        ran = cli("summary", "--json", capture(bytes(main)))

        assert 1 == ran.code
        assert [
            {
                "finding": "ping_without_return_path",
                "severity": "error",
                "offset": offset,
                "channel": "main",
                "direction": "forward",
                "text": "CMD_PING (0x1) received with no return path",
            }
        ] == summaries(ran)[0]["errors"]

    def test_there_is_a_limit(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """The first thousand are kept; the others are counted."""
        main = beginning()
        main.add(*(MigCmdPing(value=1) for _ in range(1100)))
        told, *_ = summaries(cli("summary", "--json", capture(bytes(main))))

        assert (1000, 100) == (len(told["errors"]), told["errors-omitted"])

    def test_a_destination_that_fails(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """SHUT with an error is the end, whatever the source wrote."""
        main = beginning()
        main.pdus[2:2] = [MigCmdOpenReturnPath()]
        told, *_ = summaries(cli("summary", "--json", capture(bytes(main), bytes(RpShut(status=1)))))

        assert "failed" == told["status"]

    def test_missing_octets(self, cli: Callable[..., Ran], tmp_path: Path) -> None:
        """Whoever missed octets knows no numbers, and says how many were missed."""
        from dissector.regression.wire import drop  # noqa: PLC0415

        path = tmp_path / "gap.pcap"
        write_capture(path, drop([1])(list(cut(bytes(complete()), fixed(1000)))))
        told, *_ = summaries(cli("summary", "--json", path))

        assert {"1000 octets are missing from the capture"} == {
            told["reasons"][key] for key in (*PAGES, "ram.transferred")
        }
        assert (2, 1) == (told["counted"]["ram.normal"], told["counted"]["ram.duplicate"])


class TestTable:
    def test_the_same_numbers(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """The table has the keys of the object, and the reason where there is no number."""
        text = cli("summary", pcaps / "qemu-10.0-pre.pcap.gz").out

        for line in (
            "  status                      completed",
            "  ram.normal                        470",
            "  ram.duplicate                  12,140",
            "  ram.transferred             2,360,680",
            "  ram.dirty-sync-count                -  a synchronisation of the dirty bitmap leaves no mark on the wire",
        ):
            assert f"{line}\n" in text

    def test_verbose_shows_every_device(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """``-v`` leaves nothing out."""
        path = pcaps / "qemu-10.0-pre.pcap.gz"

        assert "other devices" in cli("summary", path).out
        assert "other devices" not in cli("summary", "-v", path).out
        assert "globalstate" in cli("summary", "-v", path).out

    def test_errors(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """Errors stand at the end, twenty of them."""
        main = beginning()
        main.add(*(MigCmdPing(value=1) for _ in range(25)))
        text = cli("summary", capture(bytes(main))).out

        assert 20 == text.count("CMD_PING (0x1) received with no return path")
        assert text.rstrip().endswith("and 5 more")
