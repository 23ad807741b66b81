# SPDX-License-Identifier: GPL-2.0-or-later
"""The sidecar: what is known about a recording beside its octets.

A capture can only be trusted as far as it is known what it shows.  So NAME.toml says which QEMU, how both ends were
started, what was set, what was done and what happened when, and what QEMU itself counted at both ends
(``query-migrate``), which is the witness that a decoder's own counts are held against.  docs/recording.md
lists the keys.

Nothing in it is about the machine that recorded: files are named without their folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dissector.record.scenario import RecordError
from dissector.record.scratch import plain

try:
    import tomli_w
except ModuleNotFoundError as error:
    raise RecordError(
        "dissector record", f"the Python package {error.name} is not installed", "pip install 'layershark[record]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qemu.qmp import Message

    from dissector.record.scenario import Scenario

LICENCE = "# SPDX-License-Identifier: GPL-2.0-or-later\n"
STEPS = ("postcopy", "pause", "cancel", "converge", "colo")
"""The columns that are seconds."""
PASS, MOST = "MIGRATION_PASS", 40
"""An event of every round, of which there may be thousands, and the number of events from which it is left out."""
RATES = {"mbps", "pages-per-second", "dirty-pages-rate"}
OF_THE_MACHINE = {"socket-address"}
"""What ``query-migrate`` tells that is about the machine and no count."""


@dataclass
class Told:
    """What QEMU said of itself and, in the end, of one migration."""

    source: dict[str, Any]
    destination: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)


def sidecar(
    name: str,
    scenario: Scenario,
    told: Sequence[Told],
    versions: tuple[Sequence[int], Sequence[int]],
    arguments: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Give what the sidecar tells, but for what is known from the capture alone."""
    times = {key: getattr(scenario, key) for key in STEPS}
    source, destination = (".".join(map(str, version)) for version in versions)
    table: dict[str, Any] = {
        "about": scenario.about,
        "scenario": name,
        "qemu": source,
        **({"to-qemu": destination} if source != destination else {}),
        "record": f"./dev run dissector record {'--to-qemu QEMU ' if source != destination else ''}{name}",
        "arch": scenario.arch,
        "capabilities": list(scenario.capabilities),
        "before": [json.dumps({"execute": command, "arguments": given}) for command, given in scenario.before],
        "parameters": dict(scenario.parameters),
        "seconds": {key: value for key, value in times.items() if value is not None},
    }
    if scenario.tls:
        table["tls"] = scenario.tls
    for end in ("source", "destination"):
        counted = [getattr(one, end) for one in told]
        if any(counted):
            table[end] = {"arguments": [plain(word) for word in arguments[end]], **query_migrate(counted)}
    events = [event for one in told for event in one.events]
    table["events"] = [event for number, event in enumerate(events) if number < MOST or event["event"] != PASS]
    if left_out := len(events) - len(table["events"]):
        table["events-left-out"] = left_out
    return table


def text(table: Mapping[str, Any]) -> str:
    """Write a sidecar."""
    return LICENCE + tomli_w.dumps(clean(table), multiline_strings=False)


def clean(value: Any) -> Any:
    """Leave out what TOML has no word for: null, which QMP uses for "nothing"."""
    if isinstance(value, dict):
        return {key: clean(one) for key, one in value.items() if one is not None}
    return [clean(one) for one in value if one is not None] if isinstance(value, list) else value


def event(end: str, message: Message, start_ns: int) -> dict[str, Any]:
    """Give a QMP event with its time in seconds after the migration's start."""
    stamp: Any = message["timestamp"]
    nanoseconds = stamp["seconds"] * 1_000_000_000 + stamp["microseconds"] * 1000 - start_ns
    told = {"seconds": round(nanoseconds / 1e9, 6), "end": end.partition("-")[0], "event": message["event"]}
    data = clean(message.get("data", {}))
    return told | {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in data.items()}


def query_migrate(counted: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give what one end said; of several migrations all together, and then of each."""
    rows = [{key: value for key, value in one.items() if key not in OF_THE_MACHINE} for one in counted]
    if len(rows) == 1:
        return {"query-migrate": rows[0]}
    each = {f"query-migrate-{number}": one for number, one in enumerate(rows, 1)}
    return {"query-migrate": together(rows), **each}


def together(counted: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up what is counted, keep what is the same, and leave out the rest: rates, for the most part."""
    result: dict[str, Any] = {}
    for key, value in counted[0].items():
        values = [one.get(key) for one in counted]
        if isinstance(value, dict):
            result[key] = together([one.get(key, {}) for one in counted])
        elif key in {"total", "page-size"} or isinstance(value, str):
            result.update({key: value} if values.count(value) == len(values) else {})
        elif key not in RATES:
            result[key] = sum(one or 0 for one in values)
    return result
