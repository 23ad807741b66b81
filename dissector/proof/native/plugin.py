# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin of a profile's layers, and what it shows in the words of the profile: class and field."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from dissector.backends.packets import generate
from dissector.errors import ProofError
from dissector.frontend.packets import suite as translated
from dissector.frontend.values import class_name
from dissector.ir.packets import Either, Entry, Item, Leaf, List, Scaling, Suite
from dissector.tshark import Tshark

from .packets import module_of
from .profile import Profile
from .reading import Frame, Seen, frames
from .witness import UNNAMED_BITS as UNNAMED

TABLES = {"udp": "udp.port", "tcp": "tcp.port", "ethertype": "ethertype", "ip": "ip.proto", "llc": "llc.dsap"}
TYPES = {
    "uint": "FT_UINT64",
    "int": "FT_INT64",
    "bool": "FT_BOOLEAN",
    "float": "FT_DOUBLE",
    "bytes": "FT_BYTES",
    "string": "FT_NONE",
    "ipv4": "FT_IPv4",
    "ipv6": "FT_IPv6",
    "ether": "FT_ETHER",
    "uuid": "FT_GUID",
    "time": "FT_STRING",
}

DATA, UNDECODED = "._data", ".expert.undecoded"
"""What a plugin calls octets of a layer that was refused."""


class Plugin:
    """The generated dissector of a profile: its suite, its file, and the names of its fields."""

    def __init__(self, profile: Profile, folder: Path) -> None:
        """Translate and generate; what cannot be translated is a :class:`ProofError`."""
        _, classes = module_of(profile.target)
        kind, number = profile.carrier
        if kind not in TABLES:
            raise ProofError(profile.name, f"a plugin cannot be entered from {kind}")
        found = translated(classes)
        refused = {opaque.name: opaque for opaque in found.opaques}
        for cls in classes:
            if class_name(cls) in refused:
                opaque = refused[class_name(cls)]
                raise ProofError(opaque.where, opaque.what, opaque.hint)
        entries = tuple(Entry(class_name(cls), TABLES[kind], number) for cls in classes)
        self.suite: Suite = dataclasses.replace(found, entries=entries)
        self.path = folder / f"{self.suite.prefix}.lua"
        self.path.write_text(generate(self.suite), encoding="utf-8")
        self.names: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        self.flags: set[str] = set()
        self.scaled: dict[str, Scaling] = {}
        for layer in self.suite.layers:
            for item in layer.items:
                for leaf in parts(item):
                    self.learn(leaf, f"{layer.name.rpartition('.')[2]}.{item.name}")

    @property
    def layers(self) -> tuple[str, ...]:
        """What the plugin's layers are called in a frame."""
        first = self.suite.prefix
        return (first, *(f"{first}_{n + 1}" for n in range(1, len(self.suite.entries))))

    def frames(self, tshark: Tshark, capture: Path) -> Iterator[Frame]:
        """Read a capture with the plugin."""
        return frames(tshark, capture, self.layers, self.kinds, self.path, registers=self.suite.prefix)

    def learn(self, leaf: Leaf, name: str) -> None:
        """Note the name and the type of a field and of its flags; one with several types has its type in its name."""
        own = f"{self.suite.prefix}.{leaf.abbrev}"
        for each in (f"{own}.{leaf.kind}", own):
            self.names[each] = name
            self.kinds.setdefault(each, TYPES[leaf.kind])
            if leaf.scaling:
                self.scaled[each] = leaf.scaling
        for flag in leaf.flags:
            if flag.label.startswith(UNNAMED):
                continue
            self.flags.add(f"{own}.{flag.name}")
            self.names[f"{own}.{flag.name}"] = f"{name}.{flag.label}"
            self.kinds[f"{own}.{flag.name}"] = "FT_BOOLEAN"

    def named(self, frame: Frame) -> Frame:
        """The frame with the profile's names, flags as parts of their field, without what is no field of a layer."""
        found: list[Seen] = []
        for seen in frame.fields:
            if seen.name in self.names:
                own = self.renamed(seen)
                if seen.name in self.flags and found and own.name.startswith(f"{found[-1].name}."):
                    found[-1].parts.append(own)
                else:
                    found.append(own)
        frame.fields = found
        for top, _ in frame.tops:
            for node in top.all(f"{self.suite.prefix}{DATA}"):
                if node.pos and any(child.name.endswith(UNDECODED) for child in node.walk()):
                    frame.undecoded.append((node.pos.offset, node.pos.offset + node.pos.length))
        return frame

    def renamed(self, seen: Seen) -> Seen:
        """A field with the profile's name, and what it means where a plugin shows what stands on the wire."""
        value, scaling = seen.value, self.scaled.get(seen.name)
        if scaling and isinstance(value, int | float):
            value = value * scaling.factor + scaling.offset
        return dataclasses.replace(seen, name=self.names[seen.name], value=value, children=False)


def parts(item: Item) -> Iterator[Leaf]:
    """The leaves that an item may be."""
    if isinstance(item, Leaf):
        yield item
    elif isinstance(item, List) and isinstance(item.of, Leaf):
        yield item.of
    elif isinstance(item, Either):
        for option in (*(option for _, option in item.options), *((item.default,) if item.default else ())):
            yield from parts(option)
