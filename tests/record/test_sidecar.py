# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sidecar tells, and what it leaves out."""

from __future__ import annotations

import tomllib

from qemu.qmp import Message

from dissector.record.scenario import Scenario
from dissector.record.sidecar import MOST, PASS, Told, event, query_migrate, sidecar, text

SCENARIO = Scenario("about it", capabilities=["events"], postcopy=0.3, before=[("stop", {"now": True})])
VERSION = (7, 2, 22)


def made(*told: Told, versions: tuple[tuple[int, ...], tuple[int, ...]] = (VERSION, VERSION)) -> dict[str, object]:
    """Make a sidecar and read it again."""
    arguments = {"source": ["-bios", "@/x"], "destination": ["-S"]}
    return tomllib.loads(text(sidecar("mine", SCENARIO, told, versions, arguments)))


def test_files_have_no_folder() -> None:
    """Neither ours, which is gone, nor any of the machine's."""
    told = made(Told({"status": "completed"}, {"status": "completed"}))

    assert {"arguments": ["-bios", "x"], "query-migrate": {"status": "completed"}} == told["source"]


def test_it_says_how_to_record_it_again() -> None:
    """The scenario, its times, and what was sent to QEMU."""
    told = made(Told({}, {}))

    assert "./dev run dissector record mine" == told["record"]
    assert {"postcopy": 0.3} == told["seconds"]
    assert ['{"execute": "stop", "arguments": {"now": true}}'] == told["before"]
    assert {"source", "destination", "to-qemu"}.isdisjoint(told)


def test_another_destination_is_named() -> None:
    """Only where there is one; which QEMU it was on the machine that recorded is nobody's business."""
    told = made(Told({}, {}), versions=(VERSION, (10, 0, 1)))

    assert told["to-qemu"] == "10.0.1"
    assert told["record"] == "./dev run dissector record --to-qemu QEMU mine"


def test_what_is_about_the_machine_is_left_out() -> None:
    """Where it listened, and what is null, for which TOML has no word."""
    told = made(Told({"socket-address": [{"host": "localhost"}], "ram": {"normal": 1, "mbps": None}}, {}))

    assert {"query-migrate": {"ram": {"normal": 1}}, "arguments": ["-bios", "x"]} == told["source"]


def test_an_event_has_its_time_after_the_start() -> None:
    """Its data are beside its name; what is no plain value is JSON."""
    stamp = {"seconds": 1_700_000_001, "microseconds": 500_000}
    message = Message({"event": "X", "timestamp": stamp, "data": {"status": "active", "list": [1], "none": None}})

    assert {"seconds": 1.5, "end": "source", "event": "X", "status": "active", "list": "[1]"} == event(
        "source-1", message, 1_700_000_000_000_000_000
    )


def test_events_of_many_rounds_are_counted_only() -> None:
    """All others are told, however late they come."""
    rounds = [{"seconds": 0.1, "end": "source", "event": PASS, "pass": number} for number in range(MOST + 10)]
    last = {"seconds": 9.0, "end": "source", "event": "STOP"}
    told = made(Told({}, {}, [*rounds, last]))

    assert [*rounds[:MOST], last] == told["events"]
    assert told["events-left-out"] == 10


def test_several_migrations_are_added_up() -> None:
    """Counts are sums, what is the same stays, rates are left out; each is there as well."""
    first = {"status": "completed", "total-time": 3, "ram": {"normal": 1, "total": 100, "mbps": 5.0}}
    second = {"status": "completed", "total-time": 4, "ram": {"normal": 2, "total": 100, "mbps": 6.0}}
    told = query_migrate([first, second])

    assert {"status": "completed", "total-time": 7, "ram": {"normal": 3, "total": 100}} == told["query-migrate"]
    assert [first, second] == [told["query-migrate-1"], told["query-migrate-2"]]
