# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets to a capture: pcapng with nanoseconds, deterministic but for the packets themselves.

What belongs in front of the packets (the comment, the keys of the TLS connections among them) is known only when the
last of them was recorded.  So packets are spooled as finished blocks, and a capture is put together at its end: section
header, interface, secrets, blocks.  Nothing is kept in memory.

A file tells nothing that its writer was not told: no operating system, no hardware, no time of writing.
"""

from __future__ import annotations

import shutil
import struct
from contextlib import contextmanager
from gzip import GzipFile
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from dissector.capture.packet import Packet

ETHERNET = 1
LONGEST_FRAME = 262144
"""Wireshark's limit for a packet, written as the interface's snapshot length."""

_SHB, _IDB, _EPB, _DSB = 0x0A0D0D0A, 1, 6, 10
_TLS_KEY_LOG = 0x544C534B
_COMMENT, _NAME, _DESCRIPTION, _APPLICATION, _TSRESOL = 1, 2, 3, 4, 9
_PACKET = struct.Struct("<7I")
_LENGTH = struct.Struct("<I")


def block(kind: int, body: bytes) -> bytes:
    """Give a block of the general form: type, length, body padded to four octets, length."""
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + _LENGTH.pack(len(body) + 12)


def options(pairs: Iterable[tuple[int, bytes]]) -> bytes:
    """Give a block's options and their end, or nothing where there are none."""
    found = b"".join(struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in pairs)
    return found + bytes(4) if found else b""


def section(application: str, comments: Sequence[str]) -> bytes:
    """Give a section header with a comment for each text, of which an option holds 65,535 octets."""
    said = [(_COMMENT, text.encode()[:65535]) for text in comments]
    return block(
        _SHB, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + options([*said, (_APPLICATION, application.encode())])
    )


def interface(name: str, description: str, linktype: int = ETHERNET) -> bytes:
    """Give the description of an interface whose packets have nanoseconds."""
    about = [(_NAME, name.encode()), (_DESCRIPTION, description.encode()), (_TSRESOL, b"\x09")]
    return block(_IDB, struct.pack("<HHI", linktype, 0, LONGEST_FRAME) + options(about))


def tls_secrets(key_log: bytes) -> bytes:
    """Give a Decryption Secrets Block with the lines of an SSLKEYLOGFILE; it stands in front of what it decrypts."""
    return block(_DSB, struct.pack("<II", _TLS_KEY_LOG, len(key_log)) + key_log)


@contextmanager
def packing(path: Path) -> Iterator[GzipFile]:
    """Open a file that is compressed with gzip, without name or time: the same octets make the same file."""
    with path.open("wb") as raw, GzipFile("", "wb", 9, raw, mtime=0) as packed:
        yield packed


def pack(source: Path, path: Path) -> None:
    """Compress a file."""
    with source.open("rb") as plain, packing(path) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)


class Spool:
    """Packets on their way into a capture; *stream* is open for writing and reading."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.packets = 0

    def packet(self, frame: bytes, time_ns: int) -> None:
        """Add a packet of the first interface, seen at a time in nanoseconds since 1970."""
        size = len(frame)
        length = 32 + (size + 3 & ~3)
        head = _PACKET.pack(_EPB, length, 0, time_ns >> 32, time_ns & 0xFFFFFFFF, size, size)
        self._stream.write(head + frame + bytes(-size % 4) + _LENGTH.pack(length))
        self.packets += 1

    def copy(self, packets: Iterable[Packet]) -> None:
        """Add the packets of another capture."""
        for packet in packets:
            self.packet(bytes(packet.data), packet.time_ns)

    def write(self, path: Path, heads: Iterable[bytes]) -> None:
        """Write a compressed capture that begins with these blocks; the same packets make the same octets."""
        self._stream.flush()
        self._stream.seek(0)
        with packing(path) as packed:
            for head in heads:
                packed.write(head)
            shutil.copyfileobj(self._stream, packed, 1 << 20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
