# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that is no migration: one message that says what and what to do, exit code 2, no traceback."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest

from dissector.tshark import find
from tests.cli.conftest import beginning, complete

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran

COMMANDS = ("decode", "summary")


def is_one_message(ran: Ran) -> bool:
    """Tell whether standard error is "where: what" and perhaps a hint."""
    what, *hint = ran.err.splitlines()
    return ": " in what and (not hint or (len(hint) == 1 and hint[0].startswith("hint: ")))


@pytest.mark.parametrize("command", COMMANDS)
class TestNothingToRead:
    def test_a_file_that_is_not_there(self, cli: Callable[..., Ran], command: str, tmp_path: Path) -> None:
        """The system's reason, and where a relative path starts."""
        ran = cli(command, tmp_path / "none.pcap")

        assert (2, "") == (ran.code, ran.out)
        assert is_one_message(ran)
        assert "none.pcap: no such file or directory\nhint: " in ran.err

    def test_a_folder(self, cli: Callable[..., Ran], command: str, tmp_path: Path) -> None:
        """A folder is no capture."""
        ran = cli(command, tmp_path)

        assert (2, "") == (ran.code, ran.out)
        assert is_one_message(ran)

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read(self, cli: Callable[..., Ran], command: str, tmp_path: Path) -> None:
        """The hint tells whose captures often are."""
        path = tmp_path / "secret.pcap"
        path.write_bytes(b"")
        path.chmod(0)
        ran = cli(command, path)

        assert (2, "") == (ran.code, ran.out)
        assert "secret.pcap: permission denied\nhint: " in ran.err

    @pytest.mark.parametrize("octets", [b"", b"#!/bin/sh\nexit 0\n", b"QEWM\0\0\0\3" * 100, b"\xd4\xc3\xb2\xa1"])
    def test_a_file_that_is_no_capture(
        self, cli: Callable[..., Ran], command: str, tmp_path: Path, octets: bytes
    ) -> None:
        """What it begins with is told, and what would be right."""
        path = tmp_path / "file"
        path.write_bytes(octets)
        ran = cli(command, path)

        assert (2, "") == (ran.code, ran.out)
        assert is_one_message(ran)
        assert "hint: " in ran.err

    def test_a_damaged_compressed_file(self, cli: Callable[..., Ran], command: str, tmp_path: Path) -> None:
        """Rubbish behind gzip's magic is an error of the file."""
        path = tmp_path / "file.gz"
        path.write_bytes(b"\x1f\x8b\x08\x00" + b"\xff" * 100)
        ran = cli(command, path)

        assert (2, "") == (ran.code, ran.out)
        assert is_one_message(ran)


@pytest.mark.parametrize("command", COMMANDS)
class TestNoMigration:
    @pytest.mark.parametrize(
        ("octets", "hint"),
        [
            (b"GET / HTTP/1.0\r\n\r\n", "--decode-as PORT=main"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), "TLS"),
        ],
    )
    def test_other_connections(
        self, cli: Callable[..., Ran], capture: Callable[..., Path], command: str, octets: bytes, hint: str
    ) -> None:
        """The hint tells what was there instead."""
        ran = cli(command, capture(octets))

        assert 2 == ran.code
        assert "made.pcap: no QEMU Live Migration in this capture\nhint: " in ran.err
        assert hint in ran.err

    def test_no_connection_at_all(self, cli: Callable[..., Ran], command: str, tmp_path: Path) -> None:
        """A capture without packets has no TCP connection."""
        path = tmp_path / "empty.pcap"
        path.write_bytes(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
        ran = cli(command, path)

        assert (2, "") == (ran.code, ran.out)
        assert "no TCP connection at all" in ran.err


class TestCutShort:
    """What is there is printed; then the message; exit code 2."""

    @pytest.fixture
    def cut(self, capture: Callable[..., Path]) -> Path:
        """Give a capture that stops in the middle of a packet."""
        path = capture(bytes(complete()))
        path.write_bytes(path.read_bytes()[:-1500])
        return path

    def test_decode(self, cli: Callable[..., Ran], cut: Path) -> None:
        """All PDUs in front of the cut are printed."""
        ran = cli("decode", cut)

        assert 2 == ran.code
        assert "RAM_SAVE_FLAG_PAGE" in ran.out
        assert is_one_message(ran)
        assert "made.pcap: cut short in the middle of a packet record at octet" in ran.err

    def test_summary(self, cli: Callable[..., Ran], cut: Path) -> None:
        """The summary of what is there is printed."""
        ran = cli("summary", cut)

        assert 2 == ran.code
        assert "pc-q35-10.0" in ran.out
        assert is_one_message(ran)

    def test_a_compressed_file(self, cli: Callable[..., Ran], pcaps: Path, tmp_path: Path) -> None:
        """Half of a compressed capture is still half of a migration."""
        path = tmp_path / "half.pcap.gz"
        octets = (pcaps / "qemu-10.0-pre.pcap.gz").read_bytes()
        path.write_bytes(octets[: len(octets) // 2])
        ran = cli("decode", path, "--pdu", "QEMU_VM_SECTION_START")

        assert 2 == ran.code
        assert 1 == len(ran.out.splitlines())
        assert "half.pcap.gz: the compressed file is cut short\nhint: " in ran.err

    def test_a_capture_that_is_whole_in_its_end(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """A stream that ends early in a sound capture is a warning of the stream, and no error of the file."""
        ran = cli("decode", capture(bytes(beginning())[:-2000]))

        assert (0, "") == (ran.code, ran.err)
        assert "stream ends inside RAM_SAVE_FLAG_PAGE" in ran.out

    def test_damage_in_the_middle(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """A packet record of impossible length ends the reading, and is named."""
        path = capture(bytes(complete()))
        octets = bytearray(path.read_bytes())
        first = 24 + 16 + int.from_bytes(octets[32:36], "little")
        octets[first + 8 : first + 12] = b"\xff" * 4
        path.write_bytes(octets)
        ran = cli("decode", path)

        assert 2 == ran.code
        assert is_one_message(ran)
        assert "the file is damaged from there on" in ran.err


class TestNoTshark:
    def test_demo(self, cli: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without tshark the demo says how to get it."""
        monkeypatch.delenv(find.VARIABLE, raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(find, "USUAL_PLACES", ())
        ran = cli("demo")

        assert (2, "") == (ran.code, ran.out)
        assert is_one_message(ran)
        assert ran.err.startswith("tshark: not installed\nhint: install it")


def test_gzip_and_plain_are_the_same(cli: Callable[..., Ran], capture: Callable[..., Path], tmp_path: Path) -> None:
    """How a capture is packed does not change what is in it."""
    path = capture(bytes(complete()))
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert cli("decode", path).out == cli("decode", packed).out
