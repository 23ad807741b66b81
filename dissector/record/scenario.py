# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios: what can be recorded, as data.

A scenario is a table in a TOML file, and :class:`Scenario` has a field for each column: that class is the only place
where a column gets its name, its type and its default.  A file is checked when it is read, since a column with a slip
of the pen would otherwise make a capture that shows something else than its name says.

``@/NAME`` in an argument is a file of the recording: ``disk.img``, an empty disk of 1 MiB, ``firmware.img``, the octets
of the column ``firmware``, what QEMU makes itself.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from dissector.errors import DissectorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

BUILT_IN = "scenarios.toml"


class RecordError(DissectorError):
    """A recording that cannot be made here: something is missing, forbidden, or said wrongly."""


@dataclass(frozen=True)
class Network:
    """How the two hosts of a scenario are joined; percentages are of frames, times in milliseconds."""

    delay: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    """Frames that are held back until some that follow them have passed."""
    at: str = "destination"
    """Where the capture is taken: ``source`` sees what is sent again, ``destination`` what comes too late."""
    seed: int = 1


@dataclass(frozen=True)
class Scenario:
    """One row; docs/recording.md explains the columns."""

    about: str
    arch: str = "x86_64"
    machine: str = "pc"
    memory: str = "16M"
    guest: str = "dirties"
    bios: bool = False
    firmware: str = ""
    arguments: str = ""
    source: str = ""
    destination: str = ""
    host: str = "127.0.0.1"
    tls: str = ""
    network: Network | None = None
    file: str = ""
    cpr: bool = False
    capabilities: Sequence[str] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    before: Sequence[tuple[str, Mapping[str, object]]] = ()
    rounds: int = 0
    postcopy: float | None = None
    pause: float | None = None
    cancel: float | None = None
    converge: float | None = None
    colo: float | None = None
    fails: bool = False
    migrations: int = 1
    connections: int = 1
    ends: Sequence[str] = ("fin",)
    since: Sequence[int] = (0, 0)
    until: Sequence[int] = (999, 0)
    broken: Mapping[str, str] = field(default_factory=dict)
    shows: str = ""


CHOICES: dict[str, tuple[str, ...]] = {
    "guest": ("dirties", "firmware", "paused"),
    "tls": ("", "psk", "x509"),
    "file": ("", "stream", "mapped"),
}
"""Columns that take one of a few words."""

KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("a text", (str,)),
    "bool": ("true or false", (bool,)),
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "float | None": ("a number", (int, float)),
    "Sequence[str]": ("a list of texts", (list,)),
    "Sequence[int]": ("a release as a list of two numbers", (list,)),
    "Sequence[tuple[str, Mapping[str, object]]]": ("a list of pairs of a command and its arguments", (list,)),
    "Mapping[str, object]": ("a table", (dict,)),
    "Mapping[str, str]": ("a table of releases with reasons", (dict,)),
    "Network | None": ("a table", (dict,)),
}
"""What a column's annotation asks for, in words, and what TOML gives for it."""


def built_in() -> dict[str, Scenario]:
    """Give the scenarios that come with the package."""
    return parse(resources.files(__package__).joinpath(BUILT_IN).read_text(encoding="utf-8"), BUILT_IN)


def read(path: Path) -> dict[str, Scenario]:
    """Read a file of scenarios."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "not a text in UTF-8"
        raise RecordError(str(path), f"cannot be read: {what.lower()}") from error


def parse(text: str, name: str) -> dict[str, Scenario]:
    """Check a table of scenarios, which errors call *name*."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecordError(name, f"is no TOML: {error}") from error
    return {scenario: _row(row, f"{name}: {scenario}") for scenario, row in table.items()}


def _row(row: Any, where: str) -> Scenario:
    if not isinstance(row, dict):
        raise RecordError(where, "is not in a scenario", "begin one with [NAME]")
    if "about" not in row:
        raise RecordError(where, 'has no column "about"', "say in a sentence what it shows")
    _check(row, Scenario, where)
    for column, words in CHOICES.items():
        if row.get(column, words[0]) not in words:
            raise RecordError(where, f'{column} is "{row[column]}"', "one of " + ", ".join(filter(None, words)))
    for pair in row.get("before", ()):
        if not (isinstance(pair, list) and [type(part) for part in pair] == [str, dict]):
            raise RecordError(where, "before is not a list of pairs", '[["COMMAND", { ARGUMENT = VALUE }], ...]')
    if "network" in row:
        _check(row["network"], Network, f"{where}: network")
        row = {**row, "network": Network(**row["network"])}
    return Scenario(**row)


def _check(row: Mapping[str, Any], of: type[Scenario | Network], where: str) -> None:
    """Make sure that a table has no columns but those of a class, with values of their kinds."""
    columns = {column.name: str(column.type) for column in dataclasses.fields(of)}
    for key, value in row.items():
        if key not in columns:
            raise RecordError(where, f'no such column: "{key}"', nearest(key, columns))
        words, types = KINDS[columns[key]]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise RecordError(where, f"{key} is {value!r}", f"it takes {words}")


def chosen(table: Mapping[str, Scenario], names: Iterable[str]) -> dict[str, Scenario]:
    """Give the scenarios with these names, in this order."""
    found = {}
    for name in names:
        if name not in table:
            raise RecordError("dissector record", f'no such scenario: "{name}"', nearest(name, table))
        found[name] = table[name]
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """Say what was meant, or where to look."""
    names = list(known)
    close = difflib.get_close_matches(word, names, 1, 0.5)
    return f"the nearest is {close[0]}" if close else "there are " + ", ".join(names)
