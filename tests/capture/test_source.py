# SPDX-License-Identifier: GPL-2.0-or-later
"""Where octets come from: files, pipes, compressed or not, and what can go wrong with them."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path
from typing import Literal

import pytest

from dissector.capture import read_packets, source
from dissector.errors import CaptureError
from dissector.regression.wire import Wire
from tests.support.captures import FRAMES, read, recorded, refusal


class TestCompression:
    def test_is_known_by_content_not_by_name(self, tmp_path: Path) -> None:
        """A gzipped capture may be called anything."""
        path = tmp_path / "capture.pcap"
        path.write_bytes(gzip.compress(recorded("pcap")))

        assert FRAMES == [bytes(packet.data) for packet in read_packets(path)]

    def test_several_members(self) -> None:
        """Concatenated gzip files are one file."""
        octets = recorded("pcapng")

        assert FRAMES == read(gzip.compress(octets[:777]) + gzip.compress(octets[777:]))

    def test_zstd(self) -> None:
        """So are concatenated zstd frames."""
        zstandard = pytest.importorskip("zstandard")
        octets = recorded("pcap")

        assert FRAMES == read(zstandard.compress(octets[:777]) + zstandard.compress(octets[777:]))

    def test_cut_short(self) -> None:
        """A compressed capture that was cut short gives what it has, and says what is missing."""
        zstandard = pytest.importorskip("zstandard")
        stream = io.BytesIO()
        wire = Wire(stream)
        frames = [os.urandom(50_000) for _ in range(30)]
        for frame in frames:
            wire.packet(frame)
        for packed in (gzip.compress(stream.getvalue()), zstandard.compress(stream.getvalue())):
            warnings: list[str] = []

            found = read(packed[: len(packed) // 2], warnings)

            assert 10 < len(found) < 16
            assert frames[: len(found)] == found
            place = 24 + len(found) * 50_016
            assert [
                "input: the compressed file is cut short",
                f"input: cut short in the middle of a packet record at octet {place}",
            ] == warnings

    def test_cut_short_between_two_records(self) -> None:
        """That the compressed file is incomplete is told even when no packet is."""
        zstandard = pytest.importorskip("zstandard")
        octets = recorded("pcap")
        for packed in (
            gzip.compress(octets)[:-1],
            zstandard.ZstdCompressor(write_checksum=True).compress(octets)[:-1],
        ):
            warnings: list[str] = []

            assert FRAMES == read(packed, warnings)
            assert ["input: the compressed file is cut short"] == warnings

    def test_damaged(self) -> None:
        """A compressed file with wrong octets is refused."""
        zstandard = pytest.importorskip("zstandard")
        octets = recorded("pcap")
        checked = zstandard.ZstdCompressor(write_checksum=True)
        for packed in (gzip.compress(octets), checked.compress(octets)):
            with pytest.raises(CaptureError, match="input: damaged compressed data: "):
                read(packed[:-8] + bytes(8))

    @pytest.mark.skipif(sys.version_info >= (3, 14), reason="has a module of its own")
    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where zstd cannot be read, the message says how to change that."""
        monkeypatch.setitem(sys.modules, "zstandard", None)

        with pytest.raises(CaptureError) as error:
            read(b"\x28\xb5\x2f\xfd" + bytes(20))
        assert (
            "input: compressed with zstd, which this Python cannot read by itself\nhint: pip install zstandard"
            == str(error.value)
        )


class Trickle(io.RawIOBase):
    """A pipe whose writer is slow: each read gives one octet."""

    def __init__(self, octets: bytes) -> None:
        self._rest = io.BytesIO(octets)

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(min(size, 1))


class TestSources:
    @pytest.mark.parametrize("container", ["pcap", "pcapng"])
    def test_any_split(self, container: Literal["pcap", "pcapng"]) -> None:
        """How the octets arrive makes no difference."""
        octets = recorded(container)

        assert FRAMES == [bytes(packet.data) for packet in read_packets(Trickle(octets))]  # type: ignore[arg-type]

    @pytest.mark.parametrize("container", ["pcap", "pcapng"])
    def test_any_size_of_a_block(self, container: Literal["pcap", "pcapng"], monkeypatch: pytest.MonkeyPatch) -> None:
        """A block may end at any octet of a record, and several records may lie in a block or several in a record."""
        octets = recorded(container)
        for size in (*range(1, 200), *range(1500, 1600), *range(9000, 9200)):
            monkeypatch.setattr(source, "BLOCK", size)

            assert FRAMES == read(octets)

    @pytest.mark.parametrize("container", ["pcap", "pcapng"])
    def test_any_end(self, container: Literal["pcap", "pcapng"], monkeypatch: pytest.MonkeyPatch) -> None:
        """A capture that is cut anywhere says the same about its end, whatever the size of a block."""
        octets = recorded(container)
        ends = (*range(24 if container == "pcap" else 60, 400), *range(len(octets) - 40, len(octets)))
        for end in ends:
            ways: list[tuple[list[bytes], list[str]]] = []
            for size in (17, 64, 1 << 20):
                monkeypatch.setattr(source, "BLOCK", size)
                warnings: list[str] = []
                ways.append((read(octets[:end], warnings), warnings))

            assert ways[2] == ways[0]
            assert ways[2] == ways[1]

    def test_a_block_is_not_copied(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only the octets of a record that straddles are put together; all others are views of what was read."""
        monkeypatch.setattr(source, "BLOCK", 1000)
        stream = io.BytesIO()
        wire = Wire(stream)
        for _ in range(99):
            wire.packet(bytes(84))
        stream.seek(0)

        sizes = [len(packet.data.obj) for packet in read_packets(stream)]  # type: ignore[arg-type]

        assert {100, 920, 1000} == set(sizes), "a record, the last block, a block"
        assert 9 == sizes.count(100)

    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A single hyphen is standard input."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(recorded("pcap"))))

        assert FRAMES == [bytes(packet.data) for packet in read_packets("-")]

    def test_progress_reaches_the_size_of_the_file(self, tmp_path: Path) -> None:
        """Progress counts octets of the file as it lies there, compressed or not."""
        path = tmp_path / "capture.pcap.gz"
        path.write_bytes(gzip.compress(recorded("pcap")))
        seen: list[tuple[int, int | None]] = []

        list(read_packets(path, progress=lambda done, total: seen.append((done, total))))

        size = path.stat().st_size
        assert (size, size) == seen[-1]
        assert seen == sorted(seen)

    def test_progress_of_a_stream_has_no_total(self) -> None:
        """Nobody knows how long a stream will be."""
        seen: list[int | None] = []

        list(read_packets(io.BytesIO(recorded("pcap")), progress=lambda _, total: seen.append(total)))

        assert {None} == set(seen)

    def test_a_stream_is_left_open(self) -> None:
        """Who opened a stream closes it."""
        stream = io.BytesIO(recorded("pcap"))
        list(read_packets(stream))

        assert not stream.closed


def test_missing_file(tmp_path: Path) -> None:
    """The system's reason is given."""
    path = tmp_path / "none.pcap"

    message = f"{path}: no such file or directory\nhint: a relative path starts at the current folder"
    assert message == refusal(path)


def test_folder(tmp_path: Path) -> None:
    """A folder is no file."""
    assert f"{tmp_path}: is a directory\nhint: name a capture inside this folder" == refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_forbidden(tmp_path: Path) -> None:
    """A file may belong to somebody else."""
    path = tmp_path / "secret.pcap"
    path.touch(mode=0)

    assert refusal(path).startswith(f"{path}: permission denied\nhint: captures recorded by root")


def test_read_error() -> None:
    """An error while reading is the system's, too."""

    class Broken(io.BytesIO):
        def read1(self, _size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(CaptureError, match="input: input/output error"):
        list(read_packets(Broken()))
