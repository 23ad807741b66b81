# SPDX-License-Identifier: GPL-2.0-or-later
"""Vectors: octets written down by hand, and what they are.

``tests/vectors/*.toml`` has one table ``[[vector]]`` for each:

``layer``      the name of the layer
``about``      what is worth knowing of it
``hex``        the octets: hexadecimal digits, ``'text'``, and ``5a*4096`` for so many of one octet; blanks do not count
``registers``  values that the stream would have, where they are not the initial ones
``fields``     what the layer must find, every field; text stands for its octets, ``"hex:..."`` for octets as above
``given``      what is enough to build the octets, all else being computed or a default

and one table ``[[stream]]`` for each direction of a connection; its ``hex`` may name entries of ``[parts]`` in braces:

``stream``     the stream's name; ``main`` if there is none
``parameters`` settings that are not automatic
``registers``  values that the conversation has already
``tail``       the last PDUs, in order
``findings``   every finding, in order, as ``name: text``; ``*`` is any text, and "lost" at the end goes without saying
``counts``     counters that must not be 0
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "vectors"
TOKEN = re.compile(r"'([^']*)'|([0-9a-fA-F]{2})\*(\d+)|((?:[0-9a-fA-F]{2})+)")


def octets(text: str) -> bytes:
    """The octets that *text* stands for; see the head of this file."""
    out, at = b"", 0
    for token in TOKEN.finditer(text):
        assert not text[at : token.start()].strip(), f"not hexadecimal: {text[at : token.start()]!r}"
        at = token.end()
        quoted, octet, count, digits = token.groups()
        out += quoted.encode() if digits is None and octet is None else bytes.fromhex(digits or octet * int(count))
    assert not text[at:].strip(), f"not hexadecimal: {text[at:]!r}"
    return out


def value(written: Any) -> Any:
    """A field's value as Scapy has it."""
    if not isinstance(written, str):
        return written
    return octets(written.removeprefix("hex:")) if written.startswith("hex:") else written.encode()


@dataclass(frozen=True)
class Vector:
    """One PDU."""

    layer: str
    octets: bytes
    fields: dict[str, Any]
    given: dict[str, Any]
    registers: dict[str, int]
    about: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.about}" if self.about else self.layer


def vectors() -> list[Vector]:
    """All vectors, file by file."""
    out = []
    for file in sorted(FOLDER.glob("*.toml")):
        for table in tomllib.loads(file.read_text(encoding="utf-8")).get("vector", []):
            named = {key: {n: value(v) for n, v in table[key].items()} for key in ("fields", "given")}
            registers = table.get("registers", {})
            about = table.get("about", "")
            out.append(Vector(table["layer"], octets(table["hex"]), **named, registers=registers, about=about))
    return out


@dataclass(frozen=True)
class Direction:
    """One direction of a connection."""

    stream: str
    octets: bytes
    tail: list[str]
    findings: list[str]
    counts: dict[str, int]
    parameters: dict[str, int]
    registers: dict[str, Any]
    about: str

    def __str__(self) -> str:
        return f"{self.stream}: {self.about}"


def directions() -> list[Direction]:
    """All directions, file by file."""
    out = []
    for file in sorted(FOLDER.glob("*.toml")):
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        out += [_direction(table, tables.get("parts", {})) for table in tables.get("stream", [])]
    return out


def _direction(table: dict[str, Any], parts: dict[str, str]) -> Direction:
    text = table["hex"]
    while "{" in TOKEN.sub("", text):
        text = re.sub(r"\{(\w+)\}", lambda m: parts[m[1]], text)
    registers = {
        name: {key.encode(): entry for key, entry in v.items()} if isinstance(v, dict) else v
        for name, v in table.get("registers", {}).items()
    }
    return Direction(
        stream=table.get("stream", "main"),
        octets=octets(text),
        tail=table["tail"].split(),
        findings=table.get("findings", []),
        counts=table.get("counts", {}),
        parameters=table.get("parameters", {}),
        registers=registers,
        about=table["about"],
    )
