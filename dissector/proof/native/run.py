# SPDX-License-Identifier: GPL-2.0-or-later
"""The comparison of a profile: its packets, read by Wireshark, by Scapy and by the generated plugin.

The packets of all profiles are one capture for Wireshark without plugins.  Each plugin then has a run of its own over
the packets of its profile.  Three comparisons are made of each packet: Scapy with the plugin, strictly, as everywhere
in the proof; Scapy with Wireshark, and the plugin with Wireshark, both by the profile, and both must come to the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dissector.proof.compare import Comparison
from dissector.proof.expect import Names
from dissector.proof.record import read
from dissector.tshark import Tshark

from .compare import Result, compare
from .frames import frame, write
from .packets import build, module_of
from .plugin import Plugin
from .profile import Profile
from .reading import Frame, frames, types
from .witness import witness


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet: what it is, its octets, and where in its frame they begin."""

    what: str
    octets: bytes
    at: int


@dataclass(slots=True)
class Outcome:
    """What came out for a profile: Scapy with Wireshark, the plugin with Wireshark, and Scapy with the plugin."""

    scapy: Result
    plugin: Result
    apart: list[str] = field(default_factory=list)

    @property
    def profile(self) -> Profile:
        """The profile."""
        return self.scapy.profile

    def add(self, plugin: Plugin, packet: Packet, ours: Frame, theirs: Frame) -> None:
        """Make all three comparisons of a packet; *ours* is as the plugin shows it."""
        _, classes = module_of(self.profile.target)
        compare(self.scapy, packet.what, witness(classes, packet.octets, packet.at), theirs)
        compare(self.plugin, f"{packet.what}, by the plugin", plugin.named(ours), theirs)
        strict = Comparison(Names(plugin.suite), packet.octets, packet.at, [node for node, _ in ours.tops])
        found = strict.first_difference(read(classes[0], packet.octets))
        if found:
            self.apart.append(f"{self.profile.name}: {packet.what}: Scapy and the plugin: {found}")

    def complaints(self) -> list[str]:
        """Everything that nobody explained."""
        return [*self.apart, *self.scapy.complaints, *self.plugin.complaints]


def given(profile: Profile) -> Iterator[tuple[Packet, bytes]]:
    """The packets of a profile, each with its frame."""
    module, _ = module_of(profile.target)
    for number, each in enumerate(profile.packets):
        octets = each.octets or build(module, each.scapy)
        whole = frame(profile.carrier, octets, number, answer=each.answer, to=profile.to)
        yield Packet(each.what, octets, len(whole) - len(octets)), whole


class Native:
    """What Wireshark's own dissectors say of the packets of several profiles."""

    def __init__(self, found: Sequence[Profile], tshark: Tshark) -> None:
        """Run tshark, once."""
        self.tshark = tshark
        self.kinds = types(tshark)
        self.packets = {profile.name: list(given(profile)) for profile in found}
        everything = [whole for packets in self.packets.values() for _, whole in packets]
        layers = tuple(dict.fromkeys(layer for profile in found for layer in profile.layers))
        with tempfile.TemporaryDirectory() as folder:
            capture = write(Path(folder) / "all.pcapng.gz", everything)
            shown = list(frames(tshark, capture, layers, self.kinds, prefs=preferences(found)))
        self.frames: dict[str, list[Frame]] = {}
        for name, packets in self.packets.items():
            self.frames[name], shown = shown[: len(packets)], shown[len(packets) :]

    def outcome(self, profile: Profile) -> Outcome:
        """Compare the packets of a profile, with a run of tshark with its plugin."""
        outcome = Outcome(Result(profile), Result(profile))
        with tempfile.TemporaryDirectory() as folder:
            plugin = Plugin(profile, Path(folder))
            packets = self.packets[profile.name]
            capture = write(Path(folder) / "own.pcapng.gz", [whole for _, whole in packets])
            ours = plugin.frames(self.tshark, capture)
            for (packet, _), our, their in zip(packets, ours, self.frames[profile.name], strict=True):
                outcome.add(plugin, packet, our, their)
        return outcome


def preferences(found: Iterable[Profile]) -> dict[str, str]:
    """The preferences that profiles want for Wireshark's own dissectors."""
    return {name: value for profile in found for name, value in profile.preferences}


def outcomes(found: Sequence[Profile], tshark: Tshark) -> Iterator[Outcome]:
    """Compare the packets of each profile."""
    native = Native(found, tshark)
    for profile in found:
        yield native.outcome(profile)
