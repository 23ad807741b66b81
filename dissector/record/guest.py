# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that a scenario's QEMU wants: the guest's boot sector, assembled when it is needed, and an empty disk.

The guest can be the BIOS as well, alone in 64 KiB of zeros: memory then has nothing in it but what the guest writes.

guest.S says what the guest does.  It is assembled here and not shipped as octets, so that what runs can be read.
"""

from __future__ import annotations

import shutil
import subprocess
from importlib import resources
from typing import TYPE_CHECKING

from dissector.record.scenario import RecordError

if TYPE_CHECKING:
    from pathlib import Path

BINUTILS = "Debian, Ubuntu: sudo apt-get install binutils (elsewhere than on x86: binutils-x86-64-linux-gnu)"
CROSS = "x86_64-linux-gnu-"
DISK = 1 << 20
BIOS, RESET, JUMP = 1 << 16, 0xFFF0, bytes.fromhex("ea000000f0")
"""Octets of the BIOS, where the processor begins in it, and a jump to f000:0000, its first octet."""


def make_disk(folder: Path) -> None:
    """Make ``disk.img``, which is empty."""
    (folder / "disk.img").write_bytes(bytes(DISK))


def write_firmware(folder: Path, digits: str) -> None:
    """Make ``firmware.img`` of hexadecimal digits."""
    try:
        (folder / "firmware.img").write_bytes(bytes.fromhex(digits))
    except ValueError as error:
        raise RecordError("firmware", f"is not hexadecimal: {error}") from error


def make_bios(folder: Path) -> None:
    """Make ``bios.img`` of ``guest.img``: the guest in front, at the end the jump with which a processor begins."""
    image = bytearray(BIOS)
    guest = (folder / "guest.img").read_bytes()
    image[: len(guest)] = guest
    image[RESET : RESET + len(JUMP)] = JUMP
    (folder / "bios.img").write_bytes(image)


def assemble(folder: Path) -> None:
    """Make ``guest.img``, the boot sector."""
    source = resources.files(__package__).joinpath("guest.S").read_bytes()
    _run(["as", "--32", "-o", "guest.o", "-"], folder, source)
    _run(["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "-e", "_start", "-o", "guest.elf", "guest.o"], folder)
    _run(["objcopy", "-O", "binary", "-j", ".text", "guest.elf", "guest.img"], folder)


def _run(command: list[str], folder: Path, given: bytes = b"") -> None:
    """Run one of the binutils: those for x86 if there are any of that name, else the machine's own."""
    name = command[0]
    program = shutil.which(CROSS + name) or shutil.which(name)
    if program is None:
        raise RecordError(name, "not installed, and the guest must be assembled", BINUTILS)
    done = subprocess.run([program, *command[1:]], cwd=folder, input=given, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing printed"]
        raise RecordError(name, f"cannot make the guest: {said[0]}", BINUTILS)
