# SPDX-License-Identifier: GPL-2.0-or-later
"""Events of the decoder as lines of text and as objects for JSON.

Text is for eyes: a line per event, aligned where that costs nothing, values shortened.  JSON is for programs: nothing
is shortened, keys are Wireshark's display-filter names, and docs/json.md promises that it stays so.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import uuid
from typing import TYPE_CHECKING, Any

from dissector.decode import events as e

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dissector.ir.model import Protocol
    from dissector.ir.pdus import Field

SHOWN_OCTETS = 16
ARROWS = {"forward": ">", "reverse": "<"}


def text_lines(event: e.Event) -> Iterator[str]:
    """Give the lines for *event*: one, and one more for each finding."""
    match event:
        case e.PduSeen():
            indent = "  " * event.depth
            values = " ".join([*field_texts(event), *(f"({k}={shown(v)})" for k, v in event.notes.items())])
            yield f"{place(event.source, event.offset)} {event.length:>8} {indent}{event.label} {values}".rstrip()
            for found in event.findings:
                yield finding_line(found)
        case e.Gap():
            yield f"{place(event.source, event.offset)} {'-':>8} GAP"
            yield finding_line(event.finding)
        case e.Malformed():
            # Without octets it is a remark about something that could be read.
            word = f"MALFORMED in state {event.state}: {event.octets.hex(' ')}" if event.octets else "REMARK"
            yield f"{place(event.source, event.offset)} {'-':>8} {word}"
            yield finding_line(event.finding)
        case e.Lost() | e.Resynced():
            yield f"{place(event.source, event.offset)} {'-':>8} {type(event).__name__.upper()}"
            yield finding_line(event.finding)
        case e.Recognised():
            ends = " -> ".join(filter(None, (endpoint(event.client), endpoint(event.server))))
            channel = f"{event.source.channel} channel of migration {event.source.conversation}"
            yield f"# connection {event.source.connection}: {channel}, {ends}"
        case e.Unrecognised():
            pass


def place(source: e.Source, offset: int) -> str:
    """Give what every line begins with: connection, direction, offset."""
    return f"{source.connection!s:>3} {ARROWS[source.direction]} {offset:>10}"


def finding_line(found: e.Found) -> str:
    """Give the line of a finding."""
    return f"{'':>25}! {found.severity}: {found.text} ({found.name})"


def field_texts(pdu: e.PduSeen) -> Iterator[str]:
    """Give ``name=value`` for each field."""
    for field in pdu.kind.pdu.fields:
        if field.name in pdu.fields:
            yield f"{field.abbrev}={field_text(field, pdu.fields[field.name])}"


def field_text(field: Field, value: int | bytes) -> str:
    """Give a value for eyes."""
    if isinstance(value, int):
        return f"{value:#x}" if field.hex else str(value)
    told = plain(field.type, value)
    return shown(value if isinstance(told, dict) else told)


def shown(value: Any) -> str:
    """Give text as it is if that can be read, and octets shortened."""
    if isinstance(value, bytes):
        if value.isascii() and value.decode("ascii").isprintable():
            value = value.decode("ascii")
        else:
            rest = f"... ({len(value)} octets)" if len(value) > SHOWN_OCTETS else ""
            return value[:SHOWN_OCTETS].hex() + rest
    if isinstance(value, str):
        return value if value and value.isprintable() and " " not in value else repr(value)
    return str(value)


class Json:
    """Makes the objects of one protocol; docs/json.md describes them."""

    def __init__(self, protocol: Protocol) -> None:
        self.prefix = protocol.prefix
        rules = (rule for stream in protocol.streams for _, rule in stream.rules())
        self.types = {note.abbrev: note.type for rule in rules for note in rule.notes}

    def of(self, event: e.Event) -> dict[str, Any] | None:
        """Give the object for *event*, if it has one."""
        match event:
            case e.PduSeen():
                return self._pdu(event)
            case e.Gap():
                extra: dict[str, Any] = {"length": event.length}
            case e.Malformed():
                extra = {"state": event.state, "octets": {"hex": event.octets.hex()}}
            case e.Lost():
                extra = {}
            case e.Resynced():
                extra = {"state": event.state, "skipped": event.skipped}
            case e.Recognised():
                return json_connection(event)
            case e.Unrecognised():
                return None
        name = type(event).__name__.lower()
        return {"event": name, **json_place(event), **extra, "findings": [json_finding(event.finding)]}

    def _pdu(self, pdu: e.PduSeen) -> dict[str, Any]:
        types = ((field, pdu.fields[field.name]) for field in pdu.kind.pdu.fields if field.name in pdu.fields)
        return {
            "event": "pdu",
            **json_place(pdu),
            "length": pdu.length,
            "depth": pdu.depth,
            "pdu": pdu.name,
            "label": pdu.label,
            "fields": {f"{self.prefix}.{field.abbrev}": plain(field.type, value) for field, value in types},
            "notes": {f"{self.prefix}.{name}": plain(self.types[name], value) for name, value in pdu.notes.items()},
            "findings": [json_finding(found) for found in pdu.findings],
        }


def json_connection(event: e.Recognised) -> dict[str, Any]:
    """Give what is known of a connection when it was recognised."""
    return {
        "event": "connection",
        "migration": event.source.conversation,
        "connection": event.source.connection,
        "channel": event.source.channel,
        "client": endpoint(event.client),
        "server": endpoint(event.server) or None,
        "destination": endpoint(event.destination) or None,
        **json_frame(event),
    }


def json_place(event: e.PduSeen | e.Gap | e.Malformed | e.Lost | e.Resynced) -> dict[str, Any]:
    """Give where and when it was."""
    return {
        "migration": event.source.conversation,
        "connection": event.source.connection,
        "channel": event.source.channel,
        "direction": event.source.direction,
        "offset": event.offset,
        **json_frame(event),
    }


def json_frame(event: e.PduSeen | e.Gap | e.Malformed | e.Lost | e.Resynced | e.Recognised) -> dict[str, Any]:
    """Give when it was: a stored stream has neither frames nor times."""
    return {"frame": event.frame or None, "time": time_text(event.time_ns) if event.frame else None}


def json_finding(found: e.Found) -> dict[str, str]:
    """Give a finding."""
    return {"finding": found.name, "severity": found.severity, "group": found.group, "text": found.text}


def plain(kind: str, value: Any) -> Any:
    """Give a value: numbers as such, text and addresses as strings, octets in hexadecimal."""
    if not isinstance(value, bytes):
        return value
    if kind == "string":
        return value.rstrip(b"\0").decode("utf-8", "backslashreplace")
    if kind == "uuid" and len(value) == 16:
        return str(uuid.UUID(bytes=value))
    if kind in {"ipv4", "ipv6"} and len(value) in {4, 16}:
        return str(ipaddress.ip_address(value))
    if kind == "ether":
        return value.hex(":")
    return {"hex": value.hex()}


def endpoint(end: tuple[str, int]) -> str:
    """Write an endpoint as Wireshark does; a file as its name."""
    address, port = end
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def time_text(time_ns: int) -> str:
    """Write a time with its nanoseconds, in UTC."""
    seconds, fraction = divmod(time_ns, 1_000_000_000)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"
