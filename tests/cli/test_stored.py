# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations that were written to a file: found, read like a capture, summed up, wrapped for Wireshark."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from dissector.capture import Chunk, conversations, read_packets
from dissector.cli.capture import octets
from tests.cli.conftest import complete
from tests.support.stored import FILES, RECORDED, Recorded, recorded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran

STREAM = bytes(complete())
ABSOLUTE = re.compile(r"(?<![\w.])(?:~?/|[A-Za-z]:\\+)\w")
each_file = pytest.mark.parametrize("file", RECORDED, ids=str)


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[bytes], Path]:
    """Give a function that writes a file."""

    def write(content: bytes) -> Path:
        path = tmp_path / "stored.bin"
        path.write_bytes(content)
        return path

    return write


def objects(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


@each_file
class TestRecorded:
    def test_sidecar(self, file: Recorded) -> None:
        """It belongs to its file, says how it came about, and names no place of the machine where it did."""
        content = file.path.read_bytes()

        assert file.sidecar["sha256"] == hashlib.sha256(content).hexdigest()
        assert file.sidecar["octets"] == len(gzip.decompress(content))
        assert file.path.name.startswith(f"qemu-{file.sidecar['qemu'].rpartition('.')[0]}-")
        assert len(content) < 400_000
        assert all("execute" in json.loads(step) for step in file.sidecar["steps"])
        assert not [a for a in file.sidecar["source"]["arguments"] if ABSOLUTE.search(a)]

    def test_nothing_is_remarkable(self, cli: Callable[..., Ran], file: Recorded, tmp_path: Path) -> None:
        """Every event is a PDU without errors and warnings; they have neither frames nor times."""
        ran = cli("decode", "--json", *file.place, file.plain(tmp_path))
        found = objects(ran)

        assert (0, "") == (ran.code, ran.err)
        assert ["connection"] == [o["event"] for o in found if o["event"] != "pdu"]
        assert {"mapped_ignore_shared"} >= {f["finding"] for o in found[1:] for f in o["findings"]}
        assert {(None, None)} == {(o["frame"], o["time"]) for o in found}
        assert (str(file.plain(tmp_path)), None) == (found[0]["client"], found[0]["server"])

    def test_summary_agrees_with_qemu(self, cli: Callable[..., Ran], file: Recorded, tmp_path: Path) -> None:
        """What can be told is what query-migrate said; of mapped-ram it is the pages of a guest that stood still."""
        ran = cli("summary", "--json", *file.place, file.plain(tmp_path))
        (told,) = objects(ran)
        counted = file.sidecar["source"]["query-migrate"]
        values = {"status": counted.get("status")} | {f"ram.{k}": v for k, v in counted.get("ram", {}).items()}
        compared = {key: told[key] for key in values if told.get(key) is not None} if counted else {}

        assert (0, "") == (ran.code, ran.err)
        assert {key: values[key] for key in compared} == compared
        assert silent(file) == {key for key in told["reasons"] if told[key] is None} == set(told["reasons"])
        if "mapped-ram" in file.sidecar["capabilities"]:
            assert 0 < told["ram.stored"] <= values["ram.normal"]
            assert told["ram.stored"] == values["ram.normal"] or not file.stands_still


def silent(file: Recorded) -> set[str]:
    """Keys for which a file of this kind has no answer."""
    keys = {"ram.dirty-sync-count"}
    if "mapped-ram" in file.sidecar["capabilities"]:
        keys |= {"ram.normal", "ram.duplicate", "ram.transferred"}
    if file.sidecar["qemu"].startswith("7."):
        keys |= {"ram.transferred"}
    if "-cpr" in file.name:
        keys |= {"ram.normal", "ram.duplicate", "ram.transferred", "ram.postcopy-requests", "status", "qemu-machine"}
    return keys


class TestStored:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
    def test_is_recognised(self, cli: Callable[..., Ran], stored: Callable[[bytes], Path], pack: Any) -> None:
        """By its first octets, compressed or not; the end of the file is the end of the stream."""
        ran = cli("decode", stored(pack(STREAM)))
        first, *_, last = ran.out.splitlines()

        assert (0, "") == (ran.code, ran.err)
        assert "# connection 0: main channel of migration 1, " in first
        assert first.endswith("stored.bin")
        assert "QEMU_VM_VMDESCRIPTION" in last

    def test_standard_input(self, cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
        """A pipe is as good as a file."""
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(STREAM)))
        ran = cli("summary", "-")

        assert (0, "") == (ran.code, ran.err)
        assert "stored in a file" in ran.out
        assert "standard input" in ran.out

    @pytest.mark.parametrize("offset", ["4096", "0x1000", "4KiB", "4k"])
    def test_offset(self, cli: Callable[..., Ran], stored: Callable[[bytes], Path], offset: str) -> None:
        """A stream that begins later in the file; offsets that are printed count from its beginning."""
        at_once = cli("decode", stored(STREAM)).out

        assert at_once == cli("decode", "--offset", offset, stored(bytes(4096) + STREAM)).out

    def test_a_large_offset(self, cli: Callable[..., Ran], stored: Callable[[bytes], Path]) -> None:
        """What is in front of the stream is passed over, however long it is."""
        ran = cli("summary", "--offset=3MiB", stored(bytes(3 << 20) + STREAM))

        assert (0, "") == (ran.code, ran.err)

    @pytest.mark.parametrize(
        ("content", "options", "message", "hint"),
        [
            (bytes(4096) + STREAM, (), "neither a pcap or pcapng file nor a stream of", "--offset 4096"),
            (b"#!/bin/sh\n" + bytes(90), (), "(starts with 23 21 2f 62)", "dumpcap"),
            (b"QEV", (), "(starts with 51 45 56)", "dumpcap"),
            (bytes(4096) + STREAM, ("--offset=4090",), "no QEMU Live Migration at octet 4090", "at octet 4096"),
            (STREAM, ("--offset=1",), "no QEMU Live Migration at octet 1 (starts with 45 56 4d 00)", "0x1000"),
            (STREAM, ("--offset=1GiB",), "octets before the place where the stream is to begin", "first octet"),
            (STREAM, ("--offset", "1X"), "'1X' is no number of octets like 4096, 0x1000 or 1MiB", "--help"),
            (STREAM, ("--offset", "-1"), "'-1' is no number of octets", "--help"),
            (STREAM, ("--offset=0", "--snapshot=a"), "a snapshot has no offset", "leave out"),
            (STREAM, ("--snapshot=a",), "not a plain qcow2 image", "unpack"),
            (b"", (), "empty file", "stopped"),
            (b"", ("--offset=0",), "empty file", "written to its end"),
        ],
    )
    @pytest.mark.parametrize("command", ["decode", "summary"])
    def test_refusals(  # noqa: PLR0917  fixtures and parameters
        self,
        cli: Callable[..., Ran],
        stored: Callable[[bytes], Path],
        command: str,
        content: bytes,
        options: tuple[str, ...],
        message: str,
        hint: str,
    ) -> None:
        """One message that says what and what to do; exit code 2."""
        ran = cli(command, stored(content), *options)

        assert (2, "") == (ran.code, ran.out)
        assert message in ran.err
        assert hint in ran.err.partition("hint: ")[2]

    def test_a_file_that_ends_too_early(self, cli: Callable[..., Ran], stored: Callable[[bytes], Path]) -> None:
        """What is there is read; the summary knows no numbers and no status."""
        path = stored(STREAM[:6000])
        (told,) = objects(cli("summary", "--json", path))

        assert "stream ends inside" in cli("decode", path).out
        assert (None, None, None) == (told["status"], told["ram.normal"], told["ram.transferred"])
        assert "the file ends before the stream does; 2 are in it" == told["reasons"]["ram.normal"]

    def test_a_damaged_file(self, cli: Callable[..., Ran], stored: Callable[[bytes], Path]) -> None:
        """A compressed file that is cut gives what is in it, and then the message."""
        ran = cli("decode", stored(gzip.compress(STREAM + bytes(range(256)) * 800)[:-20]))

        assert 2 == ran.code
        assert "QEMU_VM_EOF" in ran.out
        assert "stored.bin: the compressed file is cut short\nhint: " in ran.err

    def test_snapshots_of_an_image(self, cli: Callable[..., Ran], tmp_path: Path) -> None:
        """The only one need not be named; a name that there is none of brings those there are."""
        image = recorded("qemu-10.0-savevm").plain(tmp_path)

        assert cli("decode", image).out == cli("decode", "--snapshot", "only", image).out
        assert "hint: it has: only" in cli("decode", "--snapshot", "other", image).err
        assert "an image cannot be read from a pipe" not in cli("summary", image).err

    def test_the_parameter_mapped_ram(self, cli: Callable[..., Ran]) -> None:
        """Off, headers are no longer what they are; an option like any other."""
        ran = cli("decode", "--mapped-ram", "off", FILES / "qemu-10.0-mapped-ram.bin.gz", "--limit", "10")

        assert "mapped-ram header" not in ran.out
        assert 'Unknown ramblock "", cannot accept migration' in ran.out


class TestWrap:
    def test_round_trip(self, cli: Callable[..., Ran], stored: Callable[[bytes], Path], tmp_path: Path) -> None:
        """The capture has the stream's octets, and reads like the file."""
        out = tmp_path / "out.pcapng"
        ran = cli("wrap", "-v", "--offset=7", stored(b"garbage" + STREAM), "-o", out)

        assert (0, "", f"{out}: written, 7 packets, port 4444\n") == (ran.code, ran.out, ran.err)
        assert STREAM == b"".join(bytes(e.data) for e in conversations(read_packets(out)) if isinstance(e, Chunk))
        assert b"This is no recording: a stream of QEMU Live Migration" in out.read_bytes()[:200]
        assert b"(stored.bin)" in out.read_bytes()[:200]

    @pytest.mark.parametrize("there", [None, b"what was there"])
    def test_nothing_half_written(
        self, cli: Callable[..., Ran], stored: Callable[[bytes], Path], tmp_path: Path, there: bytes | None
    ) -> None:
        """A file that turns out to be damaged leaves what was there before, and no litter."""
        out = tmp_path / "out.pcapng"
        if there is not None:
            out.write_bytes(there)
        ran = cli("wrap", stored(gzip.compress(STREAM + bytes(range(256)) * 800)[:-20]), "-o", out)

        assert (2, "") == (ran.code, ran.out)
        assert "the compressed file is cut short" in ran.err
        assert {"stored.bin", *(["out.pcapng"] if there else [])} == {p.name for p in tmp_path.iterdir()}
        assert there == (out.read_bytes() if there else None)

    @pytest.mark.parametrize(
        ("content", "output", "message"),
        [
            (b"\x0a\x0d\x0d\x0a" + bytes(60), "out.pcapng", "a capture already\nhint: Wireshark opens it as it is"),
            (b"nothing", "out.pcapng", "neither a pcap or pcapng file nor a stream of QEMU Live Migration"),
            (b"", "out.pcapng", "empty file\nhint: "),
            (STREAM, "stored.bin", "the stream and the capture are the same file"),
            (STREAM, "none/out.pcapng", "cannot be written: No such file or directory"),
        ],
    )
    def test_refusals(  # noqa: PLR0917  fixtures and parameters
        self,
        cli: Callable[..., Ran],
        stored: Callable[[bytes], Path],
        tmp_path: Path,
        content: bytes,
        output: str,
        message: str,
    ) -> None:
        """One message, exit code 2, and no file."""
        ran = cli("wrap", stored(content), "-o", tmp_path / output)

        assert (2, "") == (ran.code, ran.out)
        assert message in ran.err
        assert ["stored.bin"] == [p.name for p in tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("4096", 4096), ("0x1000", 4096), ("0XfF", 255), ("1MiB", 1 << 20), ("2 GiB", 2 << 30), ("3t", 3 << 40)],
)
def test_numbers_of_octets(text: str, number: int) -> None:
    """As QEMU's users write them."""
    assert number == octets(text)
