# SPDX-License-Identifier: GPL-2.0-or-later
"""The second executor: Scapy, which reads each PDU from that PDU's own octets and builds it again.

Scapy knows no streams, so what a stream remembers (the registers) is given to it, as the decoder had it before the PDU.
What is only noted beside a PDU is the stream's word, and Scapy's has none of it.
"""

from __future__ import annotations

import ipaddress
import uuid
from typing import TYPE_CHECKING, Any

from dissector.declare import registers
from dissector.regression.compare import Different, Sides, explain
from dissector.regression.seen import Seen, as_text

if TYPE_CHECKING:
    from dissector.decode import PduSeen
    from dissector.regression.seen import Sight


def check_with_scapy(sight: Sight, e: PduSeen, octets: bytes) -> None:
    """Raise :class:`Different` unless Scapy finds the same fields, builds the same octets, and leaves none over."""
    with registers(e.registers):
        packet = e.kind.pdu.origin(octets)
        built = bytes(packet)
        found = Seen(e.name, e.offset, len(octets), fields_of(packet, e))
    ours = on_the_wire(sight.seen, len(e.notes))
    where = f"frame {sight.frame}, offset {e.offset}, {e.name}"
    if packet.payload:
        raise Different(f"{where}: scapy leaves {len(packet.payload)} of {len(octets)} octets over")
    if ours != found:
        raise Different(f"{where}:\n{explain(ours, found, Sides('decoder', 'scapy'))}")
    if octets != built:
        raise Different(f"{where}: scapy builds other octets\n  wire  {octets[:64].hex()}\n  scapy {built[:64].hex()}")


def fields_of(packet: Any, e: PduSeen) -> tuple[tuple[str, str], ...]:
    """Give the fields that a packet has, but for payloads."""
    fields = []
    for f in e.kind.pdu.fields:
        present = not f.lazy and (f.present is None or is_present(packet, f.name))
        value = octets_or_number(packet.getfieldval(f.name)) if present else b""
        if value != b"":
            fields.append((f.abbrev, as_text(value, f.type)))
    return tuple(fields)


def on_the_wire(seen: Seen, notes: int) -> Seen:
    """A PDU without what is only noted beside it."""
    return Seen(seen.name, seen.offset, seen.length, seen.fields[: len(seen.fields) - notes])


def octets_or_number(value: Any) -> int | bytes:
    """What Scapy's field classes give, as the decoder would."""
    if value is None:
        return b""
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, str):  # an address
        return ipaddress.IPv4Address(value).packed if "." in value else bytes.fromhex(value.replace(":", ""))
    return value if isinstance(value, bytes) else int(value)


def is_present(packet: Any, name: str) -> bool:
    """Tell whether a conditional field was dissected."""
    return name in packet.fields and packet.fields[name] is not None
