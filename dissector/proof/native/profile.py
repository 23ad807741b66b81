# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known about a protocol that Wireshark dissects itself, as a TOML file.

::

    title = "BFD, RFC 5880"
    target = "scapy.contrib.bfd:BFD"
    carrier = "udp 3784"            # tcp PORT, ethertype N, llc SAP, ip PROTOCOL
    to = "224.0.0.2"                # if Wireshark wants a certain IPv4 address
    preferences = { "bfd.some_port" = 3784 }    # if Wireshark has no port of its own
    layers = ["bfd"]                # what Wireshark calls it, every layer that belongs to it
    captures = ["scapy/test/pcaps/bfd.pcap"]    # read with --captures, from a folder with clones of their repositories
    campaigns = ["scapy/test/contrib/bfd.uts"]

    [[packet]]
    what = "a session is up"
    scapy = "BFD(sta=3)"            # or octets = "20c0…"
    answer = true                   # sent from the carrier's port, not to it

    [same]                          # a field of Scapy's, by class and name, is which field of Wireshark's
    "BFD.version" = "bfd.version"
    "BFD.my_discriminator" = ["bfd.my_discriminator", "bfd.other"]
    "BFD.len" = { is = "bfd.words", times = 4, plus = 4 }   # Scapy's value is Wireshark's * 4 + 4

    [[difference]]
    fields = ["bfd.flags"]          # Scapy's or Wireshark's names, * for any text
    kind = "wireshark only"         # see KINDS
    fault = "model"                 # see FAULTS
    why = "the octet around the six flags"

``octets = true`` in place of ``times`` compares where a field is and nothing else, for values that the two show in ways
of which neither can be computed from the other.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dissector.errors import ProofError

KINDS = {
    "value": "the same octets, another value",
    "place": "the same field, other octets",
    "scapy only": "Wireshark shows no such field",
    "wireshark only": "Scapy has no such field",
}
FAULTS = {
    "scapy": "Scapy's layer is wrong",
    "wireshark": "Wireshark is wrong",
    "model": "both are right: they cut or name the same octets in another way",
}
CARRIERS = ("udp", "tcp", "ethertype", "llc", "ip")


@dataclass(frozen=True, slots=True)
class Rule:
    """Which fields of Wireshark's a field of Scapy's is, and how its value follows from theirs."""

    names: tuple[str, ...]
    times: float = 1
    plus: float = 0
    octets: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """Fields that differ in one way, for one reason."""

    fields: tuple[str, ...]
    kind: str
    fault: str
    why: str


@dataclass(frozen=True, slots=True)
class Given:
    """A packet of the profile: an expression of Scapy's, or its octets."""

    what: str
    scapy: str = ""
    octets: bytes = b""
    answer: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """One file; see the head of this one."""

    name: str
    title: str
    target: str
    carrier: tuple[str, int]
    layers: tuple[str, ...]
    packets: tuple[Given, ...]
    same: dict[str, Rule]
    differences: tuple[Difference, ...]
    captures: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    to: str = ""
    preferences: tuple[tuple[str, str], ...] = ()

    @property
    def module(self) -> str:
        """The module with the layers."""
        return self.target.partition(":")[0]

    def rule(self, key: str) -> tuple[str, Rule] | None:
        """The rule for a field of Scapy's, with the name under which it stands: its own, else the first that fits."""
        if key in self.same:
            return key, self.same[key]
        return next(((name, rule) for name, rule in self.same.items() if fits(name, key)), None)

    def difference(self, field: str, kind: str) -> tuple[int, str] | None:
        """The place among ``differences`` and the pattern that explains *kind* of *field*."""
        for index, each in enumerate(self.differences):
            if each.kind == kind:
                for pattern in each.fields:
                    if fits(pattern, field):
                        return index, pattern
        return None


def fits(pattern: str, name: str) -> bool:
    """Whether a name is meant by a pattern."""
    return pattern == name or ("*" in pattern and fnmatchcase(name, pattern))


def profiles(folder: Path, only: tuple[str, ...] = ()) -> list[Profile]:
    """Every profile in a folder, or those that are asked for; :class:`ProofError` where one is not there."""
    paths = sorted(folder.glob("*.toml"))
    known = {path.stem: path for path in paths}
    for name in only:
        if name not in known:
            raise ProofError(str(folder), f"has no profile {name}", f"there are {', '.join(known) or 'none'}")
    return [read(path) for name, path in known.items() if not only or name in only]


def read(path: Path) -> Profile:
    """Read one file; :class:`ProofError` says what is wrong with it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        profile = Profile(
            path.stem,
            data.pop("title"),
            data.pop("target"),
            carrier(data.pop("carrier")),
            tuple(data.pop("layers")),
            tuple(map(given, data.pop("packet"))),
            {key: rule(value) for key, value in data.pop("same").items()},
            tuple(map(difference, data.pop("difference", ()))),
            tuple(data.pop("captures", ())),
            tuple(data.pop("campaigns", ())),
            data.pop("to", ""),
            tuple((name, str(value)) for name, value in data.pop("preferences", {}).items()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProofError(str(path), f"is no profile: {error!r}", "dissector/proof/native/profile.py has one") from error
    if data:
        raise ProofError(str(path), f"has a key {next(iter(data))!r} that nobody reads")
    return profile


def carrier(text: str) -> tuple[str, int]:
    """What packets travel in, and under which number."""
    kind, _, number = text.partition(" ")
    if kind not in CARRIERS:
        raise ValueError(f"carrier {kind!r} is none of {', '.join(CARRIERS)}")
    return kind, int(number, 0)


def given(data: dict[str, Any]) -> Given:
    """A packet."""
    octets = bytes.fromhex(data.pop("octets", ""))
    packet = Given(data.pop("what"), data.pop("scapy", ""), octets, data.pop("answer", False))
    if data or bool(packet.scapy) == bool(packet.octets):
        raise ValueError(f"packet {packet.what!r} needs either scapy or octets, and nothing else")
    return packet


def rule(data: Any) -> Rule:
    """What stands behind a field of Scapy's."""
    if isinstance(data, dict):
        names = data["is"]
        options = {key: value for key, value in data.items() if key != "is"}
        return Rule(tuple(names) if isinstance(names, list) else (names,), **options)
    return Rule(tuple(data) if isinstance(data, list) else (data,))


def difference(data: dict[str, Any]) -> Difference:
    """A reason, checked for its words."""
    found = Difference(tuple(data.pop("fields")), data.pop("kind"), data.pop("fault"), data.pop("why"))
    if data or found.kind not in KINDS or found.fault not in FAULTS or not found.why:
        raise ValueError(
            f"difference {found.fields} needs a kind of {list(KINDS)}, a fault of {list(FAULTS)} and a why"
        )
    return found
