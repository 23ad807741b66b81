# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorded migrations: every octet is explained, and the counts are QEMU's own."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from typing import Any

import pytest

from dissector.capture import Chunk, Closed, Connection, Gap, Opened, conversations, read_packets
from dissector.decode import Conversation, Event, Lost, Malformed, PduSeen, Session
from dissector.frontend.streams import translate_protocol
from dissector.protocols.qemu_migration import PROTOCOL
from dissector.protocols.vmdesc import device_sizes
from tests.support.recordings import PCAPS, PLAIN, name_of

FILES = {name_of(path): path for path in PLAIN}
CAPTURES = list(FILES)
EXPECTED = {f"qemu-{release}-failure": ["rp_shut"] for release in ("10.0", "11.1")}
"""Recordings in which a destination says that it failed."""
MODEL = translate_protocol(PROTOCOL)


@dataclass
class Decoded:
    """A capture, and what QEMU said of it."""

    events: list[Event]
    conversations: list[Conversation]
    said: dict[str, Any]
    cut: bool
    """Whether the capture ends before its connections do."""

    @property
    def pdus(self) -> list[PduSeen]:
        return [event for event in self.events if isinstance(event, PduSeen)]

    @property
    def broken(self) -> bool:
        """Whether there is less in it than the source has counted: it ends early, or a connection broke off."""
        recovered = any(c.channels.get("recovery") for c in self.conversations)
        return self.cut or recovered or self.said["status"] != "completed"

    def count(self, name: str) -> int:
        return sum(c.counts.get(name, 0) for c in self.conversations)


@functools.cache
def decoded(name: str) -> Decoded:
    """Decode a capture."""
    session = Session(MODEL, payload=True, max_payload=1 << 24)
    events: list[Event] = []
    cut = False
    for event in conversations(read_packets(FILES[name])):
        events += taken(session, event)
        cut = cut or (isinstance(event, Closed) and event.how == "end")
    sidecar = tomllib.loads((PCAPS / f"{name}.toml").read_text(encoding="utf-8"))
    return Decoded(events, session.conversations, sidecar["source"]["query-migrate"], cut)


def taken(session: Session, event: Opened | Chunk | Gap | Closed) -> list[Event]:
    """Hand on what the capture says."""
    key: Connection = event.connection
    match event:
        case Opened():
            client, server = ((e.address, e.port) for e in (key.client, key.server))
            return session.opened(key, client, server)
        case Chunk():
            return session.data(key, event.direction, event.data, offset=event.offset)
        case Gap():
            return session.gap(key, event.direction, event.length)
        case Closed():
            return session.closed(key, event.direction)


@pytest.mark.parametrize("name", CAPTURES)
class TestCapture:
    def test_every_octet_is_explained(self, name: str) -> None:
        """PDUs follow one another without a hole; nothing is lost, refused or remarkable."""
        capture = decoded(name)
        at: dict[Any, int] = {}
        for pdu in capture.pdus:
            key = (pdu.source.connection, pdu.direction)
            assert pdu.offset == at.get(key, 0), f"{pdu.name} at {pdu.offset}"
            at[key] = pdu.offset + pdu.length
        trouble = [e.finding for e in capture.events if isinstance(e, Malformed | Lost)]
        if capture.broken:
            trouble = [f for f in trouble if f.name != "truncated"]

        assert trouble == []
        assert [f.name for pdu in capture.pdus for f in pdu.findings] == EXPECTED.get(name, [])

    def test_counts_are_qemus(self, name: str) -> None:
        """Pages and requests as query-migrate counts them, wherever the wire can tell."""
        capture = decoded(name)
        if "ram" not in capture.said:
            pytest.skip("QEMU gave no counts")
        ours = {key: capture.count(f"ram.{key}") for key in ("normal", "duplicate", "postcopy-requests")}
        qemus = {key: capture.said["ram"][key] for key in ours}
        if "compression" in capture.said:
            # Each time flush_compressed_data() is called it counts the last page of every thread once more, whether
            # the thread had one or not, as duplicate or as compressed.
            assert ours.pop("duplicate") <= qemus.pop("duplicate")
            assert capture.count("ram.compressed") <= capture.said["compression"]["pages"]
        if "xbzrle-cache" in capture.said:
            # save_xbzrle_page() counts pages that turn out to be unchanged, for which nothing is sent.
            assert capture.count("ram.xbzrle") <= capture.said["xbzrle-cache"]["pages"]
        if capture.broken:
            assert all(ours[key] <= qemus[key] for key in ours)
        else:
            assert ours == qemus

    def test_devices_are_as_long_as_described(self, name: str) -> None:
        """The footers that were found are where the source says that they are."""
        sizes: dict[tuple[str, int], int] = {}
        device: tuple[str, int] | None = None
        for pdu in (pdu for pdu in decoded(name).pdus if pdu.source.stream == "main"):
            if pdu.name == "SectionFull":
                device = (bytes(pdu.fields["idstr"]).decode(), int(pdu.fields["instance_id"]))
                sizes[device] = 0
            elif pdu.name == "SectionFooter":
                device = None
            elif device:
                sizes[device] += pdu.length
            elif pdu.name == "VmDescription" and "json" in pdu.fields:
                told = device_sizes(bytes(pdu.fields["json"]))
                assert told == {device: sizes[device] for device in told}
                assert sizes.keys() - told.keys() <= {("s390_css", 0)}
