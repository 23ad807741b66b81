# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations over TLS: Wireshark decrypts with the keys in the capture, and the plugin gets what it decrypts.

TLS hands over one record at a time, many of them in a frame, and asks again for each of them whenever it dissects the
frame.  The decoder knows no TLS; it is given the octets that Wireshark's own "follow" finds.
"""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dissector.cli import main
from dissector.tshark import Sharkd, Tshark
from tests.support.encrypted import write_decrypted
from tests.support.readings import Reading, decoded, difference, shown
from tests.support.recordings import ENCRYPTED, name_of, sidecar

SECRETS = b"\x0a\0\0\0"
"""What a Decryption Secrets Block begins with."""

pytestmark = pytest.mark.needs_tshark
each_capture = pytest.mark.parametrize("capture", ENCRYPTED, ids=name_of)


@pytest.fixture(scope="module")
def plain(tshark: Tshark, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give each capture's octets as plain TCP."""
    folder = tmp_path_factory.mktemp("plain")
    found = {c.name: folder / c.name.replace(".pcapng.gz", ".pcap") for c in ENCRYPTED}
    for c in ENCRYPTED:
        write_decrypted(c, tshark, found[c.name])
    return found


def test_there_are_some() -> None:
    """The postcopy with its return path, certificates, and more than one channel."""
    assert {"qemu-7.2-tls-multifd", "qemu-7.2-tls-psk", "qemu-7.2-tls-x509"} <= {name_of(c) for c in ENCRYPTED}


@each_capture
class TestEachCapture:
    @pytest.mark.parametrize("two_pass", [False, True])
    def test_same_pdus(
        self, capture: Path, plain: dict[str, Path], tshark: Tshark, lua_plugin: Path, *, two_pass: bool
    ) -> None:
        """In one pass and in two the plugin sees the PDUs that the decoder finds in the decrypted octets."""
        ours = decoded(plain[capture.name])
        theirs, said = shown(capture, tshark, lua_plugin, two_pass=two_pass)

        assert not difference(ours.pdus, theirs)
        assert ([], []) == (ours.faults, said)

    def test_counts_are_qemus(self, capture: Path, plain: dict[str, Path], tshark: Tshark, lua_plugin: Path) -> None:
        """Pages and requests are as many as QEMU counted at the source, in PDUs and in the plugin's own summary."""
        ram = sidecar(capture)["source"]["query-migrate"]["ram"]
        qemus = {f"ram.{key}": ram[key] for key in ("normal", "duplicate", "postcopy-requests")}
        text = tshark.run(capture, lua_plugin, args=["-q", "-z", "qmig,summary"])
        summary = dict(line.split() for line in text.splitlines() if line.startswith("  ram."))

        assert qemus == {key: int(summary[key]) for key in qemus}
        assert qemus == counted(decoded(plain[capture.name]))

    @pytest.mark.skipif(not shutil.which("sharkd"), reason="sharkd: not installed")
    def test_any_order(self, capture: Path, tshark: Tshark, lua_plugin: Path) -> None:
        """Frames that are visited at random, some of them twice in a row, have the PDUs of the first pass."""
        expected = {}
        for row in tshark.rows(capture, lua_plugin, fields=("frame.number", "qmig.pdu.offset"), display_filter="qmig"):
            expected[int(row[0][0])] = list(row[1])
        order = [*expected, *expected]
        random.Random(1).shuffle(order)
        order = [number for each in order for number in (each, each)][:120]

        with Sharkd(capture, lua_plugin) as found:
            for number in order:
                offsets = [i.value for top in found.frame(number) for i in top.all("qmig.pdu.offset")]
                assert expected[number] == offsets, f"frame {number}"

    def test_the_decoder_says_why_it_cannot(self, capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Both subcommands say that it is encrypted, and how it can be seen."""
        for command in ("decode", "summary"):
            assert 2 == main([command, str(capture)])
            said = capsys.readouterr().err
            assert "TLS" in said
            assert "Wireshark" in said


@pytest.mark.parametrize(
    "options",
    [{"prefs": {"qmig.ports": "4545"}}, {"decode_as": ["tls.port==4545,qmig"]}, {"decode_as": ["tcp.port==4545,qmig"]}],
    ids=["preference", "decode TLS as", "decode TCP as"],
)
def test_by_port(options: Any, plain: dict[str, Path], tshark: Tshark, lua_plugin: Path) -> None:
    """A port that is said to be the protocol's is left to TLS where TLS is spoken on it, and gives the same PDUs."""
    capture = next(c for c in ENCRYPTED if "multifd" in c.name)
    assert 4545 == sidecar(capture)["port"]
    theirs, _ = shown(capture, tshark, lua_plugin, **options)

    assert not difference(decoded(plain[capture.name]).pdus, theirs)


@pytest.mark.parametrize("prefs", [{}, {"qmig.ports": "4545"}], ids=["found", "by port"])
def test_without_keys(prefs: dict[str, object], tshark: Tshark, lua_plugin: Path, tmp_path: Path) -> None:
    """What cannot be decrypted is left to TLS, whatever the ports are said to be."""
    capture = next(c for c in ENCRYPTED if "psk" in c.name)
    without = tmp_path / "without.pcapng"
    octets = gzip.decompress(capture.read_bytes())
    without.write_bytes(b"".join(block for block in blocks(octets) if not block.startswith(SECRETS)))
    protocols = {row[0][0] for row in tshark.rows(without, lua_plugin, fields=("frame.protocols",), prefs=prefs)}

    assert any("tls" in p for p in protocols)
    assert not any("qmig" in p for p in protocols)


def blocks(octets: bytes) -> Iterator[bytes]:
    """The blocks of a pcapng file."""
    while octets:
        size = int.from_bytes(octets[4:8], "little")
        yield octets[:size]
        octets = octets[size:]


def counted(reading: Reading) -> dict[str, int]:
    """The counts of QEMU's that the wire tells."""
    out = dict.fromkeys(("ram.normal", "ram.duplicate", "ram.postcopy-requests"), 0)
    for conversation in reading.conversations:
        for key in out:
            out[key] += conversation.counts.get(key, 0)
    return out
