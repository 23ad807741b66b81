# SPDX-License-Identifier: GPL-2.0-or-later
"""Two witnesses for the length of a device's state: the footer that was found, and QEMU's own description.

The state of a device has no length; it ends where its footer is.  A precopy migration carries, behind its end, a JSON
text with the size of everything that was written.  Where both are there they are compared, and a difference is
reported: either the footer was found in the wrong place, or the description is one of those that do not add up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dissector.decode import Event, Found, Malformed, PduSeen
from dissector.errors import DissectorError
from dissector.protocols.vmdesc import device_sizes
from dissector.summary.migration import section_name, value
from dissector.summary.sections import FOOTER

if TYPE_CHECKING:
    from collections.abc import Hashable

FULL = "QEMU_VM_SECTION_FULL"
STATE = "device"

Device = tuple[str, int]


@dataclass(slots=True)
class Body:
    """Where the state of a device lies."""

    offset: int
    length: int = -1


@dataclass(slots=True)
class Devices:
    """The devices of each stream that sent FULL sections."""

    bodies: dict[Hashable, dict[Device, Body]] = field(default_factory=dict)
    _open: dict[Hashable, Body] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        """Take an event of the stream."""
        if not isinstance(event, PduSeen):
            return
        stream = event.source.connection, event.direction
        if event.label == FULL:
            instance = value(event, "section.instance")
            body = self._open[stream] = Body(event.offset + event.length)
            device = section_name(event), instance if isinstance(instance, int) else 0
            self.bodies.setdefault(stream, {})[device] = body
        elif event.label == FOOTER and (opened := self._open.pop(stream, None)) is not None:
            opened.length = event.offset - opened.offset

    def compare(self, description: PduSeen, octets: bytes) -> list[Event]:
        """Hold the description of a stream against what was found in it."""
        found = self.bodies.get((description.source.connection, description.direction), {})
        try:
            told = device_sizes(octets)
        except DissectorError as error:
            return [finding(description, description.offset, "vmdescription_json", error.what)]
        return [
            finding(description, body.offset, "device_size", text(device, body.length, told[device]))
            for device, body in found.items()
            if device in told and body.length >= 0 and body.length != told[device]
        ]


def text(device: Device, length: int, told: int) -> str:
    """Say what does not agree."""
    name, instance = device
    return f"{name} {instance} has {length} octets up to its footer, but the description says {told}"


def finding(description: PduSeen, offset: int, name: str, what: str) -> Malformed:
    """Make the event for a finding of ours."""
    found = Found(name, "warn", "protocol", what)
    return Malformed(description.source, found, offset, STATE, b"", description.frame, description.time_ns)
