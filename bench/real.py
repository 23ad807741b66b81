# SPDX-License-Identifier: GPL-2.0-or-later
"""The largest of the recordings in pcaps/: what a real migration costs, beside the synthetic ones.

Even that one is so short that a run is over before it has well begun, so times, with tshark's start in them, say little
and are near 1.  Instructions are counted beyond a capture without a packet.  Recordings are taken on the loopback
interface, whose segments are of up to 64 KiB.  Encrypted ones are left out: there it is TLS that would be measured.
"""

from __future__ import annotations

import dataclasses
import gzip
import shutil
import tomllib
from pathlib import Path
from typing import Any

from bench import callgrind
from bench.inputs import Wire
from bench.plan import Inputs, Plan, spread
from bench.runs import ROOT, WAYS, Loads, decode_as, ratio, rounds
from dissector.errors import DissectorError

PCAPS = ROOT / "pcaps"


def octets(path: Path) -> int:
    """The size of what a gzip file holds, which it says in its last four octets."""
    with path.open("rb") as file:
        file.seek(-4, 2)
        return int.from_bytes(file.read(4), "little")


def choose(folder: Path) -> tuple[Path, int]:
    """The largest capture without TLS, and the port of its migration."""
    found: list[tuple[int, Path, int]] = []
    for sidecar in sorted(folder.glob("*.toml")):
        told = tomllib.loads(sidecar.read_text(encoding="utf-8"))
        capture = folder / str(told.get("capture", ""))
        if capture.suffix == ".gz" and "port" in told and "tls" not in sidecar.stem:
            found.append((octets(capture), capture, int(told["port"])))
    if not found:
        raise DissectorError(str(folder), "no capture that tells its port")
    _, path, port = max(found)
    return path, port


def largest(loads: Loads, plan: Plan, inputs: Inputs) -> dict[str, Any]:
    """Ratios of the three ways, by time and by instructions."""
    source, port = choose(PCAPS)
    path, empty = inputs.folder / source.name.removesuffix(".gz"), inputs.folder / "empty.pcap"
    with gzip.open(source) as packed, path.open("wb") as out:
        shutil.copyfileobj(packed, out)
    empty.write_bytes(Wire.FILE)
    for each in (path, empty):
        each.chmod(0o644)
    inputs.say(f"tshark, {path.name}")
    found = rounds(loads.ways(path, port), plan.count)
    result: dict[str, Any] = {
        "capture": path.name,
        "octets": path.stat().st_size,
        "seconds": {way: spread([u.cpu for u in used]) for way, used in found.items()},
        "plugin/tcp": dataclasses.asdict(ratio(found, "plugin", "tcp")),
        "plugin/noop": dataclasses.asdict(ratio(found, "plugin", "noop")),
    }
    if plan.counting:
        inputs.say(f"callgrind, {path.name}")
        runs, idle = ({way: loads.command(way, each, *decode_as(way, port)) for way in WAYS} for each in (path, empty))
        counts = callgrind.beyond(loads, runs, idle)
        result["instructions"] = {**counts, **{f"plugin/{way}": counts["plugin"] / counts[way] for way in WAYS[:2]}}
    return result
