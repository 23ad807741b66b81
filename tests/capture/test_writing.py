# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written is read again: by our reader, and by Wireshark where it is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dissector.capture import Closed, Endpoint, Opened, conversations, read_packets
from dissector.capture.talk import LONGEST, Talk
from dissector.capture.writing import Spool, block, interface, options, section, tls_secrets
from dissector.tshark import Tshark
from tests.support.captures import closed, octets, said

ENDS = {
    4: (Endpoint("192.0.2.1", 40000), Endpoint("192.0.2.2", 4545)),
    6: (Endpoint("fd00::1", 1), Endpoint("fd00::2", 2)),
}
NOW = 1_700_000_000_123_456_789
FORWARD, BACK = said(200_000), said(777, seed=1)
KEYS = b"CLIENT_RANDOM " + b"00" * 32 + b" " + b"11" * 48 + b"\n"


def written(path: Path, version: int = 4, *, secrets: bytes = b"", rst: bool = False) -> Path:
    """Write a connection in which both ends say something."""
    with Spool((path.parent / "spool").open("w+b")) as spool:
        talk = Talk(spool.packet, *ENDS[version])
        talk.opened(NOW)
        talk.data(0, FORWARD, NOW + 1)
        talk.taken(0, NOW + 2)
        talk.data(1, BACK, NOW + 3)
        if rst:
            talk.reset(1, NOW + 4)
        talk.finished(0, NOW + 4)
        talk.finished(1, NOW + 5)
        heads = [section("test", ["QEMU 7.2", "Ünicode"]), interface("proxy", "a proxy")]
        spool.write(path, [*heads, *([tls_secrets(secrets)] if secrets else [])])
    return path


@pytest.mark.parametrize("version", [4, 6])
def test_the_same_octets_come_back(tmp_path: Path, version: int) -> None:
    """Both directions whole, the right ends, closed by FIN from both sides."""
    found = list(conversations(read_packets(written(tmp_path / "a.pcapng.gz", version), strict=True)))
    opened = next(event for event in found if isinstance(event, Opened))

    assert ENDS[version] == (opened.connection.client, opened.connection.server)
    assert FORWARD == octets(found, 0)
    assert BACK == octets(found, 1)
    assert [(0, "fin"), (1, "fin")] == [(side, how) for side, how, _ in closed(found)]


def test_a_reset_is_the_end(tmp_path: Path) -> None:
    """Whatever either end says behind it is not written."""
    found = list(conversations(read_packets(written(tmp_path / "a.pcapng.gz", rst=True), strict=True)))

    assert {"rst"} == {event.how for event in found if isinstance(event, Closed)}


def test_times_have_nanoseconds(tmp_path: Path) -> None:
    """The first packet has the time that was given."""
    assert next(read_packets(written(tmp_path / "a.pcapng.gz"))).time_ns == NOW


def test_no_segment_is_too_long(tmp_path: Path) -> None:
    """With its headers it fits into an IP packet."""
    sizes = [packet.original for packet in read_packets(written(tmp_path / "a.pcapng.gz"))]

    assert max(sizes) == LONGEST + 54


def test_twice_the_same_is_the_same_file(tmp_path: Path) -> None:
    """There is no time of writing in it, and no name."""
    first, second = written(tmp_path / "a.pcapng.gz"), written(tmp_path / "b.pcapng.gz")

    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[4:8] == bytes(4)


def test_secrets_stand_in_front_of_the_packets(tmp_path: Path) -> None:
    """A Decryption Secrets Block: type, length, kind of secrets, their length, padded, length again."""
    expected = block(10, b"KSLT" + len(KEYS).to_bytes(4, "little") + KEYS)
    found = gzip.decompress(written(tmp_path / "a.pcapng.gz", secrets=KEYS).read_bytes())

    assert found.startswith(b"\n\r\r\n")
    assert 0 < found.index(expected) < found.index(FORWARD[:64])


def test_no_options_no_end_of_them() -> None:
    """A list of options ends only where there is one."""
    assert b"" == options([])
    assert b"\1\0\3\0abc\0\0\0\0\0" == options([(1, b"abc")])


@pytest.mark.needs_tshark
@pytest.mark.parametrize("version", [4, 6])
def test_wireshark_finds_nothing_odd(tmp_path: Path, tshark: Tshark, version: int) -> None:
    """No malformed packet, no TCP analysis, right checksums of IP, and the secrets do no harm."""
    path = written(tmp_path / "a.pcapng.gz", version, secrets=KEYS)
    fields = ("tcp.len", "ip.checksum.status")
    rows = list(tshark.rows(path, fields=fields, prefs={"ip.check_checksum": "TRUE"}))
    odd = tshark.rows(path, fields=("frame.number",), display_filter="tcp.analysis.flags || _ws.malformed")

    assert len(FORWARD) + len(BACK) == sum(int(length) for (length, *_), _ in rows)
    assert [] == list(odd)
    assert {"1"} >= {status for _, each in rows for status in each}
