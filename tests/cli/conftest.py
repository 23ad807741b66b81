# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line as a function, the recorded migrations, and captures of streams made to order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dissector.cli import main
from dissector.protocols.qemu_migration.builder import MainChannel
from dissector.regression.wire import cut, fixed, write_capture

if TYPE_CHECKING:
    from collections.abc import Callable

PCAPS = Path(__file__).parents[2] / "pcaps"
MACHINE = b"pc-q35-10.0"
RAM = {b"pc.ram": 0x400000}
TIMER = bytes(range(24))


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of the command line left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Give a function that runs the command line in this process."""

    def run(*argv: object) -> Ran:
        capsys.readouterr()
        code = main([str(word) for word in argv])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run


@pytest.fixture
def pcaps() -> Path:
    """Give the folder of the recorded migrations."""
    return PCAPS


@pytest.fixture
def capture(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a capture of one connection with these octets in it."""

    def write(forward: bytes, reverse: bytes = b"", *, fin: bool = True, cutter: int = 1448) -> Path:
        path = tmp_path / "made.pcap"
        segments = [*cut(forward, fixed(cutter)), *cut(reverse, fixed(cutter), direction=1)]
        write_capture(path, segments, fin=fin)
        return path

    return write


def beginning() -> MainChannel:
    """Give a stream up to its first three pages, the second of them zero."""
    main = MainChannel()
    main.header()
    main.configuration(MACHINE)
    main.start_ram(RAM)
    main.part_ram((b"pc.ram", 0x1000, bytes(4095) + b"\1"), (b"pc.ram", 0x2000, 0), (b"pc.ram", 0x3000, b"x" * 4096))
    return main


def complete(description: bytes = b'{"page_size": 4096, "devices": []}') -> MainChannel:
    """Give a whole precopy migration with one device."""
    main = beginning()
    main.end_ram()
    main.full(b"timer", TIMER, version_id=2)
    main.eof(description)
    return main
